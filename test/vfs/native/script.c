/*
 * Runs a script of file system calls on the real kernel and prints one result per line: the call's value, or minus
 * the errno. Everything happens in a fresh tmpfs (or FS_TYPE) that is the root of a private mount namespace, so nothing of the
 * machine can be touched. One call per line, fields separated by tabs; see interpreter.ts, which knows the same calls.
 *
 *   script DIRECTORY < calls > results        exit status 77: not permitted here
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What is mounted: another file system is tried by defining these. */
#ifndef FS_SOURCE
#define FS_SOURCE "none"
#define FS_TYPE "tmpfs"
#define FS_OPTIONS "mode=755"
#endif

#define SLOT_BASE 100
#define MAX_FIELDS 8

static char *field[MAX_FIELDS];
static int fields;
static int proc_fd;
static char buffer[1 << 20];

static long num(int i) { return i < fields ? strtol(field[i], 0, 0) : 0; }
/* A slot of the script as a descriptor; -1 is the working directory. */
static int fd(int i) { long n = num(i); return n < 0 ? AT_FDCWD : SLOT_BASE + (int)n; }
static long result(long r) { return r < 0 ? -errno : r; }

struct times { char name[256]; struct statx s; };
static struct times known[16];

/* Which times of a file changed since the last look: letters of a, m, c. */
static void print_times(const char *name) {
  struct statx s;
  if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_ALL, &s) < 0) { printf("%d\n", -errno); return; }
  struct times *t = known;
  while (t->name[0] && strcmp(t->name, name)) t++;
#define DIFFERS(x) (t->s.x.tv_sec != s.x.tv_sec || t->s.x.tv_nsec != s.x.tv_nsec)
  if (!t->name[0]) { strcpy(t->name, name); printf("new\n"); }
  else printf("%s%s%s\n", DIFFERS(stx_atime) ? "a" : "", DIFFERS(stx_mtime) ? "m" : "", DIFFERS(stx_ctime) ? "c" : "");
  t->s = s;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void print_list(int from) {
  int copy = openat(from, ".", O_RDONLY | O_DIRECTORY);
  if (copy < 0) { printf("%d\n", -errno); return; }
  DIR *d = fdopendir(copy);
  static char *names[4096];
  int n = 0;
  struct dirent *e;
  while ((e = readdir(d))) {
    char *text;
    if (asprintf(&text, "%s/%d", e->d_name, e->d_type) < 0) exit(2);
    names[n++] = text;
  }
  closedir(d);
  qsort(names, n, sizeof *names, by_name);
  for (int i = 0; i < n; i++) { printf("%s%s", i ? " " : "", names[i]); free(names[i]); }
  printf("\n");
}

static void print_stat(int follow) {
  struct stat s;
  long r = syscall(SYS_newfstatat, fd(1), field[2], &s, follow);
  if (r < 0) { printf("%d\n", -errno); return; }
  printf("%o %ld %d:%d %ld %ld %lx\n", s.st_mode, (long)s.st_nlink, s.st_uid, s.st_gid, (long)s.st_size, (long)s.st_blocks, (long)s.st_rdev);
}

static void print_text(long n) {
  if (n < 0) printf("%d\n", -errno);
  else printf("%.*s\n", (int)n, buffer);
}

