/**
 * The signal frame of Linux x86-64: `struct rt_sigframe` on the program's stack, built before a handler runs and read
 * back by rt_sigreturn. From low to high addresses: return address (8 bytes), ucontext (304), siginfo (128), then
 * the 512-byte FXSAVE image on a 64-byte boundary.
 * @source arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h, uapi/asm/ucontext.h; layout checked on the host
 */

import { EFAULT, EINVAL, ENOMEM, EPERM, type Err, fail } from '../../abi/errno.js';
import { USER_CS, USER_SS } from '../../abi/segment.js';
import { SA_NODEFER, SA_ONSTACK, SA_RESTORER, SS_ONSTACK } from '../../abi/signal.js';
import { type Cpu, type PhysicalMemory, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { physicalAddress } from '../mm/user-memory.js';
import type { Task } from '../task.js';
import { encodeSignalInfo } from './siginfo.js';
import type { SignalAction, SignalInfo } from './state.js';

const SS_AUTODISARM = 0x80000000;
export const SS_DISABLE = 2;
const MINSIGSTKSZ = 2048;
/** Exception vector of what a return to a bad selector raises. */
const GENERAL_PROTECTION = 13;

const FRAME_SIZE = 440;
const UCONTEXT = 8;
const UC_STACK = UCONTEXT + 16;
const MCONTEXT = UCONTEXT + 40;
const SIGMASK = UCONTEXT + 296;
const SIGINFO = UCONTEXT + 304;
const FXSAVE_SIZE = 512;
const REDZONE = 128;
/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS: the frame of a processor without XSAVE. */
const UC_FLAGS = 6;

/** Register numbers in the order of struct sigcontext: r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp. */
const SIGCONTEXT_ORDER = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];
const OFFSET_RIP = MCONTEXT + 128;
const OFFSET_FLAGS = MCONTEXT + 136;
const OFFSET_SEGMENTS = MCONTEXT + 144;
const OFFSET_ERR = MCONTEXT + 152;
const OFFSET_TRAPNO = MCONTEXT + 160;
const OFFSET_OLDMASK = MCONTEXT + 168;
const OFFSET_CR2 = MCONTEXT + 176;
const OFFSET_FPSTATE = MCONTEXT + 184;

/** Flags a program may change through its frame: CF PF AF ZF SF TF DF OF NT(no) RF AC(no). */
const RESTORABLE_FLAGS = 0xcd5;
const DF_TF_RF = 0x10500;

const RAX = 0;
const RDX = 2;
const RSP = 4;
const RSI = 6;
const RDI = 7;

/** Frame, gap for the alignment of the image, and image. */
const LONGEST_SPAN = FRAME_SIZE + 8 + 15 + 63 + FXSAVE_SIZE;

/**
 * The frame that is being written or read: written into guest memory itself when it lies in one page, else in a buffer of
 * its own. One object for all: frames are never made inside each other.
 */
class FrameImage {
  readonly #own = new Uint8Array(Math.ceil(LONGEST_SPAN / 8) * 8);
  readonly #ownWords = new Int32Array(this.#own.buffer);
  readonly #ownView = new DataView(this.#own.buffer);
  readonly #ownFrame = this.#own.subarray(0, FRAME_SIZE);
  #bytes: Uint8Array = this.#own;
  #words: Int32Array = this.#ownWords;
  #view: DataView = this.#ownView;
  /** Offset of the frame in what it lies in: bytes, a multiple of 4. */
  #at = 0;
  #isInPlace = false;

  /** Makes room for a frame at `address`, zeroed. @param fpAddress where its fxsave image is; behind `address` @returns 0, -EFAULT */
  begin(mm: AddressSpace, address: number, fpAddress: number): number | Err {
    this.#isInPlace = isInOnePage(address, fpAddress + FXSAVE_SIZE - address);
    if (this.#isInPlace) {
      const physical = physicalAddress(mm, address, PTE_WRITE);
      if (physical < 0) return fail(EFAULT);
      this.#lieIn(mm.memory, physical);
    }
    this.#bytes.fill(0, this.#at, this.#at + fpAddress - address + FXSAVE_SIZE);
    return 0;
  }

