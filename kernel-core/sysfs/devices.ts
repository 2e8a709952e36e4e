/** Devices in sysfs: a directory under /sys/devices/virtual, and links to it by class and by number. */
import type { Sysfs } from '../../vfs/fs/sysfs/index.js';

const READ_ALL = 0o444;

export interface SysDevice {
  /** Name of its class: mem, tty, misc … */
  readonly className: string;
  /** Of the node below /dev; may lie in a directory there. */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  /** Permission bits of the node; absent: those of any node, 600. */
  readonly mode?: number;
}

/** Directories cannot have slashes in their names. @source Linux drivers/base/core.c: device names */
const directoryName = (name: string): string => name.replaceAll('/', '!');

/** Where a device is, below /sys. */
export const deviceDirectory = ({ className, name }: Pick<SysDevice, 'className' | 'name'>): string =>
  `devices/virtual/${className}/${directoryName(name)}`;

/** @returns takes it away again */
export function addSysDevice({ root }: Sysfs, device: SysDevice): () => void {
  const { className, major, minor, mode } = device;
  const name = directoryName(device.name);
  const number = `${major}:${minor}`;
  const devices = root.at(`devices/virtual/${className}`);
  const classes = root.at(`class/${className}`);
  const numbers = root.at('dev/char');
  const path = deviceDirectory(device);
  const directory = root.at(path);
  directory.addFile('dev', { mode: READ_ALL, show: () => `${number}\n` });
  const modeLine = mode === undefined ? '' : `DEVMODE=0${mode.toString(8)}\n`;
  const uevent = `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${device.name}\n${modeLine}`;
  directory.addFile('uevent', { mode: READ_ALL, show: () => uevent });
  directory.addLink('subsystem', `../../../../class/${className}`);
  classes.addLink(name, `../../${path}`);
  numbers.addLink(number, `../../${path}`);
  return () => {
    devices.remove(name);
    classes.remove(name);
    numbers.remove(number);
    // The class goes with its last device.
    if (!classes.isEmpty) return;
    root.at('devices/virtual').remove(className);
    root.at('class').remove(className);
  };
}
