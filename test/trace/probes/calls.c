/* Calls whose trace is compared with strace's: every kind of argument, results of every form, signals, children. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define C(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define BAD ((void *)8)

#define EPOLL(op, fd, ...) C(epoll_ctl, set, op, fd, ##__VA_ARGS__)

static void handler(int number) { (void)number; }

/* In static memory, whose addresses are the same in every run. */
static char b[5000];
static struct stat st;
static int p[2], n;

static void files(void) {
  C(pipe2, p, O_NONBLOCK | O_CLOEXEC);
  C(write, p[1], "a\"b\\\1\0012\x80\377\n\t\v\f\r", 14);
  C(read, p[0], b, 200);
  C(read, p[0], b, 200);
  memset(b, 'x', 100);
  C(write, p[1], b, 32);
  C(write, p[1], b, 33);
  C(read, p[0], b, 32);
  C(read, p[0], b, 200);
  C(write, p[1], BAD, 3);
  C(write, p[1], 0, 3);
  C(ioctl, p[0], FIONREAD, &n);
  C(ioctl, p[0], FIONBIO, &n);
  C(ioctl, p[0], FIOCLEX);
  C(ioctl, p[0], TCGETS, b);
  C(ioctl, p[0], 0x12345678, b);
  C(ioctl, p[0], TCFLSH, TCIFLUSH);
  C(fcntl, p[0], F_GETFL);
  C(fcntl, p[0], F_GETFD);
  C(fcntl, p[0], F_SETFD, 0);
  C(fcntl, p[0], F_GETFD);
  C(fcntl, p[0], F_SETFL, O_APPEND | O_NONBLOCK);
  C(fcntl, p[0], F_DUPFD, 20);
  C(fcntl, p[0], F_DUPFD_CLOEXEC, 30);
  C(fcntl, p[0], F_GETPIPE_SZ);
  C(fcntl, p[0], F_SETPIPE_SZ, 65536);
  C(fcntl, p[0], 77, 1);
  int f = C(open, "file", O_RDWR | O_CREAT | O_TRUNC, 0644);
  struct flock lock = {F_WRLCK, SEEK_SET, 0, 10};
  C(fcntl, f, F_SETLK, &lock);
  C(fcntl, f, F_GETLK, &lock);
  C(fcntl, f, F_OFD_SETLK, &lock);
  C(flock, f, LOCK_EX | LOCK_NB);
  static struct iovec v[2] = {{"hello", 5}, {"world", 5}}, w[2] = {{b, 5}, {b + 100, 50}};
  C(writev, f, v, 2);
  C(pwritev, f, v, 2, 100, 0);
  C(lseek, f, 0, SEEK_SET);
  C(lseek, f, -1, SEEK_END);
  C(lseek, f, 0, 9);
  C(lseek, f, 0, SEEK_SET);
  C(readv, f, w, 2);
  C(preadv, f, w, 2, 108, 0);
  C(preadv2, f, w, 2, 3, 0, RWF_NOWAIT);
  C(readv, 99, w, 2);
  C(pread64, f, b, 5, 3);
  C(pwrite64, f, "abc", 3, 200);
  C(stat, "file", &st);
  C(fstat, f, &st);
  C(lstat, "nothing", &st);
  C(newfstatat, AT_FDCWD, "/dev/null", &st, AT_SYMLINK_NOFOLLOW);
  C(newfstatat, f, "", &st, AT_EMPTY_PATH);
  C(statx, AT_FDCWD, "nothing", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, b);
  C(ftruncate, f, 10);
  C(truncate, "file", 20);
  C(fallocate, f, FALLOC_FL_KEEP_SIZE, 0, 10);
  C(fsync, f);
  C(fadvise64, f, 0, 0, 2);
  static off_t at;
  C(sendfile, p[1], f, &at, 5);
  C(sendfile, p[1], f, 0, 5);
  C(copy_file_range, f, &at, f, 0, 1, 0);
  C(splice, p[0], 0, f, 0, 5, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  C(dup, f);
  C(dup2, f, 50);
  C(dup3, f, 51, O_CLOEXEC);
  C(close_range, 50, 51, 0);
  C(close, 99);
  C(openat, AT_FDCWD, "nothing", O_WRONLY | O_APPEND | 0x80000000);
  C(openat, AT_FDCWD, "nothing", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  C(openat, AT_FDCWD, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY | O_SYNC, 04755);
  C(openat, 7, BAD, O_RDONLY);
  C(openat, AT_FDCWD, "", 3);
  C(creat, "new", 0600);
  static struct { unsigned long flags, mode, resolve; } how = {O_RDONLY, 0, 0};
  C(openat2, AT_FDCWD, "nothing", &how, 24);
  C(memfd_create, "name", MFD_CLOEXEC);
  C(access, "file", R_OK | X_OK);
  C(access, "file", F_OK);
  C(faccessat2, AT_FDCWD, "file", W_OK, AT_EACCESS);
  for (int fd = 3; fd < 60; fd++) if (fd != p[0] && fd != p[1]) close(fd);
}

static void terminals(void) {
  int master = C(open, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  static int unlock;
  C(ioctl, master, TIOCSPTLCK, &unlock);
  int slave = C(ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  C(ioctl, slave, TCGETS, b);
  struct termios *modes = (void *)b;
  modes->c_iflag = IUTF8 | ICRNL, modes->c_oflag = 0, modes->c_cflag |= CLOCAL, modes->c_lflag = TOSTOP;
  C(ioctl, slave, TCSETSW, b);
  C(ioctl, slave, TCSETSF, b);
  C(ioctl, slave, TCSETS, BAD);
  C(ioctl, slave, TCXONC, TCOON);
  C(ioctl, slave, TCFLSH, TCIOFLUSH);
  C(ioctl, slave, TCSBRK, 1);
  static struct winsize size = {24, 80, 0, 0};
  C(ioctl, slave, TIOCSWINSZ, &size);
  C(ioctl, slave, TIOCGWINSZ, &size);
  C(ioctl, slave, TIOCGPGRP, &n);
  C(ioctl, master, TIOCPKT, &n);
  C(write, master, "typed\n", 6);
  C(read, slave, b, 100);
  C(read, master, b, 100);
  C(close, slave);
  C(read, master, b, 100);
  C(close, master);
}

static void names(void) {
  C(mkdir, "dir", 0777);
  C(mkdirat, AT_FDCWD, "dir", 07);
  C(rmdir, "dir");
  C(mknod, "node", S_IFIFO | 0600, 0);
  C(mknod, "char", S_IFCHR | 0644, makedev(1, 3));
  C(mknodat, AT_FDCWD, "node", 0600, 0);
  C(unlink, "node");
  C(unlinkat, AT_FDCWD, "char", 0);
  C(unlinkat, AT_FDCWD, "char", AT_REMOVEDIR);
  C(rename, "nothing", "other");
  C(renameat2, AT_FDCWD, "nothing", AT_FDCWD, "other", RENAME_NOREPLACE);
  C(link, "file", "hard");
  C(linkat, AT_FDCWD, "file", AT_FDCWD, "hard", AT_SYMLINK_FOLLOW);
  C(symlink, "target", "link");
  C(readlink, "link", b, 100);
  C(readlink, "file", b, 100);
  C(chmod, "file", 04755);
  C(chmod, "file", 0);
  C(chown, "file", -1, 7);
  C(lchown, "link", 1, 2);
  C(fchownat, AT_FDCWD, "link", 1, 2, AT_SYMLINK_NOFOLLOW);
  C(umask, 077);
  C(umask, 022);
  static struct utimbuf ub = {1, 2};
  C(utime, "file", &ub);
  C(utime, "file", 0);
  static struct timespec ts[2] = {{1, 2}, {0, UTIME_OMIT}};
  C(utimensat, AT_FDCWD, "file", ts, 0);
  ts[0].tv_nsec = UTIME_NOW;
  C(utimensat, AT_FDCWD, "file", ts, 0);
  static struct timeval tv[2] = {{1, 2}, {1000000000, 4}};
  C(utimes, "file", tv);
  int d = C(open, ".", O_RDONLY | O_DIRECTORY);
  C(getdents64, d, b, 5000);
  C(getdents64, d, b, 5000);
  C(close, d);
  C(chdir, "nothing");
  C(fchdir, 99);
  C(getxattr, "file", BAD, b, 10);
  C(listxattr, "nothing", b, 10);
  C(statfs, "nothing", b);
  C(mount, "none", "nothing", "tmpfs", MS_NOSUID | MS_RDONLY, "size=1");
  C(mount, 0, "nothing", 0, MS_REC | MS_BIND, 0);
  C(umount2, "nothing", MNT_DETACH | UMOUNT_NOFOLLOW);
}

static void waiting(void) {
  static struct pollfd fds[2];
  fds[0] = (struct pollfd){p[0], POLLIN}, fds[1] = (struct pollfd){p[1], POLLOUT | POLLIN};
  while (read(p[0], b, 100) > 0) {}
  C(poll, fds, 2, 10);
  fds[1].fd = -1;
  static struct timespec ts = {0, 1000000};
  C(ppoll, fds, 2, &ts, 0, 8);
  C(poll, fds, 1, 0);
  C(poll, 0, 0, 0);
  static fd_set in, out;
  FD_SET(p[0], &in), FD_SET(p[1], &out);
  static struct timeval none;
  C(select, p[1] + 1, &in, &out, 0, &none);
  FD_SET(p[0], &in);
  C(select, p[0] + 1, &in, 0, 0, &none);
  FD_SET(p[0], &in);
  static sigset_t mask;
  sigaddset(&mask, SIGINT);
  static struct { void *set; size_t size; } pair = {&mask, 8};
  ts.tv_nsec = 1;
  C(pselect6, p[0] + 1, &in, 0, 0, &ts, &pair);
  ts.tv_nsec = 1000;
  C(nanosleep, &ts, 0);
  C(clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, b);
  C(clock_nanosleep, 99, TIMER_ABSTIME, &ts, 0);
  static struct itimerval off;
  C(setitimer, ITIMER_REAL, &off, 0);
  C(getitimer, ITIMER_REAL, b);
  C(alarm, 0);
}

static void memory(void) {
  C(mmap, 0x700000000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  C(mmap, 0, 4096, PROT_READ, MAP_SHARED, 99, 0x1000);
  C(mmap, 0, 0, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  C(mprotect, 0x700000000000, 4096, PROT_READ | PROT_EXEC);
  C(mprotect, 0x700000000000, 4096, PROT_NONE);
  C(madvise, 0x700000000000, 4096, MADV_DONTNEED);
  C(madvise, 0x700000000000, 4096, 99);
  C(msync, 0x700000000000, 4096, MS_SYNC);
  C(mincore, 0x700000001000, 4096, b);
  C(mremap, 0x700000000000, 8192, 4096, MREMAP_MAYMOVE);
  C(mremap, 0x700000000000, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x700000010000);
  C(munmap, 0x700000010000, 4096);
  C(munmap, 1, 4096);
  C(mlock2, 0, 0, 7);
}

static void identities(void) {
  C(getuid);
  C(setresuid, -1, 0, -1);
  C(setuid, 0);
  static gid_t groups[40] = {1, 2};
  C(setgroups, 2, groups);
  C(getgroups, 40, groups);
  C(setgroups, 0, 0);
  static int ids[3];
  C(getresuid, ids, ids + 1, ids + 2);
  C(setpgid, 99999, 0);
  static struct rlimit limit = {1024, 2048};
  C(setrlimit, RLIMIT_CORE, &limit);
  C(getrlimit, RLIMIT_CORE, &limit);
  C(prlimit64, 0, RLIMIT_AS, 0, &limit);
  C(getrusage, 77, b);
  C(prctl, PR_SET_NAME, "probe");
  C(prctl, PR_GET_NAME, b);
  C(prctl, PR_SET_PDEATHSIG, SIGTERM);
  C(prctl, PR_SET_PDEATHSIG, 0);
  C(getpriority, PRIO_PROCESS, 0);
  C(sched_yield);
  static int word;
  static struct timespec soon = {0, 1};
  C(futex, &word, FUTEX_WAIT_PRIVATE, 1, 0);
  C(futex, &word, FUTEX_WAIT, 0, &soon);
  C(futex, &word, FUTEX_WAKE_PRIVATE, 1);
  C(futex, &word, FUTEX_CMP_REQUEUE, 1, 2, &n, 3);
  C(getrandom, BAD, 5, 1);
  C(arch_prctl, 0x1003, BAD);
  C(clock_gettime, 99, b);
  C(uname, BAD);
}

static void signals(void) {
  static sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGINT), sigaddset(&set, SIGCHLD), sigaddset(&set, 40);
  C(rt_sigprocmask, SIG_BLOCK, &set, 0, 8);
  sigfillset(&set);
  C(rt_sigprocmask, SIG_SETMASK, &set, &set, 8);
  sigemptyset(&set);
  C(rt_sigprocmask, SIG_SETMASK, &set, 0, 8);
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESETHAND};
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR2, &action, 0);
  action.sa_flags = 0, action.sa_handler = handler;
  sigaction(SIGUSR1, &action, 0);
  sigaction(SIGUSR1, 0, &action);
  signal(SIGPIPE, SIG_IGN);
  kill(getpid(), SIGUSR1);
  kill(getpid(), 0);
  union sigval value = {.sival_int = 42};
  sigqueue(getpid(), SIGUSR1, value);
  C(kill, 99999, SIGTERM);
  sigaddset(&set, SIGUSR2);
  C(rt_sigprocmask, SIG_BLOCK, &set, 0, 8);
  raise(SIGUSR2);
  C(rt_sigpending, b, 8);
  static struct timespec ts = {1, 1};
  C(rt_sigtimedwait, &set, b, &ts, 8);
  signal(SIGALRM, handler);
  struct itimerval soon = {{0, 0}, {0, 50000}};
  sigemptyset(&set);
  setitimer(ITIMER_REAL, &soon, 0);
  C(rt_sigsuspend, &set, 8);
  struct sigaction plain = {.sa_handler = handler};
  sigaction(SIGALRM, &plain, 0);
  setitimer(ITIMER_REAL, &soon, 0);
  C(poll, 0, 0, 5000);
  setitimer(ITIMER_REAL, &soon, 0);
  C(pause);
  fcntl(p[0], F_SETFL, 0);
  setitimer(ITIMER_REAL, &soon, 0);
  C(read, p[0], b, 10);
  static stack_t stack = {b, 0, 4096};
  C(sigaltstack, &stack, 0);
  C(sigaltstack, 0, &stack);
  C(sigaltstack, BAD, 0);
}

static void children(void) {
  int status;
  if (vfork() == 0) _exit(7);
  C(wait4, -1, b, 0, 0);
  C(wait4, -1, b, 0, 0);
  pid_t child = C(fork);
  if (child == 0) {
    C(pause);
    _exit(1);
  }
  usleep(20000);
  kill(child, SIGTERM);
  C(wait4, child, b, WUNTRACED | WCONTINUED, 0);
  C(waitid, P_PID, child, 0, WEXITED, 0);
  char *argv[] = {"nothing", "one", "two words", 0}, *envp[] = {"A=1", 0};
  C(execve, "nothing", argv, envp);
  C(execve, "nothing", argv, 0);
}

static struct epoll_event event, events[4];
static sigset_t usr1;
static struct timespec soon = {0, 1000};
static struct itimerspec timer = {{1, 2}, {3000, 4}}, stopped;
static siginfo_t info;

static void event_files(void) {
  int set = C(epoll_create, 5);
  C(epoll_create1, EPOLL_CLOEXEC);
  C(epoll_create1, 3);
  int counter = C(eventfd2, 3, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
  C(eventfd, 7);
  C(eventfd2, -1, 7);
  event.data.u64 = 0x500000007;
  event.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE | EPOLLWAKEUP;
  EPOLL(EPOLL_CTL_ADD, counter, &event);
  event.events = 0x1c000000 | EPOLLIN;
  EPOLL(EPOLL_CTL_MOD, counter, &event);
  EPOLL(9, counter, &event);
  EPOLL(EPOLL_CTL_DEL, counter, &event);
  EPOLL(EPOLL_CTL_DEL, counter, 0);
  EPOLL(EPOLL_CTL_ADD, counter, 0);
  EPOLL(EPOLL_CTL_ADD, counter, BAD);
  event.events = 0;
  EPOLL(EPOLL_CTL_ADD, counter, &event);
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLONESHOT;
  EPOLL(EPOLL_CTL_MOD, counter, &event);
  C(epoll_wait, set, events, 4, 0);
  C(epoll_wait, set, events, 4, 1);
  C(epoll_wait, set, events, 0, 0);
  sigaddset(&usr1, SIGUSR1);
  C(epoll_pwait, set, events, 4, 0, &usr1, 8);
  C(epoll_pwait, set, events, 4, 0, 0, 8);
  C(epoll_pwait2, set, events, 4, &soon, &usr1, 8);
  C(epoll_pwait2, set, events, 4, 0, &usr1, 7);
  EPOLL(EPOLL_CTL_MOD, counter, &event);
  C(epoll_pwait2, set, events, 4, 0, 0, 8);
  int fd = C(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  C(timerfd_create, CLOCK_BOOTTIME_ALARM, 0);
  C(timerfd_create, 33, 1);
  C(timerfd_settime, fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &timer, &stopped);
  C(timerfd_settime, fd, 9, &timer, &stopped);
  C(timerfd_settime, fd, 0, &stopped, 0);
  C(timerfd_gettime, fd, &stopped);
  C(timerfd_gettime, fd, 0);
  fd = C(signalfd4, -1, &usr1, 8, SFD_NONBLOCK | SFD_CLOEXEC);
  C(signalfd, -1, &usr1, 8);
  C(signalfd4, fd, &usr1, 8, 5);
  C(signalfd4, fd, &usr1, 7, 0);
  C(signalfd4, fd, BAD, 8, 0);
  struct sigevent event = {.sigev_value.sival_int = 7, .sigev_signo = SIGUSR1};
  for (int how = 0; how < 6; how++) {
    event.sigev_notify = how;
    if (how != SIGEV_THREAD_ID) C(timer_create, CLOCK_MONOTONIC, &event, &n);
  }
  C(timer_create, CLOCK_REALTIME, 0, &n);
  C(timer_create, 99, BAD, &n);
  C(timer_settime, n, 0, &timer, 0);
  C(timer_settime, n, TIMER_ABSTIME, &stopped, 0);
  C(timer_settime, n, 0x10, BAD, 0);
  C(timer_gettime, n, &stopped);
  C(timer_getoverrun, n);
  C(timer_delete, n);
  C(timer_delete, -1);
  fd = C(inotify_init);
  C(inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
  C(inotify_init1, 5);
  C(inotify_add_watch, fd, ".", IN_CREATE | IN_DELETE | IN_ONESHOT);
  C(inotify_add_watch, fd, ".", IN_ALL_EVENTS);
  C(inotify_add_watch, fd, ".", IN_CLOSE | IN_ONLYDIR | IN_MASK_ADD | IN_EXCL_UNLINK | IN_DONT_FOLLOW);
  C(inotify_add_watch, fd, ".", 0x10000);
  C(inotify_add_watch, fd, "missing", 0);
  C(inotify_rm_watch, fd, 1);
  C(inotify_rm_watch, fd, 99);
  C(ioctl, fd, FIONREAD, &n);
  C(pidfd_open, getpid(), 3);
  fd = C(pidfd_open, getpid(), O_NONBLOCK);
  C(pidfd_getfd, fd, 0, 0);
  C(pidfd_getfd, fd, 0, 1);
  C(pidfd_send_signal, fd, 0, 0, 0);
  C(pidfd_send_signal, fd, SIGUSR2, 0, 8);
  C(waitid, P_PIDFD, fd, 0, WEXITED, 0);
  int child = C(clone, CLONE_PIDFD | SIGCHLD, 0, &n, 0, 0);
  if (child == 0) _exit(3);
  waitpid(child, 0, 0);
  C(waitid, P_PIDFD, n, 0, WEXITED | WNOHANG, 0);
}

int main(int argc, char **argv) {
  if (argc > 2) return 3;
  if (chdir(argv[1]) != 0) return 77;
  umask(022);
  files();
  terminals();
  names();
  waiting();
  memory();
  identities();
  signals();
  children();
  event_files();
  if (fork() == 0) {
    char *again[] = {argv[0], "x", "y", 0}, *none[] = {0};
    C(execve, argv[0], again, none);
  }
  wait(0);
  syscall(999, 1, 2, 3, 4, 5, 6);
  *(volatile int *)8 = 1;
}
