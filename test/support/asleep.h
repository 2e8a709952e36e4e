/* Waiting for another process to wait, without a guess at how long that takes. */
#ifndef ASLEEP_H
#define ASLEEP_H
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Until /proc shows the process in `state` ('S' sleeping, 'T' stopped), or it has ended. It has to be seen there twice, a
 * millisecond apart: on its way to the call it may sleep for other reasons.
 */
__attribute__((unused)) static void until_in_state(int pid, char state) {
  char name[64], text[512];
  struct timespec tick = {0, 1000000};
  sprintf(name, "/proc/%d/stat", pid);
  for (int seen = 0; seen < 2; nanosleep(&tick, 0)) {
    int fd = open(name, O_RDONLY);
    if (fd < 0) return;
    long n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return;
    text[n] = 0;
    char *end = strrchr(text, ')');
    if (end && end[2] == 'Z') return;
    seen = end && end[2] == state ? seen + 1 : 0;
  }
}

__attribute__((unused)) static void until_asleep(int pid) { until_in_state(pid, 'S'); }
#endif
