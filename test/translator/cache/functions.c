/* Makes functions while it runs, each in a page of its own, and calls each in a loop: 2000 by default. Waits then. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* f(n): eax = n; do { eax = eax * 31 + k; } while (--edi); */
static const unsigned char form[] = {
    0x89, 0xf8,                         /* mov eax, edi */
    0x6b, 0xc0, 0x1f,                   /* imul eax, eax, 31 */
    0x05, 0, 0, 0, 0,                   /* add eax, k */
    0xff, 0xcf,                         /* dec edi */
    0x75, 0xf4,                         /* jnz back to imul */
    0xc3,                               /* ret */
};

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 2000;
  unsigned char *pages = mmap(0, (size_t)count << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return 1;
  for (int i = 0; i < count; i++) {
    uint32_t k = (uint32_t)i * 2654435761u;
    memcpy(pages + ((size_t)i << 12), form, sizeof form);
    memcpy(pages + ((size_t)i << 12) + 6, &k, 4);
  }
  if (mprotect(pages, (size_t)count << 12, PROT_READ | PROT_EXEC)) return 2;
  uint32_t sum = 0;
  for (int i = 0; i < count; i++) {
    uint32_t (*f)(uint32_t) = (uint32_t(*)(uint32_t))(pages + ((size_t)i << 12));
    for (int call = 0; call < 100; call++) sum = sum * 5 + f(100 + call);
  }
  printf("%u\n", sum);
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
