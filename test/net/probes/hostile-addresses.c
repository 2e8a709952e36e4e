/*
 * Addresses, and what else is not part of a message, damaged in each way, and each two of their parts: bind, connect,
 * accept4, getsockname, getpeername, socketpair, getsockopt, setsockopt, listen, shutdown.
 */
#include "hostile.h"
#include <dirent.h>

static int type;

static const char *const STATES[] = {"new", "bound", "named", "listening", "waiting", "pair", "orphan", "minus-1", "closed", "file", "path", "other-type"};
/* Bound: by path; named: to an abstract name; waiting: a connection waits to be accepted. */
static int subject(int state) {
  int s[2], flags = SOCK_NONBLOCK, kind = type;
  if (state == 7 || state == 8 || state == 9) return state == 7 ? -1 : state == 8 ? LAST_NEW + 7 : 0;
  if (state == 10) return open(".", O_PATH);
  if (state == 5 || state == 6) {
    socketpair(AF_UNIX, type | flags, 0, s);
    if (state == 6) close(s[1]);
    return s[0];
  }
  if (state == 11) kind = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM;
  int fd = socket(AF_UNIX, kind | flags, 0);
  if (state == 1) bind_to(fd, "bound");
  if (state >= 2 && state <= 4) bind_to(fd, "@hostile-subject");
  if (state == 3 || state == 4) listen(fd, 2);
  if (state == 4) connect_to(socket(AF_UNIX, type | flags, 0), "@hostile-subject");
  return fd;
}

/* What a call has left behind: names of the directory are removed, but for those that were made at the start. */
static void clean(void) {
  DIR *directory = opendir(".");
  for (struct dirent *e; (e = readdir(directory));) {
    if (e->d_name[0] == '.' || !strcmp(e->d_name, "there") || !strcmp(e->d_name, "directory") || !strcmp(e->d_name, "plain")) continue;
    printf(" ");
    bytes("made", e->d_name, strlen(e->d_name) > 12 ? 12 : strlen(e->d_name));
    unlink(e->d_name);
  }
  closedir(directory);
}

/* A short form of a name: its length and a sum of its bytes. */
static void show_name(const struct sockaddr_un *a, socklen_t length) {
  unsigned sum = 0;
  for (socklen_t i = 0; i < length && i < sizeof *a; i++) sum = sum * 31 + ((unsigned char *)a)[i];
  printf(",%d:%x", length, sum);
}

static const char *const CONTENTS[] = {"free", "there", "abstract", "abstract-there", "nul-inside", "abstract-nul-inside", "full", "full-of-nuls", "missing-directory", "directory", "plain", "slash", "through-plain", "empty", "dot"};
static const unsigned short FAMILIES[] = {AF_UNIX, AF_UNSPEC, AF_INET, AF_NETLINK, 0x0100, 0xffff};
static socklen_t make_content(int form, struct sockaddr_un *a) {
  static const char *const texts[] = {"free", "there", "@hostile-free", "@hostile-there", "nul", "@nul", "", "", "missing/socket", "directory", "plain", "free/", "plain/socket", "", "."};
  socklen_t length = address(a, texts[form]);
  if (form == 4 || form == 5) memcpy(a->sun_path + 4, "\0more\0", 6), length += 7;
  if (form == 6) memset(a->sun_path, 'f', sizeof a->sun_path), length = sizeof *a;
  if (form == 7) length = sizeof *a;
  return length;
}

static struct dimension address_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"address", PLACES, PLACE_NAMES}, {"content", COUNT(CONTENTS), CONTENTS}, {"family", COUNT(FAMILIES)}, {"length", COUNT(NAME_LENGTHS) + 1}};
static long (*address_call)(int fd, const void *a, socklen_t length);
static void call_with_address(void) {
  enum { SOCKET, ADDRESS, CONTENT, FAMILY, LENGTH };
  const int *c = chosen;
  struct sockaddr_un a, name = {0};
  memset(placed, 0, PLACE_SIZE);
  socklen_t length = make_content(c[CONTENT], &a);
  a.sun_family = FAMILIES[c[FAMILY]];
  if (c[LENGTH]) length = NAME_LENGTHS[c[LENGTH] - 1];
  int fd = subject(c[SOCKET]);
  outcome(address_call(fd, put(c[ADDRESS], 0, &a, sizeof a), length));
  socklen_t size = sizeof name;
  /* The name that the kernel chooses is another one each time. */
  if (length == 2 && a.sun_family == AF_UNIX) printf(",-");
  else if (getsockname(fd, (void *)&name, &size) == 0) show_name(&name, size);
  size = sizeof name, memset(&name, 0, sizeof name);
  if (getpeername(fd, (void *)&name, &size) == 0) show_name(&name, size);
  close_new();
  clean();
}
static long do_bind(int fd, const void *a, socklen_t length) { return bind(fd, a, length); }
static long do_connect(int fd, const void *a, socklen_t length) { return connect(fd, a, length); }

