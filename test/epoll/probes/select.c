/* poll, ppoll, select and pselect6 with arguments of every kind of badness, and on every kind of event descriptor. */
#include "probe.h"

static int try_select(int count, void *in, void *out, void *except, void *time) {
  return syscall(SYS_select, count, in, out, except, time);
}

static void handler(int signal) { printf("signal %d\n", signal); }

int main(void) {
  char *end = page_end();
  int event = eventfd(1, EFD_NONBLOCK), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), set = epoll_create1(0);
  int self = syscall(SYS_pidfd_open, getpid(), 0), watch = inotify_init(), file = open("/proc/self/exe", O_RDONLY);
  int p[2];
  pipe(p);
  struct pollfd fds[] = {{event, -1}, {timer, -1}, {set, -1}, {self, -1}, {watch, -1}, {file, -1},
                         {p[0], -1},  {p[1], -1},  {-1, -1},  {99, -1},   {-5, 0},    {event, 0}};
  int count = sizeof fds / sizeof *fds;
  SAY(poll(fds, count, 0));
  for (int i = 0; i < count; i++) printf(" %x", fds[i].revents);
  printf("\n");
  close(p[1]);
  SAY(poll(fds + 6, 2, 0));
  printf("%x %x\n", fds[6].revents, fds[7].revents);
  SAY(poll(0, 0, 0));
  SAY(poll(BAD, 0, 0));
  SAY(poll(BAD, 1, 0));
  SAY(poll(0, 1, 0));
  SAY(poll(fds, 1 << 30, 0));
  SAY(poll(fds, -1, 0));
  SAY(poll((void *)(end - 8), 2, 0));
  struct pollfd *last = (void *)(end - 8);
  *last = (struct pollfd){event, POLLIN};
  SAY(poll(last, 1, 0));
  mprotect(end - 4096, 4096, PROT_READ);
  SAY(poll(last, 1, 0));
  SAY(try_select(64, end - 8, 0, 0, 0));
  struct timespec none = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};
  sigset_t mask;
  sigemptyset(&mask);
  SAY(syscall(SYS_ppoll, fds, 1, &none, &mask, 8));
  SAY(syscall(SYS_ppoll, fds, 1, &none, &mask, 4));
  SAY(syscall(SYS_ppoll, fds, 1, &none, 0, 4));
  SAY(syscall(SYS_ppoll, fds, 1, &none, BAD, 8));
  SAY(syscall(SYS_ppoll, fds, 1, &bad, &mask, 8));
  SAY(syscall(SYS_ppoll, fds, 1, &negative, &mask, 8));
  SAY(syscall(SYS_ppoll, fds, 1, BAD, &mask, 8));
  SAY(syscall(SYS_ppoll, BAD, 1, &none, &mask, 8));
  SAY(syscall(SYS_ppoll, BAD, 1, &bad, BAD, 4));

  struct timeval now = {0, 0}, wrong = {0, -1}, past = {-1, 0}, much = {0, 2000000};
  fd_set in, out, except;
  FD_ZERO(&in);
  FD_SET(event, &in);
  FD_SET(timer, &in);
  FD_SET(file, &in);
  out = except = in;
  SAY(try_select(64, &in, &out, &except, &now));
  for (int fd = 0; fd < 64; fd++)
    if (FD_ISSET(fd, &in) || FD_ISSET(fd, &out) || FD_ISSET(fd, &except))
      printf(" %d:%d%d%d", fd - event, !!FD_ISSET(fd, &in), !!FD_ISSET(fd, &out), !!FD_ISSET(fd, &except));
  printf("\n");
  SAY(try_select(-1, 0, 0, 0, &now));
  SAY(try_select(0, 0, 0, 0, &now));
  SAY(try_select(0, BAD, BAD, BAD, &now));
  SAY(try_select(1, BAD, 0, 0, &now));
  SAY(try_select(64, end - 4, 0, 0, &now));
  SAY(try_select(1 << 30, 0, 0, 0, &now));
  SAY(try_select(0, 0, 0, 0, &wrong));
  SAY(try_select(0, 0, 0, 0, &past));
  SAY(try_select(0, 0, 0, 0, BAD));
  FD_ZERO(&in);
  FD_SET(event, &in);
  SAY(try_select(event + 1, &in, 0, 0, &much));
  printf("%ld\n", (long)much.tv_sec);
  FD_ZERO(&in);
  FD_SET(63, &in);
  SAY(try_select(64, &in, 0, 0, &now));
  SAY(try_select(63, &in, 0, 0, &now));
  struct {
    void *set;
    size_t size;
  } pair = {&mask, 8}, odd = {&mask, 7}, wild = {BAD, 8};
  SAY(syscall(SYS_pselect6, 0, 0, 0, 0, &none, &pair));
  SAY(syscall(SYS_pselect6, 0, 0, 0, 0, &none, &odd));
  SAY(syscall(SYS_pselect6, 0, 0, 0, 0, &none, &wild));
  SAY(syscall(SYS_pselect6, 0, 0, 0, 0, &none, BAD));
  SAY(syscall(SYS_pselect6, 0, 0, 0, 0, &bad, &pair));
  SAY(syscall(SYS_pselect6, 0, 0, 0, 0, &none, 0));

  /* A signal that the mask lets in. */
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGUSR1, &action, 0);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, 0);
  raise(SIGUSR1);
  SAY(ppoll(fds, 1, &none, &mask));
  SAY(ppoll(fds + 1, 1, &none, &mask));
  raise(SIGUSR1);
  SAY(ppoll(fds + 1, 1, 0, &mask));
  raise(SIGUSR1);
  SAY(pselect(0, 0, 0, 0, 0, &mask));
  return 0;
}
