/* splice, sendfile and copy_file_range to and from sockets. */
#include "net.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

static char b[1 << 20];

/* Everything that is there, by the lengths it comes in. */
static void lengths(const char *what, int fd) {
  long n;
  printf("%s:", what);
  while ((n = recv(fd, b, sizeof b, MSG_DONTWAIT)) > 0) printf(" %ld", n);
  printf(" %s\n", n < 0 ? strerrorname_np(errno) : "end");
}

static void drain(int pipe) {
  fcntl(pipe, F_SETFL, O_NONBLOCK);
  while (read(pipe, b, sizeof b) > 0);
  fcntl(pipe, F_SETFL, 0);
}

static void pieces(int pipe, int count, int size) {
  for (int i = 0; i < count; i++) write(pipe, b, size);
}

static void from_pipe(int *s, int *p) {
  R(write(p[1], "abc", 3));
  R(write(p[1], "def", 3));
  R(splice(p[0], 0, s[0], 0, 100, 0));
  lengths("two writes", s[1]);
  static const int sizes[][2] = {{20, 4096}, {40, 4096}, {17, 4096}, {16, 4096}, {40, 100}, {3, 30000}, {33, 4095}};
  for (int i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    pieces(p[1], sizes[i][0], sizes[i][1]);
    printf("%d of %d: ", sizes[i][0], sizes[i][1]);
    R(splice(p[0], 0, s[0], 0, 1 << 20, SPLICE_F_NONBLOCK));
    lengths("arrived", s[1]);
    drain(p[0]);
  }
  pieces(p[1], 40, 4096);
  R(splice(p[0], 0, s[0], 0, 70000, SPLICE_F_NONBLOCK | SPLICE_F_MORE));
  lengths("a limited count", s[1]);
  R(splice(p[0], 0, s[0], 0, 5000, SPLICE_F_NONBLOCK));
  R(splice(p[0], 0, s[0], 0, 100, SPLICE_F_NONBLOCK));
  lengths("parts of pages", s[1]);
  drain(p[0]);
}

/* Packets do not heed SPLICE_F_NONBLOCK on their way into a pipe: the descriptor has to say it. */
static void to_pipe(int *s, int *p) {
  fcntl(s[0], F_SETFL, O_NONBLOCK);
  R(send(s[1], "hello", 5, 0));
  R(send(s[1], "world", 5, 0));
  R(splice(s[0], 0, p[1], 0, 100, 0));
  R(splice(s[0], 0, p[1], 0, 3, 0));
  R(splice(s[0], 0, p[1], 0, 100, 0));
  R(read(p[0], b, 100));
  R(send(s[1], b, 20000, 0));
  R(splice(s[0], 0, p[1], 0, 5000, 0));
  R(splice(s[0], 0, p[1], 0, 1 << 20, 0));
  R(splice(s[0], 0, p[1], 0, 1 << 20, 0));
  drain(p[0]);
  for (int i = 0; i < 20; i++) send(s[1], b, 10, 0);
  R(splice(s[0], 0, p[1], 0, 1 << 20, 0));
  lengths("left", s[0]);
  fcntl(s[0], F_SETFL, 0);
  drain(p[0]);
}

static void from_file(int *s, int file) {
  off_t offset = 0;
  R(sendfile(s[0], file, &offset, 10));
  R(lseek(file, 0, SEEK_CUR));
  lengths("ten bytes", s[1]);
  R(sendfile(s[0], file, 0, 60000));
  R(lseek(file, 0, SEEK_CUR));
  lengths("sixty thousand", s[1]);
  offset = 1000;
  R(sendfile(s[0], file, &offset, 150000));
  lengths("from within a page", s[1]);
  offset = 199995;
  R(sendfile(s[0], file, &offset, 100));
  printf("offset %ld\n", (long)offset);
  R(sendfile(s[0], file, &offset, 100));
  lengths("the end", s[1]);
  R(lseek(file, 0, SEEK_SET));
}

static void wrong(int *s, int *p, int file) {
  off_t offset = 0;
  R(sendfile(file, s[0], 0, 10));
  R(sendfile(s[0], s[1], 0, 10));
  R(splice(s[0], 0, s[1], 0, 10, 0));
  R(splice(s[0], &offset, p[1], 0, 10, 0));
  R(splice(p[0], 0, s[0], &offset, 10, 0));
  R(splice(s[0], 0, file, 0, 10, 0));
  R(copy_file_range(s[0], 0, file, 0, 10, 0));
  R(copy_file_range(file, 0, s[0], 0, 10, 0));
}

