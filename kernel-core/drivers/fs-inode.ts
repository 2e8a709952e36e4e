/**
 * Inodes of drivers' file systems; directories are in fs-directory.ts. The driver is the one that knows: metadata here is what it said last, asked again after
 * every change. Each has a struct banos_inode in the driver's heap as long as the kernel uses it.
 */
import { EIO, ELOOP, ENXIO, EOPNOTSUPP, EPERM, EROFS, type Err, fail, isErr } from '../../abi/errno.js';
import { MS_RDONLY } from '../../abi/mount.js';
import { S_IFMT } from '../../abi/stat.js';
import type { Caller } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import { CachedPages, type PageStore } from '../../vfs/fs/cached-pages.js';
import { ALWAYS_READY } from '../../vfs/fs/memory-file.js';
import type { FifoInode, Pipe } from '../../vfs/fs/pipe.js';
import { openSpecial } from '../../vfs/fs/special.js';
import { type AttributeChange, Inode } from '../../vfs/inode.js';
import { BytesIter } from '../../vfs/iter.js';
import type { DriverFileSystem } from './filesystem.js';
import { DriverFsFile } from './fs-file.js';
import {
  ATTR_ATIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  asError,
  type DriverAttributes,
  makeAttributes,
  writeAttributes,
} from './fs-layout.js';

/** What goes to the driver. Nothing waits while it is in use. */
const given = makeAttributes();

export abstract class DriverInode extends Inode {
  declare readonly fs: DriverFileSystem;
  /** Of its struct banos_inode; 0: the module is gone, or there was no memory. */
  address: number;
  #length = 0;
  #blocks = 0;

  constructor(fs: DriverFileSystem, attributes: DriverAttributes) {
    super(fs, attributes.ino, attributes.mode);
    this.address = fs.allocInode(attributes.ino, attributes.data);
    if (this.address !== 0) fs.kernel.drivers.fsInodes.set(this.address, this);
    this.take(attributes);
  }

  override get size(): number {
    return this.#length;
  }

  override get blocks(): number {
    return this.#blocks;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  /** Takes over what the driver says. */
  take(attributes: DriverAttributes): void {
    this.mode = attributes.mode;
    this.uid = attributes.uid;
    this.gid = attributes.gid;
    this.rdev = attributes.device;
    this.setLinks(attributes.links);
    Object.assign(this.atime, attributes.atime);
    Object.assign(this.mtime, attributes.mtime);
    Object.assign(this.ctime, attributes.ctime);
    this.#blocks = attributes.blocks;
    const shrinks = attributes.length < this.#length;
    this.#length = attributes.length;
    if (shrinks) this.cut(attributes.length);
  }

  /** Asks the driver anew. @returns 0, -EIO … */
  refresh(): number | Err {
    const { fs } = this;
    if (this.address === 0) return fail(EIO);
    const result = fs.callForAttributes('getattr', this.address, 0, null);
    if (isErr(result)) return result;
    const { attributes } = fs;
    if (attributes.ino !== this.ino || (attributes.mode & S_IFMT) !== (this.mode & S_IFMT)) {
      return fs.complain(`file ${this.ino} has become another one`);
    }
    this.take(attributes);
    return 0;
  }

  override evict(): void {
    if (this.nlink === 0) this.fs.orphans--;
    this.fs.forgetInode(this);
  }

  override forget(): void {
    this.evict();
  }

  override setAttributes(change: AttributeChange): number | Err {
    const { fs, address } = this;
    if (fs.flags & MS_RDONLY) return fail(EROFS);
    if (address === 0) return fail(EIO);
    if (change.size !== undefined) {
      const written = this.writeBack();
      if (isErr(written)) return written;
    }
    const mask = this.#describe(change);
    writeAttributes(fs.kernel.drivers.space, fs.attributesAt, given);
    const result = fs.callForStatus('setattr', address, mask, fs.attributesAt);
    if (isErr(result)) return result === fail(EOPNOTSUPP) ? fail(EPERM) : result;
    return this.refresh();
  }

  /** Writes back what was changed through mappings. */
  writeBack(): number | Err {
    return 0;
  }

  /** The file is shorter now. */
  protected cut(_length: number): void {}

  /** Fills `given`. @returns BANOS_ATTR_* */
  #describe({ mode, uid, gid, size, atime, mtime }: AttributeChange): number {
    let mask = 0;
    given.ino = this.ino;
    given.mode = mode === undefined ? this.mode : (this.mode & S_IFMT) | (mode & ~S_IFMT);
    given.uid = uid ?? this.uid;
    given.gid = gid ?? this.gid;
    given.length = size ?? this.size;
    given.blocks = this.#blocks;
    given.links = this.nlink;
    given.device = this.rdev;
    given.target = 0;
    given.data = 0;
    this.fs.env.now(given.ctime);
    Object.assign(given.atime, atime ?? this.atime);
    Object.assign(given.mtime, mtime ?? (size === undefined ? this.mtime : given.ctime));
    if (mode !== undefined) mask |= ATTR_MODE;
    if (uid !== undefined) mask |= ATTR_UID;
    if (gid !== undefined) mask |= ATTR_GID;
    if (size !== undefined) mask |= ATTR_SIZE | ATTR_MTIME;
    if (atime !== undefined) mask |= ATTR_ATIME;
    if (mtime !== undefined) mask |= ATTR_MTIME;
    return mask;
  }

