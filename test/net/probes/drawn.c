/*
 * Sequences of hostile calls on sockets and epoll sets, drawn from a fixed seed: what one leaves behind the next one
 * finds. hostile-*.c damage one call at a time; here damage meets queues, peeked messages, passed sockets and bound names.
 * A second and third argument: another seed, another number of rounds.
 */
#include "hostile.h"
#include <sys/epoll.h>
#include <sys/resource.h>

static unsigned state;
static unsigned draw(unsigned below) {
  state = state * 1664525 + 1013904223;
  return (state >> 8) % below;
}
#define PICK(array) ((array)[draw(COUNT(array))])

/* Control data lies apart: it holds process ids, which must not get into messages. */
enum { DATA = 2 * PLACE_PAGE };
static char *const control = (char *)0x20020000;

static void *somewhere(int size) {
  switch (draw(12)) {
    case 0: return 0;
    case 1: return BAD;
    case 2: return (void *)0x800000000000;
    case 3: return (void *)-8;
    case 4: return placed + PLACE_SIZE - draw(size + 1);
    default: return placed + draw(3000);
  }
}
/* For names that the kernel tells, which may be ones that it has chosen: they must not get into messages either. */
static char *const told = (char *)0x20030000;
static void *somewhere_for_name(void) {
  char *at = somewhere(16);
  if (at < placed || at > placed + PLACE_SIZE) return at;
  return at < placed + PLACE_PAGE ? told + (at - placed) : told + PLACE_PAGE - (placed + PLACE_SIZE - at);
}
static int is_inside(const void *at, unsigned long size) { return (unsigned long)at - (unsigned long)placed <= PLACE_SIZE - size; }

static const long SIZES[] = {0, 1, 2, 3, 4, 5, 12, 16, 17, 20, 24, 100, 108, 109, 110, 111, 128, 129, 1000, 4096};
static const long WRONG[] = {-1, -2147483647 - 1L, 0x7fffffff, 0x80000000, 0x100000000, 0x7fffffffffffffff};
static long size(void) { return draw(10) ? PICK(SIZES) : PICK(WRONG); }

/* The sockets of this round lie at FIRST_NEW and behind. */
static int type, fds[6];
static int any_fd(void) {
  int fd = draw(12) ? fds[draw(6)] : (int)draw(20) - 3;
  return fd == 1 ? 2 : fd;
}

/* Names of this round: sockets of the last one may lie in messages to each other, which the host collects when it likes. */
static char names_now[8][32] = {"", "", "drawn-path", "drawn-other", "directory", "", "", ""};
static void rename_all(int round) {
  sprintf(names_now[0], "@drawn-a-%04d", round), sprintf(names_now[1], "@drawn-b-%04d", round), sprintf(names_now[5], "@drawn-listener-%04d", round), sprintf(names_now[7], "@%04d", round);
}

static void fill_address(void *to) {
  static const unsigned short families[] = {AF_UNIX, AF_UNIX, AF_UNIX, AF_UNIX, AF_UNSPEC, AF_INET, 0xffff};
  struct sockaddr_un a;
  address(&a, PICK(names_now));
  a.sun_family = PICK(families);
  if (!draw(10)) for (int i = 0; i < sizeof a; i++) ((char *)&a)[i] = draw(256);
  if (is_inside(to, sizeof a)) memcpy(to, &a, sizeof a);
}
static socklen_t address_size(void) {
  static const int usual[] = {2, 7, 10, 12, 13, 15, 22, 110, 110};
  return draw(3) ? PICK(usual) : size();
}

