/*
 * Netlink and its protocol NETLINK_SOCK_DIAG: addresses, hostile messages, answers about unix sockets, dumps of many.
 * Each runs in a network namespace of its own, so that no socket of others is among the answers.
 */
#include "net.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#define EVERYTHING 0x7f
struct request { struct nlmsghdr header; struct unix_diag_req ask; };

static int diag(void) { return socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG); }
static void user(void) { setresgid(1001, 1001, 1001), setresuid(1001, 1001, 1001); }
static unsigned inode(int fd) { struct stat s; return fstat(fd, &s) ? 0 : s.st_ino; }
static void cookie(int fd, unsigned *to) { socklen_t length = 8; getsockopt(fd, SOL_SOCKET, SO_COOKIE, to, &length); }

static struct request request(int flags, unsigned ino, int show) {
  struct request r = {{sizeof r, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | flags, 77, 0}, {AF_UNIX}};
  r.ask.udiag_ino = ino, r.ask.udiag_show = show, r.ask.udiag_states = -1;
  r.ask.udiag_cookie[0] = r.ask.udiag_cookie[1] = -1;
  return r;
}

/* Numbers of inodes and devices are shown by what they are the numbers of. */
static unsigned known[40];
static int knownCount;
static int know(int fd) { known[knownCount++] = inode(fd); return fd; }
static int who(unsigned ino) { for (int i = 0; i < knownCount; i++) if (known[i] == ino) return i; return ino == 0 ? -1 : -2; }

static void attributes(struct rtattr *a, int left) {
  for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    unsigned *word = RTA_DATA(a), count = RTA_PAYLOAD(a) / 4;
    struct stat s;
    printf(" [%d:%d", a->rta_type, (int)RTA_PAYLOAD(a));
    switch (a->rta_type) {
      case UNIX_DIAG_NAME: for (int i = 0; i < RTA_PAYLOAD(a); i++) printf(i || ((char *)word)[0] ? "%c" : "@", ((char *)word)[i] ? ((char *)word)[i] : '0'); break;
      case UNIX_DIAG_VFS: printf(" %d", stat("path", &s) == 0 && word[0] == (unsigned)s.st_ino && word[1] == (major(s.st_dev) << 20 | minor(s.st_dev))); break;
      case UNIX_DIAG_PEER: printf(" %d", who(word[0])); break;
      case UNIX_DIAG_ICONS: for (int i = 0; i < count; i++) printf(" %d", who(word[i])); break;
      case UNIX_DIAG_SHUTDOWN: printf(" %d", *(char *)word); break;
      default: for (int i = 0; i < count; i++) printf(" %u", word[i]);
    }
    printf("]");
  }
}

/* One message of an answer. */
static void show(struct nlmsghdr *h, unsigned port) {
  struct unix_diag_msg *m = NLMSG_DATA(h);
  struct nlmsgerr *e = NLMSG_DATA(h);
  printf("  len %d type %d flags %#x seq %d mine %d:", h->nlmsg_len, h->nlmsg_type, h->nlmsg_flags, h->nlmsg_seq, h->nlmsg_pid == port);
  if (h->nlmsg_type == NLMSG_ERROR) printf(" error %s of len %d type %d flags %#x seq %d", e->error ? strerrorname_np(-e->error) : "0", e->msg.nlmsg_len, e->msg.nlmsg_type, e->msg.nlmsg_flags, e->msg.nlmsg_seq);
  else if (h->nlmsg_type == NLMSG_DONE) printf(" done %d", *(int *)m);
  else if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
    printf(" family %d type %d state %d pad %d socket %d", m->udiag_family, m->udiag_type, m->udiag_state, m->pad, who(m->udiag_ino));
    attributes((void *)(m + 1), h->nlmsg_len - NLMSG_LENGTH(sizeof *m));
  }
  printf("\n");
}

