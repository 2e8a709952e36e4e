/**
 * The functions that emitted instruction code calls: effective address, translation, jumps between records, wide
 * multiplication and division, and `run`, which alternates between the main loop and single records in function mode.
 *
 * FUEL is kept as (remaining bytes of records) + (address of the current record), so that straight-line execution does
 * not touch it: at any record, FUEL − pc is what is left, 32 per instruction. Around a call that looks a place up and may
 * leave the run loop, FUEL holds the plain remainder and RIP the exact address.
 */

import { EXIT_SLICE } from '../exits.js';
import { R_BASE, R_DISP, R_INDEX, R_OP, R_SCALE, R_SEGMENT, R_TARGET, RECORD_SIZE } from '../record.js';
import { EXIT_REASON, FUEL, PAGE_VA, RESYNC, RIP, SLOW_EA, SLOW_PC, TEMP0, TLB, TLB_EXEC } from '../state.js';
import { Code } from '../wasm/code.js';
import type { ModuleBuilder } from '../wasm/module.js';
import type { ValueType } from '../wasm/opcodes.js';
import { bulkFunctions, type Define } from './bulk.js';
import { PROBE_ALIGNED, PROBE_WRITE, type RuntimeIndices, tlbOffset } from './lower.js';

/** Imported TypeScript functions, module 'cpu'. Addresses travel through SLOW_EA: no i64 crosses. */
export const IMPORTS: Record<string, readonly [params: ValueType[], results: ValueType[]]> = {
  /** (probe info, record) → physical address for SLOW_EA, 0 when the run loop must be left */
  slow: [['i32', 'i32'], ['i32']],
  /** (vector, record) raises an exception */
  trap: [['i32', 'i32'], []],
  /** (helper id, record, physical address) → 0 when the run loop must be left */
  helper: [['i32', 'i32', 'i32'], ['i32']],
  /** Writes the split buffer back. */
  commit: [[], []],
  /** → record for SLOW_EA, PAGE_VA set; 0 when the run loop must be left */
  fetch: [[], ['i32']],
  /** (record) → record at the same address after mappings changed */
  resync: [['i32'], ['i32']],
  /** (pseudo-record of an instruction that spans two pages, or is not decoded yet) → record to execute, 0 to leave */
  span: [['i32'], ['i32']],
};

export interface Runtime extends RuntimeIndices {
  imports: Record<string, number>;
  /** pc → i32 (record, or 0): function-mode bodies of the pseudo-records. */
  span: number;
  goto: number;
  crossPage: number;
}

const PAGE_MASK = -4096;

export function addRuntime(module: ModuleBuilder): Runtime {
  const imports: Record<string, number> = {};
  for (const [name, [params, results]] of Object.entries(IMPORTS)) {
    imports[name] = module.importFunction('cpu', name, params, results);
  }
  const define: Define = (params, results, write) => {
    const func = module.declare(params, results);
    const code = new Code(params.length);
    write(code);
    module.define(func, code);
    return func;
  };

  const ea = define(['i32'], ['i64'], effectiveAddress);
  const probe = define(['i64', 'i32', 'i32'], ['i32'], (c) => translate(c, imports['slow']!));
  const lookup = define(['i64'], ['i32'], (c) => lookUp(c, imports['fetch']!));
  const taken = define(['i32', 'i32'], ['i32'], takeJump);
  const go = define(['i32', 'i64'], ['i32'], (c) => goTo(c, lookup));
  const near = define(['i32'], ['i32'], (c) => jumpNear(c, lookup, taken));
  const crossPage = define(['i32'], ['i32'], (c) => goOnAt(c, lookup));
  const goto = define(['i32'], ['i32'], (c) => {
    const target = c.local('i32');
    c.get(0);
    c.memory('i32.load', R_TARGET);
    c.set(target);
    moveFuel(c, target, 0);
    c.get(target);
  });
  const span = define(['i32'], ['i32'], (c) => {
    const target = c.local('i32');
    c.get(0);
    c.call(imports['span']!);
    c.tee(target);
    c.if();
    moveFuel(c, target, 0);
    c.end();
    c.get(target);
  });
  const mulhu = define(['i64', 'i64'], ['i64'], multiplyHighUnsigned);
  const udiv128 = define(['i64', 'i64', 'i64'], ['i64'], divideWide);
  return {
    imports,
    ea,
    probe,
    taken,
    go,
    near,
    trap: imports['trap']!,
    helper: imports['helper']!,
    commit: imports['commit']!,
    span,
    goto,
    crossPage,
    named: new Map([['mulhu', mulhu], ['udiv128', udiv128], ...bulkFunctions(define)]),
  };
}

