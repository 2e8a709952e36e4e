/**
 * The exact path of SSE's floating-point instructions: every rounding mode, FTZ, DAZ, unmasked exceptions, NaN
 * selection and sticky flags, on the soft float of x87/. Emitted code takes it when MXCSR is not at its default control
 * bits or when the fast result is not finite. Two ways out of every function here: true, with results and flags
 * written; false, with flags written and #XM raised.
 */
import { TRAP_GP, TRAP_XM } from '../exits.js';
import type { Helper, HelperContext } from '../helpers.js';
import { R_B, R_IMM } from '../record.js';
import { MXCSR, SCRATCH_XMM } from '../state.js';
import { ADD, arithmetic, DIV, MUL, SUB, sqrt } from '../x87/arithmetic.js';
import { pack32, pack64, packed, unpack32, unpack64 } from '../x87/formats.js';
import { MXCSR_MASK } from '../x87/fxsave.js';
import { fromInteger, integer, round, toInteger } from '../x87/rounding.js';
import {
  compare,
  DE,
  env,
  F32,
  F64,
  type Format,
  IE,
  NORMAL,
  PE,
  PRE,
  QNAN,
  RC_ZERO,
  SNAN,
  setIndefinite,
  setZero,
  Unpacked,
  ZERO,
} from '../x87/unpacked.js';

const DAZ = 0x40;
const FTZ = 0x8000;

const a = new Unpacked();
const b = new Unpacked();
const r = new Unpacked();
/** Result words of up to four lanes. */
const words = new Int32Array(4);

let mxcsr = 0;
/** Exceptions of all lanes so far. */
let raised = 0;

function begin(cpu: HelperContext): void {
  mxcsr = cpu.memory.i32[MXCSR >> 2]!;
  env.rc = (mxcsr >> 13) & 3;
  env.masks = (mxcsr >> 7) & 0x3f;
  env.flush = (mxcsr & FTZ) !== 0;
  env.flags = 0;
  raised = 0;
}

/** Enters the flags into MXCSR. @returns false when one was unmasked: #XM is raised. */
function finish(cpu: HelperContext): boolean {
  raised |= env.flags;
  const unmasked = raised & ~env.masks;
  // Exceptions found before computing stop the instruction before any lane can over- or underflow.
  if ((unmasked & PRE) !== 0) raised &= PRE;
  cpu.memory.i32[MXCSR >> 2] = mxcsr | raised;
  if (unmasked === 0) return true;
  cpu.raise(TRAP_XM);
  return false;
}

/** Ends a lane, so that the next starts without flags. */
function nextLane(): void {
  raised |= env.flags;
  env.flags = 0;
}

function unpack(into: Unpacked, cpu: HelperContext, at: number, bits: 32 | 64): void {
  const { view } = cpu.memory;
  if (bits === 32) unpack32(into, view.getInt32(at, true));
  else unpack64(into, view.getInt32(at + 4, true), view.getInt32(at, true));
  if (into.denormal && (mxcsr & DAZ) !== 0) {
    setZero(into, into.sign);
    into.denormal = false;
  }
}

function put(lane: number, bits: 32 | 64): void {
  if (bits === 32) words[lane] = pack32(r);
  else {
    pack64(r);
    words[2 * lane] = packed.lo;
    words[2 * lane + 1] = packed.hi;
  }
}

function write(cpu: HelperContext, at: number, count: number): void {
  const { view } = cpu.memory;
  for (let k = 0; k < count; k++) view.setInt32(at + 4 * k, words[k]!, true);
}

const destination = (cpu: HelperContext, record: number): number => cpu.memory.view.getUint16(record + R_B, true);

function quiet(from: Unpacked): void {
  r.set(from);
  r.kind = QNAN;
  r.hi |= 0x40000000;
}

/** One lane: r from a (destination) and b (source). */
type Operation = (bits: 32 | 64) => void;

/** SSE's choice among NaNs: the first operand that is one, quieted. @returns false when there is none */
function selectNan(): boolean {
  if (a.kind < QNAN && b.kind < QNAN) return false;
  if (a.kind === SNAN || b.kind === SNAN) env.flags |= IE;
  quiet(a.kind >= QNAN ? a : b);
  return true;
}

const arithmeticOf =
  (op: number): Operation =>
  (bits) => {
    if (!selectNan()) arithmetic(op, r, a, b, bits === 32 ? F32 : F64);
  };

const squareRoot: Operation = (bits) => {
  if (b.kind >= QNAN) {
    if (b.kind === SNAN) env.flags |= IE;
    quiet(b);
  } else sqrt(r, b, bits === 32 ? F32 : F64);
};

const minMax =
  (sign: 1 | -1): Operation =>
  (bits) => {
    let first = false;
    if (a.kind >= QNAN || b.kind >= QNAN) env.flags |= IE;
    else {
      if (a.denormal || b.denormal) env.flags |= DE;
      first = compare(a, b) === sign;
    }
    // The chosen operand passes unchanged, a NaN too.
    r.set(first ? a : b);
    if (r.denormal) denormalise(bits === 32 ? F32 : F64);
  };

