import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { O_CREAT, O_RDWR } from '../../abi/fcntl.js';
import { NodeFiles } from '../../kernel-core/host-files.js';
import { releasePath } from '../../vfs/dentry.js';
import type { OpenFile } from '../../vfs/file.js';
import { Hostfs } from '../../vfs/fs/hostfs.js';
import { resolve } from '../../vfs/namei.js';
import { fillStat, makeStat, openAt } from '../../vfs/operations.js';
import { makeEnv, makeWorld, ok, root, type World } from './env.js';

const PREFIX = 'banos-hostfs-';

/** Tests change the host between two calls: every look is a new moment. */
export class HurriedFiles extends NodeFiles {
  #looks = 0;

  override moment(): number {
    return this.#looks++;
  }
}

/** As a host without paths to descriptors (macOS) would answer. */
export class PlainFiles extends HurriedFiles {
  override descriptorPath(): string | null {
    return null;
  }
}

export interface HostWorld extends World {
  /** Directory of the host that is the root. */
  readonly dir: string;
  readonly fs: Hostfs;
}

/** How many descriptors of this process lead into directories of these tests: the others come and go with Node's own work. */
export function descriptors(): number {
  if (process.platform !== 'linux') return 0;
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).includes(PREFIX);
    } catch {
      return false;
    }
  }).length;
}

/** The errno, or 0 for what is no error: objects are too large to be printed. */
export const errno = (result: unknown): number => {
  if (typeof result === 'number') return result;
  (result as OpenFile).unref?.();
  return 0;
};

export let host: NodeFiles = new HurriedFiles();
export let made: string[] = [];

/** From now on hosts are this one, and directories are made anew. */
export function use(files: NodeFiles): void {
  host = files;
  made = [];
}

export function directory(): string {
  const dir = fs.mkdtempSync(join(tmpdir(), PREFIX));
  made.push(dir);
  return dir;
}

export function mounted(readOnly = false, dir = directory()): HostWorld {
  const env = makeEnv();
  const hostfs = new Hostfs(env, 30, { host, path: dir, readOnly });
  return { ...makeWorld(env, hostfs), dir, fs: hostfs };
}

export const open = (w: World, name: string, flags = O_RDWR | O_CREAT, mode = 0o644, caller = root): OpenFile =>
  ok(openAt(w.ctx, caller, null, name, flags, mode));

export const stat = (w: World, name: string, flags = 0) => {
  const path = ok(resolve(w.ctx, root, null, name, flags));
  const out = makeStat();
  fillStat(path.dentry.inode, out);
  releasePath(path);
  return out;
};

/** Every test runs on hosts with and without paths to descriptors, and gives all of the host's descriptors back. */
export function both(name: string, body: () => void): void {
  for (const [kind, files] of [
    ['anchored', new HurriedFiles()],
    ['checked', new PlainFiles()],
  ] as const) {
    test(`${name} (${kind})`, () => {
      use(files);
      const before = descriptors();
      try {
        body();
        assert.is(descriptors(), before, 'descriptors of the host were given back');
      } finally {
        for (const dir of made) fs.rmSync(dir, { recursive: true, force: true });
      }
    });
  }
}
