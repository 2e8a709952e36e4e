/**
 * The x87 instruction table: opcode D8…DF × ModRM → name, memory operand, action. The rows of ../table/x87.ts are made
 * from it, `runX87Row` executes it, tests enumerate it. fwait (9B) is a row too.
 */

import { FOP } from '../state.js';
import {
  arithmetic,
  compareCodes,
  extract,
  precisionOf,
  remainder,
  remainderCodes,
  roundToInteger,
  scale,
  sqrt,
} from './arithmetic.js';
import { readEnvironment, readSave, setControl, writeEnvironment, writeSave } from './image.js';
import {
  load,
  load80,
  loadBcd,
  type Operand,
  readOperand,
  store80,
  storeBcd,
  storeFloat,
  storeInteger,
} from './move.js';
import * as fn from './transcendental.js';
import {
  BUSY,
  C0,
  C1,
  C2,
  C3,
  CC,
  CF,
  ES,
  PF,
  type X87,
  X87_DONE,
  X87_MF,
  X87_SET_AX,
  X87_SET_FLAGS,
  ZF,
} from './unit.js';
import { env, INF, QNAN, UNSUPPORTED, type Unpacked, ZERO } from './unpacked.js';

/** @param i stack index of register forms (modrm & 7). @param at byte address of the memory operand in the memory. */
type Action = (u: X87, i: number, at: number) => void;

export interface X87Row {
  name: string;
  /** D8…DF, or 9B. */
  opcode: number;
  /** Memory form: the reg field 0…7. Register form: first ModRM byte, C0…FF. */
  modrm: number;
  /** Register form: how many ModRM bytes from `modrm` on (1 or 8). 0: memory form. */
  count: number;
  /** Memory operand. fldenv and kin: the 32-bit size; 14/94 bytes with operand size 16. */
  bytes: number;
  access: '' | 'r' | 'w';
  /** Executes although an unmasked exception is pending (the "fn…" forms). */
  noWait?: boolean;
  /** Leaves the pointers to the last instruction alone. */
  control?: boolean;
  /** Reads CF, PF, ZF through `X87.flags` (fcmov), or replaces flags (fcomi). */
  readsFlags?: boolean;
  run: Action;
}

const rows: X87Row[] = [
  { name: 'fwait', opcode: 0x9b, modrm: 0, count: 0, bytes: 0, access: '', control: true, run: () => {} },
];

function mem(opcode: number, reg: number, name: string, bytes: number, access: 'r' | 'w', run: Action): X87Row {
  const row: X87Row = { name, opcode, modrm: reg, count: 0, bytes, access, run };
  rows.push(row);
  return row;
}

function reg(opcode: number, modrm: number, count: 1 | 8, name: string, run: Action): X87Row {
  const row: X87Row = { name, opcode, modrm, count, bytes: 0, access: '', run };
  rows.push(row);
  return row;
}

function controlRow(row: X87Row, noWait: boolean): void {
  row.control = true;
  row.noWait = noWait;
}

// ── arithmetic and comparison ────────────────────────────────────────────────────────────────────────────────────────

/** ST(dst) = ST(dst) op `u.b`; the sources are known not to be empty. */
function operate(u: X87, op: number, dst: number): boolean {
  u.load(dst, u.a);
  u.begin();
  const ok = arithmetic(op, u.r, u.a, u.b, precisionOf(u.control));
  if (!u.commit() || !ok) return false;
  u.store(dst, u.r);
  return true;
}

function operateMemory(op: number, kind: Operand): Action {
  return (u, _i, at) => {
    if (u.isEmpty(0)) {
      if (u.stackFault(false)) u.storeIndefinite(0);
      return;
    }
    readOperand(u, kind, at);
    operate(u, op, 0);
  };
}

function operateRegister(op: number, toTop: boolean, pop: boolean): Action {
  return (u, i) => {
    const dst = toTop ? 0 : i;
    if (u.isEmpty(0) || u.isEmpty(i)) {
      if (!u.stackFault(false)) return;
      u.storeIndefinite(dst);
    } else {
      u.load(toTop ? i : 0, u.b);
      if (!operate(u, op, dst)) return;
    }
    if (pop) u.pop();
  };
}

/** Compares ST(0) with `u.b`; -1: stack fault or abort with unmasked exception. */
function compareTop(u: X87, quiet: boolean): number {
  u.load(0, u.a);
  u.begin();
  return compareCodes(u.a, u.b, quiet);
}

