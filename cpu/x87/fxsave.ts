/** The 512-byte fxsave image: x87, MXCSR and the xmm registers. Signal frames hold it, fxsave and fxrstor move it. */
import { MXCSR, XMM } from '../state.js';
import { readFxsave, writeFxsave } from './image.js';
import { X87, type X87Memory } from './unit.js';

/** MXCSR bits that can be set, as MXCSR_MASK of the image says. */
export const MXCSR_MASK = 0xffff;
const MXCSR_AT = 24;
const MASK_AT = 28;
const XMM_AT = 160;
const XMM_BYTES = 256;
/** From here on the image is the program's: fxsave leaves it. */
export const FXSAVE_WRITTEN = XMM_AT + XMM_BYTES;

const units = new WeakMap<X87Memory, X87>();

/** The x87 unit over the CPU state in `memory`. */
export function x87Of(memory: X87Memory): X87 {
  let unit = units.get(memory);
  if (unit === undefined) {
    unit = new X87(memory);
    units.set(memory, unit);
  }
  return unit;
}

/** Writes bytes 0…415 of the image at `target[offset]`. */
export function saveFx(memory: X87Memory, target: Uint8Array, offset: number): void {
  writeFxsave(x87Of(memory), target, offset, true);
  const view = new DataView(target.buffer, target.byteOffset + offset, FXSAVE_WRITTEN);
  view.setInt32(MXCSR_AT, memory.i32[MXCSR >> 2]!, true);
  view.setUint32(MASK_AT, MXCSR_MASK, true);
  target.set(memory.u8.subarray(XMM, XMM + XMM_BYTES), offset + XMM_AT);
}

/** Loads the state from an image. @returns false, with nothing changed, when a reserved bit of MXCSR is set */
export function restoreFx(memory: X87Memory, source: Uint8Array, offset: number): boolean {
  const mxcsr = new DataView(source.buffer, source.byteOffset + offset, 32).getUint32(MXCSR_AT, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return false;
  readFxsave(x87Of(memory), source, offset, true);
  memory.i32[MXCSR >> 2] = mxcsr;
  memory.u8.set(source.subarray(offset + XMM_AT, offset + XMM_AT + XMM_BYTES), XMM);
  return true;
}
