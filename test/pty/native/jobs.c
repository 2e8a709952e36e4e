/*
 * Job control on a pseudo-terminal of the host: what sessions and process groups may do, one line per case with the
 * result or -errno and the signals that the caller got. To be run as root. The cases are those of jobs.test.ts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master, slave;
static char slave_name[64];
static pid_t leader;
static volatile sig_atomic_t seen[65];
static volatile int *flag;

static void on_signal(int signal) { seen[signal] = 1; }

static void watch(void) {
  static const int signals[] = {SIGHUP, SIGCONT, SIGTTIN, SIGTTOU};
  for (int i = 0; i < 4; i++) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(signals[i], &action, 0);
  }
  for (int i = 0; i < 65; i++) seen[i] = 0;
}

static int answer(int result) { return result < 0 ? -errno : result; }

static void report(const char *name, int result) {
  usleep(2000);
  printf("%s %d |", name, result);
  for (int i = 1; i < 65; i++)
    if (seen[i]) printf(" %d", i);
  putchar('\n');
  fflush(stdout);
}

static int read_it(void) { char c[10]; return answer(read(slave, c, 10)); }
static int write_it(void) { return answer(write(slave, "x", 1)); }
static int change_it(void) { struct termios t; tcgetattr(slave, &t); return answer(tcsetattr(slave, TCSANOW, &t)); }
static int foreground_me(void) { int group = getpgrp(); return answer(ioctl(slave, TIOCSPGRP, &group)); }
static int get_group(void) { int group; return answer(ioctl(slave, TIOCGPGRP, &group)); }
static int open_tty(void) { int fd = answer(open("/dev/tty", O_RDWR)); if (fd >= 0) { close(fd); fd = 0; } return fd; }
static int take_it(void) { return answer(ioctl(slave, TIOCSCTTY, 0)); }
static int steal_it(void) { return answer(ioctl(slave, TIOCSCTTY, 1)); }
static int give_up(void) { return answer(ioctl(slave, TIOCNOTTY)); }
static int fake_input(void) { return answer(ioctl(slave, TIOCSTI, "z")); }
static int hang_up(void) { return answer(ioctl(slave, TIOCVHANGUP)); }
static int open_slave(void) { int fd = answer(open(slave_name, O_RDWR | O_NOCTTY)); return fd >= 0 ? 0 : fd; }
static int drain(void) { return answer(tcdrain(slave)); }
static int flush(void) { return answer(tcflush(slave, TCIFLUSH)); }
static int resize(void) { struct winsize w = {1, 1, 1, 1}; return answer(ioctl(slave, TIOCSWINSZ, &w)); }

static void to_stop(int on) {
  struct termios t;
  tcgetattr(slave, &t);
  t.c_lflag = on ? t.c_lflag | TOSTOP : t.c_lflag & ~TOSTOP;
  tcsetattr(slave, TCSANOW, &t);
}

enum { BACKGROUND = 1, IGNORING = 2, ORPHAN = 4, SESSION = 8, USER = 16, BLOCKING = 32 };

/* Runs `act` in a child that is what `how` says. */
static void child(const char *name, int how, int (*act)(void)) {
  fflush(stdout);
  *flag = 0;
  pid_t pid = fork();
  if (pid == 0) {
    if (how & ORPHAN && fork() != 0) _exit(0);
    if (how & ORPHAN) usleep(20000);
    watch();
    if (how & SESSION) setsid();
    else if (how & BACKGROUND) setpgid(0, 0);
    if (how & IGNORING) {
      signal(SIGTTIN, SIG_IGN);
      signal(SIGTTOU, SIG_IGN);
    }
    if (how & BLOCKING) {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGTTOU);
      sigprocmask(SIG_BLOCK, &set, 0);
    }
    if (how & USER && setresuid(1000, 1000, 1000) < 0) _exit(1);
    report(name, act());
    *flag = 1;
    _exit(0);
  }
  waitpid(pid, 0, 0);
  while (!*flag) usleep(1000);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(slave, getpgrp());
  watch();
}

