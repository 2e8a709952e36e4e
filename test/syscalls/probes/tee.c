/* tee, and splice from and to what is neither a file nor a socket: terminals, devices, descriptors of events. */
#include "probe.h"
#include "../../support/asleep.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <termios.h>

static char b[1 << 20];

static void contents(const char *what, int pipe) {
  int there = -1;
  ioctl(pipe, FIONREAD, &there);
  printf("%s: %d there;", what, there);
  int flags = fcntl(pipe, F_GETFL);
  fcntl(pipe, F_SETFL, flags | O_NONBLOCK);
  unsigned sum = 0;
  long n, total = 0;
  while ((n = read(pipe, b, sizeof b)) > 0) for (long i = 0; i < n; i++, total++) sum = sum * 31 + (unsigned char)b[i];
  printf(" read %ld, sum %u, %s\n", total, sum, n < 0 ? strerrorname_np(errno) : "end");
  fcntl(pipe, F_SETFL, flags);
}

static void fill(int fd, int count, int size) {
  for (int i = 0; i < count; i++) {
    for (int k = 0; k < size; k++) b[k] = i * 7 + k;
    if (write(fd, b, size) != size) printf("short\n");
  }
}

static void wrong(void) {
  int p[2], q[2], file = open("file", O_RDWR | O_CREAT, 0600), s[2];
  pipe(p), pipe(q), socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  write(p[1], "abc", 3);
  R(tee(p[0], q[1], 0, 0xffff));
  R(tee(p[0], q[1], 0, 0));
  R(tee(99, 98, 0, 0));
  R(tee(p[0], q[1], 10, 0x10));
  for (int flags = 0; flags < 16; flags++) S(tee, p[0], q[1], 1, flags), read(q[0], b, 1);
  S(tee, p[0], q[1], 1, 0x100000000);
  S(tee, p[0], q[1], -1, 2);
  S(tee, p[0], q[1], 1ul << 63, 2);
  R(tee(p[0], p[1], 10, 0));
  R(tee(p[1], q[1], 10, 0));
  R(tee(p[0], q[0], 10, 0));
  R(tee(p[0], file, 10, 0));
  R(tee(file, q[1], 10, 0));
  R(tee(s[0], q[1], 10, 0));
  R(tee(p[0], s[0], 10, 0));
  R(tee(99, q[1], 10, 0));
  R(tee(p[0], 99, 10, 0));
  R(tee(p[0], -1, 10, 0));
  contents("p", p[0]), contents("q", q[0]);
  R(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK));
  fcntl(q[1], F_SETFL, O_NONBLOCK);
  R(tee(p[0], q[1], 10, 0));
  close(p[1]);
  R(tee(p[0], q[1], 10, 0));
  close(q[0]);
  on(SIGPIPE, 0);
  R(tee(p[0], q[1], 10, 0));
  printf("signals %d\n", signals_seen);
  int fifo = (mkfifo("fifo", 0600), open("fifo", O_RDWR)), other = (mkfifo("other", 0600), open("other", O_RDWR));
  write(fifo, "through", 7);
  R(tee(fifo, fifo, 10, 0));
  R(tee(fifo, other, 4, 0));
  contents("fifo", fifo), contents("other", other);
  int r[2];
  pipe(r), write(fifo, "x", 1), close(r[0]);
  R(tee(fifo, r[1], 10, 0));
  printf("signals %d\n", signals_seen);
}

static void copies(void) {
  int p[2], q[2];
  pipe(p), pipe(q);
  for (int round = 0; round < 2; round++) {
    fill(p[1], 3, 1000), fill(p[1], 2, 4096), fill(p[1], 5, 10);
    static const int counts[] = {1, 999, 1001, 5000, 1 << 20};
    for (int i = 0; i < 5; i++) R(tee(p[0], q[1], counts[i], SPLICE_F_NONBLOCK));
    /* What comes next is not joined with what was copied. */
    write(q[1], "more", 4), write(p[1], "less", 4);
    R(tee(p[0], q[1], 1 << 20, SPLICE_F_NONBLOCK));
    contents("p", p[0]), contents("q", q[0]);
  }
  /* Slots, not bytes: a full pipe of single bytes. */
  fcntl(q[1], F_SETFL, O_NONBLOCK);
  for (int size = 1; size <= 4096; size += 4095) {
    fill(p[1], 16, 4096);
    R(tee(p[0], q[1], size, SPLICE_F_NONBLOCK));
    long n = 0;
    while (tee(p[0], q[1], size, SPLICE_F_NONBLOCK) > 0) n++;
    printf("%ld more, %s, writes one byte: %ld\n", n, strerrorname_np(errno), (long)write(q[1], "x", 1));
    contents("p", p[0]), contents("q", q[0]);
  }
  fcntl(q[1], F_SETFL, 0);
  int d[2];
  pipe2(d, O_DIRECT);
  write(d[1], "packet", 6), write(d[1], "other", 5);
  R(tee(d[0], q[1], 100, 0));
  R(read(q[0], b, 100)), R(read(q[0], b, 100)), R(read(d[0], b, 3)), R(read(d[0], b, 100));
}

