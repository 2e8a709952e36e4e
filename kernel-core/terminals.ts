/** The terminal devices of a kernel: /dev/tty, /dev/ptmx, /dev/console, and device numbers that lead to slaves. */
import { ENOTTY, ENXIO, type Err, fail, isErr } from '../abi/errno.js';
import type { Devpts } from '../pty/devpts.js';
import type { SessionControl } from '../pty/job-control.js';
import { SLAVE_MAJOR } from '../pty/pty.js';
import type { TtyDevice } from '../pty/tty.js';
import {
  CONSOLE_MINOR,
  makeDeviceTty,
  openConsole,
  openCurrentTty,
  PTMX_MINOR,
  TTY_MAJOR,
  TTY_MINOR,
} from '../pty/tty-devices.js';
import { TtyFile } from '../pty/tty-file.js';
import type { Caller } from '../vfs/caller.js';
import { makeDevice, minorOf } from '../vfs/devices.js';
import type { OpenFile } from '../vfs/file.js';
import type { VfsEnv } from '../vfs/filesystem.js';
import type { Devfs } from '../vfs/fs/devfs.js';
import type { MountNamespace } from '../vfs/mount.js';

/** Gets what is written to /dev/console. */
export type ConsoleSink = (bytes: Uint8Array) => void;

/** Output goes to the sink at once; there is no input. */
const consoleDevice = (sink: ConsoleSink): TtyDevice => ({
  write(bytes, start, end) {
    sink(bytes.slice(start, end));
    return end - start;
  },
  writeRoom: () => Number.MAX_SAFE_INTEGER,
  unsent: () => 0,
  flush: () => {},
});

export function installTerminals(
  env: VfsEnv,
  devfs: Devfs,
  devpts: Devpts,
  control: SessionControl,
  sink: ConsoleSink,
): void {
  const { devices } = env;
  const console = makeDeviceTty('console', makeDevice(TTY_MAJOR, CONSOLE_MINOR), consoleDevice(sink), control);
  devices.registerCharDevice(TTY_MAJOR, TTY_MINOR, openCurrentTty, '/dev/tty');
  devices.registerCharDevice(
    TTY_MAJOR,
    CONSOLE_MINOR,
    (node, flags, caller) => openConsole(console, node, flags, caller),
    '/dev/console',
  );
  devices.registerCharDevice(
    TTY_MAJOR,
    PTMX_MINOR,
    (node, flags, caller) => devpts.openMaster(node, flags, caller),
    '/dev/ptmx',
  );
  devices.registerCharDevice(
    SLAVE_MAJOR,
    null,
    (node, flags, caller) => devpts.slave(minorOf(node.rdev))?.open(flags, caller) ?? fail(ENXIO),
    'pts',
  );
  for (const [name, minor, mode] of [
    ['tty', TTY_MINOR, 0o666],
    ['console', CONSOLE_MINOR, 0o600],
    ['ptmx', PTMX_MINOR, 0o666],
  ] as const) {
    const node = devfs.addDevice(name, TTY_MAJOR, minor, mode, 0, name === 'console' ? 0 : 5);
    if (isErr(node)) throw new Error(`/dev/${name} cannot be made`);
  }
}

/**
 * Opens the slave of a master, with its name under /dev/pts if devpts is mounted in the caller's namespace.
 * @param flags O_* of the new description
 * @returns -ENOTTY when `file` is no terminal, -EIO when it is no open master of `devpts`
 */
export function openSlave(
  namespace: MountNamespace,
  devpts: Devpts,
  file: OpenFile,
  flags: number,
  caller: Caller,
): OpenFile | Err {
  if (!(file instanceof TtyFile)) return fail(ENOTTY);
  const slave = devpts.openPeer(file, flags, caller);
  if (!isErr(slave)) nameSlave(namespace, devpts, slave, file.tty.index);
  return slave;
}

function nameSlave(namespace: MountNamespace, devpts: Devpts, slave: OpenFile, index: number): void {
  const mount = namespace.list().find(({ fs }) => fs === devpts);
  const dentry = mount?.root.child(String(index));
  if (mount !== undefined && dentry !== undefined && !isErr(dentry)) slave.path = { mount: mount.ref(), dentry };
}
