/* Integer kernels: hashing, sieving, sorting, recursion, table-driven CRC, wide multiplication, division. */
#include "bench.h"
#include <string.h>

/* SHA-256 of FIPS 180-4; constants are derived (fractional parts of roots of primes) in setup by integer arithmetic. */
enum { SHA_BYTES = 6 << 20 };
static unsigned char message[SHA_BYTES];
static uint32_t sha_k[64], sha_start[8];

/* First 32 bits behind the point of the cube (or square) root of n: the root of n * 2^96 (or 2^64), lower half. */
static uint32_t root_fraction(unsigned n, int cube) {
  uint64_t low = 0, high = (uint64_t)1 << 37;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    unsigned __int128 square = (unsigned __int128)middle * middle;
    int over;
    if (cube) over = (square >> 16) * middle > ((unsigned __int128)n << 80);
    else over = square > ((unsigned __int128)n << 64);
    if (over) high = middle;
    else low = middle;
  }
  return (uint32_t)low;
}

static void sha_setup(void) {
  int found = 0;
  for (unsigned n = 2; found < 64; n++) {
    unsigned d = 2;
    while (d * d <= n && n % d) d++;
    if (d * d <= n) continue;
    sha_k[found] = root_fraction(n, 1);
    if (found < 8) sha_start[found] = root_fraction(n, 0);
    found++;
  }
  uint64_t seed = 1;
  for (int i = 0; i < SHA_BYTES; i++) message[i] = (unsigned char)next_random(&seed);
  if (sha_k[0] != 0x428a2f98 || sha_k[63] != 0xc67178f2 || sha_start[7] != 0x5be0cd19) wrong("constants of SHA-256");
}

static inline uint32_t ror(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha_block(uint32_t state[8], const unsigned char *block) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++) {
    uint32_t word;
    memcpy(&word, block + 4 * i, 4);
    w[i] = __builtin_bswap32(word);
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
  }
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t big1 = ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25), big0 = ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22);
    uint32_t one = v[7] + big1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
    uint32_t two = big0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + one;
    v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = one + two;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

static uint64_t sha_round(void) {
  uint32_t state[8];
  memcpy(state, sha_start, sizeof state);
  for (int i = 0; i < SHA_BYTES; i += 64) sha_block(state, message + i);
  return (uint64_t)state[0] << 32 | state[7];
}

enum { SIEVE = 1 << 20, SIEVES = 12 };
static unsigned char composite[SIEVE];

static uint64_t sieve_round(void) {
  uint64_t count = 0;
  for (int round = 0; round < SIEVES; round++) {
    memset(composite, 0, SIEVE);
    for (int i = 2; i < SIEVE; i++) {
      if (composite[i]) continue;
      count++;
      for (int k = i + i; k < SIEVE; k += i) composite[k] = 1;
    }
  }
  if (count != 82025u * SIEVES) wrong("number of primes below 2^20");
  return count;
}

enum { SORT = 300000 };
static int32_t sorted[SORT];

static void quicksort(int32_t *low, int32_t *high) {
  while (high - low > 12) {
    int32_t pivot = low[(high - low) / 2], *i = low - 1, *j = high + 1;
    for (;;) {
      do i++;
      while (*i < pivot);
      do j--;
      while (*j > pivot);
      if (i >= j) break;
      int32_t t = *i;
      *i = *j, *j = t;
    }
    if (j - low < high - j) quicksort(low, j), low = j + 1;
    else quicksort(j + 1, high), high = j;
  }
  for (int32_t *i = low + 1; i <= high; i++) {
    int32_t value = *i, *j = i;
    for (; j > low && j[-1] > value; j--) *j = j[-1];
    *j = value;
  }
}

static uint64_t sort_round(void) {
  uint64_t seed = 7, sum = 0;
  for (int i = 0; i < SORT; i++) sorted[i] = (int32_t)next_random(&seed);
  quicksort(sorted, sorted + SORT - 1);
  for (int i = 1; i < SORT; i++) {
    if (sorted[i - 1] > sorted[i]) wrong("order after quicksort");
    sum = mix(sum, (uint32_t)sorted[i]);
  }
  return sum;
}

/* The compiler must not turn the recursion into something else. */
__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) static unsigned fib(unsigned n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t fib_round(void) { return fib(34); }

__attribute__((noinline, noclone)) static unsigned ackermann(unsigned m, unsigned n) {
  if (m == 0) return n + 1;
  return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

static uint64_t ackermann_round(void) { return ackermann(2, 3700) + ((uint64_t)ackermann(3, 8) << 32); }

enum { CRC_BYTES = 1 << 20, CRCS = 12 };
static uint32_t crc_table[256];

static void crc_setup(void) {
  for (unsigned i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int k = 0; k < 8; k++) value = value & 1 ? 0xedb88320 ^ (value >> 1) : value >> 1;
    crc_table[i] = value;
  }
  for (int i = 0; i < CRC_BYTES; i++) message[i] = (unsigned char)(i * 31 >> 3);
}

__attribute__((noinline)) static uint32_t crc(uint32_t value, const unsigned char *bytes, size_t length) {
  while (length--) value = crc_table[(value ^ *bytes++) & 255] ^ (value >> 8);
  return value;
}

static uint64_t crc_round(void) {
  uint32_t value = ~0u;
  for (int i = 0; i < CRCS; i++) value = crc(value, message, CRC_BYTES);
  return value;
}

/* The same in rounds of half a millisecond, for the time until the engine is at speed. */
static uint64_t crc_short_round(void) { return crc(~0u, message, CRC_BYTES / 4); }

/* Multiplies 64 x 64 -> 128 in a chain (as hash functions do) and modulo 2^61 - 1 (as number theory does). */
static uint64_t mul_round(void) {
  const uint64_t p = ((uint64_t)1 << 61) - 1;
  uint64_t a = 0x123456789abcdef, b = 3, sum = 0;
  for (int i = 0; i < 7000000; i++) {
    unsigned __int128 x = (unsigned __int128)(a ^ 0xa0761d6478bd642fu) * (a + 0xe7037ed1a0b428dbu);
    a = (uint64_t)x ^ (uint64_t)(x >> 64);
    unsigned __int128 y = (unsigned __int128)b * (a & p);
    uint64_t r = ((uint64_t)y & p) + (uint64_t)(y >> 61);
    b = (r >= p ? r - p : r) | 1;
    sum += b;
  }
  return sum ^ a;
}

static uint64_t div_round(void) {
  uint64_t seed = 11, sum = 0;
  for (int i = 0; i < 160000; i++) {
    uint64_t a = next_random(&seed) >> 20, b = (next_random(&seed) >> 24) | 1;
    while (b) {
      uint64_t t = a % b;
      a = b, b = t;
    }
    sum = mix(sum, a);
  }
  return sum;
}

const struct kernel integer_kernels[] = {
    {"sha256", "SHA-256 over 6 MiB", sha_setup, sha_round},
    {"sieve", "sieve of Eratosthenes, 1 MiB of flags", NULL, sieve_round},
    {"quicksort", "quicksort of 300,000 numbers", NULL, sort_round},
    {"fib", "recursive calls: Fibonacci number 34", NULL, fib_round},
    {"ackermann", "deep recursion: Ackermann's function", NULL, ackermann_round},
    {"crc32", "CRC-32 by table over 12 MiB", crc_setup, crc_round},
    {"crc32-short", "CRC-32 in short rounds, for warm-up", crc_setup, crc_short_round},
    {"mul128", "64 x 64 -> 128 bit multiplication", NULL, mul_round},
    {"gcd", "64-bit division: greatest common divisors", NULL, div_round},
    {0},
};
