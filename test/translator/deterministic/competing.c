// Processes and threads that compete for the processor without ever waiting: where their slices end shows in what they
// have counted when they look at each other, and in the clock.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *shared;
static uint8_t buffer[8192];

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000l + t.tv_nsec;
}

// Loops of different shapes, so that slices end in all of them.
static void work(int who, int rounds) {
  uint32_t h = who;
  double d = who;
  for (int i = 0; i < rounds; i++) {
    for (int k = 0; k < 300; k++) h = (h ^ buffer[(h + k) & 8191]) * 16777619u;
    for (int k = 0; k < 60; k++) d = d * 0.75 + (h >> k % 32);
    memmove(buffer + (h & 1023), buffer + 2048, 1000);
    memset(buffer + 4096, h, h & 2047);
    shared[who]++;
    if (i % 50 == 0) {
      printf("%d at %d: %lu %lu %lu %lu, %x %.17g, %ld\n", who, i, shared[0], shared[1], shared[2], shared[3], h, d, now());
      fflush(stdout);
    }
  }
}

static void *thread(void *who) {
  work((int)(intptr_t)who, 300);
  return 0;
}

int main(void) {
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 8192; i++) buffer[i] = i * 31;
  pid_t child = fork();
  if (child == 0) {
    work(1, 300);
    return 0;
  }
  pthread_t other;
  pthread_create(&other, 0, thread, (void *)2);
  work(0, 300);
  pthread_join(other, 0);
  waitpid(child, 0, 0);
  return 0;
}
