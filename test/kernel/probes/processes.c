/* fork, wait in all its forms, process groups, sessions, orphans, vfork, exec, limits. Prints one line per finding. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOW(call)                                                     \
  do {                                                                 \
    errno = 0;                                                         \
    long result_ = (call);                                             \
    printf("%s = %ld %s\n", #call, result_, result_ < 0 ? strerror(errno) : ""); \
  } while (0)

static pid_t child_that(int what) {
  pid_t child = fork();
  if (child != 0) return child;
  switch (what) {
    case 0: _exit(7);
    case 1: raise(SIGSTOP); _exit(8);
    case 2: kill(getpid(), SIGKILL); _exit(1);
    default: for (;;) pause();
  }
}

static void waiting(void) {
  int status;
  siginfo_t info;
  SHOW(wait(&status));
  pid_t child = child_that(0);
  memset(&info, 0, sizeof info);
  int r = waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  printf("waitid %d code %d status %d own %d\n", r, info.si_code, info.si_status, info.si_pid == child);
  r = waitpid(child, &status, 0) == child;
  printf("waitpid %d status %x\n", r, status);
  SHOW(waitpid(child, &status, 0));
  child = child_that(1);
  printf("stopped %d", waitpid(child, &status, WUNTRACED) == child);
  printf(" %x\n", status);
  SHOW(waitpid(child, &status, WNOHANG));
  kill(child, SIGCONT);
  printf("continued %d", waitpid(child, &status, WCONTINUED) == child);
  printf(" %x\n", status);
  printf("exited %d", waitpid(child, &status, 0) == child);
  printf(" %x\n", status);
  child = child_that(2);
  printf("killed %d", waitpid(child, &status, 0) == child);
  printf(" %x\n", status);
  child = child_that(3);
  SHOW(waitpid(child, &status, WNOHANG));
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  kill(child, SIGTERM);
  SHOW(waitpid(child, &status, WNOHANG));
  kill(child, SIGCONT);
  printf("term after cont %d", waitpid(child, &status, 0) == child);
  printf(" %x\n", status);
  SHOW(waitpid(-1, &status, 0x10));
  SHOW(waitid(P_ALL, 0, &info, 0));
  SHOW(waitid(9, 0, &info, WEXITED));
  signal(SIGCHLD, SIG_IGN);
  child = child_that(0);
  SHOW(wait(&status));
  signal(SIGCHLD, SIG_DFL);
}

static void groups(void) {
  int status, fds[2];
  char text[64];
  SHOW(setpgid(0, 0x3fffffff));
  SHOW(setpgid(-1, 0));
  SHOW(setpgid(1, 0) < 0);
  if (pipe(fds)) exit(1);
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    printf("own group %d\n", getpgrp() == getpid());
    fflush(stdout);
    SHOW(setsid());
    _exit(0);
  }
  waitpid(child, &status, 0);
  child = fork();
  if (child == 0) {
    printf("setsid %d", setsid() == getpid());
    printf(" leader %d group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
    SHOW(setpgid(0, 0));
    SHOW(open("/dev/tty", O_RDWR));
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, &status, 0);
  child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      close(fds[0]);
      pid_t before = getppid();
      while (getppid() == before) usleep(1000);
      int n = snprintf(text, sizeof text, "orphan has another parent: %d\n", getppid() != before);
      if (write(fds[1], text, n) != n) _exit(1);
      _exit(0);
    }
    usleep(5000);
    _exit(0);
  }
  close(fds[1]);
  waitpid(child, &status, 0);
  int n = read(fds[0], text, sizeof text);
  printf("%.*s", n, text);
  child = child_that(3);
  setpgid(child, child);
  pid_t second = child_that(3);
  setpgid(second, child);
  SHOW(kill(-child, SIGTERM));
  int together = 0;
  for (int i = 0; i < 2; i++) together += waitpid(-child, &status, 0) > 0;
  printf("group of %d ended by %d\n", together, WTERMSIG(status));
  SHOW(kill(-child, 0));
}

static void executing(char *self) {
  int status;
  pid_t child = vfork();
  if (child == 0) {
    execl(self, "renamed", "child", "a b", "", (char *)0);
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("vfork+exec %x\n", status);
  SHOW(execl("/nonexistent", "x", (char *)0));
  SHOW(execl("/", "x", (char *)0));
  SHOW(execl("/dev/null", "x", (char *)0));
  int fd = open("/proc/self/exe", O_RDONLY);
  printf("own program opens %d\n", fd >= 0);
  if (fd >= 0) close(fd);
  char copy[] = "/tmp/banos-probe-busy-XXXXXX";
  int to = mkstemp(copy), from = open("/proc/self/exe", O_RDONLY);
  char block[65536];
  for (ssize_t n; (n = read(from, block, sizeof block)) > 0;) if (write(to, block, n) != n) exit(1);
  fchmod(to, 0755);
  errno = 0;
  int r = execl(copy, "x", "sleep", (char *)0);
  printf("execute what is open for writing %d %s\n", r, strerror(errno));
  close(to);
  close(from);
  int ready[2];
  if (pipe(ready)) exit(1);
  child = fork();
  if (child == 0) {
    dup2(ready[1], 1);
    execl(copy, "x", "sleep", (char *)0);
    _exit(1);
  }
  if (read(ready[0], block, 1) != 1) exit(1);
  errno = 0;
  r = open(copy, O_WRONLY);
  printf("write to what runs %d %s\n", r, strerror(errno));
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  r = open(copy, O_WRONLY);
  printf("and when it has ended %d\n", r >= 0);
  close(r);
  unlink(copy);
  fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  child = fork();
  if (child == 0) {
    execl(self, "x", "descriptor", number, (char *)0);
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("close-on-exec %x\n", status);
}

static void limits(void) {
  struct rlimit limit = {0};
  struct timeval start;
  struct itimerval timer = {{0, 0}, {0, 20000}}, old;
  SHOW(getrlimit(RLIMIT_NOFILE, &limit) | (limit.rlim_cur < 3));
  limit = (struct rlimit){10, 5};
  SHOW(setrlimit(RLIMIT_NOFILE, &limit));
  SHOW(getrlimit(99, &limit));
  limit = (struct rlimit){8, 1024};
  SHOW(setrlimit(RLIMIT_NOFILE, &limit));
  int opened = 0;
  while (open("/dev/null", O_RDONLY) >= 0) opened++;
  printf("opened %d then %s\n", opened, strerror(errno));
  SHOW(dup2(0, 8));
  SHOW(dup(99));
  signal(SIGALRM, SIG_IGN);
  SHOW(setitimer(ITIMER_REAL, &timer, &old));
  SHOW(getitimer(99, &timer));
  SHOW(gettimeofday(&start, 0));
  SHOW(alarm(100) > 1);
  printf("alarm left %u\n", alarm(0));
  struct timespec bad = {0, 1000000000};
  SHOW(nanosleep(&bad, 0));
  SHOW(clock_gettime(99, &bad));
  SHOW(nice(0) | (errno != 0));
  SHOW(getpriority(9, 0));
  SHOW(sched_yield());
  SHOW(prctl(PR_SET_NAME, "a name that is too long"));
  char name[16];
  prctl(PR_GET_NAME, name);
  printf("name %s\n", name);
  struct utsname names;
  uname(&names);
  printf("uname %s %s\n", names.sysname, names.machine);
}

static void identities(void) {
  uid_t r, e, s;
  gid_t list[4] = {30, 10, 20, 0};
  SHOW(setgroups(3, list));
  int n = getgroups(4, list);
  printf("groups %d: %u %u %u\n", n, list[0], list[1], list[2]);
  SHOW(setresgid(100, 200, 300));
  SHOW(setresuid(1000, 2000, 3000));
  SHOW(setuid(0));
  SHOW(setresuid(0, -1, -1));
  SHOW(seteuid(3000));
  getresuid(&r, &e, &s);
  printf("uids %u %u %u\n", r, e, s);
  SHOW(setreuid(3000, 1000));
  getresuid(&r, &e, &s);
  printf("uids %u %u %u\n", r, e, s);
  SHOW(setgroups(0, list));
  SHOW(kill(1, 0));
  SHOW(setgid(0));
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  if (argc > 1 && !strcmp(argv[1], "child")) {
    printf("child %s:%d:%s:%s\n", argv[0], argc, argv[2], argv[3]);
    return 9;
  }
  if (argc > 1 && !strcmp(argv[1], "sleep")) {
    if (write(1, "r", 1) != 1) return 1;
    pause();
  }
  if (argc > 1 && !strcmp(argv[1], "descriptor")) return fcntl(atoi(argv[2]), F_GETFD) < 0 ? 21 : 22;
  waiting();
  groups();
  executing(argv[0]);
  pid_t child = fork();
  if (child == 0) {
    limits();
    _exit(0);
  }
  waitpid(child, 0, 0);
  identities();
  return 0;
}
