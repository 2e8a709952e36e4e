/*
 * Runs terminal scripts against the host's own pseudo-terminals and prints what happens, one line per command.
 * Usage: driver SETTLE_US <scripts. A line "N" starts a script with a new pair in a session of its own, whose leader
 * has the slave as controlling terminal. The answer to each command is its result (or -errno), what it gave, and the
 * signals that came. SETTLE_US is how long to wait after a command for the kernel's workers.
 */
#define _GNU_SOURCE
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const int watched[] = {SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU, SIGWINCH};
#define WATCHED (sizeof watched / sizeof *watched)
static volatile sig_atomic_t seen[65];
static int fds[2];
static char slave_name[64];
static unsigned char data[1 << 17];

static void on_signal(int signal) { seen[signal] = 1; }

static int fd_of(const char *end) { return fds[*end == 's']; }

static int unhex(const char *text) {
  int n = 0;
  for (; text[0] > ' ' && text[1] > ' '; text += 2) {
    unsigned byte;
    sscanf(text, "%2x", &byte);
    data[n++] = byte;
  }
  return n;
}

static void print_hex(int count) {
  putchar(' ');
  for (int i = 0; i < count; i++) printf("%02x", data[i]);
}

static int answer(int result) { return result < 0 ? -errno : result; }

static void command(char *line) {
  char end[2] = "";
  unsigned a = 0, b = 0, c = 0, d = 0, e = 0;
  int at = 0, result, value;
  struct pollfd polled[2] = {{fds[0], POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM, 0},
                             {fds[1], POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM, 0}};
  struct termios2 t;
  struct winsize size;
  switch (*line) {
    case 'w':
      sscanf(line, "w %1s %n", end, &at);
      printf("%d", answer(write(fd_of(end), data, unhex(line + at))));
      break;
    case 'f':
      sscanf(line, "f %1s %x %u", end, &a, &b);
      memset(data, a, b);
      printf("%d", answer(write(fd_of(end), data, b)));
      break;
    case 'r':
      sscanf(line, "r %1s %u", end, &a);
      result = answer(read(fd_of(end), data, a));
      printf("%d", result);
      print_hex(result);
      break;
    case 't':
      sscanf(line, "t %1s %x %x %x %x %x %n", end, &a, &b, &c, &d, &e, &at);
      unhex(line + at);
      memset(&t, 0, sizeof t);
      t.c_iflag = b;
      t.c_oflag = c;
      t.c_cflag = d;
      t.c_lflag = e;
      memcpy(t.c_cc, data, sizeof t.c_cc);
      printf("%d", answer(ioctl(fd_of(end), a, &t)));
      break;
    case 'g':
      sscanf(line, "g %1s %x %u", end, &a, &b);
      memset(data, 0, b);
      result = answer(ioctl(fd_of(end), a, data));
      printf("%d", result);
      print_hex(result < 0 ? 0 : b);
      break;
    case 'i':
      sscanf(line, "i %1s %x %d", end, &a, &value);
      result = answer(ioctl(fd_of(end), a, &value));
      // Which terminals are free is the host's business.
      printf("%d %d", result, a == TIOCGPTN ? 0 : value);
      break;
    case 'd':
      sscanf(line, "d %1s %x %d", end, &a, &value);
      printf("%d", answer(ioctl(fd_of(end), a, (long)value)));
      break;
    case 'z':
      sscanf(line, "z %1s %u %u", end, &a, &b);
      memset(&size, 0, sizeof size);
      size.ws_row = a;
      size.ws_col = b;
      printf("%d", answer(ioctl(fd_of(end), TIOCSWINSZ, &size)));
      break;
    case 'p':
      poll(polled, 2, 0);
      printf("%x %x", polled[0].revents, polled[1].revents);
      break;
    case 'c':
      sscanf(line, "c %1s", end);
      printf("%d", answer(close(fd_of(end))));
      fds[*end == 's'] = -1;
      break;
    case 'o':
      result = answer(open(slave_name, O_RDWR | O_NOCTTY | O_NONBLOCK));
      if (result >= 0) fds[1] = result;
      printf("%d", result < 0 ? result : 0);
      break;
  }
}

static void new_pair(void) {
  int number = 0, unlock = 0;
  setsid();
  fds[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (fds[0] < 0 || ioctl(fds[0], TIOCGPTN, &number) < 0 || ioctl(fds[0], TIOCSPTLCK, &unlock) < 0) _exit(3);
  snprintf(slave_name, sizeof slave_name, "/dev/pts/%d", number);
  fds[1] = open(slave_name, O_RDWR | O_NONBLOCK);
  if (fds[1] < 0) _exit(4);
  for (unsigned i = 0; i < WATCHED; i++) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(watched[i], &action, 0);
  }
}

static void run(char **lines, int count, int settle) {
  new_pair();
  for (int i = 0; i < count; i++) {
    for (unsigned j = 0; j < 65; j++) seen[j] = 0;
    command(lines[i]);
    usleep(settle);
    printf(" |");
    for (unsigned j = 0; j < WATCHED; j++)
      if (seen[watched[j]]) printf(" %d", watched[j]);
    putchar('\n');
  }
  fflush(stdout);
  _exit(0);
}

int main(int argc, char **argv) {
  static char *lines[1 << 16];
  int count = 0, settle = argc > 1 ? atoi(argv[1]) : 300;
  size_t size = 0;
  char *line = 0;
  for (int more = 1; more;) {
    more = getline(&line, &size, stdin) > 0;
    if (more && *line != 'N') {
      lines[count++] = strdup(line);
      continue;
    }
    if (count > 0) {
      fflush(stdout);
      pid_t child = fork();
      int status;
      if (child == 0) run(lines, count, settle);
      waitpid(child, &status, 0);
      if (status != 0) return 1;
      printf("N\n");
    }
    count = 0;
  }
  return 0;
}
