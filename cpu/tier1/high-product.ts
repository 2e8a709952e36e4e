/** Multiplication of 64-bit values beyond what WebAssembly has: its i64.mul gives the low half of a product only. */
import type { Code } from '../wasm/code.js';
import type { Temps } from './temps.js';

/** mulhu: high half of an unsigned 64 × 64 bit product, from 32-bit pieces. */
export function emitHighProduct(code: Code, temps: Temps, pushX: () => void, pushY: () => void): void {
  const [x, y, middle] = [temps.take('i64'), temps.take('i64'), temps.take('i64')];
  pushX();
  code.set(x);
  pushY();
  code.set(y);
  const half = (local: number, high: boolean): void => {
    code.get(local);
    code.i64(high ? 32 : 0xffffffff);
    code.op(high ? 'i64.shr_u' : 'i64.and');
  };
  const product = (highX: boolean, highY: boolean): void => {
    half(x, highX);
    half(y, highY);
    code.op('i64.mul');
  };
  const shift = (): void => {
    code.i64(32);
    code.op('i64.shr_u');
  };
  product(true, false);
  product(false, false);
  shift();
  code.op('i64.add');
  code.tee(middle);
  shift();
  product(true, true);
  code.op('i64.add');
  half(middle, false);
  product(false, true);
  code.op('i64.add');
  shift();
  code.op('i64.add');
}
