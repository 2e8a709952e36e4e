/**
 * ioctl(2) on terminals, one row per request. Requests on a master mostly act on its slave, the "real" terminal.
 * TIOCGPTPEER makes a descriptor and is `openPeer` of devpts.ts instead.
 * @source ioctl_tty(2); Linux drivers/tty/tty_io.c, tty_ioctl.c, tty_jobctrl.c, n_tty.c, pty.c (behaviour)
 */
import { CAP_SYS_ADMIN } from '../abi/capability.js';
import { EAGAIN, EFAULT, EINVAL, EIO, ENOSYS, ENOTTY, EPERM, type Err, ESRCH, fail, isErr } from '../abi/errno.js';
import * as io from '../abi/ioctl.js';
import { SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTOU } from '../abi/signal.js';
import { CLOCAL, VSTART, VSTOP } from '../abi/termios.js';
import type { Caller } from '../vfs/caller.js';
import { capable } from '../vfs/capability.js';
import type { UserMemory } from '../vfs/file.js';
import { checkForeground, isTtyCaller } from './job-control.js';
import { DISABLED } from './ldisc-host.js';
import {
  cloneTermios,
  decodeTermio,
  decodeTermios,
  decodeWindowSize,
  encodeTermio,
  encodeTermios,
  encodeWindowSize,
  resolveSpeeds,
  TERMIO_SIZE,
  TERMIOS_SIZE,
  TERMIOS2_SIZE,
  WINSIZE_SIZE,
} from './termios.js';
import type { Tty, TtyDescription } from './tty.js';

export interface IoctlCall {
  readonly file: TtyDescription;
  /** The terminal that the file is open on. */
  readonly tty: Tty;
  readonly user: UserMemory;
  readonly caller: Caller;
  /** Third argument of ioctl(2): a number or an address. */
  readonly argument: number;
}

type Handler = (call: IoctlCall) => number | Err;

/** The number of N_TTY, the only line discipline there is. */
const N_TTY = 0;

const realTty = ({ tty }: IoctlCall): Tty => (tty.kind === 'master' ? tty.link! : tty);

function putInt({ user, argument }: IoctlCall, value: number): number | Err {
  return user.write(argument, new Uint8Array(Int32Array.of(value).buffer));
}

/** @returns the int that the argument points to, or null for -EFAULT (any number may be right) */
function getInt({ user, argument }: IoctlCall): number | null {
  const cell = new Int32Array(1);
  return isErr(user.read(argument, new Uint8Array(cell.buffer))) ? null : cell[0];
}

/** May the caller change `tty`? Stops background groups. */
const mayChange = (tty: Tty, { caller }: IoctlCall): number | Err => checkForeground(tty, caller, SIGTTOU, tty.control);

const isControlling = (tty: Tty, { caller }: IoctlCall): boolean =>
  isTtyCaller(caller) && caller.controllingTty() === tty;

// Settings.

type Layout = 'termio' | 'termios' | 'termios2';
const LAYOUT_SIZE = { termio: TERMIO_SIZE, termios: TERMIOS_SIZE, termios2: TERMIOS2_SIZE };

const getTermios =
  (layout: Layout): Handler =>
  (call) => {
    const { termios } = realTty(call);
    const bytes = layout === 'termio' ? encodeTermio(termios) : encodeTermios(termios, LAYOUT_SIZE[layout]);
    return call.user.write(call.argument, bytes);
  };

/** When new settings take effect: at once, when output has gone out, or then with unread input dropped. */
type When = 'now' | 'drain' | 'flush';

const setTermios =
  (layout: Layout, when: When): Handler =>
  (call) => {
    const tty = realTty(call);
    const allowed = mayChange(tty, call);
    if (allowed !== 0) return allowed;
    const bytes = new Uint8Array(LAYOUT_SIZE[layout]);
    if (isErr(call.user.read(call.argument, bytes))) return fail(EFAULT);
    if (when !== 'now' && tty.device.unsent() > 0) return fail(EAGAIN);
    const next = cloneTermios(tty.termios);
    if (layout === 'termio') decodeTermio(bytes, next);
    else decodeTermios(bytes, next);
    resolveSpeeds(next);
    if (when === 'flush') flushRead(tty);
    tty.setTermios(next);
    return 0;
  };

function flushRead(tty: Tty): void {
  tty.ldisc?.flushInput();
  tty.inputTaken();
}

function setLocked(call: IoctlCall): number | Err {
  if (!capable(call.caller.cred, CAP_SYS_ADMIN)) return fail(EPERM);
  const bytes = new Uint8Array(TERMIOS_SIZE);
  if (isErr(call.user.read(call.argument, bytes))) return fail(EFAULT);
  decodeTermios(bytes, realTty(call).locked);
  return 0;
}

function setSoftCarrier(call: IoctlCall): number | Err {
  const value = getInt(call);
  if (value === null) return fail(EFAULT);
  const { termios } = realTty(call);
  termios.cflag = (value === 0 ? termios.cflag & ~CLOCAL : termios.cflag | CLOCAL) >>> 0;
  return 0;
}

// Flow and queues.

function flowControl(call: IoctlCall): number | Err {
  const { tty, argument } = call;
  const allowed = mayChange(tty, call);
  if (allowed !== 0) return allowed;
  switch (argument) {
    case io.TCOOFF:
      if (!tty.stoppedByCall) {
        tty.stoppedByCall = true;
        tty.stopOutput();
      }
      return 0;
    case io.TCOON:
      if (tty.stoppedByCall) {
        tty.stoppedByCall = false;
        tty.startOutput();
      }
      return 0;
    case io.TCIOFF:
      return sendFlowCharacter(tty, tty.termios.cc[VSTOP]);
    case io.TCION:
      return sendFlowCharacter(tty, tty.termios.cc[VSTART]);
    default:
      return fail(EINVAL);
  }
}

