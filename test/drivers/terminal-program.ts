/** What C programs of tests begin with that set the line discipline of a terminal. */
export const TERMINAL_PROGRAM = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <poll.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/ioctl.h>
  #include <sys/wait.h>
  #include <termios.h>
  #include <unistd.h>
  static int master, slave;
  static char bytes[10000];
  static void say(const char *what, long result) {
    printf("%s: %ld %s\\n", what, result, result < 0 ? strerrorname_np(errno) : "");
  }
  static long set(int fd, int number) { return ioctl(fd, TIOCSETD, &number); }
  static long get(int fd) { int number = -1; return ioctl(fd, TIOCGETD, &number) < 0 ? -1 : number; }
  static void open_pair(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    master = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(master);
    unlockpt(master);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  }
  static void talk(void) {
    long n = write(master, "line\\n", 5);
    n = read(slave, bytes, 100);
    printf("talks: %ld %.4s\\n", n, n > 0 ? bytes : "");
  }
`;
