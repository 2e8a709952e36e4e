/**
 * ioctl(2) on terminals, the part that is up to the line discipline: settings, flow control, queues. N_TTY answers all of it,
 * others may.
 * @source ioctl_tty(2); Linux drivers/tty/tty_ioctl.c n_tty_ioctl_helper (behaviour)
 */
import { CAP_SYS_ADMIN } from '../abi/capability.js';
import { EAGAIN, EFAULT, EINVAL, ENOTTY, EPERM, type Err, fail, isErr } from '../abi/errno.js';
import * as io from '../abi/ioctl.js';
import { CLOCAL, VSTART, VSTOP } from '../abi/termios.js';
import { capable } from '../vfs/capability.js';
import { getInt, type IoctlCall, type IoctlHandler, mayChange, putInt, realTty } from './ioctl-call.js';
import { DISABLED } from './ldisc-host.js';
import {
  cloneTermios,
  decodeTermio,
  decodeTermios,
  encodeTermio,
  encodeTermios,
  resolveSpeeds,
  TERMIO_SIZE,
  TERMIOS_SIZE,
  TERMIOS2_SIZE,
} from './termios.js';
import type { Tty } from './tty.js';

// Settings.

type Layout = 'termio' | 'termios' | 'termios2';
const LAYOUT_SIZE = { termio: TERMIO_SIZE, termios: TERMIOS_SIZE, termios2: TERMIOS2_SIZE };

const getTermios =
  (layout: Layout): IoctlHandler =>
  (call) => {
    const { termios } = realTty(call);
    const bytes = layout === 'termio' ? encodeTermio(termios) : encodeTermios(termios, LAYOUT_SIZE[layout]);
    return call.user.write(call.argument, bytes);
  };

/** When new settings take effect: at once, when output has gone out, or then with unread input dropped. */
type When = 'now' | 'drain' | 'flush';

const setTermios =
  (layout: Layout, when: When): IoctlHandler =>
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

const ROWS: readonly (readonly [number, IoctlHandler])[] = [
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
  [io.TIOCOUTQ, (call) => putInt(call, call.tty.device.unsent())],
];

const HANDLERS = new Map<number, IoctlHandler>(ROWS);

/** The discipline's, which a device is not asked for. */
export const isSettingsRequest = (request: number): boolean => HANDLERS.has(request) || request === io.TIOCINQ;

/** @returns result of the request; -ENOTTY if it is none of these, -EAGAIN if output must go out first */
export function settingsIoctl(call: IoctlCall, request: number): number | Err {
  return HANDLERS.get(request)?.(call) ?? fail(ENOTTY);
}
