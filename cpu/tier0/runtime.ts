/**
 * The functions that emitted instruction code calls (effective address, translation; jumps, wide arithmetic and string
 * operations from their own files) and `run`, which alternates between the main loop and single records in function mode.
 *
 * FUEL is kept as (remaining bytes of records) + (address of the current record), so that straight-line execution does
 * not touch it: at any record, FUEL − pc is what is left, 32 per instruction. Around a call that looks a place up and may
 * leave the run loop, FUEL holds the plain remainder and RIP the exact address.
 */

import { R_BASE, R_DISP, R_INDEX, R_OP, R_SCALE, R_SEGMENT, R_TARGET } from '../record.js';
import { EXIT_REASON, PAGE_MASK, RESYNC, SLOW_EA, SLOW_PC, TLB } from '../state.js';
import { Code } from '../wasm/code.js';
import type { ModuleBuilder } from '../wasm/module.js';
import type { ValueType } from '../wasm/opcodes.js';
import { bulkFunctions, type Define } from './bulk.js';
import { PROBE_ALIGNED, PROBE_WRITE, type RuntimeIndices, tlbOffset } from './frame.js';
import { goOnAt, goTo, jumpNear, lookUp, moveFuel, takeJump } from './jumps.js';
import { divideWide, multiplyHighUnsigned } from './wide.js';

/** Imported TypeScript functions, module 'cpu'. Addresses travel through SLOW_EA: no i64 crosses. */
export const IMPORTS: Record<string, readonly [params: ValueType[], results: ValueType[]]> = {
  /** (probe info, record) → physical address for SLOW_EA, 0 when the run loop must be left */
  slow: [['i32', 'i32'], ['i32']],
  /** (vector, record) raises an exception */
  trap: [['i32', 'i32'], []],
  /** (helper id, record, physical address) → 0 when the run loop must be left */
  helper: [['i32', 'i32', 'i32'], ['i32']],
  /** (record) runs the system call that is in the registers → 0 when the run loop must be left */
  syscall: [['i32'], ['i32']],
  /** Writes the split buffer back. */
  commit: [[], []],
  /** → record for SLOW_EA, PAGE_VA set; 0 when the run loop must be left */
  fetch: [[], ['i32']],
  /** (record) → record at the same address after mappings changed */
  resync: [['i32'], ['i32']],
  /** (pseudo-record of an instruction that spans two pages, or is not decoded yet) → record to execute, 0 to leave */
  span: [['i32'], ['i32']],
  /** (region) → 1 when the active address space has the code that it was translated from */
  validate: [['i32'], ['i32']],
  /** A region stopped for a reason that TypeScript wants to know (tier1/layout.ts). */
  stopped: [[], []],
};

export interface Runtime extends RuntimeIndices {
  lookup: number;
  imports: Record<string, number>;
  /** pc → i32 (record, or 0): function-mode bodies of the pseudo-records. */
  span: number;
  goto: number;
  crossPage: number;
}

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
    lookup,
    ea,
    probe,
    taken,
    go,
    near,
    trap: imports['trap']!,
    helper: imports['helper']!,
    syscall: imports['syscall']!,
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
