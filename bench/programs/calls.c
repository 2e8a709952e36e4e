/*
 * System call rates, the same static program natively, in qemu-user and in Banos.
 *
 *   calls WHAT WARMUP_MS MEASURE_MS [BUSYBOX|MODULE]
 *
 * Prints two times of one round of WHAT in nanoseconds: the mean of the first 1000 rounds of this process, and the one it settles
 * at. It has settled when for as long as it took to get there (but at least a tenth of WARMUP_MS, and WARMUP_MS at most in all) no
 * 10 ms have been 3 % faster; then MEASURE_MS are measured in seven pieces, and the second best counts: what else a machine does
 * disturbs the slow ones, and one may be lucky. The same rule in every engine. WHAT is
 * getpid, clock (clock_gettime as libc makes it), pipe (a byte to another process and back), fork (fork, exit, wait),
 * exec (fork, exec of `BUSYBOX true`, wait), fault (a load that faults, through a SIGSEGV handler that steps over it),
 * stream, packet (a byte, 64 bytes, over a unix socket to another process and back), rights (the same with a descriptor),
 * raw (a byte through a terminal in raw mode to another process and back), line (a line of 40 bytes to a terminal, its echo and
 * the answer of the process that read it), event (an eventfd to another process and back, both in epoll_wait), idle (epoll_wait and what makes one descriptor ready,
 * beside 15,000 that are not), ioctl (one of a driver, MODULE, that it loads into Banos).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const char *busybox;

static void fail(const char *what) {
  perror(what);
  exit(2);
}

static void getpids(long rounds) {
  for (long i = 0; i < rounds; i++) syscall(SYS_getpid);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void clocks(long rounds) {
  double last = 0;
  for (long i = 0; i < rounds; i++) {
    double time = now();
    if (time < last) fail("a clock that ran backwards");
    last = time;
  }
}

static void forks(long rounds) {
  for (long i = 0; i < rounds; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) _exit(7);
    if (child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7) fail("fork");
  }
}

static void execs(long rounds) {
  for (long i = 0; i < rounds; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      execl(busybox, "busybox", "true", (char *)NULL);
      _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail("exec");
  }
}

static void pipes(long rounds) {
  static int there[2], back[2];
  char byte = 'x';
  if (there[1] == 0) {
    if (pipe(there) || pipe(back)) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      close(there[1]);
      close(back[0]);
      while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) continue;
      _exit(0);
    }
  }
  for (long i = 0; i < rounds; i++)
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("pipe");
}

static int event_set(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  int set = epoll_create1(0);
  if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) fail("epoll");
  return set;
}

/* Waits for the one event of `set` and takes it. @returns 0 when there was none for a second */
static int take_event(int set) {
  struct epoll_event event;
  uint64_t value;
  int count = epoll_wait(set, &event, 1, 1000);
  if (count < 0 || (count == 1 && read(event.data.fd, &value, 8) != 8)) fail("epoll_wait");
  return count;
}

static void give_event(int fd) {
  uint64_t one = 1;
  if (write(fd, &one, 8) != 8) fail("eventfd");
}

static void events(long rounds) {
  static int there, back, set;
  if (set == 0) {
    there = eventfd(0, 0);
    back = eventfd(0, 0);
    set = event_set(back);
    pid_t parent = getpid(), child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      int other = event_set(there);
      for (;;) {
        if (take_event(other)) give_event(back);
        else if (getppid() != parent) _exit(0);
      }
    }
  }
  for (long i = 0; i < rounds; i++) {
    give_event(there);
    if (!take_event(set)) fail("no event");
  }
}

#define IDLE 15000