static int other_group(void) {
  int group = 1;
  return answer(ioctl(slave, TIOCSPGRP, &group));
}
static int no_group(void) {
  int group = 4194399;
  return answer(ioctl(slave, TIOCSPGRP, &group));
}
static int steal_and_look(void) {
  int result = steal_it();
  return result < 0 ? result : get_group();
}
static int after_giving_up(void) {
  int result = give_up();
  return result < 0 ? result : get_group();
}
static int open_for_writing(void) {
  int fd = open(slave_name, O_WRONLY);
  int result = open_tty();
  close(fd);
  return result;
}
static int open_for_reading(void) {
  int fd = open(slave_name, O_RDONLY);
  int result = open_tty();
  close(fd);
  return result;
}
static int open_without(void) {
  int fd = open(slave_name, O_RDWR | O_NOCTTY);
  int result = open_tty();
  close(fd);
  return result;
}

static void new_pair(void) {
  int number, unlock = 0;
  master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  ioctl(master, TIOCGPTN, &number);
  ioctl(master, TIOCSPTLCK, &unlock);
  sprintf(slave_name, "/dev/pts/%d", number);
  chmod(slave_name, 0666);
}

static void cases(void) {
  child("background read", BACKGROUND, read_it);
  child("background read ignoring", BACKGROUND | IGNORING, read_it);
  child("background write", BACKGROUND, write_it);
  to_stop(1);
  child("background write tostop", BACKGROUND, write_it);
  child("background write tostop ignoring", BACKGROUND | IGNORING, write_it);
  child("orphan write tostop", BACKGROUND | ORPHAN, write_it);
  to_stop(0);
  child("background tcsetattr", BACKGROUND, change_it);
  child("background tcsetattr ignoring", BACKGROUND | IGNORING, change_it);
  child("background tcsetattr blocking", BACKGROUND | BLOCKING, change_it);
  child("background tcsetpgrp", BACKGROUND, foreground_me);
  child("background tcsetpgrp blocking", BACKGROUND | BLOCKING, foreground_me);
  child("background tcdrain", BACKGROUND, drain);
  child("background tcflush", BACKGROUND, flush);
  child("background resize", BACKGROUND, resize);
  child("background tcgetpgrp", BACKGROUND, get_group);
  child("orphan read", BACKGROUND | ORPHAN, read_it);
  child("orphan tcsetattr", BACKGROUND | ORPHAN, change_it);
  child("orphan tcsetpgrp", BACKGROUND | ORPHAN, foreground_me);
  child("foreground group of another session", 0, other_group);
  child("foreground group that does not exist", 0, no_group);
  child("dev tty", 0, open_tty);
  child("other session tcgetpgrp", SESSION, get_group);
  child("other session tcsetpgrp", SESSION, foreground_me);
  child("other session write", SESSION, write_it);
  child("other session dev tty", SESSION, open_tty);
  child("other session takes", SESSION, take_it);
  child("other session user steals", SESSION | USER, steal_it);
  child("child takes", BACKGROUND, take_it);
  child("child gives up", 0, after_giving_up);
  child("user TIOCSTI", USER, fake_input);
  child("user of another session TIOCSTI", SESSION | USER, fake_input);
  child("user hangs up", USER, hang_up);
  ioctl(slave, TIOCEXCL);
  child("user opens exclusive", USER, open_slave);
  child("root opens exclusive", 0, open_slave);
  ioctl(slave, TIOCNXCL);
  report("leader tcgetpgrp", answer(get_group()));
  report("leader takes again", take_it());
  report("leader gives up", give_up());
  watch();
  report("leader dev tty", open_tty());
  child("opens without O_NOCTTY for writing", SESSION, open_for_writing);
  child("opens with O_NOCTTY", SESSION, open_without);
  child("opens without O_NOCTTY for reading", SESSION, open_for_reading);
  report("leader takes back", take_it());
  child("other session steals", SESSION, steal_and_look);
  watch();
  report("robbed leader tcgetpgrp", get_group());
  report("leader takes after theft", take_it());
  watch();
  close(master);
  report("master closed", 0);
  report("tcgetpgrp after", get_group());
}

int main(void) {
  flag = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (fork() != 0) {
    int status;
    wait(&status);
    return status != 0;
  }
  new_pair();
  setsid();
  leader = getpid();
  slave = open(slave_name, O_RDWR | O_NONBLOCK);
  watch();
  cases();
  return 0;
}
