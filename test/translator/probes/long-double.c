/*
 * x87 loads, conversions, stores and products of all kinds of numbers, under several control words and with registers in the
 * way: results, memory, status and tags of each, as numbers on lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  uint64_t significand;
  uint16_t sign_exponent;
} __attribute__((packed)) extended;

static const uint16_t controls[] = {0x37f, 0x27f, 0x07f, 0xb7f, 0x77f, 0xf7f};

static const uint64_t edges[] = {
    0, 1, 2, 0x3ff, 0x400, 0x401, 0x7ff, 0x800, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x80000000,
    0x80800000, 0xff800000, 0xffffffff, 0x3f800000, 0xbf800000, 0x000fffffffffffff, 0x0010000000000000,
    0x3ff0000000000000, 0xbff0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000, 0x7ff0000000000001,
    0x7ff8000000000000, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0x8000000000000400,
    0x8000000000000c00, 0x8000008000000000, 0x8000018000000000, 0xfffffffffffffbff, 0xfffffffffffffc00,
    0xfffff80000000000, 0xffffffffffffffff, 0xffffff8000000000, 0xffffff7fffffffff, 0xb504f333f9de6484,
    0xb504f333f9de6485,
};
static const uint16_t exponents[] = {
    0, 1, 2, 0x3c00, 0x3c01, 0x3c02, 0x3f80, 0x3f81, 0x3f82, 0x3ffe, 0x3fff, 0x4000, 0x407d, 0x407e, 0x407f, 0x43fd,
    0x43fe, 0x43ff, 0x7ffd, 0x7ffe, 0x7fff, 0xbfff, 0xffff, 0x8000,
};
#define COUNT(list) (sizeof list / sizeof *list)

static uint64_t digest;

static void mix(uint64_t x) { digest = (digest ^ x) * 0x100000001b3u ^ digest >> 29; }

static void mix_number(const extended *x) {
  mix(x->significand);
  mix(x->sign_exponent);
}

/* Environment behind an operation: status and full tags; then a clean unit. */
static void note_unit(void) {
  uint16_t environment[14];
  __asm__ volatile("fnstenv %0\n\tfninit" : "=m"(environment));
  mix(environment[2]);
  mix(environment[4]);
}

static uint64_t seed = 88172645463325252u;
static uint64_t next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

#define LOAD(name, mnemonic, type)                                        \
  static void name(uint16_t control, uint64_t bits) {                     \
    type operand;                                                         \
    extended result;                                                      \
    memcpy(&operand, &bits, sizeof operand);                              \
    __asm__ volatile("fninit\n\tfldcw %2\n\t" mnemonic " %1\n\tfstpt %0"  \
                     : "=m"(result) : "m"(operand), "m"(control));        \
    mix_number(&result);                                                  \
    note_unit();                                                          \
  }
LOAD(load32, "flds", float)
LOAD(load64, "fldl", double)
LOAD(integer16, "filds", int16_t)
LOAD(integer32, "fildl", int32_t)
LOAD(integer64, "fildq", int64_t)

#define STORE(name, mnemonic, type, bits)                                     \
  static void name(uint16_t control, const extended *number) {                \
    type memory;                                                              \
    bits result = 0x55;                                                       \
    memcpy(&memory, &result, sizeof memory);                                  \
    __asm__ volatile("fninit\n\tfldcw %2\n\tfldt %1\n\t" mnemonic " %0"       \
                     : "+m"(memory) : "m"(*number), "m"(control));            \
    memcpy(&result, &memory, sizeof memory);                                  \
    mix(result);                                                              \
    note_unit();                                                              \
  }
STORE(store32, "fsts", float, uint32_t)
STORE(pop32, "fstps", float, uint32_t)
STORE(store64, "fstl", double, uint64_t)
STORE(pop64, "fstpl", double, uint64_t)

#define MULTIPLY(name, mnemonic)                                                            \
  static void name(uint16_t control, const extended *x, const extended *y) {                \
    extended top;                                                                           \
    __asm__ volatile("fninit\n\tfldcw %3\n\tfldt %1\n\tfld1\n\tfldt %2\n\t" mnemonic "\n\tfstpt %0" \
                     : "=m"(top) : "m"(*x), "m"(*y), "m"(control));                         \
    mix_number(&top);                                                                       \
    note_unit();                                                                            \
  }
MULTIPLY(multiply_top, "fmul %%st(2), %%st")
MULTIPLY(multiply_other, "fmul %%st, %%st(2)\n\tfxch %%st(2)")
MULTIPLY(multiply_pop, "fmulp %%st, %%st(2)\n\tfstp %%st(0)")
MULTIPLY(square, "fmul %%st(0), %%st")

/* A full stack, an empty one: what is loaded and stored then. */
static void without_room(uint32_t bits) {
  float operand;
  double stored = 1;
  extended result;
  memcpy(&operand, &bits, sizeof operand);
  __asm__ volatile("fninit\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tflds %1\n\tfstpt %0"
                   : "=m"(result) : "m"(operand));
  mix_number(&result);
  note_unit();
  __asm__ volatile("fninit\n\tfstpl %0" : "+m"(stored));
  mix(stored == stored);
  note_unit();
  __asm__ volatile("fninit\n\tflds %1\n\tfmulp %%st, %%st(1)\n\tfstpt %0" : "=m"(result) : "m"(operand));
  mix_number(&result);
  note_unit();
}

static void line(const char *what, int which) {
  printf("%s %d: %016lx\n", what, which, (unsigned long)digest);
  digest = 0;
}

int main(void) {
  for (unsigned c = 0; c < COUNT(controls); c++) {
    const uint16_t control = controls[c];
    for (unsigned round = 0; round < 4000; round++) {
      const uint64_t bits = round < COUNT(edges) ? edges[round] : next() >> (round & 1 ? next() % 64 : 0);
      load32(control, bits);
      load64(control, bits);
      integer16(control, bits);
      integer32(control, bits);
      integer64(control, bits);
    }
    line("loads", c);
    for (unsigned e = 0; e < COUNT(exponents); e++) {
      for (unsigned round = 0; round < 2 * COUNT(edges) + 40; round++) {
        const uint64_t edge = edges[round % COUNT(edges)];
        extended x = {round < COUNT(edges) ? edge : edge | 1ull << 63, exponents[e]};
        if (round >= 2 * COUNT(edges)) x.significand = next() | 1ull << 63;
        store32(control, &x);
        pop32(control, &x);
        store64(control, &x);
        pop64(control, &x);
        extended y = {next() | 1ull << 63, exponents[next() % COUNT(exponents)]};
        if (round & 1) y.significand = edges[next() % COUNT(edges)] | 1ull << 63;
        multiply_top(control, &x, &y);
        multiply_other(control, &x, &y);
        multiply_pop(control, &x, &y);
        square(control, &x, &y);
      }
    }
    line("stores and products", c);
  }
  for (unsigned i = 0; i < COUNT(edges); i++) without_room(edges[i]);
  line("without room", 0);
  return 0;
}
