/* Messages about sockets over netlink, as strace decodes them: well-formed ones, short ones, several at once. */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static struct request {
  struct nlmsghdr h;
  struct unix_diag_req r;
} q;
static char reply[8192];
static int fd;

/* strace knows a netlink socket by its name only: it is told more by the kernel once the socket is bound. */
static void listen_to_kernel(void) {
  struct sockaddr_nl name = {AF_NETLINK};
  fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
  bind(fd, (void *)&name, sizeof name);
}

static void answer(unsigned room) { recv(fd, reply, room, MSG_DONTWAIT); }

static void ask(int socket, int show) {
  struct stat st;
  fstat(socket, &st);
  q.r.udiag_ino = st.st_ino;
  q.r.udiag_show = show;
  send(fd, &q, sizeof q, 0);
  answer(sizeof reply);
}

static void say(int type, int flags, int family, unsigned length, unsigned sent) {
  q.h.nlmsg_type = type;
  q.h.nlmsg_flags = flags;
  q.h.nlmsg_len = length;
  q.r.sdiag_family = family;
  send(fd, &q, sent, 0);
  answer(sizeof reply);
}

int main(int argc, char **argv) {
  if (chdir(argv[1]) != 0) return 77;
  listen_to_kernel();
  struct sockaddr_un abstract = {AF_UNIX, "\0strace-of-netlink"};
  struct sockaddr_un path = {AF_UNIX, "socket-with-a-rather-long-name-that-is-cut"};
  int pair[2], listener = socket(AF_UNIX, SOCK_STREAM, 0), named = socket(AF_UNIX, SOCK_DGRAM, 0);
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(listener, (void *)&abstract, 20);
  listen(listener, 5);
  bind(named, (void *)&path, sizeof path);
  q = (struct request){{sizeof q, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 7, 0}, {AF_UNIX, 0, 0, -1, 0, 0x7f, {-1, -1}}};
  ask(listener, 0x7f);
  connect(client, (void *)&abstract, 20);
  ask(listener, 0x8);
  ask(named, 0x7f);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
  shutdown(pair[0], SHUT_WR);
  send(pair[1], "12345", 5, 0);
  ask(pair[0], 0xff);
  q.r.udiag_states = 0;
  shutdown(pair[0], SHUT_RD);
  ask(pair[0], 0x40);
  q.r.udiag_states = 0x402, q.r.sdiag_protocol = 3;
  ask(pair[1], 0x30);
  q.r.udiag_states = 1 << 20 | 2, q.r.sdiag_protocol = 0;
  q.r.udiag_cookie[0] = 0x1234;
  ask(pair[1], 0);
  q.r.udiag_cookie[0] = -1;
  send(fd, &q, sizeof q, 0);
  answer(36);
  q.r.udiag_show = 0x10;
  send(fd, &q, sizeof q, 0);
  answer(40);
  answer(10);

  q.r.udiag_states = 1 << 14;
  q.r.udiag_ino = 0;
  q.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP | NLM_F_ECHO | 0x810;
  struct sockaddr_nl kernel = {AF_NETLINK};
  struct iovec vectors[2] = {{&q, 40}, {&q, 16}};
  struct msghdr message = {&kernel, sizeof kernel, vectors, 1};
  sendmsg(fd, &message, 0);
  vectors[0] = (struct iovec){reply, 40}, vectors[1] = (struct iovec){reply + 40, 8000};
  message.msg_iovlen = 2;
  recvmsg(fd, &message, MSG_DONTWAIT);
  recvmsg(fd, &message, MSG_DONTWAIT);
  say(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_ROOT, AF_UNIX, 40, 40);
  say(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_MATCH | NLM_F_ATOMIC, AF_UNIX, 40, 40);
  answer(sizeof reply);

  int request = NLM_F_REQUEST | NLM_F_ACK;
  say(17, request, AF_UNIX, 40, 40);
  say(22, request, AF_UNIX, 40, 40);
  say(SOCK_DIAG_BY_FAMILY, request, AF_UNIX, 20, 20);
  say(SOCK_DIAG_BY_FAMILY, request, AF_UNIX, 17, 20);
  say(SOCK_DIAG_BY_FAMILY, request, AF_XDP, 40, 40);
  say(SOCK_DIAG_BY_FAMILY, request, 77, 20, 20);
  say(SOCK_DIAG_BY_FAMILY, request, 77, 40, 10);
  say(SOCK_DIAG_BY_FAMILY, request, 77, 9, 40);
  send(fd, (void *)8, 40, 0);
  say(NLMSG_DONE, request, 77, 20, 20);
  say(NLMSG_DONE, request, 77, 22, 22);
  say(NLMSG_ERROR, request, 77, 20, 20);
  say(NLMSG_ERROR, request, 77, 36, 36);
  say(NLMSG_OVERRUN, request, 77, 22, 22);
  say(NLMSG_NOOP, 0xff01, 77, 20, 20);
  say(15, request, 77, 24, 24);
  say(77, request, 77, 16, 16);
  struct request several[3];
  q.h = (struct nlmsghdr){40, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 8, 0};
  q.r.sdiag_family = AF_UNIX;
  several[0] = several[1] = several[2] = q;
  send(fd, several, 120, 0);
  answer(sizeof reply);
  answer(sizeof reply);
  answer(sizeof reply);
  send(fd, several, 70, 0);
  answer(sizeof reply);
  send(fd, several, 50, 0);
  answer(sizeof reply);
  write(fd, &q, sizeof q);
  answer(sizeof reply);
  unlink(path.sun_path);
  return 0;
}
