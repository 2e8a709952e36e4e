/* Control messages: descriptors and credentials, buffers of every size, everything that can be wrong with them. */
#include "net.h"
#include <sys/resource.h>

static union { char bytes[4096]; struct cmsghdr first; } out, in;

static long send_control(int fd, const char *text, void *control, size_t length, int flags) {
  struct iovec v = {(void *)text, strlen(text)};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = length};
  return sendmsg(fd, &m, flags | MSG_NOSIGNAL);
}

static size_t add(size_t at, int level, int type, const void *data, size_t size) {
  struct cmsghdr *c = (void *)(out.bytes + at);
  c->cmsg_level = level, c->cmsg_type = type, c->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(c), data, size);
  return at + CMSG_SPACE(size);
}

static int own, parent;
static void show_control(struct msghdr *m) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
    printf("  cmsg length %ld level %d type %d", (long)c->cmsg_len, c->cmsg_level, c->cmsg_type);
    if (c->cmsg_type == SCM_RIGHTS) {
      int n = (c->cmsg_len - CMSG_LEN(0)) / 4, *fds = (int *)CMSG_DATA(c);
      for (int i = 0; i < n; i++) {
        struct stat st;
        printf(" %s", fstat(fds[i], &st) ? strerrorname_np(errno) : S_ISFIFO(st.st_mode) ? "fifo" : S_ISSOCK(st.st_mode) ? "socket" : "other");
        printf("/%d", fcntl(fds[i], F_GETFD));
        close(fds[i]);
      }
    } else if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len >= CMSG_LEN(12)) {
      struct ucred *u = (void *)CMSG_DATA(c);
      printf(" pid %s uid %d gid %d", u->pid == own ? "own" : u->pid == parent ? "parent" : u->pid == 0 ? "none" : "other", u->uid, u->gid);
    }
    else if (c->cmsg_type == 4 /* SCM_PIDFD */ && c->cmsg_len >= CMSG_LEN(4)) {
      int fd = *(int *)CMSG_DATA(c);
      printf(" pidfd %d signal %ld", fd >= 0, (long)syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
      close(fd);
    }
    printf("\n");
  }
}

static long take(int fd, int room, size_t control, int flags) {
  static char data[5000];
  struct iovec v = {data, room};
  struct sockaddr_un from;
  struct msghdr m = {&from, sizeof from, &v, 1, control == -1 ? 0 : in.bytes, control == -1 ? 0 : control, 0x5555};
  memset(in.bytes, 0xaa, sizeof in.bytes);
  errno = 0;
  long r = recvmsg(fd, &m, flags | MSG_DONTWAIT);
  printf("recvmsg %ld %s flags %#x namelen %d controllen %ld ", r, r < 0 ? strerrorname_np(errno) : "", m.msg_flags, m.msg_namelen, (long)m.msg_controllen);
  bytes("data", data, r < 0 ? 0 : r > room ? room : r);
  if (r >= 0) show_control(&m);
  return r;
}

