/* Messages to be sent of which each part is damaged in each way, and each two parts: sendmsg, sendto, sendmmsg. */
#include "hostile-messages.h"

static int type;
static union { char bytes[2048]; struct cmsghdr first; } control;
static size_t control_size;

/* Sockets to send on, and where what they send arrives. */
static const char *const STATES[] = {"pair", "shut", "deaf", "orphan", "alone", "listening", "none", "closed", "file", "path"};
static int receiver;
static int sender(int state) {
  int s[2] = {-1, -1}, flags = type | SOCK_NONBLOCK;
  receiver = -1;
  if (state <= 3) {
    socketpair(AF_UNIX, flags, 0, s);
    receiver = s[1];
    if (state == 1) shutdown(s[0], SHUT_WR);
    if (state == 2) shutdown(s[1], SHUT_RD);
    if (state == 3) close(s[1]), receiver = -1;
    return s[0];
  }
  if (state == 4 || state == 5) {
    s[0] = socket(AF_UNIX, flags, 0);
    if (state == 5) bind_to(s[0], "@hostile-listener"), listen(s[0], 1);
    return s[0];
  }
  return state == 6 ? -1 : state == 7 ? LAST_NEW + 7 : state == 8 ? 0 : open(".", O_PATH);
}

static const char *const CONTROLS[] = {
    "none", "one", "two", "three-apart", "none-in-it", "length-0", "length-15", "length-17", "length-19", "length-23", "too-long", "huge", "negative",
    "level-0", "level-minus-1", "type-0", "type-3", "type-99", "type-minus-1", "fd-minus-1", "fd-closed", "fd-min", "fds-253", "fds-254", "second-short",
    "second-long", "second-cut", "credentials", "credentials-short", "credentials-long", "pid-0", "uid-minus-1", "gid-minus-1", "credentials-twice", "pidfd"};

static void *append(int level, int kind, size_t size) {
  struct cmsghdr *c = (void *)(control.bytes + control_size);
  c->cmsg_level = level, c->cmsg_type = kind, c->cmsg_len = CMSG_LEN(size);
  control_size += CMSG_SPACE(size);
  return CMSG_DATA(c);
}
static void append_files(int count, int fd) {
  int *fds = append(SOL_SOCKET, SCM_RIGHTS, 4 * count);
  for (int i = 0; i < count; i++) fds[i] = fd;
}
static void append_credentials(size_t size, int pid, int uid, int gid) {
  int *c = append(SOL_SOCKET, SCM_CREDENTIALS, size);
  c[0] = pid, c[1] = uid, c[2] = gid;
}

static void make_control(int form) {
  static const long sizes[] = {0, 15, 17, 19, 23, 25, 0x7fffffff, -1};
  static const int levels[] = {0, -1}, kinds[] = {0, 3, 99, -1}, fds[] = {-1, LAST_NEW + 7, 0x80000000};
  memset(&control, 0, sizeof control);
  control_size = 0;
  struct cmsghdr *first = &control.first, *second = (void *)(control.bytes + CMSG_SPACE(4));
  if (form <= 26 && form != 2 && form != 3 && form != 4 && form != 22 && form != 23) append_files(1, pipe_end);
  if (form >= 5 && form <= 12) first->cmsg_len = sizes[form - 5];
  if (form == 13 || form == 14) first->cmsg_level = levels[form - 13];
  if (form >= 15 && form <= 18) first->cmsg_type = kinds[form - 15];
  if (form >= 19 && form <= 21) *(int *)CMSG_DATA(first) = fds[form - 19];
  switch (form) {
    case 2: append_files(2, pipe_end); break;
    case 3: append_files(1, pipe_end), append_files(1, pipe_end), append_files(1, pipe_end); break;
    case 4: append_files(0, 0); break;
    case 22: append_files(253, pipe_end); break;
    case 23: append_files(254, pipe_end); break;
    case 24: append_files(1, pipe_end), second->cmsg_len = 15; break;
    case 25: append_files(1, pipe_end), second->cmsg_len = 25; break;
    case 26: append_files(1, pipe_end), control_size -= 12; break;
    case 27: append_credentials(12, getpid(), 0, 0); break;
    case 28: append_credentials(11, getpid(), 0, 0); break;
    case 29: append_credentials(13, getpid(), 0, 0); break;
    case 30: append_credentials(12, 0, 0, 0); break;
    case 31: append_credentials(12, getpid(), -1, 0); break;
    case 32: append_credentials(12, getpid(), 0, -1); break;
    case 33: append_credentials(12, getpid(), 0, 0), append_credentials(12, getpid(), 5, 5); break;
    case 34: append(SOL_SOCKET, 4, 4); break;
  }
}

