/* Places for messages of which each part is damaged in each way, and each two parts: recvmsg, recvfrom, recvmmsg. */
#include "hostile-messages.h"

/* How many descriptors `receiver` has made. */
static int type, made;
static union { char bytes[2048]; struct cmsghdr first; } control;

static void send_message(int fd, const char *text, long size, int files) {
  struct iovec v = {(void *)text, size};
  struct msghdr m = {0, 0, &v, 1};
  if (files) {
    struct cmsghdr *c = &control.first;
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4 * files);
    for (int i = 0; i < files; i++) ((int *)CMSG_DATA(c))[i] = pipe_end;
    m.msg_control = c, m.msg_controllen = CMSG_SPACE(4 * files);
  }
  sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sockets to receive on. */
static const char *const STATES[] = {"messages", "files", "credentials", "long", "none", "orphan", "left", "shut", "unread", "alone", "listening", "minus-1", "closed", "file", "path"};
static int receiver(int state) {
  static char text[5000];
  int s[2] = {-1, -1}, flags = type | SOCK_NONBLOCK;
  made = 1;
  if (state == 9 || state == 10) {
    s[0] = socket(AF_UNIX, flags, 0);
    if (state == 10) bind_to(s[0], "@hostile-listener"), listen(s[0], 1);
    return s[0];
  }
  if (state == 14) return open(".", O_PATH);
  made = 0;
  if (state > 10) return state == 11 ? -1 : state == 12 ? LAST_NEW + 7 : 0;
  socketpair(AF_UNIX, flags, 0, s);
  int sender = s[1];
  made = 2;
  bind_to(sender, "@hostile-sender");
  memset(text, 'x', sizeof text);
  if (state == 2) set(s[0], SO_PASSCRED, 1);
  if (state <= 2) for (int i = 0; i < 3; i++) send_message(sender, "abcdefgh", 5 + i, state == 1 ? i + 1 : 0);
  if (state == 3) send_message(sender, text, sizeof text, 0);
  if (state == 5 || state == 6) {
    if (state == 6) send_message(sender, "left", 4, 0);
    close(sender), made = 1;
  }
  if (state == 7) shutdown(s[0], SHUT_RD);
  if (state == 8) send_message(s[0], "unread", 6, 0), close(sender), made = 1;
  return s[0];
}

static const unsigned FLAGS[] = {MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_EOR, MSG_WAITALL, MSG_ERRQUEUE, MSG_MORE, MSG_WAITFORONE, MSG_CMSG_CLOEXEC, MSG_PEEK | MSG_TRUNC, 0x80000000, 0x3fff9fff};
static const long CONTROL_LENGTHS[] = {0, 1, 8, 15, 16, 17, 19, 20, 23, 24, 27, 28, 32, 4096, 0x7fffffff, 0x80000000, 0x100000018, 0x7fffffffffffffff, -1};

/* Shows how many descriptors have come, the error that is left, and what has not been taken. */
static void rest(int fd) {
  int open_now = 0;
  for (int at = FIRST_NEW; at < FIRST_NEW + 16; at++) open_now += fcntl(at, F_GETFD) >= 0;
  if (open_now > made) printf("+%d", open_now - made);
  printf("|");
  int error = option(fd, SO_ERROR);
  if (error > 0) printf("!%d", error);
  if (made) drain(fd, type);
  close_new();
}

/* Whether a structure that was put somewhere can be read there. */
static int is_readable(int place) { return place < CUT_BY_ONE || place == READ_ONLY; }

static struct dimension recvmsg_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"header", PLACES, PLACE_NAMES}, {"name", PLACES + 1}, {"namelen", COUNT(NAME_LENGTHS) + 1}, {"iov", PLACES, PLACE_NAMES},
    {"iovlen", COUNT(VECTORS)}, {"base", PLACES, PLACE_NAMES}, {"length", COUNT(LENGTHS)}, {"control", PLACES + 1}, {"controllen", COUNT(CONTROL_LENGTHS) + 1},
    {"msg_flags", 2}, {"flags", COUNT(FLAGS) + 1}};

static void call_recvmsg(void) {
  enum { SOCKET, HEADER, NAME, NAMELEN, IOV, IOVLEN, BASE, LENGTH, CONTROL, CONTROLLEN, MESSAGE_FLAGS, FLAG };
  const int *c = chosen;
  static char room[128];
  struct msghdr m = {0};
  memset(placed, 0, PLACE_SIZE);
  if (c[NAME]) m.msg_name = put(c[NAME] - 1, 0, room, 110), m.msg_namelen = 110;
  if (c[NAMELEN]) m.msg_namelen = NAME_LENGTHS[c[NAMELEN] - 1];
  struct iovec v = {put(c[BASE], 1, room, 5), LENGTHS[c[LENGTH]]};
  m.msg_iov = put(c[IOV], 2, &v, sizeof v), m.msg_iovlen = VECTORS[c[IOVLEN]];
  if (c[CONTROL]) m.msg_control = put(c[CONTROL] - 1, 3, room, 64), m.msg_controllen = 64;
  else if (c[CONTROLLEN]) m.msg_control = put(WHOLE, 3, room, 64);
  if (c[CONTROLLEN]) m.msg_controllen = CONTROL_LENGTHS[c[CONTROLLEN] - 1];
  if (c[MESSAGE_FLAGS]) m.msg_flags = -1;
  int fd = receiver(c[SOCKET]);
  char *at = put(c[HEADER], 6, &m, sizeof m);
  outcome(recvmsg(fd, (void *)at, c[FLAG] ? FLAGS[c[FLAG] - 1] : 0));
  if (is_readable(c[HEADER])) {
    memcpy(&m, at, sizeof m);
    printf(",%x,%d,%lx", m.msg_flags, m.msg_namelen, m.msg_controllen);
  }
  rest(fd);
}