static void answers(int fd) {
  static char b[65536];
  struct sockaddr_nl me;
  socklen_t length = sizeof me;
  getsockname(fd, (void *)&me, &length);
  for (;;) {
    struct sockaddr_nl from;
    memset(&from, 0xff, sizeof from);
    struct iovec v = {b, sizeof b};
    struct msghdr m = {&from, sizeof from, &v, 1};
    long r = recvmsg(fd, &m, MSG_DONTWAIT);
    if (r < 0) { printf("  %s\n", strerrorname_np(errno)); return; }
    printf(" %ld bytes from %d %d %d, name %d, flags %#x\n", r, from.nl_family, from.nl_pid, from.nl_groups, m.msg_namelen, m.msg_flags);
    for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, r); h = NLMSG_NEXT(h, r)) show(h, me.nl_pid);
  }
}

static void ask(int fd, const char *what, void *data, long length) {
  printf("%s:", what);
  errno = 0;
  long r = send(fd, data, length, 0);
  printf(" %ld %s\n", r, r < 0 ? strerrorname_np(errno) : "");
  answers(fd);
}

static void addresses(void) {
  for (int family = 15; family <= 16; family++) for (int type = 0; type <= 11; type++) for (int protocol = -1; protocol < 34; protocol++) {
    /* Protocols that a kernel may be built without. */
    if (family != AF_NETLINK || (type == SOCK_RAW && protocol >= 0 && protocol != NETLINK_SOCK_DIAG && protocol < 32)) continue;
    if (type == SOCK_DGRAM && protocol >= 0 && protocol < 32 && protocol != NETLINK_SOCK_DIAG) continue;
    errno = 0;
    int fd = socket(family, type, protocol), pair[2];
    if (fd >= 0) close(fd);
    printf("socket %d %d %d: %s", family, type, protocol, fd < 0 ? strerrorname_np(errno) : "ok");
    printf(" pair: %d %s\n", socketpair(family, type, protocol, pair), strerrorname_np(errno));
  }
  int a = diag(), b = diag(), c = diag(), d = diag();
  struct sockaddr_nl n = {AF_NETLINK}, got;
  socklen_t length;
#define NAME(fd) (length = sizeof got, memset(&got, 0xff, sizeof got), R(getsockname(fd, (void *)&got, &length)), printf("  %d %d %s %#x length %d\n", got.nl_family, got.nl_pad, got.nl_pid == 0 ? "0" : got.nl_pid == getpid() ? "me" : (int)got.nl_pid < 0 ? "negative" : got.nl_pid == 4711 ? "4711" : "other", got.nl_groups, length))
#define PEER(fd) (length = sizeof got, R(getpeername(fd, (void *)&got, &length)), printf("  %d %d %#x length %d\n", got.nl_family, got.nl_pid, got.nl_groups, length))
#define TRY(call, fd, address, size) (errno = 0, report(#call " " #fd " " #size, call(fd, (void *)(address), size)))
  NAME(a), PEER(a);
  for (int size = 0; size < 20; size++) TRY(bind, a, &n, size), TRY(connect, b, &n, size);
  NAME(a), NAME(b);
  n.nl_family = AF_UNIX;
  TRY(bind, c, &n, 12), TRY(connect, c, &n, 12);
  n.nl_family = AF_UNSPEC;
  TRY(bind, c, &n, 12), TRY(connect, c, &n, 12), TRY(connect, c, &n, 2);
  n.nl_family = AF_NETLINK;
  TRY(bind, c, BAD, 12), TRY(bind, c, &n, -1);
  n.nl_pid = 4711;
  TRY(bind, c, &n, 12), TRY(bind, d, &n, 12), TRY(bind, a, &n, 12);
  NAME(c), NAME(d);
  n.nl_pid = 4712;
  TRY(bind, c, &n, 12);
  n.nl_pid = 4711, n.nl_groups = 0xff;
  TRY(bind, c, &n, 12), NAME(c);
  n.nl_groups = 6;
  TRY(connect, d, &n, 12), PEER(d);
  TRY(connect, d, &(struct sockaddr_nl){AF_UNSPEC}, 12), PEER(d);
  R(listen(a, 5)), R(accept(a, 0, 0)), R(shutdown(a, SHUT_RDWR)), R(queued(a, SIOCINQ)), R(queued(a, SIOCOUTQ)), R(queued(a, SIOCATMARK));
  ready("netlink", a);
  close(a), close(b);
  int e = diag();
  TRY(bind, e, &(struct sockaddr_nl){AF_NETLINK}, 12), NAME(e);
  close(c), close(d), close(e);
}

