/*
 * A bytecode machine with threaded code, as language interpreters have it: a jump at the end of each operation. Operations
 * call functions that come back, that do not (longjmp), and the machine itself; some are rare, and the code of a program
 * changes its mix of operations, so that the machine's loop is entered and left in many places.
 */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUSH, ADD, MUL, XOR, DUP, SWAP, DROP, DEC_JNZ, HASH, CALL, THROW, SORT, LOAD, STORE, RARE1, RARE2, RARE3, END };

static jmp_buf thrown;
static uint64_t cells[4096];

__attribute__((noinline)) static uint64_t hash(uint64_t x) {
    for (int i = 0; i < 3; i++) x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
    return x;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

__attribute__((noinline)) static uint64_t run(const int32_t *code, uint64_t argument, int depth) {
    static const void *const operations[] = {&&push, &&add,  &&mul,   &&xor_,  &&dup,  &&swap,  &&drop,  &&dec_jnz, &&hash_,
                                             &&call, &&throw_, &&sort, &&load, &&store, &&rare1, &&rare2, &&rare3,   &&end};
    uint64_t stack[32] = {argument}, counter = 0;
    uint64_t *top = stack;
    const int32_t *at = code;
#define NEXT goto *operations[*at++]
    NEXT;
push: *++top = (uint64_t)*at++; NEXT;
add: top--; top[0] += top[1]; NEXT;
mul: top--; top[0] *= top[1]; NEXT;
xor_: top--; top[0] ^= top[1]; NEXT;
dup: top++; top[0] = top[-1]; NEXT;
swap: { uint64_t x = top[0]; top[0] = top[-1]; top[-1] = x; NEXT; }
drop: top--; NEXT;
dec_jnz: if (++counter < (uint64_t)at[0]) at += at[1]; else { counter = 0; at += 2; } NEXT;
hash_: top[0] = hash(top[0]); NEXT;
call: top[0] = depth > 0 ? run(code, top[0] | 1, depth - 1) : hash(top[0]); NEXT;
throw_: if (top[0] % 97 == 5 && depth == 0) longjmp(thrown, 1); NEXT;
sort: qsort(cells, 64, sizeof *cells, compare); top[0] += cells[7]; NEXT;
load: top[0] ^= cells[top[0] % 4096]; NEXT;
store: cells[hash(top[0]) % 4096] = top[0]; NEXT;
rare1: if (top[0] % 1009 == 0) top[0] = hash(top[0] + 1); NEXT;
rare2: if (top[0] % 2003 == 0) printf("rare %llu\n", (unsigned long long)top[0]); NEXT;
rare3: if (top[0] % 4001 == 0) top[0] /= 3; NEXT;
end: return top[0];
}

static const int32_t arithmetic[] = {PUSH, 7,  MUL, PUSH, 13, ADD,     DUP,  PUSH, 31, XOR, ADD, HASH, RARE1,
                                     RARE2, DUP, SWAP, DROP, DEC_JNZ, 400, -18, END};
static const int32_t memory[] = {HASH, STORE, LOAD, DUP, STORE, XOR, PUSH, 5, ADD, RARE3, LOAD, DEC_JNZ, 300, -12, END};
static const int32_t calls[] = {HASH, CALL, SORT, RARE1, THROW, DEC_JNZ, 3, -6, END};

int main(void) {
    uint64_t sum = 1;
    volatile int caught = 0;
    volatile uint64_t round = 0;
    for (; round < 400; round++) {
        if (setjmp(thrown) != 0) {
            caught++;
            continue;
        }
        sum = sum * 31 + run(arithmetic, sum, 0);
        if (round > 100) sum = sum * 31 + run(memory, sum, 0);
        if (round % 8 == 0) sum = sum * 31 + run(calls, sum, 3);
        if (round > 300) sum = sum * 31 + run(calls, sum, 0);
    }
    printf("%016llx %d\n", (unsigned long long)sum, caught);
    return 0;
}
