/** Device nodes, fifos and sockets in memory: metadata here, the work elsewhere. */
import type { Err } from '../../abi/errno.js';
import type { Caller } from '../caller.js';
import type { OpenFile } from '../file.js';
import { ALWAYS_READY } from './memory-file.js';
import { type MemoryFileSystem, MemoryInode } from './memory-fs.js';
import type { FifoInode, Pipe } from './pipe.js';
import { openSpecial } from './special.js';

export class MemoryNode extends MemoryInode implements FifoInode {
  pipe: Pipe | null = null;

  constructor(fs: MemoryFileSystem, ino: number, mode: number, rdev: number) {
    super(fs, ino, mode);
    this.rdev = rdev;
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): number {
    return this.pipe === null ? ALWAYS_READY : this.pipe.poll();
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    return openSpecial(this, flags, caller);
  }
}
