/*
 * Arguments that are ints, with something in the upper half of their registers, which compilers may leave there: it does not
 * count. Each call is made in a child of its own, first as it should be, then with each of its ints spoiled.
 */
#include "probe.h"
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#define UPPER 0xdeadbeef00000000ul

/* What the calls are about, at fixed descriptors and places, in each child anew. */
enum { FILE_FD = 20, DIRECTORY, READER, WRITER, LEFT, RIGHT, EPOLL, EVENTS, TIMER, WATCHES };
static struct {
  char path[32], none[32];
  struct iovec vector;
  struct pollfd polled;
  struct epoll_event event;
  struct timespec time;
  struct sockaddr_un address;
  struct itimerspec spec;
  struct rlimit limit;
  struct msghdr message;
  int one, length;
  unsigned long set, how[3];
  char out[4096];
} at;

static void move(int from, int to) {
  dup2(from, to);
  close(from);
}

static void prepare(void) {
  int pair[2];
  memset(&at, 0, sizeof at);
  strcpy(at.path, ".");
  strcpy(at.none, "./none");
  at.vector = (struct iovec){at.out, 4};
  at.polled = (struct pollfd){FILE_FD, POLLIN};
  at.event.events = EPOLLIN;
  at.time.tv_nsec = 1;
  at.address.sun_family = AF_UNIX;
  at.message.msg_iov = &at.vector;
  at.message.msg_iovlen = 1;
  at.one = 1;
  at.length = 100;
  getrlimit(RLIMIT_NOFILE, &at.limit);
  move(open(".", O_TMPFILE | O_RDWR, 0600), FILE_FD);
  write(FILE_FD, "0123456789abcdef", 16);
  lseek(FILE_FD, 0, SEEK_SET);
  move(open(".", O_RDONLY | O_DIRECTORY), DIRECTORY);
  pipe2(pair, O_NONBLOCK);
  move(pair[0], READER), move(pair[1], WRITER);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
  move(pair[0], LEFT), move(pair[1], RIGHT);
  move(epoll_create1(0), EPOLL);
  move(eventfd(5, EFD_NONBLOCK), EVENTS);
  move(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), TIMER);
  move(inotify_init1(IN_NONBLOCK), WATCHES);
}

