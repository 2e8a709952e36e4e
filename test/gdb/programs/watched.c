/* What watchpoints see: stores of several sizes, copies, reads. */
#include <string.h>

struct block {
  char before[64];
  long value;
  char after[64];
};

struct block block;
long sum;
static char source[sizeof(struct block)];

int main(void) {
  block.before[63] = 1;
  block.value = 7;
  ((char *)&block.value)[3] = 2;
  block.after[0] = 3;
  sum += block.value;
  for (int i = 0; i < 1000; i++) block.after[i % 64] += i;
  source[70] = 9;
  __asm__ volatile("rep movsb" ::"S"(source), "D"(&block), "c"(sizeof block) : "memory");
  block.value = 0;
  return 0;
}