static struct dimension name_dimensions[] = {
    {"socket", COUNT(STATES), STATES}, {"address", PLACES, PLACE_NAMES}, {"room-at", PLACES, PLACE_NAMES}, {"room", COUNT(NAME_LENGTHS) + 1}, {"flags", 6}};
static long (*name_call)(int fd, void *a, void *length, int flags);
static void call_for_name(void) {
  enum { SOCKET, ADDRESS, ROOM_AT, ROOM, FLAGS };
  static const int flags[] = {0, SOCK_NONBLOCK, SOCK_CLOEXEC, 1, 0x40000000, -1};
  const int *c = chosen;
  static char empty[128];
  socklen_t room = c[ROOM] ? NAME_LENGTHS[c[ROOM] - 1] : 110;
  memset(placed, 0, PLACE_SIZE);
  char *at = put(c[ADDRESS], 0, empty, 110);
  void *room_at = put(c[ROOM_AT], 1, &room, sizeof room);
  int fd = subject(c[SOCKET]);
  outcome(name_call(fd, at, room_at, flags[c[FLAGS]]));
  if (c[ROOM_AT] < CUT_BY_ONE || c[ROOM_AT] == READ_ONLY) memcpy(&room, room_at, sizeof room), printf(",%d", room);
  if (c[ADDRESS] < CUT_BY_ONE) show_name((void *)at, 110);
  /* Whether the connection still waits. */
  if (name_call != 0 && c[SOCKET] == 4) errno = 0, outcome(accept(fd, 0, 0));
  close_new();
  unlink("bound");
}
static long do_accept(int fd, void *a, void *length, int flags) { return accept4(fd, a, length, flags); }
static long do_getsockname(int fd, void *a, void *length, int flags) { return getsockname(fd, a, length); }
static long do_getpeername(int fd, void *a, void *length, int flags) { return getpeername(fd, a, length); }

static const int DOMAINS[] = {AF_UNIX, 0, -1, 45, 46, 1000, 0x7fffffff}, KINDS[] = {0, -1, SOCK_RAW, SOCK_RDM, SOCK_PACKET, 11, 15, 0x7fffffff, SOCK_CLOEXEC, 0x100}, PROTOCOLS[] = {0, 1, 2, -1, 0x7fffffff};
static struct dimension pair_dimensions[] = {{"at", PLACES, PLACE_NAMES}, {"domain", COUNT(DOMAINS)}, {"type", COUNT(KINDS) + 1}, {"protocol", COUNT(PROTOCOLS)}, {"one", 2}};
static void call_socketpair(void) {
  const int *c = chosen, none[2] = {-5, -5};
  int kind = c[2] ? KINDS[c[2] - 1] : type;
  memset(placed, 0, PLACE_SIZE);
  int *at = put(c[0], 0, none, sizeof none);
  outcome(c[4] ? socket(DOMAINS[c[1]], kind, PROTOCOLS[c[3]]) : socketpair(DOMAINS[c[1]], kind, PROTOCOLS[c[3]], at));
  printf("+%d", close_new());
}

static const int LEVELS[] = {SOL_SOCKET, 0, 6, 270, -1, 0x7fffffff};
static const int OPTIONS[] = {SO_SNDBUF, SO_PASSCRED, SO_TYPE, SO_PEERCRED, SO_RCVTIMEO, SO_SNDTIMEO, SO_LINGER, SO_PEEK_OFF, SO_ERROR, SO_PEERGROUPS, SO_ACCEPTCONN, SO_ATTACH_FILTER, SO_PEERSEC, SO_RCVLOWAT, SO_BINDTODEVICE, SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING, 200, -1};
static const int SIZES[] = {0, 1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 4096, 0x7fffffff, 0x80000000, -1};
static const long VALUES[] = {1, 0, -1, 2, 0x7fffffff, 0x80000000, 0x100000000, 0x7fffffffffffffff};
static struct dimension option_dimensions[] = {
    {"option", COUNT(OPTIONS)}, {"socket", COUNT(STATES), STATES}, {"level", COUNT(LEVELS)}, {"value-at", PLACES, PLACE_NAMES}, {"size-at", PLACES, PLACE_NAMES}, {"size", COUNT(SIZES) + 1}, {"value", COUNT(VALUES)}};