static const long CONTROL_LENGTHS[] = {0, 1, 8, 15, 16, 17, 20, 23, 24, 25, 40, 4096, 20000, 0x7fffffff, 0x80000000, 0x100000018, 0x7fffffffffffffff, -1};
static const int FLAGS[] = {MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_PROXY, MSG_TRUNC, MSG_EOR, MSG_WAITALL, MSG_FIN, MSG_CONFIRM, MSG_ERRQUEUE, MSG_MORE, MSG_ZEROCOPY, MSG_FASTOPEN, 0x40000, 0x100000, 0x80000000, 0x7fffffff};

/* An address that nobody is at, and its forms. */
static const char *const ADDRESSES[] = {"none", "unspecified", "internet", "missing", "abstract", "empty"};
static socklen_t make_address(int form, struct sockaddr_un *a) {
  socklen_t length = address(a, form == 4 ? "@hostile-nobody" : form == 5 ? "" : "missing");
  if (form == 1) a->sun_family = AF_UNSPEC;
  if (form == 2) a->sun_family = AF_INET;
  return form == 5 ? 2 : length;
}

static struct dimension sendmsg_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"header", PLACES, PLACE_NAMES}, {"name", PLACES, PLACE_NAMES}, {"address", COUNT(ADDRESSES), ADDRESSES},
    {"namelen", COUNT(NAME_LENGTHS) + 1}, {"iov", PLACES, PLACE_NAMES}, {"iovlen", COUNT(VECTORS)}, {"base", PLACES, PLACE_NAMES}, {"length", COUNT(LENGTHS)},
    {"control", PLACES, PLACE_NAMES}, {"cmsg", COUNT(CONTROLS), CONTROLS}, {"controllen", COUNT(CONTROL_LENGTHS) + 1}};

static int flags;
static void call_sendmsg(void) {
  enum { SOCKET, HEADER, NAME, ADDRESS, NAMELEN, IOV, IOVLEN, BASE, LENGTH, CONTROL, CMSG, CONTROLLEN };
  const int *c = chosen;
  struct sockaddr_un a;
  struct msghdr m = {0};
  memset(placed, 0, PLACE_SIZE);
  if (c[NAME] || c[ADDRESS]) m.msg_namelen = make_address(c[ADDRESS] ? c[ADDRESS] : 3, &a), m.msg_name = put(c[NAME], 0, &a, sizeof a);
  if (c[NAMELEN]) m.msg_namelen = NAME_LENGTHS[c[NAMELEN] - 1];
  struct iovec v = {put(c[BASE], 1, "hello", 5), LENGTHS[c[LENGTH]]};
  m.msg_iov = put(c[IOV], 2, &v, sizeof v), m.msg_iovlen = VECTORS[c[IOVLEN]];
  if (c[CMSG] || c[CONTROL] || c[CONTROLLEN]) {
    make_control(c[CMSG] ? c[CMSG] : 1);
    m.msg_controllen = control_size;
    m.msg_control = put(c[CONTROL], 3, &control, control_size);
  }
  if (c[CONTROLLEN]) m.msg_controllen = CONTROL_LENGTHS[c[CONTROLLEN] - 1];
  int fd = sender(c[SOCKET]);

  outcome(sendmsg(fd, put(c[HEADER], 6, &m, sizeof m), MSG_NOSIGNAL | flags));
  if (receiver >= 0) drain(receiver, type);
  close_new();
}

