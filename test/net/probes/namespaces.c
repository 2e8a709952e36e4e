/*
 * unshare, setns and clone with network namespaces: who may, which flags are right, and what each namespace has for
 * itself. Kinds of namespaces that a kernel may be built without are not asked of it.
 */
#include "net.h"
#include <linux/nsfs.h>
#include <pthread.h>
#include <sys/vfs.h>

#define GSKNS 0x894c

/* Each line in a process of its own, which ends with it. */
#define ALONE(...) do { fflush(stdout); int pid_ = fork(); if (pid_ == 0) { __VA_ARGS__; fflush(stdout); _exit(0); } waitpid(pid_, 0, 0); } while (0)

static void user(void) { setgroups(0, 0), setresgid(1001, 1001, 1001), setresuid(1001, 1001, 1001); }

static void flags(void) {
  static const unsigned long built[] = {CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM, CLONE_NEWNET};
  unsigned long all = 0, unbuilt = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | 0x80;
  S(unshare, 0);
  for (int i = 0; i < sizeof built / sizeof *built; i++) all |= built[i];
  for (int bit = 0; bit < 63; bit++) {
    if (unbuilt & 1ul << bit) continue;
    char what[40];
    sprintf(what, "unshare bit %d", bit);
    ALONE(report(what, syscall(SYS_unshare, 1ul << bit)));
    sprintf(what, "user's unshare bit %d", bit);
    ALONE(user(); report(what, syscall(SYS_unshare, 1ul << bit)));
  }
  ALONE(S(unshare, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_NEWNET));
  ALONE(user(); S(unshare, CLONE_FS | CLONE_NEWUTS); S(unshare, CLONE_NEWNET | CLONE_NEWIPC); S(unshare, CLONE_NEWNET | 0x1000));
}

static void *threaded(void *unused) {
  S(unshare, 0);
  S(unshare, CLONE_THREAD);
  S(unshare, CLONE_SIGHAND);
  S(unshare, CLONE_VM);
  S(unshare, CLONE_THREAD | CLONE_NEWNET);
  S(unshare, CLONE_FILES);
  /* Nobody else sees what is opened and where one goes from now on. */
  close(0);
  S(unshare, CLONE_FS);
  chdir("/proc");
  umask(0);
  S(unshare, CLONE_NEWNET);
  R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-thread"));
  return 0;
}

static int sharer(void *what) {
  long flag = (long)what;
  char text[40];
  sprintf(text, "shares %#lx", flag);
  report(text, unshare(flag));
  return 0;
}

static char stack[65536];

static void sharing(void) {
  pthread_t t;
  pthread_create(&t, 0, threaded, 0);
  pthread_join(t, 0);
  char cwd[100] = "";
  printf("still there: %d %d %#o\n", fcntl(0, F_GETFD), strcmp(getcwd(cwd, 99), "/proc") == 0, umask(022));
  R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-thread"));
  static const long cases[][2] = {{CLONE_VM, CLONE_VM}, {CLONE_VM, CLONE_SIGHAND}, {CLONE_VM | CLONE_SIGHAND, CLONE_SIGHAND}, {CLONE_VM | CLONE_SIGHAND, CLONE_THREAD}, {CLONE_FILES, CLONE_FILES}, {CLONE_FS, CLONE_FS}, {CLONE_VM | CLONE_VFORK, CLONE_VM}};
  for (int i = 0; i < sizeof cases / sizeof *cases; i++) {
    int pid = clone(sharer, stack + sizeof stack, cases[i][0] | SIGCHLD, (void *)cases[i][1]);
    waitpid(pid, 0, 0);
  }
}

static long number(const char *path) {
  char text[40] = "";
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -errno;
  read(fd, text, 39);
  close(fd);
  return atol(text);
}
static void put(const char *path, const char *value) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) printf("%s: open %s\n", path, strerrorname_np(errno));
  else printf("%s: write %ld\n", path, (long)write(fd, value, strlen(value)));
  close(fd);
}
static void limits(const char *when) {
  printf("%s: %ld %ld %ld\n", when, number("/proc/sys/net/core/somaxconn"), number("/proc/sys/net/core/optmem_max"), number("/proc/sys/net/unix/max_dgram_qlen"));
}

