/* Several processes wait for input of one pipe: who has waited longest is served first, also when he has waited elsewhere between. */
#define _GNU_SOURCE
#include "../../support/asleep.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 3 };

static int work[2], other[2], reply[2];

static void reader(char name) {
  char order;
  while (read(work[0], &order, 1) == 1) {
    if (order == 'q') {
      write(reply[1], &name, 1);
      _exit(0);
    }
    /* Somewhere else in between, and back. */
    if (order == 'o' && read(other[0], &order, 1) != 1) _exit(2);
    if (write(reply[1], &name, 1) != 1) _exit(3);
  }
  _exit(4);
}

int main(void) {
  pid_t pids[READERS];
  if (pipe(work) || pipe(other) || pipe(reply)) return 1;
  for (int i = 0; i < READERS; i++) {
    pids[i] = fork();
    if (pids[i] == 0) reader('A' + i);
    until_asleep(pids[i]);
  }
  char name;
  printf("in turn:");
  for (int i = 0; i < 3 * READERS; i++) {
    write(work[1], "w", 1);
    if (read(reply[0], &name, 1) != 1) return 2;
    until_asleep(pids[name - 'A']);
    printf(" %c", name);
  }
  printf("\nelsewhere:");
  for (int i = 0; i < READERS; i++) {
    write(work[1], "o", 1);
    /* It has taken the byte when it sleeps and nothing is left: then it waits for the other pipe. */
    write(other[1], "x", 1);
    if (read(reply[0], &name, 1) != 1) return 3;
    until_asleep(pids[name - 'A']);
    printf(" %c", name);
  }
  /* One that waits is killed: nobody misses it. */
  kill(pids[1], SIGKILL);
  waitpid(pids[1], NULL, 0);
  printf("\nwithout B:");
  for (int i = 0; i < 4; i++) {
    write(work[1], "w", 1);
    if (read(reply[0], &name, 1) != 1) return 4;
    until_asleep(pids[name - 'A']);
    printf(" %c", name);
  }
  /* Everybody at once. */
  printf("\nall:");
  write(work[1], "qq", 2);
  int seen = 0;
  for (int i = 0; i < 2; i++) {
    if (read(reply[0], &name, 1) != 1) return 5;
    seen |= 1 << (name - 'A');
  }
  printf(" %d\n", seen);
  int status, ended = 0;
  while (wait(&status) > 0) ended += status == 0;
  printf("ended %d\n", ended);
  return 0;
}
