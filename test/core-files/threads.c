/* Ends by a bad pointer in one of its threads, some calls deep, when all others sleep in pause(2). */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITERS 3
#define PAUSE 34

struct pair {
  int number;
  const char *text;
};
static char *heap;

static volatile pid_t waiters[WAITERS];

static void *waits(void *place) {
  int waiting = 1;
  *(volatile pid_t *)place = gettid();
  while (waiting) pause();
  return place;
}

static int is_asleep(pid_t thread) {
  char path[64];
  int call = -1;
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%d", &call) != 1) call = -1;
  fclose(file);
  return call == PAUSE;
}

static int deep(struct pair *pair, int level) {
  double half = level / 2.0;
  if (level == 0) pair->number = *(volatile int *)16;
  else deep(pair, level - 1);
  return pair->number + (int)half;
}

static void *crashes(void *arg) {
  for (int i = 0; i < WAITERS; i++)
    while (!is_asleep(waiters[i])) usleep(1000);
  deep(arg, 3);
  return arg;
}

int main(int argc, char **argv) {
  struct pair pair = {argc, argv[1]};
  pthread_t thread;
  heap = strdup("on the heap");
  for (int i = 1; i < WAITERS; i++) pthread_create(&thread, NULL, waits, (void *)&waiters[i]);
  pthread_create(&thread, NULL, crashes, &pair);
  waits((void *)&waiters[0]);
  return 0;
}