static void run(void) {
  const char *op = field[0];
  long r;
#define IS(name) (!strcmp(op, name))
  if (IS("user")) { setfsgid(0); setfsuid(0); setfsgid(num(1)); setfsuid(num(1)); r = 0; }
  else if (IS("umask")) r = umask(num(1));
  else if (IS("mkdir")) r = result(syscall(SYS_mkdirat, fd(1), field[2], num(3)));
  else if (IS("mknod")) r = result(syscall(SYS_mknodat, fd(1), field[2], num(3), num(4)));
  else if (IS("symlink")) r = result(syscall(SYS_symlinkat, field[1], fd(2), field[3]));
  else if (IS("link")) r = result(syscall(SYS_linkat, fd(1), field[2], fd(3), field[4], num(5)));
  else if (IS("unlink")) r = result(syscall(SYS_unlinkat, fd(1), field[2], 0));
  else if (IS("rmdir")) r = result(syscall(SYS_unlinkat, fd(1), field[2], AT_REMOVEDIR));
  else if (IS("rename")) r = result(syscall(SYS_renameat2, fd(1), field[2], fd(3), field[4], num(5)));
  else if (IS("open")) {
    r = result(syscall(SYS_openat, fd(2), field[3], num(4), num(5)));
    if (r >= 0) { dup2(r, SLOT_BASE + num(1)); close(r); r = 0; }
  }
  else if (IS("close")) r = result(close(fd(1)));
  else if (IS("write")) { memset(buffer, 'A' + num(2) % 26, num(2)); r = result(write(fd(1), buffer, num(2))); }
  else if (IS("pwrite")) { memset(buffer, 'a' + num(2) % 26, num(2)); r = result(pwrite(fd(1), buffer, num(2), num(3))); }
  else if (IS("read") || IS("pread")) {
    long n = IS("read") ? read(fd(1), buffer, num(2)) : pread(fd(1), buffer, num(2), num(3));
    unsigned sum = 0;
    for (long i = 0; i < n; i++) sum = sum * 31 + (unsigned char)buffer[i];
    if (n < 0) printf("%d\n", -errno); else printf("%ld %u\n", n, sum);
    return;
  }
  else if (IS("lseek")) r = result(lseek(fd(1), num(2), num(3)));
  else if (IS("truncate")) r = result(truncate(field[1], num(2)));
  else if (IS("ftruncate")) r = result(ftruncate(fd(1), num(2)));
  else if (IS("fallocate")) r = result(syscall(SYS_fallocate, fd(1), num(2), num(3), num(4)));
  else if (IS("chmod")) r = result(syscall(SYS_fchmodat, fd(1), field[2], num(3)));
  else if (IS("fchmod")) r = result(fchmod(fd(1), num(2)));
  else if (IS("chown")) r = result(syscall(SYS_fchownat, fd(1), field[2], num(3), num(4), num(5)));
  else if (IS("utime")) {
    struct timespec t[2] = {{num(3), num(4)}, {num(5), num(6)}};
    r = result(syscall(SYS_utimensat, fd(1), field[2], t, num(7)));
  }
  else if (IS("access")) r = result(syscall(SYS_faccessat2, fd(1), field[2], num(3), num(4)));
  else if (IS("chdir")) r = result(chdir(field[1]));
  else if (IS("fchdir")) r = result(fchdir(fd(1)));
  else if (IS("chroot")) r = result(chroot(field[1]));
  else if (IS("getcwd")) { r = syscall(SYS_getcwd, buffer, 4096); print_text(r < 0 ? r : r - 1); return; }
  else if (IS("readlink")) { print_text(syscall(SYS_readlinkat, fd(1), field[2], buffer, 8192)); return; }
  else if (IS("path")) {
    char name[16];
    sprintf(name, "%d", fd(1));
    print_text(readlinkat(proc_fd, name, buffer, 8192));
    return;
  }
  else if (IS("stat")) { print_stat(0); return; }
  else if (IS("lstat")) { print_stat(AT_SYMLINK_NOFOLLOW); return; }
  else if (IS("fstat")) { field[2] = ""; print_stat(AT_EMPTY_PATH); return; }
  else if (IS("list")) { print_list(fd(1)); return; }
  else if (IS("times")) { print_times(field[1]); return; }
  else if (IS("tick")) { usleep(12000); r = 0; }
  else if (IS("poll")) { struct pollfd p = {fd(1), 0x7fff, 0}; poll(&p, 1, 0); r = p.revents; }
  else if (IS("flock")) r = result(flock(fd(1), num(2)));
  else if (IS("setlk")) {
    struct flock l = {.l_type = num(2), .l_whence = num(3), .l_start = num(4), .l_len = num(5)};
    r = result(fcntl(fd(1), num(6) ? F_OFD_SETLK : F_SETLK, &l));
  }
  else if (IS("getlk")) {
    struct flock l = {.l_type = num(2), .l_whence = num(3), .l_start = num(4), .l_len = num(5)};
    r = fcntl(fd(1), num(6) ? F_OFD_GETLK : F_GETLK, &l);
    if (r < 0) printf("%d\n", -errno);
    else if (l.l_type == F_UNLCK) printf("free\n");
    else printf("%d %ld %ld\n", l.l_type, (long)l.l_start, (long)l.l_len);
    return;
  }
  else if (IS("mount")) r = result(mount("none", field[1], "tmpfs", num(2), "mode=755"));
  else if (IS("bind")) r = result(mount(field[1], field[2], 0, MS_BIND | num(3), 0));
  else if (IS("move")) r = result(mount(field[1], field[2], 0, MS_MOVE, 0));
  else if (IS("remount")) r = result(mount("none", field[1], 0, MS_REMOUNT | num(2), 0));
  else if (IS("umount")) r = result(umount2(field[1], num(2)));
  else if (IS("statfs")) {
    struct statfs s;
    if (statfs(field[1], &s) < 0) r = -errno;
    else { printf("%lx %ld %ld %lx\n", (long)s.f_type, (long)s.f_bsize, (long)s.f_namelen, (long)s.f_flags); return; }
  }
  else { fprintf(stderr, "unknown call %s\n", op); exit(2); }
  printf("%ld\n", r);
}

/* Makes a fresh file system the root. */
static int enter(const char *root) {
#ifdef FS_CHROOT
  /* The machine is there for this alone, and whoever runs us unmounts it. */
  if (mount(FS_SOURCE, root, FS_TYPE, 0, FS_OPTIONS) < 0) return -1;
  proc_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
  return chdir(root) < 0 ? -1 : chroot(".");
#else
  if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) < 0) return -1;
  if (mount(FS_SOURCE, root, FS_TYPE, 0, FS_OPTIONS) < 0) return -1;
  proc_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
  return chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ? -1 : umount2(".", MNT_DETACH);
#endif
}

int main(int argc, char **argv) {
  if (argc != 2 || enter(argv[1]) < 0) return 77;
  if (chdir("/") < 0 || setgroups(0, 0) < 0) return 77;
  umask(022);
  static char line[65536];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    char *rest = line;
    fields = 0;
    while (fields < MAX_FIELDS && (field[fields] = strsep(&rest, "\t"))) fields++;
    for (int i = fields; i < MAX_FIELDS; i++) field[i] = "";
    run();
  }
  return 0;
}
