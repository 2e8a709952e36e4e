/* Every kind of wait, ended by a handler with and without SA_RESTART, by SIGKILL, by stop and continue, and by a close of what is waited on. */
#define _GNU_SOURCE
#include "../../../support/asleep.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipe_ends[2], full[2], locked;
static volatile int handled;
static unsigned word;

static long do_read(void) { char c; return read(pipe_ends[0], &c, 1); }
static long do_write(void) { char block[100000]; return write(full[1], block, sizeof block); }
static long do_poll(void) { struct pollfd p = { pipe_ends[0], POLLIN, 0 }; return poll(&p, 1, -1); }
static long do_poll_none(void) { return poll(0, 0, 100000); }
static long do_ppoll(void) { struct pollfd p = { pipe_ends[0], POLLIN, 0 }; return ppoll(&p, 1, 0, 0); }
static long do_select(void) { fd_set s; FD_ZERO(&s); FD_SET(pipe_ends[0], &s); return select(pipe_ends[0] + 1, &s, 0, 0, 0); }
static long do_pause(void) { return pause(); }
static long do_sigsuspend(void) { sigset_t s; sigemptyset(&s); return sigsuspend(&s); }
static long do_sigtimedwait(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); return sigtimedwait(&s, 0, 0); }
static long do_nanosleep(void) { struct timespec t = { 100, 0 }; return nanosleep(&t, 0); }
static long do_clock_nanosleep(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); t.tv_sec += 100; int e = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0); errno = e; return e ? -1 : 0; }
static long do_wait(void) { return waitpid(-1, 0, 0); }
static long do_waitid(void) { siginfo_t i; return waitid(P_ALL, 0, &i, WEXITED); }
static long do_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, 0, 0, 0); }
static long do_futex_timed(void) { struct timespec t = { 100, 0 }; return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, 0, 0); }
static long do_flock(void) { int fd = open("/tmp/blocked-lock", O_RDWR); return flock(fd, LOCK_EX); }
static long do_setlkw(void) { struct flock l = { F_WRLCK, SEEK_SET, 0, 1 }; return fcntl(locked, F_SETLKW, &l); }
static long do_fifo_open(void) { return open("/tmp/blocked-fifo", O_RDONLY); }
static long do_vfork(void) { if (vfork() == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); struct timespec t = { 100, 0 }; syscall(SYS_nanosleep, &t, 0); _exit(0); } return 0; }

static const struct { const char *name; long (*wait)(void); int needs_child; } waits[] = {
  { "read", do_read }, { "write", do_write }, { "poll", do_poll }, { "poll without descriptors", do_poll_none }, { "ppoll", do_ppoll },
  { "select", do_select }, { "pause", do_pause }, { "sigsuspend", do_sigsuspend }, { "sigtimedwait", do_sigtimedwait },
  { "nanosleep", do_nanosleep }, { "clock_nanosleep", do_clock_nanosleep }, { "wait4", do_wait, 1 }, { "waitid", do_waitid, 1 },
  { "futex", do_futex }, { "futex with time", do_futex_timed }, { "flock", do_flock }, { "F_SETLKW", do_setlkw }, { "open of a fifo", do_fifo_open },
};
#define COUNT (sizeof waits / sizeof *waits)

static void handler(int signal) { handled++; }
/* What restarts for ever is ended from its handler the second time. */
static void handler_twice(int signal) { if (++handled == 2) { printf(" restarted"); fflush(stdout); _exit(0); } }

static int start(unsigned i, int flags, void (*on)(int)) {
  int pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct sigaction action = { .sa_handler = on, .sa_flags = flags };
  sigaction(SIGUSR1, &action, 0);
  if (waits[i].needs_child && fork() == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); for (;;) pause(); }
  long result = waits[i].wait();
  printf(" %s", result == -1 ? strerrorname_np(errno) : result >= 0 ? "result" : "?");
  fflush(stdout);
  _exit(0);
}

static void end_of(int pid) {
  int status;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf(" signal %d", WTERMSIG(status));
}

static void *reader(void *unused) { char c; long n = read(pipe_ends[0], &c, 1); return (void *)n; }

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  pipe(pipe_ends);
  pipe(full);
  fcntl(full[1], F_SETFL, O_NONBLOCK);
  char block[4096];
  while (write(full[1], block, sizeof block) > 0);
  fcntl(full[1], F_SETFL, 0);
  unlink("/tmp/blocked-lock");
  unlink("/tmp/blocked-fifo");
  locked = open("/tmp/blocked-lock", O_RDWR | O_CREAT, 0600);
  flock(locked, LOCK_EX);
  struct flock lock = { F_WRLCK, SEEK_SET, 0, 1 };
  fcntl(locked, F_SETLKW, &lock);
  mkfifo("/tmp/blocked-fifo", 0600);
  for (unsigned i = 0; i < COUNT; i++) {
    printf("%s: handler", waits[i].name);
    int pid = start(i, 0, handler);
    until_in_state(pid, 'S');
    kill(pid, SIGUSR1);
    end_of(pid);
    printf("; SA_RESTART");
    pid = start(i, SA_RESTART, handler_twice);
    until_in_state(pid, 'S');
    kill(pid, SIGUSR1);
    usleep(20000);
    kill(pid, SIGUSR1);
    end_of(pid);
    printf("; stopped");
    pid = start(i, 0, handler);
    until_in_state(pid, 'S');
    kill(pid, SIGSTOP);
    until_in_state(pid, 'T');
    kill(pid, SIGCONT);
    until_in_state(pid, 'S');
    printf("; killed");
    kill(pid, SIGKILL);
    end_of(pid);
    printf("; killed while stopped");
    pid = start(i, 0, handler);
    until_in_state(pid, 'S');
    kill(pid, SIGSTOP);
    until_in_state(pid, 'T');
    kill(pid, SIGKILL);
    end_of(pid);
    putchar('\n');
  }

  printf("vfork's parent: killed");
  int pid = fork();
  if (pid == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); do_vfork(); _exit(0); }
  until_in_state(pid, 'D');
  kill(pid, SIGKILL);
  end_of(pid);
  putchar('\n');

  /* A descriptor that another thread closes goes on being read; the pipe's own end is what wakes. */
  pthread_t thread;
  void *got;
  int first = dup(pipe_ends[0]), kept = pipe_ends[0];
  pthread_create(&thread, 0, reader, 0);
  usleep(50000);
  close(pipe_ends[0]);
  usleep(20000);
  write(pipe_ends[1], "x", 1);
  pthread_join(thread, &got);
  printf("read of a descriptor closed meanwhile: %ld\n", (long)got);
  dup2(first, kept);
  pipe_ends[0] = kept;
  pthread_create(&thread, 0, reader, 0);
  usleep(50000);
  close(pipe_ends[1]);
  pthread_join(thread, &got);
  printf("read when the last writer goes: %ld\n", (long)got);

  int ends[2];
  pipe(ends);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  printf("write without a reader: %s\n", write(ends[1], "x", 1) == -1 ? strerrorname_np(errno) : "works");
  unlink("/tmp/blocked-lock");
  unlink("/tmp/blocked-fifo");
  return 0;
}
