/* Making and ending connections: states, backlogs, shutdown halves, what poll says of each. */
#include "net.h"

static void states(int type) {
  int fd = socket(AF_UNIX, type, 0), s[2];
  ready("new", fd);
  names(fd);
  R(listen(fd, 1));
  R(accept(fd, 0, 0));
  receive(fd, 10, 0);
  R(send(fd, "x", 1, MSG_NOSIGNAL));
  R(shutdown(fd, 3));
  R(shutdown(fd, -1));
  bind_to(fd, "@banos-states");
  R(listen(fd, 1));
  ready("bound", fd);
  printf("acceptconn %d\n", option(fd, SO_ACCEPTCONN));
  receive(fd, 10, 0);
  R(send(fd, "x", 1, MSG_NOSIGNAL));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  R(accept(fd, 0, 0));
  int c = socket(AF_UNIX, type, 0);
  R(connect_to(c, "@banos-states"));
  R(connect_to(c, "@banos-states"));
  R(connect_to(c, "@banos-nobody"));
  R(listen(c, 1));
  R(bind_to(c, "@banos-client"));
  R(listen(c, 1));
  ready("connected", c);
  ready("listener", fd);
  R(send(c, "early", 5, MSG_NOSIGNAL));
  int a = accept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
  printf("accepted %d flags %#x %#x\n", a >= 0, a < 0 ? 0 : fcntl(a, F_GETFL), a < 0 ? 0 : fcntl(a, F_GETFD));
  if (a >= 0) {
    names(a);
    names(c);
    ready("accepted", a);
    receive(a, 10, 0);
    ready("read", a);
    R(connect_to(a, "@banos-states"));
    R(listen(a, 1));
    R(accept(a, 0, 0));
    R(disconnect(a));
    close(a);
    ready("closed peer", c);
    names(c);
    R(send(c, "x", 1, MSG_NOSIGNAL));
    receive(c, 10, 0);
    R(connect_to(c, "@banos-states"));
  }
  close(c), close(fd);
  for (int how = 0; how < 3; how++) {
    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s)) { printf("pair %s\n", strerrorname_np(errno)); return; }
    printf("shutdown %d\n", how);
    send(s[0], "to1", 3, 0);
    send(s[1], "to0", 3, 0);
    R(shutdown(s[0], how));
    ready("self", s[0]), ready("peer", s[1]);
    R(send(s[0], "more", 4, MSG_NOSIGNAL));
    R(send(s[1], "more", 4, MSG_NOSIGNAL));
    for (int k = 0; k < 3; k++) receive(s[0], 10, 0), receive(s[1], 10, 0);
    R(shutdown(s[0], 2 - how));
    ready("self", s[0]), ready("peer", s[1]);
    receive(s[0], 10, 0), receive(s[1], 10, 0);
    close(s[0]);
    ready("left", s[1]);
    receive(s[1], 10, 0);
    R(send(s[1], "more", 4, MSG_NOSIGNAL));
    printf("error %d\n", option(s[1], SO_ERROR));
    close(s[1]);
  }
  /* The peer closes with unread data. */
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  send(s[0], "unread", 6, 0);
  send(s[1], "before", 6, 0);
  close(s[1]);
  ready("reset", s[0]);
  receive(s[0], 3, 0), receive(s[0], 10, 0), receive(s[0], 10, 0);
  R(send(s[0], "x", 1, MSG_NOSIGNAL));
  names(s[0]);
  ready("after", s[0]);
  close(s[0]);
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  send(s[0], "unread", 6, 0);
  close(s[1]);
  printf("error %d %d\n", option(s[0], SO_ERROR), option(s[0], SO_ERROR));
  receive(s[0], 10, 0);
  close(s[0]);
}

static void backlogs(int type) {
  for (int length = -1; length <= 4; length++) {
    int fd = socket(AF_UNIX, type, 0), c[20], count = 0;
    bind_to(fd, "@banos-backlog");
    if (listen(fd, length)) { printf("listen %s\n", strerrorname_np(errno)); close(fd); return; }
    for (; count < 16; count++) {
      c[count] = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
      if (connect_to(c[count], "@banos-backlog")) break;
    }
    printf("backlog %d: %d connections, then %s\n", length, count, count < 16 ? strerrorname_np(errno) : "more");
    if (count == 16) count--;
    ready("refused", c[count]);
    int a = accept(fd, 0, 0);
    R(connect_to(c[count], "@banos-backlog"));
    R(listen(fd, 2));
    R(shutdown(fd, SHUT_RD));
    ready("shut listener", fd);
    int d = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    R(connect_to(d, "@banos-backlog"));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int k = 0; k < 4; k++) { int b = accept(fd, 0, 0); printf("accept %s\n", b >= 0 ? "yes" : strerrorname_np(errno)); if (b >= 0) close(b); }
    fcntl(fd, F_SETFL, 0);
    if (length < 1) R(accept(fd, 0, 0));
    close(fd);
    for (int k = 0; k <= count; k++) if (k < 3) ready("orphan", c[k]), receive(c[k], 5, 0);
    for (int k = 0; k <= count; k++) close(c[k]);
    close(a), close(d);
  }
}

