/**
 * A directory of the host as a root file system, copy-on-write.
 *
 * A directory is listed when it is first looked into; its entries become nodes in memory with the host's metadata.
 * Data of files is read page by page when it is needed. What is in memory is never looked up again, so changes that
 * the host makes show up in part, as with every overlay. The lower side is a read-only hostfs, which keeps every
 * path inside the directory.
 */
import { EIO, type Err, ESTALE, fail, isErr } from '../../abi/errno.js';
import { O_NOATIME, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from '../../abi/fcntl.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import type { VfsEnv } from '../filesystem.js';
import type { DirectoryEntry, Inode } from '../inode.js';
import { Hostfs } from './hostfs.js';
import { HostDirectory } from './hostfs-directory.js';
import type { HostFiles, HostStat } from './hostfs-files.js';
import { MemoryDirectory } from './memory-directory.js';
import { MemoryFile } from './memory-file.js';
import type { MemoryFileSystem, MemoryInode } from './memory-fs.js';
import { MemoryNode } from './memory-node.js';
import type { FileBacking } from './memory-pages.js';
import { MemorySymlink } from './memory-symlink.js';
import { Tmpfs } from './tmpfs.js';

const INODE_LIMIT = 1 << 20;
/** Host files that are kept open for reading. */
const OPEN_LIMIT = 64;

export class DirectoryRootfs extends Tmpfs {
  readonly lower: Hostfs;
  readonly host: HostFiles;
  /** Files with several names on the host, by host identity. */
  readonly #linked = new Map<string, MemoryInode>();
  readonly #open = new Map<HostBacking, number>();

  /** @throws HostPathError when the directory cannot be read */
  constructor(env: VfsEnv, device: number, host: HostFiles, path: string) {
    const lower = new Hostfs(env, device, { host, path, readOnly: true });
    super(env, device, { mode: lower.root.mode & ~S_IFMT, inodeLimit: INODE_LIMIT });
    this.lower = lower;
    this.host = host;
    (this.root as LazyDirectory).follow(lower.root);
    copyMetadata(this.root, lower.root);
  }

  override options(): string {
    return '';
  }

  protected override makeRoot(ino: number, mode: number): MemoryDirectory {
    return new LazyDirectory(this, ino, mode);
  }

  override dispose(): void {
    super.dispose();
    // Files that lost their last name here while the host knows another one.
    for (const inode of this.#linked.values()) if (inode instanceof MemoryFile) inode.pages.release();
    this.#linked.clear();
    for (const fd of this.#open.values()) this.host.close(fd);
    this.#open.clear();
    this.lower.shutdown();
  }

  /** Makes the node of a host file that was found as `name` in `parent`. */
  adopt(stat: HostStat, parent: HostDirectory, name: string): MemoryInode | Err {
    const known = stat.nlink > 1 ? this.#linked.get(stat.key) : undefined;
    if (known !== undefined && known.nlink > 0) return known;
    const inode = this.#make(stat, parent, name);
    if (isErr(inode)) return inode;
    copyMetadata(inode, stat);
    if (!inode.isDirectory && stat.nlink > 1) {
      for (let i = 1; i < stat.nlink && !isErr(this.takeLink()); i++) inode.nlink++;
      this.#linked.set(stat.key, inode);
    }
    return inode;
  }

  /** Descriptor to read `backing` from, which stays the file system's. */
  descriptor(backing: HostBacking): number | Err {
    let fd = this.#open.get(backing);
    if (fd !== undefined) {
      this.#open.delete(backing);
      this.#open.set(backing, fd);
      return fd;
    }
    fd = backing.open();
    if (isErr(fd)) return fd;
    if (this.#open.size >= OPEN_LIMIT) {
      for (const oldest of this.#open.keys()) {
        this.closeBacking(oldest);
        break;
      }
    }
    this.#open.set(backing, fd);
    return fd;
  }

  closeBacking(backing: HostBacking): void {
    const fd = this.#open.get(backing);
    if (fd === undefined) return;
    this.#open.delete(backing);
    this.host.close(fd);
  }

  #make(stat: HostStat, parent: HostDirectory, name: string): MemoryInode | Err {
    const type = stat.mode & S_IFMT;
    let target: string | Err = '';
    if (type === S_IFLNK) {
      const path = this.lower.directoryPath(parent);
      target = isErr(path) ? path : this.host.readlink(`${path}/${name}`);
      if (isErr(target)) return target;
    }
    const ino = this.takeInode();
    if (isErr(ino)) return ino;
    switch (type) {
      case S_IFDIR: {
        const directory = new LazyDirectory(this, ino, stat.mode);
        const lower = this.lower.inodeFor(stat, parent, name);
        if (lower instanceof HostDirectory) directory.follow(lower);
        return directory;
      }
      case S_IFLNK:
        return new MemorySymlink(this, ino, target);
      case S_IFREG:
        return new MemoryFile(this, ino, stat.mode, stat.size === 0 ? null : new HostBacking(this, stat, parent, name));
      default:
        return new MemoryNode(this, ino, stat.mode, stat.rdev);
    }
  }
}

function copyMetadata(inode: Inode, from: Pick<HostStat, 'mode' | 'uid' | 'gid' | 'atime' | 'mtime' | 'ctime'>): void {
  inode.mode = from.mode;
  inode.uid = from.uid;
  inode.gid = from.gid;
  Object.assign(inode.atime, from.atime);
  Object.assign(inode.mtime, from.mtime);
  Object.assign(inode.ctime, from.ctime);
}

/** The data of one host file, as long as nothing else is known of it. */
class HostBacking implements FileBacking {
  readonly length: number;
  readonly #fs: DirectoryRootfs;
  readonly #parent: HostDirectory;
  readonly #name: string;
  readonly #key: string;

  constructor(fs: DirectoryRootfs, stat: HostStat, parent: HostDirectory, name: string) {
    this.length = stat.size;
    this.#fs = fs;
    this.#parent = parent;
    this.#name = name;
    this.#key = stat.key;
  }

  read(position: number, target: Uint8Array): number | Err {
    const fd = this.#fs.descriptor(this);
    return isErr(fd) ? fd : this.#fs.host.read(fd, target, position);
  }

  release(): void {
    this.#fs.closeBacking(this);
  }

  open(): number | Err {
    const { host, lower } = this.#fs;
    const directory = lower.directoryPath(this.#parent);
    if (isErr(directory)) return directory;
    const path = `${directory}/${this.#name}`;
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    // The access time of the host's file stays, where the host lets us.
    const quiet = host.open(path, flags | O_NOATIME, 0);
    const fd = isErr(quiet) ? host.open(path, flags, 0) : quiet;
    if (isErr(fd)) return fd;
    const stat = host.statDescriptor(fd);
    if (!isErr(stat) && stat.key === this.#key) return fd;
    host.close(fd);
    return fail(ESTALE);
  }
}

/** A directory whose entries come from the host when somebody looks. */
class LazyDirectory extends MemoryDirectory {
  /** null once the entries are here. */
  #lower: HostDirectory | null = null;

  /** Entries are to come from `lower`. Until then its count of links stands in; not every host counts directories. */
  follow(lower: HostDirectory): void {
    this.#lower = lower;
    this.nlink = Math.max(2, lower.nlink);
  }

  override get size(): number {
    this.#load();
    return super.size;
  }

  override get isEmpty(): boolean {
    return this.#load() === 0 && super.isEmpty;
  }

  override lookup(name: string): Inode | Err {
    const error = this.#load();
    return error === 0 ? super.lookup(name) : error;
  }

  override create(name: string, mode: number, rdev: number, caller: Caller): Inode | Err {
    const error = this.#load();
    return error === 0 ? super.create(name, mode, rdev, caller) : error;
  }

  override mkdir(name: string, mode: number, caller: Caller): Inode | Err {
    const error = this.#load();
    return error === 0 ? super.mkdir(name, mode, caller) : error;
  }

  override symlink(name: string, target: string, caller: Caller): Inode | Err {
    const error = this.#load();
    return error === 0 ? super.symlink(name, target, caller) : error;
  }

  override link(name: string, inode: Inode): number | Err {
    const error = this.#load();
    return error === 0 ? super.link(name, inode) : error;
  }

  override rename(name: string, newParent: Inode, newName: string, flags: number): number | Err {
    let error = this.#load();
    if (error === 0 && newParent instanceof LazyDirectory) error = newParent.#load();
    return error === 0 ? super.rename(name, newParent, newName, flags) : error;
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    const error = this.#load();
    return error === 0 ? super.readdir(cookie, emit) : error;
  }

  protected override makeDirectory(ino: number, mode: number): MemoryDirectory {
    return new LazyDirectory(this.memory, ino, mode);
  }

  /** Takes the entries over. All or nothing: an error leaves the directory for another try. */
  #load(): 0 | Err {
    const lower = this.#lower;
    if (lower === null) return 0;
    const fs = this.memory as MemoryFileSystem as DirectoryRootfs;
    const path = fs.lower.directoryPath(lower);
    if (isErr(path)) return path;
    const names = fs.host.list(path);
    if (isErr(names)) return names;
    const found: [string, MemoryInode][] = [];
    // Listing goes from the newest entry to the oldest: taken over backwards, the host's order remains.
    for (const name of names.reverse()) {
      const stat = fs.host.lstat(`${path}/${name}`);
      if (isErr(stat)) continue;
      const inode = fs.adopt(stat, lower, name);
      if (isErr(inode)) return inode === -EIO ? fail(EIO) : inode;
      found.push([name, inode]);
    }
    this.#lower = null;
    this.nlink = 2;
    for (const [name, inode] of found) {
      this.add(name, inode);
      if (inode.isDirectory) this.nlink++;
    }
    return 0;
  }
}
