/* Timers and limits on processor time: ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int seen[65];
static void note(int signal) { seen[signal]++; }

static void burn_until(int signal, int times) {
  for (volatile long i = 0; seen[signal] < times; i++) continue;
}
static void show(const char *what, struct itimerval t) {
  printf("%s: interval %ld.%06ld %s\n", what, (long)t.it_interval.tv_sec, (long)t.it_interval.tv_usec,
         t.it_value.tv_sec || t.it_value.tv_usec ? "runs" : "does not run");
}

static void failed(int result) { printf("%d %s\n", result, strerrorname_np(errno)); }

static void timer(const char *name, int which, int signal) {
  struct itimerval once = {{0, 0}, {0, 2000}}, often = {{0, 2000}, {0, 1000}}, far = {{7, 5}, {1000, 0}}, off = {{0, 0}, {0, 0}}, old;
  printf("-- %s\n", name);
  getitimer(which, &old), show("at first", old);
  setitimer(which, &once, &old);
  burn_until(signal, 1);
  getitimer(which, &old), show("after one", old);
  setitimer(which, &often, 0);
  burn_until(signal, 4);
  setitimer(which, &far, &old), show("going on", old);
  getitimer(which, &old), show("far", old);
  int other = which == ITIMER_PROF ? ITIMER_VIRTUAL : ITIMER_PROF;
  getitimer(other, &old), show("the other one", old);
  if (fork() == 0) {
    getitimer(which, &old), show("in the child", old);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  setitimer(which, 0, &old), show("stopped without a setting", old);
  getitimer(which, &old), show("stopped", old);
  struct itimerval bad = {{0, 0}, {0, 1000000}};
  failed(setitimer(which, &bad, 0));
  bad.it_value.tv_usec = -1;
  failed(setitimer(which, &bad, 0));
  failed(setitimer(which, (void *)8, 0));
  setitimer(which, &off, 0);
}

static void limited(const char *what, rlim_t soft, rlim_t hard, int handled) {
  fflush(stdout);
  int pid = fork();
  if (pid == 0) {
    struct rlimit limit = {soft, hard};
    if (setrlimit(RLIMIT_CPU, &limit)) _exit(9);
    if (handled) {
      signal(SIGXCPU, note);
      burn_until(SIGXCPU, 1);
      getrlimit(RLIMIT_CPU, &limit);
      _exit(limit.rlim_cur - soft);
    }
    /* Children have the limit, too. */
    if (fork() == 0) burn_until(SIGUSR1, 1);
    int status;
    wait(&status);
    _exit(WIFSIGNALED(status) ? 100 + WTERMSIG(status) : 0);
  }
  int status;
  waitpid(pid, &status, 0);
  printf("%s: %d %d\n", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  signal(SIGVTALRM, note), signal(SIGPROF, note);
  timer("virtual", ITIMER_VIRTUAL, SIGVTALRM);
  timer("profiling", ITIMER_PROF, SIGPROF);
  struct itimerval t;
  failed(getitimer(3, &t));
  failed(setitimer(-1, &t, 0));
  limited("soft limit, default action", 1, RLIM_INFINITY, 0);
  limited("no time at all", 0, RLIM_INFINITY, 1);
  limited("hard limit", 1, 1, 0);
  struct rusage usage;
  struct tms ticks;
  getrusage(RUSAGE_CHILDREN, &usage), times(&ticks);
  printf("children used processor time: %d %d\n", usage.ru_utime.tv_sec > 0, ticks.tms_cutime > 50);
  return 0;
}