static void idles(long rounds) {
  static int active, set;
  if (set == 0) {
    struct rlimit limit = {IDLE + 20, IDLE + 20};
    if (setrlimit(RLIMIT_NOFILE, &limit)) fail("setrlimit");
    active = eventfd(0, 0);
    set = event_set(active);
    for (int i = 0; i < IDLE; i++) {
      struct epoll_event event = {.events = EPOLLIN};
      if (epoll_ctl(set, EPOLL_CTL_ADD, eventfd(0, 0), &event)) fail("epoll");
    }
  }
  for (long i = 0; i < rounds; i++) {
    give_event(active);
    if (!take_event(set)) fail("no event");
  }
}

/* A message there and back over a pair of sockets. @size bytes @passes a descriptor rides along, and is closed */
static void messages(int type, int size, int passes, long rounds, int pair[2]) {
  static char data[4096], control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {data, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
  if (pair[1] == 0) {
    if (socketpair(AF_UNIX, type, 0, pair)) fail("socketpair");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      close(pair[0]);
      for (;;) {
        message.msg_controllen = sizeof control;
        if (passes ? recvmsg(pair[1], &message, 0) != size : read(pair[1], data, size) != size) _exit(0);
        if (passes ? sendmsg(pair[1], &message, 0) != size : write(pair[1], data, size) != size) _exit(0);
        if (passes) close(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&message)));
      }
    }
  }
  for (long i = 0; i < rounds; i++) {
    if (!passes) {
      if (write(pair[0], data, size) != size || read(pair[0], data, size) != size) fail("socket");
      continue;
    }
    message.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    *(int *)CMSG_DATA(c) = pair[0];
    if (sendmsg(pair[0], &message, 0) != size || recvmsg(pair[0], &message, 0) != size) fail("socket");
    close(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&message)));
  }
}

static void streams(long rounds) {
  static int pair[2];
  messages(SOCK_STREAM, 1, 0, rounds, pair);
}

static void packets(long rounds) {
  static int pair[2];
  messages(SOCK_SEQPACKET, 64, 0, rounds, pair);
}

static void rights(long rounds) {
  static int pair[2];
  messages(SOCK_STREAM, 1, 1, rounds, pair);
}

static void read_all(int fd, char *to, int size) {
  for (int done = 0; done < size;) {
    long count = read(fd, to + done, size - done);
    if (count <= 0) fail("terminal");
    done += count;
  }
}

/* A terminal whose other end is read by a process that answers each piece it gets with `answer`. */
static int terminal(int is_raw, const char *answer) {
  int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
  struct termios modes;
  if (master < 0 || grantpt(master) || unlockpt(master)) fail("posix_openpt");
  if ((slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0 || tcgetattr(slave, &modes)) fail("terminal");
  if (is_raw) cfmakeraw(&modes);
  if (tcsetattr(slave, TCSANOW, &modes)) fail("tcsetattr");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    char data[100];
    close(master);
    while (read(slave, data, sizeof data) > 0) if (write(slave, answer, strlen(answer)) <= 0) break;
    _exit(0);
  }
  close(slave);
  return master;
}

static void raws(long rounds) {
  static int master;
  char byte = 'x';
  if (master == 0) master = terminal(1, "y");
  for (long i = 0; i < rounds; i++) {
    if (write(master, "x", 1) != 1 || read(master, &byte, 1) != 1 || byte != 'y') fail("terminal");
  }
}

static void lines(long rounds) {
  static const char line[] = "a line of a terminal is read as a whole\n", back[] = "a line of a terminal is read as a whole\r\nread\r\n";
  static int master;
  char data[sizeof back];
  if (master == 0) master = terminal(0, "read\n");
  for (long i = 0; i < rounds; i++) {
    if (write(master, line, sizeof line - 1) != sizeof line - 1) fail("terminal");
    read_all(master, data, sizeof back - 1);
    if (memcmp(data, back, sizeof back - 1)) fail("an answer that was not given");
  }
}

static volatile long faults;
static char *forbidden;