function finishCompare(u: X87, codes: number, pops: number): void {
  if (!u.commitCodes(codes, CC)) return;
  for (let k = 0; k < pops; k++) u.pop();
}

function compareEmpty(u: X87, pops: number): void {
  const masked = u.stackFault(false);
  u.status |= C3 | C2 | C0;
  if (masked) for (let k = 0; k < pops; k++) u.pop();
}

function compareMemory(kind: Operand, pops: number): Action {
  return (u, _i, at) => {
    if (u.isEmpty(0)) {
      compareEmpty(u, pops);
      return;
    }
    readOperand(u, kind, at);
    finishCompare(u, compareTop(u, false), pops);
  };
}

function compareRegister(quiet: boolean, pops: number): Action {
  return (u, i) => {
    if (u.isEmpty(0) || u.isEmpty(i)) {
      compareEmpty(u, pops);
      return;
    }
    u.load(i, u.b);
    finishCompare(u, compareTop(u, quiet), pops);
  };
}

/** fcomi and kin: the result goes to ZF, PF, CF. */
function compareFlags(quiet: boolean, pop: boolean): Action {
  return (u, i) => {
    if (u.isEmpty(0) || u.isEmpty(i)) {
      const masked = u.stackFault(false);
      u.flags = ZF | PF | CF;
      if (masked && pop) u.pop();
      u.outcome = X87_SET_FLAGS;
      return;
    }
    u.load(i, u.b);
    const codes = compareTop(u, quiet);
    const ok = u.commitCodes(0, 0);
    u.flags = ((codes & C3) !== 0 ? ZF : 0) | ((codes & C2) !== 0 ? PF : 0) | ((codes & C0) !== 0 ? CF : 0);
    if (ok && pop) u.pop();
    u.outcome = X87_SET_FLAGS;
  };
}

const ARITHMETIC = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'];
const MEMORY_ARITHMETIC: [number, Operand, number, string][] = [
  [0xd8, 'f32', 4, ''],
  [0xda, 'i32', 4, 'i'],
  [0xdc, 'f64', 8, ''],
  [0xde, 'i16', 2, 'i'],
];
for (const [opcode, kind, bytes, letter] of MEMORY_ARITHMETIC) {
  for (let op = 0; op < 8; op++) {
    const name = `f${letter}${ARITHMETIC[op]!.slice(1)} ${kind}`;
    const run = op === 2 || op === 3 ? compareMemory(kind, op - 2) : operateMemory(op, kind);
    mem(opcode, op, name, bytes, 'r', run);
  }
}
for (let op = 0; op < 8; op++) {
  const name = ARITHMETIC[op]!;
  const first = 0xc0 + 8 * op;
  if (op === 2 || op === 3) {
    reg(0xd8, first, 8, `${name} sti`, compareRegister(false, op - 2));
    reg(0xdc, first, 8, `${name} sti (alias)`, compareRegister(false, op - 2));
    if (op === 2) reg(0xde, first, 8, 'fcomp sti (alias)', compareRegister(false, 1));
    continue;
  }
  reg(0xd8, first, 8, `${name} st0, sti`, operateRegister(op, true, false));
  // In DC and DE the reversed and straight subtractions and divisions have changed places.
  const other = op >= 4 ? op ^ 1 : op;
  reg(0xdc, first, 8, `${ARITHMETIC[other]} sti, st0`, operateRegister(op >= 4 ? op ^ 1 : op, false, false));
  reg(0xde, first, 8, `${ARITHMETIC[other]}p sti, st0`, operateRegister(op >= 4 ? op ^ 1 : op, false, true));
}
reg(0xde, 0xd9, 1, 'fcompp', (u) => compareRegister(false, 2)(u, 1, 0));
reg(0xda, 0xe9, 1, 'fucompp', (u) => compareRegister(true, 2)(u, 1, 0));
reg(0xdd, 0xe0, 8, 'fucom sti', compareRegister(true, 0));
reg(0xdd, 0xe8, 8, 'fucomp sti', compareRegister(true, 1));
reg(0xdb, 0xe8, 8, 'fucomi sti', compareFlags(true, false)).readsFlags = true;
reg(0xdb, 0xf0, 8, 'fcomi sti', compareFlags(false, false)).readsFlags = true;
reg(0xdf, 0xe8, 8, 'fucomip sti', compareFlags(true, true)).readsFlags = true;
reg(0xdf, 0xf0, 8, 'fcomip sti', compareFlags(false, true)).readsFlags = true;

