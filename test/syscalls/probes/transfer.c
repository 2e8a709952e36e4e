/* sendfile, copy_file_range, splice, vmsplice, and advisory locks. */
#include "probe.h"
#include "../../support/asleep.h"
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static int source, target, dir, p[2], q[2];
static char b[200000];

static void contents(const char *what, int fd) {
  long n = pread(fd, b, 60, 0);
  bytes(what, b, n);
}

static void sending(void) {
  make("s", "0123456789");
  make("t", "");
  source = open("s", O_RDONLY), target = open("t", O_RDWR), dir = open(".", O_RDONLY);
  pipe(p), pipe(q);
  off_t at = 2;
  R(sendfile(target, source, &at, 5));
  printf("at %ld\n", (long)at);
  R(lseek(source, 0, SEEK_CUR));
  R(sendfile(target, source, 0, 100));
  R(sendfile(target, source, 0, 100));
  R(lseek(source, 0, SEEK_CUR));
  contents("target", target);
  at = -1;
  R(sendfile(target, source, &at, 5));
  R(sendfile(target, source, BAD, 5));
  R(sendfile(target, target, 0, -1));
  R(sendfile(source, target, 0, 5));
  R(sendfile(target, 99, 0, 5));
  R(sendfile(99, source, 0, 5));
  R(sendfile(target, dir, 0, 5));
  R(sendfile(target, p[0], 0, 5));
  at = 0;
  R(sendfile(target, p[0], &at, 5));
  int append = open("t", O_WRONLY | O_APPEND);
  R(sendfile(append, source, &at, 5));
  R(sendfile(p[1], source, &at, 100));
  R(read(p[0], b, 100));
  close(append);
  int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
  at = 0;
  R(sendfile(null, source, &at, 100));
  close(zero), close(null);
}

static void copying(void) {
  off_t in = 0, out = 20;
  ftruncate(target, 0);
  lseek(target, 0, SEEK_SET), lseek(source, 0, SEEK_SET);
  R(copy_file_range(source, 0, target, 0, 4, 0));
  R(copy_file_range(source, &in, target, &out, 100, 0));
  printf("in %ld out %ld\n", (long)in, (long)out);
  contents("target", target);
  R(copy_file_range(source, &in, target, &out, 100, 0));
  R(copy_file_range(source, 0, target, 0, 4, 1));
  R(copy_file_range(99, 0, target, 0, 4, 0));
  R(copy_file_range(source, 0, 99, 0, 4, 0));
  R(copy_file_range(target, 0, source, 0, 4, 0));
  R(copy_file_range(dir, 0, target, 0, 4, 0));
  R(copy_file_range(source, 0, dir, 0, 4, 0));
  R(copy_file_range(source, 0, p[1], 0, 4, 0));
  R(copy_file_range(p[0], 0, target, 0, 4, 0));
  int append = open("t", O_RDWR | O_APPEND);
  R(copy_file_range(source, 0, append, 0, 4, 0));
  in = 0, out = 2;
  R(copy_file_range(target, &in, target, &out, 5, 0));
  in = 0, out = 40;
  R(copy_file_range(target, &in, target, &out, 5, 0));
  in = -1;
  R(copy_file_range(source, &in, target, &out, 5, 0));
  R(copy_file_range(source, BAD, target, &out, 5, 0));
  close(append);
}

static void splicing(void) {
  loff_t at = 1;
  R(splice(source, &at, p[1], 0, 100, 0));
  printf("at %ld\n", (long)at);
  R(read(p[0], b, 100));
  bytes("pipe", b, 9);
  write(p[1], "through the pipe", 16);
  ftruncate(target, 0), lseek(target, 0, SEEK_SET);
  R(splice(p[0], 0, target, 0, 7, 0));
  at = 20;
  R(splice(p[0], 0, target, &at, 100, 0));
  printf("at %ld\n", (long)at);
  contents("target", target);
  write(p[1], "pipe to pipe", 12);
  R(splice(p[0], 0, q[1], 0, 8, 0));
  R(read(q[0], b, 100));
  bytes("second pipe", b, 8);
  R(splice(p[0], 0, q[1], 0, 100, 0));
  R(splice(p[0], 0, q[1], 0, 100, SPLICE_F_NONBLOCK));
  R(splice(p[0], 0, p[1], 0, 100, 0));
  R(splice(source, 0, target, 0, 100, 0));
  R(splice(p[0], &at, target, 0, 100, 0));
  R(splice(source, 0, p[1], &at, 100, 0));
  R(splice(p[0], 0, target, 0, 100, 0x100));
  R(splice(p[0], 0, target, 0, 0, 0));
  R(splice(99, 0, target, 0, 10, 0));
  R(splice(p[0], 0, 99, 0, 10, 0));
  R(splice(p[1], 0, target, 0, 10, 0));
  R(splice(source, 0, p[0], 0, 10, 0));
  R(splice(p[0], 0, source, 0, 10, 0));
  int append = open("t", O_RDWR | O_APPEND);
  R(splice(p[0], 0, append, 0, 10, 0));
  close(append);
  if (fork() == 0) { until_asleep(getppid()); write(p[1], "late", 4); _exit(0); }
  R(read(q[0], b, 4));
  R(splice(p[0], 0, q[1], 0, 100, 0));
  wait(0);
  R(read(q[0], b, 100));
  struct iovec v[2] = {{"vector", 6}, {"ed", 2}};
  R(vmsplice(p[1], v, 2, 0));
  R(read(p[0], b, 100));
  bytes("vmsplice", b, 8);
  R(vmsplice(source, v, 2, 0));
  R(vmsplice(p[1], v, 2, 0x100));
  R(vmsplice(p[0], v, 2, SPLICE_F_NONBLOCK));
  close(q[0]);
  on(SIGPIPE, 0);
  signals_seen = 0;
  lseek(source, 0, SEEK_SET);
  R(splice(source, 0, q[1], 0, 5, 0));
  R(sendfile(q[1], source, 0, 5));
  printf("SIGPIPE %d\n", signals_seen);
  R(lseek(source, 0, SEEK_CUR));
}

