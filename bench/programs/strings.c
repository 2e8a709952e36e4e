/* String functions of libc (glibc picks vector code by cpuid, musl works in words) and the same written by hand. */
#include "bench.h"
#include <string.h>

enum { LINES = 4096, TEXT = LINES * 64 };
static char text[TEXT + 1], twin[TEXT + 1];
static int starts[LINES], lines;

/* Lines of 8 to 119 letters, each ended by a zero; the twin differs in the last letter of each eighth line. */
static void text_setup(void) {
  uint64_t seed = 12;
  int at = 0;
  for (lines = 0; lines < LINES; lines++) {
    int length = 8 + (int)(next_random(&seed) >> 33) % 112;
    if (at + length + 1 > TEXT) break;
    starts[lines] = at;
    for (int i = 0; i < length; i++) text[at++] = (char)('a' + (next_random(&seed) >> 33) % 25);
    text[at++] = 0;
  }
  memcpy(twin, text, TEXT);
  for (int i = 0; i + 1 < lines; i += 8) twin[starts[i + 1] - 2] = 'z';
}

/* Not known to the compiler, which would put some of them in line. */
static size_t (*volatile length_of)(const char *) = strlen;
static int (*volatile compare)(const char *, const char *) = strcmp;
static char *(*volatile find_char)(const char *, int) = (char *(*)(const char *, int))strchr;
static void *(*volatile find_byte)(const void *, int, size_t) = (void *(*)(const void *, int, size_t))memchr;

static uint64_t strlen_round(void) {
  size_t (*const call)(const char *) = length_of;
  uint64_t sum = 0;
  for (int round = 0; round < 1200; round++)
    for (int i = 0; i < lines; i++) sum += call(text + starts[i]);
  return sum;
}

static uint64_t strcmp_round(void) {
  int (*const call)(const char *, const char *) = compare;
  uint64_t sum = 0;
  for (int round = 0; round < 1200; round++)
    for (int i = 0; i < lines; i++) sum += call(text + starts[i], twin + starts[i]) == 0;
  return sum;
}

static uint64_t strchr_round(void) {
  char *(*const call)(const char *, int) = find_char;
  uint64_t sum = 0;
  for (int round = 0; round < 1000; round++)
    for (int i = 0; i < lines; i++) {
      const char *found = call(twin + starts[i], 'z');
      sum += found ? (uint64_t)(found - twin) : 1;
    }
  return sum;
}

static uint64_t memchr_round(void) {
  void *(*const call)(const void *, int, size_t) = find_byte;
  uint64_t sum = 0;
  for (int round = 0; round < 2000; round++)
    for (char *at = twin; (at = call(at, 'z', (size_t)(twin + TEXT - at))); at++) sum += (uint64_t)(at - twin);
  return sum;
}

__attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) static size_t my_strlen(const char *s) {
  const char *at = s;
  while (*at) at++;
  return (size_t)(at - s);
}

__attribute__((noinline)) static int my_strcmp(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

__attribute__((noinline)) static int count_words(const char *s) {
  int words = 0, inside = 0;
  for (; *s; s++) {
    int letter = *s != 'e' && *s != 'q' && *s != 'x';
    words += letter && !inside;
    inside = letter;
  }
  return words;
}

static uint64_t by_hand_round(void) {
  uint64_t sum = 0;
  for (int round = 0; round < 32; round++)
    for (int i = 0; i < lines; i++) {
      sum += my_strlen(text + starts[i]) + (my_strcmp(text + starts[i], twin + starts[i]) == 0);
      sum += (uint64_t)count_words(text + starts[i]);
    }
  return sum;
}

const struct kernel string_kernels[] = {
    {"strlen", "strlen of libc", text_setup, strlen_round},
    {"strcmp", "strcmp of libc", text_setup, strcmp_round},
    {"strchr", "strchr of libc", text_setup, strchr_round},
    {"memchr", "memchr of libc", text_setup, memchr_round},
    {"strings", "string functions written by hand", text_setup, by_hand_round},
    {0},
};
