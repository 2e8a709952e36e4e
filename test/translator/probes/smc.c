// Code that changes: by itself, by its callee, through another mapping, by the kernel, by another process's copy, by a
// thread. Each case runs its code often enough to be translated before and between the changes.
#include "code.h"
#include <fcntl.h>
#include <pthread.h>

#define CODE 0x10000000ul
#define OTHER 0x11000000ul
#define HOT 3000

static uint32_t sum;
static void mix(uint32_t x) { sum = (sum ^ x) * 0x9e3779b1u + 1; }
static void report(const char *name) {
  printf("%s %08x\n", name, sum);
  fflush(stdout);
  sum = 0;
}
static function at(uint64_t address) { return (function)address; }

// The immediate of a loop, patched between runs: the loop is hot each time.
static void patchBetween(void) {
  uint8_t *code = map(CODE, 4096, RWX);
  uint8_t *step = emitLoop(code, 1);
  for (uint32_t k = 1; k <= 60; k++) {
    imm32(step, k * 77);
    for (int i = 0; i < 20; i++) {
      uint32_t got = at(CODE)(i, HOT);
      if (got != expectLoop(i, HOT, k * 77)) printf("wrong in round %u\n", k);
      mix(got);
    }
  }
  report("patched between runs");
}

// L: add eax, imm; inc dword [imm]; dec esi; jnz L
static void patchItself(void) {
  uint8_t *p = map(CODE, 4096, RWX);
  EMIT(p, "\x89\xf8\x05\0\0\0\0\xff\x05\xf6\xff\xff\xff\xff\xce\x75\xf1\xc3");
  for (int i = 0; i < 20; i++) mix(at(CODE)(i, HOT));
  report("patches itself");
}

// L: mov [next's immediate], sil; add al, imm8; rol eax, 5; dec esi; jnz L
static void patchNext(void) {
  uint8_t *p = map(CODE, 4096, RWX);
  EMIT(p, "\x89\xf8\x40\x88\x35\x01\0\0\0\x04\0\xc1\xc0\x05\xff\xce\x75\xf0\xc3");
  for (int i = 0; i < 20; i++) mix(at(CODE)(i, HOT));
  report("patches the next instruction");
}

// Turns the instruction behind from inc edi into dec edi and back by xor.
static void patchOpcode(void) {
  uint8_t *p = map(CODE, 4096, RWX);
  // mov eax, edi; L: xor byte [rip+1], 8; inc eax | dec eax; imul eax, eax, 7; dec esi; jnz L; ret
  EMIT(p, "\x89\xf8\x80\x35\x01\0\0\0\x08\xff\xc0\x6b\xc0\x07\xff\xce\x75\xf0\xc3");
  for (int i = 0; i < 20; i++) mix(at(CODE)(i, HOT));
  report("patches an opcode");
}

// The loop lies across a page boundary, its add in every position; each page is patched.
static void acrossPages(void) {
  uint8_t *code = map(CODE, 8192, RWX);
  for (int before = 1; before < 16; before++) {
    uint8_t *start = code + 4096 - before;
    uint8_t *step = emitLoop(start, 5);
    mix(at((uint64_t)start)(3, HOT));
    for (int k = 0; k < 4; k++) {
      step[k] ^= 0x5a;
      mix(at((uint64_t)start)(k, HOT));
    }
  }
  report("across a page boundary");
}

// The callee changes what its caller does behind the call: an immediate, then the whole instruction.
static void patchCaller(void) {
  uint8_t *p = map(CODE, 4096, RWX);
  // mov eax, edi; L: call f; add eax, imm32; dec esi; jnz L; ret
  EMIT(p, "\x89\xf8\xe8\x39\0\0\0\x05\1\0\0\0\xff\xce\x75\xf2\xc3");
  // f: imul eax, eax, 13; mov [caller's immediate], eax; xor byte [caller's opcode], 0x08 (add and or); ret
  p = (uint8_t *)CODE + 64;
  EMIT(p, "\x6b\xc0\x0d\x89\x05\xbf\xff\xff\xff\x80\x35\xb7\xff\xff\xff\x08\xc3");
  for (int i = 0; i < 20; i++) mix(at(CODE)(i, HOT));
  report("callee patches its caller");
}

