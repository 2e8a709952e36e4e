/** Multiplication and division of twice the register width, which WebAssembly lacks. */
import { TEMP0 } from '../state.js';
import type { Code } from '../wasm/code.js';

/** 32×32 pieces; (a, b) → high half of the unsigned product */
export function multiplyHighUnsigned(c: Code): void {
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
export function divideWide(c: Code): void {
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
