/**
 * The signal frame of Linux x86-64: `struct rt_sigframe` on the program's stack, built before a handler runs and read
 * back by rt_sigreturn. From low to high addresses: return address (8 bytes), ucontext (304), siginfo (128), then
 * the 512-byte FXSAVE image on a 64-byte boundary.
 * @source arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h, uapi/asm/ucontext.h; layout checked on the host
 */
import { EFAULT, EINVAL, ENOMEM, EPERM, type Err, fail } from '../../abi/errno.js';
import { SA_NODEFER, SA_ONSTACK, SA_RESTORER, SS_ONSTACK } from '../../abi/signal.js';
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
/** Selectors of user code and stack segments. */
const USER_CS = 0x33;
const USER_SS = 0x2b;

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

const frame = new Uint8Array(FRAME_SIZE);
const view = new DataView(frame.buffer);
const fxsave = new Uint8Array(FXSAVE_SIZE);
/** What a handler starts with: x87 control word 0x37f, MXCSR 0x1f80, all registers empty. */
const freshFxsave = new Uint8Array(FXSAVE_SIZE);
freshFxsave.set([0x7f, 0x03]);
freshFxsave.set([0x80, 0x1f], 24);

const isOnAltStack = (task: Task, sp: number): boolean =>
  (task.altStackFlags & SS_AUTODISARM) === 0 && sp > task.altStackBase && sp - task.altStackBase <= task.altStackSize;

/** What sigaltstack and the frame report as ss_flags. */
export function altStackState(task: Task, sp: number): number {
  if (task.altStackSize === 0) return SS_DISABLE;
  const mode = task.altStackFlags & SS_AUTODISARM;
  return (isOnAltStack(task, sp) ? SS_ONSTACK : 0) | mode;
}

function put64(offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / 0x100000000), true);
}

/** A segment selector of the frame, with the user's privilege level whatever the program wrote. */
const selectorOf = (offset: number): number => view.getUint16(OFFSET_SEGMENTS + offset, true) | 3;

const get64 = (offset: number): number => view.getInt32(offset + 4, true) * 0x100000000 + view.getUint32(offset, true);

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

  frame.fill(0);
  put64(0, action.restorer);
  put64(UCONTEXT, UC_FLAGS);
  put64(UC_STACK, task.altStackBase);
  view.setUint32(UC_STACK + 8, altStackState(task, sp), true);
  put64(UC_STACK + 16, task.altStackSize);
  SIGCONTEXT_ORDER.forEach((register, i) => {
    view.setInt32(MCONTEXT + 8 * i, cpu.regLo(register), true);
    view.setInt32(MCONTEXT + 8 * i + 4, cpu.regHi(register), true);
  });
  put64(OFFSET_RIP, cpu.rip);
  put64(OFFSET_FLAGS, cpu.rflags);
  view.setUint16(OFFSET_SEGMENTS, USER_CS, true);
  view.setUint16(OFFSET_SEGMENTS + 6, USER_SS, true);
  put64(OFFSET_ERR, task.faultError);
  put64(OFFSET_TRAPNO, task.faultTrap);
  put64(OFFSET_CR2, task.faultAddress);
  put64(OFFSET_FPSTATE, fpAddress);
  const mask = task.savedMask ?? task.blocked;
  view.setInt32(OFFSET_OLDMASK, mask.lo, true);
  view.setInt32(OFFSET_OLDMASK + 4, mask.hi, true);
  view.setInt32(SIGMASK, mask.lo, true);
  view.setInt32(SIGMASK + 4, mask.hi, true);
  encodeSignalInfo(info, view, SIGINFO);
  fxsave.fill(0);
  cpu.fxsave(fxsave, 0);
  if (task.mm!.write(fpAddress, fxsave) !== 0 || task.mm!.write(address, frame) !== 0) return fail(EFAULT);

  if (useAlt && (task.altStackFlags & SS_AUTODISARM) !== 0) {
    task.altStackBase = 0;
    task.altStackSize = 0;
    task.altStackFlags = SS_DISABLE;
  }
  cpu.fxrstor(freshFxsave, 0);
  cpu.setReg(RDI, info.signo);
  cpu.setReg(RSI, address + SIGINFO);
  cpu.setReg(RDX, address + UCONTEXT);
  cpu.setReg(RAX, 0);
  cpu.setReg(RSP, address);
  cpu.rip = action.handler;
  cpu.rflags = cpu.rflags & ~DF_TF_RF;

  task.savedMask = null;
  task.blocked.union(action.mask);
  if ((action.flags & SA_NODEFER) === 0) task.blocked.add(info.signo);
  task.blocked.clearUnblockable();
  return 0;
}

/** Restores registers and mask from the frame that the stack pointer stands behind. @returns 0, or -EFAULT: the frame is not readable or its state not valid */
export function popSignalFrame(task: Task): number | Err {
  const { cpu } = task.kernel;
  const mm = task.mm!;
  const address = cpu.reg(RSP) - 8;
  if (mm.read(address, frame) !== 0) return fail(EFAULT);
  const fpAddress = get64(OFFSET_FPSTATE);
  if (fpAddress !== 0) {
    if (mm.read(fpAddress, fxsave) !== 0 || !cpu.fxrstor(fxsave, 0)) return fail(EFAULT);
  } else {
    cpu.fxrstor(freshFxsave, 0);
  }
  SIGCONTEXT_ORDER.forEach((register, i) => {
    cpu.setRegHalves(register, view.getInt32(MCONTEXT + 8 * i, true), view.getInt32(MCONTEXT + 8 * i + 4, true));
  });
  cpu.rip = get64(OFFSET_RIP);
  cpu.rflags = (cpu.rflags & ~RESTORABLE_FLAGS) | (view.getUint32(OFFSET_FLAGS, true) & RESTORABLE_FLAGS);
  task.blocked.set(view.getInt32(SIGMASK, true), view.getInt32(SIGMASK + 4, true));
  task.blocked.clearUnblockable();
  // As Linux does, what makes no sense as an alternate stack leaves the one that is.
  setAltStack(task, get64(UC_STACK), view.getUint32(UC_STACK + 8, true), get64(UC_STACK + 16), cpu.reg(RSP));
  if (selectorOf(0) === USER_CS && selectorOf(6) === USER_SS) return 0;
  task.faultTrap = GENERAL_PROTECTION;
  task.faultError = 0;
  return fail(EFAULT);
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