static void user_addresses(void) {
  user();
  int a = diag(), b = diag();
  struct sockaddr_nl n = {AF_NETLINK, 0, 0, 1};
  TRY(bind, a, &n, 12);
  n.nl_groups = 0, n.nl_pid = 1;
  TRY(connect, a, &n, 12);
  n.nl_pid = 0, n.nl_groups = 1;
  TRY(connect, a, &n, 12);
  n.nl_groups = 0;
  TRY(connect, a, &n, 12);
  n.nl_pid = getpid();
  errno = 0, report("to another", sendto(b, "x", 1, 0, (void *)&n, 12));
  struct request r = request(0, inode(a), EVERYTHING);
  r.ask.sdiag_family = AF_UNIX;
  ask(a, "a user asks of what is no unix socket", &r, sizeof r);
  int u = know(socket(AF_UNIX, SOCK_DGRAM, 0));
  r = request(0, inode(u), EVERYTHING);
  ask(a, "a user asks", &r, sizeof r);
}

/* Messages that are wrong, each with and without a wish for an answer. */
static void hostile(void) {
  int fd = diag(), u = know(socket(AF_UNIX, SOCK_STREAM, 0));
  char b[200] = {0};
  R(send(fd, "", 0, 0));
  R(send(fd, BAD, 10, 0));
  R(send(fd, b, 10, MSG_OOB));
  R(recv(fd, b, 10, MSG_OOB));
  answers(fd);
  for (int size = 1; size < 48; size++) {
    struct request r = request(NLM_F_ACK, inode(u), EVERYTHING);
    printf("%d bytes of a request\n", size);
    ask(fd, "as it says", &r, size);
    r.header.nlmsg_len = size;
    ask(fd, "cut", &r, size);
  }
  static const unsigned lengths[] = {0, 1, 15, 16, 17, 39, 40, 41, 0x7fffffff, 0x80000000, 0xffffffff};
  for (int i = 0; i < sizeof lengths / 4; i++) {
    struct request r = request(NLM_F_ACK, inode(u), 0);
    r.header.nlmsg_len = lengths[i];
    ask(fd, "another length", &r, sizeof r);
  }
  static const int types[] = {0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 20, 21, 22, 0xffff}, flags[] = {0, 1, 4, 5, 0x101, 0x201, 0x105, 0x305};
  for (int i = 0; i < sizeof types / 4; i++) for (int j = 0; j < sizeof flags / 4; j++) {
    if (types[i] == 18 || types[i] == 19) continue; /* TCPDIAG_GETSOCK, DCCPDIAG_GETSOCK */
    struct request r = request(0, inode(u), 0);
    r.header.nlmsg_type = types[i], r.header.nlmsg_flags = flags[j];
    printf("type %d flags %#x ", types[i], flags[j]);
    ask(fd, "of", &r, sizeof r);
  }
  static const int families[] = {0, 3, 44, 45, 46, 47, 255};
  for (int i = 0; i < sizeof families / 4; i++) for (int type = 20; type < 22; type++) {
    struct request r = request(0, inode(u), 0);
    r.header.nlmsg_type = type, r.ask.sdiag_family = families[i];
    printf("family %d ", families[i]);
    ask(fd, "of", &r, sizeof r);
  }
  struct request r = request(0, 0, 0);
  ask(fd, "no inode", &r, sizeof r);
  r.ask.udiag_ino = inode(fd);
  ask(fd, "a netlink socket's", &r, sizeof r);
  r.ask.udiag_ino = inode(u), cookie(u, r.ask.udiag_cookie);
  ask(fd, "its cookie", &r, sizeof r);
  r.ask.udiag_cookie[0]++;
  ask(fd, "another cookie", &r, sizeof r);
  r.ask.udiag_cookie[0] = -1;
  ask(fd, "half no cookie", &r, sizeof r);
  struct { struct request a, b, c; } three = {request(NLM_F_ACK, inode(u), 0), request(0, 1, 0), request(0, inode(u), EVERYTHING)};
  ask(fd, "three at once", &three, sizeof three);
  ask(fd, "two and a bit", &three, sizeof three - 5);
  R(setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){1}, 4));
  ask(fd, "capped", &three, sizeof three);
  close(fd), close(u);
}