  /** The frame is complete. @returns 0, -EFAULT: it could not be written */
  end(mm: AddressSpace, cpu: Cpu, address: number, fpAddress: number): number | Err {
    const image = this.#at + fpAddress - address;
    cpu.fxsave(this.#bytes, image);
    if (this.#isInPlace) return 0;
    const failed = mm.write(fpAddress, this.#own.subarray(image, image + FXSAVE_SIZE));
    return failed !== 0 ? failed : mm.write(address, this.#ownFrame);
  }

  /**
   * Makes the frame at `address` the one to be read, without its fxsave image; until the next page fault.
   * @returns 0, -EFAULT
   */
  load(mm: AddressSpace, address: number): number | Err {
    this.#isInPlace = isInOnePage(address, FRAME_SIZE) && (address & 3) === 0;
    if (!this.#isInPlace) return mm.read(address, this.#ownFrame);
    const physical = physicalAddress(mm, address, PTE_READ);
    if (physical < 0) return fail(EFAULT);
    this.#lieIn(mm.memory, physical);
    return 0;
  }

  #lieIn(memory: PhysicalMemory, physical: number): void {
    this.#at = physical;
    this.#bytes = memory.u8;
    this.#words = memory.i32;
    this.#view = memory.view;
  }

  /** Forgets the memory of the kernel that it looked into. */
  release(): void {
    this.#bytes = this.#own;
    this.#words = this.#ownWords;
    this.#view = this.#ownView;
    this.#at = 0;
  }

  put32(offset: number, value: number): void {
    this.#words[(this.#at + offset) >>> 2] = value;
  }

  put64(offset: number, value: number): void {
    const words = this.#words;
    const at = (this.#at + offset) >>> 2;
    const low = value | 0;
    words[at] = low;
    words[at + 1] = low === value ? low >> 31 : Math.floor(value / 0x100000000);
  }

  putRegisters(cpu: Cpu): void {
    const words = this.#words;
    let at = (this.#at + MCONTEXT) >>> 2;
    for (let i = 0; i < SIGCONTEXT_ORDER.length; i++, at += 2) {
      words[at] = cpu.regLo(SIGCONTEXT_ORDER[i]!);
      words[at + 1] = cpu.regHi(SIGCONTEXT_ORDER[i]!);
    }
  }

  getRegisters(cpu: Cpu): void {
    const words = this.#words;
    let at = (this.#at + MCONTEXT) >>> 2;
    for (let i = 0; i < SIGCONTEXT_ORDER.length; i++, at += 2) {
      cpu.setRegHalves(SIGCONTEXT_ORDER[i]!, words[at]!, words[at + 1]!);
    }
  }

  putInfo(offset: number, info: SignalInfo, reader: UserNamespace): void {
    encodeSignalInfo(info, this.#view, this.#at + offset, reader);
  }

  get32(offset: number): number {
    return this.#words[(this.#at + offset) >>> 2]!;
  }

  get64(offset: number): number {
    const words = this.#words;
    const at = (this.#at + offset) >>> 2;
    const low = words[at]!;
    const high = words[at + 1]!;
    return high === low >> 31 ? low : high * 0x100000000 + (low >>> 0);
  }

  /** The selectors of code and stack are the user's, whatever privilege level the program wrote. */
  get hasUserSelectors(): boolean {
    const code = this.get32(OFFSET_SEGMENTS) & 0xffff;
    const stack = this.get32(OFFSET_SEGMENTS + 4) >>> 16;
    return (code | 3) === USER_CS && (stack | 3) === USER_SS;
  }
}

const isInOnePage = (address: number, length: number): boolean =>
  ((address | 0) & (PAGE_SIZE - 1)) + length <= PAGE_SIZE;

const frame = new FrameImage();
const fxsave = new Uint8Array(FXSAVE_SIZE);

const isOnAltStack = (task: Task, sp: number): boolean =>
  (task.altStackFlags & SS_AUTODISARM) === 0 && sp > task.altStackBase && sp - task.altStackBase <= task.altStackSize;

/** What sigaltstack and the frame report as ss_flags. */
export function altStackState(task: Task, sp: number): number {
  if (task.altStackSize === 0) return SS_DISABLE;
  const mode = task.altStackFlags & SS_AUTODISARM;
  return (isOnAltStack(task, sp) ? SS_ONSTACK : 0) | mode;
}

/**
 * Pushes the frame and points the registers, which are on the CPU, at the handler.
 * @returns 0, or -EFAULT when the stack cannot take the frame
 */
export function pushSignalFrame(task: Task, action: SignalAction, info: SignalInfo): number | Err {
  const { cpu } = task.kernel;
  if ((action.flags & SA_RESTORER) === 0) return fail(EFAULT);
  const sp = cpu.reg(RSP);
  const useAlt = (action.flags & SA_ONSTACK) !== 0 && task.altStackSize !== 0 && !isOnAltStack(task, sp);
  const top = useAlt ? task.altStackBase + task.altStackSize : sp - REDZONE;
  const fpAddress = Math.floor((top - FXSAVE_SIZE) / 64) * 64;
  const address = Math.floor((fpAddress - FRAME_SIZE) / 16) * 16 - 8;
  if (useAlt && address < task.altStackBase) return fail(EFAULT);
  if (!useAlt && isOnAltStack(task, sp) && !isOnAltStack(task, address)) return fail(EFAULT);

  const mm = task.mm!;
  const started = frame.begin(mm, address, fpAddress);
  if (started === 0) fillFrame(task, action, info, sp, fpAddress);
  const failed = started !== 0 ? started : frame.end(mm, cpu, address, fpAddress);
  frame.release();
  if (failed !== 0) return fail(EFAULT);

  if (useAlt && (task.altStackFlags & SS_AUTODISARM) !== 0) {
    task.altStackBase = 0;
    task.altStackSize = 0;
    task.altStackFlags = SS_DISABLE;
  }
  cpu.resetFloatingPoint();
  cpu.setReg(RDI, info.signo);
  cpu.setReg(RSI, address + SIGINFO);
  cpu.setReg(RDX, address + UCONTEXT);
  cpu.setReg(RAX, 0);
  cpu.setReg(RSP, address);
  cpu.rip = action.handler;
  cpu.rflags = cpu.rflags & ~DF_TF_RF;

  blockForHandler(task, action, info.signo);
  return 0;
}

/** The signal mask while a handler runs. The frame has the one to go back to. */
export function blockForHandler(task: Task, action: SignalAction, signal: number): void {
  task.savedMask = null;
  task.blocked.union(action.mask);
  if ((action.flags & SA_NODEFER) === 0) task.blocked.add(signal);
  task.blocked.clearUnblockable();
}

/** Everything but the floating-point image. @param sp stack pointer of the program */
function fillFrame(task: Task, action: SignalAction, info: SignalInfo, sp: number, fpAddress: number): void {
  const { cpu } = task.kernel;
  frame.put64(0, action.restorer);
  frame.put64(UCONTEXT, UC_FLAGS);
  frame.put64(UC_STACK, task.altStackBase);
  frame.put32(UC_STACK + 8, altStackState(task, sp));
  frame.put64(UC_STACK + 16, task.altStackSize);
  frame.putRegisters(cpu);
  frame.put64(OFFSET_RIP, cpu.rip);
  frame.put64(OFFSET_FLAGS, cpu.rflags);
  frame.put32(OFFSET_SEGMENTS, USER_CS);
  frame.put32(OFFSET_SEGMENTS + 4, USER_SS << 16);
  frame.put64(OFFSET_ERR, task.faultError);
  frame.put64(OFFSET_TRAPNO, task.faultTrap);
  frame.put64(OFFSET_CR2, task.faultAddress);
  frame.put64(OFFSET_FPSTATE, fpAddress);
  const mask = task.savedMask ?? task.blocked;
  frame.put32(OFFSET_OLDMASK, mask.lo);
  frame.put32(OFFSET_OLDMASK + 4, mask.hi);
  frame.put32(SIGMASK, mask.lo);
  frame.put32(SIGMASK + 4, mask.hi);
  frame.putInfo(SIGINFO, info, task.cred.userNamespace);
}

/** Restores registers and mask from the frame that the stack pointer stands behind. @returns 0, or -EFAULT: the frame is not readable or its state not valid */
export function popSignalFrame(task: Task): number | Err {
  const address = task.kernel.cpu.reg(RSP) - 8;
  const loaded = frame.load(task.mm!, address);
  const result = loaded !== 0 ? loaded : restoreFrame(task, address);
  frame.release();
  return result;
}

/** From the frame at `address`, which is loaded. */
function restoreFrame(task: Task, address: number): number | Err {
  const { cpu } = task.kernel;
  const fpAddress = frame.get64(OFFSET_FPSTATE);
  if (fpAddress === 0) cpu.resetFloatingPoint();
  else if (!restoreFloatingPoint(task, fpAddress)) return fail(EFAULT);
  // In another page, the image may have had to be faulted in.
  const isNear = fpAddress >= address && isInOnePage(address, fpAddress + FXSAVE_SIZE - address);
  if (!isNear && frame.load(task.mm!, address) !== 0) return fail(EFAULT);
  frame.getRegisters(cpu);
  cpu.rip = frame.get64(OFFSET_RIP);
  cpu.rflags = (cpu.rflags & ~RESTORABLE_FLAGS) | (frame.get32(OFFSET_FLAGS) & RESTORABLE_FLAGS);
  task.blocked.set(frame.get32(SIGMASK), frame.get32(SIGMASK + 4));
  task.blocked.clearUnblockable();
  // As Linux does, what makes no sense as an alternate stack leaves the one that is.
  setAltStack(task, frame.get64(UC_STACK), frame.get32(UC_STACK + 8) >>> 0, frame.get64(UC_STACK + 16), cpu.reg(RSP));
  if (frame.hasUserSelectors) return 0;
  task.faultTrap = GENERAL_PROTECTION;
  task.faultError = 0;
  return fail(EFAULT);
}

/** @returns false when the image is not readable or not valid */
function restoreFloatingPoint(task: Task, address: number): boolean {
  const { cpu } = task.kernel;
  const mm = task.mm!;
  if (!isInOnePage(address, FXSAVE_SIZE)) return mm.read(address, fxsave) === 0 && cpu.fxrstor(fxsave, 0);
  const at = physicalAddress(mm, address, PTE_READ);
  return at >= 0 && cpu.fxrstor(mm.memory.u8, at);
}

/**
 * @param flags SS_*, as a program gives them
 * @param sp what the stack pointer is: on the alternate stack it cannot be replaced
 * @returns 0, or an error, and then nothing has changed: -EPERM, -EINVAL (flags), -ENOMEM (size)
 */
export function setAltStack(task: Task, base: number, flags: number, size: number, sp: number): number | Err {
  const mode = flags & ~SS_AUTODISARM;
  if (isOnAltStack(task, sp)) return fail(EPERM);
  if (mode !== 0 && mode !== SS_DISABLE && mode !== SS_ONSTACK) return fail(EINVAL);
  const isOff = mode === SS_DISABLE;
  // A size beyond 2^63 is negative here, and large.
  if (!isOff && size >= 0 && size < MINSIGSTKSZ) return fail(ENOMEM);
  task.altStackBase = isOff ? 0 : base;
  task.altStackSize = isOff ? 0 : size;
  task.altStackFlags = isOff ? SS_DISABLE : flags & SS_AUTODISARM;
  return 0;
}
