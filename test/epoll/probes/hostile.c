/*
 * Arguments of epoll damaged in each way, and each two of them: epoll_ctl with its event, epoll_wait, epoll_pwait,
 * epoll_pwait2, epoll_create; and poll, ppoll, select, pselect6, which take arrays as damaged.
 */
#include "probe.h"
#include "../../support/places.h"
#include "../../support/combinations.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static void outcome(long result) {
  if (result < 0) printf(" %s", strerrorname_np(errno));
  else printf(" %ld", result);
}

/* Descriptors of each kind, at the same numbers in each run. */
enum { SET = 5, OTHER_SET, INNER_SET, READABLE, WRITABLE, EVENT, FILE_FD, PATH_FD, NULL_FD, TIMER };
static const int FDS[] = {EVENT, SET, OTHER_SET, INNER_SET, READABLE, WRITABLE, FILE_FD, PATH_FD, NULL_FD, TIMER, -1, 99, 0x7fffffff, 0x80000000};
static const char *const FD_NAMES[] = {"event", "set", "other-set", "inner-set", "readable", "writable", "file", "path", "null", "timer", "minus-1", "closed", "int-max", "int-min"};

static void move(int from, int to) {
  if (from != to) dup2(from, to), close(from);
}
static void make_descriptors(void) {
  int ends[2];
  for (int fd = 3; fd < 1024; fd++) close(fd);
  pipe(ends);
  write(ends[1], "x", 1);
  move(ends[0], READABLE + 20), move(ends[1], WRITABLE + 20);
  move(READABLE + 20, READABLE), move(WRITABLE + 20, WRITABLE);
  move(eventfd(1, EFD_NONBLOCK), EVENT);
  char name[] = "/tmp/banos-hostile-XXXXXX";
  move(mkstemp(name), FILE_FD);
  unlink(name);
  move(open("/", O_PATH), PATH_FD), move(open("/dev/null", O_RDWR), NULL_FD), dup2(NULL_FD, 0), move(timerfd_create(CLOCK_MONOTONIC, 0), TIMER);
}
static void make_sets(void) {
  move(epoll_create1(0), SET), move(epoll_create1(0), OTHER_SET), move(epoll_create1(0), INNER_SET);
  add(OTHER_SET, INNER_SET, EPOLLIN), add(INNER_SET, EVENT, EPOLLIN);
}
static void close_sets(void) {
  close(SET), close(OTHER_SET), close(INNER_SET);
}

static const int OPERATIONS[] = {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, 0, 4, -1};
static const char *const OPERATION_NAMES[] = {"add", "mod", "del", "0", "4", "minus-1"};
static const unsigned EVENTS[] = {
    EPOLLIN, 0, EPOLLOUT, EPOLLERR | EPOLLHUP, EPOLLRDHUP, EPOLLPRI, EPOLLET, EPOLLONESHOT, EPOLLWAKEUP, EPOLLEXCLUSIVE, 0x3fff, 0xffff, 0x8000000, 0x7ffffff,
    EPOLLIN | EPOLLEXCLUSIVE, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP,
    EPOLLIN | EPOLLEXCLUSIVE | EPOLLPRI, EPOLLIN | EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLERR | EPOLLHUP | EPOLLOUT, EPOLLEXCLUSIVE | 0x8000000, 0x80000001, 0xffffffff, 0xefffffff};
static const char *const PRESENT[] = {"no", "yes", "exclusive", "oneshot-done"};

static struct dimension ctl_dimensions[] = {
    {"set", COUNT(FDS), FD_NAMES}, {"operation", COUNT(OPERATIONS), OPERATION_NAMES}, {"fd", COUNT(FDS), FD_NAMES}, {"at", PLACES, PLACE_NAMES}, {"events", COUNT(EVENTS)}, {"present", COUNT(PRESENT), PRESENT}};
