/*
 * System call rates, the same static program natively, in qemu-user and in Banos.
 *
 *   calls WHAT MS [BUSYBOX]
 *
 * Prints the nanoseconds of one round of WHAT, the best of five measurements of about MS milliseconds each:
 * getpid, clock (clock_gettime as libc makes it), pipe (a byte to another process and back), fork (fork, exit, wait),
 * exec (fork, exec of `BUSYBOX true`, wait), fault (a load that faults, through a SIGSEGV handler that steps over it).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

static double timed(void (*run)(long rounds), long rounds) {
  double start = now();
  run(rounds);
  return now() - start;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(long rounds);
  } table[] = {{"getpid", getpids}, {"clock", clocks}, {"pipe", pipes}, {"fork", forks}, {"exec", execs}, {"fault", segvs}};
  double budget = argc >= 3 ? atof(argv[2]) * 1e6 : 0;
  busybox = argc == 4 ? argv[3] : "/bin/busybox";
  for (unsigned i = 0; budget > 0 && i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, argv[1])) continue;
    long rounds = 8;
    double time;
    /* Growing rounds are the warm-up too. */
    while ((time = timed(table[i].run, rounds)) < budget / 2) rounds = time < budget / 16 ? rounds * 8 : rounds * 2;
    double best = time / rounds;
    for (int k = 0; k < 5; k++) {
      time = timed(table[i].run, rounds) / rounds;
      if (time < best) best = time;
    }
    printf("%.2f\n", best);
    return 0;
  }
  fprintf(stderr, "usage: calls getpid|clock|pipe|fork|exec|fault MS [BUSYBOX]\n");
  return 1;
}
