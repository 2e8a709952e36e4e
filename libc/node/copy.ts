/**
 * `cp` of `kernel.fs`: files, links and whole trees, with the checks that node:fs makes before it touches anything. The
 * calls it makes are those of `kernel.fs`, whose errors go to the caller as they are.
 */
import { posix } from 'node:path';
import { EEXIST, EINVAL, EISDIR, ENOTDIR } from '../../abi/errno.js';
import { kindOf, shown } from '../calls.js';
import { hasCode, refusal } from './errors.js';
import type { FsPromises } from './fs.js';
import type { BigIntStats } from './stats.js';
import { type NodePath, pathOf } from './support.js';

/** @source nodejs.org/api/fs.html, fsPromises.cp */
export interface CopyOptions {
  /** Links are followed: what they point to is copied. */
  dereference?: boolean;
  /** With `force` false: a file that is there already is an error. */
  errorOnExist?: boolean;
  /** @returns whether the file, or the directory with all in it, is to be copied */
  filter?: (source: string, destination: string) => boolean | Promise<boolean>;
  /** Files that are there already are replaced; the default. */
  force?: boolean;
  /** Of `copyFile`. */
  mode?: number;
  preserveTimestamps?: boolean;
  recursive?: boolean;
  /** Links keep their text; otherwise relative ones become absolute. */
  verbatimSymlinks?: boolean;
}

const refuse = (code: string, errno: number, path: string, message: string): Error =>
  refusal(code, errno, 'cp', path, message);

/** Whether `path` is `directory` or lies in it. The guest's paths are absolute or start at '/'. */
function isWithin(directory: string, path: string): boolean {
  const [outer, inner] = [directory, path].map((name) => posix.resolve('/', name));
  return inner === outer || inner!.startsWith(outer === '/' ? '/' : `${outer}/`);
}

const isSame = (a: BigIntStats, b: BigIntStats): boolean => a.ino === b.ino && a.dev === b.dev;

export class Copy {
  readonly #fs: FsPromises;
  readonly #options: CopyOptions;

  constructor(fs: FsPromises, options: CopyOptions) {
    if (options.filter !== undefined && typeof options.filter !== 'function') {
      throw new TypeError(`a filter is a function, not ${kindOf(options.filter)}`);
    }
    this.#fs = fs;
    this.#options = options;
  }

