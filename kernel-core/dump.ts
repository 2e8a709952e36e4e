/** A picture of the whole kernel as plain data. */

import type { Kernel } from './kernel.js';
import type { Process } from './process.js';
import { fromKernelText } from './text.js';

export interface ProcessDump {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  command: string;
  state: string;
  /** What the process sleeps in; empty when it does not. */
  waitsFor: string;
  uid: number;
  /** Resident pages. */
  rss: number;
  /** Descriptor numbers. */
  descriptors: number[];
}

export interface KernelDump {
  /** Monotonic nanoseconds since boot. */
  uptime: number;
  /** Programs, and process 1. */
  processes: ProcessDump[];
  /** Threads of the kernel itself. */
  kernelThreads: ProcessDump[];
  mounts: { source: string; type: string; id: number }[];
  /** Pages of 4096 bytes. */
  memory: { used: number; free: number; limit: number };
  timers: number;
  runnable: number;
  syscalls: number;
  instructions: number;
}

export function dumpKernel(kernel: Kernel): KernelDump {
  const { memory } = kernel;
  const all = [...kernel.processes.all()];
  return {
    uptime: kernel.host.monotonic(),
    processes: all.filter(({ isKernelThread }) => !isKernelThread).map(dumpProcess),
    kernelThreads: all.filter(({ isKernelThread }) => isKernelThread).map(dumpProcess),
    mounts: kernel.namespace.list().map(({ source, fs, id }) => ({ source, type: fs.type, id })),
    memory: { used: memory.usedFrames, free: memory.freeFrames, limit: memory.limitFrames },
    timers: kernel.timers.size,
    runnable: kernel.scheduler.queued,
    syscalls: kernel.dispatch.count,
    instructions: kernel.cpu.totalRetired,
  };
}

function dumpProcess(process: Process): ProcessDump {
  const { leader } = process;
  const alive = !process.isZombie;
  return {
    pid: process.pid,
    ppid: process.parent?.pid ?? 0,
    pgid: process.pgid,
    sid: process.session.sid,
    command: fromKernelText(leader.comm),
    state: process.isZombie ? 'zombie' : leader.state,
    waitsFor: leader.wait.request?.what ?? '',
    uid: leader.cred.uid,
    rss: leader.mm?.rss ?? 0,
    descriptors: alive ? [...leader.files.descriptors()] : [],
  };
}
