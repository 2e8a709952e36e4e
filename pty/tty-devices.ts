/** Openers of the character devices 5:0 (/dev/tty) and 5:1 (/dev/console), for the device table. */
import { ENXIO, type Err, fail } from '../abi/errno.js';
import { O_NOCTTY } from '../abi/fcntl.js';
import type { Caller } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import type { Inode } from '../vfs/inode.js';
import { isTtyCaller, type SessionControl } from './job-control.js';
import { consoleTermios } from './termios.js';
import { Tty, type TtyDevice } from './tty.js';
import { TtyFile } from './tty-file.js';
import { TtyAlias } from './tty-inode.js';

/** Major and minor numbers. @source Documentation/admin-guide/devices.txt */
export const TTY_MAJOR = 5;
export const TTY_MINOR = 0;
export const CONSOLE_MINOR = 1;
export const PTMX_MINOR = 2;

/** /dev/tty: the controlling terminal of whoever opens it. @returns -ENXIO without one */
export function openCurrentTty(node: Inode, flags: number, caller: Caller): OpenFile | Err {
  const tty = isTtyCaller(caller) ? caller.controllingTty() : null;
  return tty instanceof Tty ? TtyFile.open(new TtyAlias(node, tty), flags | O_NOCTTY, caller) : fail(ENXIO);
}

/** /dev/console: the terminal `console`; never becomes a controlling terminal by being opened, knows no job control. */
export function openConsole(console: Tty, node: Inode, flags: number, caller: Caller): OpenFile | Err {
  return TtyFile.open(new TtyAlias(node, console), flags | O_NOCTTY, caller, true);
}

/** A terminal on a device of the embedder's, such as the console. Input comes through `Tty.receive`. */
export function makeDeviceTty(name: string, rdev: number, device: TtyDevice, control: SessionControl): Tty {
  const tty = new Tty({ name, rdev, kind: 'device', control, termios: consoleTermios() });
  tty.device = device;
  return tty;
}
