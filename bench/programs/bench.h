/*
 * What the compute programs of the bench share. A kernel does the same fixed piece of work in every round and returns a
 * checksum of what it computed; main.c times the rounds and holds the checksums together.
 */
#ifndef BENCH_H
#define BENCH_H
#include <stddef.h>
#include <stdint.h>

struct kernel {
  const char *name;
  /* What it stands for, for people. */
  const char *what;
  /* Once, before the first round; may be NULL. */
  void (*setup)(void);
  /* One round: some 20 to 40 ms natively. Every round returns the same value. */
  uint64_t (*round)(void);
};

/* One table per file, ended by a row without a name. */
extern const struct kernel integer_kernels[], hash_kernels[], memory_kernels[], floating_kernels[], string_kernels[],
    interpreter_kernels[], compression_kernels[], guard_kernels[];

/* Says what was wrong and ends the program with status 4: a wrong result has no time. */
__attribute__((noreturn)) void wrong(const char *what);

/* splitmix64: the same sequence on every machine. */
static inline uint64_t next_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline uint64_t mix(uint64_t sum, uint64_t value) { return (sum ^ value) * 0x100000001b3u + (sum >> 29); }

#endif
