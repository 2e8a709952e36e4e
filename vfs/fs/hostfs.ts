/**
 * hostfs: a directory of the host as a file system.
 *
 * No name leads out of the directory. Every step is one component, links are read and never followed by the host
 * (our own path walk resolves them, inside the guest's tree), and what a path finds is compared with the inode it
 * should be (device and number). Where the host has paths to descriptors (Linux: /proc/self/fd), each directory is
 * held by a descriptor and names are looked up from there, so that somebody who swaps a directory for a link at
 * the wrong moment changes nothing. Elsewhere every directory on the way is checked just before the call, which
 * leaves a gap for other programs of the host; guests cannot use it, because a call of theirs is one synchronous
 * piece. Device nodes, fifos and sockets of the host are never opened: guests see their own kernel's.
 *
 * A read-only hostfs refuses changes itself, whatever becomes of the flags of its mounts.
 */
import { EACCES, ENOENT, ENOTDIR, EPERM, ERRNO_NAMES, type Err, ESTALE, fail, isErr } from '../../abi/errno.js';
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from '../../abi/fcntl.js';
import { MS_RDONLY } from '../../abi/mount.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../filesystem.js';
import { HostDirectory } from './hostfs-directory.js';
import { HostFile } from './hostfs-file.js';
import { type HostFiles, type HostStat, hostPath } from './hostfs-files.js';
import { type HostInode, HostNode, HostSymlink } from './hostfs-inode.js';

export type { HostFiles, HostStat } from './hostfs-files.js';

/** As User-mode Linux's file system of this name. @source linux/magic.h HOSTFS_SUPER_MAGIC */
const HOSTFS_SUPER_MAGIC = 0x00c0ffee;
/** Of all memory, what pages of files may take that nobody uses, as one part of so many; and the number of such files. */
const RESTING_SHARE = 16;
const RESTING_FILES = 64;
/** Descriptors kept for directories, besides those of open files. */
const HANDLE_LIMIT = 128;
/** Room for inode numbers of one host device; others of the same tree get numbers above. */
const INO_RANGE = 2 ** 48;

export interface HostfsOptions {
  host: HostFiles;
  /** Directory of the host, as the embedder writes it (Unicode). */
  path: string;
  readOnly: boolean;
}

/** A directory or archive of the host that cannot serve as a file system. `code` is an errno name where there is one. */
export class HostPathError extends Error {
  readonly code: string;
  readonly path: string;

  constructor(path: string, error: Err | string) {
    const known = typeof error === 'number' ? ERRNO_NAMES.get(-error) : undefined;
    super(`${path}: ${typeof error === 'string' ? error : (EXPLANATIONS.get(-error) ?? known?.message ?? error)}`);
    this.name = 'HostPathError';
    this.code = known?.name ?? 'EINVAL';
    this.path = path;
  }
}

const EXPLANATIONS = new Map<number, string>([
  [ENOENT, 'no such file or directory on the host'],
  [ENOTDIR, 'not a directory of the host'],
  [EACCES, 'the host does not let this user read it'],
  [EPERM, 'the host does not let this user read it'],
]);

export class Hostfs extends FileSystem {
  readonly host: HostFiles;
  readonly readOnly: boolean;
  override readonly root: HostDirectory;
  /** Real path of the directory. */
  readonly path: string;
  readonly #rootDescriptor: number;
  readonly #inodes = new Map<string, HostInode>();
  readonly #handles = new Map<HostDirectory, number>();
  /** Directories that nobody used when they were put here, the longest first. */
  readonly #resting = new Set<HostDirectory>();
  /** Files that nobody used when they were put here, the longest first; they keep their pages for who opens them next. */
  readonly #restingFiles = new Set<HostFile>();
  readonly #devices: number[] = [];
  #hostMoment = -1;
  #moment = 0;

