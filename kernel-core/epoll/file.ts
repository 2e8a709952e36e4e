/** The description of an epoll set. There is only one for each set: it cannot be opened again. */
import { EINVAL, type Err, fail } from '../../abi/errno.js';
import { O_RDWR } from '../../abi/fcntl.js';
import type { Caller } from '../../vfs/caller.js';
import { majorOf, minorOf } from '../../vfs/devices.js';
import type { UserMemory } from '../../vfs/file.js';
import { AnonymousFile } from '../../vfs/fs/anon-inode.js';
import type { EpollSet } from './set.js';

const hex = (value: number): string => (value >>> 0).toString(16);

export class EpollFile extends AnonymousFile {
  declare readonly inode: EpollSet;

  constructor(set: EpollSet) {
    super(set, O_RDWR);
    set.file = this;
  }

  override ioctl(_request: number, _argument: number, _user: UserMemory, _caller: Caller): number | Err {
    return fail(EINVAL);
  }

  override get info(): string {
    let text = '';
    for (const { fd, events, file, dataLow, dataHigh } of this.inode.items()) {
      const data = (BigInt(dataHigh >>> 0) << 32n) | BigInt(dataLow >>> 0);
      const { ino, fs } = file.node;
      text += `tfd: ${String(fd).padStart(8)} events: ${hex(events).padStart(8)} data: ${data.toString(16).padStart(16)} `;
      text += ` pos:${file.offset} ino:${ino.toString(16)} sdev:${hex(kernelDevice(fs.device))}\n`;
    }
    return text;
  }

  protected override release(): void {
    this.inode.clear();
    super.release();
  }
}

/** A device number as the kernel keeps it: 20 bits of minor below 12 of major. `device` is in the form of st_dev. */
const kernelDevice = (device: number): number => (majorOf(device) << 20) | minorOf(device);
