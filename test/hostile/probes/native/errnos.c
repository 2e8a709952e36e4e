/* One wrong argument at a time: descriptors, pointers, flags, names, lengths. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096L

static void show(const char *what, long result) {
  if (result == -1) printf("%s = %s\n", what, strerrorname_np(errno));
  else printf("%s = %ld\n", what, result);
}
#define S(name, ...) (errno = 0, show(#name "(" #__VA_ARGS__ ")", syscall(SYS_##name, ##__VA_ARGS__)))

static char *page, *read_only, *none;
static char long_name[8192], long_part[300];

static void descriptors(long fd) {
  printf("-- descriptor %ld\n", fd);
  S(read, fd, page, 1L); S(write, fd, page, 1L); S(close, fd); S(fstat, fd, page); S(lseek, fd, 0L, 0L); S(pread64, fd, page, 1L, 0L);
  S(pwrite64, fd, page, 1L, 0L); S(readv, fd, page, 0L); S(writev, fd, page, 0L); S(dup, fd); S(dup2, fd, 9L); S(dup3, fd, 9L, 0L); S(fcntl, fd, F_GETFD, 0L);
  S(fcntl, fd, F_GETFL, 0L); S(fsync, fd); S(fdatasync, fd); S(ftruncate, fd, 0L); S(getdents64, fd, page, 100L); S(fchdir, fd); S(fchmod, fd, 0600L);
  S(fchown, fd, -1L, -1L); S(flock, fd, 1L); S(ioctl, fd, 0x5401L, page); S(fstatfs, fd, page); S(mmap, 0L, PAGE, PROT_READ, MAP_PRIVATE, fd, 0L);
  S(sendfile, fd, fd, 0L, 1L); S(fallocate, fd, 0L, 0L, 1L); S(openat, fd, "x", 0L); S(newfstatat, fd, "x", page, 0L); S(unlinkat, fd, "x", 0L);
  S(mkdirat, fd, "x", 0700L); S(readlinkat, fd, "x", page, 10L); S(faccessat, fd, "x", 0L); S(utimensat, fd, 0L, 0L, 0L); S(fadvise64, fd, 0L, 1L, 0L);
}

static void pointer(char *bad, const char *which) {
  printf("-- %s pointer\n", which);
  int fd = open("/dev/zero", O_RDWR);
  S(read, fd, bad, 10L); S(open, bad, 0L); S(stat, bad, page); S(stat, "/", bad); S(lstat, "/", bad); S(fstat, fd, bad); S(pipe, bad); S(pipe2, bad, 0L);
  S(getcwd, bad, 100L); S(chdir, bad); S(mkdir, bad, 0L); S(rmdir, bad); S(unlink, bad); S(rename, bad, "/tmp/q"); S(rename, "/tmp", bad); S(link, bad, "/q");
  S(symlink, bad, "/tmp/q"); S(symlink, "q", bad); S(readlink, "/proc/self", bad, 10L); S(chmod, bad, 0L); S(chown, bad, 0L, 0L); S(truncate, bad, 0L); S(access, bad, 0L);
  S(readv, fd, bad, 1L); S(writev, fd, bad, 1L); S(nanosleep, bad, 0L); S(gettimeofday, bad, 0L); S(clock_gettime, 0L, bad); S(clock_getres, 0L, bad);
  S(uname, bad); S(times, bad); S(sysinfo, bad); S(getrusage, 0L, bad); S(getrlimit, 0L, bad); S(setrlimit, 0L, bad); S(prlimit64, 0L, 0L, bad, 0L);
  S(rt_sigaction, 10L, bad, 0L, 8L); S(rt_sigaction, 10L, 0L, bad, 8L); S(rt_sigprocmask, 0L, bad, 0L, 8L); S(rt_sigprocmask, 0L, 0L, bad, 8L); S(rt_sigpending, bad, 8L);
  S(sigaltstack, bad, 0L); S(sigaltstack, 0L, bad); S(poll, bad, 1L, 0L); S(select, 1L, bad, 0L, 0L, 0L); S(statfs, bad, page); S(statfs, "/", bad);
  S(execve, bad, 0L, 0L); S(execve, "/no-such", bad, 0L); S(getgroups, 65536L, bad); S(setgroups, 1L, bad); S(getresuid, bad, page, page); S(getitimer, 0L, bad);
  S(setitimer, 0L, bad, 0L); S(mincore, page, 1L, bad); S(getrandom, bad, 8L, 0L); S(getdents64, open("/", O_RDONLY), bad, 100L); S(utimensat, AT_FDCWD, "/tmp", bad, 0L);
  S(statx, AT_FDCWD, "/", 0L, 0xfffL, bad); S(openat, AT_FDCWD, bad, 0L); S(ioctl, 0L, 0xdeadL, bad); S(mount, bad, bad, bad, 0L, 0L); S(umount2, bad, 0L);
  S(sethostname, bad, 5L); S(memfd_create, bad, 0L); S(wait4, -1L, bad, 0x40000000L, 0L); S(copy_file_range, fd, bad, fd, 0L, 1L, 0L); S(sendfile, fd, fd, bad, 1L);
  close(fd);
}

static void flags(void) {
  puts("-- flags");
  S(pipe2, page, 0x40000000L); S(dup3, 0L, 0L, 0L); S(dup3, 0L, 9L, 0x40L); S(openat, AT_FDCWD, "/tmp", O_CREAT | O_DIRECTORY, 0600L); S(unlinkat, AT_FDCWD, "x", 0x40L);
  S(newfstatat, AT_FDCWD, "/", page, 0x40000000L); S(faccessat2, AT_FDCWD, "/", 8L, 0L); S(faccessat2, AT_FDCWD, "/", 0L, 0x40000000L); S(access, "/", 8L);
  S(linkat, AT_FDCWD, "/tmp", AT_FDCWD, "/tmp/q", 0x40000000L); S(renameat2, AT_FDCWD, "/tmp", AT_FDCWD, "/q", 0x80L); S(fchownat, AT_FDCWD, "/", -1L, -1L, 0x40000000L);
  S(utimensat, AT_FDCWD, "/tmp", 0L, 0x40000000L); S(statx, AT_FDCWD, "/", 0x40000000L, 0L, page); S(statx, AT_FDCWD, "/", 0L, 0x80000000L, page); S(mmap, 0L, PAGE, 0L, 0L, -1L, 0L);
  S(mmap, 0L, 0L, 0L, 0x22L, -1L, 0L); S(mmap, 1L, PAGE, 0L, 0x32L, -1L, 0L); S(mprotect, page, PAGE, 0x80L); S(mprotect, page + 1, PAGE, 1L); S(munmap, page + 1, PAGE); S(munmap, page, 0L);
  S(mremap, page + 1, PAGE, PAGE, 0L); S(mremap, page, PAGE, PAGE, 8L); S(madvise, page, PAGE, 99L); S(msync, page, PAGE, 5L); S(msync, page, PAGE, 8L); S(mlockall, 0L); S(mlock2, page, PAGE, 2L);
  S(lseek, 0L, 0L, 9L); S(wait4, -1L, 0L, 0x100L, 0L); S(waitid, 9L, 0L, page, 4L, 0L); S(waitid, 0L, 0L, page, 0L, 0L); S(kill, 0L, 65L); S(kill, 0L, -1L); S(tgkill, 0L, 0L, 0L);
  S(tkill, -1L, 0L); S(rt_sigaction, 0L, 0L, 0L, 8L); S(rt_sigaction, 65L, 0L, 0L, 8L); S(rt_sigaction, 9L, page, 0L, 8L); S(rt_sigaction, 10L, 0L, 0L, 4L); S(rt_sigprocmask, 9L, page, 0L, 8L);
  S(rt_sigprocmask, 0L, page, 0L, 4L); S(rt_sigsuspend, page, 4L); S(rt_sigtimedwait, page, 0L, 0L, 4L); S(clock_gettime, 99L, page); S(clock_nanosleep, 99L, 0L, page, 0L);
  S(getrusage, 7L, page); S(getrlimit, 16L, page); S(setpriority, 9L, 0L, 0L); S(getpriority, 9L, 0L); S(getitimer, 9L, page); S(prctl, 9999L, 0L, 0L, 0L, 0L); S(getrandom, page, 1L, 0x80L);
  S(memfd_create, "x", 0x4000L); S(futex, page, 99L, 0L, 0L, 0L, 0L); S(futex, page + 1, 0L, 0L, 0L, 0L, 0L); S(arch_prctl, 0x9999L, 0L); S(set_robust_list, page, 1L); S(flock, 0L, 99L);
  S(fcntl, 0L, 9999L, 0L); S(fcntl, 0L, F_DUPFD, -1L); S(fcntl, 0L, F_DUPFD, 1L << 20); S(umask, 077L); S(umask, 022L); S(getpgid, -1L); S(getsid, 999999L); S(setpgid, -1L, 0L); S(setpgid, 0L, -1L);
  S(sched_getaffinity, 0L, 1L, page); S(sched_yield); S(poll, page, 1L << 30, 0L); S(select, -1L, 0L, 0L, 0L, 0L); S(getgroups, -1L, page); S(setgroups, 1L << 20, page);
  S(sync_file_range, 0L, 0L, 0L, 99L); S(fallocate, 1L, 99L, 0L, 1L); S(execveat, AT_FDCWD, "", 0L, 0L, 0L); S(openat2, AT_FDCWD, "/", page, 3L); S(close_range, 5L, 4L, 0L); S(close_range, 90L, 99L, 99L);
}

static void names(void) {
  puts("-- names");
  memset(long_name, 'a', sizeof long_name - 1);
  memset(long_part, 'b', sizeof long_part - 1);
  for (int i = 0; i < 2; i++) {
    const char *name = i == 0 ? long_name : long_part;
    printf("-- %zu characters\n", strlen(name));
    S(open, name, O_CREAT, 0L); S(stat, name, page); S(mkdir, name, 0L); S(rmdir, name); S(unlink, name); S(rename, "/tmp", name); S(link, "/etc/passwd", name); S(symlink, name, "/tmp/hostile-q");
    unlink("/tmp/hostile-q");
    S(symlink, "x", name); S(chdir, name); S(chmod, name, 0L); S(access, name, 0L); S(execve, name, 0L, 0L); S(mknod, name, 0L, 0L); S(truncate, name, 0L); S(readlink, name, page, 9L);
  }
  S(open, "", 0L); S(stat, "", page); S(mkdir, "", 0L); S(unlink, ""); S(rename, "", "/q"); S(readlink, "", page, 9L); S(execve, "", 0L, 0L); S(chdir, "");
  S(unlink, "/"); S(rmdir, "/"); S(mkdir, "/", 0L); S(rename, "/", "/q"); S(rmdir, "/tmp/."); S(rmdir, "/tmp/.."); S(open, "/dev/null/", 0L); S(open, "/dev/null/x", 0L); S(open, "/tmp", O_WRONLY);
  S(readlink, "/tmp", page, 9L); S(readlink, "/proc/self", page, 0L); S(readlink, "/proc/self", page, -1L); S(truncate, "/tmp", 0L); S(truncate, "/dev/null", -1L); S(execve, "/tmp", 0L, 0L);
}

static void lengths(void) {
  puts("-- lengths");
  int zero = open("/dev/zero", O_RDWR);
  struct iovec two[2] = { { page, -1UL }, { page, 1 } };
  S(read, zero, page, -1L); S(read, zero, page, 1L << 62); S(write, zero, page, 1L << 62); S(write, zero, read_only, 10L); S(read, zero, read_only, 10L); S(read, zero, page + PAGE - 4, 8L);
  S(readv, zero, two, 2L); S(readv, zero, two, -1L); S(readv, zero, two, 1025L); S(pread64, zero, page, 4L, -1L); S(pwrite64, zero, page, 4L, LONG_MIN); S(getcwd, page, 0L); S(getcwd, page, 1L);
  S(mmap, 0L, 1L << 47, 1L, 0x22L, -1L, 0L); S(mmap, 0L, -1L, 1L, 0x22L, -1L, 0L); S(munmap, 0L, 1L << 48); S(munmap, 1L << 47, PAGE); S(mprotect, page, 1L << 47, 1L); S(mmap, -PAGE, PAGE, 1L, 0x32L, -1L, 0L);
  S(madvise, page, -1L, 0L); S(mremap, page, PAGE, 1L << 47, 1L); S(mlock, -PAGE, 2 * PAGE); S(sethostname, page, -1L); S(sethostname, page, 1000L); S(getdents64, open("/", O_RDONLY), page, 3L);
  S(dup2, 0L, 1L << 20); S(dup2, 0L, -1L); S(truncate, "/dev/null", LONG_MAX); S(lseek, zero, LONG_MIN, 0L); S(getrandom, page, 0L, 0L); S(nanosleep, two, 0L);
}

int main(void) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  page = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + PAGE, PAGE);
  read_only = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  none = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  dup2(open("/dev/null", O_RDWR), 0);
  descriptors(-1); descriptors(200); descriptors(0x7fffffff); descriptors(1L << 40 | 200);
  pointer((char *)8, "low"); pointer((char *)-8L, "high"); pointer((char *)0x1234567812345678, "non-canonical"); pointer((char *)0xffff800000000000, "kernel's"); pointer(none, "forbidden");
  flags(); names(); lengths();
  return 0;
}
