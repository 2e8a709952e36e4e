/*
 * Times the compute kernels, the same static program natively, in qemu-user and in Banos.
 *
 *   kernels --list                       name, tab, description; a line each
 *   kernels NAME WARMUP_MS MEASURE_MS    best ns, median ns, rounds, checksum (hexadecimal) of one round
 *   kernels --trace NAME TOTAL_MS        a line per round: ns since the start of the program, ns of the round
 *
 * A slow engine makes fewer rounds, not a longer bench. Exit status 3: rounds disagree; 4: a kernel found a wrong result.
 */
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 4096, LEAST_ROUNDS = 3, PATIENCE = 4 };

static const struct kernel *const tables[] = {integer_kernels,  hash_kernels,   memory_kernels,      floating_kernels,
                                              string_kernels,   interpreter_kernels, compression_kernels, guard_kernels};

void wrong(const char *what) {
  fprintf(stderr, "wrong result: %s\n", what);
  exit(4);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static uint64_t checksum;
static int started;

static uint64_t timed_round(const struct kernel *kernel) {
  uint64_t start = now();
  uint64_t result = kernel->round();
  uint64_t time = now() - start;
  if (started && result != checksum) {
    fprintf(stderr, "rounds of %s disagree\n", kernel->name);
    exit(3);
  }
  started = 1;
  checksum = result;
  return time;
}

static void measure(const struct kernel *kernel, uint64_t warmup, uint64_t budget) {
  static uint64_t times[MAX_ROUNDS];
  uint64_t start = now();
  do timed_round(kernel);
  while (now() - start < warmup);
  start = now();
  int rounds = 0;
  uint64_t spent;
  do {
    times[rounds++] = timed_round(kernel);
    spent = now() - start;
  } while (rounds < MAX_ROUNDS && (spent < budget || (rounds < LEAST_ROUNDS && spent < PATIENCE * budget)));
  qsort(times, rounds, sizeof *times, by_value);
  printf("%" PRIu64 " %" PRIu64 " %d %016" PRIx64 "\n", times[0], times[rounds / 2], rounds, checksum);
}

static void trace(const struct kernel *kernel, uint64_t start, uint64_t budget) {
  static uint64_t ends[MAX_ROUNDS], times[MAX_ROUNDS];
  int rounds = 0;
  do {
    times[rounds] = timed_round(kernel);
    ends[rounds++] = now() - start;
  } while (rounds < MAX_ROUNDS && ends[rounds - 1] < budget);
  for (int i = 0; i < rounds; i++) printf("%" PRIu64 " %" PRIu64 "\n", ends[i], times[i]);
}

static const struct kernel *find(const char *name) {
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    for (const struct kernel *kernel = tables[i]; kernel->name; kernel++)
      if (!strcmp(kernel->name, name)) return kernel;
  fprintf(stderr, "no kernel is called %s\n", name);
  exit(1);
}

int main(int argc, char **argv) {
  uint64_t start = now();
  if (argc == 2 && !strcmp(argv[1], "--list")) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
      for (const struct kernel *kernel = tables[i]; kernel->name; kernel++) printf("%s\t%s\n", kernel->name, kernel->what);
    return 0;
  }
  if (argc != 4) {
    fprintf(stderr, "usage: kernels --list | NAME WARMUP_MS MEASURE_MS | --trace NAME TOTAL_MS\n");
    return 1;
  }
  int tracing = !strcmp(argv[1], "--trace");
  const struct kernel *kernel = find(argv[tracing ? 2 : 1]);
  if (kernel->setup) kernel->setup();
  if (tracing) trace(kernel, start, strtoull(argv[3], NULL, 10) * 1000000);
  else measure(kernel, strtoull(argv[2], NULL, 10) * 1000000, strtoull(argv[3], NULL, 10) * 1000000);
  return 0;
}
