/* Sockets that only messages refer to: cycles of every shape vanish when the last descriptor goes. */
#include "net.h"

static void send_fds(int to, const int *fds, int n) {
  char control[CMSG_SPACE(4 * 250)], byte = 'x';
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4 * n)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  memset(control, 0, sizeof control);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4 * n);
  memcpy(CMSG_DATA(c), fds, 4 * n);
  if (sendmsg(to, &m, MSG_DONTWAIT) != 1) printf("send: %s\n", strerrorname_np(errno));
}
static int take_fd(int from) {
  char control[CMSG_SPACE(4)], byte;
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(4)};
  if (recvmsg(from, &m, MSG_DONTWAIT) != 1) return -1;
  return *(int *)CMSG_DATA(CMSG_FIRSTHDR(&m));
}
/* Natively garbage is collected behind the scenes, some time after a socket is closed. */
static void gone(const char *what, int pipe_reader) {
  struct pollfd p = {pipe_reader, POLLIN, 0};
  for (int k = 0; k < 100; k++) {
    close(socket(AF_UNIX, SOCK_STREAM, 0));
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    close(s[0]), close(s[1]);
    if (poll(&p, 1, 20) == 1) break;
  }
  printf("%s: %s\n", what, p.revents & POLLHUP ? "gone" : "still there");
}

int main(int argc, char **argv) {
  start(argc, argv);
  int s[2], t[2], u[2], p[2];
  EACH_TYPE(i) {
    int type = TYPES[i];
    /* In each cycle the writer of a pipe rides along: its reader learns when the cycle is gone. */
    pipe(p), socketpair(AF_UNIX, type, 0, s);
    send_fds(s[0], p + 1, 1), send_fds(s[0], s + 1, 1);
    close(p[1]), close(s[1]);
    close(s[0]);
    gone("a socket in its own queue", p[0]), close(p[0]);

    pipe(p), socketpair(AF_UNIX, type, 0, s);
    send_fds(s[0], s, 2), send_fds(s[1], s, 2), send_fds(s[1], p + 1, 1);
    close(p[1]), close(s[0]), close(s[1]);
    gone("both ends in both", p[0]), close(p[0]);

    pipe(p), socketpair(AF_UNIX, type, 0, s), socketpair(AF_UNIX, type, 0, t), socketpair(AF_UNIX, type, 0, u);
    send_fds(s[0], t + 1, 1), send_fds(t[0], u + 1, 1), send_fds(u[0], s + 1, 1), send_fds(u[0], p + 1, 1);
    send_fds(s[0], s, 1), send_fds(t[0], t, 1), send_fds(u[0], u, 1);
    close(p[1]), close(s[0]), close(t[0]), close(u[0]), close(t[1]), close(u[1]);
    ready("three in a ring, one held", p[0]);
    int got = take_fd(s[1]);
    close(got);
    close(s[1]);
    gone("three in a ring", p[0]), close(p[0]);

    /* What can still be reached lives. */
    pipe(p), socketpair(AF_UNIX, type, 0, s), socketpair(AF_UNIX, type, 0, t);
    send_fds(s[0], t, 2), send_fds(t[0], t + 1, 1), send_fds(t[0], p + 1, 1);
    close(p[1]), close(t[0]), close(t[1]);
    ready("held by a message", p[0]);
    int a = take_fd(s[1]);
    printf("taken %d\n", a >= 0);
    close(a), close(s[0]), close(s[1]);
    gone("let go", p[0]), close(p[0]);
  }
  /* Connections that nobody accepts, with their listener in the message. */
  pipe(p);
  int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_to(l, "@banos-garbage"), listen(l, 5), connect_to(c, "@banos-garbage");
  send_fds(c, &l, 1), send_fds(c, p + 1, 1), send_fds(c, &c, 1);
  close(p[1]), close(l);
  close(c);
  gone("listener", p[0]), close(p[0]);
  /* A chain that is deep: each socket holds the next. */
  pipe(p);
  int first = p[1];
  for (int depth = 0; depth < 1000; depth++) {
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    send_fds(s[0], &first, 1);
    close(first), close(s[0]);
    first = s[1];
  }
  ready("chain", p[0]);
  close(first);
  gone("chain", p[0]);
  return 0;
}
