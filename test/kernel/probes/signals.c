/* Faults with their si_code, handlers, masks, restart, alternate stacks. Prints one line per finding. */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile sig_atomic_t got, order[16], count;

static void fault(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  printf("  signal %d code %d address %p trap %lld\n", signal, info->si_code,
         signal == SIGSEGV || signal == SIGBUS ? info->si_addr : 0, (long long)uc->uc_mcontext.gregs[REG_TRAPNO]);
  siglongjmp(back, 1);
}
static void note(int signal) {
  got = signal;
  if (count < 16) order[count++] = signal;
}
static void queued(int signal, siginfo_t *info, void *context) {
  (void)context;
  printf("  queued %d code %d value %d\n", signal - SIGRTMIN, info->si_code, info->si_value.sival_int);
}

#define TRY(name, statement)              \
  printf("%s\n", name);                   \
  if (!sigsetjmp(back, 1)) { statement; } \
  else {}

static void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {0};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, 0);
}

static void faults(void) {
  struct sigaction action = {0};
  action.sa_sigaction = fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (unsigned i = 0; i < 5; i++) sigaction(signals[i], &action, 0);
  TRY("null", *(volatile int *)16 = 1);
  TRY("read null", (void)*(volatile int *)24);
  TRY("non-canonical", *(volatile int *)0x800000000000000 = 1);
  TRY("kernel half", *(volatile int *)0xffffffff80000000 = 1);
  char *map = mmap((void *)0x10000000, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  TRY("read-only", map[5] = 1);
  TRY("not executable", ((void (*)(void))map)());
  munmap(map + 4096, 4096);
  TRY("across the end", (void)*(volatile long *)(map + 4092));
  TRY("divide by zero", volatile int zero = 0; printf("%d", 5 / zero));
  TRY("divide overflow", volatile int low = -2147483647 - 1; volatile int minus = -1; printf("%d", low / minus));
  TRY("ud2", asm volatile("ud2"));
  TRY("int3", asm volatile("int3"));
  TRY("hlt", asm volatile("hlt"));
  TRY("jump to null", ((void (*)(void))0)());
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, 0);
  action.sa_flags |= SA_ONSTACK;
  sigaction(SIGSEGV, &action, 0);
  printf("stack overflow\n");
  action.sa_flags &= ~SA_ONSTACK;
}

static void masks(void) {
  sigset_t set, old, pending;
  handle(SIGUSR1, note, 0);
  handle(SIGUSR2, note, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, &old);
  count = 0;
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d %d, handled %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2), count);
  sigprocmask(SIG_SETMASK, &old, 0);
  printf("order");
  for (int i = 0; i < count; i++) printf(" %d", order[i]);
  printf("\n");
  struct sigaction action = {0};
  action.sa_sigaction = queued;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGRTMIN, &action, 0);
  sigaction(SIGRTMIN + 1, &action, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, 0);
  for (int i = 0; i < 3; i++) {
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
  }
  siginfo_t info;
  struct timespec none = {0};
  int taken = sigtimedwait(&set, &info, &none);
  printf("sigtimedwait %d value %d\n", taken - SIGRTMIN, info.si_value.sival_int);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  errno = 0;
  taken = sigtimedwait(&set, &info, &none);
  printf("sigtimedwait %d %s\n", taken, strerror(errno));
  if (fork() == 0) {
    usleep(20000);
    kill(getppid(), SIGUSR1);
    _exit(0);
  }
  got = 0;
  sigemptyset(&set);
  int result = sigsuspend(&set);
  printf("sigsuspend %d %s got %d\n", result, strerror(errno), got);
  sigprocmask(SIG_SETMASK, 0, &set);
  printf("mask after %d\n", sigismember(&set, SIGUSR1));
  sigemptyset(&set);
  sigprocmask(SIG_SETMASK, &set, 0);
  wait(0);
}

static void restarts(void) {
  int fds[2], status;
  char byte;
  if (pipe(fds)) exit(1);
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    handle(SIGUSR1, note, flags);
    got = 0;
    pid_t child = fork();
    if (child == 0) {
      usleep(30000);
      kill(getppid(), SIGUSR1);
      usleep(60000);
      if (write(fds[1], "x", 1) != 1) _exit(1);
      _exit(0);
    }
    errno = 0;
    int n = read(fds[0], &byte, 1);
    printf("read %d %s got %d\n", n, strerror(errno), got);
    if (n < 0) n = read(fds[0], &byte, 1);
    while (wait(&status) < 0) {}
    child = fork();
    if (child == 0) {
      usleep(30000);
      kill(getppid(), SIGUSR1);
      usleep(60000);
      _exit(5);
    }
    errno = 0;
    n = wait(&status);
    printf("wait %d %s\n", n > 0, strerror(errno));
    if (n < 0) wait(&status);
    child = fork();
    if (child == 0) {
      usleep(30000);
      kill(getppid(), SIGUSR1);
      _exit(5);
    }
    struct timespec time = {5, 0}, left = {9, 9};
    errno = 0;
    n = nanosleep(&time, &left);
    printf("nanosleep %d %s left %d\n", n, strerror(errno), (int)left.tv_sec);
    wait(&status);
  }
}

static void defaults(void) {
  int signals[] = {SIGTERM, SIGABRT, SIGKILL, SIGPIPE, SIGUSR1, SIGRTMIN + 3, SIGALRM};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      handle(signals[i], SIG_DFL, 0);
      kill(getpid(), signals[i]);
      _exit(77);
    }
    waitpid(child, &status, 0);
    printf("default %d: signaled %d by %d\n", i, WIFSIGNALED(status), WIFSIGNALED(status) ? WTERMSIG(status) == signals[i] : 0);
  }
  int ignored[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
  for (unsigned i = 0; i < 4; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      kill(getpid(), ignored[i]);
      _exit(3);
    }
    waitpid(child, &status, 0);
    printf("ignored %d: exit %d\n", i, WEXITSTATUS(status));
  }
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  faults();
  masks();
  restarts();
  defaults();
  handle(SIGUSR1, note, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  printf("one shot: default again %d\n", action.sa_handler == SIG_DFL);
  errno = 0;
  int failed = sigaction(SIGKILL, &(struct sigaction){.sa_handler = note}, 0);
  printf("catch SIGKILL %d %s\n", failed, strerror(errno));
  failed = kill(0x3fffffff, 0);
  printf("kill nobody %d %s\n", failed, strerror(errno));
  failed = kill(getpid(), 65);
  printf("kill with 65 %d %s\n", failed, strerror(errno));
  return 42;
}
