/**
 * A tar archive as a root file system: names and metadata are taken over at once; data stays in the archive, or in
 * memory when the archive is compressed, until a page of it is needed.
 *
 * Names never lead out: they are walked in the tree being built, where absolute links start at its root and `..` ends
 * there. Members with `..` in their name are refused all the same, because no honest archive has them.
 */
import { EIO, ERRNO_NAMES, type Err, fail, isErr } from '../../abi/errno.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG } from '../../abi/stat.js';
import { makeDevice } from '../devices.js';
import type { VfsEnv } from '../filesystem.js';
import type { HostFiles } from './hostfs-files.js';
import { MemoryDirectory } from './memory-directory.js';
import { MemoryFile } from './memory-file.js';
import type { MemoryInode } from './memory-fs.js';
import { MemoryNode } from './memory-node.js';
import type { FileBacking } from './memory-pages.js';
import { MemorySymlink } from './memory-symlink.js';
import { TarError, type TarInput, type TarMember, tarMembers } from './tar.js';
import { Tmpfs } from './tmpfs.js';

const INODE_LIMIT = 1 << 20;
const NAME_MAX = 255;
const PATH_MAX = 4096;
const MAX_LINKS = 40;
const ROOT_MODE = 0o755;

export class ArchiveRootfs extends Tmpfs {
  readonly #host: HostFiles;
  readonly #fd: number;

  /** @param fd descriptor of the archive, which is the file system's from now on; -1 when data comes with the stream */
  constructor(env: VfsEnv, device: number, host: HostFiles, fd: number) {
    super(env, device, { mode: ROOT_MODE, inodeLimit: INODE_LIMIT });
    this.#host = host;
    this.#fd = fd;
  }

  override options(): string {
    return '';
  }

  override dispose(): void {
    super.dispose();
    if (this.#fd >= 0) this.#host.close(this.#fd);
  }

  /** Takes all members over. @throws TarError */
  async fill(input: TarInput): Promise<void> {
    for await (const member of tarMembers(input)) await this.#enter(member, input);
  }

  async #enter(member: TarMember, input: TarInput): Promise<void> {
    const parts = components(member.name);
    const name = parts.pop();
    if (name === undefined) {
      if (member.type === 'directory') setMetadata(this.root, member);
      return;
    }
    const parent = this.#directory(parts, member.name);
    const old = parent.lookup(name);
    if (!isErr(old)) {
      if (old instanceof MemoryDirectory && member.type === 'directory') {
        setMetadata(old, member);
        return;
      }
      // An archive may link a file to itself: one and the same member twice.
      if (member.type === 'link' && this.#find(components(member.linkName)) === old) return;
      this.#remove(parent, name, old as MemoryInode, member.name);
    }
    if (member.type === 'link') return this.#link(parent, name, member);
    const inode = await this.#make(member, input);
    setMetadata(inode, member);
    parent.add(name, inode);
    if (inode.isDirectory) parent.nlink++;
  }

  async #make(member: TarMember, input: TarInput): Promise<MemoryInode> {
    const backing = member.type === 'file' && member.size > 0 ? await this.#backing(member, input) : null;
    const ino = this.takeInode();
    if (isErr(ino)) throw new TarError(`the archive has more than ${INODE_LIMIT} members`);
    const device = makeDevice(member.major, member.minor);
    switch (member.type) {
      case 'directory':
        return new MemoryDirectory(this, ino, S_IFDIR);
      case 'symlink':
        return new MemorySymlink(this, ino, member.linkName);
      case 'character':
        return new MemoryNode(this, ino, S_IFCHR, device);
      case 'block':
        return new MemoryNode(this, ino, S_IFBLK, device);
      case 'fifo':
        return new MemoryNode(this, ino, S_IFIFO, 0);
      default:
        return new MemoryFile(this, ino, S_IFREG, backing);
    }
  }

  async #backing({ name, size, position }: TarMember, input: TarInput): Promise<FileBacking> {
    if (this.#fd >= 0) return new ArchiveBacking(this.#host, this.#fd, position, size);
    const bytes = await input.read(size);
    if (bytes.length < size) throw new TarError(`the archive is truncated in '${name}'`);
    // A copy: the bytes are part of a larger chunk, which would stay alive.
    return new BytesBacking(bytes.slice());
  }