static void call_ctl(void) {
  enum { A_SET, OPERATION, FD, AT, BITS, IS_PRESENT };
  const int *c = chosen;
  int set = c[A_SET] == 1 ? EVENT : c[A_SET] ? FDS[c[A_SET]] : SET, fd = FDS[c[FD]];
  struct epoll_event event = {EVENTS[c[BITS]], {.u64 = 0x1122334455667788}}, seen[4];
  make_sets();
  memset(placed, 0, PLACE_SIZE);
  if (c[IS_PRESENT]) add(SET, fd, c[IS_PRESENT] == 2 ? EPOLLIN | EPOLLEXCLUSIVE : c[IS_PRESENT] == 3 ? EPOLLIN | EPOLLOUT | EPOLLONESHOT : EPOLLIN);
  if (c[IS_PRESENT] == 3) epoll_wait(SET, seen, 4, 0);
  outcome(epoll_ctl(set, OPERATIONS[c[OPERATION]], fd, put(c[AT], 0, &event, sizeof event)));
  /* What the set has to say afterwards. */
  int count = epoll_wait(SET, seen, 4, 0);
  for (int i = 0; i < count; i++) printf("/%x:%lx", seen[i].events, seen[i].data.u64);
  close_sets();
}

static const int LIMITS[] = {4, 1, 2, 0, -1, 0x80000000, 0x7fffffff, 0x7fffffff / 12, 0x7fffffff / 12 + 1, 100000};
static const long MASK_SIZES[] = {8, 0, 4, 7, 9, 16, 128, -1, 0x100000008};
static const struct timespec TIMES[] = {{0, 0}, {0, 1}, {-1, 0}, {0, -1}, {0, 1000000000}, {0, 0x7fffffffffffffff}, {0x8000000000000000, 0}, {0x7fffffffffffffff, 1000000000}};
static const char *const CALLS[] = {"epoll_wait", "epoll_pwait", "epoll_pwait2"};
static struct dimension wait_dimensions[] = {
    {"call", 3, CALLS}, {"set", COUNT(FDS), FD_NAMES}, {"at", PLACES, PLACE_NAMES}, {"limit", COUNT(LIMITS)}, {"mask", PLACES + 1}, {"mask-size", COUNT(MASK_SIZES)}, {"time-at", PLACES, PLACE_NAMES}, {"time", COUNT(TIMES)}};
static void call_wait(void) {
  enum { CALL, A_SET, AT, LIMIT, MASK, MASK_SIZE, TIME_AT, TIME };
  const int *c = chosen;
  int set = c[A_SET] == 1 ? EVENT : c[A_SET] ? FDS[c[A_SET]] : SET, limit = LIMITS[c[LIMIT]], call = c[CALL];
  struct epoll_event events[4];
  uint64_t mask = -1;
  memset(events, 0x55, sizeof events);
  make_sets();
  add(SET, EVENT, EPOLLIN | EPOLLET), add(SET, READABLE, EPOLLIN | EPOLLET), add(SET, WRITABLE, EPOLLOUT | EPOLLET);
  memset(placed, 0, PLACE_SIZE);
  char *at = put(c[AT], 0, events, sizeof events);
  void *mask_at = c[MASK] ? put(c[MASK] - 1, 1, &mask, sizeof mask) : 0, *time_at = put(c[TIME_AT], 2, &TIMES[c[TIME]], sizeof *TIMES);
  /* What is chosen of arguments that epoll_wait does not have chooses the call that has them. */
  if (c[TIME_AT] || c[TIME]) call = 2;
  else if (call == 0 && (c[MASK] || c[MASK_SIZE])) call = 1;
  if (call == 0) outcome(syscall(SYS_epoll_wait, set, at, limit, 0));
  else if (call == 1) outcome(syscall(SYS_epoll_pwait, set, at, limit, 0, mask_at, MASK_SIZES[c[MASK_SIZE]]));
  /* Without a time it would wait for ever only where nothing is ready: not here. */
  else outcome(syscall(SYS_epoll_pwait2, set, at, limit, c[TIME_AT] == NOWHERE && set != SET ? put(WHOLE, 2, TIMES, sizeof *TIMES) : time_at, mask_at, MASK_SIZES[c[MASK_SIZE]]));
  /* What has been written before the end of memory, and what is still to be had. */
  if (c[AT] < NOWHERE && c[AT] != READ_ONLY)
    for (int i = 0; i < 4 && at + 12 * i + 12 <= placed + PLACE_SIZE; i++) memcpy(&events[0], at + 12 * i, 12), printf("%c%x", i ? ',' : ':', events[0].events);
  int count = epoll_wait(SET, events, 4, 0);
  for (int i = 0; i < count; i++) printf("/%d", events[i].data.fd);
  close_sets();
}