static void truncated(void) {
  int fd = diag(), u = know(socket(AF_UNIX, SOCK_STREAM, 0));
  struct request r = request(NLM_F_ACK, inode(u), EVERYTHING);
  char b[1000];
  for (int room = 0; room < 60; room += 7) for (int flags = 0; flags < 2; flags++) {
    send(fd, &r, sizeof r, 0);
    struct iovec v = {b, room};
    struct msghdr m = {0, 0, &v, 1};
    long n = recvmsg(fd, &m, flags ? MSG_TRUNC : 0);
    printf("room %d: %ld flags %#x\n", room, n, m.msg_flags);
    m.msg_flags = 0;
    n = recvmsg(fd, &m, MSG_PEEK | (flags ? MSG_TRUNC : 0));
    printf("  peek: %ld flags %#x\n", n, m.msg_flags);
    answers(fd);
  }
  set(fd, SO_PASSCRED, 1);
  send(fd, &r, sizeof r, 0);
  char control[100];
  struct iovec v = {b, sizeof b};
  struct msghdr m = {0, 0, &v, 1, control, sizeof control};
  setsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, &(int){1}, 4);
  printf("with credentials: %ld, %d bytes of control data\n", recvmsg(fd, &m, 0), (int)m.msg_controllen);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) printf("  level %d type %d len %d: %d %d %d\n", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len, ((int *)CMSG_DATA(c))[0], c->cmsg_len > 20 ? ((int *)CMSG_DATA(c))[1] : -1, c->cmsg_len > 20 ? ((int *)CMSG_DATA(c))[2] : -1);
  m.msg_controllen = 0, m.msg_control = 0;
  printf("without room: %ld flags %#x\n", recvmsg(fd, &m, 0), m.msg_flags);
  /* Descriptors cannot go this way. */
  memset(control, 0, sizeof control);
  struct cmsghdr *c = (void *)control;
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
  m.msg_control = control, m.msg_controllen = CMSG_SPACE(4), v.iov_len = 20;
  R(sendmsg(fd, &m, 0));
  v.iov_base = BAD, v.iov_len = 100;
  m.msg_control = 0, m.msg_controllen = 0;
  send(fd, &r, sizeof r, 0);
  R(recvmsg(fd, &m, 0));
  answers(fd);
  close(fd), close(u);
}

