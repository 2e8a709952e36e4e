/* Streams: how bytes are joined and split, peeking, waiting for all, urgent bytes, time-outs. */
#include "net.h"

static int s[2];
static void pair(int flags) {
  close(s[0]), close(s[1]);
  socketpair(AF_UNIX, SOCK_STREAM | flags, 0, s);
}
static int urgents;
static void on_urgent(int n) { urgents++; }

static void state(void) {
  printf("mark %d inq %d outq %d\n", queued(s[1], SIOCATMARK), queued(s[1], SIOCINQ), queued(s[0], SIOCOUTQ));
  ready("reader", s[1]);
}

/* One script of urgent bytes: letters send, capitals send with MSG_OOB, digits read so many, others see below. */
static void script(const char *text, int in_line) {
  pair(SOCK_NONBLOCK);
  if (in_line) set(s[1], SO_OOBINLINE, 1);
  printf("== %s%s\n", text, in_line ? " inline" : "");
  for (const char *p = text; *p; p++) {
    char three[3] = {*p, *p | 32, *p};
    if (*p >= 'a' && *p <= 'z') printf("send %c %ld\n", *p, (long)send(s[0], three, 3, 0));
    else if (*p >= 'A' && *p <= 'Z') printf("urgent %c %ld\n", *p, (long)send(s[0], p, 1, MSG_OOB));
    else if (*p >= '0' && *p <= '9') receive(s[1], *p - '0', 0);
    else if (*p == '!') receive(s[1], 1, MSG_OOB);
    else if (*p == '?') receive(s[1], 1, MSG_OOB | MSG_PEEK);
    else if (*p == '%') receive(s[1], 9, MSG_PEEK);
    else if (*p == '+') printf("long urgent %ld\n", (long)send(s[0], "12Z", 3, MSG_OOB));
    state();
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  static char big[400000], out[400000];
  pair(SOCK_NONBLOCK);
  for (int i = 0; i < sizeof big; i++) big[i] = i % 251;
  send(s[0], "abc", 3, 0), send(s[0], "defgh", 5, 0), send(s[0], "", 0, 0);
  receive(s[1], 4, MSG_PEEK);
  receive(s[1], 20, MSG_PEEK);
  receive(s[1], 4, MSG_TRUNC);
  receive(s[1], 0, 0);
  receive(s[1], 20, MSG_WAITALL);
  /* Nothing at all is waited for, too, when nothing is there. */
  R(recv(s[1], out, 0, MSG_DONTWAIT));
  R(recv(s[1], out, 0, MSG_DONTWAIT | MSG_WAITALL));
  R(recv(s[1], out, 0, MSG_DONTWAIT | MSG_WAITALL | MSG_PEEK));
  receive(s[1], 0, 0);
  receive(s[1], 20, 0);
  R(set(s[1], SO_PEEK_OFF, 1));
  send(s[0], "abc", 3, 0), send(s[0], "defgh", 5, 0);
  for (int k = 0; k < 6; k++) receive(s[1], 3, MSG_PEEK), printf("offset %d\n", option(s[1], SO_PEEK_OFF));
  receive(s[1], 2, 0), printf("offset %d\n", option(s[1], SO_PEEK_OFF));
  receive(s[1], 20, 0), printf("offset %d\n", option(s[1], SO_PEEK_OFF));
  R(set(s[1], SO_PEEK_OFF, 7));
  send(s[0], "abc", 3, 0);
  receive(s[1], 3, MSG_PEEK);
  receive(s[1], 3, 0);
  /* Large writes, byte for byte. */
  pair(SOCK_NONBLOCK);
  long total = 0, got = 0, r;
  while (total < sizeof big && (r = send(s[0], big + total, sizeof big - total, 0)) > 0) total += r;
  printf("took %ld, charged %d, inq %d\n", total, queued(s[0], SIOCOUTQ), queued(s[1], SIOCINQ));
  for (int step = 1; got < total; step = step * 3 % 9973 + 1, got += r) r = recv(s[1], out + got, step, 0);
  printf("same %d\n", memcmp(big, out, total) == 0);
  for (int limit = 0; limit < 100000; limit = limit * 3 + 1000) {
    pair(SOCK_NONBLOCK);
    set(s[0], SO_SNDBUF, limit);
    r = send(s[0], big, 300000, 0);
    printf("buffer %d takes %ld charged %d\n", option(s[0], SO_SNDBUF), r, queued(s[0], SIOCOUTQ));
    r = send(s[0], big, 300000, 0);
    printf("again %ld\n", r < 0 ? -errno : r);
  }
  /* A bad page in the middle. */
  char *page = (char *)0x700000000000;
  syscall(SYS_mmap, page, 8192, 3, 0x32, -1, 0);
  syscall(SYS_munmap, page + 4096, 4096);
  pair(SOCK_NONBLOCK);
  R(send(s[0], page + 4090, 10, 0));
  receive(s[1], 20, 0);
  R(send(s[0], page, 4096, 0));
  send(s[0], "tail", 4, 0);
  R(recv(s[1], page + 4000, 200, 0));
  receive(s[1], 20, 0);
  send(s[0], big, 50000, 0);
  struct iovec v[2] = {{page, 4096}, {page + 4096, 4096}};
  while (recv(s[1], out, sizeof out, 0) > 0);
  send(s[0], big, 5000, 0);
  R(readv(s[1], v, 2));
  R(queued(s[1], SIOCINQ));
  while (recv(s[1], out, sizeof out, 0) > 0);
  v[0].iov_base = big, v[0].iov_len = 40000;
  R(writev(s[0], v, 2));
  R(queued(s[1], SIOCINQ));
  /* Addresses. */
  pair(SOCK_NONBLOCK);
  R(send_to(s[0], "x", 0, "@banos-x"));
  R(sendto(s[0], "x", 1, 0, BAD, 5));
  R(sendto(s[0], "x", 1, 0, BAD, 0));
  R(sendto(s[0], "x", 1, 0, (void *)big, 300));
  R(sendto(s[0], "x", 1, 0, (void *)big, -1));
  int loose = socket(AF_UNIX, SOCK_STREAM, 0);
  R(send_to(loose, "x", 0, "@banos-x"));
  R(send(loose, "x", 1, 0));
  struct sockaddr_un from;
  socklen_t length = sizeof from;
  R(recvfrom(s[1], big, 10, 0, (void *)&from, &length));
  show_address("from", &from, length);
  /* Who reads is named once. */
  int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_to(l, "l"), listen(l, 5), bind_to(c, "@banos-c"), connect_to(c, "l");
  int a = accept(l, 0, 0);
  send(c, "hello", 5, 0);
  length = sizeof from;
  R(recvfrom(a, big, 10, 0, (void *)&from, &length));
  show_address("from", &from, length);
  send(a, "hello", 5, 0);
  length = 4;
  R(recvfrom(c, big, 10, 0, (void *)&from, &length));
  printf("length %d\n", length);
  send(a, "hello", 5, 0);
  length = -4;
  R(recvfrom(c, big, 10, 0, (void *)&from, &length));
  receive(c, 10, 0);
  /* Time-outs: at once, after a while; interrupted with and without. */
  for (int k = 0; k < 5; k++) {
    pair(0);
    struct timeval t = {k == 1 ? -1 : 0, k == 0 ? 0 : 20000};
    on(SIGALRM, k == 4 ? 0 : SA_RESTART);
    if (k >= 1) R(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    if (k == 3) { t.tv_sec = 5; setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t); soon(); }
    if (k == 4) { t.tv_sec = t.tv_usec = 0; setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t); soon(); }
    if (k > 0) R(read(s[1], out, 10));
    if (k == 2) send(s[0], "abc", 3, 0), R(recv(s[1], out, 10, MSG_WAITALL));
    if (k == 3) { t.tv_sec = 0; t.tv_usec = 20000; setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t); R(send(s[0], big, sizeof big, 0)); R(send(s[0], big, sizeof big, 0)); }
  }
  int low = socket(AF_UNIX, SOCK_STREAM, 0);
  pair(SOCK_NONBLOCK);
  set(s[1], SO_RCVLOWAT, 5);
  send(s[0], "abc", 3, 0);
  ready("low water", s[1]);
  receive(s[1], 10, 0);
  /* Urgent bytes. */
  pair(0);
  signal(SIGURG, on_urgent);
  fcntl(s[1], F_SETOWN, getpid());
  send(s[0], "u", 1, MSG_OOB);
  printf("SIGURG %d\n", urgents);
  R(send(s[0], "", 0, MSG_OOB));
  const char *scripts[] = {"aB", "aB!", "aB3!", "aB33!", "aB9", "aBc9", "aBc3!9", "aBc!9", "aBc!3%9", "B9", "B!9", "Ba9", "Ba!9", "aBC!!9", "aBCd9!9", "aBcD9!9!9", "AB!C!9", "A!B!C!d9", "?!", "aB?!?", "aB%9%9", "a+9!", "+!9", "aB!cD!e99", "aB!1%c9", "A!B9", "A!%b%9", "AbC!2!9"};
  for (int i = 0; i < sizeof scripts / sizeof *scripts; i++) script(scripts[i], 0), script(scripts[i], 1);
  /* A peer that goes leaves urgent bytes behind. */
  pair(0);
  send(s[0], "abcX", 4, MSG_OOB);
  close(s[0]);
  ready("after close", s[1]);
  receive(s[1], 9, 0), receive(s[1], 1, MSG_OOB), receive(s[1], 9, 0);
  pair(0);
  send(s[0], "X", 1, MSG_OOB);
  receive(s[1], 1, MSG_OOB);
  close(s[1]);
  ready("read urgent only", s[0]);
  receive(s[0], 9, 0);
  return 0;
}