// Never writable and executable at once.
static void protect(void) {
  uint8_t *code = map(CODE, 4096, RW);
  for (uint32_t k = 1; k <= 40; k++) {
    emitLoop(code, k);
    mprotect(code, 4096, RX);
    mix(at(CODE)(k, HOT));
    mix(at(CODE)(k, HOT));
    mprotect(code, 4096, RW);
  }
  report("mprotect back and forth");
}

static sigjmp_buf out;
static void jumpOut(int signal, siginfo_t *info, void *uc) {
  mix(signal), mix(info->si_code), mix((uint64_t)info->si_addr);
  siglongjmp(out, 1);
}

// Hot code that may no longer be executed, or is gone, faults at its first instruction.
static void takeAway(void) {
  struct sigaction sa = {.sa_sigaction = jumpOut, .sa_flags = SA_SIGINFO}, old;
  sigaction(SIGSEGV, &sa, &old);
  for (int k = 0; k < 20; k++) {
    uint8_t *code = map(CODE, 4096, RWX);
    emitLoop(code, k);
    mix(at(CODE)(1, HOT));
    if (k & 1) munmap(code, 4096);
    else mprotect(code, 4096, RW);
    if (!sigsetjmp(out, 1)) mix(at(CODE)(2, HOT));
    mix(99);
  }
  sigaction(SIGSEGV, &old, 0);
  report("rights and mappings taken away");
}

static void remap(void) {
  for (uint32_t k = 1; k <= 40; k++) {
    munmap((void *)CODE, 8192);
    uint8_t *code = map(CODE, 4096, RWX);
    emitLoop(code, k * 3);
    mix(at(CODE)(k, HOT));
    // Straight over the old mapping.
    code = map(CODE, 4096, RWX);
    emitLoop(code, k * 5);
    mix(at(CODE)(k, HOT));
    // Moved away and something else put in place.
    munmap((void *)OTHER, 4096);
    mremap(code, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, OTHER);
    code = map(CODE, 4096, RWX);
    emitLoop(code, k * 7);
    mix(at(CODE)(k, HOT)), mix(at(OTHER)(k, HOT));
    // Swapped: both addresses known and hot.
    mremap(code, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, OTHER);
    mix(at(OTHER)(k, HOT));
  }
  report("mapped anew");
}

// Written through one mapping or by pwrite, executed through another.
static void alias(void) {
  int fd = memfd_create("code", 0);
  if (ftruncate(fd, 4096)) exit(2);
  uint8_t *write_ = mmap(0, 4096, RW, MAP_SHARED, fd, 0);
  if (mmap((void *)CODE, 4096, RX, MAP_SHARED | MAP_FIXED, fd, 0) != (void *)CODE) exit(2);
  for (uint32_t k = 1; k <= 40; k++) {
    uint8_t *step = emitLoop(write_, k);
    mix(at(CODE)(k, HOT));
    imm32(step, k * 11);
    mix(at(CODE)(k, HOT));
    uint32_t value = k * 1000;
    if (pwrite(fd, &value, 4, step - write_) != 4) exit(2);
    mix(at(CODE)(k, HOT));
  }
  // A private copy, patched, then given back to the file's contents.
  emitLoop(write_, 1);
  uint8_t *copy = mmap((void *)OTHER, 4096, RWX, MAP_PRIVATE | MAP_FIXED, fd, 0);
  mix(at(OTHER)(1, HOT));
  uint8_t *step = emitLoop(copy, 2);
  mix(at(OTHER)(1, HOT)), mix(at(CODE)(1, HOT));
  imm32(step, 3);
  mix(at(OTHER)(1, HOT));
  madvise(copy, 4096, MADV_DONTNEED);
  mix(at(OTHER)(1, HOT));
  close(fd);
  report("through another mapping");
}

// The kernel writes code: read into it.
static void byRead(void) {
  uint8_t *code = map(CODE, 4096, RWX);
  int ends[2];
  if (pipe(ends)) exit(2);
  uint8_t *step = emitLoop(code, 1);
  for (uint32_t k = 1; k <= 60; k++) {
    mix(at(CODE)(k, HOT));
    if (write(ends[1], &k, 4) != 4 || read(ends[0], step, 4) != 4) exit(2);
    mix(at(CODE)(k, HOT));
  }
  report("read into code");
}

