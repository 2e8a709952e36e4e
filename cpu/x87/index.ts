/**
 * x87 for the rest of the processor. A typical call, by the helper import of the run loop:
 *   row = x87Row(opcode, modrm)             undefined: #UD; row.bytes, row.access: the memory operand to probe
 *   u.flags = rflags; u.operand16 = …       (fcmov; fldenv and kin)
 *   executeX87(u, opcode, modrm, address)   address: operand in the memory, or a bounce buffer that was filled before
 *   → X87_MF: SIGFPE; X87_SET_FLAGS: ZF, PF, CF from u.flags, and OF, AF, SF = 0; X87_SET_AX: u.ax
 */
export { fpuExceptionCode } from './exception-code.js';
export { FXSAVE_WRITTEN, MXCSR_MASK, restoreFx, saveFx, x87Of } from './fxsave.js';
export { executeX87, runX87Row, setX87Instruction, X87_TABLE, type X87Row, x87OperandBytes, x87Row } from './table.js';
export { X87, X87_DONE, X87_MF, X87_SET_AX, X87_SET_FLAGS, X87_UD, type X87Memory } from './unit.js';
