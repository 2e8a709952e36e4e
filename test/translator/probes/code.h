// What the probes share: writing machine code, calling it often, and a hash of results.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)

typedef uint32_t (*function)(uint32_t x, uint32_t n);

__attribute__((unused)) static uint8_t *map(uint64_t at, size_t size, int prot) {
  uint8_t *p = mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (p != (void *)at) {
    perror("mmap");
    exit(2);
  }
  return p;
}

__attribute__((unused)) static uint8_t *bytes(uint8_t *p, const char *from, int n) {
  memcpy(p, from, n);
  return p + n;
}
#define EMIT(p, s) ((p) = bytes(p, s, sizeof(s) - 1))

__attribute__((unused)) static uint8_t *imm32(uint8_t *p, uint32_t x) {
  memcpy(p, &x, 4);
  return p + 4;
}

// mov eax, edi; L: add eax, STEP; imul eax, eax, 33; dec esi; jnz L; ret. @returns where STEP lies
__attribute__((unused)) static uint8_t *emitLoop(uint8_t *p, uint32_t step) {
  EMIT(p, "\x89\xf8\x05");
  uint8_t *at = p;
  p = imm32(p, step);
  EMIT(p, "\x6b\xc0\x21\xff\xce\x75\xf4\xc3");
  return at;
}
__attribute__((unused)) static uint32_t expectLoop(uint32_t x, uint32_t n, uint32_t step) {
  do x = (x + step) * 33;
  while (--n);
  return x;
}