/* What is told of sockets in all states. */
static void states(void) {
  int fd = diag();
  EACH_TYPE(t) {
    knownCount = 0;
    int s[2], all[12], n = 0;
    socketpair(AF_UNIX, TYPES[t], 0, s);
    all[n++] = s[0], all[n++] = s[1];
    int l = all[n++] = socket(AF_UNIX, TYPES[t], 0), c1 = all[n++] = socket(AF_UNIX, TYPES[t], 0), c2 = all[n++] = socket(AF_UNIX, TYPES[t], 0), c3 = all[n++] = socket(AF_UNIX, TYPES[t], 0);
    unlink("path"), bind_to(l, "path"), bind_to(c3, "@abstract");
    if (t != 1) listen(l, 3);
    connect_to(c1, "path"), connect_to(c2, "path");
    if (t != 1) all[n++] = accept(l, 0, 0);
    int h = all[n++] = socket(AF_UNIX, TYPES[t], 0);
    send(s[0], "12345", 5, 0), send(s[0], "678", 3, 0), send(c1, "message", 7, 0);
    fchown(c2, 5, 6);
    shutdown(s[0], SHUT_WR), shutdown(h, SHUT_RD), set(h, SO_SNDBUF, 10000), set(h, SO_RCVBUF, 20000);
    for (int i = 0; i < n; i++) know(all[i]);
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < n; i++) {
        struct request r = request(0, inode(all[i]), EVERYTHING);
        char what[20];
        sprintf(what, "socket %d", i);
        ask(fd, what, &r, sizeof r);
        int info[9] = {0};
        socklen_t length = sizeof info;
        getsockopt(all[i], SOL_SOCKET, SO_MEMINFO, info, &length);
        printf(" meminfo");
        for (int k = 0; k < 9; k++) printf(" %d", info[k]);
        printf("\n");
      }
      /* The other ends go. */
      close(s[1]), close(c1), n = n > 8 ? 8 : n;
      all[1] = all[3] = h;
    }
    for (int i = 0; i < n; i++) close(all[i]);
  }
  for (int bit = 0; bit < 8; bit++) {
    int u = know(socket(AF_UNIX, SOCK_STREAM, 0));
    struct request r = request(0, inode(u), 1 << bit);
    ask(fd, "one wish", &r, sizeof r);
    close(u);
  }
  close(fd);
}

/* A dump, its pieces as the reader asks for them. @returns sockets */
static int dump(int fd, int states, int show, int room) {
  static char b[65536];
  static unsigned seen[5000];
  struct request r = request(NLM_F_DUMP, 0, show);
  r.ask.udiag_states = states;
  int count = 0, pieces = 0;
  if (send(fd, &r, sizeof r, 0) != sizeof r) return -1;
  for (;;) {
    long n = recv(fd, b, room, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0) { printf("  dump %s\n", strerrorname_np(errno)); return -2; }
    pieces++;
    for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type == NLMSG_DONE) { printf("  done after %d pieces: len %d flags %#x seq %d value %d\n", pieces, h->nlmsg_len, h->nlmsg_flags, h->nlmsg_seq, *(int *)NLMSG_DATA(h)); return count; }
      if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_flags != NLM_F_MULTI) printf("  odd type %d flags %#x\n", h->nlmsg_type, h->nlmsg_flags);
      unsigned ino = ((struct unix_diag_msg *)NLMSG_DATA(h))->udiag_ino;
      for (int i = 0; i < count; i++) if (seen[i] == ino) printf("  twice\n");
      seen[count++] = ino;
    }
  }
}

static void dumps(void) {
  struct rlimit many = {5000, 5000};
  setrlimit(RLIMIT_NOFILE, &many);
  int fd = diag(), s[2], l;
  printf("none: %d\n", dump(fd, -1, 0, 65536));
  for (int i = 0; i < 500; i++) socketpair(AF_UNIX, TYPES[i % 3], 0, s);
  for (int i = 0; i < 300; i++) socket(AF_UNIX, TYPES[i % 3], 0);
  l = socket(AF_UNIX, SOCK_STREAM, 0), bind_to(l, "@l"), listen(l, 50);
  for (int i = 0; i < 20; i++) connect_to(socket(AF_UNIX, SOCK_STREAM, 0), "@l");
  static const int states[] = {0, -1, 1 << 1, 1 << 7, 1 << 10, 1 << 10 | 1 << 7, 1 << 2, 1};
  for (int i = 0; i < 8; i++) printf("states %#x: %d\n", states[i], dump(fd, states[i], 0, 65536));
  for (int room = 4096; room <= 65536; room *= 2) {
    int fresh = diag();
    printf("room %d: %d\n", room, dump(fresh, -1, UDIAG_SHOW_UID, room));
    printf("then: %d\n", dump(fresh, -1, UDIAG_SHOW_UID, room));
    close(fresh);
  }
  /* Another one while one is under way, and one that nobody reads. */
  struct request r = request(NLM_F_DUMP, 0, 0);
  R(send(fd, &r, sizeof r, 0));
  R(send(fd, &r, sizeof r, 0));
  r.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ROOT;
  int other = diag();
  printf("half a wish for a dump: %d\n", (int)send(other, &r, sizeof r, 0));
  char b[65536];
  int first = recv(other, b, 16, MSG_TRUNC | MSG_PEEK) > 3000;
  printf("first piece is there: %d\n", first);
  ready("dumping", other);
  close(other), close(fd);
  /* A listener with more connections than fit in one answer. */
  l = socket(AF_UNIX, SOCK_STREAM, 0), bind_to(l, "@many"), listen(l, 4000);
  fd = diag();
  for (int i = 0; i < 9; i++) {
    if (i % 3 == 0) for (int k = 0; k < 900; k++) connect_to(socket(AF_UNIX, SOCK_STREAM, 0), "@many");
    struct request r = request(0, inode(l), i % 3 == 0 ? UDIAG_SHOW_ICONS : i % 3 == 1 ? UDIAG_SHOW_RQLEN : EVERYTHING);
    know(l);
    printf("many connections: %ld\n", send(fd, &r, sizeof r, 0));
    long n = recv(fd, b, sizeof b, MSG_DONTWAIT);
    struct nlmsghdr *h = (void *)b;
    printf("  %ld: type %d error %s\n", n, h->nlmsg_type, h->nlmsg_type == NLMSG_ERROR ? strerrorname_np(-*(int *)NLMSG_DATA(h)) : "-");
  }
  close(fd);
}