// ── loads, stores, register moves ────────────────────────────────────────────────────────────────────────────────────

mem(0xd9, 0, 'fld f32', 4, 'r', (u, _i, at) => load(u, 'f32', at));
mem(0xdd, 0, 'fld f64', 8, 'r', (u, _i, at) => load(u, 'f64', at));
mem(0xdb, 5, 'fld f80', 10, 'r', (u, _i, at) => load80(u, at));
mem(0xdf, 0, 'fild i16', 2, 'r', (u, _i, at) => load(u, 'i16', at));
mem(0xdb, 0, 'fild i32', 4, 'r', (u, _i, at) => load(u, 'i32', at));
mem(0xdf, 5, 'fild i64', 8, 'r', (u, _i, at) => load(u, 'i64', at));
mem(0xdf, 4, 'fbld', 10, 'r', (u, _i, at) => loadBcd(u, at));
mem(0xd9, 2, 'fst f32', 4, 'w', (u, _i, at) => storeFloat(u, 'f32', at, false));
mem(0xd9, 3, 'fstp f32', 4, 'w', (u, _i, at) => storeFloat(u, 'f32', at, true));
mem(0xdd, 2, 'fst f64', 8, 'w', (u, _i, at) => storeFloat(u, 'f64', at, false));
mem(0xdd, 3, 'fstp f64', 8, 'w', (u, _i, at) => storeFloat(u, 'f64', at, true));
mem(0xdb, 7, 'fstp f80', 10, 'w', (u, _i, at) => store80(u, at));
mem(0xdf, 6, 'fbstp', 10, 'w', (u, _i, at) => storeBcd(u, at));
const INTEGER_STORES: [opcode: number, bytes: 2 | 4 | 8, field: number, pop: boolean][] = [
  [0xdf, 2, 2, false],
  [0xdf, 2, 3, true],
  [0xdb, 4, 2, false],
  [0xdb, 4, 3, true],
  [0xdf, 8, 7, true],
];
for (const [opcode, bytes, field, pop] of INTEGER_STORES) {
  mem(opcode, field, `${pop ? 'fistp' : 'fist'} i${8 * bytes}`, bytes, 'w', (u, _i, at) =>
    storeInteger(u, bytes, at, pop),
  );
}

reg(0xd9, 0xc0, 8, 'fld sti', (u, i) => {
  // The source is addressed before the push; both faults at once count as underflow.
  if (u.isEmpty(i)) {
    if (u.stackFault(false)) u.pushWords(0xffff, 0xc0000000 | 0, 0);
    return;
  }
  const { i32 } = u.memory;
  const from = u.index(i);
  const lo = i32[from]!;
  const hi = i32[from + 1]!;
  const se = i32[from + 2]!;
  if (!u.canPush()) return;
  u.pushWords(se & 0xffff, hi, lo);
  u.status &= ~C1;
});

function exchange(u: X87, i: number): void {
  const emptyTop = u.isEmpty(0);
  const emptyOther = u.isEmpty(i);
  if (emptyTop || emptyOther) {
    if (!u.stackFault(false)) return;
    if (emptyTop) u.storeIndefinite(0);
    if (emptyOther) u.storeIndefinite(i);
  } else u.status &= ~C1;
  const { i32 } = u.memory;
  const x = u.index(0);
  const y = u.index(i);
  for (let k = 0; k < 3; k++) {
    const t = i32[x + k]!;
    i32[x + k] = i32[y + k]!;
    i32[y + k] = t;
  }
}
reg(0xd9, 0xc8, 8, 'fxch sti', exchange);
reg(0xdd, 0xc8, 8, 'fxch sti (alias)', exchange);
reg(0xdf, 0xc8, 8, 'fxch sti (alias)', exchange);

