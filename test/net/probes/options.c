/* Every option, every value that matters, of every type; as the superuser and as another. */
#include "net.h"

static void get(int s, int o, int room) {
  unsigned char b[64];
  memset(b, 0xee, sizeof b);
  socklen_t length = room;
  errno = 0;
  int r = getsockopt(s, SOL_SOCKET, o, b, &length);
  if (r) printf(" %s/%d", strerrorname_np(errno), length);
  else if (o == SO_COOKIE || o == 71) printf(" cookie/%d", length);
  else {
    printf(" %d:", length);
    for (int i = 0; i < length && i < 40; i++) printf("%02x", b[i]);
  }
}

static void sweep(void) {
  static const int values[] = {0, 1, 6, 7, 5000, -1, 0x7fffffff, -0x80000000};
  EACH_TYPE(t) for (int o = 0; o <= 90; o++) {
    int s = socket(AF_UNIX, TYPES[t], 0);
    printf("option %d:", o);
    get(s, o, 64);
    for (int i = 0; i < 8; i++) {
      int z[4] = {values[i], values[i], 0, 0};
      errno = 0;
      int r = setsockopt(s, SOL_SOCKET, o, z, 4);
      printf(" | %d %s", values[i], r ? strerrorname_np(errno) : "ok");
      if (r == 0) get(s, o, 64);
    }
    int z[4] = {1, 0, 2, 0};
    errno = 0;
    int r = setsockopt(s, SOL_SOCKET, o, z, 16);
    printf(" | long %s", r ? strerrorname_np(errno) : "ok");
    if (r == 0) get(s, o, 64);
    z[1] = -1;
    for (int length = -1; length < 16; length += length < 5 ? 1 : 3) {
      errno = 0;
      r = setsockopt(s, SOL_SOCKET, o, z, length);
      printf(" %s", r ? strerrorname_np(errno) : "ok");
    }
    for (int room = -1; room < 17; room += 3) get(s, o, room);
    errno = 0;
    r = setsockopt(s, SOL_SOCKET, o, BAD, 4);
    printf(" | bad %s", r ? strerrorname_np(errno) : "ok");
    socklen_t length = 64;
    errno = 0;
    r = getsockopt(s, SOL_SOCKET, o, BAD, &length);
    printf(" %s", r ? strerrorname_np(errno) : "ok");
    r = getsockopt(s, SOL_SOCKET, o, z, BAD);
    printf(" %s\n", r ? strerrorname_np(errno) : "ok");
    close(s);
  }
}

/* Programs that cannot be attached. */
static void filters(void) {
  static const int options[] = {26, 50, 51, 52};
  struct { unsigned short length; void *filter; } classic[] = {{0, "12345678"}, {1, 0}, {1, BAD}, {4097, "12345678"}};
  int s = socket(AF_UNIX, SOCK_DGRAM, 0), fds[] = {s, 0, 99, -1};
  for (int lock = 0; lock < 2; lock++) {
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < 4; j++) {
        errno = 0;
        int r = i % 2 ? setsockopt(s, SOL_SOCKET, options[i], &fds[j], 4) : setsockopt(s, SOL_SOCKET, options[i], &classic[j], 16);
        printf("filter %d %d: %d %s\n", options[i], j, r, strerrorname_np(errno));
      }
    }
    set(s, SO_LOCK_FILTER, 1);
  }
  close(s);
}

