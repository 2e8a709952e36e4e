/* Waits for a byte, then writes to the message device and reads back. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  char text[8] = "";
  read(0, text, 1);
  int fd = open("/dev/message1", O_RDWR);
  if (fd < 0) return 1;
  if (write(fd, "abc", 3) != 3) return 2;
  long got = read(fd, text, sizeof text);
  return got == 3 && memcmp(text, "abc", 3) == 0 ? 40 : 3;
}