/* From process to process. */
static void unicast(void) {
  int a = diag(), b = diag();
  struct sockaddr_nl na = {AF_NETLINK, 0, 111}, nb = {AF_NETLINK, 0, 222}, from;
  bind(a, (void *)&na, sizeof na), bind(b, (void *)&nb, sizeof nb);
  char buffer[300000] = "hello";
  socklen_t length = sizeof from;
  R(sendto(a, "hello", 5, 0, (void *)&nb, sizeof nb));
  R(recvfrom(b, buffer, 100, MSG_DONTWAIT, (void *)&from, &length));
  printf("%.5s from %d groups %d\n", buffer, from.nl_pid, from.nl_groups);
  na.nl_pid = 333;
  R(sendto(a, "hello", 5, 0, (void *)&na, sizeof na));
  na.nl_pid = 111;
  R(connect(b, (void *)&nb, sizeof nb));
  R(sendto(a, "from a stranger", 5, 0, (void *)&nb, sizeof nb));
  R(connect(b, (void *)&na, sizeof na));
  R(sendto(a, "from the peer", 13, 0, (void *)&nb, sizeof nb));
  R(send(b, "to the peer", 11, 0));
  receive(a, 100, 0), receive(b, 100, 0);
  R(sendto(a, buffer, 212992 - 31, 0, (void *)&nb, sizeof nb));
  for (int size = 0; size < 13; size++) R(sendto(a, "x", 1, MSG_DONTWAIT, (void *)&nb, size));
  while (recv(b, buffer, 10, MSG_DONTWAIT) >= 0) ;
  /* Groups. */
  na.nl_groups = 0, na.nl_pid = 0;
  int c = diag(), d = diag();
  R(setsockopt(c, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){2}, 4));
  na.nl_groups = 2, R(bind(d, (void *)&na, sizeof na));
  na.nl_groups = 2, na.nl_pid = 0;
  R(sendto(a, "to the group", 12, 0, (void *)&na, sizeof na));
  length = sizeof from;
  R(recvfrom(c, buffer, 100, MSG_DONTWAIT, (void *)&from, &length));
  printf("from %d groups %#x\n", from.nl_pid, from.nl_groups);
  receive(d, 100, 0), receive(a, 100, 0), receive(b, 100, 0);
  R(setsockopt(c, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &(int){2}, 4));
  R(sendto(a, "again", 5, 0, (void *)&na, sizeof na));
  receive(c, 100, 0), receive(d, 100, 0);
  /* A full queue: a sender waits, and goes on when there is room; a group does not wait, its member hears that something is lost. */
  nb.nl_groups = 0;
  long sent = 0;
  while (sendto(a, buffer, 20000, MSG_DONTWAIT, (void *)&nb, sizeof nb) > 0) sent++;
  printf("full: %s, some %d\n", strerrorname_np(errno), sent > 3);
  int pid = fork();
  if (pid == 0) _exit(sendto(a, buffer, 20000, 0, (void *)&nb, sizeof nb) == 20000 ? 3 : 4);
  until_asleep(pid);
  int status;
  recv(b, buffer, 10, 0);
  waitpid(pid, &status, 0);
  while (recv(b, buffer, 10, MSG_DONTWAIT) >= 0) sent--;
  printf("sender %d, all came: %d\n", WEXITSTATUS(status), sent == 0);
  for (int i = 0; i < 200; i++) sendto(a, buffer, 20000, 0, (void *)&na, sizeof na);
  ready("overrun", d);
  receive(d, 3, 0), receive(d, 3, 0);
  ready("behind it", d);
  /* The receiver dies while a sender waits for it. */
  while (sendto(a, buffer, 20000, MSG_DONTWAIT, (void *)&nb, sizeof nb) > 0) ;
  pid = fork();
  if (pid == 0) {
    close(b);
    errno = 0;
    sendto(a, buffer, 20000, 0, (void *)&nb, sizeof nb);
    _exit(errno);
  }
  until_asleep(pid);
  close(b);
  waitpid(pid, &status, 0);
  printf("receiver gone: %s\n", strerrorname_np(WEXITSTATUS(status)));
  close(a), close(c), close(d);
}

