/**
 * `kernel.fs`: the files of the guest with the shape of node:fs/promises, so that libraries written for Node work on
 * them. Process 1 makes the calls, with the superuser's rights. Paths are the guest's; relative ones start at '/'.
 */

import * as fcntl from '../../abi/fcntl.js';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CREAT, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY } from '../../abi/fcntl.js';
import * as stat from '../../abi/stat.js';
import type { StatFs } from '../attributes.js';
import { shown } from '../calls.js';
import type { Libc } from '../libc.js';
import { NodeDir } from './dir.js';
import { type Encoding, type EncodingOption, FileHandle, type Writable } from './file-handle.js';
import { BigIntStats, NodeDirent, Stats } from './stats.js';
import { calling, flagsOf, hasCode, modeOf, type NodePath, type NodeTime, pathOf, timeOf } from './support.js';

/** Bits of copyFile's mode; cloning is a file system's business here. @source nodejs.org/api/fs.html, file copy constants */
const COPYFILE_EXCL = 1;
const COPYFILE_MASK = 7;

interface ReaddirOptions {
  encoding?: Encoding;
  withFileTypes?: boolean;
  recursive?: boolean;
}

const join = (directory: string, name: string): string =>
  directory.endsWith('/') ? directory + name : `${directory}/${name}`;

export class FsPromises {
  readonly #libc: Libc;
  // The type is written out: what is made of it for users must not depend on how the compiler prints each number.
  readonly constants: typeof fcntl & typeof stat & { readonly COPYFILE_EXCL: number } = {
    ...fcntl,
    ...stat,
    COPYFILE_EXCL,
  };

  /** @internal */
  constructor(libc: Libc) {
    this.#libc = libc;
  }

  async open(path: NodePath, flags: string | number = 'r', mode?: number | string): Promise<FileHandle> {
    const name = pathOf(path);
    return calling('open', path, async () => {
      return new FileHandle(
        this.#libc,
        await this.#libc.open(name, flagsOf(flags) | fcntl.O_CLOEXEC, modeOf(mode, 0o666)),
      );
    });
  }

  readFile(
    path: NodePath | FileHandle,
    options?: { encoding?: null | 'buffer'; flag?: string | number } | null,
  ): Promise<Buffer>;
  readFile(
    path: NodePath | FileHandle,
    options: BufferEncoding | { encoding: BufferEncoding; flag?: string | number },
  ): Promise<string>;
  readFile(path: NodePath | FileHandle, options?: EncodingOption): Promise<Buffer | string>;
  async readFile(path: NodePath | FileHandle, options?: EncodingOption): Promise<Buffer | string> {
    return this.#with(path, flagOf(options, 'r'), undefined, (file) => file.readFile(options));
  }

  async writeFile(path: NodePath | FileHandle, data: Writable, options?: EncodingOption): Promise<void> {
    await this.#with(path, flagOf(options, 'w'), modeIn(options), (file) => file.writeFile(data, options));
  }

  async appendFile(path: NodePath | FileHandle, data: Writable, options?: EncodingOption): Promise<void> {
    await this.#with(path, flagOf(options, 'a'), modeIn(options), (file) => file.writeFile(data, options));
  }

