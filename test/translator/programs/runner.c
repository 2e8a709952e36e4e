// Runs generated programs (generate.ts) over and over with random registers, flags, vector registers and memory, and
// prints a hash of all states for each. A fault at a site that the program announces is hashed with the whole state of
// the processor, and the program goes on behind it. Everything lies at fixed addresses, so that the host's kernel and Banos print
// the same lines.
//
//   runner FIRST COUNT CALLS SEED [v] [t]     v: one line per call and per fault; t: a timer signal every millisecond
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

struct program {
  void (*entry)(void);
  uint64_t defined;  // arithmetic flags that have a value at its end
};
struct site {
  uint64_t at, resume, defined;
};
extern const struct program programs[];
extern const struct site sites[], sites_end[];

// Filled and read by enter.
struct state {
  uint64_t gpr[16], flags;
  uint8_t xmm[16][16] __attribute__((aligned(16)));
} state;
void enter(void (*entry)(void));
uint8_t bss[8192] __attribute__((aligned(4096)));

#define FLAGS 0xcd5u
#define DF 0x400u
#define STACK 0x60000000ul
#define STACK_SIZE 0x10000ul
#define SHARED 0x20000000ul
#define ALIAS 0x30000000ul
#define READ_ONLY 0x31000000ul

static const struct {
  uint64_t at, size;
} extents[] = {{0x10000000, 0x4000}, {0x7fffe000, 0x4000}, {0xffffe000, 0x4000}, {0x7e0000000000, 0x2000}};
#define EXTENTS (sizeof extents / sizeof *extents)

static uint64_t seed, hash;
static int verbose;
static uint32_t faults;
static volatile uint32_t ticks;

static uint64_t next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x2545f4914f6cdd1dul;
}

static void mix(uint64_t x) {
  hash = (hash ^ x) * 0x9e3779b97f4a7c15ul;
  hash ^= hash >> 29;
}

static void mixBlock(const void *from, size_t size) {
  const uint64_t *p = from;
  for (size_t i = 0; i < size / 8; i++) mix(p[i]);
}

// Whole numbers of all sizes, doubles and floats of ordinary size, and bits of any kind.
static uint64_t value(void) {
  uint64_t x = next();
  double d;
  float f[2];
  switch (x >> 60) {
    case 0: return 0;
    case 1: return -1ul;
    case 2: case 3: return x & 0xff;
    case 4: return -(x & 0xff);
    case 5: return 1ul << (x & 63);
    case 6: return (1ul << (x & 63)) - 1;
    case 7: case 8:
      d = (double)(int64_t)(x & 0xfffff) / 64 - 4096;
      memcpy(&x, &d, 8);
      return x;
    case 9:
      f[0] = (float)(int32_t)(x & 0xffff) / 16 - 1024, f[1] = (float)(int32_t)(x >> 20 & 0xffff);
      memcpy(&x, f, 8);
      return x;
    default: return x;
  }
}

static void fill(void *to, size_t size) {
  uint64_t *p = to;
  for (size_t i = 0; i < size / 8; i++) p[i] = i & 7 ? next() : value();
}

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static const struct site *siteAt(uint64_t at) {
  const struct site *low = sites, *high = sites_end;
  while (low < high) {
    const struct site *middle = low + (high - low) / 2;
    if (middle->at == at) return middle;
    if (middle->at < at) low = middle + 1;
    else high = middle;
  }
  return 0;
}

static void onFault(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  const struct site *site = siteAt(g[REG_RIP]);
  if (!site) {
    printf("signal %d at %llx, address %p\n", signal, g[REG_RIP], info->si_addr);
    fflush(stdout);
    _exit(3);
  }
  faults++;
  mix(signal), mix(info->si_code), mix((uint64_t)info->si_addr), mix(g[REG_TRAPNO]), mix(g[REG_ERR]);
  if (g[REG_TRAPNO] == 14) mix(g[REG_CR2]);
  for (int i = 0; i < 16; i++) mix(g[order[i]]);
  mix(g[REG_EFL] & (site->defined | DF));
  mixBlock(uc->uc_mcontext.fpregs->_xmm, 256);
  if (verbose) {
    printf("  fault %d code %d at %llx address %p trapno %lld err %llx flags %llx", signal, info->si_code, g[REG_RIP],
           info->si_addr, g[REG_TRAPNO], g[REG_ERR], g[REG_EFL] & (site->defined | DF));
    for (int i = 0; i < 16; i++) printf(" %llx", g[order[i]]);
    printf(" hash %lx\n", hash);
  }
  g[REG_RIP] = site->resume;
}

