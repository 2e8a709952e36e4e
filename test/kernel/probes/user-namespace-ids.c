/* What those inside and outside of a user namespace see of each other's ids, and may do to each other and to files. */
#include "userns.h"
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/un.h>

static char base[64];

static const char *at(const char *name) {
  static char paths[4][128];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, 128, "%s/%s", base, name);
  return path;
}

static void print_owner(const char *name) {
  struct stat st;
  struct statx sx;
  if (lstat(at(name), &st) != 0) { show(name, -1); return; }
  statx(AT_FDCWD, at(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx);
  printf("%s: %u %u mode %o, statx %u %u\n", name, st.st_uid, st.st_gid, st.st_mode & 07777, sx.stx_uid, sx.stx_gid);
  fflush(stdout);
}

static void make(const char *name, unsigned uid, unsigned gid, unsigned mode) {
  int fd = open(at(name), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  write(fd, "text", 4);
  close(fd);
  chown(at(name), uid, gid);
  chmod(at(name), mode);
}

static long try_open(const char *name, int flags) {
  int fd = open(at(name), flags, 0640);
  if (fd >= 0) close(fd);
  return fd < 0 ? -1 : 0;
}

/* Inside, as user 0: 0 is 1000, 1 to 10 are 5000 to 5009; groups the same. */
static void map(pid_t pid) {
  put(of(pid, "uid_map"), "0 1000 1\n1 5000 10");
  put(of(pid, "gid_map"), "0 1000 1\n1 5000 10");
}

static void to_1000(void) { become(1000, 1000); }

static void files_inside(void) {
  print_ids("inside");
  const char *names[] = {"own", "mapped", "foreign", "group", "root"};
  for (int i = 0; i < 5; i++) {
    printf("-- ");
    print_owner(names[i]);
    show("read", try_open(names[i], O_RDONLY));
    show("write", try_open(names[i], O_WRONLY));
    show("chmod", chmod(at(names[i]), 0));
    show("chown", chown(at(names[i]), 2, 3));
    show("chown to one without number", chown(at(names[i]), 11, -1));
    show("group without number", lchown(at(names[i]), -1, 1000));
    show("access", access(at(names[i]), R_OK | W_OK));
    print_owner(names[i]);
  }
  show("set-id bits", chmod(at("own"), 06755));
  print_owner("own");
  show("new file", try_open("new", O_CREAT | O_WRONLY));
  print_owner("new");
  show("mkdir", mkdir(at("directory"), 02755));
  print_owner("directory");
  show("mknod", mknod(at("null"), S_IFCHR | 0666, 0x103));
  show("mknod zero", mknod(at("zero"), S_IFCHR | 0666, 0));
  show("setfsuid", syscall(SYS_setfsuid, 4));
  show("setfsuid again", syscall(SYS_setfsuid, 77));
  show("setfsuid back", syscall(SYS_setfsuid, -1));
  show("read with another file id", try_open("mapped", O_RDONLY));
  syscall(SYS_setfsuid, 0);
  unsigned groups[] = {3, 0, 7}, foreign[] = {3, 5000};
  show("setgroups", syscall(SYS_setgroups, 3, groups));
  show("setgroups with a foreign one", syscall(SYS_setgroups, 2, foreign));
  print_ids("groups");
  show("setresgid", syscall(SYS_setresgid, 1, 2, 3));
  show("setreuid", syscall(SYS_setreuid, 1, 2));
  print_ids("other ids");
  print_status("/proc/self/status");
  show("setuid back", syscall(SYS_setuid, 0));
  print_caps("other ids");
  show("chroot", chroot("/"));
}

static void files(void) {
  make("own", 1000, 1000, 0644);
  make("mapped", 5003, 5004, 0);
  make("foreign", 2000, 2000, 0600);
  make("group", 5005, 2000, 0600);
  make("root", 0, 0, 0666);
  struct held held = hold(to_1000, files_inside);
  map(held.pid);
  release(held);
  const char *names[] = {"own", "mapped", "foreign", "group", "root", "new", "directory"};
  for (int i = 0; i < 7; i++) print_owner(names[i]);
}

static int pair[2];

static void receive(int fd, const char *who) {
  char byte, control[256];
  struct iovec iov = {&byte, 1};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &message, 0) < 0) { show("recvmsg", -1); return; }
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    struct ucred *u = (struct ucred *)CMSG_DATA(c);
    if (c->cmsg_type == SCM_CREDENTIALS) printf("%s got %c from %d %d\n", who, byte, u->uid, u->gid);
  }
  fflush(stdout);
}

