/* stat and statx, modes, owners, times, access, statfs, extended attributes, umask. */
#include "probe.h"
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <utime.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static void show(const char *name) {
  struct stat st;
  if (lstat(name, &st) != 0) { printf("%s: %s\n", name, strerrorname_np(errno)); return; }
  printf("%s: mode %o links %ld uid %d gid %d size %ld blocks %ld blksize %ld rdev %lx\n", name, st.st_mode,
         (long)st.st_nlink, st.st_uid, st.st_gid, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size,
         S_ISDIR(st.st_mode) ? 0 : (long)st.st_blocks, (long)st.st_blksize, (long)st.st_rdev);
}

static void stats(void) {
  struct stat st;
  make("f", "0123456789");
  symlink("f", "l");
  symlink("l2", "l2");
  mkdir("d", 0750);
  mkdir("d/e", 0700);
  mkfifo("p", 0600);
  mknod("c", S_IFCHR | 0600, makedev(5, 70000));
  show("f"), show("l"), show("d"), show("p"), show("c");
  truncate("f", 100000);
  show("f");
  R(stat("", &st));
  R(stat("l2", &st));
  R(lstat("l2", &st));
  R(stat("f/x", &st));
  R(stat("f/", &st));
  R(stat("l/", &st));
  S(stat, "f", BAD);
  S(stat, BAD, &st);
  S(fstat, 99, &st);
  S(newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH);
  printf("directory %d\n", S_ISDIR(st.st_mode));
  S(newfstatat, AT_FDCWD, "", &st, 0);
  S(newfstatat, AT_FDCWD, "f", &st, 0x10);
  S(newfstatat, AT_FDCWD, "f", &st, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW);
  S(newfstatat, 99, "f", &st, 0);
  S(newfstatat, 99, "", &st, AT_EMPTY_PATH);
  S(newfstatat, AT_FDCWD, 0, &st, AT_EMPTY_PATH);
  S(newfstatat, AT_FDCWD, 0, &st, 0);
  int p[2];
  pipe(p);
  S(newfstatat, p[0], "", &st, AT_EMPTY_PATH);
  printf("pipe %o size %ld blksize %ld links %ld\n", st.st_mode, (long)st.st_size, (long)st.st_blksize, (long)st.st_nlink);
  S(newfstatat, p[0], "x", &st, 0);
  int path = open("l", O_PATH | O_NOFOLLOW);
  fstat(path, &st);
  printf("link by O_PATH %o\n", st.st_mode);
  struct statx sx;
  S(statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx);
  printf("statx mode %o size %lld blocks %lld links %d basic %x\n", sx.stx_mode, sx.stx_size, sx.stx_blocks, sx.stx_nlink, sx.stx_mask & STATX_BASIC_STATS);
  S(statx, AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, 0, &sx);
  printf("statx mode %o\n", sx.stx_mode);
  S(statx, AT_FDCWD, "c", 0, STATX_TYPE, &sx);
  printf("device %d %d\n", sx.stx_rdev_major, sx.stx_rdev_minor);
  S(statx, AT_FDCWD, "f", 0, 0x80000000, &sx);
  S(statx, AT_FDCWD, "f", 0x6000, 0, &sx);
  S(statx, AT_FDCWD, "f", 0x10, 0, &sx);
  S(statx, AT_FDCWD, "f", 0, 0, BAD);
  S(statx, p[0], "", AT_EMPTY_PATH, 0, &sx);
  printf("statx mode %o\n", sx.stx_mode);
  for (int i = 3; i < 20; i++) close(i);
}

