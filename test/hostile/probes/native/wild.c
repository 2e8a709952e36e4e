/* Wild jumps and wild accesses: which signal, code and address the program sees, and how it ends if it cannot see. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096UL

static char *code, *data, *none;
static char handler_stack[65536];

static const char *place(unsigned long address) {
  static char text[64];
  if (address - (unsigned long)code < 3 * PAGE) sprintf(text, "code+0x%lx", address - (unsigned long)code);
  else if (address - (unsigned long)data < PAGE) sprintf(text, "data+0x%lx", address - (unsigned long)data);
  else if (address - (unsigned long)none < PAGE) sprintf(text, "none+0x%lx", address - (unsigned long)none);
  else if (address < 65536 || address > 0x7fffffffffff) sprintf(text, "0x%lx", address);
  else strcpy(text, "elsewhere");
  return text;
}

static void seen(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  printf(" signal %d code %d addr %s", signal, info->si_code, place((unsigned long)info->si_addr));
  printf(" rip %s trap %lld err 0x%llx", place(uc->uc_mcontext.gregs[REG_RIP]), uc->uc_mcontext.gregs[REG_TRAPNO], uc->uc_mcontext.gregs[REG_ERR]);
  fflush(stdout);
  _exit(0);
}

static void watch(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
  sigaction(signal, &action, 0);
}

static void go(unsigned long address) { asm volatile("jmp *%0" : : "r"(address)); }

static unsigned long put(unsigned long at, const char *bytes, int count) {
  memcpy(code + at, bytes, count);
  return (unsigned long)code + at;
}

static void to_null(void) { go(0); }
static void to_noncanonical(void) { go(0x0000800000000000); }
static void to_far_noncanonical(void) { go(0x8000000000000000); }
static void to_kernel(void) { go(0xffffffff80000000); }
static void to_vsyscall_end(void) { go(0xffffffffff601000); }
static void to_data(void) { go((unsigned long)data + 5); }
static void to_none(void) { go((unsigned long)none + 7); }
static void into_instruction(void) { go(put(0, "\xb8\x0f\x0b\x90\x90", 5) + 1); }
static void off_the_page(void) { go(put(3 * PAGE - 2, "\x90\x90", 2)); }
static void across_the_page(void) { go(put(3 * PAGE - 2, "\x48\xb8", 2)); }
static void last_address(void) { go(0x7ffffffffffe); }
static void call_null(void) { ((void (*)(void))0)(); }
static void ret_wild(void) { asm volatile("push %0; ret" : : "r"(0xdeadbeefdeadbeefUL)); }
static void prefixes(void) { go(put(0, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", 16)); }
static void hlt(void) { go(put(0, "\xf4", 1)); }
static void int3(void) { go(put(0, "\xcc\x90", 2)); }
static void int80(void) { go(put(0, "\xcd\x81", 2)); }
static void ud2(void) { go(put(0, "\x0f\x0b", 2)); }
static void lock_nop(void) { go(put(0, "\xf0\x90", 2)); }
static void in_al(void) { go(put(0, "\xe4\x00", 2)); }
static void read_null(void) { *(volatile char *)0; }
static void read_noncanonical(void) { *(volatile char *)0x1234000000000000; }
static void read_kernel(void) { *(volatile char *)0xffff888000000000; }
static void write_code(void) { mprotect(code, 3 * PAGE, PROT_READ | PROT_EXEC); code[9] = 1; }
static void write_none(void) { none[3] = 1; }
static void write_across(void) { *(volatile long *)(code + 3 * PAGE - 4) = 1; }
static void divide(void) { volatile int zero = 0; volatile int r = 1 / zero; }
static void divide_overflow(void) { asm volatile("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idiv %%ecx" : : : "eax", "ecx", "edx"); }
static void misaligned_sse(void) { asm volatile("movaps (%0), %%xmm0" : : "r"(data + 1)); }
static void push_null(void) { asm volatile("xor %%esp, %%esp; push %%rax" : : : "memory"); }
static void push_noncanonical(void) { asm volatile("mov %0, %%rsp; push %%rax" : : "r"(0x1234000000000000UL) : "memory"); }

static long depth;
static void recurse(void) { volatile char frame[1000]; frame[0] = depth++; recurse(); frame[1] = 1; }
static void overflowed(int signal, siginfo_t *info, void *context) {
  printf(" signal %d code %d%s", signal, info->si_code, depth > 4000 && depth < 9000 ? " at the limit" : " elsewhere");
  fflush(stdout);
  _exit(0);
}
static void overflow(void) { watch(SIGSEGV, overflowed, SA_ONSTACK); recurse(); }
static void overflow_unseen(void) { watch(SIGSEGV, overflowed, 0); recurse(); }
static void big_jump_below_stack(void) { volatile char here; *(volatile char *)((unsigned long)&here - (64UL << 20)) = 1; }

static void again(int signal) { *(volatile char *)8 = 1; }
static void fault_in_handler(void) { signal(SIGSEGV, again); again(0); }
static void other_fault_in_handler(void) { signal(SIGFPE, again); divide(); }
static void handler_without_stack(void) {
  watch(SIGUSR1, seen, 0);
  asm volatile("mov %0, %%rsp; syscall" : : "r"(4096UL), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "memory");
}
static void handler_at_wild_address(void) { signal(SIGUSR1, (void (*)(int))0x1234000000000000); watch(SIGSEGV, seen, 0); raise(SIGUSR1); }
static void blocked_fault(void) {
  sigset_t set;
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, 0);
  *(volatile char *)0 = 1;
}
static void ignored_fault(void) { signal(SIGSEGV, SIG_IGN); *(volatile char *)0 = 1; }
static void sigreturn_of_nothing(void) { asm volatile("mov %0, %%rsp; syscall" : : "r"(64UL), "a"(SYS_rt_sigreturn) : "rcx", "r11", "memory"); }
static void sigreturn_of_zeros(void) {
  memset(handler_stack, 0, sizeof handler_stack);
  asm volatile("mov %0, %%rsp; syscall" : : "r"(handler_stack + 32768), "a"(SYS_rt_sigreturn) : "rcx", "r11", "memory");
}
static void broken_frame(int signal, siginfo_t *info, void *context) { ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = 0x1234000000000000; }
static void return_to_noncanonical(void) { watch(SIGUSR1, broken_frame, 0); raise(SIGUSR1); }
static void broken_fpstate(int signal, siginfo_t *info, void *context) { ((ucontext_t *)context)->uc_mcontext.fpregs = (void *)16; }
static void return_with_wild_fpstate(void) { watch(SIGUSR1, broken_fpstate, 0); raise(SIGUSR1); }

#define CASE(name) { #name, name }
static const struct { const char *name; void (*run)(void); } cases[] = {
  CASE(to_null), CASE(to_noncanonical), CASE(to_far_noncanonical), CASE(to_kernel), CASE(to_vsyscall_end), CASE(to_data), CASE(to_none),
  CASE(into_instruction), CASE(off_the_page), CASE(across_the_page), CASE(last_address), CASE(call_null), CASE(ret_wild), CASE(prefixes),
  CASE(hlt), CASE(int3), CASE(int80), CASE(ud2), CASE(lock_nop), CASE(in_al), CASE(read_null), CASE(read_noncanonical), CASE(read_kernel),
  CASE(write_code), CASE(write_none), CASE(write_across), CASE(divide), CASE(divide_overflow), CASE(misaligned_sse),
  CASE(push_null), CASE(push_noncanonical), CASE(overflow), CASE(overflow_unseen), CASE(big_jump_below_stack), CASE(fault_in_handler),
  CASE(other_fault_in_handler), CASE(handler_without_stack), CASE(handler_at_wild_address), CASE(blocked_fault),
  CASE(ignored_fault), CASE(sigreturn_of_nothing), CASE(sigreturn_of_zeros), CASE(return_to_noncanonical), CASE(return_with_wild_fpstate),
};

int main(void) {
  struct rlimit no_core = { 0, 0 };
  setrlimit(RLIMIT_CORE, &no_core);
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    printf("%s:", cases[i].name);
    fflush(stdout);
    int pid = fork();
    if (pid == 0) {
      code = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      munmap(code + 3 * PAGE, PAGE);
      data = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      data[0] = 1;
      none = mmap(0, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      stack_t stack = { .ss_sp = handler_stack, .ss_size = sizeof handler_stack };
      sigaltstack(&stack, 0);
      int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
      for (int s = 0; s < 5; s++) watch(signals[s], seen, SA_ONSTACK);
      cases[i].run();
      printf(" went on");
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    printf(" -> %s %d\n", WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  }
  return 0;
}
