/* Touches every kind of private memory, then says "ready" and waits: the test looks at the page table meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int table[20000] = {1, 2, 3};
static char zeros[300000];

static int deep(int n) {
  volatile char frame[2000];
  memset((char *)frame, n, sizeof frame);
  return n > 0 ? deep(n - 1) + frame[n] : frame[5];
}

int main(void) {
  long sum = 0;
  for (int i = 0; i < 20000; i += 64) sum += table[i]++;
  for (int i = 0; i < 300000; i += 4096) sum += zeros[i];
  for (int i = 0; i < 4000; i++) memset(sbrk(1008), i, 1008);
  char *large = mmap(0, 3 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(large, 1, 3 << 20);
  for (int i = 0; i < 100; i++) {
    char *small = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    small[0] = small[4096] = 1;
  }
  sum += deep(150);
  printf("ready %p %p %ld\n", (void *)large, (void *)table, sum);
  fflush(stdout);
  char c;
  return read(0, &c, 1) == 1 ? 0 : 1;
}