static void lock(const char *what, int fd, int command, int type, long from, long length) {
  struct flock l = {type, SEEK_SET, from, length, 0};
  int result = fcntl(fd, command, &l);
  if (result != 0) printf("%s = %s\n", what, strerrorname_np(errno));
  else if (command == F_GETLK || command == F_OFD_GETLK) printf("%s: type %d from %ld length %ld other %d\n", what, l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid != 0 && l.l_pid != getpid());
  else printf("%s = 0\n", what);
}

static void locking(void) {
  int a = open("t", O_RDWR), c = open("t", O_RDWR), ro = open("t", O_RDONLY), wo = open("t", O_WRONLY);
  R(flock(a, LOCK_EX));
  R(flock(c, LOCK_EX | LOCK_NB));
  R(flock(c, LOCK_SH | LOCK_NB));
  R(flock(a, LOCK_SH));
  R(flock(c, LOCK_SH | LOCK_NB));
  R(flock(a, LOCK_EX | LOCK_NB));
  R(flock(c, LOCK_UN));
  R(flock(99, LOCK_EX));
  R(flock(a, 0));
  R(flock(99, 0));
  R(flock(a, LOCK_EX | LOCK_SH));
  if (fork() == 0) { until_asleep(getppid()); flock(a, LOCK_UN); _exit(0); }
  R(flock(c, LOCK_EX));
  wait(0);
  R(flock(c, LOCK_UN));
  lock("write lock", a, F_SETLK, F_WRLCK, 0, 10);
  lock("own lock is not seen", a, F_GETLK, F_WRLCK, 0, 0);
  lock("read lock without reading", wo, F_SETLK, F_RDLCK, 20, 10);
  lock("write lock without writing", ro, F_SETLK, F_WRLCK, 20, 10);
  lock("bad type", a, F_SETLK, 7, 20, 10);
  lock("bad start", a, F_SETLK, F_WRLCK, -1, 10);
  lock("get of unlock", a, F_GETLK, F_UNLCK, 0, 10);
  lock("ofd against posix", c, F_OFD_SETLK, F_WRLCK, 5, 10);
  lock("ofd beside", c, F_OFD_SETLK, F_WRLCK, 15, 10);
  lock("ofd seen by posix", a, F_GETLK, F_WRLCK, 0, 100);
  lock("posix seen by ofd", c, F_OFD_GETLK, F_WRLCK, 0, 100);
  fflush(stdout);
  if (fork() == 0) {
    lock("child", a, F_SETLK, F_WRLCK, 0, 1);
    lock("child", a, F_SETLK, F_RDLCK, 0, 1);
    lock("child looks", a, F_GETLK, F_RDLCK, 0, 0);
    lock("child elsewhere", a, F_SETLK, F_WRLCK, 50, 5);
    int waiter = fork();
    if (waiter == 0) {
      struct flock wanted = {F_WRLCK, SEEK_SET, 50, 5, 0};
      _exit(fcntl(a, F_SETLKW, &wanted) == 0 ? 0 : errno);
    }
    until_asleep(waiter);
    lock("child gives up", a, F_SETLK, F_UNLCK, 50, 5);
    int got;
    wait(&got);
    printf("waited: %d\n", got);
    lock("child again", a, F_SETLK, F_WRLCK, 60, 5);
    write(p[1], "!", 1);
    until_asleep(getppid());
    lock("crosswise", a, F_SETLKW, F_WRLCK, 0, 1);
    _exit(0);
  }
  read(p[0], b, 1);
  lock("parent waits", a, F_SETLKW, F_WRLCK, 60, 5);
  wait(0);
  int another = open("t", O_RDONLY);
  close(another);
  lock("closing any descriptor unlocks", c, F_OFD_GETLK, F_WRLCK, 0, 0);
  struct flock l = {F_WRLCK, SEEK_SET, 0, 0, 5};
  R(fcntl(a, F_OFD_SETLK, &l));
  R(fcntl(a, F_SETLK, BAD));
  on(SIGALRM, 0);
  soon();
  int d = open("t", O_RDWR);
  R(flock(d, LOCK_EX));
  R(flock(a, LOCK_EX));
}

int main(int argc, char **argv) {
  start(argc, argv);
  sending();
  copying();
  splicing();
  locking();
  return 0;
}
