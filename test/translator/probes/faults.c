// Faults in hot loops. Each snippet runs with known values in all registers, its pointer rbx walks over an array between two
// pages without rights, and the handler prints the whole state of the processor at the fault, then passes the
// instruction over, or mends what was wrong and has it tried again. int3 ends a snippet and shows the state once more.
#include "code.h"

#define DATA 0x20000000ul
#define SIZE 0x4000ul
#define STACK 0x30000000ul
#define STACK_SIZE 0x4000ul
#define ROUNDS 4000
#define RF 0x10000

// r12 counts down, rbx moves by rdx. `next` is where a passed over instruction goes on.
#define SNIPPET(name, ...)                                                                                     \
  void name(void), name##Next(void), name##End(void);                                                         \
  __asm__(".pushsection .text\n" #name ":\n1:\n" __VA_ARGS__ "\n" #name "Next:\nadd %rdx, %rbx\ndec %r12\njnz 1b\n" #name \
          "End:\nint3\nint3\n.popsection\n");

SNIPPET(load8, "movzbl (%rbx), %eax")
SNIPPET(load64, "mov (%rbx), %rax; add %rax, %r9")
SNIPPET(loadAdd, "add 3(%rbx), %rax")
SNIPPET(loadPair, "mov (%rbx), %rax; mov 8(%rbx), %r9; xor %r9, %rax; mov 16(%rbx), %r10")
SNIPPET(storeByte, "mov %r12b, (%rbx)")
SNIPPET(store64, "mov %r12, -3(%rbx)")
SNIPPET(storePair, "mov %r12, (%rbx); mov %rbx, 8(%rbx)")
SNIPPET(storeImmediate, "movw $0x1234, (%rbx)")
SNIPPET(addTo, "add %r12, (%rbx)")
SNIPPET(adcTo, "adc %r12d, (%rbx)")
SNIPPET(incTo, "incl (%rbx)")
SNIPPET(shiftTo, "roll $3, (%rbx)")
SNIPPET(exchangeWith, "xchg %eax, (%rbx)")
SNIPPET(compareWith, "cmp %r12, (%rbx); setl %al")
SNIPPET(setTo, "cmp %r12, %rax; setb (%rbx)")
SNIPPET(cmovFrom, "cmp %r12, %rax; cmovb (%rbx), %r9")
SNIPPET(pushFrom, "pushq (%rbx); pop %r9")
SNIPPET(popTo, "push %r12; popq (%rbx)")
SNIPPET(pushAt, "mov %rbx, %rsp; push %r12")
SNIPPET(popAt, "mov %rbx, %rsp; pop %r9")
SNIPPET(callAt, "mov %rbx, %rsp; call 2f; 2: ")
SNIPPET(retAt, "lea retAtNext(%rip), %rax; mov %rax, DATA_AT; mov %rbx, %rsp; pop %r9; push %rax; ret")
SNIPPET(leaveAt, "mov %rbx, %rbp; leave")
SNIPPET(repMovs, "mov %rbx, %rsi; mov $0x20001000, %edi; mov $13, %ecx; rep movsb")
SNIPPET(repMovsTo, "mov %rbx, %rdi; mov $0x20001000, %esi; mov $5, %ecx; rep movsq")
SNIPPET(repStos, "mov %rbx, %rdi; mov $9, %ecx; rep stosl")
SNIPPET(scan, "mov %rbx, %rdi; mov $200, %ecx; mov %r12b, %al; repne scasb")
SNIPPET(movs, "mov %rbx, %rsi; mov $0x20001000, %edi; movsq")
SNIPPET(loadVector, "movups (%rbx), %xmm1; paddb %xmm1, %xmm2")
SNIPPET(storeVector, "paddb %xmm1, %xmm2; movups %xmm2, (%rbx)")
SNIPPET(loadAligned, "movaps (%rbx), %xmm3")
SNIPPET(storeAligned, "movaps %xmm3, (%rbx)")
SNIPPET(addAligned, "addpd (%rbx), %xmm2")
SNIPPET(loadDouble, "movsd (%rbx), %xmm1; addsd %xmm1, %xmm2")
SNIPPET(addFloat, "addss (%rbx), %xmm2")
SNIPPET(halves, "movlps (%rbx), %xmm4; movhps %xmm4, 8(%rbx)")
SNIPPET(x87Load, "fldl (%rbx); fstp %st(0)")
SNIPPET(x87Store, "fld1; fstpt (%rbx)")
SNIPPET(divide, "mov %r12, %rax; xor %edx, %edx; lea -1500(%r12), %rcx; div %rcx; mov $5, %edx")
SNIPPET(divide32, "mov %r12d, %eax; cltd; lea -1500(%r12), %ecx; idivl %ecx; mov $5, %edx")
SNIPPET(divideFrom, "mov %r12, %rax; xor %edx, %edx; orq $1, (%rbx); divq (%rbx); mov $5, %edx")
SNIPPET(overflow, "mov $0x80000000, %eax; cltd; lea -1500(%r12), %ecx; idivl %ecx; mov $5, %edx")
SNIPPET(jump, "lea jumpNext(%rip), %r8; cmp $1500, %r12; cmove %rbx, %r8; jmp *%r8")
SNIPPET(jumpThrough, "lea jumpThroughNext(%rip), %rax; mov %rax, DATA_AT; mov $DATA_AT, %r8d; cmp $1500, %r12; cmove %rcx, %r8; jmp *(%r8)")
SNIPPET(returnTo, "lea returnToNext(%rip), %r8; cmp $1500, %r12; cmove %rbx, %r8; push %r8; ret")
SNIPPET(illegal, "cmp $1500, %r12; jne illegalNext; ud2")
SNIPPET(trap, "cmp $1500, %r12; jne trapNext; hlt")
SNIPPET(flagsBefore, "cmp %r12, %rax; mov (%rbx), %r9; adc %r9, %rax")
SNIPPET(kept, "mov %r12, %rax; add $7, %r13; imul %r13, %rax; lea (%rax,%r12,4), %r14; mov (%rbx), %r15")
// Two levels: what the caller holds is exact at a fault in the callee.
SNIPPET(inCallee, "add $3, %r14; call 3f; add %rax, %r15; jmp inCalleeNext; 3: mov (%rbx), %rax; ret")
SNIPPET(recursion, "inc %r9; push %r9; call 1b")
__asm__(".set DATA_AT, 0x20001008\n");

