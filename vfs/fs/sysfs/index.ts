/**
 * sysfs: a tree of directories, links and attributes, small texts that the kernel shows and programs write. What is in it
 * is others' business: they add nodes and take them away at any time. Descriptions of an attribute that was taken away
 * answer ENODEV. There is one tree, however often it is mounted. @source Linux fs/kernfs, fs/sysfs
 */
import { EACCES, ELOOP, ENOENT, type Err, fail } from '../../../abi/errno.js';
import { SYSFS_MAGIC } from '../../../abi/mount.js';
import { POLLERR, POLLPRI } from '../../../abi/poll.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../abi/stat.js';
import type { Caller } from '../../caller.js';
import { DirectoryFile } from '../../directory-file.js';
import type { OpenFile } from '../../file.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../../filesystem.js';
import { type AttributeChange, type DirectoryEntry, Inode } from '../../inode.js';
import { applyAttributes } from '../anonymous-fs.js';
import { ALWAYS_READY } from '../memory-file.js';
import { type Attribute, AttributeFile, accessRefused } from './attribute.js';

export type { Attribute } from './attribute.js';

/** st_size of attributes, whatever they show. */
const ATTRIBUTE_SIZE = 4096;
const DIRECTORY_MODE = 0o755;

export class Sysfs extends FileSystem {
  override readonly root: SysDirectory;
  #lastIno = 0;

  constructor(env: VfsEnv, device: number) {
    super(env, 'sysfs', device);
    this.root = new SysDirectory(this, 0o555);
  }

  /** A number for a new inode. */
  nextIno(): number {
    return ++this.#lastIno;
  }

  override statfs(): FsStatistics {
    return {
      type: SYSFS_MAGIC,
      blockSize: 4096,
      blocks: 0,
      blocksFree: 0,
      files: 0,
      filesFree: 0,
      nameLength: 255,
    };
  }
}

abstract class SysInode extends Inode {
  declare readonly fs: Sysfs;
  /** It is in the tree. */
  isAlive = true;

  constructor(fs: Sysfs, mode: number) {
    super(fs, fs.nextIno(), mode);
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  /** A length may be set, and is forgotten: shells do so when they redirect. */
  override setAttributes(change: AttributeChange): number | Err {
    return applyAttributes(this, change);
  }

  /** It was taken out of the tree. */
  end(): void {
    this.isAlive = false;
    this.nlink = 0;
  }
}

export class SysLink extends SysInode {
  readonly target: string;

  constructor(fs: Sysfs, target: string) {
    super(fs, S_IFLNK | 0o777);
    this.target = target;
  }

  override open(): OpenFile | Err {
    return fail(ELOOP);
  }

  override readlink(): string {
    return this.target;
  }
}

export class SysFile extends SysInode {
  readonly attribute: Attribute;
  /** How often it was said to have changed. */
  changes = 1;

  constructor(fs: Sysfs, attribute: Attribute) {
    super(fs, S_IFREG | attribute.mode);
    this.attribute = attribute;
  }

  override get size(): number {
    return this.attribute.size?.() ?? ATTRIBUTE_SIZE;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return accessRefused(this, flags) ? fail(EACCES) : new AttributeFile(this, flags);
  }

  /** It shows something else now: wakes those who poll for POLLPRI. */
  changed(): void {
    this.changes++;
    this.notify(POLLERR | POLLPRI);
  }

  override end(): void {
    super.end();
    this.changed();
  }
}

export class SysDirectory extends SysInode {
  readonly #children = new Map<string, SysDirectory | SysFile | SysLink>();

  constructor(fs: Sysfs, mode = DIRECTORY_MODE) {
    super(fs, S_IFDIR | mode);
    this.nlink = 2;
  }

  /** Names come and go without dentries being told. */
  override get volatileNames(): boolean {
    return true;
  }

  get isEmpty(): boolean {
    return this.#children.size === 0;
  }

  /** The directory of that name, made if there is none. */
  directory(name: string): SysDirectory {
    const known = this.#children.get(name);
    if (known instanceof SysDirectory) return known;
    this.nlink++;
    return this.#add(name, new SysDirectory(this.fs));
  }

  /** The directory at a path below this one, made as far as need be. */
  at(path: string): SysDirectory {
    return path.split('/').reduce<SysDirectory>((directory, name) => directory.directory(name), this);
  }

  addFile(name: string, attribute: Attribute): SysFile {
    return this.#add(name, new SysFile(this.fs, attribute));
  }

  /** @param target text of the link */
  addLink(name: string, target: string): SysLink {
    return this.#add(name, new SysLink(this.fs, target));
  }

  /** Takes a node away, with all below it. */
  remove(name: string): void {
    const child = this.#children.get(name);
    if (child === undefined) return;
    this.#children.delete(name);
    if (child instanceof SysDirectory) this.nlink--;
    child.end();
  }

  override end(): void {
    for (const name of [...this.#children.keys()]) this.remove(name);
    super.end();
  }

  override lookup(name: string): Inode | Err {
    return this.#children.get(name) ?? fail(ENOENT);
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return new DirectoryFile(this, flags);
  }

  /** @source host: fifos and the like are not permitted either, but with another errno */
  override create(name: string, mode: number, rdev: number, caller: Caller): Inode | Err {
    return (mode & S_IFMT) === S_IFREG ? fail(EACCES) : super.create(name, mode, rdev, caller);
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    // By number: what is removed meanwhile moves nothing.
    for (const [name, { ino, mode }] of this.#children) {
      if (ino >= cookie && !emit({ name, ino, type: (mode & S_IFMT) >>> 12 }, ino + 1)) break;
    }
    return 0;
  }

  #add<T extends SysDirectory | SysFile | SysLink>(name: string, child: T): T {
    this.remove(name);
    this.#children.set(name, child);
    return child;
  }
}
