/**
 * x87 for the rest of the processor. A typical call, by a helper of ../table/x87.ts:
 *   u = x87Of(memory)                       the unit over the CPU state
 *   u.flags = rflags; u.operand16 = …       (row.readsFlags; fldenv and kin)
 *   runX87Row(u, row, modrm, address)       address: the probed operand, or a bounce buffer that was filled before
 *   → X87_MF: #MF; X87_SET_FLAGS: ZF, PF, CF from u.flags, and OF, AF, SF = 0; X87_SET_AX: u.ax
 */
export { fpuExceptionCode } from './exception-code.js';
export { FXSAVE_WRITTEN, restoreFx, saveFx, x87Of } from './fxsave.js';
export { runX87Row, X87_TABLE, type X87Row, x87OperandBytes } from './table.js';
export { X87, X87_MF, X87_SET_AX, X87_SET_FLAGS } from './unit.js';