static long fill_control(void) {
  static const int levels[] = {SOL_SOCKET, SOL_SOCKET, SOL_SOCKET, SOL_SOCKET, 0, -1}, kinds[] = {SCM_RIGHTS, SCM_RIGHTS, SCM_CREDENTIALS, 3, 4, 99, -1};
  static const long sizes[] = {16, 20, 20, 24, 28, 28, 0, 15, 17, 600, 16 + 4 * 254, -1, 0x100000014};
  int at = 0, count = draw(3);
  for (int i = 0; i < count; i++) {
    struct cmsghdr *c = (void *)(control + at);
    int *data = (int *)CMSG_DATA(c);
    c->cmsg_len = PICK(sizes), c->cmsg_level = PICK(levels), c->cmsg_type = PICK(kinds);
    if (c->cmsg_type == SCM_CREDENTIALS) data[0] = draw(4) ? getpid() : (int)draw(3) - 1, data[1] = draw(4) ? 0 : -1, data[2] = draw(4) ? 0 : 5;
    else for (int k = 0; k < (c->cmsg_len > 2000 || c->cmsg_len < 16 ? 0 : (c->cmsg_len - 16) / 4); k++) data[k] = any_fd();
    at += c->cmsg_len > 4096 || c->cmsg_len < 16 ? 16 : CMSG_ALIGN(c->cmsg_len);
  }
  return draw(4) ? at : draw(2) ? at + (int)draw(20) - 10 : size();
}

/* As many as a call may have, of which four are filled. */
static struct iovec v[1024];
static void fill_message(struct msghdr *m, int sends) {
  static const long counts[] = {1, 1, 1, 2, 3, 0, 1024, 1025, -1, 0x100000001, 0x7fffffffffffffff};
  static const long sizes[] = {0, 1, 5, 5, 100, 4096, 70000, -1, 0x7fffffffffffffff, 0x80000000};
  memset(m, 0, sizeof *m);
  m->msg_name = draw(2) ? 0 : sends ? somewhere(16) : somewhere_for_name(), m->msg_namelen = address_size();
  if (sends) fill_address(m->msg_name);
  for (int i = 0; i < 4; i++) v[i].iov_base = draw(3) ? placed + DATA : somewhere(16), v[i].iov_len = PICK(sizes);
  m->msg_iov = draw(12) ? v : somewhere(16), m->msg_iovlen = PICK(counts);
  m->msg_control = draw(2) ? 0 : draw(4) ? control : draw(2) ? 0 : BAD;
  memset(control, 0, 4 * PLACE_PAGE);
  m->msg_controllen = m->msg_control == 0 ? (draw(4) ? 0 : size()) : sends ? fill_control() : size();
  m->msg_flags = draw(4) ? 0 : draw(1 << 20);
}

static int flags(void) {
  static const int some[] = {0, 0, 0, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_OOB, MSG_EOR, MSG_MORE, MSG_CMSG_CLOEXEC, MSG_CONFIRM, MSG_DONTROUTE, MSG_ERRQUEUE, 0x80000000};
  return MSG_DONTWAIT | MSG_NOSIGNAL | PICK(some) | PICK(some);
}

static void tell(const char *what, long result) { printf("%s %ld %s\n", what, result, result < 0 ? strerrorname_np(errno) : ""); }

static unsigned sum(const char *data, long count) {
  unsigned s = 0;
  for (long i = 0; i < count; i++) s = s * 31 + (unsigned char)data[i];
  return s;
}

static void receive_one(int fd) {
  struct msghdr m, *at;
  fill_message(&m, 0);
  at = draw(20) ? &m : somewhere(16);
  long r = recvmsg(fd, at, flags());
  tell("recvmsg", r);
  if (r < 0 || at != &m) return;
  const struct iovec *first = m.msg_iov;
  int is_ours = r > 0 && first == v && first->iov_base == placed + DATA && m.msg_iovlen > 0;
  printf("  flags %#x control %ld name %d sum %u\n", m.msg_flags, (long)m.msg_controllen, m.msg_namelen, is_ours ? sum(placed + DATA, r < first->iov_len ? r : first->iov_len) : 0);
}

/* All messages share the vectors, which the last one has filled. */
static void many(int fd, int sends) {
  struct mmsghdr row[4];
  for (int i = 0; i < 4; i++) row[i].msg_len = 0, fill_message(&row[i].msg_hdr, sends);
  long r = sends ? sendmmsg(fd, row, draw(5), flags()) : recvmmsg(fd, row, draw(4), flags(), 0);
  tell(sends ? "sendmmsg" : "recvmmsg", r);
  for (int i = 0; i < r; i++) printf("  %u\n", row[i].msg_len);
}

