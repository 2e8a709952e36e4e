// Loops without an end and without a system call, by shape.
#include <stdint.h>
#include <string.h>

static uint8_t buffer[16384];
static volatile uint64_t sink;

int main(int argc, char **argv) {
  const char *shape = argc > 1 ? argv[1] : "empty";
  if (!strcmp(shape, "empty")) __asm__ volatile("1: jmp 1b");
  if (!strcmp(shape, "calls")) __asm__ volatile("1: call 2f; call 2f; jmp 1b; 2: inc %%rax; call 3f; ret; 3: inc %%rcx; ret" ::: "rax", "rcx");
  if (!strcmp(shape, "recursion"))
    __asm__ volatile("1: mov $70, %%ecx; call 2f; jmp 1b; 2: dec %%ecx; js 3f; push %%rcx; call 2b; pop %%rcx; 3: ret" ::: "rcx");
  if (!strcmp(shape, "indirect"))
    __asm__ volatile(
        "1: inc %%eax; mov %%eax, %%ecx; and $1, %%ecx; jmp *4f(,%%rcx,8); 5: inc %%rdx; jmp 1b; 6: dec %%rdx; jmp 1b\n"
        ".pushsection .rodata\n.balign 8\n4: .quad 5b, 6b\n.popsection" ::: "rax", "rcx", "rdx");
  if (!strcmp(shape, "strings"))
    __asm__ volatile("1: mov %0, %%rdi; lea 5000(%0), %%rsi; mov $9000, %%ecx; rep movsb; jmp 1b" ::"r"(buffer)
                     : "rdi", "rsi", "rcx", "memory");
  if (!strcmp(shape, "memory"))
    for (;;) for (int i = 0; i < 16384; i++) *(volatile uint8_t *)(buffer + i) += i;
  if (!strcmp(shape, "vectors")) __asm__ volatile("1: paddd %%xmm1, %%xmm0; mulpd %%xmm0, %%xmm2; jmp 1b" ::: "xmm0", "xmm2");
  for (;;) sink += strlen((char *)memset(buffer, 'a', 5000)) + (uint64_t)memchr(buffer, 'b', 16384);
}