/** (pc) → address */
function effectiveAddress(c: Code): void {
  const scale = c.local('i32');
  const address = c.local('i64');
  const state = (field: number): void => {
    c.get(0);
    c.memory('i32.load16_u', field);
    c.memory('i64.load', 0);
  };
  state(R_BASE);
  c.get(0);
  c.memory('i64.load32_s', R_DISP);
  c.op('i64.add');
  state(R_INDEX);
  c.get(0);
  c.memory('i32.load8_u', R_SCALE);
  c.tee(scale);
  c.op('i64.extend_i32_u'); // the shift takes the low 6 bits only
  c.op('i64.shl');
  c.op('i64.add');
  c.set(address);
  c.get(scale);
  c.i32(0x80);
  c.op('i32.and');
  c.if();
  c.get(address);
  c.i64(0xffffffffn);
  c.op('i64.and');
  c.set(address);
  c.end();
  c.get(address);
  state(R_SEGMENT);
  c.op('i64.add');
}

/** (address, info, pc) → physical address or 0 */
function translate(c: Code, slow: number): void {
  const entry = c.local('i32');
  const size = c.local('i64');
  c.get(1);
  c.i32(0xfff);
  c.op('i32.and');
  c.op('i64.extend_i32_u');
  c.i64(1);
  c.op('i64.sub');
  c.set(size);
  c.i32(0);
  c.memory('i32.load', TLB);
  c.get(1);
  c.i32(PROBE_WRITE); // also the offset of the write entries
  c.op('i32.and');
  c.op('i32.add');
  tlbOffset(c, 0);
  c.op('i32.add');
  c.tee(entry);
  c.memory('i64.load', 0);
  c.get(0);
  c.get(size);
  c.op('i64.add');
  c.i64(PAGE_MASK);
  c.op('i64.and');
  c.op('i64.eq');
  c.get(1);
  c.i32(PROBE_ALIGNED);
  c.op('i32.and');
  c.op('i32.eqz');
  c.get(0);
  c.get(size);
  c.op('i64.and');
  c.op('i64.eqz');
  c.op('i32.or');
  c.op('i32.and');
  c.if();
  c.get(0);
  c.op('i32.wrap_i64');
  c.get(entry);
  c.memory('i32.load', 8);
  c.op('i32.add');
  c.return();
  c.end();
  c.i32(0);
  c.get(0);
  c.memory('i64.store', SLOW_EA);
  c.get(1);
  c.get(2);
  c.call(slow);
}

/** (address) → record or 0; sets PAGE_VA */
function lookUp(c: Code, fetch: number): void {
  const entry = c.local('i32');
  const page = c.local('i64');
  c.i32(0);
  c.memory('i32.load', TLB);
  tlbOffset(c, 0);
  c.op('i32.add');
  c.tee(entry);
  c.memory('i64.load', TLB_EXEC);
  c.get(0);
  c.i64(PAGE_MASK);
  c.op('i64.and');
  c.tee(page);
  c.op('i64.eq');
  c.if();
  c.get(entry);
  c.memory('i32.load', TLB_EXEC + 8);
  c.get(0);
  c.op('i32.wrap_i64');
  c.i32(0xfff);
  c.op('i32.and');
  c.i32(2);
  c.op('i32.shl');
  c.op('i32.add');
  c.memory('i32.load', 0);
  c.tee(entry);
  c.if();
  c.i32(0);
  c.get(page);
  c.memory('i64.store', PAGE_VA);
  c.get(entry);
  c.return();
  c.end();
  c.end();
  c.i32(0);
  c.get(0);
  c.memory('i64.store', SLOW_EA);
  c.call(fetch);
}