  /** @throws NodeError, SystemError */
  async run(from: NodePath, to: NodePath): Promise<void> {
    const source = shown(pathOf(from));
    const target = shown(pathOf(to));
    if (!(await this.#isWanted(source, target))) return;
    const there = await this.#check(source, target);
    if (there.source.isDirectory()) await this.#checkParents(source, target);
    await this.#fs.mkdir(posix.dirname(target), { recursive: true });
    await this.#copy(source, target, there);
  }

  async #isWanted(source: string, target: string): Promise<boolean> {
    const { filter } = this.#options;
    return filter === undefined || Boolean(await filter(source, target));
  }

  /** @returns what is known of the two @throws SystemError when the one cannot become the other */
  async #check(source: string, target: string): Promise<Pair> {
    const pair = { source: await this.#stat(source), target: await this.#statIfThere(target) };
    if (pair.target !== null) {
      if (isSame(pair.source, pair.target)) {
        throw refuse('ERR_FS_CP_EINVAL', EINVAL, target, 'source and destination are the same');
      }
      if (pair.source.isDirectory() && !pair.target.isDirectory()) {
        throw refuse('ERR_FS_CP_DIR_TO_NON_DIR', EISDIR, target, `${source} is a directory, ${target} is not`);
      }
      if (!pair.source.isDirectory() && pair.target.isDirectory()) {
        throw refuse('ERR_FS_CP_NON_DIR_TO_DIR', ENOTDIR, target, `${target} is a directory, ${source} is not`);
      }
    }
    if (pair.source.isDirectory() && isWithin(source, target)) throw intoItself(source, target, target);
    return pair;
  }

  /**
   * The target may lie in the source by way of a link, too. Node looks for the source among the target's parents only up
   * to where the two names part, and copies for ever if the link points below the source.
   */
  async #checkParents(source: string, target: string): Promise<void> {
    const real = await this.#fs.realpath(source);
    let parent = posix.dirname(posix.resolve('/', target));
    for (;;) {
      try {
        if (isWithin(real, await this.#fs.realpath(parent))) throw intoItself(source, target, target);
        return;
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
        parent = posix.dirname(parent);
      }
    }
  }

  #stat(path: string): Promise<BigIntStats> {
    return this.#options.dereference ? this.#fs.stat(path, { bigint: true }) : this.#fs.lstat(path, { bigint: true });
  }

  async #statIfThere(path: string): Promise<BigIntStats | null> {
    try {
      return await this.#stat(path);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }
  }

  async #copy(source: string, target: string, pair: Pair): Promise<void> {
    const stats = pair.source;
    if (stats.isDirectory()) {
      if (!this.#options.recursive) throw refuse('ERR_FS_EISDIR', EISDIR, source, `${source} is a directory`);
      await this.#copyDirectory(source, target, pair);
    } else if (stats.isFile() || stats.isCharacterDevice() || stats.isBlockDevice()) {
      await this.#copyFile(source, target, pair);
    } else if (stats.isSymbolicLink()) {
      await this.#copyLink(source, target, pair.target !== null);
    } else if (stats.isSocket()) {
      throw refuse('ERR_FS_CP_SOCKET', EINVAL, target, `${source} is a socket`);
    } else {
      throw refuse('ERR_FS_CP_FIFO_PIPE', EINVAL, target, `${source} is a fifo`);
    }
  }

  async #copyDirectory(source: string, target: string, pair: Pair): Promise<void> {
    if (pair.target === null) await this.#fs.mkdir(target);
    for await (const { name } of await this.#fs.opendir(source)) {
      const [from, to] = [posix.join(source, name), posix.join(target, name)];
      if (await this.#isWanted(from, to)) await this.#copy(from, to, await this.#check(from, to));
    }
    if (pair.target === null) await this.#fs.chmod(target, permissionsOf(pair.source));
  }

  async #copyFile(source: string, target: string, pair: Pair): Promise<void> {
    const { force = true, errorOnExist = false, mode, preserveTimestamps } = this.#options;
    if (pair.target !== null) {
      if (!force && errorOnExist) throw refuse('ERR_FS_CP_EEXIST', EEXIST, target, `${target} is there already`);
      if (!force) return;
      await this.#fs.unlink(target);
    }
    await this.#fs.copyFile(source, target, mode);
    // Reading has changed the time of access: it is asked for again.
    if (preserveTimestamps) {
      const { atime, mtime } = await this.#fs.stat(source);
      await this.#fs.utimes(target, atime, mtime);
    }
    await this.#fs.chmod(target, permissionsOf(pair.source));
  }

  async #copyLink(source: string, target: string, isThere: boolean): Promise<void> {
    const text = await this.#fs.readlink(source);
    const absolute = this.#options.verbatimSymlinks ? text : posix.resolve('/', posix.dirname(source), text);
    if (isThere) {
      const old = await this.#linkAt(target);
      if (old !== null) {
        if (isWithin(absolute, old)) throw intoItself(absolute, old, target);
        if ((await this.#fs.stat(source)).isDirectory() && isWithin(old, absolute)) {
          throw refuse('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', EINVAL, target, `${absolute} lies in ${old}`);
        }
        await this.#fs.unlink(target);
      }
    }
    await this.#fs.symlink(absolute, target);
  }

  /** @returns where the link `path` points; null when it is none */
  async #linkAt(path: string): Promise<string | null> {
    try {
      return posix.resolve('/', posix.dirname(path), await this.#fs.readlink(path));
    } catch (error) {
      if (hasCode(error, 'EINVAL')) return null;
      throw error;
    }
  }
}

interface Pair {
  source: BigIntStats;
  /** null: nothing is there. */
  target: BigIntStats | null;
}

const permissionsOf = ({ mode }: BigIntStats): number => Number(mode & 0o7777n);

/** @param path what the error names */
const intoItself = (source: string, target: string, path: string): Error =>
  refuse('ERR_FS_CP_EINVAL', EINVAL, path, `${target} lies in ${source}`);