static void set_raw(int fd, int level, int o, const void *value, int length) {
  errno = 0;
  printf(" %s", setsockopt(fd, level, o, value, length) ? strerrorname_np(errno) : "ok");
}

static void options(void) {
  int fd = diag();
  for (int level = 269; level < 272; level++) for (int o = 0; o < 14; o++) {
    if (o == NETLINK_RX_RING || o == NETLINK_TX_RING) continue;
    printf("level %d option %d:", level, o);
    for (int value = -1; value < 35; value += value < 2 ? 1 : 15) set_raw(fd, level, o, &value, 4);
    for (int length = -1; length < 6; length++) set_raw(fd, level, o, "\1\0\0\0\0\0\0\0", length);
    printf(" bad"), set_raw(fd, level, o, BAD, 4);
    for (int room = -1; room < 10; room += 3) {
      int v[3] = {-7, -7, -7};
      socklen_t length = room;
      errno = 0;
      int r = getsockopt(fd, level, o, v, &length);
      printf(" | %s %d: %d %d", r ? strerrorname_np(errno) : "ok", length, v[0], v[1]);
    }
    printf("\n");
  }
  for (int o = 0; o <= 90; o++) {
    if (o == 37 || o == 65) continue;
    unsigned char b[64];
    socklen_t length = 64;
    memset(b, 0, sizeof b), errno = 0;
    int r = getsockopt(fd, SOL_SOCKET, o, b, &length);
    printf("option %d: %s", o, r ? strerrorname_np(errno) : "ok");
    if (r == 0 && o != SO_COOKIE && o != 71 && o != SO_MEMINFO) {
      printf(" %d:", length);
      for (int i = 0; i < length; i++) printf("%02x", b[i]);
    }
    for (int value = 0; value < 2; value++) set_raw(fd, SOL_SOCKET, o, &value, 4);
    printf("\n");
  }
  close(fd);
}

#define APART(f) do { printf("== %s\n", #f); fflush(stdout); int pid_ = fork(); if (pid_ == 0) { unshare(CLONE_NEWNET); f(); fflush(stdout); _exit(0); } int status_; waitpid(pid_, &status_, 0); printf("status %d\n", status_); } while (0)

int main(int argc, char **argv) {
  start(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  APART(addresses);
  APART(user_addresses);
  APART(hostile);
  APART(truncated);
  APART(states);
  APART(dumps);
  APART(unicast);
  APART(options);
  return 0;
}
