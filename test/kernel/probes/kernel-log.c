/* The kernel log: /dev/kmsg record by record, syslog(2), /proc/kmsg. What others write meanwhile is passed over: only records of this probe are shown, which begin with its mark.
   The mark is one of this run, and shown as "we". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[20000];
static char mark[32];

/* A text with the mark in it. */
static void unmarked(const char *text) {
  const char *at;
  for (; (at = strstr(text, mark)) != 0; text = at + strlen(mark)) printf("%.*swe", (int)(at - text), text);
  printf("%s", text);
}

static long report(const char *what, long result) {
  if (result == -1) printf("%s = %s\n", what, strerrorname_np(errno));
  else printf("%s = %ld\n", what, result);
  return result;
}
#define R(call) (errno = 0, report(#call, (long)(call)))

static int open_log(int flags) { return open("/dev/kmsg", flags | O_NONBLOCK); }

/* What it says, without number and time. */
static void show(const char *record) {
  char *text = strchr(record, ';');
  unsigned priority;
  char flag = 0;
  sscanf(record, "%u,%*u,%*u,%c", &priority, &flag);
  printf("  %u %c ", priority, flag);
  unmarked(text + 1);
}

/* All records of ours that are there now. */
static void drain(int log) {
  long length;
  int gone = 0;
  while ((length = read(log, buffer, sizeof buffer - 1)) > 0 || (errno == EPIPE && gone++ < 3)) {
    if (length < 0) continue;
    buffer[length] = 0;
    if (strstr(buffer, mark) || strstr(buffer, "kernel-log: ")) show(buffer);
  }
  printf("  then %s\n", length == 0 ? "nothing" : strerrorname_np(errno));
}

static long say(const char *prefix, const char *text) {
  char line[2000];
  int log = open("/dev/kmsg", O_WRONLY);
  int length = snprintf(line, sizeof line, "%s%s%s", prefix, mark, text);
  long result = write(log, line, length);
  printf("say %s|%ld of %d\n", prefix, result, length);
  close(log);
  return result;
}

static void records(void) {
  int log = open_log(O_RDWR);
  R(lseek(log, 0, SEEK_END));
  say("", " plain\n");
  say("<3>", " an error of a program\n");
  say("<0>", " level 0\n");
  say("<30>", " facility 3\n");
  say("<999>", " facility 124\n");
  say("<2048>", " facility 256\n");
  say("<>", " empty prefix\n");
  say("<3x>", " not a prefix\n");
  say("<-1>", " nor this\n");
  say("<4294967299>", " beyond 32 bits\n");
  say(" <3>", " not at the start\n");
  say("", "\ttab \\ back\x01slash \x7f \xc3\xa4\n");
  say("", " two\n" " lines\n\n");
  drain(log);
  say("", " no newline");
  drain(log);
  say("", " the next one shows it\n");
  drain(log);
  say("", " a zero\0behind");
  say("", " end\n");
  drain(log);
  close(log);
}

static void sizes(void) {
  int log = open_log(O_RDWR);
  memset(buffer, 'a', sizeof buffer);
  R(write(log, buffer, 1025));
  memcpy(buffer, mark, strlen(mark));
  R(lseek(log, 0, SEEK_END));
  R(write(log, buffer, 1024));
  say("", " small\n");
  R(read(log, buffer, 3));
  drain(log);
  R(lseek(log, 0, SEEK_END));
  say("", " for a bad buffer\n");
  R(read(log, (void *)8, 1000));
  drain(log);
  R(write(log, (void *)8, 100));
  R(write(log, "", 0));
  close(log);
}

static void positions(void) {
  int log = open_log(O_RDONLY);
  R(lseek(log, 1, SEEK_SET));
  R(lseek(log, 0, SEEK_CUR));
  R(lseek(log, 0, SEEK_SET));
  R(lseek(log, 0, SEEK_DATA));
  R(lseek(log, 0, SEEK_HOLE));
  R(lseek(log, -1, SEEK_END));
  R(lseek(log, 0, SEEK_END));
  say("", " from a position\n");
  long length = pread(log, buffer, sizeof buffer - 1, 12345);
  buffer[length < 0 ? 0 : length] = 0;
  show(buffer);
  R(write(log, "x", 1));
  struct stat status;
  R(fstat(log, &status));
  printf("%o %lx %ld\n", status.st_mode, (long)status.st_rdev, (long)status.st_size);
  close(log);
}

