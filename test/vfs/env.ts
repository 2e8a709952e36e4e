/** A kernel-less world for tests of the file layers: frames, a clock that ticks at every look, a namespace over a tmpfs. */
import * as assert from 'uvu/assert';
import { PhysicalMemory } from '../../cpu/physical-memory.js';
import { type Caller, KERNEL_CALLER, makeCredentials } from '../../vfs/caller.js';
import { holdPath, releasePath } from '../../vfs/dentry.js';
import { DeviceTable } from '../../vfs/devices.js';
import { DirectoryFile } from '../../vfs/directory-file.js';
import type { OpenFile } from '../../vfs/file.js';
import type { FileSystem, VfsEnv } from '../../vfs/filesystem.js';
import { registerMemoryDevices } from '../../vfs/fs/memory-devices.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { readFile, writeFile } from '../../vfs/io.js';
import { BytesIter } from '../../vfs/iter.js';
import { MountNamespace } from '../../vfs/mount.js';
import type { FsContext } from '../../vfs/namei.js';

export interface TestEnv extends VfsEnv {
  readonly frames: PhysicalMemory;
  /** Seconds of the clock; every look adds a nanosecond, so that later is later. */
  time: number;
}

export function makeEnv(memoryBytes = 64 << 20): TestEnv {
  let ticks = 0;
  const env: TestEnv = {
    frames: new PhysicalMemory(memoryBytes),
    devices: new DeviceTable(),
    time: 1_000_000,
    now: (out) => {
      out.sec = env.time;
      out.nsec = ++ticks;
    },
  };
  let next = 0;
  registerMemoryDevices(env.devices, (target) => {
    for (let i = 0; i < target.length; i++) target[i] = next = (next * 5 + 1) & 255;
  });
  return env;
}

export interface World {
  readonly env: TestEnv;
  readonly fs: FileSystem;
  readonly ctx: FsContext;
  /** Takes the namespace down and checks that every frame, dentry and mount was given back. */
  end(): void;
}

/** A context at the root of `fs` (a fresh tmpfs when absent). */
export function makeWorld(env = makeEnv(), fs: FileSystem = new Tmpfs(env, 20, { mode: 0o755 })): World {
  const used = env.frames.usedFrames;
  const namespace = new MountNamespace(fs, 0, 'none');
  const { root } = namespace;
  const ctx: FsContext = { root: holdPath(root), cwd: holdPath(root), umask: 0o022, namespace };
  return {
    env,
    fs,
    ctx,
    end() {
      const mounts = namespace.list();
      releasePath(ctx.cwd);
      releasePath(ctx.root);
      namespace.dispose();
      for (const mount of mounts) {
        assert.is(mount.refs, 0, 'every path was given back');
        assert.is(mount.writers, 0, 'every writer was closed');
      }
      for (const one of new Set(mounts.map((mount) => mount.fs))) {
        assert.is(one.mountCount, 0);
        assert.is(one.unusedDentries.size, 0);
        assert.is(one.root.dentries, 0, 'every dentry is gone');
      }
      assert.ok(env.frames.usedFrames <= used, 'every frame was given back');
    },
  };
}

export const root: Caller = KERNEL_CALLER;

export function user(uid: number, gid = uid, groups: number[] = []): Caller {
  return { pid: 100 + uid, cred: makeCredentials(uid, gid, groups) };
}

/** Unwraps a result that must not be an error. */
export function ok<T>(result: T | number): Exclude<T, number> {
  if (typeof result === 'number') throw new Error(`errno ${-result}`);
  return result as Exclude<T, number>;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

export const put = (file: OpenFile, text: string, caller = root): number =>
  writeFile(file, new BytesIter(bytes(text)), caller);

/** Reads up to `count` bytes. @returns the text, or the errno */
export function get(file: OpenFile, count: number, caller = root): string | number {
  const target = new Uint8Array(count);
  const got = readFile(file, new BytesIter(target), caller);
  return got < 0 ? got : Buffer.from(target.subarray(0, got)).toString('latin1');
}

/** Names in a directory in listing order, without the dots. */
export function names(directory: OpenFile): string[] {
  const found: string[] = [];
  if (!(directory instanceof DirectoryFile)) throw new Error('not a directory');
  directory.seek(0, 0);
  directory.list((entry) => {
    if (entry.name !== '.' && entry.name !== '..') found.push(entry.name);
    return true;
  });
  return found;
}
