/**
 * A function that the kernel offers to drivers is a row, as a system call is: name, version, C prototype and handler. Linking,
 * the check of the C headers, /proc/kallsyms and the documentation read the same rows.
 *
 * A row never changes its meaning or its prototype. A new meaning is a row with the next version beside the old one: its
 * symbol is NAME.vN, and the header of that time binds the name to it (`__asm__`), so that objects compiled before keep the
 * old one.
 */
import type { KernelCall } from './call.js';

/**
 * @returns SUSPENDED (vfs/file.ts): the driver sleeps, and `KernelCall.attempt` will have the result
 * @param call the driver's flow of control that calls
 * @param args as signed 64-bit numbers; what has fewer bits in C has to be cut by the handler
 * @returns what rax gets, or SUSPENDED
 */
export type ExportHandler = (call: KernelCall, ...args: [number, number, number, number, number, number]) => number;

export interface ExportRow {
  readonly name: string;
  /** 1 when absent. */
  readonly version?: number;
  /** As the header declares it, without its end. */
  readonly prototype: string;
  readonly fn: ExportHandler;
}

/** A function that is machine code of its own and never leaves the processor: what compilers call by themselves. */
export interface CodeRow {
  readonly name: string;
  readonly prototype: string;
  readonly code: readonly number[];
}

export const symbolOf = ({ name, version = 1 }: { name: string; version?: number }): string =>
  version === 1 ? name : `${name}.v${version}`;