static void own_limits(void) {
  long connections = number("/proc/sys/net/core/somaxconn"), datagrams = number("/proc/sys/net/unix/max_dgram_qlen");
  char text[40];
  put("/proc/sys/net/core/somaxconn", "77");
  put("/proc/sys/net/unix/max_dgram_qlen", "33");
  ALONE(unshare(CLONE_NEWNET); limits("new"); put("/proc/sys/net/unix/max_dgram_qlen", "2"); put("/proc/sys/net/core/somaxconn", "0"); put("/proc/sys/net/core/optmem_max", "64");
        put("/proc/sys/net/core/rmem_max", "5000000"); put("/proc/sys/net/core/wmem_default", "5000"); limits("set");
        printf("buffers %d\n", number("/proc/sys/net/core/wmem_max") > 0);
        int d = socket(AF_UNIX, SOCK_DGRAM, 0); bind_to(d, "@banos-limit"); int c = socket(AF_UNIX, SOCK_DGRAM, 0); connect_to(c, "@banos-limit");
        int n = 0; while (send(c, "x", 1, MSG_DONTWAIT) == 1) n++; printf("datagrams %d\n", n));
  limits("first");
  sprintf(text, "%ld", connections), put("/proc/sys/net/core/somaxconn", text);
  sprintf(text, "%ld", datagrams), put("/proc/sys/net/unix/max_dgram_qlen", text);
}

static int lines(const char *path) {
  FILE *f = fopen(path, "r");
  if (f == 0) return -errno;
  int n = 0;
  for (int c; (c = getc(f)) != EOF;) n += c == '\n';
  fclose(f);
  return n;
}

/* Abstract names are apart, paths are not, sockets stay where they were made. */
static void names_apart(void) {
  EACH_TYPE(t) {
    int l = socket(AF_UNIX, TYPES[t], 0), p = socket(AF_UNIX, TYPES[t], 0), old = socket(AF_UNIX, TYPES[t], 0);
    bind_to(l, "@banos-apart"), listen(l, 5);
    unlink("apart"), bind_to(p, "apart"), listen(p, 5);
    unsigned long long mine = 0, theirs = 0;
    socklen_t length = sizeof mine;
    getsockopt(l, SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &mine, &length);
    ALONE(unshare(CLONE_NEWNET); int c = socket(AF_UNIX, TYPES[t], 0); R(connect_to(c, "@banos-apart")); R(connect_to(c, "apart"));
          int o = socket(AF_UNIX, TYPES[t], 0); R(bind_to(o, "@banos-apart")); R(listen(o, 5)); printf("sockets here: %d\n", lines("/proc/net/unix") - 1);
          R(connect_to(old, "@banos-apart")); R(bind_to(old, "@banos-other")); int e = socket(AF_UNIX, TYPES[t], 0); R(connect_to(e, "@banos-other")); R(connect_to(e, "@banos-apart"));
          if (TYPES[t] == SOCK_DGRAM) { R(send_to(e, "x", 0, "@banos-apart")); R(send_to(e, "x", 0, "apart")); R(send_to(old, "x", 0, "@banos-apart")); }
          getsockopt(o, SOL_SOCKET, 71, &theirs, &length); printf("another cookie: %d\n", mine != theirs); getsockopt(old, SOL_SOCKET, 71, &theirs, &length); printf("the same cookie: %d\n", mine == theirs);
          close(c); ALONE(R(connect_to(socket(AF_UNIX, TYPES[t], 0), "@banos-apart"))); close(o); int again = socket(AF_UNIX, TYPES[t], 0); R(bind_to(again, "@banos-apart")));
    int c = socket(AF_UNIX, TYPES[t], 0);
    R(connect_to(c, "@banos-apart"));
    close(l), close(p), close(old), close(c);
  }
}

static int in_child(void *unused) {
  R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-cloned"));
  return 0;
}

