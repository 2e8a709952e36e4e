// Signals that come from outside into hot loops of all shapes: the handler counts, changes registers through its ucontext,
// or jumps away. Nothing printed depends on when a signal comes; that it comes at all is what ends the loops.
#include "code.h"

static sigjmp_buf out;
static volatile int ticks = -1000000000;
static volatile uint64_t changed;
static void (*volatile action)(ucontext_t *uc);

static void onTick(int signal, siginfo_t *info, void *context) {
  ticks++;
  if (action) action(context);
}

static void every(long us) {
  struct itimerval t = {{0, us}, {0, us}};
  setitimer(ITIMER_REAL, &t, 0);
}

// Once for each time that `ticks` is set to 0: when the loop has been left, the same must not happen to what comes then.
static int due(void) {
  if (ticks < 5) return 0;
  ticks = -1000000000;
  return 1;
}

static void jumpOut(ucontext_t *uc) {
  if (due()) siglongjmp(out, 1);
}
static void setR15(ucontext_t *uc) {
  if (due()) uc->uc_mcontext.gregs[REG_R15] = 1;
}
// The flags of the interrupted code: the loop that looks at CF stops.
static void setCarry(ucontext_t *uc) {
  if (due()) uc->uc_mcontext.gregs[REG_EFL] |= 1;
}
static void setXmm(ucontext_t *uc) {
  if (due()) memset(&uc->uc_mcontext.fpregs->_xmm[9], 0xff, 16);
}
static void passOver(ucontext_t *uc) {
  // All loops of `loops` end at this distance from their start.
  extern char loopEnd[];
  if (due()) uc->uc_mcontext.gregs[REG_RIP] = (greg_t)loopEnd;
}

// Loops without an end. Each keeps to registers that the compiler expects to be lost.
#define LOST "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", \
             "xmm0", "xmm1", "xmm9"
static uint8_t buffer[16384] __attribute__((aligned(4096)));

static void empty(void) { __asm__ volatile("1: jmp 1b" ::: LOST); }
static void counting(void) { __asm__ volatile("1: inc %%rax; add %%rax, %%rbx; jmp 1b" ::: LOST); }
static void calling(void) {
  __asm__ volatile("1: call 2f; call 2f; jmp 1b; 2: inc %%rax; call 3f; ret; 3: lea (%%rax,%%rax,2), %%rbx; ret" ::: LOST);
}
static void recursing(void) {
  __asm__ volatile(
      "1: mov $50, %%ecx; call 2f; jmp 1b\n"
      "2: dec %%ecx; js 3f; push %%rcx; call 2b; pop %%rcx; add %%rcx, %%rax; 3: ret" ::: LOST);
}
static void indirect(void) {
  __asm__ volatile(
      "xor %%eax, %%eax\n"
      "1: inc %%eax; mov %%eax, %%ecx; and $3, %%ecx; jmp *4f(,%%rcx,8)\n"
      "5: add %%rax, %%rbx; jmp 1b\n6: sub %%rax, %%rbx; jmp 1b\n7: xor %%rax, %%rbx; jmp 1b\n8: rol $3, %%rbx; jmp 1b\n"
      ".pushsection .rodata\n.balign 8\n4: .quad 5b, 6b, 7b, 8b\n.popsection" ::: LOST);
}
static void strings(void) {
  __asm__ volatile("1: lea %0, %%rdi; lea 5000+%0, %%rsi; mov $9000, %%ecx; rep movsb; mov $1000, %%ecx; rep stosl; jmp 1b"
                   ::"m"(buffer) : LOST);
}
static void memory(void) {
  __asm__ volatile("1: lea %0, %%rdi; mov $2000, %%ecx; 2: mov (%%rdi), %%eax; add %%ecx, (%%rdi); add $4, %%rdi; dec %%ecx; "
                   "jnz 2b; jmp 1b" ::"m"(buffer) : LOST);
}
static void vectors(void) {
  __asm__ volatile("1: paddd %%xmm1, %%xmm0; mulsd %%xmm0, %%xmm9; cvttsd2si %%xmm9, %%rax; jmp 1b" ::: LOST);
}
static void x87(void) { __asm__ volatile("1: fld1; fldpi; fmulp; fstp %%st(0); jmp 1b" ::: LOST); }
static void dividing(void) {
  __asm__ volatile("1: mov $1000000, %%eax; xor %%edx, %%edx; mov $7, %%ecx; div %%ecx; jmp 1b" ::: LOST);
}
static void callingC(void) {
  for (;;) changed += strlen((char *)buffer + 1) + (uint64_t)memcmp(buffer, buffer + 8192, 4096);
}

