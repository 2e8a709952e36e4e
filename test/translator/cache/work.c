/* Several functions that get hot one after the other: integers, doubles, calls through pointers, a switch, memory. */
#include <stdio.h>
#include <stdint.h>
#include <string.h>

static uint32_t table[1024];
static double vector[256];

__attribute__((noinline)) static uint32_t mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  return x;
}

__attribute__((noinline)) static uint32_t fill(uint32_t seed) {
  for (int i = 0; i < 1024; i++) table[i] = seed = mix(seed + i);
  return seed;
}

__attribute__((noinline)) static double smooth(double x) {
  for (int i = 1; i < 255; i++) vector[i] = (vector[i - 1] + vector[i + 1]) * 0.5 + x;
  return vector[128];
}

__attribute__((noinline)) static uint32_t interpret(const uint8_t *code, int length) {
  uint32_t a = 1;
  for (int i = 0; i < length; i++) {
    switch (code[i] & 7) {
      case 0: a += i; break;
      case 1: a ^= table[a & 1023]; break;
      case 2: a = a << 5 | a >> 27; break;
      case 3: a -= 77; break;
      case 4: a *= 3; break;
      case 5: table[i & 1023] = a; break;
      case 6: a = ~a; break;
      default: a |= 1;
    }
  }
  return a;
}

static uint32_t (*volatile chosen)(uint32_t) = mix;

int main(void) {
  static uint8_t code[4096];
  uint32_t sum = 1;
  for (int round = 0; round < 60; round++) {
    sum = fill(sum + round);
    for (int i = 0; i < 4096; i++) code[i] = (uint8_t)chosen(sum + i);
    sum += interpret(code, sizeof code);
    vector[0] = round;
    smooth(1.0 / (round + 1));
    memmove(table + 1, table, sizeof table - sizeof *table);
  }
  printf("%u %.17g\n", sum, vector[128]);
  return 0;
}
