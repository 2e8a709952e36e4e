/** Segment selectors of Linux x86-64: what cs and ss hold. Data segments other than ss have none. @source asm/segment.h */
export const KERNEL_CS = 0x10;
export const KERNEL_SS = 0x18;
export const USER_CS = 0x33;
export const USER_SS = 0x2b;
