/** What opening a node that is no file leads to, on whatever file system it lies. @source Linux fs/inode.c init_special_inode */
import { ENXIO, type Err, fail } from '../../abi/errno.js';
import { S_IFCHR, S_IFIFO, S_IFMT } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import type { OpenFile } from '../file.js';
import type { FifoInode } from './pipe.js';
import { openFifo } from './pipefs.js';

/** Opens a character device or a fifo. @returns -ENXIO for sockets, block devices and devices without driver */
export function openSpecial(inode: FifoInode, flags: number, caller: Caller): OpenFile | Err {
  switch (inode.mode & S_IFMT) {
    case S_IFIFO:
      return openFifo(inode, flags, caller);
    case S_IFCHR:
      return inode.fs.env.devices.openChar(inode, flags, caller);
    default:
      return fail(ENXIO);
  }
}
