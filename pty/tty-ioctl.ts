/**
 * ioctl(2) on terminals, one row per request that is the same whatever line discipline there is; the others are
 * settings-ioctl.ts. Requests on a master mostly act on its slave, the "real" terminal.
 * TIOCGPTPEER makes a descriptor and is `openPeer` of devpts.ts instead.
 * @source ioctl_tty(2); Linux drivers/tty/tty_io.c, tty_jobctrl.c, pty.c (behaviour)
 */
import { CAP_SYS_ADMIN } from '../abi/capability.js';
import { EAGAIN, EFAULT, EINVAL, EIO, ENOSYS, ENOTTY, EPERM, type Err, ESRCH, fail, isErr } from '../abi/errno.js';
import * as io from '../abi/ioctl.js';
import { SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTSTP } from '../abi/signal.js';
import { capable } from '../vfs/capability.js';
import { getInt, type IoctlCall, type IoctlHandler, mayChange, putInt, realTty } from './ioctl-call.js';
import { isTtyCaller } from './job-control.js';
import { isSettingsRequest } from './settings-ioctl.js';
import { decodeWindowSize, encodeWindowSize, WINSIZE_SIZE } from './termios.js';
import type { Tty } from './tty.js';

const isControlling = (tty: Tty, { caller }: IoctlCall): boolean =>
  isTtyCaller(caller) && caller.controllingTty() === tty;

/** Waits until output has gone out, as tcdrain(3) and everything about breaks does. */
function drain(call: IoctlCall): number | Err {
  const allowed = mayChange(call.tty, call);
  if (allowed !== 0) return allowed;
  return call.tty.device.unsent() > 0 ? fail(EAGAIN) : 0;
}

/** A break of so many milliseconds, behind what is on its way out. @param duration undefined: none, only the wait */
function sendBreak(call: IoctlCall, duration: number | undefined): number | Err {
  const drained = drain(call);
  if (drained !== 0 || duration === undefined) return drained;
  return call.tty.device.sendBreak?.(duration) ?? 0;
}

const DEFAULT_BREAK = 250;

// Modem lines.

const getModemBits: IoctlHandler = (call) => {
  const bits = call.tty.device.modemBits?.() ?? fail(ENOTTY);
  return isErr(bits) ? bits : putInt(call, bits);
};

/** @param change which bits are set and which cleared by the argument */
const setModemBits =
  (change: (bits: number) => readonly [set: number, clear: number]): IoctlHandler =>
  (call) => {
    const { device } = call.tty;
    if (device.setModemBits === undefined) return fail(ENOTTY);
    const bits = getInt(call);
    if (bits === null) return fail(EFAULT);
    const [set, clear] = change(bits & io.TIOCM_SETTABLE);
    return device.setModemBits(set, clear);
  };

/** What only devices know, whatever discipline there is. */
const askDevice =
  (request: number): IoctlHandler =>
  ({ tty, argument, caller }) =>
    tty.device.ioctl?.(request, argument, caller) ?? fail(ENOTTY);

/** TCFLSH: input that no discipline has seen yet, then what the discipline has. */
function flushQueues(call: IoctlCall): number | Err {
  const { tty, argument } = call;
  if (argument === io.TCIFLUSH || argument === io.TCIOFLUSH) tty.port.clear();
  return tty.ldisc!.ioctl(call, io.TCFLSH);
}

/** TIOCSTI: a character as if it had been typed. */
function fakeInput(call: IoctlCall): number | Err {
  const { tty, caller, user, argument } = call;
  if (!isControlling(tty, call) && !capable(caller.cred, CAP_SYS_ADMIN)) return fail(EPERM);
  const char = new Uint8Array(1);
  if (isErr(user.read(argument, char))) return fail(EFAULT);
  tty.ldisc?.receive(char, 0, 1);
  return 0;
}

function setWindowSize(call: IoctlCall): number | Err {
  const bytes = new Uint8Array(WINSIZE_SIZE);
  if (isErr(call.user.read(call.argument, bytes))) return fail(EFAULT);
  realTty(call).resize(decodeWindowSize(bytes));
  return 0;
}

