/*
 * One hot access to many places that are no neighbours, which then change: unmapped, made read-only, unreadable, replaced by other
 * pages, shared with a child, written as code. What the access then does must be what the host's does.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACES 24
#define PAGE 4096
#define ROUNDS 20000

static sigjmp_buf back;
static volatile sig_atomic_t faults;

static void on_fault(int signal) {
  faults++;
  siglongjmp(back, signal);
}

static uint64_t *places[PLACES];

/* The one reader and the one writer: all places are accessed by the same two instructions. */
static __attribute__((noinline)) uint64_t get(const uint64_t *p) { return *p; }
static __attribute__((noinline)) void put(uint64_t *p, uint64_t x) { *p = x; }

static uint64_t walk(unsigned rounds) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < rounds; i++) {
    uint64_t *p = places[i * 7 % PLACES] + i % 512;
    put(p, get(p) * 3 + i);
    sum += get(p);
  }
  return sum;
}

/* What reading and writing a place come to: the signal, or what is there. */
static void tell(const char *what, uint64_t *p) {
  int signal = sigsetjmp(back, 1);
  if (signal == 0) printf("%s: reads %lu", what, (unsigned long)get(p));
  else printf("%s: reading is signal %d", what, signal);
  signal = sigsetjmp(back, 1);
  if (signal == 0) {
    put(p, 77);
    printf(", writes\n");
  } else printf(", writing is signal %d\n", signal);
}

static uint64_t *map(int protection) {
  return mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(void) {
  struct sigaction action = {.sa_handler = on_fault};
  sigaction(SIGSEGV, &action, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < PLACES; i++) {
    places[i] = map(PROT_READ | PROT_WRITE);
    map(PROT_NONE);
  }
  printf("walk %lu\n", (unsigned long)walk(ROUNDS));
  /* Each change meets an access that has just been to the place, and to others since. */
  for (int i = 0; i < PLACES; i += 6) {
    for (int warm = 0; warm < 4; warm++) get(places[i]);
    munmap(places[i], PAGE);
    tell("unmapped", places[i]);
    mmap(places[i], PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    tell("mapped anew", places[i]);
    walk(300);
    put(places[i + 1], 5);
    mprotect(places[i + 1], PAGE, PROT_READ);
    tell("read-only", places[i + 1]);
    mprotect(places[i + 1], PAGE, PROT_NONE);
    tell("unreadable", places[i + 1]);
    mprotect(places[i + 1], PAGE, PROT_READ | PROT_WRITE);
    walk(300);
    put(places[i + 2], 6);
    mmap(places[i + 2], PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    tell("replaced", places[i + 2]);
    walk(300);
    put(places[i + 3], 8);
    pid_t child = fork();
    if (child == 0) {
      tell("in the child", places[i + 3]);
      walk(ROUNDS);
      munmap(places[i + 4], PAGE);
      tell("unmapped in the child", places[i + 4]);
      _exit(0);
    }
    uint64_t mine = walk(600);
    int status;
    waitpid(child, &status, 0);
    printf("child %d, parent's %lu\n", status, (unsigned long)mine);
    tell("after the child", places[i + 4]);
    /* A place that becomes code: mov eax, imm32; ret. */
    mprotect(places[i + 5], PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    for (uint32_t n = 1; n < 40; n++) {
      put(places[i + 5], 0xc300000000b8u | (uint64_t)n << 8);
      int (*function)(void) = (int (*)(void))(uintptr_t)places[i + 5];
      if (function() != (int)n) printf("code %u is old\n", n);
      walk(50);
    }
  }
  printf("walk %lu, %d faults\n", (unsigned long)walk(ROUNDS), (int)faults);
  return 0;
}