int main(int argc, char **argv) {
  start(argc, argv);
  sweep();
  filters();
  int s[2], v = 1;
  socklen_t length = 4;
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  for (int level = -1; level < 300; level++) {
    if (level == SOL_SOCKET) continue;
    errno = 0;
    int r = setsockopt(s[0], level, 1, &v, 4), e = errno;
    int q = getsockopt(s[0], level, 1, &v, &length);
    if (e != EOPNOTSUPP || errno != EOPNOTSUPP) printf("level %d: %d %s %d %s\n", level, r, strerrorname_np(e), q, strerrorname_np(errno));
  }
  struct ucred c;
  length = sizeof c;
  R(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &c, &length));
  printf("own %d %d %d\n", c.pid == getpid(), c.uid, c.gid);
  length = 6;
  R(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &c, &length));
  printf("length %d\n", length);
  char name[200];
  length = 10;
  R(getsockopt(s[0], SOL_SOCKET, SO_PEERNAME, name, &length));
  length = 2;
  R(getsockopt(s[0], SOL_SOCKET, SO_PEERNAME, name, &length));
  gid_t groups[] = {5, 6, 7}, found[10];
  setgroups(3, groups);
  int l = socket(AF_UNIX, SOCK_STREAM, 0), p[2];
  bind_to(l, "@banos-cred");
  setresgid(-1, 77, -1);
  listen(l, 5);
  setresgid(-1, 0, -1);
  int pid = fork();
  if (pid == 0) {
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    setresgid(1001, 1002, 1003), setresuid(1001, 1002, 1003);
    R(connect_to(d, "@banos-cred"));
    length = sizeof c;
    getsockopt(d, SOL_SOCKET, SO_PEERCRED, &c, &length);
    printf("listener %d %d %d\n", c.pid == getppid(), c.uid, c.gid);
    length = sizeof found;
    R(getsockopt(d, SOL_SOCKET, SO_PEERGROUPS, found, &length));
    printf("groups %d: %d %d %d\n", length, found[0], found[1], found[2]);
    length = 11;
    R(getsockopt(d, SOL_SOCKET, SO_PEERGROUPS, found, &length));
    printf("length %d\n", length);
    sweep();
    _exit(0);
  }
  int a = accept(l, 0, 0);
  waitpid(pid, 0, 0);
  length = sizeof c;
  getsockopt(a, SOL_SOCKET, SO_PEERCRED, &c, &length);
  printf("connector %d %d %d\n", c.pid == pid, c.uid, c.gid);
  int pidfd = -5;
  length = sizeof pidfd;
  R(getsockopt(a, SOL_SOCKET, 77 /* SO_PEERPIDFD */, &pidfd, &length));
  printf("pidfd %d, flags %d\n", pidfd > 0, fcntl(pidfd, F_GETFD));
  ready("of one that is gone", pidfd);
  R(syscall(SYS_pidfd_send_signal, pidfd, 0, 0, 0));
  length = 2;
  R(getsockopt(s[0], SOL_SOCKET, 77, &pidfd, &length));
  length = sizeof pidfd;
  R(getsockopt(s[0], SOL_SOCKET, 77, &pidfd, &length));
  ready("own", pidfd);
  R(syscall(SYS_pidfd_send_signal, pidfd, 0, 0, 0));
  /* What is inherited by accept. */
  int m = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_to(m, "@banos-inherit");
  set(m, SO_PASSCRED, 1), set(m, SO_RCVBUF, 9000), set(m, SO_SNDBUF, 9000), set(m, SO_RCVLOWAT, 3), set(m, SO_OOBINLINE, 1);
  fcntl(m, F_SETFL, O_NONBLOCK);
  listen(m, 5);
  int k = socket(AF_UNIX, SOCK_STREAM, 0);
  set(k, SO_PASSCRED, 1);
  connect_to(k, "@banos-inherit");
  struct sockaddr_un u;
  length = sizeof u;
  getsockname(k, (void *)&u, &length);
  printf("autobound %d\n", length);
  set(m, SO_PASSCRED, 0);
  int n = accept(m, 0, 0);
  printf("inherited %d %d %d %d %d %#x\n", option(n, SO_PASSCRED), option(n, SO_RCVBUF), option(n, SO_SNDBUF), option(n, SO_RCVLOWAT), option(n, SO_OOBINLINE), fcntl(n, F_GETFL));
  /* ioctls. */
  for (int request = 0x8900; request < 0x8908; request++) {
    char what[32];
    v = 0;
    sprintf(what, "ioctl %#x", request);
    errno = 0;
    if (request == 0x8906 || request == 0x8907) continue;
    report(what, ioctl(n, request, &v));
  }
  v = getpid();
  R(ioctl(n, 0x8901, &v));
  v = 0;
  R(ioctl(n, 0x8903, &v));
  printf("owner %d\n", v == getpid());
  R(ioctl(n, FIONREAD, BAD));
  R(ioctl(n, TIOCOUTQ, BAD));
  R(ioctl(n, 0x5401, &v));
  R(ioctl(n, 0x12345678, &v));
  v = 1;
  R(ioctl(n, FIONBIO, &v));
  printf("flags %#x\n", fcntl(n, F_GETFL));
  receive(n, 3, 0);
  v = 0;
  R(ioctl(n, FIONBIO, &v));
  R(fcntl(n, F_SETFL, O_NONBLOCK));
  R(ioctl(m, FIONREAD, &v));
  return 0;
}
