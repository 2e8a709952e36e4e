/* Ends with mappings of a terabyte, of which a page is used. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE (1ul << 40)

static int map(int flags, int fd) {
  char *place = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
  if (place == MAP_FAILED) return 0;
  place[HUGE / 2] = 1;
  return 1;
}

int main(void) {
  int file = memfd_create("huge", 0);
  if (ftruncate(file, HUGE) != 0) return 1;
  if (!map(MAP_PRIVATE | MAP_ANONYMOUS, -1) || !map(MAP_SHARED | MAP_ANONYMOUS, -1) || !map(MAP_SHARED, file)) return 2;
  abort();
}
