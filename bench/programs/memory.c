/* Memory kernels: copying by bytes and by libc, dependent loads in the cache and out of it. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

enum { COPY = 1 << 20 };
static unsigned char from[COPY + 64], to[COPY + 64];

static void copy_setup(void) {
  uint64_t seed = 3;
  for (int i = 0; i < COPY; i++) from[i] = (unsigned char)next_random(&seed);
}

/* One byte at a time, as written: no vectors, no call of memcpy. */
__attribute__((noinline, optimize("no-tree-vectorize", "no-tree-loop-distribute-patterns"))) static void
copy_bytes(unsigned char *target, const unsigned char *source, size_t length) {
  for (size_t i = 0; i < length; i++) target[i] = source[i];
}

static uint64_t bytes_round(void) {
  uint64_t sum = 0;
  for (int i = 0; i < 80; i++) {
    copy_bytes(to, from + (i & 7), COPY);
    sum = mix(sum, to[i * 13000]);
  }
  return sum;
}

/* Not known to the compiler, which would put copies of known sizes in line. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;

static uint64_t copies(size_t size, int count) {
  void *(*const call)(void *, const void *, size_t) = copy;
  uint64_t sum = 0;
  size_t span = COPY - size + 1;
  /* Alignments vary; small copies stay within 16 KiB. */
  size_t window = size <= 4096 ? 16384 : span;
  for (int i = 0; i < count; i++) {
    size_t at = ((size_t)i * 7919) % window;
    call(to + (at & 31), from + (size == COPY ? 0 : at), size);
    sum += to[(at & 31) + size - 1];
  }
  return sum;
}

static uint64_t copy16_round(void) { return copies(16, 6000000); }
static uint64_t copy256_round(void) { return copies(256, 3000000); }
static uint64_t copy4k_round(void) { return copies(4096, 500000); }
static uint64_t copy1m_round(void) { return copies(COPY, 700); }

/* A cycle through all cells in random order (Sattolo), so that each load waits for the one before. */
struct cell {
  struct cell *next;
  uint64_t value, padding[6];
};
enum { NEAR = 256, FAR = 1 << 20 };
static struct cell *near_cells, *far_cells;

static struct cell *make_cycle(size_t count) {
  struct cell *cells = aligned_alloc(64, count * sizeof *cells);
  uint32_t *order = malloc(count * sizeof *order);
  if (!cells || !order) wrong("no memory");
  uint64_t seed = count;
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  for (size_t i = count - 1; i > 0; i--) {
    size_t k = (next_random(&seed) >> 8) % i;
    uint32_t t = order[i];
    order[i] = order[k], order[k] = t;
  }
  for (size_t i = 0; i < count; i++) {
    cells[order[i]].next = &cells[order[(i + 1) % count]];
    cells[order[i]].value = i;
  }
  free(order);
  return cells;
}

static void near_setup(void) { near_cells = make_cycle(NEAR); }
static void far_setup(void) { far_cells = make_cycle(FAR); }

static uint64_t chase(const struct cell *at, int steps) {
  uint64_t sum = 0;
  for (int i = 0; i < steps; i++) sum += at->value, at = at->next;
  return sum + at->value;
}

static uint64_t near_round(void) { return chase(near_cells, 20000000); }
static uint64_t far_round(void) { return chase(far_cells, 300000); }

const struct kernel memory_kernels[] = {
    {"copy-bytes", "hand-written copy, byte by byte", copy_setup, bytes_round},
    {"memcpy-16", "memcpy of libc, 16 bytes", copy_setup, copy16_round},
    {"memcpy-256", "memcpy of libc, 256 bytes", copy_setup, copy256_round},
    {"memcpy-4k", "memcpy of libc, 4 KiB", copy_setup, copy4k_round},
    {"memcpy-1m", "memcpy of libc, 1 MiB", copy_setup, copy1m_round},
    {"chase-near", "pointer chase in the cache, 16 KiB", near_setup, near_round},
    {"chase-far", "pointer chase out of the cache, 64 MiB", far_setup, far_round},
    {0},
};