static void modes(void) {
  struct stat st;
  make("m", "");
  R(chmod("m", 07777));
  show("m");
  R(chmod("m", 0177777));
  show("m");
  R(chmod("nothing", 0));
  R(chmod(BAD, 0));
  R(chmod("l", 0600));
  S(fchmodat, AT_FDCWD, "m", 0640);
  S(fchmodat, 99, "m", 0640);
  S(fchmodat2, AT_FDCWD, "l", 0640, AT_SYMLINK_NOFOLLOW);
  S(fchmodat2, AT_FDCWD, "m", 0640, 1);
  int fd = open("m", O_RDONLY), p[2];
  pipe(p);
  R(fchmod(fd, 0604));
  R(fchmod(99, 0604));
  R(fchmod(p[0], 0604));
  S(fchmodat2, fd, "", 0600, AT_EMPTY_PATH);
  show("m");
  R(chmod("m", 06755));
  R(chown("m", 1, 2));
  show("m");
  R(chmod("m", 06755));
  R(chown("m", -1, -1));
  show("m");
  R(chown("m", -1, 7));
  show("m");
  R(lchown("l", 3, 4));
  show("l");
  R(chown("l", 5, 6));
  show("l"), show("m"), show("f");
  R(chown("nothing", 1, 1));
  R(fchown(fd, 8, 9));
  R(fchown(99, 8, 9));
  R(fchownat(fd, "", 10, 11, AT_EMPTY_PATH));
  R(fchownat(AT_FDCWD, "l", 12, 13, AT_SYMLINK_NOFOLLOW));
  R(fchownat(AT_FDCWD, "l", 12, 13, 4));
  show("m"), show("l");
  R(umask(0777));
  R(umask(01777));
  R(umask(022));
  make("own", "");
  chown("own", 1234, 4321);
  chmod(".", 0777);
  fflush(stdout);
  if (fork() == 0) {
    gid_t groups[] = {50};
    syscall(SYS_setgroups, 1, groups);
    setgid(4321), setuid(1234);
    R(chmod("m", 0777));
    R(chmod("own", 02755));
    show("own");
    R(chown("own", 1, -1));
    R(chown("own", -1, 50));
    show("own");
    R(chown("own", -1, 51));
    R(chown("own", 1234, 4321));
    R(access("m", R_OK));
    R(utimes("m", 0));
    R(utime("m", &(struct utimbuf){1, 2}));
    R(utimes("own", 0));
    R(truncate("m", 0));
    _exit(0);
  }
  wait(0);
  for (int i = 3; i < 20; i++) close(i);
}