  /** @throws HostPathError when the directory is missing or cannot be read */
  constructor(env: VfsEnv, device: number, options: HostfsOptions) {
    super(env, 'hostfs', device);
    const { host, path, readOnly } = options;
    this.host = host;
    this.readOnly = readOnly;
    if (readOnly) this.flags |= MS_RDONLY;
    const real = host.realpath(hostPath(path));
    if (isErr(real)) throw new HostPathError(path, real);
    this.path = real;
    // For reading first, to learn now and not in the middle of a session that it cannot be read.
    const descriptor = host.open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (isErr(descriptor)) throw new HostPathError(path, descriptor);
    const stat = host.statDescriptor(descriptor);
    if (isErr(stat)) throw new HostPathError(path, stat);
    this.#rootDescriptor = descriptor;
    this.root = new HostDirectory(this, stat, null, '');
    this.#inodes.set(stat.key, this.root);
  }

  override statfs(): FsStatistics {
    const figures = this.host.statfs(this.path);
    return isErr(figures)
      ? { type: HOSTFS_SUPER_MAGIC, blockSize: 4096, blocks: 0, blocksFree: 0, files: 0, filesFree: 0, nameLength: 255 }
      : { ...figures, type: HOSTFS_SUPER_MAGIC };
  }

  override sync(): number | Err {
    let result: number | Err = 0;
    for (const inode of this.#inodes.values()) {
      if (!(inode instanceof HostFile)) continue;
      const error = inode.pages.writeBack();
      if (isErr(error)) result = error;
    }
    return result;
  }