static struct dimension sendto_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"buffer", PLACES, PLACE_NAMES}, {"length", COUNT(LENGTHS)}, {"flags", COUNT(FLAGS) + 1},
    {"name", PLACES, PLACE_NAMES}, {"address", COUNT(ADDRESSES), ADDRESSES}, {"namelen", COUNT(NAME_LENGTHS) + 1}};
static void call_sendto(void) {
  enum { SOCKET, BUFFER, LENGTH, FLAG, NAME, ADDRESS, NAMELEN };
  const int *c = chosen;
  struct sockaddr_un a;
  void *name = 0;
  socklen_t length = 0;
  memset(placed, 0, PLACE_SIZE);
  if (c[NAME] || c[ADDRESS]) length = make_address(c[ADDRESS] ? c[ADDRESS] : 3, &a), name = put(c[NAME], 0, &a, sizeof a);
  if (c[NAMELEN]) length = NAME_LENGTHS[c[NAMELEN] - 1];
  int fd = sender(c[SOCKET]);
  outcome(sendto(fd, put(c[BUFFER], 1, "hello", 5), LENGTHS[c[LENGTH]], MSG_NOSIGNAL | (c[FLAG] ? FLAGS[c[FLAG] - 1] : 0), name, length));
  if (receiver >= 0) drain(receiver, type);
  close_new();
}

static struct dimension sendmmsg_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"array", PLACES, PLACE_NAMES}, {"vlen", COUNT(ROWS)}, {"first", COUNT(BAD_MESSAGES), BAD_MESSAGES},
    {"second", COUNT(BAD_MESSAGES), BAD_MESSAGES}, {"third", COUNT(BAD_MESSAGES), BAD_MESSAGES}, {"flags", COUNT(FLAGS) + 1}};
static void call_sendmmsg(void) {
  enum { SOCKET, ARRAY, VLEN, FIRST, SECOND, THIRD, FLAG };
  const int *c = chosen;
  static struct iovec v[3] = {{"a", 1}, {"bc", 2}, {"def", 3}};
  struct mmsghdr many[3] = {0};
  memset(placed, 0, PLACE_SIZE);
  for (int i = 0; i < 3; i++) many[i].msg_len = 77, many[i].msg_hdr.msg_iov = v + i, many[i].msg_hdr.msg_iovlen = 1, damage(&many[i].msg_hdr, c[FIRST + i], 24, 24);
  int fd = sender(c[SOCKET]);
  char *at = put(c[ARRAY], 1, many, sizeof many);
  outcome(sendmmsg(fd, (void *)at, ROWS[c[VLEN]], MSG_NOSIGNAL | (c[FLAG] ? FLAGS[c[FLAG] - 1] : 0)));
  show_lengths(c[ARRAY], at);
  if (receiver >= 0) drain(receiver, type);
  close_new();
}

int main(int argc, char **argv) {
  start(argc, argv);
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  signal(SIGPIPE, SIG_IGN);
  make_places();
  make_descriptors();
  EACH_TYPE(i) {
    type = TYPES[i];
    printf("sendmsg\n"), combine(sendmsg_dimensions, COUNT(sendmsg_dimensions), call_sendmsg);
    for (int f = 0; f < COUNT(FLAGS); f++) flags = FLAGS[f], printf("flags %#x", flags), memset(chosen, 0, sizeof chosen), call_sendmsg(), printf("\n");
    flags = 0;
    printf("sendto\n"), combine(sendto_dimensions, COUNT(sendto_dimensions), call_sendto);
    printf("sendmmsg\n"), combine(sendmmsg_dimensions, COUNT(sendmmsg_dimensions), call_sendmmsg);
  }
  return 0;
}