/* The load below is movl (%rax), %eax, two bytes long. */
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number;
  ucontext_t *state = context;
  const unsigned char *at = (const unsigned char *)state->uc_mcontext.gregs[REG_RIP];
  if (info->si_addr != forbidden || at[0] != 0x8b || at[1] != 0x00) _exit(3);
  state->uc_mcontext.gregs[REG_RIP] += 2;
  state->uc_mcontext.gregs[REG_RAX] = 0x600d;
  faults++;
}

static void segvs(long rounds) {
  if (!forbidden) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (forbidden == MAP_FAILED || sigaction(SIGSEGV, &action, NULL)) fail("sigaction");
  }
  for (long i = 0; i < rounds; i++) {
    long before = faults;
    uint64_t value = (uint64_t)forbidden;
    __asm__ volatile(".byte 0x8b, 0x00" : "+a"(value) : : "memory");
    if (faults != before + 1 || value != 0x600d) fail("a fault that did not come");
  }
}

/* The module whose path is where busybox's is otherwise; it is Banos's only. */
static void ioctls(long rounds) {
  static int device = -1;
  if (device < 0 && (device = open("/dev/bench", O_RDWR)) < 0) {
    int module = open(busybox, O_RDONLY);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0) < 0) fail(busybox);
    close(module);
    if ((device = open("/dev/bench", O_RDWR)) < 0) fail("/dev/bench");
  }
  for (long i = 0; i < rounds; i++)
    if (ioctl(device, _IO('b', 1), i & 0xffff) != (i & 0xffff) + 1) fail("a wrong answer of the driver");
}

static double timed(void (*run)(long rounds), long rounds) {
  double start = now();
  run(rounds);
  return (now() - start) / rounds;
}

enum { FIRST = 1000, PIECES = 7, MILLISECOND = 1000000 };
static const double piece_of_warm_up = 10.0 * MILLISECOND, progress = 0.97;

/* As many rounds as fit into `span` nanoseconds when one takes `each`. */
static long rounds_in(double span, double each) {
  double rounds = span / each;
  return rounds < 1 ? 1 : (long)rounds;
}

/* Runs until that gets no faster. @each of a round, as far as known, in ns @most ns @returns the best time of a round in ns */
static double warm_up(void (*run)(long rounds), double each, double most) {
  double start = now(), best = each, least = most / 10, reached = 0;
  for (double elapsed = 0; elapsed < most && elapsed < reached + (reached < least ? least : reached);) {
    double time = timed(run, rounds_in(piece_of_warm_up, best));
    elapsed = now() - start;
    if (time < best * progress) reached = elapsed;
    if (time < best) best = time;
  }
  return best;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* @budget ns @returns the second best time of a round in ns */
static double measure(void (*run)(long rounds), double each, double budget) {
  double times[PIECES];
  for (int i = 0; i < PIECES; i++) times[i] = timed(run, rounds_in(budget / PIECES, each));
  qsort(times, PIECES, sizeof *times, by_value);
  return times[1];
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(long rounds);
  } table[] = {{"getpid", getpids}, {"clock", clocks}, {"pipe", pipes}, {"event", events},
               {"idle", idles},     {"fork", forks},   {"exec", execs}, {"fault", segvs},
               {"stream", streams}, {"packet", packets}, {"rights", rights}, {"raw", raws}, {"line", lines},
               {"ioctl", ioctls}};
  busybox = argc == 5 ? argv[4] : "/bin/busybox";
  for (unsigned i = 0; argc >= 4 && i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, argv[1])) continue;
    void (*run)(long rounds) = table[i].run;
    run(0); /* Makes what it needs. */
    double first = timed(run, FIRST);
    double best = warm_up(run, first, atof(argv[2]) * MILLISECOND);
    printf("%.2f %.2f\n", first, measure(run, best, atof(argv[3]) * MILLISECOND));
    return 0;
  }
  fprintf(stderr, "usage: calls getpid|clock|pipe|event|idle|fork|exec|fault|stream|packet|rights|raw|line|ioctl WARMUP_MS MEASURE_MS [BUSYBOX|MODULE]\n");
  return 1;
}
