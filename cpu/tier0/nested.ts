/**
 * What a run inside of another run (../nesting.ts) begins and ends with, as functions of the interpreter's module: a
 * TypeScript store of 64 bits is two of 32, which the processor cannot forward to the load of 64 bits that follows at once.
 */
import { FS_BASE, GS_BASE, RCX, RDI, RDX, RIP, RSI, RSP } from '../state.js';
import { PUT_ASIDE, WINDOW_SIZE, WINDOWS } from '../tier1/layout.js';
import { Code } from '../wasm/code.js';
import type { ModuleBuilder } from '../wasm/module.js';
import type { ValueType } from '../wasm/opcodes.js';

export interface NestedExports {
  /** Copy what a run inside of a run puts aside to a place in memory, and back. */
  putAside(place: number): void;
  bringBack(place: number): void;
  /** Copies slots of an address space, whose first is at `base`, to where translated code looks. @param slots as bits, at least one */
  windows(base: number, slots: number): void;
  /**
   * Sets rip, rsp, and both segment bases to `thread`.
   * @param place physical address of the word that rsp points to, which becomes `back`
   */
  enter(address: number, stack: number, thread: number, place: number, back: number): void;
  /** Sets rdi, rsi, rdx, rcx. */
  pass(a: number, b: number, c: number, d: number): void;
}

export function addNested(module: ModuleBuilder): void {
  const define = (name: keyof NestedExports, params: readonly ValueType[], write: (code: Code) => void): void => {
    const func = module.declare(params, []);
    const code = new Code(params.length);
    write(code);
    module.define(func, code);
    module.export(name, func);
  };
  define('windows', ['i32', 'i32'], copyWindows);
  define('putAside', ['i32'], (code) => copyState(code, false));
  define('bringBack', ['i32'], (code) => copyState(code, true));
  define('enter', ['f64', 'f64', 'f64', 'i32', 'f64'], (code) => {
    storeNumber(code, RIP, 0);
    storeNumber(code, RSP, 1);
    storeNumber(code, FS_BASE, 2);
    storeNumber(code, GS_BASE, 2);
    code.get(3);
    pushNumber(code, 4);
    code.memory('i64.store', 0);
  });
  define('pass', ['f64', 'f64', 'f64', 'f64'], (code) => {
    for (const [i, register] of [RDI, RSI, RDX, RCX].entries()) storeNumber(code, register, i);
  });
}

function copyState(code: Code, isBack: boolean): void {
  for (const [from, to] of PUT_ASIDE) {
    for (let at = from; at < to; at += 16) {
      if (isBack) code.i32(0);
      code.get(0);
      if (!isBack) code.i32(0);
      code.memory('v128.load', at);
      code.memory('v128.store', at);
    }
  }
}

function copyWindows(code: Code): void {
  const [base, slots] = [0, 1];
  const offset = code.local('i32');
  const again = code.loop();
  code.get(slots);
  code.op('i32.ctz');
  code.i32(Math.log2(WINDOW_SIZE));
  code.op('i32.shl');
  code.set(offset);
  for (let at = 0; at < WINDOW_SIZE; at += 16) {
    code.get(offset);
    code.get(base);
    code.get(offset);
    code.op('i32.add');
    code.memory('v128.load', at);
    code.memory('v128.store', WINDOWS + at);
  }
  // Without the lowest of them.
  code.get(slots);
  code.get(slots);
  code.i32(1);
  code.op('i32.sub');
  code.op('i32.and');
  code.tee(slots);
  code.brIf(again);
  code.end();
}

/** A JavaScript number as a signed 64-bit value. */
function pushNumber(code: Code, param: number): void {
  code.get(param);
  code.op('i64.trunc_sat_f64_s');
}

function storeNumber(code: Code, address: number, param: number): void {
  code.i32(0);
  pushNumber(code, param);
  code.memory('i64.store', address);
}
