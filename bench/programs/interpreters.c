/* A bytecode machine with sixteen registers, dispatched by a switch and by computed goto, on the same program. */
#include "bench.h"

enum op { ADD, SUB, MUL, XOR, SHR, LOADI, LOAD, STORE, JLT, JEQ, MOV, HALT };

struct insn {
  uint8_t op, a, b, c;
  int32_t value;
};

enum { CELLS = 1024, STEPS = 250000 };
static uint64_t cells[CELLS];

/* for (r1 = 0; r1 < STEPS; r1++) { r2 = mix of r1 and r2; cells[r2 >> 54] += r1; if (cell is odd) r5 += r2; } */
static const struct insn program[] = {
    {LOADI, 1, 0, 0, 0},      {LOADI, 2, 0, 0, 12345}, {LOADI, 5, 0, 0, 0},   {LOADI, 6, 0, 0, STEPS},
    {LOADI, 7, 0, 0, 1},      {LOADI, 8, 0, 0, 54},    {LOADI, 9, 0, 0, 7},   {LOADI, 10, 0, 0, 1664525},
    /* 8: the loop */
    {MUL, 2, 2, 10, 0},       {ADD, 2, 2, 1, 0},       {SHR, 3, 2, 9, 0},     {XOR, 2, 2, 3, 0},
    {MUL, 2, 2, 10, 0},       {SHR, 3, 2, 8, 0},       {LOAD, 4, 3, 0, 0},    {ADD, 4, 4, 1, 0},
    {STORE, 4, 3, 0, 0},      {MOV, 11, 4, 0, 0},      {SHR, 11, 11, 7, 0},   {ADD, 11, 11, 11, 0},
    {JEQ, 11, 4, 0, 22},      {ADD, 5, 5, 2, 0},
    /* 22 */
    {ADD, 1, 1, 7, 0},        {JLT, 1, 6, 0, 8},       {HALT, 5, 0, 0, 0},
};

static void clear(void) {
  for (int i = 0; i < CELLS; i++) cells[i] = i;
}

__attribute__((noinline)) static uint64_t run_switch(const struct insn *code) {
  uint64_t r[16] = {0};
  for (const struct insn *i = code;; i++) {
    switch ((enum op)i->op) {
    case ADD: r[i->a] = r[i->b] + r[i->c]; break;
    case SUB: r[i->a] = r[i->b] - r[i->c]; break;
    case MUL: r[i->a] = r[i->b] * r[i->c]; break;
    case XOR: r[i->a] = r[i->b] ^ r[i->c]; break;
    case SHR: r[i->a] = r[i->b] >> (r[i->c] & 63); break;
    case LOADI: r[i->a] = (uint64_t)(int64_t)i->value; break;
    case LOAD: r[i->a] = cells[r[i->b] % CELLS]; break;
    case STORE: cells[r[i->b] % CELLS] = r[i->a]; break;
    case JLT: if (r[i->a] < r[i->b]) i = code + i->value - 1; break;
    case JEQ: if (r[i->a] == r[i->b]) i = code + i->value - 1; break;
    case MOV: r[i->a] = r[i->b]; break;
    case HALT: return r[i->a];
    }
  }
}

__attribute__((noinline)) static uint64_t run_goto(const struct insn *code) {
  static const void *const labels[] = {&&add, &&sub, &&mul, &&xor, &&shr, &&loadi, &&load, &&store, &&jlt, &&jeq, &&mov, &&halt};
  uint64_t r[16] = {0};
  const struct insn *i = code;
#define NEXT goto *labels[(++i)->op]
  goto *labels[i->op];
add: r[i->a] = r[i->b] + r[i->c]; NEXT;
sub: r[i->a] = r[i->b] - r[i->c]; NEXT;
mul: r[i->a] = r[i->b] * r[i->c]; NEXT;
xor: r[i->a] = r[i->b] ^ r[i->c]; NEXT;
shr: r[i->a] = r[i->b] >> (r[i->c] & 63); NEXT;
loadi: r[i->a] = (uint64_t)(int64_t)i->value; NEXT;
load: r[i->a] = cells[r[i->b] % CELLS]; NEXT;
store: cells[r[i->b] % CELLS] = r[i->a]; NEXT;
jlt: if (r[i->a] < r[i->b]) i = code + i->value - 1; NEXT;
jeq: if (r[i->a] == r[i->b]) i = code + i->value - 1; NEXT;
mov: r[i->a] = r[i->b]; NEXT;
halt: return r[i->a];
}

static uint64_t switch_round(void) {
  uint64_t sum = 0;
  for (int k = 0; k < 5; k++) clear(), sum = mix(sum, run_switch(program));
  return sum;
}

static uint64_t goto_round(void) {
  uint64_t sum = 0;
  for (int k = 0; k < 5; k++) clear(), sum = mix(sum, run_goto(program));
  return sum;
}

const struct kernel interpreter_kernels[] = {
    {"vm-switch", "bytecode interpreter, switch", NULL, switch_round},
    {"vm-goto", "bytecode interpreter, computed goto", NULL, goto_round},
    {0},
};
