/* An LZ77 coder with a hash of three bytes, greedy matches and byte-aligned output; unpacks again and compares. */
#include "bench.h"
#include <string.h>

enum { INPUT = 1 << 20, HASH_BITS = 14, WINDOW = 65535, LEAST = 4, MOST = 4 + 127 };
static unsigned char input[INPUT], packed[INPUT + INPUT / 64 + 16], unpacked[INPUT];
static int32_t heads[1 << HASH_BITS];

/* Words of a small vocabulary with noise between them: about as compressible as prose. */
static void lz_setup(void) {
  uint64_t seed = 8;
  static char words[512][12];
  for (int i = 0; i < 512; i++) {
    int length = 2 + (int)(next_random(&seed) >> 40) % 9;
    for (int k = 0; k < length; k++) words[i][k] = (char)('a' + (next_random(&seed) >> 40) % 26);
  }
  for (int at = 0; at < INPUT;) {
    uint64_t r = next_random(&seed) >> 20;
    const char *word = words[(r & 511) * ((r >> 9) & 511) >> 9];
    while (*word && at < INPUT) input[at++] = (unsigned char)*word++;
    if (at < INPUT) input[at++] = (r >> 30) % 11 == 0 ? '\n' : ' ';
  }
}

static inline uint32_t word_at(const unsigned char *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

/* A control byte below 128: that many + 1 literals follow; else a match of its lower bits + 4 bytes, distance in two bytes. */
static size_t pack(void) {
  memset(heads, 0xff, sizeof heads);
  unsigned char *out = packed;
  int at = 0, literals = 0;
  while (at < INPUT) {
    int length = 0, distance = 0;
    if (at + LEAST <= INPUT) {
      int32_t *head = &heads[(word_at(input + at) * 2654435761u) >> (32 - HASH_BITS)];
      int candidate = *head;
      *head = at;
      if (candidate >= 0 && at - candidate <= WINDOW && word_at(input + candidate) == word_at(input + at)) {
        int most = INPUT - at < MOST ? INPUT - at : MOST;
        distance = at - candidate;
        for (length = LEAST; length < most && input[candidate + length] == input[at + length];) length++;
      }
    }
    if (length == 0 && ++literals < 128 && at + 1 < INPUT) {
      at++;
      continue;
    }
    if (length == 0) at++;
    if (literals) {
      *out++ = (unsigned char)(literals - 1);
      memcpy(out, input + at - literals, literals);
      out += literals;
      literals = 0;
    }
    if (length) {
      *out++ = (unsigned char)(128 + length - LEAST);
      *out++ = (unsigned char)distance;
      *out++ = (unsigned char)(distance >> 8);
      at += length;
    }
  }
  return (size_t)(out - packed);
}

static void unpack(size_t length) {
  const unsigned char *in = packed, *end = packed + length;
  unsigned char *out = unpacked;
  while (in < end) {
    int control = *in++;
    if (control < 128) {
      memcpy(out, in, (size_t)control + 1);
      out += control + 1, in += control + 1;
      continue;
    }
    const unsigned char *source = out - (in[0] | in[1] << 8);
    in += 2;
    for (int i = 0; i < control - 128 + LEAST; i++) *out++ = *source++;
  }
}

static uint64_t lz_round(void) {
  uint64_t sum = 0;
  for (int round = 0; round < 5; round++) {
    size_t length = pack();
    memset(unpacked, 0, INPUT);
    unpack(length);
    if (memcmp(input, unpacked, INPUT)) wrong("what was packed and unpacked");
    sum = mix(sum, length);
    for (size_t i = 0; i < length; i += 97) sum = mix(sum, packed[i]);
  }
  return sum;
}

const struct kernel compression_kernels[] = {
    {"lz", "LZ77, 1 MiB packed and unpacked", lz_setup, lz_round},
    {0},
};
