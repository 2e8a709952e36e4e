// What just-in-time compilers do: thousands of functions one after another at the same address, a heap of code that grows
// and whose functions call each other, inline caches that are patched, and code that is written next to code that runs.
#include "code.h"

#define HEAP 0x12000000ul
#define HEAP_SIZE (1 << 20)

static uint64_t seed = 88172645463325252ul;
static uint32_t next(void) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return seed >> 16;
}
static uint32_t sum;
static void mix(uint32_t x) { sum = (sum ^ x) * 0x9e3779b1u + 1; }
static void report(const char *name) {
  printf("%s %08x\n", name, sum);
  fflush(stdout);
}

// A function of one to eight random steps in a loop, and what it has to return.
struct step {
  int kind;
  uint32_t value;
};
static int make(struct step *steps) {
  int n = 1 + next() % 8;
  for (int i = 0; i < n; i++) steps[i] = (struct step){next() % 6, next()};
  return n;
}
static uint8_t *emit(uint8_t *p, const struct step *steps, int n) {
  EMIT(p, "\x89\xf8");
  uint8_t *head = p;
  for (int i = 0; i < n; i++) {
    switch (steps[i].kind) {
      case 0: EMIT(p, "\x05"); p = imm32(p, steps[i].value); break;
      case 1: EMIT(p, "\x35"); p = imm32(p, steps[i].value); break;
      case 2: EMIT(p, "\x2d"); p = imm32(p, steps[i].value); break;
      case 3: EMIT(p, "\x69\xc0"); p = imm32(p, steps[i].value | 1); break;
      case 4: EMIT(p, "\xc1\xc0"); *p++ = steps[i].value & 31; break;
      default: EMIT(p, "\x01\xf0"); break;  // add eax, esi
    }
  }
  EMIT(p, "\xff\xce\x75");
  *p = (uint8_t)(head - (p + 1));
  p++;
  EMIT(p, "\xc3");
  return p;
}
static uint32_t expect(const struct step *steps, int n, uint32_t x, uint32_t rounds) {
  do {
    for (int i = 0; i < n; i++) {
      uint32_t v = steps[i].value, s = v & 31;
      switch (steps[i].kind) {
        case 0: x += v; break;
        case 1: x ^= v; break;
        case 2: x -= v; break;
        case 3: x *= v | 1; break;
        case 4: x = s ? x << s | x >> (32 - s) : x; break;
        default: x += rounds; break;
      }
    }
  } while (--rounds);
  return x;
}

static void sameAddress(int functions, uint32_t rounds) {
  uint8_t *code = (uint8_t *)HEAP;
  struct step steps[8];
  for (int k = 0; k < functions; k++) {
    int n = make(steps);
    emit(code, steps, n);
    uint32_t got = ((function)HEAP)(k, rounds), right = expect(steps, n, k, rounds);
    if (got != right) printf("function %d: %08x, not %08x\n", k, got, right);
    mix(got);
  }
}

// Functions behind each other, each called when made and now and then later on; when the heap is full it starts anew.
static void growingHeap(void) {
  static struct {
    uint8_t *at;
    struct step steps[8];
    int n;
  } made[4096];
  int count = 0;
  uint8_t *p = (uint8_t *)HEAP;
  for (int k = 0; k < 6000; k++) {
    if (count == 4096 || p + 128 > (uint8_t *)HEAP + (96 << 10)) p = (uint8_t *)HEAP, count = 0;
    made[count].at = p;
    made[count].n = make(made[count].steps);
    p = emit(p, made[count].steps, made[count].n);
    count++;
    for (int i = 0; i < 4; i++) {
      int j = i == 0 ? count - 1 : (int)(next() % count);
      uint32_t got = ((function)made[j].at)(k, 20);
      if (got != expect(made[j].steps, made[j].n, k, 20)) printf("heap, %d: function %d\n", k, j);
      mix(got);
    }
  }
}

// call rel32 sites that are pointed at other functions while their loop is hot.
static void inlineCaches(void) {
  uint8_t *targets[16];
  uint8_t *p = (uint8_t *)HEAP + 4096;
  for (int i = 0; i < 16; i++) {
    targets[i] = p;
    EMIT(p, "\x69\xc0");  // imul eax, eax, k; add eax, i; ret
    p = imm32(p, 2 * i + 3);
    EMIT(p, "\x05");
    p = imm32(p, i);
    EMIT(p, "\xc3");
    p += 64 * (i & 3);
  }
  uint8_t *code = (uint8_t *)HEAP;
  p = code;
  EMIT(p, "\x89\xf8\xe8");  // mov eax, edi; L: call; dec esi; jnz L; ret
  uint8_t *site = p;
  p += 4;
  EMIT(p, "\xff\xce\x75\xf7\xc3");
  for (int k = 0; k < 2000; k++) {
    int i = k % 3 ? k % 16 : next() % 16;
    imm32(site, (uint32_t)(targets[i] - (site + 4)));
    uint32_t got = ((function)code)(k, 200), x = k;
    for (int r = 0; r < 200; r++) x = x * (2 * i + 3) + i;
    if (got != x) printf("call site, round %d\n", k);
    mix(got);
  }
}

int main(void) {
  map(HEAP, HEAP_SIZE, RWX);
  sameAddress(4000, 50);
  report("thousands of functions at one address");
  sameAddress(60, 20000);
  report("hot functions at one address");
  growingHeap();
  report("a heap of code");
  inlineCaches();
  report("call sites patched");
  return 0;
}