/* `ints` has a letter for each argument: i, an int. */
#define C(name, ints, ...) {#name, SYS_##name, ints, {__VA_ARGS__}}
#define P(what) ((long)&at.what)
static struct {
  const char *name;
  long number;
  const char *ints;
  long arguments[6];
} calls[] = {
    C(read, "i--", FILE_FD, P(out), 4), C(write, "i--", FILE_FD, P(out), 4), C(pread64, "i---", FILE_FD, P(out), 4, 0),
    C(pwrite64, "i---", FILE_FD, P(out), 4, 0), C(readv, "i--", FILE_FD, P(vector), 1), C(writev, "i--", FILE_FD, P(vector), 1),
    C(preadv2, "i----i", FILE_FD, P(vector), 1, 0, 0, 0), C(pwritev2, "i----i", FILE_FD, P(vector), 1, 0, 0, 0),
    C(lseek, "i-i", FILE_FD, 3, SEEK_SET), C(fstat, "i-", FILE_FD, P(out)), C(newfstatat, "i--i", DIRECTORY, P(path), P(out), 0),
    C(statx, "i-ii-", DIRECTORY, P(path), 0, 0xfff, P(out)), C(access, "-i", P(path), 4), C(faccessat, "i-i", DIRECTORY, P(path), 4),
    C(faccessat2, "i-ii", DIRECTORY, P(path), 4, 0), C(open, "-ii", P(path), O_RDONLY, 0), C(openat, "i-ii", DIRECTORY, P(path), O_RDONLY, 0),
    C(openat2, "i---", DIRECTORY, P(path), P(how), 24), C(close, "i", FILE_FD), C(close, "i", 19), C(close_range, "iii", 20, 30, 0),
    C(dup, "i", FILE_FD), C(dup2, "ii", FILE_FD, 40), C(dup3, "iii", FILE_FD, 41, O_CLOEXEC), C(fcntl, "ii-", FILE_FD, F_GETFD, 0),
    C(fcntl, "ii-", FILE_FD, F_SETFD, 1), C(fcntl, "ii-", FILE_FD, F_DUPFD, 50), C(fcntl, "ii-", READER, F_SETPIPE_SZ, 8192),
    C(ioctl, "ii-", READER, FIONREAD, P(out)), C(ioctl, "ii-", READER, FIONBIO, P(one)), C(ftruncate, "i-", FILE_FD, 10),
    C(fallocate, "ii--", FILE_FD, 0, 0, 20), C(fsync, "i", FILE_FD), C(fdatasync, "i", FILE_FD), C(sync_file_range, "i--i", FILE_FD, 0, 0, 0),
    C(fadvise64, "i--i", FILE_FD, 0, 0, 1), C(flock, "ii", FILE_FD, 2), C(fchmod, "ii", FILE_FD, 0640), C(fchmodat, "i-i", DIRECTORY, P(none), 0640),
    C(fchown, "iii", FILE_FD, 0, 0), C(fchownat, "i-iii", DIRECTORY, P(none), 0, 0, 0), C(mkdirat, "i-i", DIRECTORY, P(none), 0700),
    C(mknodat, "i-ii", DIRECTORY, P(none), 0100600, 0), C(unlinkat, "i-i", DIRECTORY, P(none), AT_REMOVEDIR),
    C(renameat2, "i-i-i", DIRECTORY, P(none), DIRECTORY, P(none), 1), C(linkat, "i-i-i", DIRECTORY, P(none), DIRECTORY, P(none), 0),
    C(symlinkat, "-i-", P(path), DIRECTORY, P(path)), C(readlinkat, "i--i", DIRECTORY, P(path), P(out), 100), C(utimensat, "i--i", DIRECTORY, P(none), 0, 0),
    C(fchdir, "i", DIRECTORY), C(umask, "i", 022), C(fstatfs, "i-", FILE_FD, P(out)), C(pipe2, "-i", P(out), 0), C(poll, "-ii", P(polled), 1, 0),
    C(ppoll, "-i---", P(polled), 1, P(time), 0, 8), C(select, "i----", 0, 0, 0, 0, P(out)), C(epoll_create, "i", 1), C(epoll_create1, "i", 0),
    C(epoll_ctl, "iii-", EPOLL, EPOLL_CTL_ADD, READER, P(event)), C(epoll_ctl, "iii-", EPOLL, EPOLL_CTL_DEL, READER, P(event)),
    C(epoll_wait, "i-ii", EPOLL, P(out), 1, 0), C(epoll_pwait, "i-ii--", EPOLL, P(out), 1, 0, 0, 8), C(eventfd, "i", 0), C(eventfd2, "ii", 0, 0),
    C(signalfd4, "i--i", -1, P(set), 8, 0), C(timerfd_create, "ii", 1, 0), C(timerfd_settime, "ii--", TIMER, 0, P(spec), 0),
    C(timerfd_gettime, "i-", TIMER, P(out)), C(inotify_init1, "i", 0), C(inotify_add_watch, "i-i", WATCHES, P(path), IN_CREATE),
    C(inotify_rm_watch, "ii", WATCHES, 1), C(socket, "iii", AF_UNIX, SOCK_STREAM, 0), C(socketpair, "iii-", AF_UNIX, SOCK_STREAM, 0, P(out)),
    C(bind, "i-i", LEFT, P(address), 2), C(listen, "ii", LEFT, 1), C(accept4, "i--i", LEFT, 0, 0, 0), C(connect, "i-i", LEFT, P(address), 3),
    C(getsockname, "i--", LEFT, P(out), P(length)), C(getpeername, "i--", LEFT, P(out), P(length)), C(sendto, "i--i-i", LEFT, P(out), 1, MSG_NOSIGNAL, 0, 0),
    C(recvfrom, "i--i--", RIGHT, P(out), 1, MSG_DONTWAIT, 0, 0), C(sendmsg, "i-i", LEFT, P(message), MSG_NOSIGNAL),
    C(recvmsg, "i-i", RIGHT, P(message), MSG_DONTWAIT), C(sendmmsg, "i-ii", LEFT, P(message), 1, 0), C(recvmmsg, "i-ii-", RIGHT, P(message), 1, MSG_DONTWAIT, 0),
    C(setsockopt, "iii-i", LEFT, SOL_SOCKET, SO_REUSEADDR, P(one), 4), C(getsockopt, "iii--", LEFT, SOL_SOCKET, SO_REUSEADDR, P(out), P(length)),
    C(shutdown, "ii", LEFT, 5), C(shutdown, "ii", LEFT, 1), C(sendfile, "ii--", WRITER, FILE_FD, 0, 1), C(splice, "i-i--i", READER, 0, WRITER, 0, 1, 2),
    C(tee, "ii-i", READER, WRITER, 1, 2), C(copy_file_range, "i-i--i", FILE_FD, 0, FILE_FD, 0, 0, 0), C(getpriority, "ii", 0, 0), C(setpriority, "iii", 0, 0, 0),
    C(sched_getscheduler, "i", 0), C(sched_getparam, "i-", 0, P(out)), C(sched_get_priority_max, "i", 1), C(sched_get_priority_min, "i", 1),
    C(sched_setaffinity, "ii-", 0, 8, P(out)), C(ioprio_get, "ii", 1, 0), C(ioprio_set, "iii", 1, 0, 0), C(getrlimit, "i-", 7, P(out)),
    C(setrlimit, "i-", 7, P(limit)), C(prlimit64, "ii--", 0, 7, 0, P(out)), C(getrusage, "i-", 0, P(out)), C(prctl, "i----", PR_GET_DUMPABLE, 0, 0, 0, 0),
    C(kill, "ii", 0, 0), C(tgkill, "iii", 0, 1, 0), C(rt_sigaction, "i---", 10, 0, 0, 8), C(rt_sigprocmask, "i---", 0, 0, 0, 8), C(alarm, "i", 0),
    C(getitimer, "i-", 0, P(out)), C(clock_gettime, "i-", 1, P(out)), C(clock_getres, "i-", 1, P(out)), C(clock_nanosleep, "ii--", 1, 0, P(time), 0),
    C(getgroups, "i-", 0, 0), C(setgroups, "i-", 0, 0), C(setuid, "i", 0), C(setgid, "i", 0), C(setreuid, "ii", 0, 0), C(setregid, "ii", 0, 0),
    C(setresuid, "iii", 0, 0, 0), C(setresgid, "iii", 0, 0, 0), C(setfsuid, "i", 0), C(futex, "-ii---", P(one), 1, 1, 0, 0, 0),
    C(mmap, "--iii-", 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), C(mmap, "--iii-", 0, 4096, PROT_READ, MAP_SHARED, FILE_FD, 0),
    C(msync, "--i", 0, 0, 4), C(personality, "i", -1), C(getrandom, "--i", P(out), 4, 0), C(memfd_create, "-i", P(path), 1), C(setns, "ii", FILE_FD, 0),
    C(pidfd_send_signal, "ii-i", FILE_FD, 0, 0, 0), C(waitid, "ii-i-", P_ALL, 0, P(out), 5, 0), C(wait4, "i-i-", -1, 0, 1, 0), C(syslog, "i-i", 10, 0, 0),
    C(umount2, "-i", P(none), 0), C(sched_rr_get_interval, "i-", -1, P(out)), C(setitimer, "i--", 0, P(spec), 0), C(timer_settime, "ii--", 5, 0, P(spec), 0),
};

static void try_call(int which, int spoiled) {
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) {
    int status;
    waitpid(child, &status, 0);
    if (status != 0) printf("ended with %x\n", status);
    return;
  }
  setpgid(0, 0);
  prepare();
  long a[6];
  memcpy(a, calls[which].arguments, sizeof a);
  if (spoiled >= 0) a[spoiled] = (a[spoiled] & 0xffffffff) | UPPER;
  errno = 0;
  long result = syscall(calls[which].number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (result > 100000) result = 1;
  printf("%s %d: %ld %s\n", calls[which].name, spoiled, result, result < 0 ? strerrorname_np(errno) : "");
  fflush(stdout);
  _exit(0);
}

int main(int argc, char **argv) {
  start(argc, argv);
  for (int i = 0; i < sizeof calls / sizeof *calls; i++) {
    try_call(i, -1);
    for (int k = 0; calls[i].ints[k]; k++)
      if (calls[i].ints[k] == 'i') try_call(i, k);
  }
  return 0;
}