function copyTo(pop: boolean): Action {
  return (u, i) => {
    if (u.isEmpty(0)) {
      if (!u.stackFault(false)) return;
      u.storeIndefinite(i);
    } else {
      const { i32 } = u.memory;
      const x = u.index(0);
      u.storeWords(i, i32[x + 2]!, i32[x + 1]!, i32[x]!);
      u.status &= ~C1;
    }
    if (pop) u.pop();
  };
}
reg(0xdd, 0xd0, 8, 'fst sti', copyTo(false));
reg(0xdd, 0xd8, 8, 'fstp sti', copyTo(true));
// Unlike the documented forms, this alias takes an empty register without a fault, and then only pops.
reg(0xd9, 0xd8, 8, 'fstp sti (alias)', (u, i, at) => {
  if (!u.isEmpty(0)) {
    copyTo(true)(u, i, at);
    return;
  }
  u.status &= ~C1;
  u.pop();
});
reg(0xdf, 0xd0, 8, 'fstp sti (alias)', copyTo(true));
reg(0xdf, 0xd8, 8, 'fstp sti (alias)', copyTo(true));

const CONDITIONS: [string, number][] = [
  ['b', CF],
  ['e', ZF],
  ['be', CF | ZF],
  ['u', PF],
];
for (let k = 0; k < 4; k++) {
  for (const negate of [false, true]) {
    const [letters, mask] = CONDITIONS[k]!;
    reg(negate ? 0xdb : 0xda, 0xc0 + 8 * k, 8, `fcmov${negate ? 'n' : ''}${letters} st0, sti`, (u, i) => {
      if (u.isEmpty(0) || u.isEmpty(i)) {
        if (u.stackFault(false)) u.storeIndefinite(0);
        return;
      }
      if (((u.flags & mask) !== 0) === negate) return;
      const { i32 } = u.memory;
      const x = u.index(i);
      u.storeWords(0, i32[x + 2]!, i32[x + 1]!, i32[x]!);
    }).readsFlags = true;
  }
}

reg(0xdd, 0xc0, 8, 'ffree sti', (u, i) => {
  u.free(i);
  u.status &= ~C1;
});
reg(0xdf, 0xc0, 8, 'ffreep sti', (u, i) => {
  u.free(i);
  u.status &= ~C1;
  u.pop();
});

// ── one operand ──────────────────────────────────────────────────────────────────────────────────────────────────────

function signRow(modrm: number, name: string, change: (se: number) => number): void {
  reg(0xd9, modrm, 1, name, (u) => {
    if (u.isEmpty(0)) {
      if (u.stackFault(false)) u.storeIndefinite(0);
      return;
    }
    const { i32 } = u.memory;
    const x = u.index(0);
    i32[x + 2] = change(i32[x + 2]! & 0xffff);
    u.status &= ~C1;
  });
}
signRow(0xe0, 'fchs', (se) => se ^ 0x8000);
signRow(0xe1, 'fabs', (se) => se & 0x7fff);

reg(0xd9, 0xe4, 1, 'ftst', (u) => {
  if (u.isEmpty(0)) {
    compareEmpty(u, 0);
    return;
  }
  u.b.kind = ZERO;
  u.b.sign = 0;
  u.b.denormal = false;
  finishCompare(u, compareTop(u, false), 0);
});

reg(0xd9, 0xe5, 1, 'fxam', (u) => {
  u.load(0, u.a);
  const { a } = u;
  let codes = C2;
  if (u.isEmpty(0)) codes = C3 | C0;
  else if (a.kind === UNSUPPORTED) codes = 0;
  else if (a.kind >= QNAN) codes = C0;
  else if (a.kind === INF) codes = C2 | C0;
  else if (a.kind === ZERO) codes = C3;
  else if (a.denormal) codes = C3 | C2;
  u.status = (u.status & ~CC) | codes | (a.sign !== 0 ? C1 : 0);
});

function unary(opcodeModrm: number, name: string, f: (u: X87, r: Unpacked, a: Unpacked) => boolean): void {
  reg(0xd9, opcodeModrm, 1, name, (u) => {
    if (u.isEmpty(0)) {
      if (u.stackFault(false)) u.storeIndefinite(0);
      return;
    }
    u.load(0, u.a);
    u.begin();
    const ok = f(u, u.r, u.a);
    if (u.commit() && ok) u.store(0, u.r);
  });
}
unary(0xf0, 'f2xm1', (_u, r, a) => fn.exp2m1(r, a));
unary(0xfa, 'fsqrt', (u, r, a) => sqrt(r, a, precisionOf(u.control)));
unary(0xfc, 'frndint', (_u, r, a) => roundToInteger(r, a));