function setDiscipline(call: IoctlCall): number | Err {
  const ready = drain(call);
  if (ready !== 0) return ready;
  const number = getInt(call);
  if (number === null) return fail(EFAULT);
  return call.tty.setDiscipline(number);
}

const setExclusive =
  (exclusive: boolean): IoctlHandler =>
  ({ tty }) => {
    tty.exclusive = exclusive;
    return 0;
  };

function hangUp({ tty, caller }: IoctlCall): number | Err {
  if (!capable(caller.cred, CAP_SYS_ADMIN)) return fail(EPERM);
  tty.hangUp(false);
  return 0;
}

// Sessions.

function giveUpTerminal(call: IoctlCall): number | Err {
  const { caller, tty } = call;
  if (!isTtyCaller(caller) || caller.controllingTty() !== tty) return fail(ENOTTY);
  if (caller.isSessionLeader) {
    const { sid, pgid } = tty;
    if (pgid !== 0) {
      tty.control.signalGroup(pgid, SIGHUP);
      tty.control.signalGroup(pgid, SIGCONT);
    }
    tty.releaseSession();
    tty.control.detachSession(sid);
  }
  caller.setControllingTty(null);
  return 0;
}

function takeTerminal(call: IoctlCall): number | Err {
  const { caller, file, argument } = call;
  const tty = realTty(call);
  if (!isTtyCaller(caller)) return fail(EPERM);
  if (caller.isSessionLeader && tty.sid === caller.sid) return 0;
  if (!caller.isSessionLeader || caller.controllingTty() !== null) return fail(EPERM);
  const isPrivileged = capable(caller.cred, CAP_SYS_ADMIN);
  if (tty.sid !== 0) {
    if (argument !== 1 || !isPrivileged) return fail(EPERM);
    tty.control.detachSession(tty.sid);
  }
  if (!file.readable && !isPrivileged) return fail(EPERM);
  tty.controlSessionOf(caller);
  return 0;
}

function getForeground(call: IoctlCall): number | Err {
  const tty = realTty(call);
  if (tty === call.tty && !isControlling(tty, call)) return fail(ENOTTY);
  return putInt(call, tty.pgid);
}

function setForeground(call: IoctlCall): number | Err {
  const tty = realTty(call);
  const { caller } = call;
  const allowed = mayChange(tty, call);
  if (allowed !== 0) return allowed === -EIO ? fail(ENOTTY) : allowed;
  const pgid = getInt(call);
  if (pgid === null) return fail(EFAULT);
  if (pgid < 0) return fail(EINVAL);
  if (!isTtyCaller(caller) || caller.controllingTty() !== tty || tty.sid !== caller.sid) return fail(ENOTTY);
  if (!tty.control.idExists(pgid)) return fail(ESRCH);
  if (!tty.control.groupInSession(pgid, caller.sid)) return fail(EPERM);
  tty.pgid = pgid;
  return 0;
}

function getSession(call: IoctlCall): number | Err {
  const tty = realTty(call);
  if (tty === call.tty && !isControlling(tty, call)) return fail(ENOTTY);
  return tty.sid === 0 ? fail(ENOTTY) : putInt(call, tty.sid);
}

// Masters only.

function setPacketMode(call: IoctlCall): number | Err {
  const { tty: master } = call;
  const value = getInt(call);
  if (value === null) return fail(EFAULT);
  if (value !== 0 && !master.packet) master.link!.packetStatus = 0;
  master.packet = value !== 0;
  return 0;
}

function signalSlave({ tty: master, argument }: IoctlCall): number | Err {
  if (argument !== SIGINT && argument !== SIGQUIT && argument !== SIGTSTP) return fail(EINVAL);
  master.link!.signal(argument);
  return 0;
}

function setSlaveLock(call: IoctlCall): number | Err {
  const value = getInt(call);
  if (value === null) return fail(EFAULT);
  call.tty.slaveLocked = value !== 0;
  return 0;
}

