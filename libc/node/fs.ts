/**
 * `kernel.fs`: the files of the guest with the shape of node:fs/promises, so that libraries written for Node work on
 * them. Process 1 makes the calls, with the superuser's rights. Paths are the guest's; relative ones start at '/'.
 */

import * as fcntl from '../../abi/fcntl.js';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../abi/fcntl.js';
import * as stat from '../../abi/stat.js';
import { shown } from '../calls.js';
import type { Libc } from '../libc.js';
import { Copy, type CopyOptions } from './copy.js';
import { COPYFILE, COPYFILE_MASK, copyFile } from './copy-file.js';
import { NodeDir } from './dir.js';
import { calling, hasCode } from './errors.js';
import { FileHandle, type Writable } from './file-handle.js';
import type { Poller } from './poller.js';
import { BigIntStats, type FileSystemStats, fileSystemStats, NodeDirent, Stats } from './stats.js';
import {
  type Encoding,
  type EncodingOption,
  encodingOf,
  flagsOf,
  modeOf,
  type NodePath,
  type NodeTime,
  namedAs,
  pathOf,
  timeOf,
} from './support.js';
import { entriesOf, makeDirectories, remove } from './trees.js';
import { type WatchEvent, type WatchOptions, watch } from './watch.js';

interface ReaddirOptions {
  encoding?: Encoding;
  withFileTypes?: boolean;
  recursive?: boolean;
}

export class FsPromises {
  readonly #libc: Libc;
  // The type is written out: what is made of it for users must not depend on how the compiler prints each number.
  readonly constants: typeof fcntl & typeof stat & typeof COPYFILE = {
    ...fcntl,
    ...stat,
    ...COPYFILE,
  };

  readonly #poller: () => Poller;

  /** @internal @param poller asked for by `watch` */
  constructor(libc: Libc, poller: () => Poller) {
    this.#libc = libc;
    this.#poller = poller;
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

  statfs(path: NodePath, options: { bigint: true }): Promise<FileSystemStats<bigint>>;
  statfs(path: NodePath, options?: { bigint?: false }): Promise<FileSystemStats<number>>;
  async statfs(
    path: NodePath,
    options: { bigint?: boolean } = {},
  ): Promise<FileSystemStats<bigint> | FileSystemStats<number>> {
    const found = await calling('statfs', path, () => this.#libc.statfs(pathOf(path)));
    return options?.bigint ? fileSystemStats(found, BigInt) : fileSystemStats(found, Number);
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
      if (recursive) return makeDirectories(this.#libc, shown(name), modeOf(mode, 0o777));
      this.#libc.mkdir(name, modeOf(mode, 0o777));
      return undefined;
    });
  }

  /** @returns a new directory's name: `prefix` and six letters */
  mkdtemp(prefix: string, options: 'buffer' | { encoding: 'buffer' }): Promise<Buffer>;
  mkdtemp(prefix: string, options?: EncodingOption): Promise<string>;
  async mkdtemp(prefix: string, options?: EncodingOption): Promise<string | Buffer> {
    const made = await calling('mkdtemp', `${prefix}XXXXXX`, () => this.#libc.mkdtemp(`${prefix}XXXXXX`));
    return namedAs(Buffer.from(made), options);
  }

  readdir(path: NodePath, options: ReaddirOptions & { withFileTypes: true }): Promise<NodeDirent[]>;
  readdir(
    path: NodePath,
    options: 'buffer' | (ReaddirOptions & { encoding: 'buffer'; withFileTypes?: false }),
  ): Promise<Buffer[]>;
  readdir(
    path: NodePath,
    options?: BufferEncoding | (ReaddirOptions & { withFileTypes?: false }) | null,
  ): Promise<string[]>;
  async readdir(path: NodePath, options?: Encoding | ReaddirOptions): Promise<string[] | Buffer[] | NodeDirent[]> {
    const { withFileTypes = false, recursive = false } = typeof options === 'object' && options !== null ? options : {};
    const root = shown(pathOf(path));
    const found = await calling('scandir', path, () => [...entriesOf(this.#libc, root, recursive)]);
    return withFileTypes
      ? found.map((each) => new NodeDirent(each, options))
      : (found.map(({ name }) => namedAs(name, options)) as string[] | Buffer[]);
  }

  /** @param options `bufferSize` is of no use here: the kernel is asked for as much as one call gives */
  async opendir(
    path: NodePath,
    options?: Encoding | { encoding?: Encoding; bufferSize?: number; recursive?: boolean },
  ): Promise<NodeDir> {
    const name = shown(pathOf(path));
    encodingOf(options);
    const recursive = typeof options === 'object' && options?.recursive === true;
    return calling('opendir', path, () => new NodeDir(this.#libc, name, recursive, options));
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
      await remove(this.#libc, shown(pathOf(path)), recursive);
    } catch (error) {
      if (!(force && hasCode(error, 'ENOENT'))) throw error;
    }
  }

  async rename(from: NodePath, to: NodePath): Promise<void> {
    await calling('rename', from, () => this.#libc.rename(pathOf(from), pathOf(to)), to);
  }

  async link(from: NodePath, to: NodePath): Promise<void> {
    await calling('link', from, () => this.#libc.link(pathOf(from), pathOf(to)), to);
  }

  /** @param _type matters to Windows only */
  async symlink(target: NodePath, path: NodePath, _type?: string | null): Promise<void> {
    await calling('symlink', target, () => this.#libc.symlink(pathOf(target), pathOf(path)), path);
  }

  readlink(path: NodePath, options: 'buffer' | { encoding: 'buffer' }): Promise<Buffer>;
  readlink(path: NodePath, options?: EncodingOption): Promise<string>;
  async readlink(path: NodePath, options?: EncodingOption): Promise<string | Buffer> {
    const target = await calling('readlink', path, () => this.#libc.readlink(pathOf(path)));
    return namedAs(Buffer.from(target), options);
  }

  realpath(path: NodePath, options: 'buffer' | { encoding: 'buffer' }): Promise<Buffer>;
  realpath(path: NodePath, options?: EncodingOption): Promise<string>;
  async realpath(path: NodePath, options?: EncodingOption): Promise<string | Buffer> {
    const found = await calling('realpath', path, () => this.#libc.realpath(shown(pathOf(path))));
    return namedAs(Buffer.from(found), options);
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

  /** @param mode COPYFILE_EXCL: there must be no file at `to`; no file system here shares blocks, which COPYFILE_FICLONE_FORCE wants */
  async copyFile(from: NodePath, to: NodePath, mode = 0): Promise<void> {
    if ((mode & ~COPYFILE_MASK) !== 0) throw new RangeError(`unknown mode of copyFile: ${mode}`);
    await calling('copyfile', from, () => copyFile(this.#libc, pathOf(from), pathOf(to), mode), to);
  }

  /** @throws Error SystemError: what cannot become the other */
  async cp(from: NodePath, to: NodePath, options?: CopyOptions | null): Promise<void> {
    await new Copy(this, options ?? {}).run(from, to);
  }

  /** Changes of a file or directory, for `for await`. */
  watch(path: NodePath, options?: Encoding | WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
    const given = typeof options === 'object' && options !== null ? options : { encoding: options };
    return watch(this.#poller, path, given);
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
}

function flagOf(options: EncodingOption | undefined, otherwise: string): string | number {
  return typeof options === 'object' && options !== null ? (options.flag ?? otherwise) : otherwise;
}

const modeIn = (options: EncodingOption | undefined): number | undefined =>
  typeof options === 'object' && options !== null ? options.mode : undefined;