/** FUEL += to − from, without counting an instruction. `from` and `to` are locals. */
function moveFuel(c: Code, to: number, from: number): void {
  c.i32(0);
  c.i32(0);
  c.memory('i32.load', FUEL);
  c.get(to);
  c.op('i32.add');
  c.get(from);
  c.op('i32.sub');
  c.memory('i32.store', FUEL);
}

/** Ends the slice when local `rest` is not positive: leaves with `record` as the place to go on. */
function endSlice(c: Code, rest: number, record: number): void {
  c.get(rest);
  c.i32(0);
  c.op('i32.le_s');
  c.if();
  c.i32(0);
  c.i32(EXIT_SLICE);
  c.memory('i32.store', EXIT_REASON);
  c.i32(0);
  c.get(record);
  c.memory('i32.store', SLOW_PC);
  c.i32(0);
  c.return();
  c.end();
}

/** rest = FUEL − (pc + 32) */
function restBehind(c: Code, rest: number): void {
  c.i32(0);
  c.memory('i32.load', FUEL);
  c.get(0);
  c.op('i32.sub');
  c.i32(RECORD_SIZE);
  c.op('i32.sub');
  c.set(rest);
}

/** (pc, target record) → record or 0 */
function takeJump(c: Code): void {
  const rest = c.local('i32');
  restBehind(c, rest);
  storeFuel(c, () => {
    c.get(rest);
    c.get(1);
    c.op('i32.add');
  });
  endSlice(c, rest, 1);
  c.get(1);
}

function storeFuel(c: Code, amount: () => void): void {
  c.i32(0);
  amount();
  c.memory('i32.store', FUEL);
}

function storeRip(c: Code, address: () => void): void {
  c.i32(0);
  address();
  c.memory('i64.store', RIP);
}

/** (pc, address) → record or 0 */
function goTo(c: Code, lookup: number): void {
  const rest = c.local('i32');
  const target = c.local('i32');
  restBehind(c, rest);
  storeFuel(c, () => c.get(rest));
  storeRip(c, () => c.get(1));
  c.get(1);
  c.call(lookup);
  c.tee(target);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  storeFuel(c, () => {
    c.get(rest);
    c.get(target);
    c.op('i32.add');
  });
  endSlice(c, rest, target);
  c.get(target);
}

function directTarget(c: Code): void {
  c.i32(0);
  c.memory('i64.load', PAGE_VA);
  c.get(0);
  c.memory('i64.load32_s', R_DISP);
  c.op('i64.add');
}

/** (pc) → record or 0: a direct jump within the page; remembers the target's record. */
function jumpNear(c: Code, lookup: number, taken: number): void {
  const rest = c.local('i32');
  const target = c.local('i32');
  c.get(0);
  c.memory('i32.load', R_TARGET);
  c.tee(target);
  c.op('i32.eqz');
  c.if();
  restBehind(c, rest);
  storeFuel(c, () => c.get(rest));
  storeRip(c, () => directTarget(c));
  c.i32(0);
  c.memory('i64.load', RIP);
  c.call(lookup);
  c.tee(target);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  // The look-up may have dropped this record (RESYNC says so): then it must not be written to.
  c.i32(0);
  c.memory('i32.load', RESYNC);
  c.op('i32.eqz');
  c.if();
  c.get(0);
  c.get(target);
  c.memory('i32.store', R_TARGET);
  c.end();
  storeFuel(c, () => {
    c.get(rest);
    c.get(0);
    c.op('i32.add');
    c.i32(RECORD_SIZE);
    c.op('i32.add');
  });
  c.end();
  c.get(0);
  c.get(target);
  c.call(taken);
}

