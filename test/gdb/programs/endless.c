/* Loops until somebody changes `go`; then sleeps in a read, and ends with what it read. */
#include <errno.h>
#include <unistd.h>

volatile int go = 1;
volatile unsigned long turns;

static void spin(void) {
  while (go) turns++;
}

int main(void) {
  char byte = 1;
  spin();
  ssize_t got = read(0, &byte, 1);
  return got < 0 ? 100 + errno : got == 0 ? 50 : byte;
}

__attribute__((used)) static int twice(int n) { return 2 * n; }
