/** Emits the look-up of an extent by address (../windows.ts), for accesses that have no window or are outside of theirs. */
import { EXTENT_BLOCK_SHIFT, EXTENT_HASH_SHIFT, TLB, TLB_EXTENTS, TLB_HASH } from '../state.js';
import type { Code } from '../wasm/code.js';
import { W_DELTA, W_LOW, WINDOW_SIZE } from './layout.js';

/**
 * pa = the physical address, by the extent that holds the virtual one.
 * @param address local, i64
 * @param limit W_READ or one of its like
 * @param pa local, i32
 * @param keep stores a part of the extent's record, which is on the stack behind a zero, to a window
 * @param miss emits what happens when no extent has the address: control does not come back from there
 */
export function emitThroughExtents(
  code: Code,
  address: number,
  limit: number,
  pa: number,
  keep: (part: number) => void,
  miss: () => void,
): void {
  const extent = pa;
  code.get(address);
  code.get(address);
  code.i64(EXTENT_BLOCK_SHIFT);
  code.op('i64.shr_u');
  code.op('i32.wrap_i64');
  code.i32(TLB_HASH);
  code.op('i32.mul');
  code.i32(EXTENT_HASH_SHIFT);
  code.op('i32.shr_u');
  code.i32(Math.log2(WINDOW_SIZE));
  code.op('i32.shl');
  code.i32(0);
  code.memory('i32.load', TLB);
  code.op('i32.add');
  code.tee(extent);
  code.memory('i64.load', TLB_EXTENTS + W_LOW);
  code.op('i64.sub');
  code.get(extent);
  code.memory('i64.load32_u', TLB_EXTENTS + limit);
  code.op('i64.ge_u');
  code.rarely();
  miss();
  code.end();
  for (let part = 0; part < WINDOW_SIZE; part += 16) {
    code.i32(0);
    code.get(extent);
    code.memory('v128.load', TLB_EXTENTS + part);
    keep(part);
  }
  code.get(address);
  code.op('i32.wrap_i64');
  code.get(extent);
  code.memory('i32.load', TLB_EXTENTS + W_DELTA);
  code.op('i32.add');
  code.set(pa);
}