  override dispose(): void {
    this.sync();
    for (const inode of this.#inodes.values()) inode.evict();
    for (const fd of this.#handles.values()) this.host.close(fd);
    this.#handles.clear();
    this.#resting.clear();
    this.#restingFiles.clear();
    this.#inodes.clear();
    this.host.close(this.#rootDescriptor);
  }

  /** Changes when what was seen of the host may be out of date: other code ran, or we changed something. */
  get moment(): number {
    const moment = this.host.moment();
    if (moment !== this.#hostMoment) {
      this.#hostMoment = moment;
      this.#moment++;
    }
    return this.#moment;
  }

  /** We changed something of the host. */
  changed(): void {
    this.#moment++;
  }

  /** Inode number of the guest: the host's, apart for each device of the host. */
  inodeNumber(stat: HostStat): number {
    let index = this.#devices.indexOf(stat.dev);
    if (index < 0) index = this.#devices.push(stat.dev) - 1;
    return (index % 16) * INO_RANGE + (stat.ino % INO_RANGE);
  }

  /**
   * The one inode of a host file that was found as `name` in `parent`.
   * @param isFresh the host has just said so; else an inode in use may know better
   */
  inodeFor(stat: HostStat, parent: HostDirectory, name: string, isFresh = true): HostInode {
    const known = this.#inodes.get(stat.key);
    // A number that was used again belongs to another file.
    if (known !== undefined && known.nlink > 0 && (known.mode & S_IFMT) === (stat.mode & S_IFMT)) {
      if (isFresh) known.refresh(stat);
      known.relocate(parent, name);
      return known;
    }
    const inode = this.#make(stat, parent, name);
    this.#inodes.set(stat.key, inode);
    return inode;
  }

  /** The inode of a host file if anybody uses it. */
  known(stat: HostStat): HostInode | undefined {
    return this.#inodes.get(stat.key);
  }

  /** Nobody uses `inode` any more. */
  drop(inode: HostInode): void {
    if (inode === this.root) return;
    if (inode instanceof HostDirectory && inode.nlink > 0 && this.#inodes.get(inode.key) === inode) {
      this.#rest(inode);
      return;
    }
    this.#remove(inode);
  }

  /** Directories are soon walked through again: the last ones stay, with their descriptors. */
  #rest(directory: HostDirectory): void {
    this.#resting.delete(directory);
    this.#resting.add(directory);
    if (this.#resting.size <= HANDLE_LIMIT) return;
    for (const oldest of this.#resting) {
      this.#resting.delete(oldest);
      if (oldest.dentries === 0) this.#remove(oldest);
      break;
    }
  }

  /**
   * Nobody uses `file` any more, but programs are soon run again: the last ones stay, with what the processor knows of
   * their code. The next look at the host tells whether the pages are still right.
   */
  restFile(file: HostFile): void {
    this.#restingFiles.delete(file);
    this.#restingFiles.add(file);
    const most = this.env.frames.limitFrames / RESTING_SHARE;
    let pages = 0;
    for (const { pages: cache, dentries } of this.#restingFiles) if (dentries === 0) pages += cache.count;
    for (const oldest of this.#restingFiles) {
      if (pages <= most && this.#restingFiles.size <= RESTING_FILES) break;
      if (oldest.dentries === 0) pages -= oldest.pages.count;
      this.#dismiss(oldest);
    }
  }

  override shrink(): boolean {
    const before = this.#restingFiles.size;
    for (const file of this.#restingFiles) this.#dismiss(file);
    return before > 0;
  }

  #dismiss(file: HostFile): void {
    this.#restingFiles.delete(file);
    if (file.dentries === 0) file.evict();
  }

  #remove(inode: HostInode): void {
    if (inode instanceof HostFile) this.#restingFiles.delete(inode);
    if (this.#inodes.get(inode.key) === inode) this.#inodes.delete(inode.key);
    if (inode instanceof HostDirectory) this.#closeHandle(inode);
  }

  /**
   * A path of the host that leads to `directory` for the next call, and to nothing else.
   * @returns latin1, without a slash behind it; -ESTALE when something else is there now
   */
  directoryPath(directory: HostDirectory): string | Err {
    const anchor = this.host.descriptorPath(this.#rootDescriptor);
    return anchor === null ? this.#checkedPath(directory) : this.#anchoredPath(directory, anchor);
  }

  #anchoredPath(directory: HostDirectory, anchor: string): string | Err {
    if (directory.parent === null) return anchor;
    let fd = this.#handles.get(directory);
    if (fd === undefined) {
      const path = directory.location();
      if (isErr(path)) return path;
      fd = this.openVerified(path, O_PATH | O_DIRECTORY, directory);
      if (isErr(fd)) return fd;
      if (this.#handles.size >= HANDLE_LIMIT) {
        for (const oldest of this.#handles.keys()) {
          this.#closeHandle(oldest);
          break;
        }
      }
    } else this.#handles.delete(directory);
    this.#handles.set(directory, fd);
    return this.host.descriptorPath(fd)!;
  }

  #checkedPath(directory: HostDirectory): string | Err {
    const path = directory.parent === null ? this.path : directory.location();
    if (isErr(path)) return path;
    const stat = this.host.lstat(path);
    if (isErr(stat)) return stat;
    return stat.key === directory.key && (stat.mode & S_IFMT) === S_IFDIR ? path : fail(ESTALE);
  }

  /** Opens `path` without following a link at its end. @returns descriptor; -ESTALE when it is not `inode` */
  openVerified(path: string, flags: number, inode: HostInode): number | Err {
    const { host } = this;
    const fd = host.open(path, flags | O_NOFOLLOW, 0);
    if (isErr(fd)) return fd;
    const stat = host.statDescriptor(fd);
    if (!isErr(stat) && stat.key === inode.key && (stat.mode & S_IFMT) === (inode.mode & S_IFMT)) {
      inode.refresh(stat);
      return fd;
    }
    host.close(fd);
    return isErr(stat) ? stat : fail(ESTALE);
  }

  #closeHandle(directory: HostDirectory): void {
    const fd = this.#handles.get(directory);
    if (fd === undefined) return;
    this.#handles.delete(directory);
    this.host.close(fd);
  }

  #make(stat: HostStat, parent: HostDirectory, name: string): HostInode {
    switch (stat.mode & S_IFMT) {
      case S_IFDIR:
        return new HostDirectory(this, stat, parent, name);
      case S_IFREG:
        return new HostFile(this, stat, parent, name);
      case S_IFLNK:
        return new HostSymlink(this, stat, parent, name);
      default:
        return new HostNode(this, stat, parent, name);
    }
  }
}