  async access(path: NodePath, mode = fcntl.F_OK): Promise<void> {
    await calling('access', path, () => this.#libc.access(pathOf(path), mode));
  }

  stat(path: NodePath, options: { bigint: true }): Promise<BigIntStats>;
  stat(path: NodePath, options?: { bigint?: false }): Promise<Stats>;
  async stat(path: NodePath, options: { bigint?: boolean } = {}): Promise<Stats | BigIntStats> {
    const found = await calling('stat', path, () => this.#libc.stat(pathOf(path)));
    return options?.bigint ? new BigIntStats(found) : new Stats(found);
  }

  lstat(path: NodePath, options: { bigint: true }): Promise<BigIntStats>;
  lstat(path: NodePath, options?: { bigint?: false }): Promise<Stats>;
  async lstat(path: NodePath, options: { bigint?: boolean } = {}): Promise<Stats | BigIntStats> {
    const found = await calling('lstat', path, () => this.#libc.lstat(pathOf(path)));
    return options?.bigint ? new BigIntStats(found) : new Stats(found);
  }

  async statfs(
    path: NodePath,
  ): Promise<Record<'type' | 'bsize' | 'blocks' | 'bfree' | 'bavail' | 'files' | 'ffree', number>> {
    const found: StatFs = await calling('statfs', path, () => this.#libc.statfs(pathOf(path)));
    const { f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree } = found;
    return {
      type: f_type,
      bsize: f_bsize,
      blocks: f_blocks,
      bfree: f_bfree,
      bavail: f_bavail,
      files: f_files,
      ffree: f_ffree,
    };
  }

  /** @returns with `recursive` the first directory that was made, undefined when all were there */
  async mkdir(
    path: NodePath,
    options?: number | string | { recursive?: boolean; mode?: number | string } | null,
  ): Promise<string | undefined> {
    const { recursive = false, mode } =
      typeof options === 'object' && options !== null ? options : { mode: options ?? undefined };
    const name = pathOf(path);
    return calling('mkdir', path, () => {
      if (recursive) return this.#mkdirs(shown(name), modeOf(mode, 0o777));
      this.#libc.mkdir(name, modeOf(mode, 0o777));
      return undefined;
    });
  }

  /** @returns a new directory's name: `prefix` and six letters */
  async mkdtemp(prefix: string): Promise<string> {
    return calling('mkdtemp', `${prefix}XXXXXX`, () => this.#libc.mkdtemp(`${prefix}XXXXXX`));
  }

  readdir(path: NodePath, options: { withFileTypes: true; recursive?: boolean }): Promise<NodeDirent[]>;
  readdir(
    path: NodePath,
    options?: BufferEncoding | { encoding?: Encoding; withFileTypes?: false; recursive?: boolean } | null,
  ): Promise<string[]>;
  async readdir(path: NodePath, options?: BufferEncoding | ReaddirOptions | null): Promise<string[] | NodeDirent[]> {
    const { withFileTypes = false, recursive = false } = typeof options === 'object' && options !== null ? options : {};
    const root = shown(pathOf(path));
    const found: NodeDirent[] = [];
    await calling('scandir', path, () => this.#list(root, recursive, found));
    if (withFileTypes) return found;
    const base = root.endsWith('/') ? root.length : root.length + 1;
    return found.map(({ name, parentPath }) => join(parentPath, name).slice(base));
  }

  async opendir(path: NodePath): Promise<NodeDir> {
    const name = pathOf(path);
    return calling('opendir', path, () => new NodeDir(shown(name), this.#libc.opendir(name)));
  }

  async rmdir(path: NodePath): Promise<void> {
    await calling('rmdir', path, () => this.#libc.rmdir(pathOf(path)));
  }

  async unlink(path: NodePath): Promise<void> {
    await calling('unlink', path, () => this.#libc.unlink(pathOf(path)));
  }

  async rm(
    path: NodePath,
    { force = false, recursive = false }: { force?: boolean; recursive?: boolean } = {},
  ): Promise<void> {
    try {
      await calling('rm', path, () => this.#remove(shown(pathOf(path)), recursive));
    } catch (error) {
      if (!(force && hasCode(error, 'ENOENT'))) throw error;
    }
  }

  async rename(from: NodePath, to: NodePath): Promise<void> {
    await calling('rename', from, () => this.#libc.rename(pathOf(from), pathOf(to)));
  }

  async link(from: NodePath, to: NodePath): Promise<void> {
    await calling('link', from, () => this.#libc.link(pathOf(from), pathOf(to)));
  }

  /** @param _type matters to Windows only */
  async symlink(target: NodePath, path: NodePath, _type?: string | null): Promise<void> {
    await calling('symlink', target, () => this.#libc.symlink(pathOf(target), pathOf(path)));
  }

  readlink(path: NodePath, options: 'buffer' | { encoding: 'buffer' }): Promise<Buffer>;
  readlink(path: NodePath, options?: EncodingOption): Promise<string>;
  async readlink(path: NodePath, options?: EncodingOption): Promise<string | Buffer> {
    const target = await calling('readlink', path, () => this.#libc.readlink(pathOf(path)));
    const encoding = typeof options === 'object' && options !== null ? options.encoding : options;
    return encoding === 'buffer' ? Buffer.from(target) : target;
  }

  async realpath(path: NodePath): Promise<string> {
    return calling('realpath', path, () => this.#libc.realpath(shown(pathOf(path))));
  }

  async truncate(path: NodePath, length = 0): Promise<void> {
    await calling('open', path, () => this.#libc.truncate(pathOf(path), length));
  }

  async chmod(path: NodePath, mode: number | string): Promise<void> {
    await calling('chmod', path, () => this.#libc.chmod(pathOf(path), modeOf(mode, 0)));
  }

  async chown(path: NodePath, uid: number, gid: number): Promise<void> {
    await calling('chown', path, () => this.#libc.chown(pathOf(path), uid, gid));
  }

  async lchown(path: NodePath, uid: number, gid: number): Promise<void> {
    await calling('lchown', path, () => this.#libc.lchown(pathOf(path), uid, gid));
  }

  async utimes(path: NodePath, atime: NodeTime, mtime: NodeTime): Promise<void> {
    await calling('utime', path, () => this.#libc.utimensat(AT_FDCWD, pathOf(path), [timeOf(atime), timeOf(mtime)]));
  }

  async lutimes(path: NodePath, atime: NodeTime, mtime: NodeTime): Promise<void> {
    const times = [timeOf(atime), timeOf(mtime)] as const;
    await calling('lutime', path, () => this.#libc.utimensat(AT_FDCWD, pathOf(path), [...times], AT_SYMLINK_NOFOLLOW));
  }

  /** @param mode COPYFILE_EXCL: there must be no file at `to` */
  async copyFile(from: NodePath, to: NodePath, mode = 0): Promise<void> {
    if ((mode & ~COPYFILE_MASK) !== 0) throw new RangeError(`unknown mode of copyFile: ${mode}`);
    const libc = this.#libc;
    await calling('copyfile', from, async () => {
      const source = await libc.open(pathOf(from), O_RDONLY);
      try {
        const { st_mode } = libc.fstat(source);
        const flags = O_WRONLY | O_CREAT | (mode & COPYFILE_EXCL ? O_EXCL : O_TRUNC);
        const target = await libc.open(pathOf(to), flags, st_mode & 0o777);
        try {
          const buffer = new Uint8Array(65536);
          for (let n = await libc.read(source, buffer); n > 0; n = await libc.read(source, buffer)) {
            await libc.writeAll(target, buffer.subarray(0, n));
          }
        } finally {
          libc.close(target);
        }
      } finally {
        libc.close(source);
      }
    });
  }

  async #with<T>(
    path: NodePath | FileHandle,
    flags: string | number,
    mode: number | undefined,
    action: (file: FileHandle) => Promise<T>,
  ): Promise<T> {
    if (path instanceof FileHandle) return action(path);
    const file = await this.open(path, flags, mode);
    try {
      return await action(file);
    } finally {
      await file.close();
    }
  }

  #mkdirs(path: string, mode: number): string | undefined {
    try {
      this.#libc.mkdir(path, mode);
      return path;
    } catch (error) {
      if (hasCode(error, 'ENOENT') && path.replace(/\/+$/, '').includes('/')) {
        const parent = path.replace(/\/+[^/]*\/*$/, '') || '/';
        const first = this.#mkdirs(parent, mode);
        this.#mkdirs(path, mode);
        return first ?? path;
      }
      if (hasCode(error, 'EEXIST') && (this.#libc.stat(path).st_mode & stat.S_IFMT) === stat.S_IFDIR) return undefined;
      throw error;
    }
  }

  #list(directory: string, recursive: boolean, into: NodeDirent[]): void {
    using dir = this.#libc.opendir(directory);
    for (const { d_name, d_type } of dir) {
      if (d_name === '.' || d_name === '..') continue;
      const entry = new NodeDirent(d_name, directory, d_type);
      into.push(entry);
      if (recursive && entry.isDirectory()) this.#list(join(directory, d_name), true, into);
    }
  }

  #remove(path: string, recursive: boolean): void {
    const { st_mode } = this.#libc.lstat(path);
    if (!recursive || (st_mode & stat.S_IFMT) !== stat.S_IFDIR) {
      this.#libc.unlink(path);
      return;
    }
    const entries: NodeDirent[] = [];
    this.#list(path, false, entries);
    for (const { name } of entries) this.#remove(join(path, name), true);
    this.#libc.rmdir(path);
  }
}

function flagOf(options: EncodingOption | undefined, otherwise: string): string | number {
  return typeof options === 'object' && options !== null ? (options.flag ?? otherwise) : otherwise;
}

const modeIn = (options: EncodingOption | undefined): number | undefined =>
  typeof options === 'object' && options !== null ? options.mode : undefined;
