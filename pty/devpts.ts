/**
 * devpts: the directory /dev/pts. Opening its ptmx, or the device /dev/ptmx, makes a pair and a node for the slave
 * that lasts until the master is closed.
 * @source pts(4); Linux fs/devpts/inode.c (behaviour)
 */
import { EACCES, EIO, ENOENT, ENOSPC, type Err, fail, isErr } from '../abi/errno.js';
import { O_NOCTTY, O_RDWR } from '../abi/fcntl.js';
import { DEVPTS_SUPER_MAGIC } from '../abi/mount.js';
import { DT_CHR, S_IFCHR, S_IFDIR, S_IFMT } from '../abi/stat.js';
import { type Caller, KERNEL_CALLER } from '../vfs/caller.js';
import { makeDevice } from '../vfs/devices.js';
import { DirectoryFile } from '../vfs/directory-file.js';
import type { OpenFile } from '../vfs/file.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../vfs/filesystem.js';
import { ALWAYS_READY } from '../vfs/fs/memory-file.js';
import { type AttributeChange, type DirectoryEntry, Inode, type PollMask } from '../vfs/inode.js';
import type { SessionControl } from './job-control.js';
import { PtyPair } from './pty.js';
import type { Tty } from './tty.js';
import { TtyFile } from './tty-file.js';
import { TtyAlias, TtyInode } from './tty-inode.js';

/** Pairs at most when the mount does not say: kernel.pty.max. */
const PAIR_LIMIT = 4096;
const ROOT_INO = 1;
const PTMX_INO = 2;
/** A slave's inode number is this plus its index. */
const FIRST_SLAVE_INO = 3;
/** Device number of ptmx. */
const PTMX_DEVICE = makeDevice(5, 2);

export interface DevptsOptions {
  /** Permission bits of slaves; 0o620 when absent. */
  mode?: number;
  /** Owner and group of slaves. Absent: the opener's identity for `uid`, group 5 (tty) for `gid`. */
  uid?: number;
  gid?: number;
  /** Permission bits of ptmx in the directory; 0 when absent, since /dev/ptmx is the way in. */
  ptmxMode?: number;
  /** Pairs at most. */
  max?: number;
}