/* Full, and without a peer. */
static void ends(int *s, int *p, int file, int type) {
  fcntl(s[0], F_SETFL, O_NONBLOCK);
  long r, total = 0;
  off_t offset = 0;
  while ((r = sendfile(s[0], file, &offset, 4096)) > 0) total += r;
  printf("full after something: %d, %ld %s\n", total > 0, r, strerrorname_np(errno));
  pieces(p[1], 2, 100);
  R(splice(p[0], 0, s[0], 0, 200, 0));
  R(ioctl(p[0], FIONREAD, &r));
  R(splice(s[0], 0, p[1], 0, 100, 0));
  while (recv(s[1], b, sizeof b, MSG_DONTWAIT) > 0);
  R(splice(p[0], 0, s[0], 0, 200, 0));
  lengths("after that", s[1]);
  fcntl(s[0], F_SETFL, 0);
  pieces(p[1], 2, 100);
  close(s[1]);
  R(splice(p[0], 0, s[0], 0, 100, 0));
  R(sendfile(s[0], file, 0, 10));
  fcntl(s[0], F_SETFL, O_NONBLOCK);
  R(splice(s[0], 0, p[1], 0, 100, 0));
  drain(p[0]);
  pieces(p[1], 1, 10);
  int u = socket(AF_UNIX, type, 0);
  R(splice(p[0], 0, u, 0, 10, 0));
  R(sendfile(u, file, 0, 10));
  fcntl(u, F_SETFL, O_NONBLOCK);
  R(splice(u, 0, p[1], 0, 10, 0));
  close(u);
}

/* A message that the pipe has no room for is cut, and a pipe that nobody reads takes none. */
static void little_room(int *s) {
  int p[2];
  pipe(p);
  fcntl(p[1], F_SETPIPE_SZ, 8192);
  R(send(s[1], b, 30000, 0));
  R(send(s[1], "next", 4, 0));
  R(splice(s[0], 0, p[1], 0, 1 << 20, 0));
  R(splice(s[0], 0, p[1], 0, 1 << 20, SPLICE_F_NONBLOCK));
  R(read(p[0], b, 5000));
  drain(p[0]);
  while (recv(s[0], b, sizeof b, MSG_DONTWAIT) > 0);
  for (int i = 0; i < 9; i++) memset(b, 'a' + i, 3000), send(s[1], b, 3000, 0);
  fcntl(s[0], F_SETFL, O_NONBLOCK);
  long moved = 0, n;
  while ((n = splice(s[0], 0, p[1], 0, 1 << 20, 0)) > 0 || (errno == EAGAIN && moved < 27000)) {
    long got = read(p[0], b, 5000);
    for (long i = 0; i < got; i++)
      if (b[i] != 'a' + (moved + i) / 3000) printf("%c at %ld\n", b[i], moved + i), i = got;
    moved += got;
  }
  printf("moved %ld %s\n", moved, strerrorname_np(errno));
  fcntl(s[0], F_SETFL, 0);
  drain(p[0]);
  R(send(s[1], b, 1234, 0));
  close(p[0]);
  R(splice(s[0], 0, p[1], 0, 100, 0));
  lengths("left", s[0]);
  close(p[1]);
}

/* One that sleeps until the other end gives or takes. */
static void sleepers(int *s, int *p) {
  drain(p[0]);
  int pid = fork();
  if (pid == 0) {
    long n = splice(s[0], 0, p[1], 0, 100, 0);
    _exit(n == 4 ? 0 : 1);
  }
  until_asleep(pid);
  R(send(s[1], "late", 4, 0));
  int status;
  waitpid(pid, &status, 0);
  printf("reader %#x\n", status);
  R(read(p[0], b, 10));
  pid = fork();
  if (pid == 0) {
    long n = splice(p[0], 0, s[0], 0, 100, 0);
    _exit(n == 3 ? 0 : 1);
  }
  until_asleep(pid);
  R(write(p[1], "abc", 3));
  waitpid(pid, &status, 0);
  printf("writer %#x\n", status);
  lengths("written", s[1]);
  /* Into a socket that is full, and into a full pipe. */
  while (send(s[0], b, 1000, MSG_DONTWAIT) > 0);
  pid = fork();
  if (pid == 0) {
    write(p[1], b, 50);
    long n = splice(p[0], 0, s[0], 0, 100, 0);
    _exit(n == 50 ? 0 : 1);
  }
  until_asleep(pid);
  while (recv(s[1], b, sizeof b, MSG_DONTWAIT) > 0);
  waitpid(pid, &status, 0);
  printf("into a full socket %#x\n", status);
  while (recv(s[1], b, sizeof b, MSG_DONTWAIT) > 0);
  fcntl(p[1], F_SETFL, O_NONBLOCK);
  while (write(p[1], b, 4096) > 0);
  fcntl(p[1], F_SETFL, 0);
  R(send(s[1], "late", 4, 0));
  pid = fork();
  if (pid == 0) {
    long n = splice(s[0], 0, p[1], 0, 100, 0);
    _exit(n == 4 ? 0 : 1);
  }
  until_asleep(pid);
  R(read(p[0], b, 4096));
  waitpid(pid, &status, 0);
  printf("into a full pipe %#x\n", status);
  drain(p[0]);
}

int main(int argc, char **argv) {
  start(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  EACH_TYPE(t) {
    int s[2], p[2], file = memfd_create("file", 0);
    ftruncate(file, 200000);
    socketpair(AF_UNIX, TYPES[t], 0, s);
    pipe(p);
    fcntl(p[1], F_SETPIPE_SZ, 1 << 18);
    from_pipe(s, p);
    to_pipe(s, p);
    from_file(s, file);
    wrong(s, p, file);
    little_room(s);
    sleepers(s, p);
    ends(s, p, file, TYPES[t]);
    close(s[0]), close(p[0]), close(p[1]), close(file);
  }
  return 0;
}
