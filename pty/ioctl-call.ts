/** A call of ioctl(2) on a terminal, and how its handlers get at the argument. */
import { type Err, isErr } from '../abi/errno.js';
import { SIGTTOU } from '../abi/signal.js';
import type { Caller } from '../vfs/caller.js';
import type { UserMemory } from '../vfs/file.js';
import { checkForeground } from './job-control.js';
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

export type IoctlHandler = (call: IoctlCall) => number | Err;

/** The terminal that a request is about: a master stands for its slave. */
export const realTty = ({ tty }: IoctlCall): Tty => (tty.kind === 'master' ? tty.link! : tty);

export function putInt({ user, argument }: IoctlCall, value: number): number | Err {
  return user.write(argument, new Uint8Array(Int32Array.of(value).buffer));
}

/** @returns the int that the argument points to, or null for -EFAULT (any number may be right) */
export function getInt({ user, argument }: IoctlCall): number | null {
  const cell = new Int32Array(1);
  return isErr(user.read(argument, new Uint8Array(cell.buffer))) ? null : cell[0];
}

/** May the caller change `tty`? Stops background groups. */
export const mayChange = (tty: Tty, { caller }: IoctlCall): number | Err =>
  checkForeground(tty, caller, SIGTTOU, tty.control);