/* A connect that waits for room gets through when somebody accepts, and fails when the listener goes. */
static void waiting(int type) {
  for (int how = 0; how < 4; how++) {
    int fd = socket(AF_UNIX, type, 0), p[2], status;
    bind_to(fd, "@banos-waiting");
    if (listen(fd, 0)) return;
    int first = socket(AF_UNIX, type, 0);
    connect_to(first, "@banos-waiting");
    pipe(p);
    int pid = fork();
    if (pid == 0) {
      int c = socket(AF_UNIX, type, 0);
      close(fd);
      if (how == 2) on(SIGALRM, 0), soon();
      if (how == 3) { struct timeval t = {0, 30000}; setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t); }
      write(p[1], "x", 1);
      int r = connect_to(c, "@banos-waiting");
      printf("waited %d: %s\n", how, r ? strerrorname_np(errno) : "connected");
      _exit(0);
    }
    char b;
    read(p[0], &b, 1);
    until_asleep(pid);
    if (how == 0) accept(fd, 0, 0);
    if (how == 1) shutdown(fd, SHUT_RD), close(fd);
    waitpid(pid, &status, 0);
    close(fd), close(first), close(p[0]), close(p[1]);
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  EACH_TYPE(i) states(TYPES[i]);
  EACH_TYPE(i) backlogs(TYPES[i]);
  EACH_TYPE(i) waiting(TYPES[i]);
  /* Arguments. */
  int s[2] = {-7, -7}, fd = open("/dev/null", O_RDONLY);
  for (int family = -1; family < 48; family++)
    if (family != 2 && family != 10 && family != 16 && family != 17 && family != 40 && family != 15 && family != 38 && family != 44) {
      int n = socket(family, SOCK_STREAM, 0);
      if (n >= 0) printf("family %d\n", family), close(n);
      else printf("family %d %s\n", family, strerrorname_np(errno));
    }
  for (int type = -1; type < 16; type++) {
    int n = socket(AF_UNIX, type, 0);
    printf("type %d %s", type, n >= 0 ? "made" : strerrorname_np(errno));
    if (n >= 0) printf(" %d %d", option(n, SO_TYPE), option(n, SO_PROTOCOL)), close(n);
    printf("\n");
  }
  for (int protocol = -1; protocol < 4; protocol++) {
    int n = socket(AF_UNIX, SOCK_STREAM, protocol);
    printf("protocol %d %s\n", protocol, n >= 0 ? "made" : strerrorname_np(errno));
    if (n >= 0) close(n);
  }
  R(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
  R(socketpair(AF_UNIX, SOCK_STREAM | 0x100, 0, s));
  R(socketpair(AF_UNIX, SOCK_STREAM, 5, s));
  R(socketpair(AF_UNIX, 77, 0, s));
  R(socketpair(AF_UNIX, 7, 0, s));
  R(socketpair(47, 1, 0, s));
  R(socketpair(AF_UNIX, 1, 0, BAD));
  R(socketpair(AF_UNIX, 1, 0, s));
  printf("pair flags %#x %#x\n", fcntl(s[0], F_GETFL), fcntl(s[0], F_GETFD));
#define BOTH(call) do { int x = 99; R(call); x = fd; R(call); } while (0)
  BOTH(bind(x, BAD, 3));
  BOTH(connect(x, BAD, 3));
  BOTH(listen(x, 3));
  BOTH(accept(x, 0, 0));
  BOTH(accept4(x, 0, 0, 1));
  BOTH(getsockname(x, 0, 0));
  BOTH(getpeername(x, 0, 0));
  BOTH(shutdown(x, 9));
  BOTH(send(x, BAD, 3, 0));
  BOTH(sendto(x, (void *)-1L, 3, 0, BAD, 9));
  BOTH(recv(x, BAD, 3, 0));
  BOTH(recv(x, (void *)-1L, 3, 0));
  BOTH(sendmsg(x, BAD, 0));
  BOTH(recvmsg(x, BAD, 0));
  BOTH(setsockopt(x, 1, 2, BAD, 4));
  BOTH(getsockopt(x, 1, 2, BAD, BAD));
  R(accept4(s[0], 0, 0, 1));
  struct stat st;
  fstat(s[0], &st);
  printf("stat %o %ld %ld %ld %d\n", st.st_mode, (long)st.st_size, (long)st.st_nlink, (long)st.st_blksize, st.st_uid);
  R(lseek(s[0], 0, 0));
  R(pread(s[0], &st, 1, 0));
  R(pwrite(s[0], &st, 1, 0));
  R(ftruncate(s[0], 0));
  R(fsync(s[0]));
  R(fchmod(s[0], 0600));
  fstat(s[0], &st);
  printf("mode %o\n", st.st_mode);
  char link[64], path[64];
  sprintf(path, "/proc/self/fd/%d", s[0]);
  long n = readlink(path, link, 63);
  printf("link %.8s %d\n", link, link[n - 1] == ']');
  R(open(path, O_RDWR));
  R(flock(s[0], 2));
  R(read(s[0], BAD, 0));
  R(write(s[0], BAD, 0));
  R(write(s[0], BAD, 1));
  R(send(s[0], BAD, 1, 0));
  R(write(s[0], "abc", 3));
  R(read(s[1], BAD, 3));
  R(read(s[1], &st, 10));
  struct iovec v[2] = {{"ab", 2}, {BAD, 2}}, w[2] = {{&st, 1}, {&st, 5}};
  R(writev(s[0], v, 2));
  R(writev(s[0], v, 1));
  R(readv(s[1], w, 2));
  R(preadv2(s[1], w, 2, -1, 8 /* RWF_NOWAIT */));
  int limit = dup(0);
  close(limit);
  struct rlimit { long soft, hard; } l = {limit, 1000};
  syscall(SYS_setrlimit, 7, &l);
  R(socket(AF_UNIX, 1, 0));
  R(socketpair(AF_UNIX, 1, 0, s));
  R(socketpair(47, 1, 0, BAD));
  return 0;
}
