/*
 * Signal frames at every place in a page: those that lie in one page, and those of which the registers, the image of the
 * floating-point registers, or both cross into the next. Registers, flags, mask and siginfo survive each; what the
 * handler changes in the frame arrives; frames that cannot be written or read end the program.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static long handled, wrong;
static volatile uint64_t seen_rsp;

static void handler(int number, siginfo_t *info, void *context) {
  ucontext_t *state = context;
  greg_t *g = state->uc_mcontext.gregs;
  handled++;
  if (number != SIGUSR1 || info->si_signo != SIGUSR1 || info->si_pid != getpid()) wrong++;
  if (g[REG_R12] != 0x1212121212121212 || g[REG_RBX] != (greg_t)0xb0b0b0b0b0b0b0b0ull) wrong++;
  if ((uint64_t)g[REG_RSP] != seen_rsp) wrong++;
  struct _libc_fpstate *fp = state->uc_mcontext.fpregs;
  if ((uintptr_t)fp % 64 != 0 || fp->mxcsr != 0x1f80 || fp->_xmm[7].element[0] != 0x07070707) wrong++;
  /* x87: st(0) holds 1.0 */
  if (fp->_st[0].exponent != 0x3fff || fp->_st[0].significand[3] != 0x8000) wrong++;
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  if (!sigismember(&now, SIGUSR1) || !sigismember(&now, SIGUSR2) || sigismember(&now, SIGHUP)) wrong++;
  if (sigismember(&state->uc_sigmask, SIGUSR1) || !sigismember(&state->uc_sigmask, SIGTERM)) wrong++;
  g[REG_R13] = 0x1313131313131313;
  fp->_xmm[8].element[1] = 0x88888888;
  /* what the handler does to its own registers must not be seen */
  __asm__ volatile("pcmpeqd %%xmm7, %%xmm7\n fninit" ::: "xmm7");
}

/* Sends the signal with the stack pointer at `sp`. */
static void raise_at(char *sp) {
  uint64_t r12, r13, rbx;
  uint32_t seven, eight;
  uint16_t tags;
  long flags;
  struct { uint32_t words[7]; } environment;
  pid_t self = getpid();
  seen_rsp = (uint64_t)sp;
  __asm__ volatile(
      "mov %%rsp, %%r14\n"
      "mov %%rbx, %%r15\n"
      "fninit\n fld1\n"
      "mov $0x07070707, %%eax\n movd %%eax, %%xmm7\n pxor %%xmm8, %%xmm8\n"
      "movabs $0x1212121212121212, %%r12\n xor %%r13d, %%r13d\n movabs $0xb0b0b0b0b0b0b0b0, %%rbx\n"
      "mov %[sp], %%rsp\n"
      "mov $62, %%eax\n"
      "stc\n"
      "syscall\n"
      "pushfq\n pop %%rax\n"
      "mov %%r14, %%rsp\n"
      "mov %%rax, %[flags]\n"
      "movd %%xmm7, %[seven]\n pshufd $0x55, %%xmm8, %%xmm8\n movd %%xmm8, %[eight]\n"
      "mov %%r12, %[r12]\n mov %%r13, %[r13]\n mov %%rbx, %[rbx]\n"
      "mov %%r15, %%rbx\n"
      "fnstenv %[environment]\n"
      : [r12] "=m"(r12), [r13] "=m"(r13), [rbx] "=m"(rbx), [seven] "=m"(seven), [eight] "=m"(eight), [flags] "=m"(flags),
        [environment] "=m"(environment)
      : [sp] "d"(sp), "D"((long)self), "S"((long)SIGUSR1)
      : "rax", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm7", "xmm8", "memory", "cc");
  tags = environment.words[2];
  if (r12 != 0x1212121212121212 || r13 != 0x1313131313131313 || rbx != 0xb0b0b0b0b0b0b0b0ull) wrong++;
  if (seven != 0x07070707 || eight != 0x88888888 || tags != 0x3fff || !(flags & 1)) wrong++;
}

/* How a child ends that raises the signal on a stack of which only part can be used. */
static void child_at(const char *what, char *sp, char *start, size_t length) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    mprotect(start, length, PROT_NONE);
    raise_at(sp);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", what, WTERMSIG(status));
  else printf("%s: status %d\n", what, WEXITSTATUS(status));
}

int main(void) {
  char *stack = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigset_t term;
  if (stack == MAP_FAILED) return 1;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &action, NULL);
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, NULL);
  for (int at = 0; at < 4096; at += 8) raise_at(stack + 0x8000 + at);
  printf("handled %ld, wrong %ld\n", handled, wrong);

  /* The program's stack pointer is in the page behind; the frame reaches down into what is taken away. */
  child_at("no room for the image", stack + 0x9080, stack + 0x8000, 0x1000);
  child_at("room for the image only", stack + 0x9000 + 128 + 512 + 64, stack + 0x8000, 0x1000);
  child_at("room for all", stack + 0xa000, stack + 0x8000, 0x1000);
  return 0;
}