static const struct {
  const char *name;
  void (*start)(void), (*next)(void), (*end)(void);
} snippets[] = {
#define ROW(name) {#name, name, name##Next, name##End}
    ROW(load8), ROW(load64), ROW(loadAdd), ROW(loadPair), ROW(storeByte), ROW(store64), ROW(storePair), ROW(storeImmediate),
    ROW(addTo), ROW(adcTo), ROW(incTo), ROW(shiftTo), ROW(exchangeWith), ROW(compareWith), ROW(setTo), ROW(cmovFrom),
    ROW(pushFrom), ROW(popTo), ROW(pushAt), ROW(popAt), ROW(callAt), ROW(retAt), ROW(leaveAt), ROW(repMovs), ROW(repMovsTo),
    ROW(repStos), ROW(scan), ROW(movs), ROW(loadVector), ROW(storeVector), ROW(loadAligned), ROW(storeAligned),
    ROW(addAligned), ROW(loadDouble), ROW(addFloat), ROW(halves), ROW(x87Load), ROW(x87Store), ROW(divide), ROW(divide32),
    ROW(divideFrom), ROW(overflow), ROW(jump), ROW(jumpThrough), ROW(returnTo), ROW(illegal), ROW(trap), ROW(flagsBefore),
    ROW(kept), ROW(inCallee), ROW(recursion),
};

enum { PASS_OVER, ALLOW, POINT_BACK, MODES };
enum { MOST_FAULTS = 4 };

static ucontext_t home;
static uint8_t homeVectors[512];
static int running, mode, faults;
static unsigned current;
static int64_t step;

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static uint32_t hashOf(const void *from, size_t size) {
  const uint8_t *p = from;
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < size; i++) h = (h ^ p[i]) * 16777619u;
  return h;
}

