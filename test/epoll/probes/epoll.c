/* epoll: registrations, triggers, nesting, duplicates, masks, hostile arguments. */
#include "probe.h"

static void edges(void) {
  int p[2], set = epoll_create1(0);
  char bytes[8192];
  pipe2(p, O_NONBLOCK);
  SAY(add(set, p[0], EPOLLIN) == 0);
  SAY(add(set, p[1], EPOLLOUT | EPOLLET) == 0);
  look("fresh", set);
  look("edge is gone", set);
  write(p[1], "ab", 2);
  look("written", set);
  look("level stays", set);
  SAY(mod(set, p[0], EPOLLIN | EPOLLET));
  look("modified", set);
  look("edge", set);
  write(p[1], "c", 1);
  look("another write", set);
  read(p[0], bytes, 1);
  look("read in part", set);
  SAY(mod(set, p[0], EPOLLIN | EPOLLONESHOT));
  look("oneshot", set);
  write(p[1], "d", 1);
  look("disabled", set);
  SAY(mod(set, p[0], EPOLLIN | EPOLLONESHOT));
  look("armed again", set);
  SAY(mod(set, p[0], 0));
  look("nothing wanted", set);
  read(p[0], bytes, sizeof bytes);
  memset(bytes, 0, sizeof bytes);
  SAY(mod(set, p[1], EPOLLOUT | EPOLLET));
  look("writer again", set);
  while (write(p[1], bytes, 4096) > 0) continue;
  look("full", set);
  read(p[0], bytes, 4096);
  look("room for one", set);
  read(p[0], bytes, 4096);
  look("room for two", set);
  close(p[1]);
  look("writer closed", set);
  SAY(mod(set, p[0], EPOLLET));
  look("hang-up unasked", set);
  look("once", set);
  close(p[0]);
  look("all closed", set);
  close(set);
}

static void duplicates(void) {
  int p[2], set = epoll_create1(0);
  char byte;
  pipe2(p, O_NONBLOCK);
  int other = dup(p[0]);
  SAY(add(set, p[0], EPOLLIN));
  SAY(add(set, p[0], EPOLLIN));
  SAY(add(set, other, EPOLLIN | EPOLLET));
  write(p[1], "x", 1);
  look("both", set);
  close(p[0]);
  look("first closed, description lives", set);
  SAY(del(set, p[0]));
  SAY(mod(set, p[0], EPOLLIN));
  int again = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  SAY(again == p[0]);
  SAY(add(set, again, EPOLLIN));
  look("number used again", set);
  int back = dup2(other, p[0]);
  SAY(mod(set, back, EPOLLIN | EPOLLONESHOT));
  look("the old description is back", set);
  SAY(del(set, back));
  SAY(del(set, back));
  close(other);
  close(back);
  look("all closed", set);
  close(p[1]);
  close(set);
}

static void nesting(void) {
  int inner = epoll_create1(0), outer = epoll_create1(0), event = eventfd(0, EFD_NONBLOCK);
  uint64_t one = 1;
  SAY(add(inner, event, EPOLLIN));
  SAY(add(outer, inner, EPOLLIN | EPOLLET));
  look("outer", outer);
  write(event, &one, 8);
  struct pollfd poller = {inner, -1};
  SAY(poll(&poller, 1, 0));
  printf("%x\n", poller.revents);
  look("outer", outer);
  look("outer again", outer);
  write(event, &one, 8);
  look("another write", outer);
  look("inner", inner);
  read(event, &one, 8);
  look("nothing", inner);
  look("nothing", outer);
  SAY(mod(outer, inner, EPOLLIN));
  one = 1;
  write(event, &one, 8);
  read(event, &one, 8);
  look("came and went", outer);
  SAY(add(inner, outer, EPOLLIN));
  SAY(add(inner, inner, EPOLLIN));
  int chain[8];
  for (int i = 0; i < 8; i++) chain[i] = epoll_create1(0);
  for (int i = 0; i < 7; i++) SAY(add(chain[i], chain[i + 1], EPOLLIN));
  SAY(add(chain[3], chain[0], EPOLLIN));
  SAY(add(chain[0], chain[4], EPOLLIN));
  SAY(add(chain[4], event, EPOLLIN));
  one = 1;
  write(event, &one, 8);
  struct epoll_event found[4];
  SAY(epoll_wait(chain[0], found, 4, 0));
  for (int i = 0; i < 8; i++) close(chain[i]);
  for (int i = 0; i < 8; i++) chain[i] = epoll_create1(0);
  for (int i = 6; i >= 0; i--) SAY(add(chain[i], chain[i + 1], EPOLLIN));
  for (int i = 0; i < 8; i++) close(chain[i]);
  /* Ways from one file upwards: 500 of length two. */
  int top[600], failed = 0;
  int middle = epoll_create1(0);
  SAY(add(middle, event, EPOLLIN));
  for (int i = 0; i < 600; i++) {
    top[i] = epoll_create1(0);
    if (add(top[i], middle, EPOLLIN) < 0 && !failed) {
      failed = 1;
      printf("way %d: %s\n", i, strerrorname_np(errno));
    }
  }
  for (int i = 0; i < 600; i++) close(top[i]);
  close(middle);
  close(inner);
  close(outer);
  close(event);
}