static const unsigned long COUNTS[] = {3, 0, 1, 2, 100, 5000, 0x7fffffff, 0x80000000, 0x100000001, -1};
static struct dimension poll_dimensions[] = {
    {"call", 2, (const char *const[]){"poll", "ppoll"}}, {"at", PLACES, PLACE_NAMES}, {"count", COUNT(COUNTS)}, {"fd", COUNT(FDS), FD_NAMES}, {"events", COUNT(EVENTS)}, {"mask", PLACES + 1}, {"mask-size", COUNT(MASK_SIZES)}, {"time-at", PLACES, PLACE_NAMES}, {"time", COUNT(TIMES)}};
static void call_poll(void) {
  enum { CALL, AT, HOW_MANY, FD, BITS, MASK, MASK_SIZE, TIME_AT, TIME };
  const int *c = chosen;
  struct pollfd fds[3] = {{FDS[c[FD]], EVENTS[c[BITS]], 0x5555}, {READABLE, POLLIN, 0x5555}, {WRITABLE, POLLOUT, 0x5555}};
  uint64_t mask = -1;
  make_sets();
  memset(placed, 0, PLACE_SIZE);
  char *at = put(c[AT], 0, fds, sizeof fds);
  void *mask_at = c[MASK] ? put(c[MASK] - 1, 1, &mask, sizeof mask) : 0, *time_at = put(c[TIME_AT], 2, &TIMES[c[TIME]], sizeof *TIMES);
  if (c[CALL] == 0 && !c[MASK] && !c[MASK_SIZE] && !c[TIME_AT] && !c[TIME]) outcome(syscall(SYS_poll, at, (unsigned)COUNTS[c[HOW_MANY]], 0));
  /* With nothing to look at, no time would be for ever. */
  else outcome(syscall(SYS_ppoll, at, COUNTS[c[HOW_MANY]], c[TIME_AT] == NOWHERE && (c[HOW_MANY] == 1 || c[HOW_MANY] == 2 || c[HOW_MANY] == 8) ? put(WHOLE, 2, TIMES, sizeof *TIMES) : time_at, mask_at, MASK_SIZES[c[MASK_SIZE]]));
  for (int i = 0; i < 3 && c[AT] < NOWHERE && at + 8 * i + 8 <= (c[AT] == READ_ONLY ? at + 24 : placed + PLACE_SIZE); i++) {
    memcpy(fds, at + 8 * i, 8);
    printf("%c%x", i ? ',' : ':', (unsigned short)fds[0].revents);
  }
  close_sets();
}

static const int NUMBERS[] = {TIMER + 1, 0, 1, EVENT, 64, 65, 1024, 1025, 0x7fffffff, -1, 0x80000000};
static struct dimension select_dimensions[] = {
    {"call", 2, (const char *const[]){"select", "pselect6"}}, {"number", COUNT(NUMBERS)}, {"reads", PLACES + 1}, {"writes", PLACES + 1}, {"excepts", PLACES + 1}, {"closed", 2}, {"time-at", PLACES, PLACE_NAMES}, {"time", COUNT(TIMES)},
    {"masks-at", PLACES + 1}, {"mask", PLACES, PLACE_NAMES}, {"mask-size", COUNT(MASK_SIZES)}};
