/**
 * Directories in memory.
 *
 * Entries carry ids that only grow; listing goes from the newest to the oldest, as Linux's tmpfs does, and a cookie
 * is the id of the entry that was listed last. So a listing that is under way misses nothing and repeats nothing
 * however entries come and go. Removed entries stay in the list as gaps until half of it is gaps.
 */
import { EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOTEMPTY, type Err, fail, isErr } from '../../abi/errno.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../abi/fcntl.js';
import { S_IFMT, S_IFREG } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import { DirectoryFile } from '../directory-file.js';
import type { OpenFile } from '../file.js';
import type { DirectoryEntry, Inode } from '../inode.js';
import { inheritFrom } from '../permission.js';
import { ALWAYS_READY, MemoryFile } from './memory-file.js';
import { type MemoryFileSystem, MemoryInode, PAGE_SIZE } from './memory-fs.js';
import { MemoryNode } from './memory-node.js';
import { MemorySymlink } from './memory-symlink.js';

/** What an entry adds to the size of a directory. @source Linux mm/shmem.c BOGO_DIRENT_SIZE */
const ENTRY_SIZE = 20;

interface Entry {
  readonly id: number;
  name: string;
  /** null: removed. */
  inode: MemoryInode | null;
}

export class MemoryDirectory extends MemoryInode {
  readonly #byName = new Map<string, Entry>();
  /** By ascending id. */
  #entries: Entry[] = [];
  #nextId = 1;

  constructor(fs: MemoryFileSystem, ino: number, mode: number) {
    super(fs, ino, mode);
    this.nlink = 2;
  }