const ROWS: readonly (readonly [number, IoctlHandler])[] = [
  [io.TCSBRK, (call) => sendBreak(call, call.argument === 0 ? DEFAULT_BREAK : undefined)],
  [io.TCSBRKP, (call) => sendBreak(call, call.argument > 0 ? call.argument * 100 : DEFAULT_BREAK)],
  [io.TIOCSBRK, (call) => sendBreak(call, -1)],
  [
    io.TIOCCBRK,
    (call) => {
      const allowed = mayChange(call.tty, call);
      return allowed === 0 ? (call.tty.device.sendBreak?.(0) ?? 0) : allowed;
    },
  ],
  [io.TIOCMGET, getModemBits],
  [io.TIOCMSET, setModemBits((bits) => [bits, ~bits & io.TIOCM_SETTABLE])],
  [io.TIOCMBIS, setModemBits((bits) => [bits, 0])],
  [io.TIOCMBIC, setModemBits((bits) => [0, bits])],
  [io.TIOCSTI, fakeInput],
  [io.TCFLSH, flushQueues],
  ...[io.TIOCGSERIAL, io.TIOCSSERIAL, io.TIOCGICOUNT].map((request) => [request, askDevice(request)] as const),
  [io.TIOCGWINSZ, (call) => call.user.write(call.argument, encodeWindowSize(realTty(call).windowSize))],
  [io.TIOCSWINSZ, setWindowSize],
  [io.TIOCGETD, (call) => putInt(call, call.tty.ldisc!.number)],
  [io.TIOCSETD, setDiscipline],
  [io.TIOCEXCL, setExclusive(true)],
  [io.TIOCNXCL, setExclusive(false)],
  [io.TIOCGEXCL, (call) => putInt(call, call.tty.exclusive ? 1 : 0)],
  [io.TIOCGDEV, (call) => putInt(call, realTty(call).rdev)],
  [io.TIOCVHANGUP, hangUp],
  // Console output cannot be redirected to another terminal.
  [
    io.TIOCCONS,
    (call) => fail(call.tty.kind === 'master' ? EINVAL : capable(call.caller.cred, CAP_SYS_ADMIN) ? ENOSYS : EPERM),
  ],
  [io.TIOCNOTTY, giveUpTerminal],
  [io.TIOCSCTTY, takeTerminal],
  [io.TIOCGPGRP, getForeground],
  [io.TIOCSPGRP, setForeground],
  [io.TIOCGSID, getSession],
  [io.TIOCGPTPEER, () => fail(EIO)],
];

const MASTER_ROWS: readonly (readonly [number, IoctlHandler])[] = [
  [io.TIOCGPTN, (call) => putInt(call, call.tty.index)],
  [io.TIOCSPTLCK, setSlaveLock],
  [io.TIOCGPTLCK, (call) => putInt(call, call.tty.slaveLocked ? 1 : 0)],
  [io.TIOCPKT, setPacketMode],
  [io.TIOCGPKT, (call) => putInt(call, call.tty.packet ? 1 : 0)],
  [io.TIOCSIG, signalSlave],
];

const HANDLERS = new Map<number, IoctlHandler>(ROWS);
const MASTER_HANDLERS = new Map<number, IoctlHandler>([...ROWS, ...MASTER_ROWS]);

/**
 * Precondition: the terminal is not hung up.
 * @returns result of the request; -ENOTTY if terminals do not know it, -EAGAIN if output must go out first
 */
export function ttyIoctl(call: IoctlCall, request: number): number | Err {
  const { kind, device, ldisc } = call.tty;
  const handler = (kind === 'master' ? MASTER_HANDLERS : HANDLERS).get(request);
  if (handler !== undefined) return handler(call);
  if (device.ioctl !== undefined && !isSettingsRequest(request)) {
    const result = device.ioctl(request, call.argument, call.caller);
    if (result !== -ENOTTY) return result;
  }
  return ldisc!.ioctl(call, request);
}