static void call_select(void) {
  enum { CALL, NUMBER, READS, WRITES, EXCEPTS, CLOSED, TIME_AT, TIME, MASKS_AT, MASK, MASK_SIZE };
  const int *c = chosen;
  uint64_t sets[3][16] = {0}, mask = -1;
  char *at[3];
  make_sets();
  memset(placed, 0, PLACE_SIZE);
  for (int i = 0; i < 3; i++) {
    sets[i][0] = 1ul << READABLE | 1ul << WRITABLE | 1ul << EVENT | (c[CLOSED] ? 1ul << (TIMER + 3) | 1ul << TIMER : 0);
    /* The third set is absent if not chosen; all have the size that the number asks for. */
    at[i] = c[READS + i] ? put(c[READS + i] - 1, i, sets[i], c[NUMBER] > 3 ? 128 : 8) : i == 2 ? 0 : put(WHOLE, i, sets[i], 128);
  }
  int number = c[CLOSED] && !c[NUMBER] ? TIMER + 5 : NUMBERS[c[NUMBER]];
  /* For select, whose times are timevals, these are long ones: not where there is nothing that is ready. */
  struct timespec time = TIMES[c[NUMBER] >= 1 && c[NUMBER] <= 3 ? 0 : c[TIME]];
  void *mask_at = put(c[MASK], 5, &mask, sizeof mask);
  uint64_t masks[2] = {(uint64_t)mask_at, MASK_SIZES[c[MASK_SIZE]]};
  void *masks_at = c[MASKS_AT] ? put(c[MASKS_AT] - 1, 6, masks, sizeof masks) : c[MASK] || c[MASK_SIZE] ? put(WHOLE, 6, masks, sizeof masks) : 0;
  void *time_at = put(c[TIME_AT] == NOWHERE ? WHOLE : c[TIME_AT], 4, &time, sizeof time);
  if (c[CALL] || masks_at) outcome(syscall(SYS_pselect6, number, at[0], at[1], at[2], time_at, masks_at));
  else outcome(syscall(SYS_select, number, at[0], at[1], at[2], time_at));
  for (int i = 0; i < 3; i++) {
    uint64_t word;
    if (c[READS + i] > CUT_BY_ONE || at[i] == 0) continue;
    memcpy(&word, at[i], 8);
    /* A time that lies in the same memory is not told. */
    if (!c[TIME_AT] && !c[MASKS_AT] && !c[MASK]) printf("%c%lx", i ? ',' : ':', word);
  }
  close_sets();
}

/* How much of a set is looked at depends on how far the table of descriptors has ever grown; a fork gets a smaller one. */
static void show_room(const char *when) {
  char text[4096];
  int file = open("/proc/self/status", O_RDONLY);
  text[read(file, text, sizeof text - 1)] = 0;
  close(file);
  printf("%s: %d", when, atoi(strstr(text, "FDSize:") + 8));
  for (int size = 8; size <= 128; size *= 2) {
    uint64_t words[16] = {1ul << READABLE};
    struct timeval none = {0, 0};
    outcome(select(1024, put(LAST, 0, words, size), 0, 0, &none));
  }
  printf("\n");
  fflush(stdout);
}
static void rooms(void) {
  static const int highest[] = {64, 127, 128, 300, 1000};
  show_room("at first");
  for (int i = 0; i < COUNT(highest); i++) {
    dup2(NULL_FD, highest[i]);
    show_room("open");
    if (fork() == 0) show_room("forked"), _exit(0);
    wait(0);
    close(highest[i]);
    show_room("closed");
    if (fork() == 0) show_room("forked"), _exit(0);
    wait(0);
  }
}

int main(void) {
  static char buffer[1 << 16];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  struct rlimit limit = {1024, 1024};
  setrlimit(RLIMIT_NOFILE, &limit);
  make_places();
  make_descriptors();
  /* What the table of who has started the probe was like is not ours. */
  int child = fork(), status;
  if (child > 0) return waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : 1;
  printf("epoll_ctl\n"), combine(ctl_dimensions, COUNT(ctl_dimensions), call_ctl);
  printf("epoll_wait\n"), combine(wait_dimensions, COUNT(wait_dimensions), call_wait);
  printf("poll\n"), combine(poll_dimensions, COUNT(poll_dimensions), call_poll);
  printf("select\n"), combine(select_dimensions, COUNT(select_dimensions), call_select);
  static const int sizes[] = {1, 0, -1, 0x7fffffff, 0x80000000, EPOLL_CLOEXEC, 2};
  for (int i = 0; i < COUNT(sizes); i++) {
    printf("create %d:", sizes[i]);
    int fd = epoll_create(sizes[i]), other;
    outcome(fd), outcome(other = syscall(SYS_epoll_create1, sizes[i])), printf("\n");
    close(fd), close(other);
  }
  rooms();
  return 0;
}