/** Undoes the normalisation of a denormal r, so that it packs as it was. */
function denormalise(format: Format): void {
  const { flags, masks, flush } = env;
  env.masks = 0x3f;
  env.flush = false;
  round(r, 0, format);
  env.flags = flags;
  env.masks = masks;
  env.flush = flush;
}

export const OPERATIONS = {
  add: arithmeticOf(ADD),
  mul: arithmeticOf(MUL),
  sub: arithmeticOf(SUB),
  div: arithmeticOf(DIV),
  min: minMax(-1),
  max: minMax(1),
  sqrt: squareRoot,
};

/** Helper for `lanes` lanes of xmm(reg) = xmm(reg) op operand. */
export function exactArithmetic(operation: Operation, bits: 32 | 64, lanes: number): Helper {
  return (cpu, record, pa) => {
    begin(cpu);
    const to = destination(cpu, record);
    const step = bits / 8;
    for (let k = 0; k < lanes; k++) {
      unpack(a, cpu, to + k * step, bits);
      unpack(b, cpu, pa + k * step, bits);
      operation(bits);
      put(k, bits);
      nextLane();
    }
    if (!finish(cpu)) return false;
    write(cpu, to, (lanes * bits) / 32);
    return true;
  };
}

/** Comparison flags of a pair: unordered, less, equal. */
function relation(signalling: boolean): 'unordered' | number {
  if (a.kind >= QNAN || b.kind >= QNAN) {
    if (signalling || a.kind === SNAN || b.kind === SNAN) env.flags |= IE;
    return 'unordered';
  }
  if (a.denormal || b.denormal) env.flags |= DE;
  return compare(a, b);
}

/** cmpps and kin: predicate in the low three bits of the immediate. */
export function exactCompare(bits: 32 | 64, lanes: number): Helper {
  return (cpu, record, pa) => {
    begin(cpu);
    const to = destination(cpu, record);
    const predicate = cpu.memory.view.getUint8(record + R_IMM) & 7;
    const kind = predicate & 3;
    const step = bits / 8;
    for (let k = 0; k < lanes; k++) {
      unpack(a, cpu, to + k * step, bits);
      unpack(b, cpu, pa + k * step, bits);
      const relative = relation(kind === 1 || kind === 2);
      let holds = relative === 'unordered';
      if (kind === 0) holds = relative === 0;
      else if (kind === 1) holds = relative === -1;
      else if (kind === 2) holds = relative === 0 || relative === -1;
      const mask = holds !== predicate > 3 ? -1 : 0;
      if (bits === 32) words[k] = mask;
      else words.fill(mask, 2 * k, 2 * k + 2);
      nextLane();
    }
    if (!finish(cpu)) return false;
    write(cpu, to, (lanes * bits) / 32);
    return true;
  };
}

/** The exceptions of comis and ucomis; the flags are the row's affair. */
export function exactOrder(bits: 32 | 64, signalling: boolean): Helper {
  return (cpu, record, pa) => {
    begin(cpu);
    unpack(a, cpu, destination(cpu, record), bits);
    unpack(b, cpu, pa, bits);
    const relative = relation(signalling);
    if (!finish(cpu)) return false;
    cpu.memory.i32[ORDER >> 2] = relative === 'unordered' ? 2 : relative;
    return true;
  };
}

/** Where exactOrder leaves its answer: -1, 0, 1, or 2 for unordered. */
export const ORDER = SCRATCH_XMM;

// ── conversions ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Integer lanes (32 or 64 bits, signed) to floating point. */
export function exactFromInteger(from: 32 | 64, bits: 32 | 64, lanes: number): Helper {
  return (cpu, record, pa) => {
    begin(cpu);
    const { view } = cpu.memory;
    for (let k = 0; k < lanes; k++) {
      const at = pa + (k * from) / 8;
      let lo = view.getInt32(at, true);
      let hi = from === 64 ? view.getInt32(at + 4, true) : lo >> 31;
      const sign = hi < 0 ? 1 : 0;
      if (sign !== 0) {
        lo = -lo | 0;
        hi = lo === 0 ? -hi | 0 : ~hi;
      }
      fromInteger(r, sign, hi, lo);
      if (r.kind === NORMAL) round(r, 0, bits === 32 ? F32 : F64);
      put(k, bits);
      nextLane();
    }
    if (!finish(cpu)) return false;
    write(cpu, destination(cpu, record), (lanes * bits) / 32);
    return true;
  };
}

