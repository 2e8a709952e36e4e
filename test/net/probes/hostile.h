/* What probes of hostile messages and addresses share: sockets in each state, what a socket has got, values to be wrong with. */
#include "net.h"
#include "../../support/places.h"
#include "../../support/combinations.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
#define NAMES(...) ((const char *const[]){__VA_ARGS__})

static const int NAME_LENGTHS[] = {0, 1, 2, 3, 4, 108, 109, 110, 111, 127, 128, 129, 4096, 0x7fffffff, -1, 0x80000000};
static const long LENGTHS[] = {5, 0, 1, 100, 4096, 70000, 0x7ffff000, 0x7fffffff, 0x80000000, 0x100000005, 0x7fffffffffffffff, 0x8000000000000000, -1};
static const long VECTORS[] = {1, 0, 2, 3, 1024, 1025, 0x7fffffff, 0x80000000, 0x100000001, 0x7fffffffffffffff, 0x8000000000000000, -1};

/* The first descriptor that a call may make; all below it are those of the probe. */
enum { FIRST_NEW = 40, LAST_NEW = 400 };
static int pipe_end;

/* Descriptors of the probe lie at the same numbers in every run. */
__attribute__((unused)) static void make_descriptors(void) {
  for (int fd = 3; fd < 1024; fd++) close(fd);
  int null = open("/dev/null", O_RDWR), ends[2];
  dup2(null, 0), dup2(null, 2);
  pipe(ends);
  pipe_end = ends[0];
  for (int fd = ends[1] + 1; fd < FIRST_NEW; fd++) dup2(null, fd);
}

/* Closes what is new. @returns how many there were */
__attribute__((unused)) static int close_new(void) {
  int count = 0;
  for (int fd = FIRST_NEW; fd < LAST_NEW; fd++) {
    if (close(fd) == 0) count++;
    else if (fd > FIRST_NEW + 16) break;
  }
  return count;
}

__attribute__((unused)) static void outcome(long result) {
  if (result < 0) printf(" %s", strerrorname_np(errno));
  else printf(" %ld", result);
}

/* Takes all that is there, up to the end. Prints the size of each message, and how many descriptors came with it. */
__attribute__((unused)) static void drain(int fd, int type) {
  static char data[1 << 17];
  static union { char bytes[2048]; struct cmsghdr first; } control;
  for (int messages = 0; messages < 5; messages++) {
    struct iovec v = {data, sizeof data};
    struct msghdr m = {0, 0, &v, 1, control.bytes, sizeof control};
    long size = recvmsg(fd, &m, MSG_DONTWAIT);
    if (size < 0) break;
    int files = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      int *fds = (int *)CMSG_DATA(c);
      files = (c->cmsg_len - CMSG_LEN(0)) / 4;
      for (int i = 0; i < files; i++) close(fds[i]);
    }
    printf("/%ld", size);
    if (files) printf("+%d", files);
    if (size == 0 && type != SOCK_DGRAM) break;
  }
}
