/* Does things at random with all that the driver entangled.c has. Argument: a seed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

enum { FILES = 8, STEPS = 150 };
static char bytes[3000];
static int files[FILES];
static void nothing(int signal) { (void)signal; }

/* What would wait for ever is interrupted. */
static void hurry(void) { ualarm(2000, 2000); }

static void open_one(int at) {
  static const char *const NAMES[] = {
      "/dev/ttyE0", "/dev/ttyE0", "/dev/ttyE0", "/dev/ttyE1", "/dev/entangled", "/proc/driver/entangled", "/sys/class/entangled/entangled/text"};
  int which = rand() % 9;
  close(files[at]);
  if (which < 7) {
    files[at] = open(NAMES[which], O_RDWR | (rand() % 2 ? O_NOCTTY : 0) | (rand() % 4 ? O_NONBLOCK : 0));
    return;
  }
  int *slave = &files[(at + 1) % FILES];
  files[at] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  unlockpt(files[at]);
  close(*slave);
  *slave = open(ptsname(files[at]), O_RDWR | O_NOCTTY | O_NONBLOCK);
}

static void settings(int fd) {
  struct termios t;
  if (tcgetattr(fd, &t) != 0) return;
  t.c_lflag ^= rand() & 0xffff, t.c_oflag ^= rand() & 7, t.c_iflag ^= rand() & 0xfff;
  t.c_cc[VMIN] = rand() % 3, t.c_cc[VTIME] = rand() % 2;
  tcsetattr(fd, rand() % 3, &t);
}

static void step(int fd, int set) {
  int number = 28 + rand() % 2, ordinary = 0;
  struct pollfd one = {fd, POLLIN | POLLOUT};
  struct epoll_event event = {EPOLLIN | EPOLLOUT | (rand() % 2 ? EPOLLET : 0)};
  switch (rand() % 16) {
    case 0: case 1: read(fd, bytes, 1 + rand() % sizeof bytes); break;
    case 2: case 3:
      for (int i = 0; i < 100; i++) bytes[i] = rand() % 128;
      write(fd, bytes, 1 + rand() % sizeof bytes);
      break;
    case 4: case 5: ioctl(fd, TIOCSETD, &number); break;
    case 6: ioctl(fd, TIOCSETD, &ordinary); break;
    case 7: settings(fd); break;
    case 8: poll(&one, 1, rand() % 2); break;
    case 9: epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), epoll_wait(set, &event, 1, rand() % 2); break;
    case 10: tcflush(fd, rand() % 3); break;
    case 11: tcflow(fd, rand() % 4); break;
    case 12: ioctl(fd, rand() % 2 ? 0x9999 : TIOCMGET, bytes), tcsendbreak(fd, 0); break;
    case 13:
      if (rand() % 4 == 0) ioctl(fd, TIOCVHANGUP, 0);
      else fcntl(fd, F_SETFL, rand() % 2 ? O_ASYNC | O_NONBLOCK : O_NONBLOCK);
      break;
    case 14: lseek(fd, 0, SEEK_SET), fsync(fd), mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0); break;
    case 15:
      if (rand() % 10 != 0) ioctl(fd, TIOCSCTTY, 0);
      else if (fork() == 0) srand(rand()), hurry();
      break;
  }
}

int main(int argc, char **argv) {
  static const int CAUGHT[] = {SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGIO, SIGALRM}, IGNORED[] = {SIGTTIN, SIGTTOU, SIGPIPE};
  int seed = argc > 1 ? atoi(argv[1]) : 1, set = epoll_create1(0);
  struct sigaction action = {.sa_handler = nothing};
  for (unsigned i = 0; i < sizeof CAUGHT / sizeof *CAUGHT; i++) sigaction(CAUGHT[i], &action, 0);
  for (unsigned i = 0; i < sizeof IGNORED / sizeof *IGNORED; i++) signal(IGNORED[i], SIG_IGN);
  srand(seed);
  if (seed % 2) setsid();
  for (int i = 0; i < FILES; i++) files[i] = -1;
  hurry();
  for (int i = 0; i < STEPS; i++) {
    int at = rand() % FILES;
    if (files[at] < 0 || rand() % 20 == 0) open_one(at);
    else step(files[at], set);
  }
  return 0;
}