  override get size(): number {
    return ENTRY_SIZE * (2 + this.#byName.size);
  }

  override get blocks(): number {
    return 0;
  }

  /** Children with their names, oldest first. */
  *children(): IterableIterator<[string, MemoryInode]> {
    for (const { name, inode } of this.#entries) if (inode !== null) yield [name, inode];
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return new DirectoryFile(this, flags);
  }

  override lookup(name: string): Inode | Err {
    return this.#byName.get(name)?.inode ?? fail(ENOENT);
  }

  override create(name: string, mode: number, rdev: number, caller: Caller): Inode | Err {
    return this.#make(name, mode, caller, (ino, bits) =>
      (bits & S_IFMT) === S_IFREG
        ? new MemoryFile(this.memory, ino, bits)
        : new MemoryNode(this.memory, ino, bits, rdev),
    );
  }

  override createUnlinked(mode: number, caller: Caller): Inode | Err {
    const inode = this.#make(null, mode, caller, (ino, bits) => new MemoryFile(this.memory, ino, bits));
    if (!isErr(inode)) inode.setLinks(0);
    return inode;
  }

  override mkdir(name: string, mode: number, caller: Caller): Inode | Err {
    const inode = this.#make(name, mode, caller, (ino, bits) => this.makeDirectory(ino, bits));
    if (!isErr(inode)) this.nlink++;
    return inode;
  }

  override symlink(name: string, target: string, caller: Caller): Inode | Err {
    if (target.length >= PAGE_SIZE) return fail(ENAMETOOLONG);
    return this.#make(name, MemorySymlink.MODE, caller, (ino) => new MemorySymlink(this.memory, ino, target));
  }

  override link(name: string, inode: Inode): number | Err {
    if (this.#byName.has(name)) return fail(EEXIST);
    if (!(inode instanceof MemoryInode)) return fail(EINVAL);
    // The first name of a file that was made without one is already counted.
    const taken = inode.nlink === 0 ? 0 : this.memory.takeLink();
    if (taken !== 0) return taken;
    inode.setLinks(inode.nlink + 1);
    inode.touchCtime();
    this.add(name, inode);
    this.touchMtime();
    return 0;
  }

  override unlink(name: string, inode: Inode): number | Err {
    const entry = this.#byName.get(name);
    if (entry === undefined || entry.inode === null || entry.inode !== inode) return fail(ENOENT);
    const victim = entry.inode;
    this.#remove(entry);
    this.touchMtime();
    dropLink(victim);
    return 0;
  }

  override rmdir(name: string, inode: Inode): number | Err {
    const entry = this.#byName.get(name);
    if (entry === undefined || !(inode instanceof MemoryDirectory) || entry.inode !== inode) return fail(ENOENT);
    if (!inode.isEmpty) return fail(ENOTEMPTY);
    this.#remove(entry);
    this.#lostDirectory(inode);
    this.touchMtime();
    return 0;
  }

  override rename(name: string, newParent: Inode, newName: string, flags: number): number | Err {
    if (flags & ~(RENAME_EXCHANGE | RENAME_NOREPLACE) || !(newParent instanceof MemoryDirectory)) return fail(EINVAL);
    const source = this.#byName.get(name);
    if (source === undefined) return fail(ENOENT);
    const target = newParent.#byName.get(newName);
    if (flags & RENAME_EXCHANGE) {
      if (target === undefined) return fail(ENOENT);
      this.#exchange(source, newParent, target);
    } else {
      if (target?.inode instanceof MemoryDirectory && !target.inode.isEmpty) return fail(ENOTEMPTY);
      this.#replace(source, newParent, newName, target);
    }
    this.touchMtime();
    newParent.touchMtime();
    return 0;
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    for (let i = this.#before(cookie) - 1; i >= 0; i--) {
      const { id, name, inode } = this.#entries[i];
      if (inode !== null && !emit({ name, ino: inode.ino, type: inode.mode >>> 12 }, id)) break;
    }
    return 0;
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  /** Enters `inode` under a name that is free. Counts and times are the caller's. */
  add(name: string, inode: MemoryInode): void {
    const entry: Entry = { id: this.#nextId++, name, inode };
    this.#byName.set(name, entry);
    this.#entries.push(entry);
  }

  /** Directories below this one are of the same kind. */
  protected makeDirectory(ino: number, mode: number): MemoryDirectory {
    return new MemoryDirectory(this.memory, ino, mode);
  }

  #make(
    name: string | null,
    mode: number,
    caller: Caller,
    build: (ino: number, mode: number) => MemoryInode,
  ): MemoryInode | Err {
    if (name !== null && this.#byName.has(name)) return fail(EEXIST);
    const ino = this.memory.takeInode();
    if (isErr(ino)) return ino;
    const inherited = inheritFrom(this, mode, caller);
    const inode = build(ino, inherited.mode);
    inode.uid = caller.cred.fsuid;
    inode.gid = inherited.gid;
    if (name !== null) {
      this.add(name, inode);
      this.touchMtime();
    }
    return inode;
  }

  #remove(entry: Entry): void {
    this.#byName.delete(entry.name);
    entry.inode = null;
    if (this.#entries.length > 2 * this.#byName.size + 16)
      this.#entries = this.#entries.filter((e) => e.inode !== null);
  }

  /** The directory `inode` is no longer here and nowhere else. */
  #lostDirectory(inode: MemoryDirectory): void {
    inode.setLinks(0);
    inode.touchCtime();
    this.nlink--;
  }

  #replace(source: Entry, newParent: MemoryDirectory, newName: string, target: Entry | undefined): void {
    const inode = source.inode!;
    if (target !== undefined) {
      const victim = target.inode!;
      newParent.#remove(target);
      if (victim instanceof MemoryDirectory) newParent.#lostDirectory(victim);
      else dropLink(victim);
    }
    this.#remove(source);
    newParent.add(newName, inode);
    if (inode.isDirectory) {
      this.nlink--;
      newParent.nlink++;
    }
    inode.touchCtime();
  }

  #exchange(source: Entry, newParent: MemoryDirectory, target: Entry): void {
    const one = source.inode!;
    const other = target.inode!;
    source.inode = other;
    target.inode = one;
    if (one.isDirectory !== other.isDirectory) {
      const change = one.isDirectory ? 1 : -1;
      this.nlink -= change;
      newParent.nlink += change;
    }
    one.touchCtime();
    other.touchCtime();
  }

  /** Index behind the last entry whose id is below `cookie` (0: all). */
  #before(cookie: number): number {
    if (cookie === 0) return this.#entries.length;
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle].id < cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function dropLink(inode: MemoryInode): void {
  if (inode.nlink > 1) inode.memory.releaseInode();
  inode.setLinks(inode.nlink - 1);
  inode.touchCtime();
}