static long claim(int fd, int pid, unsigned uid, unsigned gid) {
  char byte = 'c', control[CMSG_SPACE(sizeof(struct ucred))] = {0};
  struct iovec iov = {&byte, 1};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  *c = (struct cmsghdr){CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS};
  *(struct ucred *)CMSG_DATA(c) = (struct ucred){pid, uid, gid};
  return sendmsg(fd, &message, 0);
}

static void print_peer(int fd, const char *who) {
  struct ucred u;
  socklen_t length = sizeof u;
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &length);
  unsigned groups[8];
  length = sizeof groups;
  long result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
  printf("%s's peer is %d %d, %d groups:", who, u.uid, u.gid, result == 0 ? (int)length / 4 : -1);
  for (unsigned i = 0; result == 0 && i < length / 4; i++) printf(" %u", groups[i]);
  printf("\n");
  fflush(stdout);
}

static void sockets_inside(void) {
  int on = 1;
  setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  print_peer(pair[1], "inside");
  receive(pair[1], "inside");
  write(pair[1], "i", 1);
  show("claim 3", claim(pair[1], getpid(), 3, 4));
  show("claim 2000", claim(pair[1], getpid(), 2000, 0));
  show("claim another process", claim(pair[1], 1, 0, 0));
  show("setresuid", syscall(SYS_setresuid, 5, 5, 5));
  show("claim 3 without privilege", claim(pair[1], getpid(), 3, 4));
  show("claim own", claim(pair[1], getpid(), 5, 0));
}

static void sockets(void) {
  unsigned groups[] = {1000, 2000, 5001};
  int on = 1;
  syscall(SYS_setgroups, 3, groups);
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  write(pair[0], "r", 1);
  struct held held = hold(to_1000, sockets_inside);
  map(held.pid);
  print_peer(pair[0], "outside");
  release(held);
  for (int i = 0; i < 3; i++) receive(pair[0], "outside");
}

static void print_info(const siginfo_t *info, const char *who) {
  printf("%s: signal %d code %d from %d\n", who, info->si_signo, info->si_code, info->si_uid);
  fflush(stdout);
}

static void block_all(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
}

static void take(int signal, const char *who) {
  sigset_t set;
  siginfo_t info;
  struct timespec patience = {10, 0};
  sigemptyset(&set);
  sigaddset(&set, signal);
  if (sigtimedwait(&set, &info, &patience) < 0) show("sigtimedwait", -1);
  else print_info(&info, who);
}

static void handled(int signal, siginfo_t *info, void *context) { print_info(info, "handler"); }

static void signals_before(void) {
  become(1000, 1000);
  block_all();
}

static void signals_inside(void) {
  take(SIGUSR1, "kill from outside");
  take(SIGRTMIN, "queued from outside");
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  int fd = signalfd(-1, &set, 0);
  struct signalfd_siginfo info;
  if (read(fd, &info, sizeof info) == sizeof info) printf("signalfd: %u\n", info.ssi_uid);
  struct sigaction action = {.sa_sigaction = handled, .sa_flags = SA_SIGINFO};
  sigaction(SIGHUP, &action, NULL);
  sigprocmask(SIG_UNBLOCK, (sigaddset(&set, SIGHUP), &set), NULL);
  fflush(stdout);
  union sigval value = {.sival_int = 5};
  show("kill the parent", kill(getppid(), SIGUSR1));
  show("kill init", kill(1, 0));
  pid_t child = fork();
  if (child == 0) {
    syscall(SYS_setresuid, 7, 7, 7);
    show("kill inside", kill(getppid(), 0));
    _exit(3);
  }
  siginfo_t status;
  waitid(P_PID, child, &status, WEXITED | WNOWAIT);
  printf("waitid: %u\n", status.si_uid);
  take(SIGCHLD, "child");
  finish(child);
  show("kill another's, with a number here", kill(getppid(), SIGCONT));
}

static void signals(void) {
  block_all();
  pid_t self = getpid();
  struct held held = hold(signals_before, signals_inside);
  map(held.pid);
  kill(held.pid, SIGUSR1);
  siginfo_t info = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE};
  info.si_pid = self;
  info.si_uid = 5006;
  show("queue", syscall(SYS_rt_sigqueueinfo, held.pid, SIGRTMIN, &info));
  kill(held.pid, SIGUSR2);
  kill(held.pid, SIGHUP);
  fflush(stdout);
  pid_t stranger = fork();
  if (stranger == 0) {
    become(5002, 5002);
    show("kill from one with a number inside", kill(held.pid, 0));
    become(1000, 1000);
    _exit(0);
  }
  finish(stranger);
  release(held);
  stranger = fork();
  if (stranger == 0) {
    become(5002, 5002);
    _exit(0);
  }
  siginfo_t status;
  waitid(P_PID, stranger, &status, WEXITED);
  printf("waitid outside: %u\n", status.si_uid);
}