static void hostile(void) {
  int set = epoll_create1(0), event = eventfd(1, 0), file = open("/proc/self/exe", O_RDONLY);
  struct epoll_event events[4];
  char *end = page_end();
  SAY(epoll_create(0));
  SAY(epoll_create(-1));
  SAY(epoll_create1(1));
  SAY(add(set, file, EPOLLIN));
  SAY(add(set, open("/", O_RDONLY | O_DIRECTORY), EPOLLIN));
  SAY(add(set, open("/dev/null", O_RDWR), EPOLLIN));
  SAY(add(set, open("/dev/zero", O_RDWR), EPOLLIN));
  SAY(add(set, open("/dev/urandom", O_RDWR), EPOLLIN));
  SAY(add(set, open("/", O_PATH), EPOLLIN));
  SAY(add(set, -1, EPOLLIN));
  SAY(add(-1, event, EPOLLIN));
  SAY(add(event, event, EPOLLIN));
  SAY(add(event, set, EPOLLIN));
  SAY(add(file, event, EPOLLIN));
  SAY(add(set, set, EPOLLIN));
  SAY(add(set, 1 << 30, EPOLLIN));
  SAY(epoll_ctl(set, EPOLL_CTL_ADD, event, 0));
  SAY(epoll_ctl(set, EPOLL_CTL_ADD, event, BAD));
  SAY(epoll_ctl(set, EPOLL_CTL_ADD, event, (void *)(end - 11)));
  SAY(epoll_ctl(set, EPOLL_CTL_MOD, event, events));
  SAY(epoll_ctl(set, EPOLL_CTL_DEL, event, BAD));
  SAY(epoll_ctl(set, 0, event, events));
  SAY(epoll_ctl(set, 4, event, events));
  SAY(epoll_ctl(set, 4, event, BAD));
  SAY(epoll_ctl(-1, EPOLL_CTL_ADD, -1, BAD));
  SAY(add(set, event, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
  SAY(add(set, event, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP));
  SAY(add(set, event, EPOLLIN | EPOLLEXCLUSIVE));
  SAY(mod(set, event, EPOLLIN));
  SAY(mod(set, event, EPOLLIN | EPOLLEXCLUSIVE));
  SAY(add(set, epoll_create1(0), EPOLLIN | EPOLLEXCLUSIVE));
  SAY(epoll_wait(-1, events, 4, 0));
  SAY(epoll_wait(event, events, 4, 0));
  SAY(epoll_wait(event, events, 0, 0));
  SAY(epoll_wait(set, events, 0, 0));
  SAY(epoll_wait(set, events, -1, 0));
  SAY(epoll_wait(set, events, 178956971, 0));
  SAY(epoll_wait(set, malloc(64), 178956970, 0));
  SAY(epoll_wait(set, 0, 4, 0));
  SAY(epoll_wait(set, BAD, 4, 0));
  SAY(epoll_wait(set, (void *)-4096L, 4, 0));
  SAY(epoll_wait(set, (void *)0x7ffffffff000, 1, 0));
  SAY(epoll_wait(set, (void *)(end - 8), 4, 0));
  look("not lost", set);
  int second = eventfd(1, 0);
  SAY(add(set, second, EPOLLIN));
  SAY(epoll_wait(set, (void *)(end - 16), 4, 0));
  SAY(epoll_wait(set, (void *)(end - 24), 4, 0));
  look("both", set);
  SAY(epoll_pwait(set, events, 4, 0, BAD));
  SAY(syscall(SYS_epoll_pwait, set, events, 4, 0, events, 4));
  SAY(syscall(SYS_epoll_pwait, set, events, 4, 0, 0, 4));
  SAY(syscall(SYS_epoll_pwait2, set, events, 4, BAD, 0, 8));
  struct timespec bad = {0, 1000000000}, negative = {-1, 0}, none = {0, 0};
  SAY(syscall(SYS_epoll_pwait2, set, events, 4, &bad, 0, 8));
  SAY(syscall(SYS_epoll_pwait2, set, events, 4, &negative, 0, 8));
  SAY(syscall(SYS_epoll_pwait2, set, events, 4, &none, 0, 8));
  char byte;
  SAY(read(set, &byte, 1));
  SAY(write(set, &byte, 1));
  SAY(lseek(set, 5, SEEK_SET));
  SAY(pread(set, &byte, 1, 0));
  SAY(ioctl(set, FIONREAD, events));
  SAY(fchmod(set, 0777));
  SAY(ftruncate(set, 0));
  SAY(fsync(set));
  SAY(fcntl(set, F_GETFL));
  SAY(fcntl(epoll_create1(EPOLL_CLOEXEC), F_GETFD));
  SAY(open("/proc/self/fd/3", O_RDWR));
  struct epoll_event data = {EPOLLIN | EPOLLET, {.u64 = 0xfedcba9876543210}};
  int third = eventfd(0, 0), fresh = epoll_create1(0);
  SAY(epoll_ctl(fresh, EPOLL_CTL_ADD, third, &data));
  show_info(fresh, "tfd:");
  for (int fd = 3; fd < 64; fd++) close(fd);
}

static void handler(int signal) { printf("signal %d\n", signal); }

static void masks(void) {
  int set = epoll_create1(0);
  struct epoll_event events[2];
  sigset_t blocked, empty;
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, 0);
  sigemptyset(&empty);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, 0);
  raise(SIGUSR1);
  SAY(epoll_wait(set, events, 2, 0));
  SAY(epoll_pwait(set, events, 2, 0, &empty));
  SAY(epoll_pwait(set, events, 2, -1, &empty));
  SAY(epoll_pwait(set, events, 2, 1, &empty));
  struct timespec soon = {0, 1000000};
  raise(SIGUSR1);
  SAY(epoll_pwait2(set, events, 2, &soon, &blocked));
  SAY(epoll_pwait2(set, events, 2, 0, &empty));
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  SAY(sigismember(&now, SIGUSR1));
  close(set);
}

