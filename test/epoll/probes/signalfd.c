/* signalfd: records of signals, who sees them, masks that change. */
#include "probe.h"

static void take(int fd, int room) {
  struct signalfd_siginfo infos[4];
  memset(infos, 0x55, sizeof infos);
  int count = read(fd, infos, room);
  printf("read %d %s\n", count, count < 0 ? strerrorname_np(errno) : "");
  for (int i = 0; i < count / 128; i++) {
    int own = infos[i].ssi_pid == getpid();
    unsigned char *bytes = (void *)&infos[i];
    int rest = 0;
    for (int b = 88; b < 128; b++) rest += bytes[b];
    printf("  signo %d errno %d code %d own %d uid %d fd %d tid %d band %d overrun %d status %d int %d ptr %lx addr %lx rest %d\n",
           infos[i].ssi_signo, infos[i].ssi_errno, infos[i].ssi_code, own, infos[i].ssi_uid, infos[i].ssi_fd,
           infos[i].ssi_tid, infos[i].ssi_band, infos[i].ssi_overrun, infos[i].ssi_status, infos[i].ssi_int,
           (long)infos[i].ssi_ptr, (long)infos[i].ssi_addr, rest);
  }
  fflush(stdout);
}

static void ready(const char *what, int fd) {
  struct pollfd poller = {fd, -1};
  int count = poll(&poller, 1, 0);
  printf("%s: %d %x\n", what, count, poller.revents);
  fflush(stdout);
}

static void *thread(void *fd) {
  ready("thread", *(int *)fd);
  pthread_kill(pthread_self(), SIGUSR2);
  ready("its own", *(int *)fd);
  take(*(int *)fd, 128);
  return 0;
}

int main(void) {
  sigset_t mask, all;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN);
  sigaddset(&mask, SIGKILL);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  int fd = signalfd(-1, &mask, SFD_NONBLOCK), set = epoll_create1(0);
  add(set, fd, EPOLLIN | EPOLLET);
  show_info(fd, "sigmask");
  ready("new", fd);
  take(fd, 128);
  take(fd, 127);
  take(fd, 0);
  kill(getpid(), SIGUSR1);
  look("sent", set);
  look("edge", set);
  kill(getpid(), SIGUSR1);
  look("the same again", set);
  kill(getpid(), SIGUSR2);
  look("another", set);
  union sigval value = {.sival_ptr = (void *)0x123456789a};
  sigqueue(getpid(), SIGRTMIN, value);
  value.sival_int = 2;
  sigqueue(getpid(), SIGRTMIN, value);
  raise(SIGUSR1);
  look("more", set);
  take(fd, 300);
  ready("rest", fd);
  take(fd, 512);
  ready("none", fd);
  take(fd, 512);
  sigaddset(&mask, SIGUSR2);
  SAY(signalfd(fd, &mask, 0) == fd);
  look("mask grew", set);
  take(fd, 512);
  if (fork() == 0) {
    ready("child", fd);
    kill(getppid(), SIGUSR1);
    look("child's set", set);
    take(fd, 512);
    _exit(3);
  }
  sigaddset(&mask, SIGCHLD);
  signalfd(fd, &mask, 0);
  wait(0);
  ready("from child", fd);
  take(fd, 512);
  pthread_t other;
  pthread_kill(pthread_self(), SIGUSR1);
  pthread_create(&other, 0, thread, &fd);
  pthread_join(other, 0);
  take(fd, 512);
  /* Waiting. */
  if (fork() == 0) {
    usleep(10000);
    kill(getppid(), SIGUSR2);
    _exit(0);
  }
  sigdelset(&mask, SIGCHLD);
  signalfd(fd, &mask, 0);
  fcntl(fd, F_SETFL, 0);
  take(fd, 512);
  wait(0);
  SAY(signalfd(-1, &mask, 1));
  SAY(signalfd(-2, &mask, 0));
  SAY(signalfd(set, &mask, 0));
  SAY(syscall(SYS_signalfd4, -1, &mask, 7, 0));
  SAY(syscall(SYS_signalfd4, -1, BAD, 8, 0));
  SAY(syscall(SYS_signalfd4, -1, BAD, 8, 1));
  SAY(write(fd, &mask, 128));
  kill(getpid(), SIGUSR1);
  SAY(read(fd, BAD, 128));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  take(fd, 128);
  return 0;
}