/** b → signed integer of `to` bits into `words` from lane `k`; out of range: IE and the lowest integer. */
function integerLane(k: number, to: 32 | 64, truncate: boolean): void {
  let hi = 0x80000000 | 0;
  let lo = to === 32 ? hi : 0;
  if (b.kind <= NORMAL && toInteger(b, truncate ? RC_ZERO : env.rc) && fitsSigned(to, b.sign)) {
    if (integer.inexact) env.flags |= PE;
    ({ hi, lo } = integer);
    if (b.sign !== 0) {
      lo = -lo | 0;
      hi = lo === 0 ? -hi | 0 : ~hi;
    }
  } else env.flags |= IE;
  if (to === 32) words[k] = lo;
  else {
    words[2 * k] = lo;
    words[2 * k + 1] = hi;
  }
}

function fitsSigned(bits: 32 | 64, sign: number): boolean {
  const { hi, lo } = integer;
  const top = bits === 32 ? lo : hi;
  if (bits === 32 && hi !== 0) return false;
  return top >= 0 || (sign !== 0 && top === (0x80000000 | 0) && (bits === 32 || lo === 0));
}

/** Floating-point lanes to packed 32-bit integers; lanes of the destination beyond `lanes` become 0 up to `clear`. */
export function exactToIntegers(bits: 32 | 64, lanes: number, truncate: boolean, clear: number): Helper {
  return (cpu, record, pa) => {
    begin(cpu);
    words.fill(0);
    for (let k = 0; k < lanes; k++) {
      unpack(b, cpu, pa + (k * bits) / 8, bits);
      integerLane(k, 32, truncate);
      nextLane();
    }
    if (!finish(cpu)) return false;
    write(cpu, destination(cpu, record), clear);
    return true;
  };
}

/** Scalar floating point to a general register; a 32-bit result clears the upper half. */
export function exactToRegister(bits: 32 | 64, to: 32 | 64, truncate: boolean): Helper {
  return (cpu, record, pa) => {
    begin(cpu);
    words.fill(0);
    unpack(b, cpu, pa, bits);
    integerLane(0, to, truncate);
    if (!finish(cpu)) return false;
    write(cpu, destination(cpu, record), 2);
    return true;
  };
}

/** Between the two floating-point widths. `clear`: words written, those beyond the lanes 0. */
export function exactResize(from: 32 | 64, lanes: number, clear: number): Helper {
  const to = from === 32 ? 64 : 32;
  return (cpu, record, pa) => {
    begin(cpu);
    words.fill(0);
    for (let k = 0; k < lanes; k++) {
      unpack(b, cpu, pa + (k * from) / 8, from);
      if (b.kind >= QNAN) {
        if (b.kind === SNAN) env.flags |= IE;
        quiet(b);
      } else {
        if (b.denormal) env.flags |= DE;
        r.set(b);
        if (r.kind === NORMAL) round(r, 0, to === 32 ? F32 : F64);
      }
      put(k, to);
      nextLane();
    }
    if (!finish(cpu)) return false;
    write(cpu, destination(cpu, record), clear);
    return true;
  };
}

// ── approximations and control ───────────────────────────────────────────────────────────────────────────────────────

const reciprocal = (x: number): number => 1 / x;
const reciprocalRoot = (x: number): number => (x === 0 ? 1 / x : x < 0 ? Number.NaN : 1 / Math.sqrt(x));

/**
 * rcpps, rsqrtps and their scalar forms: correctly rounded, so within the error of 1.5 × 2^-12 that the architecture
 * allows; denormal operands and results count as 0; no exceptions, and MXCSR does not matter.
 */
export function approximate(root: boolean, lanes: number): Helper {
  const f = root ? reciprocalRoot : reciprocal;
  return (cpu, record, pa) => {
    const { view } = cpu.memory;
    for (let k = 0; k < lanes; k++) {
      unpack32(b, view.getInt32(pa + 4 * k, true));
      if (b.kind >= QNAN) {
        quiet(b);
        words[k] = pack32(r);
        continue;
      }
      if (b.denormal) setZero(b, b.sign);
      if (root && b.sign !== 0 && b.kind !== ZERO) {
        setIndefinite(r);
        words[k] = pack32(r);
        continue;
      }
      view.setInt32(SCRATCH, b.kind === ZERO ? b.sign << 31 : view.getInt32(pa + 4 * k, true), true);
      view.setFloat32(SCRATCH, f(view.getFloat32(SCRATCH, true)), true);
      const result = view.getInt32(SCRATCH, true);
      words[k] = (result & 0x7f800000) === 0 ? result & 0x80000000 : result;
    }
    write(cpu, destination(cpu, record), lanes);
    return true;
  };
}

const SCRATCH = SCRATCH_XMM + 8;

export const loadMxcsr: Helper = (cpu, _record, pa) => {
  const value = cpu.memory.view.getInt32(pa, true);
  if ((value & ~MXCSR_MASK) !== 0) {
    cpu.raise(TRAP_GP);
    return false;
  }
  cpu.memory.i32[MXCSR >> 2] = value;
  return true;
};