  /** Without a link it lives as long as it is in use, and the file system cannot become read-only. */
  protected setLinks(count: number): void {
    if (count === 0 && this.nlink > 0) this.fs.orphans++;
    else if (count > 0 && this.nlink === 0) this.fs.orphans--;
    this.nlink = count;
  }

  /** A name of it is gone. The driver may have forgotten it altogether. */
  lostName(): void {
    if (isErr(this.refresh())) this.setLinks(0);
  }
}

/** A regular file. Pages of it are in memory while it is mapped. */
export class DriverFileInode extends DriverInode implements PageStore {
  readonly pages = new CachedPages(this);

  get frames() {
    return this.fs.env.frames;
  }

  get knownSize(): number {
    return this.size;
  }

  override poll(): number {
    const { fs, address } = this;
    if (fs.operations.poll === null) return ALWAYS_READY;
    const mask = address === 0 ? -1 : fs.call('poll', address);
    return mask < 0 ? ALWAYS_READY : mask & 0xffff;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return DriverFsFile.open(this, flags);
  }

  override evict(): void {
    if (this.nlink > 0) this.writeBack();
    this.pages.drop();
    super.evict();
  }

  override writeBack(): number | Err {
    return this.pages.writeBack();
  }

  /** For pages. @returns bytes */
  readBytes(target: Uint8Array, position: number): number | Err {
    return this.#move('read', new BytesIter(target), position);
  }

  writeBytes(source: Uint8Array, position: number): number | Err {
    return this.#move('write', new BytesIter(source), position);
  }

  protected override cut(length: number): void {
    // The constructor of the base class calls it before there are pages.
    this.pages?.cut(length);
  }

  #move(operation: 'read' | 'write', iter: BytesIter, position: number): number | Err {
    if (this.address === 0) return fail(EIO);
    let done = 0;
    while (iter.remaining > 0) {
      const count = this.fs.move(operation, this.address, iter, position + done);
      if (count < 0 || count > iter.bytes.length - done) return done > 0 ? done : asError(count);
      if (count === 0) break;
      done += count;
    }
    return done;
  }
}

export class DriverSymlink extends DriverInode {
  override open(_flags: number, _caller: Caller): OpenFile | Err {
    return fail(ELOOP);
  }

  override readlink(_caller: Caller): string | Err {
    const { fs, address } = this;
    if (address === 0) return fail(EIO);
    const length = fs.call('readlink', address, fs.textAt, fs.textSize);
    if (length < 0) return asError(length);
    if (length === 0 || length >= fs.textSize) return fs.complain('link without a target');
    const target = new Uint8Array(length);
    fs.kernel.drivers.space.read(fs.textAt, target);
    return target.includes(0) ? fs.complain('link with a zero in its target') : Buffer.from(target).toString('latin1');
  }
}

/** A device node, fifo or socket: the file system only has its number; what it leads to is the kernel's. */
export class DriverNode extends DriverInode implements FifoInode {
  pipe: Pipe | null = null;

  override poll(): number {
    return this.pipe === null ? ALWAYS_READY : this.pipe.poll();
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    return this.address === 0 ? fail(ENXIO) : openSpecial(this, flags, caller);
  }
}