static void waits(void) {
  int p[2], q[2], status;
  pipe(p), pipe(q);
  for (int how = 0; how < 6; how++) {
    fflush(stdout);
    if (how >= 3) fcntl(q[1], F_SETFL, O_NONBLOCK), fill(p[1], 1, 5), fill(q[1], 16, 4096), fcntl(q[1], F_SETFL, 0);
    int pid = fork();
    if (pid == 0) {
      if (how == 1) close(p[1]);
      if (how == 4) close(q[0]);
      on(SIGPIPE, 0), on(SIGUSR1, 0);
      R(tee(p[0], q[1], 100, 0));
      printf("signals %d\n", signals_seen), fflush(stdout);
      _exit(0);
    }
    until_asleep(pid);
    switch (how) {
      case 0: write(p[1], "data", 4); break;
      case 1: close(p[1]); break;
      case 2: case 5: kill(pid, SIGUSR1); break;
      case 3: read(q[0], b, 4096); break;
      case 4: close(q[0]); break;
    }
    waitpid(pid, &status, 0);
    printf("how %d status %d\n", how, status);
    close(p[0]), close(p[1]), close(q[0]), close(q[1]), pipe(p), pipe(q);
  }
}

/* Until so much can be read: what goes through a terminal is on its way for a moment. */
static void arrived(int fd, int count) {
  for (int there = -1; there != count;) ioctl(fd, FIONREAD, &there);
}

/* A terminal gives no more than the pipe has room for: nothing that was typed is lost. */
static void terminals(void) {
  for (int raw = 0; raw < 2; raw++) for (int left = 0; left < 3; left++) {
    int master = posix_openpt(O_RDWR | O_NOCTTY), p[2];
    grantpt(master), unlockpt(master);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct termios modes;
    tcgetattr(slave, &modes);
    modes.c_lflag &= ~ECHO, modes.c_oflag = 0;
    if (raw) cfmakeraw(&modes);
    tcsetattr(slave, TCSANOW, &modes);
    pipe(p);
    fcntl(p[1], F_SETFL, O_NONBLOCK), fill(p[1], 16 - left, 4096);
    for (int i = 0; i < 60; i++) {
      for (int k = 0; k < 66; k++) b[k] = 'a' + (i + k) % 26;
      b[66] = '\n';
      write(master, b, 67);
    }
    arrived(slave, 60 * 67);
    printf("raw %d left %d\n", raw, left);
    for (int i = 0; i < 3; i++) R(splice(slave, 0, p[1], 0, 100000, SPLICE_F_NONBLOCK));
    contents("pipe", p[0]);
    for (int i = 0; i < 3; i++) R(splice(slave, 0, p[1], 0, 100, SPLICE_F_NONBLOCK));
    contents("pipe", p[0]);
    long total = 0, n;
    while ((n = read(slave, b, sizeof b)) > 0) total += n;
    printf("left over: %ld\n", total);
    /* The other way, and what the slave writes. */
    write(slave, b, 3000);
    arrived(master, 3000);
    for (int i = 0; i < 3; i++) R(splice(master, 0, p[1], 0, 1000, SPLICE_F_NONBLOCK));
    R(splice(p[0], 0, master, 0, 10, 0));
    R(splice(p[0], 0, slave, 0, 10, 0));
    if (raw) arrived(slave, 10);
    R(sendfile(p[1], slave, 0, 10));
    contents("pipe", p[0]);
    close(master), close(slave), close(p[0]), close(p[1]);
  }
}

static void others(void) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR2), sigprocmask(SIG_BLOCK, &set, 0);
  int event = eventfd(5, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0), notes = inotify_init1(O_NONBLOCK), signals = signalfd(-1, &set, 0);
  struct itimerspec soon = {{0, 0}, {0, 1}};
  timerfd_settime(timer, 0, &soon, 0), inotify_add_watch(notes, ".", IN_CREATE), close(open("new", O_CREAT, 0600)), raise(SIGUSR2);
  struct { const char *name; int fd; } list[] = {
      {"eventfd", event}, {"timerfd", timer}, {"inotify", notes}, {"signalfd", signals}, {"epoll", epoll_create1(0)},
      {"/dev/null", open("/dev/null", O_RDWR)}, {"/dev/zero", open("/dev/zero", O_RDWR)}, {"/dev/full", open("/dev/full", O_RDWR)},
      {"/dev/urandom", open("/dev/urandom", O_RDWR)}, {"directory", open(".", O_RDONLY)}, {"proc", open("/proc/sys/kernel/ostype", O_RDONLY)},
      {"path", open(".", O_PATH)}};
  for (int i = 0; i < sizeof list / sizeof *list; i++) {
    int p[2], file = open("target", O_RDWR | O_CREAT | O_TRUNC, 0600);
    pipe(p), fcntl(p[1], F_SETFL, O_NONBLOCK);
    printf("-- %s\n", list[i].name);
    R(splice(list[i].fd, 0, p[1], 0, 8, SPLICE_F_NONBLOCK));
    R(splice(list[i].fd, 0, p[1], 0, 100000, SPLICE_F_NONBLOCK));
    R(sendfile(p[1], list[i].fd, 0, 5));
    R(sendfile(file, list[i].fd, 0, 5));
    R(write(p[1], "12345678", 8));
    R(splice(p[0], 0, list[i].fd, 0, 8, SPLICE_F_NONBLOCK));
    write(file, "123456789", 9), lseek(file, 0, SEEK_SET);
    R(sendfile(list[i].fd, file, 0, 5));
    R(sendfile(list[i].fd, file, 0, 8));
    R(tee(list[i].fd, p[1], 8, 0));
    close(p[0]), close(p[1]), close(file);
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  wrong();
  copies();
  waits();
  terminals();
  others();
  return 0;
}
