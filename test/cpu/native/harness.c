// Executes test cases on the real processor. Reads a batch from stdin, writes the results to stdout.
//
// The whole batch runs inside one signal handler: a case's state is put into the signal frame, sigreturn enters its
// code, and int3 behind the code (or the fault it makes) comes back to the handler, which records the state. One signal
// per case. Layouts are mirrored in native.ts.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x20000000ul
#define CODE_AT (CODE + 0x800)
#define DATA 0x30000000ul
#define BLOCK 512
#define BLOCK_AT (DATA + 4096 - BLOCK / 2)
#define GS_BASE 0x30000f80ul

struct in {
  uint32_t length, pad;
  uint8_t code[32];
  uint64_t gpr[16], rflags;
  uint8_t fx[512], block[BLOCK];
};
struct out {
  uint32_t signal;
  int32_t code;
  uint64_t address, trapno, err, cr2, rip, gpr[16], rflags;
  uint8_t fx[512], block[BLOCK];
};

static struct in *in;
static struct out *out;
static uint32_t count, done;
static int started;
static ucontext_t home;

// Positions of the registers in encoding order.
static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void record(struct out *o, int signal, siginfo_t *info, ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  o->signal = signal;
  o->code = info->si_code;
  o->address = (uint64_t)info->si_addr;
  o->trapno = g[REG_TRAPNO];
  o->err = g[REG_ERR];
  o->cr2 = g[REG_CR2];
  o->rip = g[REG_RIP];
  for (int i = 0; i < 16; i++) o->gpr[i] = g[order[i]];
  o->rflags = g[REG_EFL];
  memcpy(o->fx, uc->uc_mcontext.fpregs, 512);
  memcpy(o->block, (void *)BLOCK_AT, BLOCK);
}

static void enter(const struct in *c, ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  memset((void *)(CODE_AT - 64), 0xcc, 192);
  memcpy((void *)CODE_AT, c->code, c->length);
  memcpy((void *)BLOCK_AT, c->block, BLOCK);
  for (int i = 0; i < 16; i++) g[order[i]] = c->gpr[i];
  g[REG_EFL] = c->rflags;
  g[REG_RIP] = CODE_AT;
  uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
  // Bytes 464… hold the kernel's description of the extended area.
  memcpy(fx, c->fx, 416);
  uint32_t magic;
  memcpy(&magic, fx + 464, 4);
  if (magic == 0x46505853) {
    uint64_t features;
    memcpy(&features, fx + 512, 8);
    features |= 3;
    memcpy(fx + 512, &features, 8);
  }
}

static void handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  if (!started) {
    started = 1;
    home = *uc;
  } else {
    record(&out[done++], signal, info, uc);
  }
  if (done < count) {
    enter(&in[done], uc);
    return;
  }
  // Back to main: its registers, and a plain floating-point environment.
  memcpy(uc->uc_mcontext.gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
  memset(fx, 0, 416);
  fx[0] = 0x7f, fx[1] = 3, fx[24] = 0x80, fx[25] = 0x1f;
}

static void readAll(void *to, size_t size) {
  for (uint8_t *p = to; size;) {
    ssize_t n = read(0, p, size);
    if (n <= 0) exit(1);
    p += n, size -= n;
  }
}

int main(void) {
  void *code = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  void *data = mmap((void *)DATA, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (code != (void *)CODE || data != (void *)DATA) return 2;
  memset(code, 0xcc, 4096);
  syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, GS_BASE);

  static uint8_t stack[65536];
  stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&ss, 0);
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigfillset(&sa.sa_mask);
  int signals[] = {SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS};
  for (int i = 0; i < 5; i++) {
    sigdelset(&sa.sa_mask, signals[i]);
  }
  for (int i = 0; i < 5; i++) sigaction(signals[i], &sa, 0);

  readAll(&count, 4);
  in = malloc(sizeof *in * count);
  out = calloc(count, sizeof *out);
  if (!in || !out) return 3;
  readAll(in, sizeof *in * count);
  __asm__ volatile("int3" ::: "memory");
  for (size_t left = sizeof *out * count, at = 0; left;) {
    ssize_t n = write(1, (char *)out + at, left);
    if (n <= 0) return 4;
    at += n, left -= n;
  }
  return 0;
}
