/* Waits for a byte, then polls the locker device and writes to it. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

int main(void) {
  char byte;
  read(0, &byte, 1);
  struct pollfd poller = {.fd = open("/dev/locker", O_RDWR), .events = POLLOUT};
  if (poller.fd < 0) return 1;
  if (poll(&poller, 1, -1) != 1) return 2;
  return write(poller.fd, "x", 1) == 1 ? 40 : 3;
}
