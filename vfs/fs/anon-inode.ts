/**
 * Anonymous inodes: eventfd, epoll, timerfd, signalfd, pidfd and the like extend this class.
 *
 * On Linux all of these share one inode; here each has its own, because the hook that waiters hang on belongs to the
 * inode. They show the same device, inode number and mode nevertheless. @source Linux fs/anon_inodes.c
 */
import { ENXIO, EOPNOTSUPP, type Err, fail } from '../../abi/errno.js';
import { ANON_INODE_FS_MAGIC } from '../../abi/mount.js';
import { S_IRUSR, S_IWUSR } from '../../abi/stat.js';
import { type Caller, KERNEL_CALLER } from '../caller.js';
import { makeDevice } from '../devices.js';
import { OpenFile } from '../file.js';
import type { VfsEnv } from '../filesystem.js';
import { type AttributeChange, Inode } from '../inode.js';
import { AnonymousFs } from './anonymous-fs.js';

const ANON_INODE_DEVICE = makeDevice(0, 14);

const instances = new WeakMap<VfsEnv, AnonymousFs>();

function anonInodeFs(env: VfsEnv): AnonymousFs {
  let fs = instances.get(env);
  if (fs === undefined) {
    instances.set(env, (fs = new AnonymousFs(env, 'anon_inodefs', ANON_INODE_DEVICE, ANON_INODE_FS_MAGIC)));
  }
  return fs;
}

export abstract class AnonymousInode extends Inode {
  /** What stands in the brackets of `anon_inode:[eventpoll]`. */
  readonly kind: string;

  constructor(env: VfsEnv, kind: string, caller: Caller = KERNEL_CALLER) {
    const fs = anonInodeFs(env);
    super(fs, fs.root.ino, S_IRUSR | S_IWUSR);
    this.kind = kind;
    this.uid = caller.cred.fsuid;
    this.gid = caller.cred.fsgid;
  }

  override get anonymousName(): string {
    return `anon_inode:[${this.kind}]`;
  }

  override get blocks(): number {
    return 0;
  }

  /** Opening one again through /proc/PID/fd is refused. */
  override open(_flags: number, _caller: Caller): OpenFile | Err {
    return fail(ENXIO);
  }

  /** On Linux the one inode behind all of them cannot be changed. */
  override setAttributes(_change: AttributeChange): number | Err {
    return fail(EOPNOTSUPP);
  }
}

/** A description of one. It has an offset that stays where it is. @source Linux noop_llseek */
export abstract class AnonymousFile extends OpenFile {
  override get splicesOut(): boolean {
    return false;
  }

  override get splicesIn(): boolean {
    return false;
  }

  override seek(_offset: number, _whence: number): number | Err {
    return this.offset;
  }
}
