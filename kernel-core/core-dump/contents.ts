/**
 * A process as a core file has it: its threads with their registers, and its mappings as far as its filter
 * (/proc/PID/coredump_filter) wants them.
 * @source core(5), "Controlling which mappings are written"; Linux fs/coredump.c vma_dump_size, fs/binfmt_elf.c
 */
import { ERESTARTSYS, isErr } from '../../abi/errno.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { S_IFCHR, S_IFMT } from '../../abi/stat.js';
import type { Core, CoreFileMapping, CoreMemory, CorePiece, CoreProcess, CoreThread } from '../../elf/core.js';
import { hasElfMagic, viewOf } from '../../elf/fields.js';
import { MemoryPages } from '../../vfs/fs/memory-pages.js';
import { pathString } from '../../vfs/path-string.js';
import { Vdso } from '../exec/vdso.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { SharedMemory } from '../mm/shared-memory.js';
import { VM_DONTDUMP, type Vma } from '../mm/vma.js';
import { encodeSignalInfo, SIGINFO_SIZE } from '../signals/siginfo.js';
import type { SigSet } from '../signals/sigset.js';
import type { SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { registersOf, USER_SELECTORS } from './registers.js';

/** Bits of the filter. */
const ANONYMOUS_PRIVATE = 1;
const ANONYMOUS_SHARED = 2;
const MAPPED_PRIVATE = 4;
const MAPPED_SHARED = 8;
const ELF_HEADERS = 0x10;
const ANY_EXECUTE = 0o111;
/** Of a mapping with more pages, only those that the process itself has touched. */
const MANY_PAGES = 2 ** 20;
/** Longest command line that a core file keeps. */
const COMMAND_LENGTH = 79;

/** @param task the one that took the signal; its registers are on the processor, and stay there */
export function coreOf(task: Task, mm: AddressSpace, info: SignalInfo): Core {
  const { process } = task;
  const others = [...process.threads].filter((other) => other !== task).sort((a, b) => a.tid - b.tid);
  const siginfo = new Uint8Array(SIGINFO_SIZE);
  encodeSignalInfo(info, new DataView(siginfo.buffer), 0, task.cred.userNamespace);
  const threads = [{ ...threadOf(task, info.signo), siginfo }, ...others.map((other) => threadOf(other, info.signo))];
  task.kernel.scheduler.load(task);
  return { process: factsOf(task, mm), threads, memory: mm.vmas().map((vma) => memoryOf(mm, vma)) };
}

function factsOf(task: Task, mm: AddressSpace): CoreProcess {
  const { process, cred, view } = task;
  return {
    pid: process.pid,
    ppid: process.parent?.pid ?? 0,
    pgrp: process.pgid,
    sid: process.session.sid,
    uid: cred.userNamespace.users.shown(cred.uid),
    gid: cred.userNamespace.groups.shown(cred.gid),
    nice: process.nice,
    flags: view.flags,
    name: task.comm,
    command: commandOf(mm),
    auxv: mm.auxv,
    files: filesOf(task, mm),
  };
}

/** The arguments as they are in memory now, with blanks for the zeros between them. */
function commandOf(mm: AddressSpace): string {
  const { argStart, argEnd } = mm.program;
  const bytes = new Uint8Array(Math.max(0, Math.min(argEnd - argStart, COMMAND_LENGTH)));
  return mm.read(argStart, bytes) === 0 ? String.fromCharCode(...bytes).replaceAll('\0', ' ') : '';
}

function filesOf({ fs }: Task, mm: AddressSpace): CoreFileMapping[] {
  const found: CoreFileMapping[] = [];
  for (const { start, end, offset, file, shared } of mm.vmas()) {
    const path = shared !== null ? '/dev/zero (deleted)' : file?.path ? pathString(fs, file.path) : null;
    if (path !== null) found.push({ begin: start, end, offset, path });
  }
  return found;
}

function threadOf(task: Task, signal: number): CoreThread {
  const { kernel, process, wait, tid } = task;
  const { usage, childUsage } = process;
  kernel.scheduler.load(task);
  const state = registersOf(kernel.cpu, USER_SELECTORS, task.syscall);
  const registers = { ...state.registers };
  // A call that sleeps is interrupted by its process's end.
  if (wait.request !== null) registers.rax = BigInt(-(wait.request.interrupted ?? ERESTARTSYS));
  return {
    tid,
    signal,
    registers,
    fxsave: state.fxsave,
    pendingSignals: maskOf(task.pending.set),
    blockedSignals: maskOf(task.blocked),
    times: {
      user: usage.utime,
      system: usage.stime,
      childrenUser: childUsage.utime,
      childrenSystem: childUsage.stime,
    },
  };
}

const maskOf = ({ lo, hi }: SigSet): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

function memoryOf(mm: AddressSpace, vma: Vma): CoreMemory {
  const { start, end, prot } = vma;
  return {
    address: start,
    size: end - start,
    stored: storedBytes(mm, vma),
    read: (prot & PROT_READ) !== 0,
    write: (prot & PROT_WRITE) !== 0,
    execute: (prot & PROT_EXEC) !== 0,
    pieces: () => piecesOf(mm, vma),
  };
}

/** Bytes of the mapping that the file gets. */
function storedBytes(mm: AddressSpace, vma: Vma): number {
  const { file, cache, shared, index, prot } = vma;
  const filter = mm.coreFilter;
  const all = vma.end - vma.start;
  if (cache instanceof Vdso) return all;
  if ((vma.flags & VM_DONTDUMP) !== 0) return 0;
  // Memory of a device: reading it may do something.
  if (file !== null && cache !== null && shared === null && (file.inode.mode & S_IFMT) === S_IFCHR) return 0;
  if (vma.isShared) {
    const isAnonymous = shared !== null || file === null || file.inode.nlink === 0;
    return (filter & (isAnonymous ? ANONYMOUS_SHARED : MAPPED_SHARED)) !== 0 ? all : 0;
  }
  if ((filter & ANONYMOUS_PRIVATE) !== 0 && hasOwnPages(mm, vma)) return all;
  if (file === null || cache === null) return 0;
  if ((filter & MAPPED_PRIVATE) !== 0) return all;
  if ((filter & ELF_HEADERS) === 0 || index !== 0 || (prot & PROT_READ) === 0) return 0;
  // By its first page a debugger knows which program or library it was.
  return (file.inode.mode & ANY_EXECUTE) !== 0 || beginsAsElf(mm, vma) ? PAGE_SIZE : 0;
}

/** Whether the process has written to a private mapping. */
function hasOwnPages(mm: AddressSpace, vma: Vma): boolean {
  let found = false;
  mm.pageTable.forEach(vma.start / PAGE_SIZE, vma.end / PAGE_SIZE, (vpn, frame) => {
    if (found || frame === mm.zeroFrame) return;
    found = vma.cache === null || vma.cache.resident(vma.cacheIndex(vpn * PAGE_SIZE)) !== frame;
  });
  return found;
}

function beginsAsElf(mm: AddressSpace, vma: Vma): boolean {
  const frame = mm.pageTable.frameOf(vma.start / PAGE_SIZE) || frameBehind(vma, vma.start);
  return frame > 0 && hasElfMagic(viewOf(mm.memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)));
}

