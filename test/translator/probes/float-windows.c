/*
 * Runs of floating-point instructions in hot loops in which now and then one has a result that is not finite. Prints, per
 * case, a hash of all results with the exception flags IE, ZE and OE after every run.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xmmintrin.h>

static uint64_t hash;
static void mix(uint64_t x) { hash = (hash ^ x) * 0x100000001b3u + (hash >> 29); }
static void mixDouble(double d) {
  uint64_t x;
  memcpy(&x, &d, 8);
  mix(x);
}

static double number(int i, int period) { return i % period == 0 ? 0x1p600 : 1 + i % 7; }

#define TURN(i, name) for (int i = (hash = 1, printf("%s ", name), 0); i < 30000; i++, _mm_setcsr(0x1f80))
#define NOTE() mix(_mm_getcsr() & 0x0d)

int main(void) {
  double x, y, z;
  uint64_t a, b;
  /* A result that is too large, and of which only a quotient of zero is left. */
  TURN(i, "divisor") {
    x = number(i, 19), y = number(i, 19), z = 3;
    __asm__ volatile("mulsd %1, %0\n divsd %0, %2\n addsd %2, %2\n movapd %2, %0" : "+x"(x), "+x"(y), "+x"(z));
    mixDouble(x), mixDouble(z), NOTE();
  }
  printf("%016lx\n", hash);
  /* Flags from before the run are read in it, and then others are set. */
  TURN(i, "flags") {
    x = number(i, 23), y = number(i, 23), a = i, b = 7;
    __asm__ volatile(
        "cmpq $0x7fffffff, %2\n mulsd %1, %0\n cmovbq %2, %3\n addq $1, %2\n mulsd %1, %0\n setnz %b2\n"
        : "+x"(x), "+x"(y), "+r"(a), "+r"(b)::"cc");
    mixDouble(x), mix(a), mix(b), NOTE();
  }
  printf("%016lx\n", hash);
  /* A conversion that fails in the middle: what is written behind it has not been yet. */
  TURN(i, "conversion") {
    x = number(i, 29), y = 1.5, z = i, a = i;
    __asm__ volatile(
        "addsd %1, %0\n cvttsd2si %0, %k2\n addsd %3, %1\n mulsd %1, %3\n leaq 3(%4), %4\n addsd %3, %0"
        : "+x"(x), "+x"(y), "=&r"(b), "+x"(z), "+r"(a));
    mixDouble(x), mixDouble(y), mixDouble(z), mix(a), mix(b), NOTE();
  }
  printf("%016lx\n", hash);
  /* Halves of a double in other places are no double. */
  TURN(i, "halves") {
    x = number(i, 31), y = number(i, 31), z = 2;
    __asm__ volatile(
        "mulsd %1, %0\n pshufd $0x11, %0, %0\n mulsd %1, %1\n addsd %0, %2\n ucomisd %0, %1\n setp %b3"
        : "+x"(x), "+x"(y), "+x"(z), "=q"(b)::"cc");
    mixDouble(x), mixDouble(y), mixDouble(z), mix(b & 0xff), NOTE();
  }
  printf("%016lx\n", hash);
  /* A lane that shows in no later result. */
  TURN(i, "lanes") {
    double pair[2] = {1 + i % 5, number(i, 37)}, other[2] = {2, number(i, 37)};
    __asm__ volatile(
        "movupd %0, %%xmm3\n movupd %1, %%xmm4\n mulpd %%xmm4, %%xmm3\n addsd %%xmm3, %%xmm3\n"
        "unpckhpd %%xmm4, %%xmm4\n movsd %%xmm3, %%xmm4\n subsd %%xmm4, %%xmm3\n movupd %%xmm4, %0"
        : "+m"(pair), "+m"(other)::"xmm3", "xmm4");
    mixDouble(pair[0]), mixDouble(pair[1]), NOTE();
  }
  printf("%016lx\n", hash);
  /* An infinity is as good as any number to compare with, a NaN is not. */
  TURN(i, "comparison") {
    static const double limits[4] = {__builtin_inf(), -__builtin_inf(), 4, __builtin_nan("")};
    x = number(i, 41), y = limits[i % 97 ? i % 3 : 3], a = 0, b = 0;
    __asm__ volatile("addsd %0, %0\n comisd %1, %0\n setb %b2\n setp %b3\n" : "+x"(x), "+x"(y), "+q"(a), "+q"(b)::"cc");
    mixDouble(x), mix(a), mix(b), NOTE();
  }
  printf("%016lx\n", hash);
  return 0;
}
