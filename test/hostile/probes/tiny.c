/* A small program without libc: something to damage. */
static long call(long nr, long a, const void *b, long c) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static char text[8192] = "whole\n";

void _start(void) {
  text[8191] = 1;
  call(1, 1, text, 6);
  call(231, 0, 0, 0);
}