/** Frame of what a mapping shows at `address` where the process has no page yet; 0: zeros, or nothing that can be read. */
function frameBehind(vma: Vma, address: number): number {
  const { cache } = vma;
  if (cache === null) return 0;
  const index = vma.cacheIndex(address);
  // What is in memory only has zeros where it has no page: it is not made to get one.
  const frame =
    cache instanceof MemoryPages
      ? cache.peek(index)
      : cache instanceof SharedMemory
        ? cache.resident(index)
        : cache.page(index);
  return isErr(frame) ? 0 : frame;
}

/** Its pages, copied one after the other to the same place. */
function* piecesOf(mm: AddressSpace, vma: Vma): Generator<CorePiece, void, void> {
  const page = new Uint8Array(PAGE_SIZE);
  let at = vma.start;
  for (const [address, frame] of framesOf(mm, vma)) {
    if (frame === 0) continue;
    if (address > at) yield address - at;
    page.set(mm.memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE));
    yield page;
    at = address + PAGE_SIZE;
  }
  if (at < vma.end) yield vma.end - at;
}

/** Pages with their frames, ascending; 0: zeros. */
function* framesOf(mm: AddressSpace, vma: Vma): Generator<readonly [address: number, frame: number], void, void> {
  const { pageTable, zeroFrame } = mm;
  const hasFrame = (frame: number): number => (frame === zeroFrame ? 0 : frame);
  if (vma.cache === null || vma.pages > MANY_PAGES) {
    const present: [number, number][] = [];
    pageTable.forEach(vma.start / PAGE_SIZE, vma.end / PAGE_SIZE, (vpn, frame) => {
      present.push([vpn * PAGE_SIZE, hasFrame(frame)]);
    });
    yield* present;
    return;
  }
  for (let address = vma.start; address < vma.end; address += PAGE_SIZE) {
    const frame = pageTable.frameOf(address / PAGE_SIZE);
    yield [address, frame === 0 ? frameBehind(vma, address) : hasFrame(frame)];
  }
}