static void control_epoll(int set, int fd) {
  struct epoll_event e = {draw(1 << 16) | (draw(3) ? 0 : draw(16) << 28)};
  e.data.u64 = draw(1000);
  void *at = draw(5) ? &e : draw(2) ? BAD : 0;
  int operation = draw(5), target = any_fd();
  tell("epoll_ctl", epoll_ctl(draw(10) ? set : fd, operation, target, at));
}

static void wait_for_epoll(int set, int fd) {
  static const int counts[] = {1, 1, 2, 10, 0, -1, 0x7fffffff};
  struct epoll_event *at = draw(3) ? (void *)(placed + DATA) : somewhere(12);
  int count = PICK(counts);
  long r = epoll_wait(draw(10) ? set : fd, at, count, 0);
  tell("epoll_wait", r);
  for (int i = 0; i < r && at == (void *)(placed + DATA); i++) printf("  %#x %ld\n", at[i].events, (long)at[i].data.u64);
}

static void step(int set) {
  struct msghdr m;
  void *where = somewhere(16), *name_at = somewhere_for_name();
  socklen_t length = address_size(), *length_at = draw(6) ? &length : draw(2) ? BAD : 0;
  int fd = any_fd();
  errno = 0;
  switch (draw(18)) {
    case 0: case 1: case 2: case 3: fill_message(&m, 1), tell("sendmsg", sendmsg(fd, draw(20) ? &m : BAD, flags())); break;
    case 4: case 5: case 6: case 7: receive_one(fd); break;
    case 8: fill_address(where), tell("bind", bind(fd, where, length)); break;
    case 9: fill_address(where), fcntl(fd, F_SETFL, O_NONBLOCK), tell("connect", connect(fd, where, length)); break;
    case 10: { void *data = somewhere(50); long count = size(); fill_address(where), tell("sendto", sendto(fd, data, count, flags(), where, length)); break; }
    case 11: { long count = size(); tell("recvfrom", recvfrom(fd, placed + DATA, count, flags(), name_at, length_at)), printf("  name %d\n", length); break; }
    case 12: many(fd, 1); break;
    case 13: many(fd, 0); break;
    case 14: tell("name", draw(2) ? getpeername(fd, name_at, length_at) : getsockname(fd, name_at, length_at)), printf("  name %d\n", length); break;
    case 15: control_epoll(set, fd); break;
    case 16: wait_for_epoll(set, fd); break;
    case 17: if (draw(4) == 0) { int how = (int)draw(5) - 1; tell("shutdown", shutdown(fd, how)); } break;
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  signal(SIGPIPE, SIG_IGN);
  state = argc > 2 ? atoi(argv[2]) : 7;
  int rounds = argc > 3 ? atoi(argv[3]) : 400;
  make_places();
  mmap(told, PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(control, 4 * PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  struct rlimit few = {FIRST_NEW + 40, FIRST_NEW + 40};
  mkdir("directory", 0700);
  make_descriptors();
  setrlimit(RLIMIT_NOFILE, &few);
  for (int round = 0; round < rounds; round++) {
    type = TYPES[round % 3];
    rename_all(round);
    printf("-- round %d\n", round);
    for (int i = 0; i < PLACE_SIZE; i++) placed[i] = i * 7;
    socketpair(AF_UNIX, type, 0, fds), socketpair(AF_UNIX, PICK(TYPES), 0, fds + 2);
    fds[4] = socket(AF_UNIX, type, 0), fds[5] = socket(AF_UNIX, type, 0);
    bind_to(fds[5], names_now[5]), listen(fds[5], 2);
    if (draw(2)) set(fds[0], SO_PASSCRED, 1);
    if (draw(4) == 0) set(fds[1], SO_PEEK_OFF, draw(10));
    int poller = epoll_create1(0);
    for (int i = 0; i < 30; i++) step(poller);
    for (int fd = FIRST_NEW; fd < FIRST_NEW + 40; fd++) close(fd);
    unlink("drawn-path"), unlink("drawn-other");
  }
  return 0;
}
