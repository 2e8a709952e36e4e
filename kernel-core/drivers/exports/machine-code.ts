/** Functions that gcc and clang call by themselves, in machine code: System V calling convention, position-independent. */
import type { CodeRow } from '../row.js';

export const MACHINE_CODE: readonly CodeRow[] = [
  {
    name: 'memcpy',
    prototype: 'void *memcpy(void *to, const void *from, size_t count)',
    // mov rax,rdi; mov rcx,rdx; rep movsb; ret
    code: [0x48, 0x89, 0xf8, 0x48, 0x89, 0xd1, 0xf3, 0xa4, 0xc3],
  },
  {
    name: 'memmove',
    prototype: 'void *memmove(void *to, const void *from, size_t count)',
    code: [
      ...[0x48, 0x89, 0xf8], // mov rax,rdi
      ...[0x48, 0x89, 0xd1], // mov rcx,rdx
      ...[0x49, 0x89, 0xf8], // mov r8,rdi
      ...[0x49, 0x29, 0xf0], // sub r8,rsi
      ...[0x49, 0x39, 0xd0], // cmp r8,rdx: does the target begin inside of the source?
      ...[0x72, 0x03], // jb backwards
      ...[0xf3, 0xa4, 0xc3], // rep movsb; ret
      0xfd, // backwards: std
      ...[0x48, 0x8d, 0x7c, 0x17, 0xff], // lea rdi,[rdi+rdx-1]
      ...[0x48, 0x8d, 0x74, 0x16, 0xff], // lea rsi,[rsi+rdx-1]
      ...[0xf3, 0xa4, 0xfc, 0xc3], // rep movsb; cld; ret
    ],
  },
  {
    name: 'memset',
    prototype: 'void *memset(void *to, int value, size_t count)',
    // mov r8,rdi; mov eax,esi; mov rcx,rdx; rep stosb; mov rax,r8; ret
    code: [0x49, 0x89, 0xf8, 0x89, 0xf0, 0x48, 0x89, 0xd1, 0xf3, 0xaa, 0x4c, 0x89, 0xc0, 0xc3],
  },
  {
    name: 'memcmp',
    prototype: 'int memcmp(const void *a, const void *b, size_t count)',
    code: [
      ...[0x31, 0xc0], // xor eax,eax
      ...[0x48, 0x89, 0xd1], // mov rcx,rdx
      ...[0x48, 0x85, 0xc9], // test rcx,rcx
      ...[0x74, 0x0e], // jz done
      ...[0xf3, 0xa6], // repe cmpsb
      ...[0x74, 0x0a], // je done
      ...[0x0f, 0xb6, 0x47, 0xff], // movzx eax,byte [rdi-1]
      ...[0x0f, 0xb6, 0x4e, 0xff], // movzx ecx,byte [rsi-1]
      ...[0x29, 0xc8], // sub eax,ecx
      0xc3, // done: ret
    ],
  },
  {
    name: 'strlen',
    prototype: 'size_t strlen(const char *text)',
    code: [
      ...[0x48, 0x89, 0xf8], // mov rax,rdi
      ...[0x80, 0x38, 0x00], // again: cmp byte [rax],0
      ...[0x74, 0x05], // je done
      ...[0x48, 0xff, 0xc0], // inc rax
      ...[0xeb, 0xf6], // jmp again
      ...[0x48, 0x29, 0xf8, 0xc3], // done: sub rax,rdi; ret
    ],
  },
];
