/* What probes of sendmmsg and recvmmsg share: rows of which each may be wrong in its own way, and what is said of each. */
#include "hostile.h"

static const char *const BAD_MESSAGES[] = {"right", "base-unmapped", "base-cut", "iov-unmapped", "iovlen-1025", "iovlen-0", "name-unmapped", "namelen-negative", "control-short", "control-unmapped", "flags"};
/* `short_control` is a wrong length of ancillary data, `control` a right one. */
static void damage(struct msghdr *m, int form, size_t short_control, size_t control) {
  static struct iovec bad[2] = {{BAD, 5}};
  bad[1].iov_base = put(CUT_IN_HALF, 0, "hello", 5), bad[1].iov_len = 5;
  static char room[128];
  switch (form) {
    case 1: m->msg_iov = bad; break;
    case 2: m->msg_iov = bad + 1; break;
    case 3: m->msg_iov = BAD; break;
    case 4: m->msg_iovlen = 1025; break;
    case 5: m->msg_iovlen = 0; break;
    case 6: m->msg_name = BAD, m->msg_namelen = 10; break;
    case 7: m->msg_name = room, m->msg_namelen = -1; break;
    case 8: m->msg_control = room, m->msg_controllen = short_control; break;
    case 9: m->msg_control = BAD, m->msg_controllen = control; break;
    case 10: m->msg_flags = -1; break;
  }
}

static const unsigned ROWS[] = {3, 0, 1, 2, 4, 1024, 1025, 0x7fffffff, 0x80000000, -1};

/* Prints the lengths of three rows that were put in a place, as far as there is memory. */
static void show_lengths(enum place place, const char *at) {
  const char *end = place == READ_ONLY ? at + 3 * sizeof(struct mmsghdr) : placed + PLACE_SIZE;
  if (place >= NOWHERE) return;
  for (int i = 0; i < 3; i++) {
    const char *length_at = at + i * sizeof(struct mmsghdr) + offsetof(struct mmsghdr, msg_len);
    unsigned length;
    if (length_at + sizeof length > end) break;
    memcpy(&length, length_at, sizeof length);
    printf("%c%u", i ? ',' : ':', length);
  }
}