static void look_inside(void) {
  pid_t root = 1, parent = getppid();
  show("environment of the parent", open(of(parent, "environ"), O_RDONLY) < 0 ? -1 : 0);
  show("limits of the parent", prlimit(parent, RLIMIT_CORE, NULL, &(struct rlimit){0}));
  show("priority of the parent", setpriority(PRIO_PROCESS, parent, 5));
  show("own priority down", setpriority(PRIO_PROCESS, 0, 3));
  show("own priority up", setpriority(PRIO_PROCESS, 0, -3));
  show("core limit up", setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 1 << 30}));
  show("descriptor limit", prlimit(0, RLIMIT_NOFILE, NULL, &(struct rlimit){0}));
  int ready[2];
  pipe(ready);
  pid_t child = fork();
  if (child == 0) {
    syscall(SYS_setresgid, 4, 4, 4);
    syscall(SYS_setresuid, 4, 4, 4);
    write(ready[1], "", 1);
    pause();
  }
  char byte;
  read(ready[0], &byte, 1);
  show("environment of a child", open(of(child, "environ"), O_RDONLY) < 0 ? -1 : 0);
  kill(child, SIGKILL);
  int status;
  waitpid(child, &status, 0);
}

static void looking(void) {
  struct held held = hold(to_1000, look_inside);
  map(held.pid);
  pid_t other = fork();
  if (other == 0) {
    become(1000, 1000);
    show("environment of one's own inside", open(of(held.pid, "environ"), O_RDONLY) < 0 ? -1 : 0);
    _exit(0);
  }
  finish(other);
  other = fork();
  if (other == 0) {
    become(5001, 5001);
    show("environment of another inside", open(of(held.pid, "environ"), O_RDONLY) < 0 ? -1 : 0);
    show("its namespace", readlink(of(held.pid, "ns/user"), base, 1) < 0 ? -1 : 0);
    _exit(0);
  }
  finish(other);
  release(held);
}

static void executes(void) {
  char *argv[] = {"probe", "executed", NULL}, *envp[] = {NULL};
  execve("/proc/self/exe", argv, envp);
  show("execve", -1);
}

static void execute(void) {
  struct held held = hold(to_1000, executes);
  release(held);
  held = hold(to_1000, executes);
  map(held.pid);
  release(held);
}

static void become_many(void) {
  print_caps("inside");
  prctl(PR_CAPBSET_DROP, 21, 0, 0, 0);
  show("bounding", prctl(PR_CAPBSET_READ, 21, 0, 0, 0));
  show("keep", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  show("keeps", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  show("setresuid", syscall(SYS_setresuid, 2, 2, 2));
  print_caps("kept");
  unsigned header[2] = {0x20080522, 0};
  unsigned some[6] = {1 << 7, 1 << 7 | 1 << 6, 0, 0, 0, 0}, more[6] = {1 << 7, 1 << 7 | 1, 0, 0, 0, 0};
  unsigned effective[6] = {1 << 6 | 1 << 7, 1 << 7, 0, 0, 0, 0}, inheritable[6] = {0, 1 << 7, 1 << 21, 0, 0, 0};
  show("capset", syscall(SYS_capset, header, some));
  print_caps("some");
  show("more than there was", syscall(SYS_capset, header, more));
  show("effective beyond permitted", syscall(SYS_capset, header, effective));
  show("inheritable beyond all", syscall(SYS_capset, header, inheritable));
  header[1] = 1;
  show("of another", syscall(SYS_capset, header, some));
  header[0] = 5;
  show("unknown version", syscall(SYS_capset, header, some));
  printf("%x\n", header[0]);
  show("bad pointer", syscall(SYS_capset, 8, some));
  show("setresuid by capability", syscall(SYS_setresuid, 0, 0, 0));
  print_caps("root again");
  executes();
}

static void capabilities(void) {
  struct held held = hold(to_1000, become_many);
  map(held.pid);
  release(held);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    print_ids("executed");
    print_caps("executed");
    return 0;
  }
  /* A file system of its own: what is on the host's may be on one that is not for everybody. */
  unshare(CLONE_FS);
  snprintf(base, sizeof base, "/dev/shm/userns-XXXXXX");
  mkdtemp(base);
  chmod(base, 0777);
  in_child("files", files);
  in_child("sockets", sockets);
  in_child("signals", signals);
  in_child("looking into each other", looking);
  in_child("executing", execute);
  in_child("sets of capabilities", capabilities);
  const char *names[] = {"own", "mapped", "foreign", "group", "root", "new", "zero", "null"};
  for (int i = 0; i < 8; i++) unlink(at(names[i]));
  rmdir(at("directory"));
  show("nothing left", rmdir(base));
  return 0;
}
