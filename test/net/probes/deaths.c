/*
 * A peer that dies at every point of every exchange. The client makes the steps of a script up to one, and is then
 * killed, exits or closes; the server, which is at every step of its own, shows what it sees of it.
 */
#include "net.h"

enum { STEPS = 9, SERVER = 6 };
static const char *name = "@banos-deaths";

static void send_fd(int to, int fd) {
  char control[CMSG_SPACE(4)] = {0}, byte = 'f';
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
  *(int *)CMSG_DATA(c) = fd;
  sendmsg(to, &m, MSG_NOSIGNAL);
}

static void client(int type, int last, int how, int report, int go) {
  char b[100];
  int fd = -1, p[2];
  static char big[100000];
  for (int step = 0; step <= last; step++) {
    switch (step) {
      case 0: fd = socket(AF_UNIX, type, 0); break;
      case 1: if (type == SOCK_DGRAM) bind_to(fd, "@banos-deaths-client"); break;
      case 2: connect_to(fd, name); break;
      case 3: send(fd, "hello", 5, MSG_NOSIGNAL); break;
      case 4: pipe(p), send_fd(fd, p[0]), close(p[0]); break;
      case 5: fcntl(fd, F_SETFL, O_NONBLOCK); for (int k = 0; k < 3; k++) send(fd, big, 50000, MSG_NOSIGNAL); break;
      case 6: recv(fd, b, 2, 0); break;
      case 7: shutdown(fd, SHUT_RD); break;
      case 8: shutdown(fd, SHUT_WR); break;
    }
  }
  write(report, "x", 1);
  read(go, b, 1);
  if (how == 0) close(fd), fd = -1, close(report), pause();
  if (how == 1) _exit(0);
  kill(getpid(), SIGKILL);
}

static void look(const char *what, int fd) {
  static char b[200000];
  printf(" %s", what);
  struct pollfd q = {fd, 0x3fff, 0};
  poll(&q, 1, 0);
  printf(" poll %#x", q.revents);
  errno = 0;
  long r = send(fd, "reply", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
  printf(" send %ld %s", r, r < 0 ? strerrorname_np(errno) : "");
  for (int k = 0; k < 8; k++) {
    errno = 0;
    r = recv(fd, b, sizeof b, MSG_DONTWAIT);
    printf(" recv %ld%s", r, r < 0 ? strerrorname_np(errno) : "");
    if (r <= 0 && (k & 1)) break;
  }
  poll(&q, 1, 0);
  printf(" poll %#x error %d\n", q.revents, option(fd, SO_ERROR));
}

int main(int argc, char **argv) {
  start(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  EACH_TYPE(i) for (int last = 0; last < STEPS; last++) for (int step = 0; step < SERVER; step++) for (int how = 0; how < 3; how++) {
    int type = TYPES[i], up[2], down[2], status, a = -1;
    int l = socket(AF_UNIX, type, 0);
    bind_to(l, name);
    if (type != SOCK_DGRAM) listen(l, 5);
    pipe(up), pipe(down);
    int pid = fork();
    if (pid == 0) {
      close(l), close(up[0]), close(down[1]);
      client(type, last, how, up[1], down[0]);
    }
    close(up[1]), close(down[0]);
    char b[10];
    read(up[0], b, 1);
    printf("client %d server %d how %d:", last, step, how);
    /* The server's own steps, before the client dies. */
    fcntl(l, F_SETFL, O_NONBLOCK);
    int fd = l;
    if (type != SOCK_DGRAM && step >= 1) fd = accept(l, 0, 0);
    else if (type == SOCK_DGRAM && step >= 1) printf(" connect %s", connect_to(l, "@banos-deaths-client") ? strerrorname_np(errno) : "ok");
    if (fd >= 0 && type != SOCK_DGRAM) fcntl(fd, F_SETFL, O_NONBLOCK);
    if (step >= 2) send(fd, "answer", 6, MSG_NOSIGNAL);
    if (step >= 3) recv(fd, b, 2, 0);
    if (step == 4) shutdown(fd, SHUT_WR);
    if (step == 5) shutdown(fd, SHUT_RD);
    write(down[1], "x", 1);
    if (how == 0) read(up[0], b, 1);
    else waitpid(pid, &status, 0);
    if (type != SOCK_DGRAM && step == 0) look("listener", l), fd = accept(l, 0, 0), printf("  accept %s", fd < 0 ? strerrorname_np(errno) : "ok");
    if (fd >= 0) look("end", fd), names(fd);
    else printf("\n");
    if (how == 0) kill(pid, SIGKILL), waitpid(pid, &status, 0);
    if (fd >= 0 && fd != l) close(fd);
    close(l), close(up[0]), close(down[1]);
  }
  return 0;
}
