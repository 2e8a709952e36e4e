/** What /sys has from the start: figures of the kernel, its processor and its own devices. Only what is true is there. */
import { CONSOLE_MINOR, PTMX_MINOR, TTY_MAJOR, TTY_MINOR } from '../../pty/tty-devices.js';
import { MEM_MAJOR, MEMORY_DEVICES } from '../../vfs/fs/memory-devices.js';
import type { Sysfs } from '../../vfs/fs/sysfs/index.js';
import { KMSG_MINOR, KMSG_MODE } from '../log/kmsg.js';
import { addSysDevice } from './devices.js';

const READ_ALL = 0o444;
/** Directories that programs expect, also when nothing is in them. */
const DIRECTORIES = ['block', 'bus', 'class', 'dev/block', 'dev/char', 'devices', 'fs', 'kernel', 'module'];
/** There is one processor, number 0. */
const PROCESSORS = '0\n';
const MEMORY_DEVICE_MODE = 0o666;

export function fillSysfs(sysfs: Sysfs): void {
  const { root } = sysfs;
  for (const path of DIRECTORIES) root.at(path);
  const kernel = root.directory('kernel');
  kernel.addFile('address_bits', { mode: READ_ALL, show: () => '64\n' });
  kernel.addFile('cpu_byteorder', { mode: READ_ALL, show: () => 'little\n' });
  const cpu = root.at('devices/system/cpu');
  for (const name of ['online', 'possible', 'present']) cpu.addFile(name, { mode: READ_ALL, show: () => PROCESSORS });
  cpu.directory('cpu0');

  const memory = { className: 'mem', major: MEM_MAJOR };
  for (const { name, minor } of MEMORY_DEVICES)
    addSysDevice(sysfs, { ...memory, name, minor, mode: MEMORY_DEVICE_MODE });
  addSysDevice(sysfs, { ...memory, name: 'kmsg', minor: KMSG_MINOR, mode: KMSG_MODE });
  const terminal = { className: 'tty', major: TTY_MAJOR };
  addSysDevice(sysfs, { ...terminal, name: 'tty', minor: TTY_MINOR, mode: 0o666 });
  addSysDevice(sysfs, { ...terminal, name: 'console', minor: CONSOLE_MINOR });
  addSysDevice(sysfs, { ...terminal, name: 'ptmx', minor: PTMX_MINOR, mode: 0o666 });
}
