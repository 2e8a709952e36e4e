/** Registration of drivers' terminal lines: their nodes in /dev, their places in /sys, and who is asked for by number. */
import { EBUSY, EINVAL, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { makeDeviceTty } from '../../pty/tty-devices.js';
import { TtyFile } from '../../pty/tty-file.js';
import { TtyAlias } from '../../pty/tty-inode.js';
import { makeDevice } from '../../vfs/devices.js';
import { sessionControl } from '../sessions.js';
import { addSysDevice } from '../sysfs/devices.js';
import type { KernelCall } from './call.js';
import type { DriverFunction } from './calls.js';
import { freeMajor } from './chrdev.js';
import { MAX_MAJOR, MINORS, numberOf } from './device-number.js';
import type { Drivers } from './drivers.js';
import type { Owned } from './owner.js';
import { readStructure } from './structure.js';
import { DriverLine, TTY_OPERATIONS, type TtyOperations } from './tty.js';

/** struct banos_tty_driver. */
const DRIVER_SIZE = 40;
const D_LINES = 4;
const D_NAME = 8;
const D_MAJOR = 16;
const D_FIRST_MINOR = 20;
const D_MODE = 24;
const D_OPS = 32;
/** struct banos_tty_ops: its first version has 16 operations. */
const OPS_HEAD = 8;
const FIRST_OPERATIONS = 16;

const MAX_NAME = 64;
const MAX_LINES = 256;
const DEFAULT_MODE = 0o600;

/** The lines of one driver. */
class TtyLines implements Owned {
  readonly #drivers: Drivers;
  readonly #major: number;
  readonly #lines: { line: DriverLine; minor: number; node: string; hide: () => void }[] = [];

  constructor(drivers: Drivers, major: number) {
    this.#drivers = drivers;
    this.#major = major;
  }

  /** Makes one line with its node. @returns 0; -EEXIST, -EBUSY */
  add(line: DriverLine, minor: number, node: string, mode: number): number | Err {
    const { kernel } = this.#drivers;
    const { devices } = kernel.vfsEnv;
    const control = sessionControl(() => kernel);
    const tty = makeDeviceTty(node, makeDevice(this.#major, minor), line, control);
    line.tty = tty;
    const taken = devices.registerCharDevice(
      this.#major,
      minor,
      (inode, flags, caller) => TtyFile.open(new TtyAlias(inode, tty), flags, caller),
      node,
    );
    if (isErr(taken)) return taken;
    const made = kernel.devfs.addDevice(node, this.#major, minor, mode);
    if (isErr(made)) {
      devices.unregisterCharDevice(this.#major, minor);
      return made;
    }
    const hide = addSysDevice(kernel.sysfs, { className: 'tty', name: node, major: this.#major, minor, mode });
    this.#drivers.lines.set(line.address, line);
    this.#lines.push({ line, minor, node, hide });
    return 0;
  }

  release(): void {
    const { kernel, lines } = this.#drivers;
    for (const { line, minor, node, hide } of this.#lines.splice(0)) {
      kernel.vfsEnv.devices.unregisterCharDevice(this.#major, minor);
      kernel.devfs.removeDevice(node);
      hide();
      lines.delete(line.address);
      line.end();
    }
  }
}

/**
 * banos_tty_register.
 * @param address of a struct banos_tty_driver
 * @returns number of the first line; -EINVAL, -EBUSY, -EEXIST, -ENOMEM; BUG
 */
export function registerLines(call: KernelCall, address: number): number {
  const { owner, kernel } = call;
  const { drivers } = kernel;
  const structure = readStructure(call, address, DRIVER_SIZE, DRIVER_SIZE);
  if (typeof structure === 'number') return structure;
  const ops = readStructure(
    call,
    structure.pointer(D_OPS),
    OPS_HEAD + 8 * FIRST_OPERATIONS,
    OPS_HEAD + 8 * TTY_OPERATIONS.length,
  );
  if (typeof ops === 'number') return ops;
  const name = structure.text(D_NAME, MAX_NAME);
  if (isErr(name)) return call.bug('banos_tty_register with a bad name');
  const count = structure.u32(D_LINES);
  const firstMinor = structure.u32(D_FIRST_MINOR);
  const wanted = structure.u32(D_MAJOR);
  if (!/^[A-Za-z][\w.+-]{0,60}$/.test(name) || wanted > MAX_MAJOR) return fail(EINVAL);
  if (count < 1 || count > MAX_LINES || firstMinor + count > MINORS) return fail(EINVAL);
  const operations: Partial<Record<(typeof TTY_OPERATIONS)[number], DriverFunction | null>> = {};
  for (const [i, operation] of TTY_OPERATIONS.entries()) {
    const fn = ops.pointer(OPS_HEAD + 8 * i);
    operations[operation] = fn === 0 ? null : { address: fn, isInt: false };
  }
  const complete = operations as TtyOperations;
  if (complete.write === null || complete.write_room === null) return fail(EINVAL);
  const major = wanted !== 0 ? wanted : freeMajor(drivers);
  if (major === 0) return fail(EBUSY);
  const lines = new TtyLines(drivers, major);
  for (let i = 0; i < count; i++) {
    const line = DriverLine.create(drivers, owner, i, complete);
    const mode = structure.u32(D_MODE) & 0o777 || DEFAULT_MODE;
    const added = line === null ? fail(ENOMEM) : lines.add(line, firstMinor + i, `${name}${i}`, mode);
    if (!isErr(added)) continue;
    if (line !== null) drivers.heap.free(line.address);
    lines.release();
    return added;
  }
  owner.add(lines);
  return numberOf(major, firstMinor);
}
