/* timer_create and its calls: errors, signals and what they carry, overruns, signals that nobody wants, fork and exec. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define R(call) (errno = 0, report(#call, call))
#define SECOND 1000000000L

static long report(const char *what, long result) {
  if (result == -1) printf("%s = %s\n", what, strerrorname_np(errno));
  else printf("%s = %ld\n", what, result);
  return result;
}

static long create(clockid_t clock, int how, int signo, int value, int thread, int *id) {
  struct sigevent event = {.sigev_value.sival_int = value, .sigev_signo = signo, .sigev_notify = how};
  event._sigev_un._tid = thread;
  return syscall(SYS_timer_create, clock, &event, id);
}
static long set(int id, int flags, long value, long interval, struct itimerspec *old) {
  struct itimerspec setting = {{interval / SECOND, interval % SECOND}, {value / SECOND, value % SECOND}};
  return syscall(SYS_timer_settime, id, flags, &setting, old);
}
static long overrun(int id) { return syscall(SYS_timer_getoverrun, id); }
static long delete(int id) { return syscall(SYS_timer_delete, id); }
static long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

static void take(const char *what, int signo) {
  sigset_t wanted;
  siginfo_t info;
  sigemptyset(&wanted);
  sigaddset(&wanted, signo);
  struct timespec longest = {10, 0};
  if (sigtimedwait(&wanted, &info, &longest) < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: signal %d code %d timer %d value %d overrun %s\n", what, info.si_signo, info.si_code, info.si_timerid,
              info.si_value.sival_int, info.si_overrun == 0 ? "none" : info.si_overrun >= 9 ? "nine or more" : "few");
}

static void errors(void) {
  int id;
  static const clockid_t clocks[] = {0, 1, 4, 5, 6, 7, 10, 11, 12, 99, 1000};
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    printf("clock %d: ", clocks[i]);
    R(create(clocks[i], SIGEV_NONE, 0, 0, 0, &id));
  }
  for (int how = 0; how < 6; how++) {
    printf("how %d: ", how);
    R(create(1, how, SIGUSR1, 1, gettid(), &id));
  }
  R(create(1, SIGEV_THREAD_ID, SIGUSR1, 1, 1, &id));
  R(create(1, SIGEV_THREAD_ID, SIGUSR1, 1, 0, &id));
  R(create(1, 0, 0, 1, 0, &id));
  R(create(1, 0, 65, 1, 0, &id));
  R(create(1, 0, 64, 1, 0, &id));
  R(create(1, SIGEV_NONE, 99, 1, 0, &id));
  R(syscall(SYS_timer_create, 1, 8L, &id));
  R(syscall(SYS_timer_create, 99, 8L, &id));
  R(syscall(SYS_timer_create, 1, 0L, 8L));
  R(syscall(SYS_timer_settime, 0, 0, 0L, 0L));
  R(syscall(SYS_timer_settime, 0, 0, 8L, 0L));
  R(syscall(SYS_timer_settime, 999, 0, 8L, 0L));
  R(set(999, 0, 1, 1, 0));
  R(set(0, 0, SECOND, 0, (void *)8));
  R(set(0, 0xff0, 0, 0, 0));
  struct itimerspec bad = {{0, 0}, {0, SECOND}};
  R(syscall(SYS_timer_settime, 0, 0, &bad, 0L));
  bad = (struct itimerspec){{-1, 0}, {1, 0}};
  R(syscall(SYS_timer_settime, 999, 0, &bad, 0L));
  R(syscall(SYS_timer_gettime, 999, &bad));
  R(syscall(SYS_timer_gettime, 0, 8L));
  R(overrun(999));
  R(overrun(-1));
  R(delete(999));
  R(delete(0));
  R(delete(0));
}

static void show(const char *what, struct itimerspec s) {
  printf("%s: interval %ld.%09ld, %s\n", what, (long)s.it_interval.tv_sec, s.it_interval.tv_nsec,
         s.it_value.tv_sec || s.it_value.tv_nsec ? "runs" : "does not run");
}

static void settings(void) {
  int id;
  struct itimerspec s;
  create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0, &id);
  syscall(SYS_timer_gettime, id, &s), show("new", s);
  set(id, 0, 100 * SECOND, 7, 0);
  syscall(SYS_timer_gettime, id, &s), show("set", s);
  printf("%d\n", s.it_value.tv_sec >= 90 && s.it_value.tv_sec <= 100);
  set(id, 0, 0, 3 * SECOND, &s), show("before it was stopped", s);
  syscall(SYS_timer_gettime, id, &s), show("stopped", s);
  set(id, TIMER_ABSTIME, 1, 0, 0);
  syscall(SYS_timer_gettime, id, &s), show("over, without a signal", s);
  set(id, TIMER_ABSTIME, 1, 2 * SECOND, 0);
  syscall(SYS_timer_gettime, id, &s), show("again and again, without a signal", s);
  printf("%d\n", s.it_value.tv_sec < 2);
  delete(id);
}

static void signals(void) {
  int id, other;
  struct itimerspec s;
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 42, 0, &id);
  set(id, 0, 1000000, 0, 0);
  take("once", SIGRTMIN);
  syscall(SYS_timer_gettime, id, &s), show("afterwards", s);
  usleep(30000);
  set(id, TIMER_ABSTIME, now(CLOCK_MONOTONIC) - SECOND / 50, SECOND / 1000, 0);
  take("late", SIGRTMIN);
  printf("%d\n", overrun(id) >= 9);
  set(id, 0, 0, 0, 0);
  printf("%ld\n", overrun(id));
  set(id, TIMER_ABSTIME, now(CLOCK_MONOTONIC) - SECOND / 50, 1, 0);
  take("each nanosecond", SIGRTMIN);
  take("each nanosecond", SIGRTMIN);
  set(id, 0, 0, 0, 0);
  sigset_t pending;
  set(id, TIMER_ABSTIME, 1, 0, 0);
  sigpending(&pending);
  printf("pending %d\n", sigismember(&pending, SIGRTMIN));
  set(id, 0, 0, 0, 0);
  delete(id);
  syscall(SYS_timer_create, CLOCK_REALTIME, 0L, &id);
  create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGALRM, 5, 0, &other);
  set(id, TIMER_ABSTIME, 1, 0, 0);
  set(other, TIMER_ABSTIME, 1, 0, 0);
  printf("numbers %d\n", other - id);
  take("two of one signal", SIGALRM);
  take("two of one signal", SIGALRM);
  int fd = signalfd(-1, &(sigset_t){{1UL << (SIGALRM - 1)}}, 0);
  set(other, TIMER_ABSTIME, 1, 0, 0);
  struct signalfd_siginfo info;
  read(fd, &info, sizeof info);
  printf("signalfd: %d %d %d %d\n", info.ssi_code, info.ssi_tid == other, info.ssi_overrun, info.ssi_int);
  signal(SIGALRM, SIG_IGN);
  sigset_t alarm = {{1UL << (SIGALRM - 1)}};
  sigprocmask(SIG_UNBLOCK, &alarm, 0);
  set(other, TIMER_ABSTIME, 1, 1000000, 0);
  usleep(30000);
  syscall(SYS_timer_gettime, other, &s), show("ignored", s);
  sigprocmask(SIG_BLOCK, &alarm, 0);
  signal(SIGALRM, SIG_DFL);
  take("wanted again", SIGALRM);
  delete(id), delete(other);
}

static void *thread(void *argument) {
  int id;
  create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN + 1, 9, gettid(), &id);
  set(id, TIMER_ABSTIME, 1, 0, 0);
  take("to a thread", SIGRTMIN + 1);
  *(int *)argument = id;
  return 0;
}

int main(int argc, char **argv) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, 0);
  setvbuf(stdout, 0, _IOLBF, 0);
  if (argc > 1) return printf("after exec: %ld\n", overrun(atoi(argv[1]))), 0;
  errors();
  settings();
  signals();
  int id;
  pthread_t other;
  pthread_create(&other, 0, thread, &id);
  pthread_join(other, 0);
  R(set(id, TIMER_ABSTIME, 1, 0, 0));
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGTERM, 0, 0, &id);
  set(id, 0, 100 * SECOND, SECOND, 0);
  fflush(stdout);
  if (fork() == 0) return printf("in the child: %ld\n", overrun(id)), 0;
  wait(0);
  char text[12];
  sprintf(text, "%d", id);
  if (fork() == 0) {
    create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGTERM, 0, 0, &id);
    sprintf(text, "%d", id);
    execl("/proc/self/exe", "timers", text, (char *)0);
  }
  wait(0);
  return 0;
}