static int does_set;
static void call_option(void) {
  enum { OPTION, SOCKET, LEVEL, VALUE_AT, SIZE_AT, SIZE, VALUE };
  const int *c = chosen;
  long values[2] = {VALUES[c[VALUE]], 0};
  int option = OPTIONS[c[OPTION]], level = LEVELS[c[LEVEL]];
  socklen_t size = c[SIZE] ? SIZES[c[SIZE] - 1] : option == SO_RCVTIMEO || option == SO_SNDTIMEO ? 16 : option == SO_LINGER ? 8 : 4;
  memset(placed, 0, PLACE_SIZE);
  int fd = subject(c[SOCKET]);
  char *at = put(c[VALUE_AT], 0, values, sizeof values);
  void *size_at = put(c[SIZE_AT], 1, &size, sizeof size);
  if (does_set) {
    outcome(setsockopt(fd, level, option, at, size));
    long now[2] = {0};
    socklen_t room = sizeof now;
    if (option != SO_PEERCRED && getsockopt(fd, SOL_SOCKET, option, now, &room) == 0) printf(",%d:%lx,%lx", room, now[0], now[1]);
  } else {
    outcome(getsockopt(fd, level, option, at, size_at));
    if (c[SIZE_AT] < CUT_BY_ONE) memcpy(&size, size_at, sizeof size), printf(",%d", size);
    if (c[VALUE_AT] < CUT_BY_ONE && option != SO_PEERCRED) memcpy(values, at, sizeof values), printf(":%lx,%lx", values[0], values[1]);
  }
  close_new();
  unlink("bound");
}

static const int NUMBERS[] = {0, 1, 2, 3, -1, 0x7fffffff, 0x80000000};
static struct dimension number_dimensions[] = {{"socket", COUNT(STATES), STATES}, {"number", COUNT(NUMBERS)}};
static int (*number_call)(int fd, int number);
static void call_with_number(void) {
  int fd = subject(chosen[0]);
  outcome(number_call(fd, NUMBERS[chosen[1]]));
  close_new();
  unlink("bound");
}

int main(int argc, char **argv) {
  start(argc, argv);
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  make_places();
  for (int fd = 3; fd < FIRST_NEW - 20; fd++) close(fd);
  mkdir("directory", 0700), make("plain", "");
  EACH_TYPE(i) {
    type = TYPES[i];
    make_descriptors();
    /* Descriptors of the probe that stay. */
    int there = socket(AF_UNIX, type, 0), abstract = socket(AF_UNIX, type, 0);
    unlink("there");
    bind_to(there, "there"), listen(there, 1000), bind_to(abstract, "@hostile-there"), listen(abstract, 1000);
    dup2(there, 30), dup2(abstract, 31), close(there), close(abstract);
    address_call = do_bind, printf("bind\n"), combine(address_dimensions, COUNT(address_dimensions), call_with_address);
    address_call = do_connect, printf("connect\n"), combine(address_dimensions, COUNT(address_dimensions), call_with_address);
    name_call = do_accept, printf("accept4\n"), combine(name_dimensions, COUNT(name_dimensions), call_for_name);
    name_call = do_getsockname, printf("getsockname\n"), combine(name_dimensions, COUNT(name_dimensions) - 1, call_for_name);
    name_call = do_getpeername, printf("getpeername\n"), combine(name_dimensions, COUNT(name_dimensions) - 1, call_for_name);
    printf("socketpair\n"), combine(pair_dimensions, COUNT(pair_dimensions), call_socketpair);
    does_set = 0, printf("getsockopt\n"), combine(option_dimensions, COUNT(option_dimensions), call_option);
    does_set = 1, printf("setsockopt\n"), combine(option_dimensions, COUNT(option_dimensions), call_option);
    number_call = listen, printf("listen\n"), combine(number_dimensions, 2, call_with_number);
    number_call = shutdown, printf("shutdown\n"), combine(number_dimensions, 2, call_with_number);
  }
  return 0;
}
