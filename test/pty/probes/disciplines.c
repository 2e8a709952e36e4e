/* Line disciplines: who waits while one takes the place of another, who may do it, hang-up, what is listed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "../../support/asleep.h"

static int master, slave;
static char name[64], bytes[65536];

static void say(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, result);
  fflush(stdout);
}

static void open_pair(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  grantpt(master);
  unlockpt(master);
  strcpy(name, ptsname(master));
  slave = open(name, O_RDWR | O_NOCTTY);
}

static int set(int fd, int number) { return ioctl(fd, TIOCSETD, &number); }

static int get(int fd) {
  int number = -1;
  return ioctl(fd, TIOCGETD, &number) < 0 ? -1 : number;
}

static void raw(int fd) {
  struct termios t;
  tcgetattr(fd, &t);
  cfmakeraw(&t);
  tcsetattr(fd, TCSANOW, &t);
}

/* What a child does that waits while the discipline changes to `number` and back. */
static void waiting(const char *what, long (*act)(void), int number) {
  pid_t child = fork();
  if (child == 0) {
    errno = 0;
    say(what, act());
    _exit(0);
  }
  until_asleep(child);
  int changed = set(slave, number);
  waitpid(child, 0, 0);
  say("change", changed);
  say("back", set(slave, 0));
}

static long reads(void) { return read(slave, bytes, 10); }
static long writes(void) {
  long n = write(slave, bytes, sizeof bytes);
  return n > 0 ? 1 : n;
}
static long polls(void) {
  struct pollfd p = {slave, POLLIN, 0};
  int n = poll(&p, 1, 300);
  return n * 0x10000 + p.revents;
}
static long epolls(void) {
  struct epoll_event event = {.events = EPOLLIN}, got = {0};
  int set = epoll_create1(0);
  epoll_ctl(set, EPOLL_CTL_ADD, slave, &event);
  int n = epoll_wait(set, &got, 1, 300);
  return n * 0x10000 + got.events;
}

int main(void) {
  FILE *list = fopen("/proc/tty/ldiscs", "r");
  while (fgets(bytes, sizeof bytes, list)) printf("%s", bytes);
  fclose(list);
  fflush(stdout);

  open_pair();
  waiting("read", reads, 27);
  waiting("poll", polls, 27);
  waiting("epoll", epolls, 27);
  raw(slave);
  waiting("write", writes, 27);
  waiting("the same one", polls, 0);
  fcntl(master, F_SETFL, O_NONBLOCK);
  while (read(master, bytes, sizeof bytes) > 0);
  fcntl(master, F_SETFL, 0);

  /* One who waits and is not concerned: the other end. */
  pid_t child = fork();
  if (child == 0) {
    say("master reads", read(master, bytes, 10));
    _exit(0);
  }
  until_asleep(child);
  set(slave, 27);
  set(slave, 0);
  write(slave, "abc", 3);
  waitpid(child, 0, 0);

  /* As anybody; only a hang-up is the superuser's. */
  if (fork() == 0) {
    setuid(1000);
    say("user sets", set(slave, 27));
    say("user has", get(slave));
    say("user sets none such", set(slave, 5));
    say("user hangs up", ioctl(slave, TIOCVHANGUP, 0));
    say("isatty", isatty(slave) ? 1 : -1);
    say("bad pointer", ioctl(slave, TIOCSETD, 8));
    say("bad pointer", ioctl(slave, TIOCGETD, 8));
    _exit(0);
  }
  wait(0);
  say("inherited", get(slave));
  int other = open(name, O_RDWR | O_NOCTTY);
  say("another file", get(other));
  say("read only", set(open(name, O_RDONLY | O_NOCTTY), 0));

  /* In the background, with a terminal of its own. */
  if (fork() == 0) {
    setsid();
    signal(SIGHUP, SIG_IGN);
    int own = open(name, O_RDWR);
    pid_t child = fork();
    if (child == 0) {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_IGN);
      say("background, ignoring", set(own, 27));
      say("background reads", read(own, bytes, 1));
      say("background writes", write(own, bytes, 1));
      set(own, 0);
      signal(SIGTTOU, SIG_DFL);
      set(own, 27);
      say("not reached", 0);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, WUNTRACED);
    say("stopped", WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
    kill(child, 9);
    waitpid(child, 0, 0);
    _exit(0);
  }
  wait(0);

  set(other, 27);
  say("hang-up", ioctl(other, TIOCVHANGUP, 0));
  say("afterwards", get(other));
  say("afterwards", set(other, 0));
  slave = open(name, O_RDWR | O_NOCTTY);
  say("opened again", get(slave));
  struct termios t;
  set(slave, 27);
  say("line of settings", tcgetattr(master, &t) < 0 ? -1 : t.c_line);
  set(slave, 0);
  tcgetattr(slave, &t);
  t.c_line = 9;
  tcsetattr(slave, TCSANOW, &t);
  tcgetattr(slave, &t);
  printf("line %d, discipline %d\n", t.c_line, get(slave));

  set(slave, 27);
  close(master);
  struct pollfd p = {slave, POLLIN | POLLOUT, 0};
  say("poll of a closed pair", poll(&p, 1, 0) * 0x10000 + p.revents);
  say("read of a closed pair", read(slave, bytes, 1));
  say("set of a closed pair", set(slave, 0));
  return 0;
}
