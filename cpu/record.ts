/**
 * Layout of a decoded record: what the decoder writes and emitted code reads. Records of a straight-line run are
 * consecutive, so that the next instruction is `RECORD_SIZE` further on.
 */

export const RECORD_SIZE = 32;
/** u16: handler number; those below the hot limit are inline in the main loop. */
export const R_OP = 0;
/** u16: offset of the instruction in its page; pseudo-records have that of the place they stand for. */
export const R_OFF = 2;
/** u16: state address of the r/m register operand (or the register in the opcode). */
export const R_A = 4;
/** u16: state address of the modrm.reg operand. */
export const R_B = 6;
/** u16: state addresses of base and index, ZERO when absent. A segment base without an index takes the index's place. */
export const R_BASE = 8;
export const R_INDEX = 10;
/** u8: log2 of the index factor; bit 7: 32-bit address size (only in function forms). */
export const R_SCALE = 12;
/** u8: length of the instruction in bytes. */
export const R_LEN = 13;
/** u16: state address of the segment base, or ZERO (only in function forms). */
export const R_SEGMENT = 14;
/** i32: displacement. Of direct branches: target relative to the page. */
export const R_DISP = 16;
/** u32: record of a branch target in the same page, 0 while unknown. Of string instructions: prefixes. */
export const R_TARGET = 20;
/**
 * i64: sign-extended immediate; without one, the offset of the next instruction relative to the page. Of OP_SPAN, u32:
 * address of the offset table of the next page.
 */
export const R_IMM = 24;

/** Bit of R_SCALE. */
export const ADDRESS32 = 0x80;
