/* What probes of epoll and its sources share: a call and its outcome as a line; what a set has to say. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <limits.h>
#include <sys/wait.h>
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW(84, 0, uint64_t)
#endif
#include <time.h>
#include <unistd.h>

#define SAY(call)                                                                        \
  do {                                                                                   \
    errno = 0;                                                                           \
    long said = (long)(call);                                                            \
    printf("%s = %ld%s%s\n", #call, said, said < 0 ? " " : "",                           \
           said < 0 ? strerrorname_np(errno) : "");                                      \
    fflush(stdout);                                                                      \
  } while (0)

/* An address where nothing is, and one whose page ends right behind it. */
#define BAD ((void *)8)
static inline char *page_end(void) {
  char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  return pages + 4096;
}

static inline int add(int set, int fd, unsigned events) {
  struct epoll_event event = {events, {.u64 = fd}};
  return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static inline int mod(int set, int fd, unsigned events) {
  struct epoll_event event = {events, {.u64 = fd}};
  return epoll_ctl(set, EPOLL_CTL_MOD, fd, &event);
}

static inline int del(int set, int fd) { return epoll_ctl(set, EPOLL_CTL_DEL, fd, 0); }

/* Prints what a set has, without waiting. */
static inline void look(const char *what, int set) {
  struct epoll_event events[16];
  int count = epoll_wait(set, events, 16, 0);
  printf("%s: %d", what, count);
  for (int i = 0; i < count; i++) printf(" [%d %x]", events[i].data.fd, events[i].events);
  printf("\n");
  fflush(stdout);
}

static inline void show_file(const char *path) {
  char text[4096];
  int fd = open(path, O_RDONLY);
  int length = read(fd, text, sizeof text - 1);
  text[length < 0 ? 0 : length] = 0;
  printf("%s", text);
  close(fd);
}

/* What fdinfo says from the line that begins with `from` on; numbers of inodes and devices are left out. */
static inline void show_info(int fd, const char *from) {
  char path[64], text[4096];
  sprintf(path, "/proc/self/fdinfo/%d", fd);
  int file = open(path, O_RDONLY);
  int length = read(file, text, sizeof text - 1);
  text[length < 0 ? 0 : length] = 0;
  close(file);
  char *start = strstr(text, from);
  for (char *line = start ? strtok(start, "\n") : 0; line; line = strtok(0, "\n")) {
    char *variable = strstr(line, " ino:");
    if (variable) *variable = 0;
    printf("%s\n", line);
  }
  sprintf(path, "/proc/self/fd/%d", fd);
  length = readlink(path, text, sizeof text - 1);
  text[length < 0 ? 0 : length] = 0;
  printf("link %s\n", text);
}
