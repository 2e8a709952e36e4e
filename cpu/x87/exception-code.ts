/** Which floating-point exception a SIGFPE reports. */
import { FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND } from '../../abi/signal.js';
import { FCW, FSW, MXCSR } from '../state.js';
import type { X87Memory } from './unit.js';
import { DE, IE, OE, PE, UE, ZE } from './unpacked.js';

/**
 * si_code of a SIGFPE, from the exceptions that are raised and unmasked.
 * @param sse #XM (MXCSR) instead of #MF (x87 status and control word)
 * @source Linux arch/x86/kernel/fpu/core.c fpu__exception_code
 */
export function fpuExceptionCode(memory: X87Memory, sse: boolean): number {
  const { i32 } = memory;
  const mxcsr = i32[MXCSR >> 2]!;
  const pending = sse ? mxcsr & ~(mxcsr >> 7) : i32[FSW >> 2]! & ~i32[FCW >> 2]!;
  if (pending & IE) return FPE_FLTINV;
  if (pending & ZE) return FPE_FLTDIV;
  if (pending & OE) return FPE_FLTOVF;
  if (pending & (DE | UE)) return FPE_FLTUND;
  return pending & PE ? FPE_FLTRES : 0;
}