// Does what a handler may: every register, the flags and the vectors are its own.
static void onTick(int signal) {
  ticks++;
  __asm__ volatile("pxor %%xmm0,%%xmm0; pxor %%xmm7,%%xmm7; pxor %%xmm15,%%xmm15; xor %%eax,%%eax; stc; fldpi; fninit"
                   ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm7", "xmm15", "cc");
}

static void map(uint64_t at, size_t size, int prot, int flags, int fd) {
  if (mmap((void *)at, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0) != (void *)at) {
    perror("mmap");
    exit(2);
  }
}

static void setUp(int timer) {
  for (unsigned i = 0; i < EXTENTS; i++) {
    // A page without rights in front and one behind, but nothing at all around the last one.
    int guard = i + 1 < EXTENTS ? 4096 : 0;
    if (guard) map(extents[i].at - guard, extents[i].size + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (guard) mprotect((void *)extents[i].at, extents[i].size, PROT_READ | PROT_WRITE);
    else map(extents[i].at, extents[i].size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  }
  int fd = memfd_create("shared", 0);
  if (fd < 0 || ftruncate(fd, 8192)) exit(2);
  map(SHARED, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  map(ALIAS, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  map(READ_ONLY, 8192, PROT_READ, MAP_SHARED, fd);
  map(STACK, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  // Present from now on: whether a page is there shows in the error code of a fault.
  for (uint64_t at = SHARED; at < SHARED + 8192; at += 4096) {
    *(volatile uint8_t *)at = 1;
    (void)*(volatile uint8_t *)(at - SHARED + ALIAS);
    (void)*(volatile uint8_t *)(at - SHARED + READ_ONLY);
  }
  syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, extents[0].at + 0x1800);
  static uint8_t stack[65536];
  stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&ss, 0);
  struct sigaction sa = {.sa_sigaction = onFault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&sa.sa_mask);
  sigaction(SIGSEGV, &sa, 0), sigaction(SIGBUS, &sa, 0), sigaction(SIGFPE, &sa, 0), sigaction(SIGILL, &sa, 0);
  if (!timer) return;
  sa.sa_sigaction = (void (*)(int, siginfo_t *, void *))onTick;
  sa.sa_flags = SA_ONSTACK | SA_RESTART;
  sigaction(SIGALRM, &sa, 0);
  struct itimerval every = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &every, 0);
}

static void setAlarm(int how) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGALRM);
  sigprocmask(how, &set, 0);
}

static void run(int k, int calls) {
  faults = 0;
  hash = 0;
  for (unsigned i = 0; i < EXTENTS; i++) fill((void *)extents[i].at, extents[i].size);
  fill((void *)SHARED, 8192);
  fill(bss, sizeof bss);
  memset((void *)STACK, 0, STACK_SIZE);
  for (int call = 0; call < calls; call++) {
    for (int i = 0; i < 16; i++) state.gpr[i] = value();
    for (int i = 0; i < 32; i++) ((uint64_t *)state.xmm)[i] = value();
    state.flags = 0x202 | (next() & 0x8d5);
    enter(programs[k].entry);
    state.flags &= programs[k].defined | DF;
    state.gpr[4] = 0;
    mixBlock(&state, sizeof state);
    if (!verbose) continue;
    printf("  call %d", call);
    for (int i = 0; i < 16; i++) printf(" %lx", state.gpr[i]);
    printf(" flags %lx xmm", state.flags);
    for (int i = 0; i < 32; i++) printf(" %lx", ((uint64_t *)state.xmm)[i]);
    uint64_t before = hash;
    for (unsigned i = 0; i < EXTENTS; i++) mixBlock((void *)extents[i].at, extents[i].size);
    mixBlock((void *)SHARED, 8192), mixBlock(bss, sizeof bss);
    printf(" memory %lx\n", hash);
    hash = before;
  }
  for (unsigned i = 0; i < EXTENTS; i++) mixBlock((void *)extents[i].at, extents[i].size);
  mixBlock((void *)SHARED, 8192), mixBlock(bss, sizeof bss);
  // Without the top, where enter has pushed flags that may have no defined value.
  mixBlock((void *)(STACK + STACK_SIZE - 8192), 4096 - 64);
  printf("program %d: %016lx, %u faults\n", k, hash, faults);
}

int main(int argc, char **argv) {
  if (argc < 5) return 1;
  int first = atoi(argv[1]), count = atoi(argv[2]), calls = atoi(argv[3]);
  int timer = 0;
  for (int i = 5; i < argc; i++) *argv[i] == 'v' ? (verbose = 1) : (timer = 1);
  setUp(timer);
  for (int k = first; k < first + count; k++) {
    seed = strtoul(argv[4], 0, 0) * 0x9e3779b97f4a7c15ul + k * 0x632be59bd9b4e019ul + 1;
    run(k, calls);
    fflush(stdout);
  }
  if (timer) {
    // The timer has to have done something for the run to mean anything.
    while (!ticks) pause();
    setAlarm(SIG_BLOCK);
  }
  return 0;
}