static void times_of(const char *name) {
  struct stat st;
  lstat(name, &st);
  printf("%s: atime %ld.%09ld mtime %ld.%09ld\n", name, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void times(void) {
  make("t", "");
  symlink("t", "tl");
  R(utime("t", &(struct utimbuf){100, 200}));
  times_of("t");
  S(utime, "t", BAD);
  S(utime, "nothing", 0);
  struct timeval tv[2] = {{1, 2}, {3, 4}};
  S(utimes, "t", tv);
  times_of("t");
  tv[0].tv_usec = 1000000;
  S(utimes, "t", tv);
  tv[0].tv_usec = -1;
  S(utimes, "t", tv);
  tv[0].tv_usec = 5;
  S(futimesat, AT_FDCWD, "t", tv);
  int fd = open("t", O_RDONLY);
  S(futimesat, fd, 0, tv);
  S(futimesat, 99, "t", tv);
  struct timespec ts[2] = {{10, 11}, {12, 13}};
  S(utimensat, AT_FDCWD, "t", ts, 0);
  times_of("t");
  S(utimensat, AT_FDCWD, "tl", ts, AT_SYMLINK_NOFOLLOW);
  times_of("tl");
  ts[0].tv_nsec = UTIME_OMIT, ts[1].tv_sec = 50;
  S(utimensat, fd, 0, ts, 0);
  times_of("t");
  S(utimensat, fd, 0, ts, AT_SYMLINK_NOFOLLOW);
  S(utimensat, AT_FDCWD, 0, ts, 0);
  S(utimensat, AT_FDCWD, "t", ts, 1);
  S(utimensat, AT_FDCWD, "t", BAD, 0);
  ts[1].tv_nsec = 1000000000;
  S(utimensat, AT_FDCWD, "t", ts, 0);
  S(utimensat, AT_FDCWD, "nothing", ts, 0);
  ts[1].tv_nsec = UTIME_OMIT;
  S(utimensat, AT_FDCWD, "nothing", ts, 0);
  S(utimensat, 99, BAD, ts, 0);
  S(utimensat, AT_FDCWD, "nothing", 0, 0);
  time_t before = time(0);
  ts[0].tv_nsec = UTIME_NOW;
  S(utimensat, AT_FDCWD, "t", ts, 0);
  struct stat st;
  stat("t", &st);
  printf("now %d, kept %ld\n", st.st_atime >= before - 1 && st.st_atime <= before + 2, (long)st.st_mtime);
  S(utimensat, fd, "", ts, AT_EMPTY_PATH);
  close(fd);
}

static void accesses(void) {
  make("x", ""), chmod("x", 0644);
  make("run", ""), chmod("run", 0755);
  R(access("x", F_OK));
  R(access("x", R_OK | W_OK));
  R(access("x", X_OK));
  R(access("run", X_OK));
  R(access("d", X_OK));
  R(access("x", 8));
  R(access(BAD, 8));
  R(access("nothing", F_OK));
  R(access("x/y", F_OK));
  S(faccessat, AT_FDCWD, "x", R_OK);
  S(faccessat2, AT_FDCWD, "x", R_OK, 0x400);
  S(faccessat2, 99, "x", R_OK, 0);
  S(faccessat2, AT_FDCWD, "l2", F_OK, AT_SYMLINK_NOFOLLOW);
  S(faccessat2, AT_FDCWD, "l2", F_OK, 0);
  S(faccessat2, open("x", O_RDONLY), "", R_OK, AT_EMPTY_PATH);
  chmod("x", 0600), chown("x", 0, 0);
  fflush(stdout);
  if (fork() == 0) {
    setresuid(1234, 0, 0);
    R(access("x", R_OK));
    S(faccessat2, AT_FDCWD, "x", R_OK, AT_EACCESS);
    _exit(0);
  }
  wait(0);
}

static void filesystems(void) {
  struct statfs fs;
  R(statfs(".", &fs));
  printf("type %lx bsize %ld namelen %ld frsize %ld\n", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen, (long)fs.f_frsize);
  R(statfs("/proc", &fs));
  printf("type %lx blocks %ld\n", (long)fs.f_type, (long)fs.f_blocks);
  R(statfs("nothing", &fs));
  S(statfs, ".", BAD);
  S(statfs, BAD, &fs);
  S(fstatfs, 99, &fs);
  int p[2];
  pipe(p);
  S(fstatfs, p[0], &fs);
  printf("type %lx\n", (long)fs.f_type);
  struct stat st;
  stat(".", &st);
  char u[32];
  S(ustat, (int)st.st_dev, u);
  S(ustat, 0x7777, u);
}

static void attributes(void) {
  char b[10];
  R(getxattr("nothing", "user.a", b, 10));
  R(getxattr("f", "", b, 10));
  R(getxattr("f", BAD, b, 10));
  R(getxattr(BAD, "user.a", b, 10));
  R(fgetxattr(99, "user.a", b, 10));
  R(setxattr("f", "user.a", "v", 1, 4));
  R(setxattr("f", "user.a", "v", 1 << 20, 0));
  R(setxattr("f", "user.a", BAD, 10, 0));
  R(setxattr("f", "bogus", "v", 1, 0));
  R(getxattr("f", "bogus", b, 10));
  R(removexattr("f", "bogus"));
  R(listxattr("nothing", b, 10));
  R(flistxattr(99, b, 10));
  R(listxattr("f", b, 0));
}

int main(int argc, char **argv) {
  start(argc, argv);
  stats();
  modes();
  times();
  accesses();
  filesystems();
  attributes();
  return 0;
}
