/*
 * Accesses that must fault: hot loops run off the end of their buffer into a page without permission, again and again. An
 * engine that has lost its check reads on, faults elsewhere or not at all, and then this program ends with status 4.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/* A test of this test gives the page permissions and expects the program to notice. */
#ifndef GUARD_PROTECTION
#define GUARD_PROTECTION PROT_NONE
#endif

enum { PAGE = 4096, PAGES = 16, FAULTS = 800 };
static unsigned char *area, *guard, *read_only;
static sigjmp_buf resume;
static volatile unsigned faults;
static void *volatile where;
/* Keeps the compiler from leaving out loops whose result nobody reads. */
static volatile uint64_t sink;

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  faults++;
  where = info->si_addr;
  siglongjmp(resume, 1);
}

static void guard_setup(void) {
  area = mmap(NULL, (PAGES + 2) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) wrong("mmap");
  guard = area + PAGES * PAGE;
  read_only = guard + PAGE;
  memset(area, 1, (PAGES + 2) * PAGE);
  guard[0] = 2;
  if (mprotect(guard, PAGE, GUARD_PROTECTION) || mprotect(read_only, PAGE, PROT_READ)) wrong("mprotect");
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(SIGSEGV, &action, NULL)) wrong("sigaction");
}

/* Finds the 2 that lies behind the guard only when the guard does not hold. */
__attribute__((noinline)) static unsigned char *scan(unsigned char *at) {
  while (*at != 2) at++;
  return at;
}

__attribute__((noinline)) static uint64_t add(const uint64_t *at, const uint64_t *end) {
  uint64_t sum = 0;
  while (at < end) sum += *at++;
  return sum;
}

__attribute__((noinline, optimize("no-tree-loop-distribute-patterns", "no-tree-vectorize"))) static void
fill(unsigned char *at, unsigned char *end) {
  while (at < end) *at++ = 1;
}

static void check(unsigned before, const void *expected) {
  if (faults != before + 1) wrong("a fault did not come");
  if (where != expected) wrong("a fault came with another address");
}

static uint64_t guard_round(void) {
  unsigned before = faults;
  for (volatile int i = 0; i < FAULTS; i++) {
    unsigned count = faults;
    int offset = i * 37 % PAGE;
    switch (i & 3) {
    case 0:
      if (!sigsetjmp(resume, 1)) sink = *scan(area + offset), wrong("the guard page was read");
      check(count, guard);
      break;
    case 1:
      if (!sigsetjmp(resume, 1)) sink = add((uint64_t *)(area + offset / 8 * 8), (uint64_t *)read_only), wrong("the guard page was added");
      check(count, guard);
      break;
    case 2:
      if (!sigsetjmp(resume, 1)) fill(area + offset, guard + 64), wrong("the guard page was written");
      check(count, guard);
      break;
    default:
      /* Readable, not writable: the same loop reads through the page, and writes nothing of it. */
      if (add((uint64_t *)read_only, (uint64_t *)(read_only + PAGE)) != 0x0101010101010101u * (PAGE / 8)) wrong("the read-only page");
      if (!sigsetjmp(resume, 1)) fill(read_only + offset, read_only + PAGE), wrong("the read-only page was written");
      check(count, read_only + offset);
    }
  }
  return faults - before;
}

const struct kernel guard_kernels[] = {
    {"guard", "loops that run into a guard page", guard_setup, guard_round},
    {0},
};
