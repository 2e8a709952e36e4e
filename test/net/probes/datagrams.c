/* Datagrams and sequenced packets: whole messages, peers, full queues, truncation, lost connections. */
#include "net.h"

static void full(int type) {
  int s[2], count = 0;
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  while (send(s[0], "x", 1, 0) == 1) count++;
  printf("pair takes %d, then %s, outq %d inq %d\n", count, strerrorname_np(errno), queued(s[0], SIOCOUTQ), queued(s[1], SIOCINQ));
  ready("full", s[0]), ready("reader", s[1]);
  for (int k = 0; k < count && !(({ struct pollfd p = {s[0], POLLOUT}; poll(&p, 1, 0); p.revents; }) & POLLOUT); k++) {
    char b;
    recv(s[1], &b, 1, 0);
    if (k % 50 == 0) ready("draining", s[0]);
  }
  printf("writable again at %d\n", queued(s[0], SIOCOUTQ));
  close(s[0]), close(s[1]);
}

int main(int argc, char **argv) {
  start(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  int a = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), b = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  int c = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  char buffer[300];
  struct sockaddr_un from;
  socklen_t length;
  R(send(a, "x", 1, 0));
  R(send_to(a, "x", 0, "@banos-b"));
  bind_to(b, "@banos-b");
  R(send_to(a, "first", 0, "@banos-b"));
  bind_to(a, "name-a");
  R(send_to(a, "second", 0, "@banos-b"));
  R(send_to(a, "", 0, "@banos-b"));
  ready("b", b);
  printf("inq %d outq %d\n", queued(b, SIOCINQ), queued(a, SIOCOUTQ) > 0);
  for (int k = 0; k < 4; k++) {
    length = sizeof from;
    memset(&from, 0, sizeof from);
    R(recvfrom(b, buffer, k == 1 ? 3 : sizeof buffer, k == 1 ? MSG_TRUNC : 0, (void *)&from, &length));
    show_address("from", &from, length);
  }
  R(connect_to(a, "@banos-b"));
  names(a);
  ready("a", a);
  R(send(a, "connected", 9, 0));
  R(send_to(a, "self", 0, "name-a"));
  R(connect_to(b, "name-a"));
  R(send_to(c, "stranger", 0, "@banos-b"));
  R(connect_to(c, "@banos-b"));
  R(send(b, "back", 4, 0));
  receive(a, 20, 0);
  receive(a, 20, 0);
  receive(b, 20, 0);
  send(a, "lost", 4, 0);
  R(disconnect(b));
  names(b);
  ready("b disconnected", b);
  receive(b, 20, 0);
  ready("a", a);
  printf("error %d\n", option(a, SO_ERROR));
  R(send(a, "kept", 4, 0));
  receive(b, 20, 0);
  R(connect_to(b, "name-a"));
  R(send(b, "one", 3, 0));
  R(disconnect(a));
  R(send(b, "two", 3, 0));
  receive(a, 20, 0);
  receive(a, 20, 0);
  R(connect_to(a, "@banos-b"));
  close(b);
  ready("dead peer", a);
  names(a);
  R(send(a, "x", 1, 0));
  names(a);
  R(send(a, "x", 1, 0));
  receive(a, 10, 0);
  R(connect_to(a, "@banos-b"));
  R(disconnect(a));
  R(send_to(a, "me", 0, "name-a"));
  receive(a, 10, 0);
  R(connect_to(a, "name-a"));
  for (int k = 0; k < 12; k++) if (send(a, "y", 1, 0) != 1) printf("self full at %d %s\n", k, strerrorname_np(errno));
  while (recv(a, buffer, 1, 0) == 1);
  disconnect(a);
  /* A queue that is full, from a stranger's side. */
  b = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  bind_to(b, "@banos-b");
  int count = 0;
  while (send_to(a, "x", 0, "@banos-b") == 1) count++;
  printf("queue takes %d, then %s\n", count, strerrorname_np(errno));
  ready("unconnected", a);
  R(connect_to(a, "@banos-b"));
  ready("connected to full", a);
  R(send(a, "x", 1, 0));
  receive(b, 1, 0);
  ready("room", a);
  R(send(a, "x", 1, 0));
  ready("full", a);
  R(connect_to(b, "name-a"));
  ready("mutual", a);
  R(send(a, "x", 1, 0));
  close(b);
  R(send(a, "x", 1, 0));
  /* Sizes. */
  int s[2];
  static char big[300000];
  for (int type = SOCK_DGRAM; type <= SOCK_SEQPACKET; type += 3) {
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
    for (long size = 212940; size < 212970; size++) {
      long r = send(s[0], big, size, 0);
      printf("size %ld %s\n", size, r == size ? "fits" : strerrorname_np(errno));
      if (r > 0) recv(s[1], big, sizeof big, 0);
    }
    set(s[0], SO_SNDBUF, 1);
    for (long size = 4570; size < 4580; size++) {
      long r = send(s[0], big, size, 0);
      printf("size %ld %s\n", size, r == size ? "fits" : strerrorname_np(errno));
      if (r > 0) recv(s[1], big, sizeof big, 0);
    }
    set(s[0], SO_SNDBUF, 1 << 19);
    strcpy(big, "0123456789");
    send(s[0], big, 10, 0), send(s[0], big, 0, 0), send(s[0], big, 5, 0);
    receive(s[1], 4, MSG_PEEK);
    receive(s[1], 4, MSG_PEEK | MSG_TRUNC);
    receive(s[1], 4, MSG_TRUNC);
    receive(s[1], 4, MSG_PEEK);
    receive(s[1], 4, 0);
    receive(s[1], 4, MSG_WAITALL);
    receive(s[1], 4, 0);
    R(set(s[1], SO_PEEK_OFF, 0));
    send(s[0], "abcdef", 6, 0), send(s[0], "ghij", 4, 0), send(s[0], "", 0, 0), send(s[0], "kl", 2, 0);
    for (int k = 0; k < 6; k++) receive(s[1], 4, MSG_PEEK), printf("offset %d\n", option(s[1], SO_PEEK_OFF));
    receive(s[1], 2, 0), printf("offset %d\n", option(s[1], SO_PEEK_OFF));
    receive(s[1], 2, 0), printf("offset %d\n", option(s[1], SO_PEEK_OFF));
    R(set(s[1], SO_PEEK_OFF, 3));
    receive(s[1], 4, MSG_PEEK);
    receive(s[1], 4, 0), receive(s[1], 4, 0);
    R(set(s[1], SO_PEEK_OFF, -1));
    R(send(s[0], BAD, 5, 0));
    R(send(s[0], "abc", 3, MSG_OOB));
    R(recv(s[1], big, 3, MSG_OOB | MSG_DONTWAIT));
    send(s[0], "gone", 4, 0);
    R(recv(s[1], BAD, 4, 0));
    receive(s[1], 4, 0);
    close(s[0]), close(s[1]);
  }
  EACH_TYPE(i) full(TYPES[i]);
  /* Each size class of the accounting. */
  EACH_TYPE(i) for (int size = 0; size < 200000; size = size < 40000 ? size + 61 : size + 3777) {
    socketpair(AF_UNIX, TYPES[i] | SOCK_NONBLOCK, 0, s);
    long r = send(s[0], big, size, 0);
    if (size % 5 == 0) printf("size %d sent %ld charged %d\n", size, r, queued(s[0], SIOCOUTQ));
    close(s[0]), close(s[1]);
  }
  EACH_TYPE(i) for (int size = 1; size < 100000; size = size * 5 + 3) {
    socketpair(AF_UNIX, TYPES[i] | SOCK_NONBLOCK, 0, s);
    long total = 0, r, n = 0;
    while ((r = send(s[0], big, size, 0)) > 0) total += r, n++;
    printf("size %d: %ld sends, %ld bytes, charged %d, inq %d\n", size, n, total, queued(s[0], SIOCOUTQ), queued(s[1], SIOCINQ));
    close(s[0]), close(s[1]);
  }
  return 0;
}