static void readiness(void) {
  int log = open_log(O_RDWR);
  lseek(log, 0, SEEK_END);
  struct pollfd wanted = {log, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLPRI, 0};
  say("", " to poll\n");
  R(poll(&wanted, 1, 1000));
  printf("%x\n", wanted.revents);
  drain(log);
  if (fork() == 0) {
    usleep(50000);
    say("", " wakes\n");
    exit(0);
  }
  fcntl(log, F_SETFL, 0);
  long length = read(log, buffer, sizeof buffer - 1);
  buffer[length < 0 ? 0 : length] = 0;
  show(buffer);
  wait(0);
  close(log);
}

/* Ten records at once for each description, and word of the rest when it is closed. */
static void too_many(void) {
  int log = open_log(O_RDWR);
  lseek(log, 0, SEEK_END);
  int other = open("/dev/kmsg", O_WRONLY);
  char line[100];
  for (int i = 0; i < 14; i++) {
    int length = sprintf(line, "%s number %d\n", mark, i);
    long written = write(other, line, length);
    if (written != length) printf("%d: %ld\n", i, written);
  }
  close(other);
  drain(log);
  close(log);
}

static void calls(void) {
  R(klogctl(10, 0, 0));
  R(klogctl(3, 0, 10));
  R(klogctl(3, buffer, -1));
  R(klogctl(3, buffer, 0));
  R(klogctl(2, buffer, 0));
  R(klogctl(2, 0, 10));
  R(klogctl(8, 0, 0));
  R(klogctl(8, 0, 9));
  R(klogctl(11, 0, 0));
  R(klogctl(-1, 0, 0));
  R(klogctl(0, 0, 0));
  R(klogctl(1, 0, 0));
  R(klogctl(3, (char *)8, 1000));
  R(klogctl(3, (char *)0xffff800000000000, 1000));
  R(klogctl(9, 0, 0) > 0);
  say("<2>", " first\nsecond\n");
  long length = klogctl(3, buffer, sizeof buffer - 1);
  buffer[length] = 0;
  for (char *line = strtok(strstr(buffer, mark) - 30, "\n"); line; line = strtok(0, "\n")) {
    if (strstr(line, mark) || strstr(line, "second")) {
      char *end = strchr(line, ']');
      printf("%.*s..", 4, strchr(line, '<'));
      unmarked(end);
      printf("\n");
    }
  }
  int old = open("/proc/kmsg", O_RDONLY | O_NONBLOCK);
  R(old >= 0);
  R(lseek(old, 5, SEEK_SET));
  struct pollfd wanted = {old, POLLIN | POLLOUT | POLLRDNORM | POLLPRI, 0};
  R(poll(&wanted, 1, 0));
  printf("%x\n", wanted.revents);
  R(write(old, "x", 1));
  struct stat status;
  R(stat("/proc/kmsg", &status));
  printf("%o %ld\n", status.st_mode, (long)status.st_size);
}

static void permissions(void) {
  int restricted = 0, old = open("/proc/kmsg", O_RDONLY);
  FILE *setting = fopen("/proc/sys/kernel/dmesg_restrict", "r");
  fscanf(setting, "%d", &restricted);
  int log = open_log(O_RDWR);
  R(setuid(1000));
  printf("size %d\n", (klogctl(10, 0, 0) > 0) == !restricted);
  printf("all %d\n", (klogctl(3, buffer, 100) >= 0) == !restricted);
  printf("open %d\n", (open_log(O_RDONLY) >= 0) == !restricted);
  R(klogctl(2, buffer, 10));
  R(klogctl(4, buffer, 10));
  R(klogctl(5, buffer, 0));
  R(klogctl(6, buffer, 0));
  R(klogctl(7, buffer, 0));
  R(klogctl(8, buffer, 7));
  R(klogctl(9, buffer, 0));
  R(klogctl(0, buffer, 0));
  R(klogctl(77, buffer, 0));
  R(open("/dev/kmsg", O_WRONLY));
  R(open("/proc/kmsg", O_RDONLY));
  R(write(log, "kernel-log of a user\n", 21));
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  sprintf(mark, "probe %08d:", getpid());
  int log = open_log(O_WRONLY);
  if (log < 0) return 77;
  close(log);
  records();
  sizes();
  positions();
  readiness();
  calls();
  too_many();
  permissions();
  return 0;
}
