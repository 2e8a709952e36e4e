/*
 * A ring of processes that pass a token and a descriptor: each takes both from its left, adds one to the token, writes
 * a byte to the descriptor's pipe, and passes both to its right. In the end the token has counted every step, the pipe
 * holds a byte of each, and closing one link takes the whole ring down.
 */
#include "net.h"

static long pass(int fd, long token, int passed) {
  char control[CMSG_SPACE(4)] = {0};
  struct iovec v = {&token, sizeof token};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
  *(int *)CMSG_DATA(c) = passed;
  return sendmsg(fd, &m, MSG_NOSIGNAL);
}
static int take(int fd, long *token) {
  char control[CMSG_SPACE(4)];
  struct iovec v = {token, sizeof *token};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != sizeof *token || m.msg_flags & MSG_CTRUNC) return -1;
  return *(int *)CMSG_DATA(CMSG_FIRSTHDR(&m));
}

static void ring(int type, int size, int rounds) {
  int first[2], left, link[2], p[2];
  socketpair(AF_UNIX, type, 0, first);
  left = first[1];
  for (int i = 0; i < size; i++) {
    socketpair(AF_UNIX, type, 0, link);
    int pid = fork();
    if (pid < 0) { printf("fork %s\n", strerrorname_np(errno)); break; }
    if (pid == 0) {
      long token;
      int fd;
      close(first[0]), close(link[1]);
      while ((fd = take(left, &token)) >= 0) {
        if (write(fd, "x", 1) != 1 || pass(link[0], token + 1, fd) < 0) _exit(2);
        close(fd);
      }
      _exit(0);
    }
    close(left), close(link[0]);
    left = link[1];
  }
  pipe(p);
  long token = 0;
  int fd = dup(p[1]), good = 1;
  for (int round = 0; round < rounds; round++) {
    if (pass(first[0], token, fd) < 0) { good = 0; break; }
    close(fd);
    if ((fd = take(left, &token)) < 0) { good = 0; break; }
  }
  close(fd), close(p[1]);
  long sum = 0, n;
  static char bytes[4096];
  while ((n = read(p[0], bytes, sizeof bytes)) > 0) sum += n;
  close(p[0]), close(first[0]);
  /* Each sees the end of its left, and ends. */
  int ended = 0, status;
  while (wait(&status) > 0) ended += WIFEXITED(status) && WEXITSTATUS(status) == 0;
  close(left);
  printf("%s: token %ld, bytes %ld, ended %d, good %d\n", type == SOCK_STREAM ? "stream" : "seqpacket", token, sum, ended, good);
}

int main(int argc, char **argv) {
  start(argc, argv);
  ring(SOCK_STREAM, 1000, 20);
  ring(SOCK_SEQPACKET, 200, 50);
  return 0;
}