static const struct {
  const char *name;
  void (*run)(void);
} endless[] = {{"empty", empty},     {"counting", counting}, {"calling", calling}, {"recursing", recursing},
               {"indirect", indirect}, {"strings", strings},   {"memory", memory},   {"vectors", vectors},
               {"x87", x87},         {"dividing", dividing}, {"calling C", callingC}};

int main(void) {
  static uint8_t alternate[65536];
  stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&ss, 0);
  struct sigaction sa = {.sa_sigaction = onTick, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGALRM, &sa, 0);
  every(500);

  // Only a jump leaves these, five signals later. Twice: cold, then hot.
  action = jumpOut;
  for (int round = 0; round < 2; round++) {
    for (unsigned k = 0; k < sizeof endless / sizeof *endless; k++) {
      if (!sigsetjmp(out, 1)) {
        ticks = 0;
        endless[k].run();
      }
      __asm__ volatile("fninit; cld");
      printf("%s left\n", endless[k].name);
    }
  }

  // The handler changes a register of the loop, its flags, a vector register, where it is.
  for (int round = 0; round < 3; round++) {
    uint64_t a = 0, b = 0;
    ticks = 0, action = setR15;
    __asm__ volatile("xor %%r15d, %%r15d; xor %%eax, %%eax; 1: inc %%rax; mov %%rax, %%rbx; test %%r15, %%r15; jz 1b"
                     : "=&a"(a), "=&b"(b)::"r15", "cc");
    printf("r15 set: %d\n", a == b);

    ticks = 0, action = setCarry;
    __asm__ volatile("xor %%eax, %%eax; xor %%ebx, %%ebx; 1: jc 2f; lea 1(%%rax), %%rax; lea 1(%%rbx), %%rbx; jmp 1b; 2:"
                     : "=&a"(a), "=&b"(b)::"cc");
    printf("carry set: %d\n", a - b <= 1);

    ticks = 0, action = setXmm;
    __asm__ volatile("pxor %%xmm9, %%xmm9; xor %%eax, %%eax; 1: inc %%rax; pmovmskb %%xmm9, %%ebx; cmp $0xffff, %%ebx; jne 1b"
                     : "=&a"(a), "=&b"(b)::"xmm9", "cc");
    printf("xmm9 set: %lx\n", b);

    ticks = 0, action = passOver;
    __asm__ volatile(
        "xor %%eax, %%eax; mov $7, %%ebx; 1: inc %%rax; jmp 1b; .globl loopEnd; loopEnd%=: .set loopEnd, loopEnd%=; nop"
        : "=&a"(a), "=&b"(b)::"cc");
    printf("passed over: %ld\n", b);
  }

  // Interrupted at every moment, a computation comes to the same result, at more than one rate.
  action = 0;
  for (int us = 100; us <= 1600; us *= 4) {
    every(us);
    ticks = 0;
    uint32_t h = 1;
    double d = 1;
    do {
      h = 1, d = 1;
      for (int i = 0; i < 300000; i++) {
        h = (h ^ buffer[i & 16383]) * 16777619u;
        d = d * 1.0000001 + (h & 1);
        if ((i & 1023) == 0) memmove(buffer + 100, buffer + 101, 300);
      }
      memset(buffer, 3, sizeof buffer);
    } while (ticks < 10);
    uint64_t bits;
    memcpy(&bits, &d, 8);
    h = 1;
    for (int i = 0; i < 300000; i++) h = (h ^ buffer[i & 16383]) * 16777619u;
    printf("computed %08x\n", h);
  }

  every(0);
  return 0;
}