static void files(void) {
  struct stat st, other;
  struct statfs fs;
  char text[100] = "", again[100] = "", path[100];
  R(stat("/proc/self/ns", &st));
  printf("%o\n", st.st_mode);
  R(lstat("/proc/self/ns/net", &st));
  printf("%o %ld\n", st.st_mode, (long)st.st_size);
  R(stat("/proc/self/ns/net", &st));
  printf("%o uid %d size %ld blocks %ld block size %ld links %ld\n", st.st_mode, st.st_uid, (long)st.st_size, (long)st.st_blocks, (long)st.st_blksize, (long)st.st_nlink);
  int fd = open("/proc/self/ns/net", O_RDONLY);
  fstatfs(fd, &fs);
  printf("%lx\n", (long)fs.f_type);
  readlink("/proc/self/ns/net", text, 99);
  sprintf(path, "/proc/self/fd/%d", fd), readlink(path, again, 99);
  sprintf(path, "net:[%lu]", (long)st.st_ino);
  printf("link %d %d\n", strcmp(text, path), strcmp(again, path));
  R(read(fd, text, 10));
  R(write(fd, text, 10));
  R(lseek(fd, 0, SEEK_END));
  R(fchmod(fd, 0600));
  R(ftruncate(fd, 0));
  R(fsync(fd));
  R(open("/proc/self/ns/net", O_RDWR));
  R(open("/proc/self/ns/net", O_WRONLY));
  R(open("/proc/self/ns/net", O_RDONLY | O_NOFOLLOW));
  R(open("/proc/self/ns/net", O_RDONLY | O_DIRECTORY));
  R(open("/proc/self/ns/nothing", O_RDONLY));
  R(ioctl(fd, NS_GET_NSTYPE));
  R(ioctl(fd, NS_GET_PARENT));
  R(ioctl(fd, NS_GET_OWNER_UID, &st));
  R(ioctl(fd, 0x5401, text));
  int s = socket(AF_UNIX, SOCK_STREAM, 0), opened = ioctl(s, GSKNS);
  fstat(fd, &st), fstat(opened, &other);
  printf("of a socket: %d, flags %d\n", st.st_ino == other.st_ino, fcntl(opened, F_GETFD));
  ALONE(user(); R(ioctl(s, GSKNS)));
  R(ioctl(fd, GSKNS));
  ALONE(unshare(CLONE_NEWNET); stat("/proc/self/ns/net", &other); printf("another: %d\n", st.st_ino != other.st_ino); fstat(ioctl(s, GSKNS), &other); printf("the socket's: %d\n", st.st_ino == other.st_ino));
  ALONE(int pid = clone(in_child, stack + sizeof stack, CLONE_NEWNET | SIGCHLD, 0); waitpid(pid, 0, 0); R(bind_to(s, "@banos-cloned")); R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-cloned")));
  ALONE(user(); R(clone(in_child, stack + sizeof stack, CLONE_NEWNET | SIGCHLD, 0)));
  R(clone(in_child, stack + sizeof stack, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0));
  R(clone(in_child, stack + sizeof stack, CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0));
  close(fd), close(s), close(opened);
}

static void entering(void) {
  int first = open("/proc/self/ns/net", O_RDONLY), path = open("/proc/self/ns/net", O_PATH), own = syscall(SYS_pidfd_open, getpid(), 0), ready[2], end[2];
  pipe(ready), pipe(end);
  int pid = fork();
  if (pid == 0) {
    unshare(CLONE_NEWNET);
    bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-inside");
    write(ready[1], "x", 1);
    read(end[0], ready, 1);
    _exit(0);
  }
  char name[64], c;
  read(ready[0], &c, 1);
  sprintf(name, "/proc/%d/ns/net", pid);
  int second = open(name, O_RDONLY), theirs = syscall(SYS_pidfd_open, pid, 0);
  sprintf(name, "/proc/%d/net/unix", pid);
  printf("sockets there: %d\n", lines(name) - 1);
  ALONE(R(setns(second, CLONE_NEWNET)); R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-inside")); R(setns(first, 0)); R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-inside")));
  ALONE(R(setns(theirs, CLONE_NEWNET)); R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-inside")); R(setns(own, CLONE_NEWNET)); R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-inside")));
  R(setns(second, CLONE_NEWUTS));
  R(setns(second, CLONE_FS));
  R(setns(second, CLONE_NEWNET | CLONE_NEWUTS));
  R(setns(second, -1));
  R(setns(theirs, 0));
  R(setns(theirs, CLONE_FS));
  R(setns(theirs, CLONE_NEWNET | CLONE_FS));
  R(setns(-1, 0));
  R(setns(-1, CLONE_FS));
  R(setns(1, 0));
  R(setns(path, 0));
  ALONE(user(); R(setns(second, 0)); R(setns(second, CLONE_NEWUTS)); R(setns(theirs, CLONE_NEWNET)); R(setns(theirs, CLONE_FS)); sprintf(name, "/proc/%d/ns/net", pid); char text[50]; R(readlink(name, text, 50)); R(open(name, O_RDONLY)); R(open("/proc/self/ns/net", O_RDWR | O_NOFOLLOW)));
  close(end[1]), write(end[0], "x", 1), kill(pid, SIGKILL);
  siginfo_t info;
  waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
  sprintf(name, "/proc/%d/ns/net", pid);
  R(open(name, O_RDONLY));
  R(readlink(name, &c, 1));
  sprintf(name, "/proc/%d/net/unix", pid);
  R(open(name, O_RDONLY));
  R(setns(theirs, CLONE_NEWNET));
  waitpid(pid, 0, 0);
  R(setns(theirs, CLONE_NEWNET));
  /* The description keeps the namespace, though nobody is in it. */
  ALONE(R(setns(second, 0)); R(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "@banos-inside")); printf("sockets there: %d\n", lines("/proc/net/unix") - 1); execl("/proc/self/exe", "namespaces", "after", (char *)0));
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "after") == 0) {
    printf("after execve: %d\n", lines("/proc/net/unix") - 1);
    return 0;
  }
  start(argc, argv);
  flags();
  sharing();
  own_limits();
  names_apart();
  files();
  entering();
  return 0;
}