function trigonometric(modrm: number, name: string, f: (r: Unpacked, a: Unpacked) => boolean): void {
  reg(0xd9, modrm, 1, name, (u) => {
    u.status &= ~C2;
    if (u.isEmpty(0)) {
      if (u.stackFault(false)) u.storeIndefinite(0);
      return;
    }
    u.load(0, u.a);
    if (fn.outOfRange(u.a)) {
      u.status = (u.status & ~C1) | C2;
      return;
    }
    u.begin();
    const ok = f(u.r, u.a);
    if (u.commit() && ok) u.store(0, u.r);
  });
}
trigonometric(0xfe, 'fsin', fn.sin);
trigonometric(0xff, 'fcos', fn.cos);

/** fptan, fsincos, fxtract: a result in place and another pushed. */
function pushing(modrm: number, name: string, trigonometric: boolean, f: (u: X87) => boolean): void {
  reg(0xd9, modrm, 1, name, (u) => {
    if (trigonometric) u.status &= ~C2;
    const full = !u.isEmpty(-1);
    if (u.isEmpty(0) || full) {
      if (u.stackFault(!u.isEmpty(0))) {
        u.storeIndefinite(0);
        u.pushWords(0xffff, 0xc0000000 | 0, 0);
      }
      return;
    }
    u.load(0, u.a);
    if (trigonometric && fn.outOfRange(u.a)) {
      u.status = (u.status & ~C1) | C2;
      return;
    }
    u.begin();
    const ok = f(u);
    if (!u.commit() || !ok) return;
    u.store(0, u.r);
    u.top--;
    u.store(0, u.b);
  });
}
pushing(0xf2, 'fptan', true, (u) => {
  const ok = fn.tan(u.r, u.a);
  // A NaN takes both places, anything else leaves 1.
  if (u.r.kind >= QNAN) u.b.set(u.r);
  else fn.setOne(u.b);
  return ok;
});
pushing(0xfb, 'fsincos', true, (u) => fn.sinAndCos(u.r, u.b, u.a));
pushing(0xf4, 'fxtract', false, (u) => extract(u.r, u.b, u.a));

/** ST(0) and ST(1) → ST(1), popped. */
function binaryPop(modrm: number, name: string, f: (r: Unpacked, st1: Unpacked, st0: Unpacked) => boolean): void {
  reg(0xd9, modrm, 1, name, (u) => {
    if (u.isEmpty(0) || u.isEmpty(1)) {
      if (!u.stackFault(false)) return;
      u.storeIndefinite(1);
      u.pop();
      return;
    }
    u.load(0, u.b);
    u.load(1, u.a);
    u.begin();
    const ok = f(u.r, u.a, u.b);
    if (!u.commit() || !ok) return;
    u.store(1, u.r);
    u.pop();
  });
}
binaryPop(0xf1, 'fyl2x', fn.yLog2x);
binaryPop(0xf3, 'fpatan', fn.atan2);
binaryPop(0xf9, 'fyl2xp1', fn.yLog2xPlus1);

function remainderRow(modrm: number, name: string, nearest: boolean): void {
  reg(0xd9, modrm, 1, name, (u) => {
    u.status &= ~C2;
    if (u.isEmpty(0) || u.isEmpty(1)) {
      if (u.stackFault(false)) u.storeIndefinite(0);
      return;
    }
    u.load(0, u.a);
    u.load(1, u.b);
    u.begin();
    const ok = remainder(u.r, u.a, u.b, nearest);
    if (u.commitCodes(remainderCodes.codes, remainderCodes.affected) && ok) u.store(0, u.r);
  });
}
remainderRow(0xf8, 'fprem', false);
remainderRow(0xf5, 'fprem1', true);

reg(0xd9, 0xfd, 1, 'fscale', (u) => {
  if (u.isEmpty(0) || u.isEmpty(1)) {
    if (u.stackFault(false)) u.storeIndefinite(0);
    return;
  }
  u.load(0, u.a);
  u.load(1, u.b);
  u.begin();
  const ok = scale(u.r, u.a, u.b);
  if (u.commit() && ok) u.store(0, u.r);
});

