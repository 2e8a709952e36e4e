/* sysfs: what its files and directories allow, with those that every machine has. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static long report(const char *what, long result) {
  if (result == -1) printf("%s = %s\n", what, strerrorname_np(errno));
  else printf("%s = %ld\n", what, result);
  return result;
}
#define R(call) (errno = 0, report(#call, (long)(call)))
#define FILE_NAME "/sys/kernel/address_bits"

static void status(const char *name) {
  struct stat s;
  lstat(name, &s);
  printf("%s %o %ld %ld %ld %d:%d\n", name, s.st_mode, (long)s.st_size, (long)s.st_blocks, (long)s.st_blksize, s.st_uid, s.st_gid);
}

static void show(const char *name) {
  char text[5000];
  int file = open(name, O_RDONLY);
  long length = read(file, text, sizeof text - 1);
  text[length < 0 ? 0 : length] = 0;
  printf("%s: %s", name, text);
  close(file);
}

static void polled(int file) {
  struct pollfd wanted = {file, 0xffff, 0};
  int ready = poll(&wanted, 1, 0);
  printf("poll %d %x\n", ready, wanted.revents);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  struct statfs f;
  R(statfs("/sys", &f));
  printf("%lx %ld %ld %ld %ld\n", (long)f.f_type, (long)f.f_bsize, (long)f.f_namelen, (long)f.f_blocks, (long)f.f_files);
  status("/sys");
  status(FILE_NAME);
  status("/sys/kernel");
  status("/sys/class/mem");
  status("/sys/class/mem/null");
  status("/sys/class/mem/null/");
  show(FILE_NAME);
  show("/sys/kernel/cpu_byteorder");
  char target[100] = {0};
  const char *links[] = {"/sys/class/mem/null", "/sys/dev/char/1:11", "/sys/class/mem/full/subsystem", "/sys/class/tty/console", "/sys/dev/char/5:2"};
  for (int i = 0; i < 5; i++) {
    memset(target, 0, sizeof target);
    readlink(links[i], target, sizeof target - 1);
    printf("%s -> %s\n", links[i], target);
  }
  const char *devices[] = {"null", "zero", "full", "random", "urandom", "kmsg"};
  char name[100];
  for (int i = 0; i < 6; i++) {
    sprintf(name, "/sys/class/mem/%s/dev", devices[i]);
    show(name);
    sprintf(name, "/sys/class/mem/%s/uevent", devices[i]);
    show(name);
  }
  show("/sys/class/tty/tty/uevent");
  show("/sys/class/tty/console/uevent");
  show("/sys/class/tty/ptmx/uevent");

  R(open(FILE_NAME, O_RDWR));
  R(open(FILE_NAME, O_WRONLY | O_TRUNC));
  R(open("/sys/kernel/x", O_CREAT | O_WRONLY, 0600));
  R(open("/sys/x", O_CREAT | O_WRONLY, 0600));
  R(open("/sys/kernel", O_TMPFILE | O_RDWR, 0600));
  R(open("/sys/nothing", O_RDONLY));
  R(mkdir("/sys/kernel/x", 0700));
  R(mkdir(FILE_NAME, 0700));
  R(rmdir("/sys/class/mem"));
  R(unlink(FILE_NAME));
  R(unlink("/sys/class/mem/null"));
  R(symlink("a", "/sys/kernel/a"));
  R(link(FILE_NAME, "/sys/kernel/n"));
  R(mknod("/sys/kernel/n", S_IFIFO | 0600, 0));
  R(rename(FILE_NAME, "/sys/kernel/n"));
  R(truncate(FILE_NAME, 0));
  R(access(FILE_NAME, W_OK));

  int file = open(FILE_NAME, O_RDONLY);
  polled(file);
  R(read(file, name, 1));
  polled(file);
  R(read(file, name, 10));
  R(read(file, name, 10));
  R(pread(file, name, 10, 0));
  R(pread(file, name, 10, 1));
  R(pread(file, name, 10, 5));
  R(pread(file, name, 10, 100000));
  R(lseek(file, 0, SEEK_END));
  R(lseek(file, 5, SEEK_SET));
  R(lseek(file, 1, SEEK_CUR));
  R(lseek(file, -1, SEEK_SET));
  R(lseek(file, 0, SEEK_DATA));
  R(write(file, "x", 1));
  R(fsync(file));
  R(fallocate(file, 0, 0, 10));
  R(ftruncate(file, 0));
  R(mmap(0, 4096, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED ? -1 : 0);
  int set = epoll_create1(0);
  struct epoll_event event = {EPOLLIN | EPOLLPRI | EPOLLET, {0}};
  R(epoll_ctl(set, EPOLL_CTL_ADD, file, &event));
  R(epoll_wait(set, &event, 1, 0));
  printf("%x\n", event.events);
  R(chmod(FILE_NAME, 0400));
  status(FILE_NAME);
  R(chmod(FILE_NAME, 0200));
  R(open(FILE_NAME, O_RDONLY));
  R(chmod(FILE_NAME, 0444));
  R(chown(FILE_NAME, 5, 5));
  status(FILE_NAME);
  R(chown(FILE_NAME, 0, 0));
  R(setuid(1000));
  R(chmod(FILE_NAME, 0400));
  R(open(FILE_NAME, O_RDONLY) >= 0);
  return 0;
}