// All kinds of stores.
static void stores(void) {
  uint8_t *code = map(CODE, 4096, RWX);
  uint8_t image[2][16] __attribute__((aligned(16)));
  memset(image, 0x90, sizeof image);
  emitLoop(image[0], 0x1111), emitLoop(image[1], 0x2222);
  for (int k = 0; k < 60; k++) {
    const uint8_t *from = image[k & 1];
    switch (k / 2 % 5) {
      case 0: __asm__ volatile("rep movsb" ::"S"(from), "D"(code), "c"(15) : "memory"); break;
      case 1: __asm__ volatile("movdqa %0, %%xmm1; movdqu %%xmm1, (%1)" ::"m"(*(uint8_t(*)[16])from), "r"(code) : "xmm1", "memory"); break;
      case 2: __asm__ volatile("lock xchgq %0, (%1)" ::"r"(*(uint64_t *)from), "r"(code) : "memory"); break;
      case 3: __asm__ volatile("cld; rep stosl" ::"a"(*(uint32_t *)(from + 3)), "D"(code + 3), "c"(1) : "memory"); break;
      default: __asm__ volatile("pushq %0; popq (%1)" ::"r"(*(uint64_t *)from), "r"(code) : "memory"); break;
    }
    mix(at(CODE)(k, HOT));
  }
  report("by all kinds of stores");
}

static void forks(void) {
  uint8_t *code = map(CODE, 4096, RWX);
  uint8_t *step = emitLoop(code, 9);
  mix(at(CODE)(1, HOT));
  for (uint32_t k = 1; k <= 10; k++) {
    pid_t child = fork();
    if (child == 0) {
      uint32_t before = at(CODE)(k, HOT);
      imm32(step, k);
      uint32_t after = at(CODE)(k, HOT);
      _exit(before == expectLoop(k, HOT, 9) && after == expectLoop(k, HOT, k) ? 7 : 1);
    }
    mix(at(CODE)(k, HOT));
    int status;
    waitpid(child, &status, 0);
    mix(status);
    mix(at(CODE)(k, HOT));
  }
  // Now the parent changes it while a child that is still there has it hot.
  int ends[2];
  if (pipe(ends)) exit(2);
  pid_t child = fork();
  if (child == 0) {
    char c;
    uint32_t first = at(CODE)(5, HOT);
    if (read(ends[0], &c, 1) != 1) _exit(2);
    _exit(at(CODE)(5, HOT) == first ? 8 : 1);
  }
  imm32(step, 1234);
  mix(at(CODE)(5, HOT));
  if (write(ends[1], "x", 1) != 1) exit(2);
  int status;
  waitpid(child, &status, 0);
  mix(status);
  report("fork");
}

// One thread calls, the other patches an aligned immediate; they take turns by what the code returns.
static volatile uint32_t wanted, seen;
static void *caller(void *arg) {
  // mov eax, imm32; ret, the immediate on a boundary of 4
  while (seen != 200) {
    uint32_t got = at(CODE + 3)(0, 0);
    if (got != seen) seen = got;
  }
  return 0;
}
static void threads(void) {
  uint8_t *code = map(CODE, 4096, RWX);
  memset(code, 0x90, 4096);
  code[3] = 0xb8;
  imm32(code + 4, 0);
  code[8] = 0xc3;
  pthread_t thread;
  seen = 0;
  pthread_create(&thread, 0, caller, 0);
  for (wanted = 1; wanted <= 200; wanted++) {
    *(volatile uint32_t *)(code + 4) = wanted;
    while (seen != wanted) sched_yield();
  }
  pthread_join(thread, 0);
  mix(seen);
  report("patched by another thread");
}

int main(int argc, char **argv) {
  if (argc > 1) {
    // The same addresses, other code, after exec.
    uint8_t *step = emitLoop(map(CODE, 4096, RWX), 0x999);
    mix(at(CODE)(1, HOT)), imm32(step, 3), mix(at(CODE)(1, HOT));
    report("after exec");
    return 5;
  }
  patchBetween();
  patchItself();
  patchNext();
  patchOpcode();
  acrossPages();
  patchCaller();
  protect();
  takeAway();
  remap();
  alias();
  byRead();
  stores();
  forks();
  threads();
  emitLoop(map(CODE, 4096, RWX), 0x888);
  at(CODE)(1, HOT);
  execl("/proc/self/exe", "smc", "again", (char *)0);
  return 1;
}
