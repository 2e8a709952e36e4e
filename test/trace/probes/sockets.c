/* Socket calls whose trace is compared with strace's: addresses, options, messages, flags, failures. */
#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <unistd.h>
#include <fcntl.h>

#define C(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define BAD ((void *)8)

/* In static memory, whose addresses are the same in every run. */
static struct sockaddr_un a, from;
static int s[2], fd, other, accepted, value;
static socklen_t length;
static char data[100], control[200];
static struct iovec parts[2], rooms[2];
static struct msghdr m, r;
static struct mmsghdr many[3];
static struct linger linger = {1, 5};
static struct timeval tv = {1, 500};
static struct ucred cred;
static struct timespec patience = {1, 0};

static socklen_t name(const char *text) {
  memset(&a, 0, sizeof a);
  a.sun_family = AF_UNIX;
  strcpy(a.sun_path, text);
  if (*text == '@') a.sun_path[0] = 0;
  return 2 + strlen(text) + (*text != '@');
}

static void connections(void) {
  fd = C(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  C(socket, 12345, 77, 3);
  C(socket, AF_UNIX, SOCK_RDM, 0);
  C(socket, AF_UNIX, SOCK_STREAM | 0x100, 0);
  C(socket, AF_UNIX, SOCK_STREAM, 9);
  C(bind, fd, &a, name("socket"));
  C(bind, fd, &a, name("socket"));
  C(bind, fd, &a, 2);
  C(bind, fd, &a, 1);
  C(bind, fd, BAD, 10);
  C(bind, fd, 0, 10);
  C(bind, 99, &a, name("@abstract\"name"));
  memset(a.sun_path, 'x', sizeof a.sun_path);
  C(bind, 99, &a, sizeof a);
  C(bind, 99, &a, 7);
  C(accept, fd, 0, 0);
  C(listen, fd, 5);
  other = C(socket, AF_UNIX, SOCK_STREAM, 0);
  C(connect, other, &a, name("nobody"));
  C(bind, other, &a, name("@client"));
  C(connect, other, &a, name("socket"));
  length = sizeof from;
  accepted = C(accept4, fd, &from, &length, SOCK_CLOEXEC);
  C(accept, fd, &from, &length);
  C(accept4, fd, &from, &length, SOCK_NONBLOCK | 0x3);
  length = 5;
  C(getsockname, fd, &from, &length);
  length = sizeof from;
  C(getsockname, fd, &from, &length);
  length = sizeof from;
  C(getpeername, accepted, &from, &length);
  length = sizeof from;
  C(getpeername, other, &from, &length);
  length = sizeof from;
  C(getpeername, fd, &from, &length);
  C(getsockname, fd, BAD, BAD);
  C(getsockname, fd, 0, &length);
  C(shutdown, other, SHUT_RD);
  C(shutdown, other, SHUT_WR);
  C(shutdown, other, SHUT_RDWR);
  C(shutdown, other, 3);
  C(shutdown, -1, 0);
  C(close, accepted);
  C(close, other);
  C(close, fd);
}

static void bytes_(void) {
  C(socketpair, AF_UNIX, SOCK_STREAM, 0, s);
  C(socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 7, s + 5);
  C(sendto, s[0], "hello", 5, 0, 0, 0);
  C(sendto, s[0], "hello", 5, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_EOR, 0, 0);
  C(sendto, s[0], "hello", 5, MSG_OOB | MSG_MORE, &a, name("@somebody"));
  C(sendto, s[0], BAD, 5, 0, 0, 0);
  C(recvfrom, s[1], data, 3, 0, 0, 0);
  C(recvfrom, s[1], data, 30, MSG_PEEK | MSG_TRUNC, 0, 0);
  length = sizeof from;
  C(recvfrom, s[1], data, 30, MSG_DONTWAIT, &from, &length);
  C(recvfrom, s[1], data, 30, MSG_DONTWAIT | MSG_WAITALL | MSG_CMSG_CLOEXEC, &from, &length);
  C(recvfrom, s[1], BAD, 30, 0x12345640, BAD, BAD);
  C(write, s[0], "x", 1);
  C(ioctl, s[1], FIONREAD, &value);
  C(ioctl, s[0], SIOCOUTQ, &value);
  C(ioctl, s[1], SIOCATMARK, &value);
  C(read, s[1], data, 10);
  C(close, s[0]);
  C(sendto, s[1], "x", 1, 0, 0, 0);
  C(recvfrom, s[1], data, 1, 0, 0, 0);
  C(close, s[1]);
  fd = C(socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  C(bind, fd, &a, name("@datagrams"));
  other = C(socket, AF_UNIX, SOCK_DGRAM, 0);
  C(sendto, other, "unnamed", 7, 0, &a, name("@datagrams"));
  C(bind, other, &a, name("named"));
  C(sendto, other, "named", 5, 0, &a, name("@datagrams"));
  C(sendto, other, "named again", 11, 0, &a, name("@datagrams"));
  for (int k = 0; k < 4; k++) {
    length = k == 2 ? 4 : sizeof from;
    C(recvfrom, fd, data, 4, k == 1 ? MSG_TRUNC : 0, &from, &length);
  }
  C(sendto, other, "x", 1, 0, &a, 0);
  a.sun_family = AF_UNSPEC;
  C(connect, other, &a, 2);
  C(connect, other, &a, 16);
  C(close, fd);
  C(close, other);
}

static void options(void) {
  fd = C(socket, AF_UNIX, SOCK_SEQPACKET, 0);
  value = 1;
  C(setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &value, 4);
  C(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &value, 2);
  C(setsockopt, fd, SOL_SOCKET, SO_PASSCRED, &value, 8);
  C(setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, 8);
  C(setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 16);
  C(setsockopt, fd, SOL_SOCKET, SO_RCVBUF, BAD, 4);
  C(setsockopt, fd, SOL_SOCKET, 200, &value, 4);
  C(setsockopt, fd, 12345, 1, &value, 4);
  for (int option = 1; option < 76; option++) {
    if (option == SO_COOKIE || option == SO_PEERCRED || option == 26 || option == 25 || option == 47 || option == 37 || option == 61 || option == 65 || option == 60 || option == 73 || option == 74 || option == 55) continue;
    length = option == 20 || option == 21 || option == 66 || option == 67 ? 16 : option == SO_LINGER ? 8 : 4;
    C(getsockopt, fd, SOL_SOCKET, option, control, &length);
  }
  length = 40;
  C(getsockopt, fd, SOL_SOCKET, SO_LINGER, control, &length);
  length = 40;
  C(getsockopt, fd, SOL_SOCKET, SO_TYPE, control, &length);
  length = 2;
  C(getsockopt, fd, SOL_SOCKET, SO_TYPE, control, &length);
  length = 40;
  C(getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, control, &length);
  length = sizeof cred;
  C(getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &length);
  C(getsockopt, fd, SOL_SOCKET, SO_TYPE, BAD, &length);
  C(getsockopt, fd, SOL_SOCKET, SO_TYPE, control, BAD);
  C(getsockopt, fd, 12345, SO_TYPE, control, &length);
  C(close, fd);
}

static void messages(void) {
  C(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, s);
  value = 1;
  C(setsockopt, s[1], SOL_SOCKET, SO_PASSCRED, &value, 4);
  parts[0] = (struct iovec){"first", 5}, parts[1] = (struct iovec){"second", 6};
  rooms[0] = (struct iovec){data, 3}, rooms[1] = (struct iovec){data + 10, 50};
  m.msg_iov = parts, m.msg_iovlen = 2;
  C(sendmsg, s[0], &m, 0);
  C(sendmsg, s[0], &m, MSG_NOSIGNAL);
  m.msg_control = control, m.msg_controllen = CMSG_SPACE(8);
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(8);
  memcpy(CMSG_DATA(c), s, 8);
  C(sendmsg, s[0], &m, 0);
  C(sendmsg, s[0], &m, 0);
  C(sendmsg, s[0], &m, 0);
  c->cmsg_level = 77, c->cmsg_type = 88;
  C(sendmsg, s[0], &m, 0);
  c->cmsg_len = 3;
  C(sendmsg, s[0], &m, 0);
  m.msg_control = BAD;
  C(sendmsg, s[0], &m, 0);
  m.msg_control = 0, m.msg_controllen = 0;
  C(sendmsg, s[0], BAD, 0);
  C(sendmsg, s[0], 0, 0);
  m.msg_name = &a, m.msg_namelen = name("@to");
  C(sendmsg, s[0], &m, 0);
  m.msg_name = 0, m.msg_namelen = 0;
  r.msg_iov = rooms, r.msg_iovlen = 2;
  C(recvmsg, s[1], &r, 0);
  r.msg_control = control, r.msg_controllen = sizeof control;
  r.msg_name = &from, r.msg_namelen = sizeof from;
  value = 0;
  C(setsockopt, s[1], SOL_SOCKET, SO_PASSCRED, &value, 4);
  C(recvmsg, s[1], &r, 0);
  r.msg_controllen = sizeof control, r.msg_namelen = sizeof from;
  C(recvmsg, s[1], &r, MSG_CMSG_CLOEXEC);
  r.msg_controllen = 20, r.msg_namelen = sizeof from;
  C(recvmsg, s[1], &r, 0);
  r.msg_controllen = 4, r.msg_namelen = sizeof from;
  C(recvmsg, s[1], &r, MSG_DONTWAIT);
  r.msg_controllen = 0, r.msg_control = 0, r.msg_namelen = 0, r.msg_name = 0;
  C(recvmsg, s[1], &r, MSG_DONTWAIT);
  C(recvmsg, s[1], &r, MSG_DONTWAIT);
  C(recvmsg, s[1], &r, MSG_DONTWAIT);
  C(recvmsg, s[1], BAD, MSG_DONTWAIT);
  for (int k = 0; k < 3; k++) many[k].msg_hdr = m;
  C(sendmmsg, s[0], many, 3, MSG_DONTWAIT);
  C(sendmmsg, -1, many, 2, 0);
  C(sendmmsg, s[0], BAD, 2, 0);
  for (int k = 0; k < 3; k++) many[k].msg_hdr = r, many[k].msg_len = 0;
  C(recvmmsg, s[1], many, 2, MSG_WAITFORONE, 0);
  C(recvmmsg, s[1], many, 3, MSG_DONTWAIT, &patience);
  C(recvmmsg, s[1], many, 3, MSG_DONTWAIT, 0);
  C(recvmmsg, s[1], many, 3, 0, BAD);
  C(recvmmsg, s[1], BAD, 3, MSG_DONTWAIT, 0);
  C(close, s[0]);
  C(close, s[1]);
}

static void netlink(void) {
  struct sockaddr_nl name = {AF_NETLINK, 0, 4711, 0x10};
  int value = 1, fd, pair[2];
  socklen_t length = sizeof name;
  C(socket, AF_NETLINK, SOCK_DGRAM, 33);
  C(socketpair, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG, pair);
  fd = C(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  C(bind, fd, &name, 12);
  name.nl_pad = 3;
  C(bind, fd, &name, 5);
  C(bind, fd, &name, 20);
  name.nl_groups = 0, name.nl_pad = 0, name.nl_pid = -3;
  C(bind, fd, &name, 12);
  C(getsockname, fd, &name, &length);
  for (int option = 0; option < 14; option++) C(setsockopt, fd, SOL_NETLINK, option, &value, 4);
  length = 4;
  C(getsockopt, fd, SOL_NETLINK, NETLINK_EXT_ACK, &value, &length);
  C(close, fd);
}

int main(int argc, char **argv) {
  if (argc > 2) return 3;
  if (chdir(argv[1]) != 0) return 77;
  signal(SIGPIPE, SIG_IGN);
  connections();
  bytes_();
  options();
  messages();
  netlink();
  return 0;
}
