/** siginfo_t in memory: 128 bytes, a head of three ints and a union that si_code and si_signo choose. @source uapi/asm-generic/siginfo.h */

import { SI_TIMER, SI_USER, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP } from '../../abi/signal.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';
import { makeSignalInfo, type SignalInfo } from './state.js';

export const SIGINFO_SIZE = 128;

const FAULTS = [SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP];

function put64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / 0x100000000), true);
}

/** Clock ticks of 10 ms, as si_utime counts. */
const ticks = (nanoseconds: number): number => Math.floor(nanoseconds / 10_000_000);

/** @param view with SIGINFO_SIZE zero bytes at `offset` @param reader in whose numbers the sender is shown */
export function encodeSignalInfo(info: SignalInfo, view: DataView, offset: number, reader: UserNamespace): void {
  view.setInt32(offset, info.signo, true);
  view.setInt32(offset + 4, info.errno, true);
  view.setInt32(offset + 8, info.code, true);
  if (info.code > 0 && info.signo === SIGCHLD) {
    view.setInt32(offset + 16, info.pid, true);
    view.setUint32(offset + 20, reader.users.shown(info.uid), true);
    view.setInt32(offset + 24, info.status, true);
    put64(view, offset + 32, ticks(info.utime));
    put64(view, offset + 40, ticks(info.stime));
  } else if (info.code > SI_USER && (FAULTS.includes(info.signo) || info.signo === SIGSYS)) {
    put64(view, offset + 16, info.address);
  } else if (info.code === SI_TIMER) {
    view.setInt32(offset + 16, info.timerId, true);
    view.setInt32(offset + 20, info.overrun, true);
    view.setInt32(offset + 24, info.valueLo, true);
    view.setInt32(offset + 28, info.valueHi, true);
  } else {
    view.setInt32(offset + 16, info.pid, true);
    view.setUint32(offset + 20, reader.users.shown(info.uid), true);
    view.setInt32(offset + 24, info.valueLo, true);
    view.setInt32(offset + 28, info.valueHi, true);
  }
}

/** The siginfo that rt_sigqueueinfo takes from a program. @param writer in whose numbers it says who sends */
export function decodeSignalInfo(view: DataView, offset: number, signo: number, writer: UserNamespace): SignalInfo {
  return makeSignalInfo(signo, view.getInt32(offset + 8, true), {
    errno: view.getInt32(offset + 4, true),
    pid: view.getInt32(offset + 16, true),
    uid: writer.users.toKernel(view.getUint32(offset + 20, true)),
    valueLo: view.getInt32(offset + 24, true),
    valueHi: view.getInt32(offset + 28, true),
  });
}