  #link(parent: MemoryDirectory, name: string, member: TarMember): void {
    const target = this.#find(components(member.linkName));
    if (target === null || target instanceof MemoryDirectory) {
      throw new TarError(
        `'${member.name}' is a link to '${member.linkName}', which is no file before it in the archive`,
      );
    }
    const linked = keepingTimes(parent, () => parent.link(name, target));
    if (isErr(linked)) throw new TarError(`'${member.name}': ${ERRNO_NAMES.get(-linked)?.message}`);
  }

  #remove(parent: MemoryDirectory, name: string, old: MemoryInode, whole: string): void {
    const removed = keepingTimes(parent, () =>
      old instanceof MemoryDirectory ? parent.rmdir(name, old) : parent.unlink(name, old),
    );
    if (isErr(removed)) throw new TarError(`'${whole}' comes twice, once as a directory with files in it`);
    if (old.nlink === 0) old.evict();
  }

  /** The directory `parts`, made where it is missing; links on the way are followed inside the tree. */
  #directory(parts: readonly string[], whole: string): MemoryDirectory {
    const found = this.#walk(parts, true);
    if (found instanceof MemoryDirectory) return found;
    throw new TarError(`'${whole}' lies below something that is no directory`);
  }

  #find(parts: readonly string[]): MemoryInode | null {
    return this.#walk(parts, false);
  }

  #walk(path: readonly string[], create: boolean): MemoryInode | null {
    const above: MemoryDirectory[] = [];
    let here: MemoryInode = this.root;
    let links = 0;
    const rest = [...path].reverse();
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      if (!(here instanceof MemoryDirectory)) return null;
      if (part === '..') {
        here = above.pop() ?? this.root;
        continue;
      }
      let next = here.lookup(part);
      if (isErr(next) && create) next = this.#makeParent(here, part);
      if (isErr(next)) return null;
      if (next instanceof MemorySymlink && (create || rest.length > 0)) {
        if (links++ >= MAX_LINKS) return null;
        if (next.target.startsWith('/')) {
          above.length = 0;
          here = this.root;
        }
        rest.push(...split(next.target).reverse());
        continue;
      }
      above.push(here);
      here = next as MemoryInode;
    }
    return here;
  }

  /** A directory that members lie in though the archive does not have it. */
  #makeParent(parent: MemoryDirectory, name: string): MemoryDirectory | Err {
    const ino = this.takeInode();
    if (isErr(ino)) return ino;
    const directory = new MemoryDirectory(this, ino, S_IFDIR | ROOT_MODE);
    parent.add(name, directory);
    parent.nlink++;
    return directory;
  }
}

const split = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** A member's name as components below the root. @throws TarError for names that lead out or are too long */
function components(name: string): string[] {
  const parts = split(name);
  if (name.length > PATH_MAX || parts.some((part) => part.length > NAME_MAX)) {
    throw new TarError(`a name of ${name.length} bytes is too long`);
  }
  if (parts.includes('..')) throw new TarError(`'${name}' leads out of the archive`);
  return parts;
}

function setMetadata(inode: MemoryInode, { mode, uid, gid, mtime }: TarMember): void {
  inode.mode = inode.isSymlink ? inode.mode : (inode.mode & ~0o7777) | mode;
  inode.uid = uid;
  inode.gid = gid;
  for (const time of [inode.atime, inode.mtime, inode.ctime]) Object.assign(time, mtime);
}

/** Building the tree is no change of its directories: their times are those of the archive. */
function keepingTimes<T>(directory: MemoryDirectory, change: () => T): T {
  const mtime = { ...directory.mtime };
  const ctime = { ...directory.ctime };
  const result = change();
  Object.assign(directory.mtime, mtime);
  Object.assign(directory.ctime, ctime);
  return result;
}

class ArchiveBacking implements FileBacking {
  readonly length: number;
  readonly #host: HostFiles;
  readonly #fd: number;
  readonly #start: number;

  constructor(host: HostFiles, fd: number, start: number, length: number) {
    this.#host = host;
    this.#fd = fd;
    this.#start = start;
    this.length = length;
  }

  read(position: number, target: Uint8Array): number | Err {
    const got = this.#host.read(this.#fd, target, this.#start + position);
    return isErr(got) || got === target.length ? got : fail(EIO);
  }
}

class BytesBacking implements FileBacking {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  read(position: number, target: Uint8Array): number | Err {
    target.set(this.#bytes.subarray(position, position + target.length));
    return target.length;
  }
}

const HEADER_BUFFER = 1 << 16;

/** Input over a file of the host, which skips without reading. */
export class FileInput implements TarInput {
  position = 0;
  readonly #host: HostFiles;
  readonly #fd: number;
  readonly #length: number;
  readonly #buffer = new Uint8Array(HEADER_BUFFER);

  constructor(host: HostFiles, fd: number) {
    this.#host = host;
    this.#fd = fd;
    const stat = host.statDescriptor(fd);
    this.#length = isErr(stat) ? 0 : stat.size;
  }

  async read(count: number): Promise<Uint8Array> {
    const target = count <= HEADER_BUFFER ? this.#buffer.subarray(0, count) : new Uint8Array(count);
    const got = this.#host.read(this.#fd, target, this.position);
    if (isErr(got)) throw new TarError(`cannot be read: ${ERRNO_NAMES.get(-got)?.message}`);
    this.position += got;
    return target.subarray(0, got);
  }

  async skip(count: number): Promise<number> {
    const skipped = Math.max(0, Math.min(count, this.#length - this.position));
    this.position += skipped;
    return skipped;
  }
}
