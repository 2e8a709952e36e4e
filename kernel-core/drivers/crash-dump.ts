/**
 * The kernel's memory and the registers of drivers at the moment when one crashed, as an ELF core file (elf/core.ts): what
 * `banos run --crash-dump FILE` writes, and stock gdb opens with the driver's object. Threads are the call that crashed, and
 * those that sleep in drivers. Programs are not in it.
 */
import { SIGABRT, SIGFPE, SIGILL, SIGSEGV, SIGTRAP } from '../../abi/signal.js';
import { type Cpu, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { type CoreMemory, type CoreThread, coreFile, withZeros } from '../../elf/core.js';
import { KERNEL_SELECTORS, registersOf } from '../core-dump/registers.js';
import type { Kernel } from '../kernel.js';
import { PAGE_SIZE } from '../mm/layout.js';
import type { KernelCall } from './call.js';
import type { OopsReason } from './calls.js';
import type { KernelSpace } from './space.js';

const TRAP_DE = 0;
const TRAP_BP = 3;
const TRAP_UD = 6;
/** Page numbers have 36 bits: those of the kernel's half are the upper ones. */
const FIRST_PAGE = 2 ** 35;
const END_PAGE = 2 ** 36;

/** The file, to be read at once. The registers of `call` are on the processor. */
export function* crashCore(
  kernel: Kernel,
  space: KernelSpace,
  call: KernelCall,
  reason: OopsReason,
): Generator<Uint8Array, void, void> {
  const { cpu } = kernel;
  const task = call.task ?? kernel.init.leader;
  const core = coreFile({
    process: {
      pid: task.pid,
      ppid: task.process.parent?.pid ?? 0,
      pgrp: task.pgid,
      sid: task.sid,
      uid: task.cred.uid,
      gid: task.cred.gid,
      name: task.comm,
      command: task.comm,
    },
    threads: [threadOf(cpu, task.tid, signalOf(kernel, reason)), ...sleeping(kernel, call)],
    memory: ranges(space),
  });
  yield* withZeros(core);
}

/** What a program would have got for it. */
function signalOf({ cpu }: Kernel, reason: OopsReason): number {
  if (reason.kind === 'bug') return SIGABRT;
  if (reason.kind === 'syscall') return SIGILL;
  switch (cpu.fault.trapno) {
    case TRAP_DE:
      return SIGFPE;
    case TRAP_BP:
      return SIGTRAP;
    case TRAP_UD:
      return SIGILL;
    default:
      return SIGSEGV;
  }
}

/** From what is on the processor. */
const threadOf = (cpu: Cpu, tid: number, signal: number): CoreThread => ({
  tid,
  signal,
  ...registersOf(cpu, KERNEL_SELECTORS, -1),
});

/** Tasks that wait in drivers. */
function sleeping(kernel: Kernel, crashed: KernelCall): CoreThread[] {
  const { cpu, processes } = kernel;
  const present = cpu.newContext();
  cpu.saveContext(present);
  const threads: CoreThread[] = [];
  for (const { driverCall, tid } of processes.tasks()) {
    if (driverCall === null || driverCall === crashed) continue;
    cpu.loadContext(driverCall.context);
    threads.push(threadOf(cpu, tid, 0));
  }
  cpu.loadContext(present);
  return threads;
}

/** Pages side by side with the same rights. */
interface Range {
  readonly first: number;
  readonly rights: number;
  readonly frames: number[];
}

function ranges({ pageTable, memory }: KernelSpace): CoreMemory[] {
  const found: Range[] = [];
  pageTable.forEach(FIRST_PAGE, END_PAGE, (vpn, frame, rights) => {
    const last = found.at(-1);
    if (last?.rights === rights && last.first + last.frames.length === vpn) last.frames.push(frame);
    else found.push({ first: vpn, rights, frames: [frame] });
  });
  return found.map(({ first, rights, frames }) => ({
    address: (first - END_PAGE) * PAGE_SIZE,
    size: frames.length * PAGE_SIZE,
    stored: frames.length * PAGE_SIZE,
    read: (rights & PTE_READ) !== 0,
    write: (rights & PTE_WRITE) !== 0,
    execute: (rights & PTE_EXEC) !== 0,
    *pieces() {
      for (const frame of frames) yield memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
    },
  }));
}
