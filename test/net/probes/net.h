/* What probes of sockets share beside probe.h. */
#include "../../syscalls/probes/probe.h"
#include "../../support/asleep.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <linux/sockios.h>

static const int TYPES[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
static const char *const TYPE_NAMES[] = {"stream", "dgram", "seqpacket"};
#define EACH_TYPE(i) for (int i = 0; i < 3 && (printf("-- %s\n", TYPE_NAMES[i]), 1); i++)

/* The address of a path, or of an abstract name when it begins with @. */
__attribute__((unused)) static socklen_t address(struct sockaddr_un *a, const char *name) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  strcpy(a->sun_path, name);
  if (name[0] == '@') a->sun_path[0] = 0;
  return offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] == '@' ? 0 : 1);
}
__attribute__((unused)) static int bind_to(int fd, const char *name) {
  struct sockaddr_un a;
  socklen_t length = address(&a, name);
  return bind(fd, (void *)&a, length);
}
__attribute__((unused)) static int connect_to(int fd, const char *name) {
  struct sockaddr_un a;
  socklen_t length = address(&a, name);
  return connect(fd, (void *)&a, length);
}
__attribute__((unused)) static int disconnect(int fd) {
  struct sockaddr a = {AF_UNSPEC};
  return connect(fd, &a, sizeof a);
}
__attribute__((unused)) static long send_to(int fd, const char *text, int flags, const char *name) {
  struct sockaddr_un a;
  socklen_t length = address(&a, name);
  return sendto(fd, text, strlen(text), flags, (void *)&a, length);
}
__attribute__((unused)) static void show_address(const char *what, struct sockaddr_un *a, socklen_t length) {
  printf("%s: length %d", what, length);
  if (length >= 2) {
    printf(" family %d ", a->sun_family);
    bytes("path", a->sun_path, length > sizeof *a ? sizeof *a - 2 : length - 2);
  } else printf("\n");
}
__attribute__((unused)) static void names(int fd) {
  struct sockaddr_un a;
  socklen_t length = sizeof a;
  memset(&a, 0, sizeof a);
  if (getsockname(fd, (void *)&a, &length) == 0) show_address("name", &a, length);
  length = sizeof a;
  memset(&a, 0, sizeof a);
  if (getpeername(fd, (void *)&a, &length) == 0) show_address("peer", &a, length);
  else printf("peer: %s\n", strerrorname_np(errno));
}
/* What poll says of a descriptor now. */
__attribute__((unused)) static void ready(const char *what, int fd) {
  struct pollfd p = {fd, 0x3fff, 0};
  poll(&p, 1, 0);
  printf("%s: poll %#x\n", what, p.revents);
}
/* Receives at most `room` bytes and shows them. */
__attribute__((unused)) static long receive(int fd, int room, int flags) {
  static char buffer[1 << 17];
  errno = 0;
  long count = recv(fd, buffer, room, flags | MSG_DONTWAIT);
  if (count < 0) printf("recv %s\n", strerrorname_np(errno));
  else {
    printf("recv %ld ", count);
    bytes("bytes", buffer, count > room ? room : count > 60 ? 60 : count);
  }
  return count;
}
__attribute__((unused)) static int option(int fd, int name) {
  int value = -12345;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &length) ? -errno : value;
}
__attribute__((unused)) static int set(int fd, int name, int value) {
  return setsockopt(fd, SOL_SOCKET, name, &value, sizeof value);
}
__attribute__((unused)) static int queued(int fd, unsigned long request) {
  int value = -1;
  return ioctl(fd, request, &value) ? -errno : value;
}
