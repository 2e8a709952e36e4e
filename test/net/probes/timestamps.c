/* Times of messages: every two settings of SO_TIMESTAMP and its relatives after each other, what they read as, what comes with a message. */
#include "net.h"
#include <time.h>
#include <linux/net_tstamp.h>

#ifndef SOF_TIMESTAMPING_OPT_RX_FILTER
#define SOF_TIMESTAMPING_OPT_RX_FILTER (1 << 17)
#endif
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
static const int OPTIONS[] = {29 /* SO_TIMESTAMP_OLD */, 35 /* SO_TIMESTAMPNS_OLD */, 37 /* SO_TIMESTAMPING_OLD */, 63 /* SO_TIMESTAMP_NEW */, 64 /* SO_TIMESTAMPNS_NEW */, 65 /* SO_TIMESTAMPING_NEW */};
static const struct { int option, value; } SETTINGS[] = {
    {29, 1}, {29, 0}, {35, 1}, {35, 0}, {63, 1}, {63, 0}, {64, 1}, {64, 0}, {29, -5}, {37, 0}, {65, 0},
    {37, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE}, {65, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE},
    {37, SOF_TIMESTAMPING_SOFTWARE}, {37, SOF_TIMESTAMPING_RX_SOFTWARE}, {37, SOF_TIMESTAMPING_OPT_RX_FILTER | SOF_TIMESTAMPING_SOFTWARE},
    {65, SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_RX_HARDWARE}, {37, SOF_TIMESTAMPING_OPT_CMSG | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE},
};

static void get_all(int fd) {
  for (int i = 0; i < COUNT(OPTIONS); i++) {
    int value[2] = {-1, -1};
    socklen_t size = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, OPTIONS[i], value, &size)) printf(" %s", strerrorname_np(errno));
    else printf(" %d:%x,%x", size, value[0], value[1]);
  }
}

/* A time is near now, or zero; of others only their number is told. */
static void show_time(const long *at, int is_micro) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  long apart = now.tv_sec - at[0];
  printf(" %s%s", at[0] == 0 && at[1] == 0 ? "none" : apart >= 0 && apart < 100 ? "now" : "other", at[1] < 0 || at[1] >= (is_micro ? 1000000 : 1000000000) ? "!" : "");
}

static void receive_all(int fd, int room) {
  union { char bytes[512]; struct cmsghdr first; } control;
  char data[16];
  struct iovec v = {data, sizeof data};
  struct msghdr m = {0, 0, &v, 1, room ? control.bytes : 0, room};
  long r = recvmsg(fd, &m, MSG_DONTWAIT);
  printf(" got %ld %x %ld", r, m.msg_flags, (long)m.msg_controllen);
  if (r < 0) return;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    printf(" [%d %d %ld", c->cmsg_level, c->cmsg_type, (long)c->cmsg_len);
    int times = (c->cmsg_len - CMSG_LEN(0)) / 16;
    for (int i = 0; i < times; i++) {
      long time[2];
      memcpy(time, CMSG_DATA(c) + 16 * i, 16);
      show_time(time, c->cmsg_type == 29 || c->cmsg_type == 63);
    }
    printf("]");
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  EACH_TYPE(t) {
    for (int i = 0; i < COUNT(SETTINGS); i++)
      for (int k = -1; k < COUNT(SETTINGS); k++) {
        int s[2];
        socketpair(AF_UNIX, TYPES[t], 0, s);
        printf("%d=%#x", SETTINGS[i].option, SETTINGS[i].value);
        if (set(s[0], SETTINGS[i].option, SETTINGS[i].value)) printf(" %s", strerrorname_np(errno));
        send(s[1], "between", 7, 0);
        if (k >= 0) {
          printf(" %d=%#x", SETTINGS[k].option, SETTINGS[k].value);
          if (set(s[0], SETTINGS[k].option, SETTINGS[k].value)) printf(" %s", strerrorname_np(errno));
        }
        printf(":"), get_all(s[0]);
        send(s[1], "after", 5, 0);
        receive_all(s[0], 512), receive_all(s[0], 512);
        printf("\n");
        close(s[0]), close(s[1]);
      }
    /* Too little room, and none. */
    for (int room = 0; room < 120; room += room < 12 ? 4 : 9) {
      int s[2];
      socketpair(AF_UNIX, TYPES[t], 0, s);
      set(s[0], 35, 1), set(s[0], 37, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
      send(s[1], "x", 1, 0);
      printf("room %d:", room), receive_all(s[0], room), printf("\n");
      close(s[0]), close(s[1]);
    }
    /* Each bit alone and with SOF_TIMESTAMPING_OPT_ID; a clock to be bound to. */
    for (int bit = 0; bit < 32; bit++) {
      int fd = socket(AF_UNIX, TYPES[t], 0);
      long both[2] = {1u << bit | 77l << 32, 0};
      printf("bit %d:", bit);
      for (int size = 3; size <= 16; size++) {
        errno = 0;
        setsockopt(fd, SOL_SOCKET, size & 1 ? 37 : 65, both, size);
        printf(" %s", strerrorname_np(errno));
      }
      get_all(fd);
      printf(" %d", set(fd, 37, 1u << bit | SOF_TIMESTAMPING_OPT_ID)), get_all(fd), printf("\n");
      close(fd);
    }
    /* Sizes of what is read. */
    for (int size = 0; size < 10; size++) {
      int fd = socket(AF_UNIX, TYPES[t], 0), value[3] = {-1, -1, -1};
      socklen_t room = size;
      set(fd, 37, 0x18);
      printf("size %d: %d", size, getsockopt(fd, SOL_SOCKET, 37, value, &room));
      printf(" %d %x %x\n", room, value[0], value[1]);
      close(fd);
    }
  }
  return 0;
}
