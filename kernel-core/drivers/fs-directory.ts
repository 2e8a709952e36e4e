/** Directories of drivers' file systems. What is listed is fetched in batches, so that nobody is called back meanwhile. */
import { EIO, ENAMETOOLONG, ENOENT, EOPNOTSUPP, EPERM, type Err, fail, isErr } from '../../abi/errno.js';
import { S_IFLNK, S_IFMT } from '../../abi/stat.js';
import type { Caller } from '../../vfs/caller.js';
import { DirectoryFile } from '../../vfs/directory-file.js';
import type { OpenFile } from '../../vfs/file.js';
import type { DirectoryEntry, Inode } from '../../vfs/inode.js';
import { inheritFrom } from '../../vfs/permission.js';
import { DriverInode } from './fs-inode.js';
import { type FsOperation, isName, isNumber, makeAttributes, RENAME } from './fs-layout.js';

/** Entries of a directory that are fetched at one go. */
const BATCH = 256;

/** What a new file is to be. Nothing waits while it is in use. */
const given = makeAttributes();

export class DriverDirectory extends DriverInode {
  /** Of a listing: where `banos_dir_emit` puts entries, and the greatest cookie so far. */
  #entries: (DirectoryEntry & { next: number })[] | null = null;
  #lastCookie = 0;

  override get volatileNames(): boolean {
    return this.fs.volatileNames;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return this.address === 0 ? fail(EIO) : new DirectoryFile(this, flags);
  }

  override lookup(name: string): Inode | Err {
    const { fs } = this;
    const result = fs.callForAttributes('lookup', this.address, fs.putName(name), null);
    if (isErr(result)) return result;
    const inode = fs.inodeFound();
    return inode === this ? fs.complain('a directory in itself') : inode;
  }

  override create(name: string, mode: number, rdev: number, caller: Caller): Inode | Err {
    given.target = 0;
    return this.#make('create', name, mode, rdev, caller);
  }

  override mkdir(name: string, mode: number, caller: Caller): Inode | Err {
    given.target = 0;
    return this.#make('mkdir', name, mode, 0, caller);
  }

  override symlink(name: string, target: string, caller: Caller): Inode | Err {
    if (target.length >= this.fs.textSize) return fail(ENAMETOOLONG);
    if (this.address === 0) return fail(EIO);
    given.target = this.fs.putTarget(target);
    return this.#make('symlink', name, S_IFLNK | 0o777, 0, caller);
  }

  override link(name: string, inode: Inode): number | Err {
    if (!(inode instanceof DriverInode) || this.address === 0 || inode.address === 0) return fail(EIO);
    const result = this.#change('link', inode.address, this.address, this.fs.putName(name));
    if (result === 0) inode.refresh();
    return result;
  }

  override unlink(name: string, inode: Inode): number | Err {
    return this.#remove('unlink', name, inode);
  }

  override rmdir(name: string, inode: Inode): number | Err {
    return this.#remove('rmdir', name, inode);
  }

  override rename(name: string, newParent: Inode, newName: string, flags: number): number | Err {
    const { fs } = this;
    if (!(newParent instanceof DriverDirectory) || this.address === 0) return fail(EIO);
    const moved = this.#known(name);
    const replaced = newParent.#known(newName);
    if (isErr(moved)) return moved;
    if (isErr(replaced) && replaced !== -ENOENT) return replaced;
    const victim = isErr(replaced) ? null : replaced;
    const { space } = fs.kernel.drivers;
    const at = fs.otherAt;
    space.fill(at, 0, RENAME.bytes);
    space.writeU32(at, RENAME.bytes);
    space.writeU32(at + 4, flags);
    const pointers = [
      moved.address,
      this.address,
      fs.putName(name),
      newParent.address,
      fs.putName(newName, true),
      victim?.address ?? 0,
    ];
    for (const [i, pointer] of pointers.entries()) space.writeI64(at + 8 + i * 8, pointer);
    const result = this.#change('rename', at);
    if (result !== 0) return result;
    if (newParent !== this) newParent.refresh();
    moved.refresh();
    victim?.lostName();
    return 0;
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    if (this.address === 0) return fail(EIO);
    for (let at = cookie; ; ) {
      const entries: (DirectoryEntry & { next: number })[] = [];
      this.#entries = entries;
      this.#lastCookie = at;
      const result = this.fs.callForStatus('readdir', this.address, at);
      this.#entries = null;
      for (const entry of entries) {
        if (!emit({ name: entry.name, ino: entry.ino, type: entry.type }, entry.next)) return 0;
      }
      if (isErr(result)) return entries.length > 0 ? 0 : result;
      if (entries.length < BATCH) return 0;
      at = this.#lastCookie;
    }
  }

  /** The driver names an entry. @returns 0; 1 when there is no more room; -EIO */
  add(name: string, ino: number, type: number, next: number): number {
    const entries = this.#entries;
    if (entries === null) return 1;
    if (name === '.' || name === '..') return 0;
    if (!isName(name) || !isNumber(ino) || type > 15) return this.fs.complain('entry that no directory has');
    if (!Number.isSafeInteger(next) || next <= this.#lastCookie) return this.fs.complain('cookie that does not grow');
    this.#lastCookie = next;
    return entries.push({ name, ino, type, next }) < BATCH ? 0 : 1;
  }

  /** What a name leads to; of one that is to be renamed the kernel has an inode. */
  #known(name: string): DriverInode | Err {
    const inode = this.lookup(name);
    return isErr(inode) ? inode : (inode as DriverInode);
  }

  #make(operation: FsOperation, name: string, mode: number, rdev: number, caller: Caller): Inode | Err {
    const { fs } = this;
    if (this.address === 0) return fail(EIO);
    const inherited = inheritFrom(this, mode, caller);
    given.ino = 0;
    given.mode = inherited.mode;
    given.uid = caller.cred.fsuid;
    given.gid = inherited.gid;
    given.length = 0;
    given.blocks = 0;
    given.links = 1;
    given.device = rdev;
    given.data = 0;
    fs.env.now(given.ctime);
    Object.assign(given.atime, given.ctime);
    Object.assign(given.mtime, given.ctime);
    const result = fs.callForAttributes(operation, this.address, fs.putName(name), given);
    if (isErr(result)) return result === fail(EOPNOTSUPP) ? fail(EPERM) : result;
    if ((fs.attributes.mode & S_IFMT) !== (mode & S_IFMT)) return fs.complain(`${operation} made something else`);
    const inode = fs.inodeFound();
    this.refresh();
    return inode;
  }

  #remove(operation: FsOperation, name: string, inode: Inode): number | Err {
    if (!(inode instanceof DriverInode)) return fail(EIO);
    const result = this.#change(operation, this.address, this.fs.putName(name), inode.address);
    if (result === 0) inode.lostName();
    return result;
  }

  #change(operation: FsOperation, a: number, b = 0, c = 0): number | Err {
    if (this.address === 0) return fail(EIO);
    const result = this.fs.callForStatus(operation, a, b, c);
    if (isErr(result)) return result === fail(EOPNOTSUPP) ? fail(EPERM) : result;
    this.refresh();
    return 0;
  }
}
