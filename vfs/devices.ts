/**
 * Device numbers and the table of character devices: a node of any file system leads here by its number.
 * Drivers (null, terminals, loaded modules) register an opener; block devices do not exist.
 */
import { EBUSY, ENXIO, type Err, fail } from '../abi/errno.js';
import type { Caller } from './caller.js';
import type { OpenFile } from './file.js';
import type { Inode } from './inode.js';

/** Packs a device number as st_dev and st_rdev hold it: 12 bits of major, 20 bits of minor. @source Linux new_encode_dev */
export const makeDevice = (major: number, minor: number): number =>
  ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
export const majorOf = (device: number): number => (device >>> 8) & 0xfff;
export const minorOf = (device: number): number => (device & 0xff) | ((device >>> 12) & 0xfff00);

/**
 * Opens a device.
 * @param inode the node; the description's own inode may be another one, on whose hook waiters hang
 * @param flags O_* flags of open(2)
 */
export type DeviceOpen = (inode: Inode, flags: number, caller: Caller) => OpenFile | Err;

interface DeviceRow {
  readonly name: string;
  readonly open: DeviceOpen;
}

export class DeviceTable {
  readonly #exact = new Map<number, DeviceRow>();
  readonly #whole = new Map<number, DeviceRow>();

  /**
   * @param minor null for a driver that serves every minor of `major` not registered otherwise
   * @param name as /proc/devices shows it
   * @returns 0, or -EBUSY when the number is taken
   */
  registerCharDevice(major: number, minor: number | null, open: DeviceOpen, name: string): number | Err {
    const table = minor === null ? this.#whole : this.#exact;
    const key = minor === null ? major : makeDevice(major, minor);
    if (table.has(key)) return fail(EBUSY);
    table.set(key, { name, open });
    return 0;
  }

  unregisterCharDevice(major: number, minor: number | null): void {
    if (minor === null) this.#whole.delete(major);
    else this.#exact.delete(makeDevice(major, minor));
  }

  /** @returns the description with one reference; -ENXIO when no driver serves the number */
  openChar(inode: Inode, flags: number, caller: Caller): OpenFile | Err {
    const row = this.#exact.get(inode.rdev) ?? this.#whole.get(majorOf(inode.rdev));
    return row === undefined ? fail(ENXIO) : row.open(inode, flags, caller);
  }

  /** Majors and names of character devices, ascending, as /proc/devices lists them. */
  charDevices(): { major: number; name: string }[] {
    const names = new Map<number, string>();
    for (const [device, row] of this.#exact) {
      const major = majorOf(device);
      if (!names.has(major)) names.set(major, row.name);
    }
    for (const [major, row] of this.#whole) names.set(major, row.name);
    return [...names].map(([major, name]) => ({ major, name })).sort((a, b) => a.major - b.major);
  }
}
