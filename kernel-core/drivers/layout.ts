/**
 * The kernel's half of the address space, as far as drivers see it: where stubs, modules, stacks and the heap lie. Linux's
 * own addresses, without randomization. Addresses are signed 64-bit values; as JavaScript numbers they are below 0 and exact.
 * @source Linux Documentation/arch/x86/x86_64/mm.rst
 */
import { PAGE_SIZE } from '../mm/layout.js';

/** 0xffffffff81000000: stubs of exported functions, and small functions in machine code. RX. */
export const KERNEL_TEXT = -0x7f000000;
/** 0xffffffffc0000000 to 0xffffffffff000000: modules, within 2 GiB of the kernel text. */
export const MODULES_START = -0x40000000;
export const MODULES_END = -0x1000000;
/** 0xffffc90000000000: kernel stacks, each below and above a page that is not there. */
export const STACKS_START = -0x370000000000;
export const STACK_SIZE = 4 * PAGE_SIZE;
export const STACK_STRIDE = STACK_SIZE + PAGE_SIZE;
export const MAX_STACKS = 4096;
/** 0xffff888000000000: the heap. */
export const HEAP_START = -0x778000000000;
/** 0xffffc88000000000: what fs and gs point to in kernel mode (the stack protector's canary is at +0x28). RW. */
export const PER_CPU = -0x378000000000;
/** Where a stack protector compiled for user space, or for Linux' kernel, looks for its canary. */
export const CANARY_OFFSET = 0x28;

/** Whether an address lies in the kernel's half. */
export const isKernelAddress = (address: number): boolean => address < 0;