static int count_fds(void) {
  int n = 0;
  for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

static void rights(int type) {
  int s[2], p[2], many[300];
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  pipe(p);
  int before = count_fds();
  add(0, SOL_SOCKET, SCM_RIGHTS, p, 8);
  for (int room = 0; room < 40; room++) {
    send_control(s[0], "two", out.bytes, CMSG_SPACE(8), 0);
    printf("room %d: ", room);
    take(s[1], 10, room, room & 1 ? MSG_CMSG_CLOEXEC : 0);
  }
  send_control(s[0], "nobuffer", out.bytes, CMSG_SPACE(8), 0);
  take(s[1], 10, -1, 0);
  send_control(s[0], "read", out.bytes, CMSG_SPACE(8), 0);
  receive(s[1], 10, 0);
  printf("fds %d\n", count_fds() - before);
  /* Pieces with and without descriptors are not joined behind them. */
  send(s[0], "a", 1, 0);
  send_control(s[0], "bc", out.bytes, CMSG_SPACE(8), 0);
  send(s[0], "d", 1, 0);
  send_control(s[0], "ef", out.bytes, CMSG_SPACE(8), 0);
  send_control(s[0], "gh", out.bytes, CMSG_SPACE(8), 0);
  take(s[1], 2, 100, MSG_PEEK);
  for (int k = 0; k < 6; k++) take(s[1], 2, 100, 0);
  send_control(s[0], "xyz", out.bytes, CMSG_SPACE(8), 0);
  take(s[1], 1, 100, MSG_PEEK), take(s[1], 20, 100, MSG_PEEK), take(s[1], 1, 100, 0), take(s[1], 20, 100, 0);
  send_control(s[0], "", out.bytes, CMSG_SPACE(8), 0);
  take(s[1], 20, 100, 0);
  printf("fds %d\n", count_fds() - before);
  /* Numbers. */
  for (int i = 0; i < 300; i++) many[i] = p[0];
  for (int n = 250; n < 257; n++) {
    size_t length = add(0, SOL_SOCKET, SCM_RIGHTS, many, 4 * n);
    printf("%d: ", n);
    R(send_control(s[0], "many", out.bytes, length, 0));
    take(s[1], 10, 16 + 4 * 3, 0);
  }
  size_t at = add(0, SOL_SOCKET, SCM_RIGHTS, p, 4);
  at = add(at, SOL_SOCKET, SCM_RIGHTS, many, 4 * 252);
  R(send_control(s[0], "both", out.bytes, at, 0));
  take(s[1], 10, 16 + 4 * 260, 0);
  at = add(0, SOL_SOCKET, SCM_RIGHTS, p, 4);
  at = add(at, SOL_SOCKET, SCM_RIGHTS, many, 4 * 253);
  R(send_control(s[0], "both", out.bytes, at, 0));
  at = add(0, SOL_SOCKET, SCM_RIGHTS, p, 0);
  R(send_control(s[0], "none", out.bytes, at, 0));
  take(s[1], 10, 100, 0);
  int bad[3] = {p[0], -1, p[1]};
  at = add(0, SOL_SOCKET, SCM_RIGHTS, bad, 12);
  R(send_control(s[0], "bad", out.bytes, at, 0));
  bad[1] = 999;
  at = add(0, SOL_SOCKET, SCM_RIGHTS, bad, 12);
  R(send_control(s[0], "bad", out.bytes, at, 0));
  take(s[1], 10, 100, 0);
  printf("fds %d\n", count_fds() - before);
  /* A receiver whose table is full gets what fits. */
  struct rlimit limit, low;
  getrlimit(RLIMIT_NOFILE, &limit);
  low = limit;
  int top = dup(0);
  close(top);
  add(0, SOL_SOCKET, SCM_RIGHTS, many, 12);
  send_control(s[0], "limit", out.bytes, CMSG_SPACE(12), 0);
  low.rlim_cur = top + 2;
  setrlimit(RLIMIT_NOFILE, &low);
  take(s[1], 10, 100, 0);
  send_control(s[0], "limit", out.bytes, CMSG_SPACE(12), 0);
  low.rlim_cur = top;
  setrlimit(RLIMIT_NOFILE, &low);
  take(s[1], 10, 100, 0);
  setrlimit(RLIMIT_NOFILE, &limit);
  /* Not wanted. */
  set(s[1], 83 /* SO_PASSRIGHTS */, 0);
  R(send_control(s[0], "refused", out.bytes, CMSG_SPACE(12), 0));
  R(send(s[0], "plain", 5, 0));
  take(s[1], 10, 100, 0);
  set(s[1], 83, 1);
  /* Descriptors in a message that nobody reads. */
  int q[2];
  pipe(q);
  add(0, SOL_SOCKET, SCM_RIGHTS, q + 1, 4);
  send_control(s[0], "unread", out.bytes, CMSG_SPACE(4), 0);
  close(q[1]);
  ready("still open", q[0]);
  close(s[1]);
  ready("closed with the message", q[0]);
  close(s[0]), close(q[0]), close(p[0]), close(p[1]);
}

static void wrong(int type) {
  int s[2], n = 0;
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  size_t at = add(0, SOL_SOCKET, SCM_RIGHTS, s, 4);
  struct cmsghdr *c = &out.first;
  for (long length = 0; length < 40; length += length == 13 ? 1 : 3) {
    c->cmsg_len = length;
    printf("cmsg_len %ld: ", length);
    R(send_control(s[0], "x", out.bytes, at, 0));
  }
  c->cmsg_len = -1;
  R(send_control(s[0], "x", out.bytes, at, 0));
  while (recv(s[1], in.bytes, 100, 0) > 0);
  for (int length = 0; length < 34; length++) {
    at = add(0, SOL_SOCKET, SCM_RIGHTS, s, 4);
    printf("controllen %d: ", length);
    R(send_control(s[0], "x", out.bytes, length, 0));
  }
  while (recv(s[1], in.bytes, 100, 0) > 0);
  for (int t = -1; t < 8; t++) {
    struct ucred u = {getpid(), getuid(), getgid()};
    at = add(0, SOL_SOCKET, t, &u, sizeof u);
    printf("type %d: ", t);
    if (t != SCM_RIGHTS) R(send_control(s[0], "x", out.bytes, at, 0));
  }
  int x[4] = {0};
  for (int level = 0; level < 3; level += 2) {
    at = add(0, level, SCM_RIGHTS, x, 4);
    R(send_control(s[0], "x", out.bytes, at, 0));
  }
  R(send_control(s[0], "x", BAD, 20, 0));
  R(send_control(s[0], "x", BAD, 0x80000000, 0));
  R(send_control(s[0], "x", BAD, 131072, 0));
  R(send_control(s[0], "x", BAD, 131071, 0));
  R(send_control(s[0], "x", 0, 20, 0));
  while (recv(s[1], in.bytes, 100, 0) > 0);
  struct iovec v = {"abc", 3};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  m.msg_iovlen = 1025;
  R(sendmsg(s[0], &m, 0));
  R(recvmsg(s[1], &m, 0));
  m.msg_iovlen = 1, m.msg_iov = BAD;
  R(sendmsg(s[0], &m, 0));
  R(recvmsg(s[1], &m, 0));
  m.msg_iovlen = 0;
  R(sendmsg(s[0], &m, 0));
  R(recvmsg(s[1], &m, 0));
  m.msg_iov = &v, m.msg_iovlen = 1, m.msg_name = BAD, m.msg_namelen = 10;
  R(sendmsg(s[0], &m, 0));
  m.msg_name = 0, m.msg_namelen = -1;
  R(sendmsg(s[0], &m, 0));
  m.msg_name = &v, m.msg_namelen = -1;
  R(sendmsg(s[0], &m, 0));
  R(recvmsg(s[1], &m, 0));
  m.msg_namelen = 1000;
  R(sendmsg(s[0], &m, 0));
  m.msg_name = 0;
  R(sendmsg(s[0], &m, 0x80000000));
  R(recvmsg(s[1], &m, 0x80000000));
  m.msg_flags = -1;
  R(sendmsg(s[0], &m, 0));
  char small[2];
  struct iovec w = {small, 2};
  struct msghdr r = {.msg_name = BAD, .msg_namelen = 10, .msg_iov = &w, .msg_iovlen = 1};
  R(recvmsg(s[1], &r, 0));
  r.msg_name = 0;
  R(recvmsg(s[1], &r, 0));
  close(s[0]), close(s[1]);
}

static void credentials(int type) {
  int s[2];
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  send(s[0], "before", 6, 0);
  set(s[1], SO_PASSCRED, 1);
  send(s[0], "after", 5, 0);
  send(s[0], "more", 4, 0);
  struct ucred u = {getpid(), 12, 34};
  size_t at = add(0, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u);
  R(send_control(s[0], "said", out.bytes, at, 0));
  take(s[1], 100, 100, MSG_PEEK);
  for (int k = 0; k < 4; k++) take(s[1], 100, 100, 0);
  for (int room = 0; room < 40; room += 3) {
    send(s[0], "x", 1, 0);
    printf("room %d: ", room);
    take(s[1], 10, room, 0);
  }
  send(s[0], "x", 1, 0);
  take(s[1], 10, -1, 0);
  at = add(0, SOL_SOCKET, SCM_RIGHTS, s, 8);
  send_control(s[0], "both", out.bytes, at, 0);
  take(s[1], 10, 200, 0);
  send_control(s[0], "both", out.bytes, at, 0);
  take(s[1], 10, 32 + 20, 0);
  u.pid = 1, u.uid = 0, u.gid = 0;
  at = add(0, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u);
  R(send_control(s[0], "init", out.bytes, at, 0));
  u.pid = 999999;
  add(0, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u);
  R(send_control(s[0], "nobody", out.bytes, at, 0));
  u.pid = getpid(), u.uid = -1;
  add(0, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u);
  R(send_control(s[0], "nobody", out.bytes, at, 0));
  while (recv(s[1], in.bytes, 100, 0) > 0);
  int pid = fork();
  if (pid == 0) {
    setresgid(1001, 1002, 1003), setresuid(1001, 1002, 1003);
    struct { int pid, uid, gid; } tries[] = {{getpid(), 1001, 1001}, {getpid(), 1002, 1003}, {getpid(), 1003, 1002}, {getpid(), 0, 1001}, {getpid(), 1001, 0}, {getppid(), 1001, 1001}, {getpid(), -1, 1001}};
    for (int k = 0; k < 7; k++) {
      add(0, SOL_SOCKET, SCM_CREDENTIALS, &tries[k], 12);
      printf("try %d: ", k);
      R(send_control(s[0], "t", out.bytes, at, 0));
    }
    R(send(s[0], "child", 5, 0));
    _exit(0);
  }
  waitpid(pid, 0, 0);
  R(send(s[0], "parent", 6, 0));
  for (int k = 0; k < 8; k++) if (take(s[1], 100, 100, 0) < 0) break;
  /* Wanted by the sender only; and by nobody, before accept. */
  set(s[1], SO_PASSCRED, 0), set(s[0], SO_PASSCRED, 1);
  R(send(s[0], "x", 1, 0));
  set(s[1], SO_PASSCRED, 1), set(s[0], SO_PASSCRED, 0);
  take(s[1], 10, 100, 0);
  close(s[0]), close(s[1]);
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  R(set(s[1], 76 /* SO_PASSPIDFD */, 1));
  send(s[0], "own", 3, 0);
  take(s[1], 10, 100, 0);
  if ((pid = fork()) == 0) _exit(send(s[0], "child", 5, 0) != 5);
  waitpid(pid, 0, 0);
  take(s[1], 10, 100, 0);
  set(s[1], SO_PASSCRED, 1);
  at = add(0, SOL_SOCKET, SCM_RIGHTS, s, 8);
  send_control(s[0], "all", out.bytes, at, 0);
  take(s[1], 10, 200, 0);
  for (int room = 40; room < 100; room += 4) {
    send_control(s[0], "all", out.bytes, at, 0);
    printf("room %d: ", room);
    take(s[1], 10, room, 0);
  }
  send_control(s[0], "all", out.bytes, at, 0);
  take(s[1], 10, -1, 0);
  close(s[0]), close(s[1]);
  if (type == SOCK_DGRAM) return;
  int l = socket(AF_UNIX, type, 0), c = socket(AF_UNIX, type, 0);
  bind_to(l, "@banos-embryo"), listen(l, 5), connect_to(c, "@banos-embryo");
  send(c, "early", 5, 0);
  int a = accept(l, 0, 0);
  send(c, "late", 4, 0);
  set(a, SO_PASSCRED, 1);
  take(a, 100, 100, 0), take(a, 100, 100, 0);
  close(a), close(l), close(c);
}

/* Who is no superuser may have as many descriptors in flight as open. */
static void too_many(void) {
  int pid = fork();
  if (pid == 0) {
    struct rlimit low = {20, 20};
    int s[2], p[2], n = 0;
    setresgid(4321, 4321, 4321), setresuid(4321, 4321, 4321);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
    pipe(p);
    setrlimit(RLIMIT_NOFILE, &low);
    add(0, SOL_SOCKET, SCM_RIGHTS, p, 4);
    while (n < 100 && send_control(s[0], "x", out.bytes, CMSG_SPACE(4), 0) == 1) n++;
    printf("in flight %d, then %s\n", n, strerrorname_np(errno));
    take(s[1], 10, 100, 0);
    R(send_control(s[0], "x", out.bytes, CMSG_SPACE(4), 0));
    R(send_control(s[0], "x", out.bytes, CMSG_SPACE(4), 0));
    _exit(0);
  }
  waitpid(pid, 0, 0);
}

static void many_messages(int type) {
  int s[2];
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  struct mmsghdr m[6], r[6];
  struct iovec v[6], w[6];
  static char data[6][20];
  for (int round = 0; round < 4; round++) {
    memset(m, 0, sizeof m), memset(r, 0, sizeof r);
    for (int i = 0; i < 6; i++) {
      v[i] = (struct iovec){"message" + i, 7 - i};
      if (round == 2 && i == 3) v[i].iov_base = BAD;
      w[i] = (struct iovec){data[i], i == 1 ? 2 : 20};
      m[i].msg_hdr.msg_iov = v + i, m[i].msg_hdr.msg_iovlen = 1, m[i].msg_len = 99;
      r[i].msg_hdr.msg_iov = w + i, r[i].msg_hdr.msg_iovlen = 1, r[i].msg_len = 99;
    }
    R(sendmmsg(s[0], m, 5, 0));
    for (int i = 0; i < 6; i++) printf("%d ", m[i].msg_len);
    if (round == 3) r[2].msg_hdr.msg_iov = BAD;
    struct timespec t = {0, 0};
    R(recvmmsg(s[1], r, 6, round == 1 ? MSG_WAITFORONE : 0, round == 1 ? &t : 0));
    for (int i = 0; i < 6; i++) printf("%d/%#x ", r[i].msg_len, r[i].msg_hdr.msg_flags);
    printf("error %d\n", option(s[1], SO_ERROR));
    while (recv(s[1], data, 20, 0) > 0);
  }
  R(sendmmsg(s[0], BAD, 2, 0));
  R(sendmmsg(s[0], BAD, 0, 0));
  R(recvmmsg(s[1], BAD, 2, 0, 0));
  R(recvmmsg(s[1], BAD, 0, 0, 0));
  struct timespec t = {-1, 0};
  R(recvmmsg(s[1], r, 2, 0, &t));
  R(recvmmsg(s[1], r, 2, 0, BAD));
  R(recvmmsg(s[1], r, 2, 0x80000000, 0));
  R(sendmmsg(-1, r, 2, 0x80000000));
  R(sendmmsg(-1, r, 2, 0));
  int null = open("/dev/null", O_RDONLY);
  R(recvmmsg(null, r, 2, 0, 0));
  close(null);
  fcntl(s[1], F_SETFL, 0);
  send(s[0], "one", 3, 0);
  t = (struct timespec){0, 1};
  R(recvmmsg(s[1], r, 2, 0, &t));
  printf("left %ld %ld\n", t.tv_sec, t.tv_nsec);
  on(SIGALRM, 0), soon();
  send(s[0], "one", 3, 0);
  R(recvmmsg(s[1], r, 2, 0, 0));
  close(s[0]), close(s[1]);
}

int main(int argc, char **argv) {
  start(argc, argv);
  own = getpid(), parent = getppid();
  EACH_TYPE(i) rights(TYPES[i]);
  EACH_TYPE(i) wrong(TYPES[i]);
  EACH_TYPE(i) credentials(TYPES[i]);
  EACH_TYPE(i) many_messages(TYPES[i]);
  too_many();
  return 0;
}
