/* A program with two threads that dies three calls deep. */
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

static double ratio = 2.5;
static char message[] = "seen by the debugger";

static int deepest(int depth, const char *text, int *nowhere) {
  double kept = ratio * depth;
  *nowhere = (int)kept + text[0];
  return *nowhere;
}
static int deeper(int depth, int *nowhere) { return deepest(depth + 1, message, nowhere) + 1; }
static void *wait_for_ever(void *ready) {
  write(*(int *)ready, "x", 1);
  for (;;) pause();
}
int main(void) {
  int ready[2];
  char byte;
  pthread_t thread;
  if (pipe(ready) != 0 || pthread_create(&thread, NULL, wait_for_ever, &ready[1]) != 0) return 1;
  read(ready[0], &byte, 1);
  return deeper(3, NULL);
}
