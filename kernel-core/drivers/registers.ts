/** Numbers of the registers that calls between drivers and the kernel use. @source System V psABI AMD64 */

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RSP = 4;
export const RSI = 6;
export const RDI = 7;
export const R8 = 8;
export const R9 = 9;
export const R10 = 10;
/** Of a C function's arguments, in order. */
export const C_ARGUMENTS = [RDI, RSI, RDX, RCX, R8, R9];
