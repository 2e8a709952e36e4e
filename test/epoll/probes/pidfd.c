/* pidfd: processes and threads as descriptors, from their making to after their end. */
#include "probe.h"
#include <linux/sched.h>

#define THREAD 0x80
static int pidfd(int pid, int flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int send(int fd, int signal, siginfo_t *info, int flags) {
  return syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}
static int getfd(int fd, int target, int flags) { return syscall(SYS_pidfd_getfd, fd, target, flags); }
static int clone_with(unsigned long flags, int *fd) {
  int child = syscall(SYS_clone, flags, 0, fd, 0, 0);
  if (child == 0) _exit(fcntl(*fd, F_GETFD) < 0 ? 3 : 4);
  return child < 0 ? -1 : 0;
}

struct life {
  int tid, end;
};
static void *live(void *argument) {
  struct life *life = argument;
  life->tid = gettid();
  while (!life->end) usleep(1000);
  return 0;
}

static void ready(const char *what, int fd) {
  struct pollfd poller = {fd, -1};
  int count = poll(&poller, 1, 0);
  printf("%s: %d %x\n", what, count, poller.revents);
}

/* What is said of a process that lives has its number in it. */
static void show_pid(int fd) {
  char path[64], text[4096];
  sprintf(path, "/proc/self/fdinfo/%d", fd);
  int file = open(path, O_RDONLY);
  text[read(file, text, sizeof text - 1)] = 0;
  close(file);
  int pid = 0, again = 0;
  sscanf(strstr(text, "Pid:"), "Pid: %d NSpid: %d", &pid, &again);
  printf("Pid %s %d\n", pid > 0 ? "some" : "none", pid == again);
}

static void threads(int set) {
  struct life life = {};
  pthread_t thread;
  pthread_create(&thread, 0, live, &life);
  while (!*(volatile int *)&life.tid) usleep(100);
  SAY(pidfd(life.tid, 0));
  int fd = pidfd(life.tid, THREAD);
  ready("thread", fd);
  SAY(send(fd, SIGUSR1, 0, 4));
  SAY(send(fd, 0, 0, 1));
  SAY(send(fd, 0, 0, 2));
  SAY(send(fd, 0, 0, 3));
  SAY(send(fd, 0, 0, 8));
  SAY(send(fd, 65, 0, 0));
  SAY(send(fd, -1, 0, 0));
  add(set, fd, EPOLLIN | EPOLLET);
  *(volatile int *)&life.end = 1;
  pthread_join(thread, 0);
  struct epoll_event event;
  SAY(epoll_wait(set, &event, 1, 5000));
  usleep(20000);
  look("drained", set);
  look("thread is gone", set);
  ready("thread is gone", fd);
  show_pid(fd);
  SAY(send(fd, 0, 0, 0));
  SAY(getfd(fd, 0, 0));
  siginfo_t info;
  SAY(waitid(P_PIDFD, fd, &info, WEXITED));
  close(fd);
}

static void processes(int set) {
  siginfo_t info;
  struct epoll_event event;
  int child = fork();
  if (child == 0) {
    usleep(30000);
    _exit(3);
  }
  int fd = pidfd(child, 0);
  add(set, fd, EPOLLIN | EPOLLET);
  look("alive", set);
  SAY(epoll_wait(set, &event, 1, 5000));
  printf("%x\n", event.events);
  look("edge", set);
  SAY(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT));
  look("still there", set);
  SAY(send(fd, 0, 0, 0));
  SAY(send(fd, SIGKILL, 0, 0));
  SAY(getfd(fd, 0, 0));
  show_pid(fd);
  SAY(waitid(P_PIDFD, fd, &info, WEXITED));
  printf("%d %d\n", info.si_status, info.si_code);
  look("reaped", set);
  look("edge", set);
  ready("reaped", fd);
  SAY(waitid(P_PIDFD, fd, &info, WEXITED));
  SAY(send(fd, SIGKILL, 0, 0));
  SAY(getfd(fd, 0, 0));
  show_pid(fd);
  SAY(waitid(P_PIDFD, 0, &info, WEXITED));
  SAY(waitid(P_PIDFD, -1, &info, WEXITED));
  close(fd);
}

static void signals(void) {
  siginfo_t info, given = {};
  int child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  int fd = pidfd(child, O_NONBLOCK);
  SAY(waitid(P_PIDFD, fd, &info, WEXITED));
  SAY(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG));
  SAY(getfd(fd, 999, 0));
  SAY(getfd(fd, -1, 0));
  SAY(getfd(fd, 0, 1));
  int got = getfd(fd, 1, 0);
  SAY(fcntl(got, F_GETFD));
  SAY(write(got, "through the child\n", 18));
  char path[64];
  sprintf(path, "/proc/%d", child);
  int directory = open(path, O_DIRECTORY);
  SAY(send(directory, 0, 0, 0));
  SAY(getfd(directory, 0, 0));
  SAY(send(0, 0, 0, 0));
  SAY(send(-1, 0, 0, 0));
  given.si_signo = SIGUSR1;
  given.si_code = SI_QUEUE;
  SAY(send(fd, SIGUSR2, &given, 0));
  SAY(send(fd, 0, &given, 0));
  SAY(send(fd, SIGUSR1, BAD, 0));
  given.si_code = SI_USER;
  SAY(send(fd, SIGUSR1, &given, 0));
  given.si_code = SI_TKILL;
  SAY(send(fd, SIGUSR1, &given, 0));
  given.si_code = SI_QUEUE;
  SAY(send(fd, SIGUSR1, &given, 0));
  fcntl(fd, F_SETFL, 0);
  SAY(waitid(P_PIDFD, fd, &info, WEXITED));
  printf("%d %d\n", info.si_status, info.si_code);
}

int main(void) {
  int set = epoll_create1(0), fd = -1;
  SAY(pidfd(getpid(), 1));
  SAY(pidfd(0, 0));
  SAY(pidfd(-1, 0));
  SAY(pidfd(1 << 30, 0));
  threads(set);
  processes(set);
  signals();
  int self = pidfd(getpid(), 0), again = pidfd(getpid(), 0);
  struct stat one, other;
  fstat(self, &one);
  fstat(again, &other);
  SAY(one.st_ino == other.st_ino);
  printf("%o\n", one.st_mode);
  SAY(fcntl(self, F_GETFD));
  SAY(fcntl(self, F_GETFL));
  SAY(fcntl(pidfd(getpid(), O_NONBLOCK), F_GETFL));
  char byte;
  SAY(read(self, &byte, 1));
  SAY(write(self, &byte, 1));
  SAY(lseek(self, 0, SEEK_CUR));
  SAY(ioctl(self, FIONREAD, &one));
  siginfo_t info;
  SAY(clone_with(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, &fd));
  SAY(clone_with(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, &fd));
  SAY(clone_with(CLONE_PIDFD | SIGCHLD, BAD));
  SAY(clone_with(CLONE_PIDFD | SIGCHLD, &fd));
  SAY(fcntl(fd, F_GETFD));
  SAY(waitid(P_PIDFD, fd, &info, WEXITED));
  printf("%d\n", info.si_status);
  struct rlimit limit = {fd + 1, fd + 1};
  while (dup(0) < fd) continue;
  setrlimit(RLIMIT_NOFILE, &limit);
  SAY(clone_with(CLONE_PIDFD | SIGCHLD, &fd));
  SAY(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
  SAY(pidfd(getpid(), 0));
  return 0;
}