/** (pc) → record or 0: falls through into another page; no instruction. */
function goOnAt(c: Code, lookup: number): void {
  const target = c.local('i32');
  storeFuel(c, () => {
    c.i32(0);
    c.memory('i32.load', FUEL);
    c.get(0);
    c.op('i32.sub');
  });
  storeRip(c, () => directTarget(c));
  c.i32(0);
  c.memory('i64.load', RIP);
  c.call(lookup);
  c.tee(target);
  c.if();
  storeFuel(c, () => {
    c.i32(0);
    c.memory('i32.load', FUEL);
    c.get(target);
    c.op('i32.add');
  });
  c.end();
  c.get(target);
}

/** 32×32 pieces; (a, b) → high half of the unsigned product */
function multiplyHighUnsigned(c: Code): void {
  const low = 0xffffffffn;
  const middle = c.local('i64');
  const half = (operand: number, high: boolean): void => {
    c.get(operand);
    c.i64(high ? 32 : low);
    c.op(high ? 'i64.shr_u' : 'i64.and');
  };
  const product = (highA: boolean, highB: boolean): void => {
    half(0, highA);
    half(1, highB);
    c.op('i64.mul');
  };
  const shift = (): void => {
    c.i64(32);
    c.op('i64.shr_u');
  };
  product(true, false);
  product(false, false);
  shift();
  c.op('i64.add');
  c.tee(middle);
  shift();
  product(true, true);
  c.op('i64.add');
  c.get(middle);
  c.i64(low);
  c.op('i64.and');
  product(false, true);
  c.op('i64.add');
  shift();
  c.op('i64.add');
}

/** (high, low, divisor) → quotient, remainder in TEMP0; high < divisor. One bit per step. */
function divideWide(c: Code): void {
  const steps = c.local('i32');
  const carry = c.local('i64');
  c.i32(64);
  c.set(steps);
  const again = c.loop();
  c.get(0);
  c.set(carry);
  c.get(0);
  c.i64(1);
  c.op('i64.shl');
  c.get(1);
  c.i64(63);
  c.op('i64.shr_u');
  c.op('i64.or');
  c.set(0);
  c.get(1);
  c.i64(1);
  c.op('i64.shl');
  c.set(1);
  c.get(carry);
  c.i64(0);
  c.op('i64.lt_s');
  c.get(0);
  c.get(2);
  c.op('i64.ge_u');
  c.op('i32.or');
  c.if();
  c.get(0);
  c.get(2);
  c.op('i64.sub');
  c.set(0);
  c.get(1);
  c.i64(1);
  c.op('i64.or');
  c.set(1);
  c.end();
  c.get(steps);
  c.i32(1);
  c.op('i32.sub');
  c.tee(steps);
  c.brIf(again);
  c.end();
  c.i32(0);
  c.get(0);
  c.memory('i64.store', TEMP0);
  c.get(1);
}

/**
 * (pc): runs until something sets EXIT_REASON. A record that the main loop leaves at is executed in function mode.
 * @param hotLimit handler numbers below it are in the main loop
 */
export function runFunction(runtime: Runtime, main: number, handlerType: number, hotLimit: number): Code {
  const c = new Code(1);
  const again = c.loop();
  c.get(0);
  c.memory('i32.load16_u', R_OP);
  c.i32(hotLimit);
  c.op('i32.lt_u');
  c.if();
  c.get(0);
  c.call(main);
  c.set(0);
  c.i32(0);
  c.memory('i32.load', EXIT_REASON);
  c.if();
  c.i32(0);
  c.get(0);
  c.memory('i32.store', SLOW_PC);
  c.return();
  c.end();
  c.end();
  c.get(0);
  c.get(0);
  c.memory('i32.load16_u', R_OP);
  c.callIndirect(handlerType);
  c.tee(0);
  c.op('i32.eqz');
  c.if();
  c.return();
  c.end();
  c.i32(0);
  c.memory('i32.load', RESYNC);
  c.op('i32.eqz');
  c.brIf(again);
  c.get(0);
  c.call(runtime.imports['resync']!);
  c.tee(0);
  c.brIf(again);
  c.end();
  return c;
}
