/**
 * Character devices of drivers: registration, nodes in /dev, notification. What is done with an open one is in
 * chrdev-file.ts. A device number as drivers know it is Linux's own, major << 20 | minor.
 */
import { EBUSY, EEXIST, EFAULT, EINVAL, ENODEV, ENXIO, type Err, fail, isErr } from '../../abi/errno.js';
import { S_IFCHR } from '../../abi/stat.js';
import type { Caller } from '../../vfs/caller.js';
import { minorOf } from '../../vfs/devices.js';
import type { OpenFile } from '../../vfs/file.js';
import type { VfsEnv } from '../../vfs/filesystem.js';
import { AnonymousInode } from '../../vfs/fs/anon-inode.js';
import type { SysFile } from '../../vfs/fs/sysfs/index.js';
import { addSysDevice, deviceDirectory } from '../sysfs/devices.js';
import type { DriverFunction } from './calls.js';
import { DriverFile } from './chrdev-file.js';
import { MAX_MAJOR, MINORS, numberOf } from './device-number.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';

/** struct banos_chrdev. */
const DEVICE_SIZE = 56;
const D_MINORS = 4;
const D_NAME = 8;
const D_MAJOR = 16;
const D_FIRST_MINOR = 20;
const D_MODE = 24;
const D_OPS = 32;
const D_DATA = 40;
/** struct banos_chrdev_ops: its functions in order, behind size and flags. */
const OPERATIONS = ['open', 'release', 'read', 'write', 'ioctl', 'poll', 'mmap', 'fasync', 'llseek', 'fsync'] as const;
export type OperationName = (typeof OPERATIONS)[number];
/** Null: the driver does not have it. */
export type Operations = Readonly<Record<OperationName, DriverFunction | null>>;
/** Those that return a long. */
const LONG: readonly OperationName[] = ['read', 'write', 'ioctl', 'llseek'];
const OPS_HEAD = 8;

const MAX_NAME = 64;
const MAX_MINORS = 256;
/** Majors that are given out when a driver wants any: downwards. @source Linux CHRDEV_MAJOR_DYN_END */
const DYNAMIC_FROM = 254;
const DYNAMIC_TO = 234;
const DEFAULT_MODE = 0o600;

/** The device behind the nodes of one minor: where those hang who wait for it. */
export class MinorInode extends AnonymousInode {
  readonly device: DriverDevice;
  readonly minor: number;

  constructor(env: VfsEnv, device: DriverDevice, minor: number) {
    super(env, device.name);
    this.mode = S_IFCHR;
    this.device = device;
    this.minor = minor;
  }

  /** It is its files that know. */
  override poll(): number {
    return 0;
  }
}

export class DriverDevice implements Owned {
  readonly drivers: Drivers;
  readonly owner: Owner;
  readonly name: string;
  readonly major: number;
  readonly firstMinor: number;
  readonly operations: Operations;
  readonly flags: number;
  /** What the driver keeps with it. */
  readonly data: number;
  readonly minors: readonly MinorInode[];
  /** Attributes in /sys by their files. */
  readonly attributes = new Map<SysFile, Owned>();
  /** Its driver has taken it away, or has gone. */
  isGone = false;
  readonly #nodes: readonly string[];
  /** What takes it out of /sys. */
  readonly #hide: readonly (() => void)[];

  constructor(drivers: Drivers, owner: Owner, parts: DeviceParts) {
    this.drivers = drivers;
    this.owner = owner;
    const { name, major, firstMinor, count, operations, flags, data, nodes } = parts;
    this.name = name;
    this.major = major;
    this.firstMinor = firstMinor;
    this.operations = operations;
    this.flags = flags;
    this.data = data;
    this.#nodes = nodes;
    this.#hide = parts.hide;
    const { vfsEnv } = drivers.kernel;
    this.minors = Array.from({ length: count }, (_, i) => new MinorInode(vfsEnv, this, firstMinor + i));
  }

  /** Directory in /sys of the minor with a device number; undefined: that is another device's. */
  sysPath(number: number): string | undefined {
    const node = this.#nodes[number - numberOf(this.major, this.firstMinor)];
    return node === undefined ? undefined : deviceDirectory({ className: this.name, name: node });
  }

  open(flags: number, minor: number, caller: Caller): OpenFile | Err {
    const inode = this.minors[minor - this.firstMinor];
    if (inode === undefined) return fail(ENXIO);
    if (this.isGone || this.owner.isClosing) return fail(ENODEV);
    return DriverFile.open(inode, flags, caller);
  }