function changeAttributes(inode: Inode, change: AttributeChange): number {
  if (change.mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (change.mode & 0o7777);
  if (change.uid !== undefined) inode.uid = change.uid;
  if (change.gid !== undefined) inode.gid = change.gid;
  if (change.atime !== undefined) Object.assign(inode.atime, change.atime);
  if (change.mtime !== undefined) Object.assign(inode.mtime, change.mtime);
  inode.fs.env.now(inode.ctime);
  return 0;
}

class SlaveInode extends TtyInode {
  override open(flags: number, caller: Caller): OpenFile | Err {
    return TtyFile.open(this, flags, caller);
  }

  override setAttributes(change: AttributeChange): number {
    return changeAttributes(this, change);
  }
}

class PtmxInode extends Inode {
  readonly #devpts: Devpts;

  constructor(fs: Devpts, mode: number) {
    super(fs, PTMX_INO, S_IFCHR | mode);
    this.#devpts = fs;
    this.rdev = PTMX_DEVICE;
  }

  override poll(): PollMask {
    return ALWAYS_READY;
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    return this.#devpts.openMaster(this, flags, caller);
  }

  override setAttributes(change: AttributeChange): number {
    return changeAttributes(this, change);
  }
}

class PtsDirectory extends Inode {
  readonly #devpts: Devpts;

  constructor(fs: Devpts) {
    super(fs, ROOT_INO, S_IFDIR | 0o755);
    this.#devpts = fs;
    this.nlink = 2;
  }

  override poll(): PollMask {
    return ALWAYS_READY;
  }

  override get volatileNames(): boolean {
    return true;
  }

  override open(flags: number): OpenFile {
    return new DirectoryFile(this, flags);
  }

  override lookup(name: string): Inode | Err {
    if (name === 'ptmx') return this.#devpts.ptmx;
    const index = /^(0|[1-9]\d*)$/.test(name) ? Number(name) : -1;
    return this.#devpts.slave(index) ?? fail(ENOENT);
  }

  override create(): Err {
    return fail(EACCES);
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number {
    // Cookies: 1 behind ptmx, index + 2 behind a slave.
    if (cookie === 0 && !emit({ name: 'ptmx', ino: PTMX_INO, type: DT_CHR }, 1)) return 0;
    for (const index of this.#devpts.indices()) {
      if (index + 2 <= cookie) continue;
      if (!emit({ name: String(index), ino: FIRST_SLAVE_INO + index, type: DT_CHR }, index + 2)) break;
    }
    return 0;
  }

  override setAttributes(change: AttributeChange): number {
    return changeAttributes(this, change);
  }
}

export class Devpts extends FileSystem {
  readonly root: Inode;
  readonly ptmx: Inode;
  readonly #control: SessionControl;
  readonly #mode: number;
  readonly #uid: number | undefined;
  readonly #gid: number;
  readonly #ptmxMode: number;
  readonly #max: number | undefined;
  /** Numbers in use, with the node while the master is open. */
  readonly #slaves = new Map<number, SlaveInode | null>();

  constructor(env: VfsEnv, device: number, control: SessionControl, options: DevptsOptions = {}) {
    super(env, 'devpts', device);
    this.#control = control;
    this.#mode = options.mode ?? 0o620;
    this.#uid = options.uid;
    this.#gid = options.gid ?? 5;
    this.#ptmxMode = options.ptmxMode ?? 0;
    this.#max = options.max;
    this.root = new PtsDirectory(this);
    this.ptmx = new PtmxInode(this, this.#ptmxMode);
  }

  /** Pairs with an end still open, for leak checks. */
  get pairCount(): number {
    return this.#slaves.size;
  }

  /** The node of slave `index`. */
  slave(index: number): TtyInode | null {
    return this.#slaves.get(index) ?? null;
  }

  /** Numbers of the slaves that have names, ascending. */
  indices(): number[] {
    const named = [...this.#slaves.keys()].filter((index) => this.#slaves.get(index) !== null);
    return named.sort((a, b) => a - b);
  }

  #makePair(caller: Caller): PtyPair | Err {
    if (this.#slaves.size >= (this.#max ?? PAIR_LIMIT)) return fail(ENOSPC);
    let index = 0;
    while (this.#slaves.has(index)) index++;
    const pair = new PtyPair(index, this.#control, {
      masterClosed: () => this.#slaves.set(index, null),
      released: () => this.#slaves.delete(index),
    });
    const inode = new SlaveInode(this, FIRST_SLAVE_INO + index, S_IFCHR | this.#mode, pair.slave);
    inode.uid = this.#uid ?? caller.cred.fsuid;
    inode.gid = this.#gid;
    this.#slaves.set(index, inode);
    return pair;
  }

  /**
   * Opens a new master; its slave is locked until TIOCSPTLCK (unlockpt(3)).
   * @param node what was opened: this file system's ptmx, or a device node such as /dev/ptmx
   * @returns the master's file; -ENOSPC when there are too many pairs
   */
  openMaster(node: Inode, flags: number, caller: Caller): TtyFile | Err {
    const pair = this.#makePair(caller);
    return isErr(pair) ? pair : TtyFile.open(new TtyAlias(node, pair.master), flags, caller);
  }

  /**
   * Makes a pair for the embedder, both ends open with one reference, the slave unlocked and nobody's controlling terminal.
   * @param flags status flags of the master's file (O_NONBLOCK)
   */
  openPair(flags: number): { master: OpenFile; slave: OpenFile } | Err {
    const master = this.openMaster(this.ptmx, flags | O_RDWR | O_NOCTTY, KERNEL_CALLER);
    if (isErr(master)) return master;
    master.tty.slaveLocked = false;
    const slave = this.openPeer(master, O_RDWR | O_NOCTTY, KERNEL_CALLER);
    if (!isErr(slave)) return { master, slave };
    master.unref();
    return slave;
  }

  /**
   * TIOCGPTPEER: opens the slave of the master `file`, whether or not it has a name; the kernel puts it into a descriptor.
   * @param flags O_* flags, the argument of the ioctl
   * @returns the slave's file; -EIO when `file` is a terminal but no open master of this file system
   */
  openPeer(file: OpenFile, flags: number, caller: Caller): OpenFile | Err {
    const tty: Tty | null = file instanceof TtyFile ? file.tty : null;
    if (tty === null || tty.kind !== 'master') return fail(EIO);
    const inode = this.#slaves.get(tty.index) ?? null;
    return inode === null || inode.tty !== tty.link ? fail(EIO) : inode.open(flags, caller);
  }

  override statfs(): FsStatistics {
    return {
      type: DEVPTS_SUPER_MAGIC,
      blockSize: 4096,
      blocks: 0,
      blocksFree: 0,
      files: 0,
      filesFree: 0,
      nameLength: 255,
    };
  }

  override options(): string {
    const octal = (mode: number): string => mode.toString(8).padStart(3, '0');
    const uid = this.#uid === undefined ? '' : `,uid=${this.#uid}`;
    const max = this.#max === undefined ? '' : `,max=${this.#max}`;
    return `${uid},gid=${this.#gid},mode=${octal(this.#mode)},ptmxmode=${octal(this.#ptmxMode)}${max}`;
  }
}