// ── constants ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** [rounding mode][constant] → words; computed on first use. */
const constants: ({ exp: number; hi: number; lo: number } | undefined)[] = [];
function pushConstant(which: number): Action {
  return (u) => {
    if (!u.canPush()) return;
    u.begin();
    const slot = env.rc * 8 + which;
    let c = constants[slot];
    if (c === undefined) {
      fn.constant(u.r, which);
      c = { exp: u.r.exp + 16383, hi: u.r.hi, lo: u.r.lo };
      constants[slot] = c;
    }
    u.pushWords(c.exp, c.hi, c.lo);
    u.status &= ~C1;
  };
}
reg(0xd9, 0xe8, 1, 'fld1', (u) => {
  if (!u.canPush()) return;
  u.pushWords(0x3fff, 0x80000000 | 0, 0);
  u.status &= ~C1;
});
for (const [k, name] of ['fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2'].entries()) {
  reg(0xd9, 0xe9 + k, 1, name, pushConstant(k + 1));
}
reg(0xd9, 0xee, 1, 'fldz', (u) => {
  if (!u.canPush()) return;
  u.pushWords(0, 0, 0);
  u.status &= ~C1;
});

// ── control ──────────────────────────────────────────────────────────────────────────────────────────────────────────

reg(0xd9, 0xd0, 1, 'fnop', () => {});
reg(0xd9, 0xf6, 1, 'fdecstp', (u) => {
  u.top--;
  u.status &= ~C1;
});
reg(0xd9, 0xf7, 1, 'fincstp', (u) => {
  u.top++;
  u.status &= ~C1;
});
controlRow(
  reg(0xdb, 0xe2, 1, 'fnclex', (u) => {
    u.status &= ~(0xff | BUSY);
  }),
  true,
);
controlRow(
  reg(0xdb, 0xe3, 1, 'fninit', (u) => u.init()),
  true,
);
// 8087 and 80287 leftovers: no operation.
controlRow(
  reg(0xdb, 0xe0, 1, 'fneni', () => {}),
  true,
);
controlRow(
  reg(0xdb, 0xe1, 1, 'fndisi', () => {}),
  true,
);
controlRow(
  reg(0xdb, 0xe4, 1, 'fnsetpm', () => {}),
  true,
);
controlRow(
  mem(0xd9, 5, 'fldcw', 2, 'r', (u, _i, at) => {
    setControl(u, u.memory.view.getUint16(at, true));
    u.summarise();
  }),
  false,
);
controlRow(
  mem(0xd9, 7, 'fnstcw', 2, 'w', (u, _i, at) => u.memory.view.setUint16(at, u.control, true)),
  true,
);
controlRow(
  mem(0xdd, 7, 'fnstsw m16', 2, 'w', (u, _i, at) => u.memory.view.setUint16(at, u.statusWord, true)),
  true,
);
controlRow(
  reg(0xdf, 0xe0, 1, 'fnstsw ax', (u) => {
    u.ax = u.statusWord;
    u.outcome = X87_SET_AX;
  }),
  true,
);
controlRow(
  mem(0xd9, 4, 'fldenv', 28, 'r', (u, _i, at) => readEnvironment(u, at)),
  false,
);
controlRow(
  mem(0xd9, 6, 'fnstenv', 28, 'w', (u, _i, at) => {
    writeEnvironment(u, at);
    u.control |= 0x3f;
    u.summarise();
  }),
  true,
);
controlRow(
  mem(0xdd, 4, 'frstor', 108, 'r', (u, _i, at) => readSave(u, at)),
  false,
);
controlRow(
  mem(0xdd, 6, 'fnsave', 108, 'w', (u, _i, at) => {
    writeSave(u, at);
    u.init();
  }),
  true,
);

// ── execution ─────────────────────────────────────────────────────────────────────────────────────────────

export const X87_TABLE: readonly X87Row[] = rows;

/** Bytes of the row's memory operand under the operand size. */
export function x87OperandBytes(row: X87Row, operand16: boolean): number {
  if (!operand16) return row.bytes;
  return row.bytes === 28 ? 14 : row.bytes === 108 ? 94 : row.bytes;
}

/**
 * Executes an instruction.
 * @param modrm its ModRM byte; of memory forms only the reg field counts
 * @param at byte address in `u.memory` of the memory operand, wholly readable or writable there; 0 for register forms.
 *   An operand that is written may stay as it was (unmasked exception): a bounce buffer must be filled before.
 * @returns X87_DONE, X87_SET_FLAGS, X87_SET_AX, X87_MF (nothing done: raise SIGFPE)
 */
export function runX87Row(u: X87, row: X87Row, modrm: number, at: number): number {
  if (!row.noWait && (u.status & ES) !== 0) return X87_MF;
  if (!row.control) u.memory.i32[FOP >> 2] = ((row.opcode & 7) << 8) | modrm;
  u.outcome = X87_DONE;
  row.run(u, modrm & 7, at);
  return u.outcome;
}