/** Sends one character past everything else; a terminal that a key has stopped lets it through. */
function sendFlowCharacter(tty: Tty, c: number): number {
  if (c === DISABLED) return 0;
  const { stopped } = tty;
  if (stopped) tty.startOutput();
  tty.output(Uint8Array.of(c), 0, 1);
  if (stopped) tty.stopOutput();
  return 0;
}

function flushQueues(call: IoctlCall): number | Err {
  const { tty, argument } = call;
  if (argument === io.TCIFLUSH || argument === io.TCIOFLUSH) tty.port.clear();
  const allowed = mayChange(tty, call);
  if (allowed !== 0) return allowed;
  switch (argument) {
    case io.TCIOFLUSH:
      flushRead(tty);
      tty.device.flush();
      return 0;
    case io.TCIFLUSH:
      flushRead(tty);
      return 0;
    case io.TCOFLUSH:
      tty.device.flush();
      return 0;
    default:
      return fail(EINVAL);
  }
}

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

const getModemBits: Handler = (call) => {
  const bits = call.tty.device.modemBits?.() ?? fail(ENOTTY);
  return isErr(bits) ? bits : putInt(call, bits);
};

/** @param change which bits are set and which cleared by the argument */
const setModemBits =
  (change: (bits: number) => readonly [set: number, clear: number]): Handler =>
  (call) => {
    const { device } = call.tty;
    if (device.setModemBits === undefined) return fail(ENOTTY);
    const bits = getInt(call);
    if (bits === null) return fail(EFAULT);
    const [set, clear] = change(bits & io.TIOCM_SETTABLE);
    return device.setModemBits(set, clear);
  };

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
  return number === N_TTY ? 0 : fail(EINVAL);
}

const setExclusive =
  (exclusive: boolean): Handler =>
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

const onMaster =
  (act: (master: Tty, call: IoctlCall) => number | Err): Handler =>
  (call) =>
    call.tty.kind === 'master' ? act(call.tty, call) : fail(ENOTTY);

function setPacketMode(master: Tty, call: IoctlCall): number | Err {
  const value = getInt(call);
  if (value === null) return fail(EFAULT);
  if (value !== 0 && !master.packet) master.link!.packetStatus = 0;
  master.packet = value !== 0;
  return 0;
}

function signalSlave(master: Tty, { argument }: IoctlCall): number | Err {
  if (argument !== SIGINT && argument !== SIGQUIT && argument !== SIGTSTP) return fail(EINVAL);
  master.link!.signal(argument);
  return 0;
}

function setSlaveLock(master: Tty, call: IoctlCall): number | Err {
  const value = getInt(call);
  if (value === null) return fail(EFAULT);
  master.slaveLocked = value !== 0;
  return 0;
}

const ROWS: readonly (readonly [number, Handler])[] = [
  [io.TCGETS, getTermios('termios')],
  [io.TCSETS, setTermios('termios', 'now')],
  [io.TCSETSW, setTermios('termios', 'drain')],
  [io.TCSETSF, setTermios('termios', 'flush')],
  [io.TCGETS2, getTermios('termios2')],
  [io.TCSETS2, setTermios('termios2', 'now')],
  [io.TCSETSW2, setTermios('termios2', 'drain')],
  [io.TCSETSF2, setTermios('termios2', 'flush')],
  [io.TCGETA, getTermios('termio')],
  [io.TCSETA, setTermios('termio', 'now')],
  [io.TCSETAW, setTermios('termio', 'drain')],
  [io.TCSETAF, setTermios('termio', 'flush')],
  [io.TIOCGLCKTRMIOS, (call) => call.user.write(call.argument, encodeTermios(realTty(call).locked, TERMIOS_SIZE))],
  [io.TIOCSLCKTRMIOS, setLocked],
  [io.TIOCGSOFTCAR, (call) => putInt(call, (realTty(call).termios.cflag & CLOCAL) === 0 ? 0 : 1)],
  [io.TIOCSSOFTCAR, setSoftCarrier],
  [io.TCXONC, flowControl],
  [io.TCFLSH, flushQueues],
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
  [io.TIOCINQ, (call) => putInt(call, call.tty.ldisc?.unread ?? 0)],
  [io.TIOCOUTQ, (call) => putInt(call, call.tty.device.unsent())],
  [io.TIOCSTI, fakeInput],
  [io.TIOCGWINSZ, (call) => call.user.write(call.argument, encodeWindowSize(realTty(call).windowSize))],
  [io.TIOCSWINSZ, setWindowSize],
  [io.TIOCGETD, (call) => putInt(call, N_TTY)],
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
  [io.TIOCGPTN, onMaster((master, call) => putInt(call, master.index))],
  [io.TIOCSPTLCK, onMaster(setSlaveLock)],
  [io.TIOCGPTLCK, onMaster((master, call) => putInt(call, master.slaveLocked ? 1 : 0))],
  [io.TIOCPKT, onMaster(setPacketMode)],
  [io.TIOCGPKT, onMaster((master, call) => putInt(call, master.packet ? 1 : 0))],
  [io.TIOCSIG, onMaster(signalSlave)],
  [io.TIOCGPTPEER, () => fail(EIO)],
];

const HANDLERS = new Map<number, Handler>(ROWS);

/** @returns result of the request; -ENOTTY if terminals do not know it, -EAGAIN if output must go out first */
export function ttyIoctl(call: IoctlCall, request: number): number | Err {
  const handler = HANDLERS.get(request);
  if (handler !== undefined) return handler(call);
  return call.tty.device.ioctl?.(request, call.argument, call.caller) ?? fail(ENOTTY);
}
