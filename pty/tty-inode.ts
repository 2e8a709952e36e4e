/** Inodes of terminals: their events are those of the terminal, whatever node they were opened through. */
import type { EventEmitter } from 'eventemitter3';
import type { Err } from '../abi/errno.js';
import type { Caller } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import type { FileSystem } from '../vfs/filesystem.js';
import { type AttributeChange, Inode, type InodeEvents, type PollMask } from '../vfs/inode.js';
import type { Tty } from './tty.js';

/** A node that stands for one terminal. */
export abstract class TtyInode extends Inode {
  readonly tty: Tty;

  constructor(fs: FileSystem, ino: number, mode: number, tty: Tty) {
    super(fs, ino, mode);
    this.tty = tty;
    this.rdev = tty.rdev;
  }

  override poll(): PollMask {
    return this.tty.poll(null);
  }

  override get hook(): EventEmitter<InodeEvents> {
    return this.tty.hook;
  }

  override get watchers(): number {
    return this.tty.hook.listenerCount('notify');
  }

  override notify(mask: PollMask): void {
    this.tty.wake(mask);
  }
}

/** What a node's metadata consist of, besides what never changes. */
const LIVE_FIELDS = ['mode', 'uid', 'gid', 'nlink', 'rdev', 'atime', 'mtime', 'ctime'] as const;

/**
 * The inode of a file opened through a node that is not the terminal's own: /dev/tty, /dev/ptmx, /dev/console. It
 * shows the metadata of that node, as fstat(2) does, and has the events of the terminal.
 */
export class TtyAlias extends TtyInode {
  readonly node: Inode;

  constructor(node: Inode, tty: Tty) {
    super(node.fs, node.ino, node.mode, tty);
    this.node = node;
    for (const field of LIVE_FIELDS) {
      Object.defineProperty(this, field, {
        get: () => node[field],
        set: (value) => Object.assign(node, { [field]: value }),
      });
    }
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    return this.node.open(flags, caller);
  }

  override setAttributes(change: AttributeChange): number | Err {
    return this.node.setAttributes(change);
  }
}