/* A limited number of events at a time: all get their turn. */
static void turns(void) {
  int set = epoll_create1(0), events[5];
  uint64_t one = 1;
  for (int i = 0; i < 5; i++) {
    events[i] = eventfd(1, 0);
    add(set, events[i], i == 2 ? EPOLLIN | EPOLLET : EPOLLIN);
  }
  for (int round = 0; round < 4; round++) {
    struct epoll_event found[2];
    int count = epoll_wait(set, found, 2, 0);
    for (int i = 0; i < count; i++) printf("%d ", found[i].data.fd - events[0]);
    printf("\n");
  }
  for (int i = 0; i < 5; i++) close(events[i]);
  close(set);
}

/* A child inherits the set, and registrations outlive the parent's descriptor in the child. */
static void families(void) {
  int p[2], set = epoll_create1(0);
  pipe(p);
  add(set, p[0], EPOLLIN);
  int child = fork();
  if (child == 0) {
    struct epoll_event event;
    printf("child: %d\n", epoll_wait(set, &event, 1, -1));
    printf("event %x\n", event.events);
    fflush(stdout);
    _exit(0);
  }
  close(p[0]);
  write(p[1], "x", 1);
  waitpid(child, 0, 0);
  look("child is gone", set);
  close(p[1]);
  close(set);
}

int main(void) {
  edges();
  duplicates();
  nesting();
  hostile();
  masks();
  turns();
  families();
  return 0;
}