  /** The nodes go; files that are open stay, and answer -ENODEV. */
  release(): void {
    if (this.isGone) return;
    this.isGone = true;
    const { vfsEnv, devfs } = this.drivers.kernel;
    for (const { minor } of this.minors) vfsEnv.devices.unregisterCharDevice(this.major, minor);
    for (const node of this.#nodes) devfs.removeDevice(node);
    for (const attribute of this.attributes.values()) this.owner.remove(attribute);
    for (const hide of this.#hide) hide();
    this.drivers.devices.delete(numberOf(this.major, this.firstMinor));
    for (const inode of this.minors) inode.notify(POLL_ANY);
  }
}

/** Anything may have changed. */
const POLL_ANY = 0;

interface DeviceParts {
  name: string;
  major: number;
  firstMinor: number;
  count: number;
  operations: Operations;
  flags: number;
  data: number;
  /** Names in /dev. */
  nodes: readonly string[];
  /** Filled in once the nodes are there. */
  hide: (() => void)[];
}

/**
 * Registers a device and makes its nodes.
 * @param address of a struct banos_chrdev
 * @returns its first device number; -EFAULT, -EINVAL, -EBUSY (numbers taken), -EEXIST (node there), -ENOSPC
 */
export function registerDevice(drivers: Drivers, owner: Owner, address: number): number | Err {
  const { space, kernel } = drivers;
  const size = space.readU32(address);
  if (Number.isNaN(size)) return fail(EFAULT);
  if (size < DEVICE_SIZE) return fail(EINVAL);
  const name = space.readText(space.readI64(address + D_NAME), MAX_NAME);
  if (isErr(name)) return name;
  const count = space.readU32(address + D_MINORS);
  const wanted = space.readU32(address + D_MAJOR);
  const firstMinor = space.readU32(address + D_FIRST_MINOR);
  const mode = space.readU32(address + D_MODE) & 0o777;
  if (!/^[\w.+-]{1,63}$/.test(name) || /^\.+$/.test(name)) return fail(EINVAL);
  if (count < 1 || count > MAX_MINORS || firstMinor + count > MINORS || wanted > MAX_MAJOR) return fail(EINVAL);
  const ops = readOperations(drivers, space.readI64(address + D_OPS));
  if (isErr(ops)) return ops;
  const { devices } = kernel.vfsEnv;
  const major = wanted !== 0 ? wanted : freeMajor(drivers);
  if (major === 0) return fail(EBUSY);
  const minors = Array.from({ length: count }, (_, i) => firstMinor + i);
  const nodes = minors.map((minor) => (count === 1 ? name : name + minor));
  const data = space.readI64(address + D_DATA);
  const hide: (() => void)[] = [];
  const device = new DriverDevice(drivers, owner, { name, major, firstMinor, count, ...ops, data, nodes, hide });
  for (const [i, minor] of minors.entries()) {
    const open = (node: { rdev: number }, flags: number, caller: Caller): OpenFile | Err =>
      device.open(flags, minorOf(node.rdev), caller);
    const taken = devices.registerCharDevice(major, minor, open, name);
    const node = isErr(taken) ? taken : kernel.devfs.addDevice(nodes[i]!, major, minor, mode || DEFAULT_MODE);
    if (!isErr(node)) continue;
    if (!isErr(taken)) devices.unregisterCharDevice(major, minor);
    for (const made of minors.slice(0, i)) devices.unregisterCharDevice(major, made);
    for (const made of nodes.slice(0, i)) kernel.devfs.removeDevice(made);
    return isErr(taken) ? taken : node === fail(EEXIST) ? fail(EEXIST) : node;
  }
  for (const [i, minor] of minors.entries()) {
    const shown = { className: name, name: nodes[i]!, major, minor, mode: mode || DEFAULT_MODE };
    hide.push(addSysDevice(kernel.sysfs, shown));
  }
  const number = numberOf(major, firstMinor);
  drivers.devices.set(number, owner.add(device));
  return number;
}

/** @returns 0, -ENODEV */
export function unregisterDevice(drivers: Drivers, owner: Owner, number: number): number | Err {
  const device = drivers.devices.get(number);
  if (device === undefined || device.owner !== owner) return fail(ENODEV);
  owner.remove(device);
  device.release();
  return 0;
}

/** Tells those who wait for a minor. @returns 0, -ENODEV */
export function notifyDevice(drivers: Drivers, number: number, mask: number): number | Err {
  for (const device of drivers.devices.values()) {
    const minor = number - numberOf(device.major, 0);
    const inode = minor < 0 || minor >= MINORS ? undefined : device.minors[minor - device.firstMinor];
    if (inode === undefined) continue;
    inode.notify(mask);
    return 0;
  }
  return fail(ENODEV);
}

function readOperations(drivers: Drivers, address: number): { operations: Operations; flags: number } | Err {
  const { space } = drivers;
  const size = space.readU32(address);
  if (Number.isNaN(size)) return fail(EFAULT);
  if (size < OPS_HEAD) return fail(EINVAL);
  const operations = {} as Record<OperationName, DriverFunction | null>;
  for (const [i, name] of OPERATIONS.entries()) {
    // What a driver of an older interface does not know it does not have.
    const at = OPS_HEAD + 8 * i;
    const fn = at + 8 <= size ? space.readI64(address + at) : 0;
    if (Number.isNaN(fn)) return fail(EFAULT);
    operations[name] = fn === 0 ? null : { address: fn, isInt: !LONG.includes(name) };
  }
  return { operations, flags: space.readU32(address + 4) };
}

/** A major that nobody has; 0: all are taken. */
export function freeMajor({ kernel }: Drivers): number {
  const used = new Set(kernel.vfsEnv.devices.charDevices().map(({ major }) => major));
  for (let major = DYNAMIC_FROM; major >= DYNAMIC_TO; major--) if (!used.has(major)) return major;
  return 0;
}