static struct dimension recvfrom_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"buffer", PLACES, PLACE_NAMES}, {"length", COUNT(LENGTHS)}, {"flags", COUNT(FLAGS) + 1}, {"name", PLACES + 1},
    {"room-at", PLACES, PLACE_NAMES}, {"room", COUNT(NAME_LENGTHS)}};
static void call_recvfrom(void) {
  enum { SOCKET, BUFFER, LENGTH, FLAG, NAME, ROOM_AT, ROOM };
  const int *c = chosen;
  static char room[128];
  socklen_t length = c[ROOM] ? NAME_LENGTHS[c[ROOM] - 1] : 110;
  memset(placed, 0, PLACE_SIZE);
  void *buffer = put(c[BUFFER], 1, room, 5), *name = c[NAME] ? put(c[NAME] - 1, 2, room, 110) : 0;
  void *length_at = put(c[ROOM_AT], 3, &length, sizeof length);
  int fd = receiver(c[SOCKET]);
  outcome(recvfrom(fd, buffer, LENGTHS[c[LENGTH]], c[FLAG] ? FLAGS[c[FLAG] - 1] : 0, name, length_at));
  if (is_readable(c[ROOM_AT])) memcpy(&length, length_at, sizeof length), printf(",%d", length);
  rest(fd);
}

static const struct timespec TIMES[] = {{0, 0}, {0, 1}, {-1, 0}, {0, -1}, {0, 1000000000}, {0, 0x7fffffffffffffff}, {0x7fffffffffffffff, 999999999}, {0x8000000000000000, 0}};
static struct dimension recvmmsg_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"array", PLACES, PLACE_NAMES}, {"vlen", COUNT(ROWS)}, {"first", COUNT(BAD_MESSAGES), BAD_MESSAGES}, {"second", COUNT(BAD_MESSAGES), BAD_MESSAGES},
    {"third", COUNT(BAD_MESSAGES), BAD_MESSAGES}, {"flags", COUNT(FLAGS) + 1}, {"time-at", PLACES + 1}, {"time", COUNT(TIMES) + 1}};
static void call_recvmmsg(void) {
  enum { SOCKET, ARRAY, VLEN, FIRST, SECOND, THIRD, FLAG, TIME_AT, TIME };
  const int *c = chosen;
  static char data[3][4];
  static struct iovec v[3] = {{data[0], 4}, {data[1], 4}, {data[2], 4}};
  struct mmsghdr many[3] = {0};
  struct timespec time = c[TIME] ? TIMES[c[TIME] - 1] : (struct timespec){5, 0};
  memset(placed, 0, PLACE_SIZE);
  for (int i = 0; i < 3; i++) many[i].msg_len = 77, many[i].msg_hdr.msg_iov = v + i, many[i].msg_hdr.msg_iovlen = 1, damage(&many[i].msg_hdr, c[FIRST + i], 17, 64);
  char *at = put(c[ARRAY], 1, many, sizeof many);
  void *time_at = c[TIME_AT] ? put(c[TIME_AT] - 1, 6, &time, sizeof time) : c[TIME] ? put(WHOLE, 6, &time, sizeof time) : 0;
  int fd = receiver(c[SOCKET]);
  outcome(syscall(SYS_recvmmsg, fd, at, ROWS[c[VLEN]], c[FLAG] ? FLAGS[c[FLAG] - 1] : 0, time_at));
  /* Where the time lies in the array, what is left of it is not told. */
  if (!c[ARRAY] || !c[TIME_AT]) show_lengths(c[ARRAY], at);
  rest(fd);
}

int main(int argc, char **argv) {
  start(argc, argv);
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  signal(SIGPIPE, SIG_IGN);
  make_places();
  make_descriptors();
  EACH_TYPE(i) {
    type = TYPES[i];
    printf("recvmsg\n"), combine(recvmsg_dimensions, COUNT(recvmsg_dimensions), call_recvmsg);
    printf("recvfrom\n"), combine(recvfrom_dimensions, COUNT(recvfrom_dimensions), call_recvfrom);
    printf("recvmmsg\n"), combine(recvmmsg_dimensions, COUNT(recvmmsg_dimensions), call_recvmmsg);
  }
  return 0;
}