static void dump(int signal, siginfo_t *info, ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
  printf("  %d code %d rip +%lld trapno %lld", signal, info->si_code, g[REG_RIP] - (long long)snippets[current].start,
         g[REG_TRAPNO]);
  if (signal != SIGTRAP) printf(" err %llx address %p", g[REG_ERR], info->si_addr);
  if (g[REG_TRAPNO] == 14) printf(" cr2 %llx", g[REG_CR2]);
  // What scasb leaves behind when it faults half-way depends on the processor's vendor.
  long long flags = g[REG_EFL] & ~RF;
  if (snippets[current].start == scan && signal == SIGSEGV) flags &= ~0x8d5;
  printf(" flags %llx", flags);
  for (int i = 0; i < 16; i++) printf(" %llx", g[order[i]]);
  printf(" xmm %08x x87 %x %x %08x data %08x\n", hashOf(fp->_xmm, 256), fp->swd, fp->ftw, hashOf(fp->_st, 128),
         hashOf((void *)DATA, SIZE));
}

static void protect(int prot) {
  mprotect((void *)(DATA - 4096), 4096, prot);
  mprotect((void *)(DATA + SIZE), 4096, prot);
}

static void leave(ucontext_t *uc) {
  running = 0;
  memcpy(uc->uc_mcontext.gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  memcpy(uc->uc_mcontext.fpregs, homeVectors, 416);
}

static void onSignal(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  if (!running) {
    running = 1;
    faults = 0;
    home = *uc;
    memcpy(homeVectors, uc->uc_mcontext.fpregs, 416);
    for (int i = 0; i < 16; i++) g[order[i]] = 0x0102030405060708ll * (i + 1);
    g[REG_RBX] = step > 0 ? DATA + 64 : DATA + SIZE - 64;
    g[REG_RDX] = step;
    g[REG_R12] = ROUNDS;
    g[REG_RSP] = STACK + STACK_SIZE - 256;
    g[REG_EFL] = 0x202;
    g[REG_RIP] = (greg_t)snippets[current].start;
    // Small numbers, so that sums of doubles stay numbers.
    for (int i = 0; i < 16; i++) {
      double d[2] = {i + 0.5, -i};
      memcpy(&uc->uc_mcontext.fpregs->_xmm[i], d, 16);
    }
    return;
  }
  dump(signal, info, uc);
  if (signal == SIGTRAP) {
    leave(uc);
    return;
  }
  if (++faults == MOST_FAULTS || snippets[current].start == recursion) {
    leave(uc);
    return;
  }
  if (mode == ALLOW && (uint64_t)info->si_addr - (DATA - 4096) < SIZE + 8192 && info->si_code == SEGV_ACCERR) {
    // The instruction is tried again and works; so do all that follow.
    if (g[REG_RIP] != (greg_t)info->si_addr) {
      protect(RW);
      return;
    }
  } else if (mode == POINT_BACK) {
    g[REG_RBX] = g[REG_RSI] = g[REG_RDI] = DATA + 4096;
    if (signal == SIGFPE) {
      g[REG_RCX] = 7;
      return;
    }
    if (signal == SIGSEGV && info->si_code > 0 && info->si_code < 128 && g[REG_RIP] != (greg_t)info->si_addr) {
      // Snippets that use rbx through a copy start over.
      g[REG_RIP] = (greg_t)snippets[current].start;
      return;
    }
  }
  g[REG_RSP] = STACK + STACK_SIZE - 256;
  g[REG_RDX] = step;
  g[REG_RIP] = (greg_t)snippets[current].next;
}

int main(void) {
  map(DATA - 4096, SIZE + 8192, PROT_NONE);
  mprotect((void *)DATA, SIZE, RW);
  map(STACK - 4096, STACK_SIZE + 4096, PROT_NONE);
  mprotect((void *)STACK, STACK_SIZE, RW);
  static uint8_t alternate[65536];
  stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&ss, 0);
  struct sigaction sa = {.sa_sigaction = onSignal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &sa, 0);
  static const int64_t steps[] = {5, -5, 16, -8};
  for (current = 0; current < sizeof snippets / sizeof *snippets; current++) {
    for (mode = 0; mode < MODES; mode++) {
      for (int k = 0; k < 4; k++) {
        step = steps[k];
        for (uint64_t i = 0; i < SIZE; i++) ((uint8_t *)DATA)[i] = (i * 37 + (i >> 5)) & 63;
        memset((void *)STACK, 0, STACK_SIZE);
        printf("%s, mode %d, step %ld\n", snippets[current].name, mode, step);
        __asm__ volatile("int3" ::: "memory");
        protect(PROT_NONE);
      }
    }
  }
  return 0;
}
