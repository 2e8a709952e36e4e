/** A /proc of made-up processes, and what tests of it read it with. */
import * as fs from 'node:fs';
import * as assert from 'uvu/assert';
import { O_DIRECTORY, O_RDONLY } from '../../abi/fcntl.js';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../../abi/mount.js';
import { type Caller, KERNEL_CALLER } from '../../vfs/caller.js';
import { releasePath } from '../../vfs/dentry.js';
import type { OpenFile } from '../../vfs/file.js';
import { Procfs } from '../../vfs/fs/procfs/index.js';
import { resolve } from '../../vfs/namei.js';
import { fillStat, makeStat, mkdirAt, openAt } from '../../vfs/operations.js';
import { get, makeWorld, names, ok, user, type World } from './env.js';
import { FakeSource, FakeTask } from './proc-source.js';

export interface ProcWorld extends World {
  source: FakeSource;
  proc: Procfs;
  init: FakeTask;
  sh: FakeTask;
}

/** Process 1 of the superuser, process 100 of user 5; the caller with pid 100 is the latter. */
export const sh: Caller = { pid: 100, cred: user(5).cred };
export const superuser: Caller = { pid: 1, cred: user(0).cred };

export function makeProc(): ProcWorld {
  const w = makeWorld();
  const source = new FakeSource();
  const proc = new Procfs(w.env, 40, source);
  assert.is(mkdirAt(w.ctx, KERNEL_CALLER, null, '/proc', 0o755), 0);
  const at = ok(resolve(w.ctx, KERNEL_CALLER, null, '/proc', 0));
  ok(w.ctx.namespace.mount(proc, at, MS_NOSUID | MS_NODEV | MS_NOEXEC, 'proc'));
  releasePath(at);
  const init = source.add(new FakeTask(1), w.ctx);
  const shell = source.add(new FakeTask(100), w.ctx);
  shell.cred = user(5).cred;
  shell.ppid = 1;
  return { ...w, source, proc, init, sh: shell };
}

export const open = (w: World, name: string, flags = O_RDONLY, caller = superuser): OpenFile =>
  ok(openAt(w.ctx, caller, null, name, flags, 0o644));

export const text = (w: World, name: string, caller = superuser): string => {
  const file = open(w, name, O_RDONLY, caller);
  const all = get(file, 1 << 20, caller);
  file.unref();
  assert.type(all, 'string', `${name}: ${all}`);
  return all as string;
};

export const errno = (result: unknown): number => {
  if (typeof result === 'number') return result;
  (result as OpenFile).unref();
  return 0;
};

export const list = (w: World, name: string): string[] => {
  const dir = open(w, name, O_RDONLY | O_DIRECTORY);
  const all = names(dir);
  dir.unref();
  return all;
};

export const stat = (w: World, name: string, flags = 0, caller = superuser) => {
  const path = ok(resolve(w.ctx, caller, null, name, flags));
  const out = makeStat();
  fillStat(path.dentry.inode, out);
  releasePath(path);
  return out;
};

/** A file of the host's /proc, or null where there is none. */
export function native(name: string): string | null {
  try {
    return fs.readFileSync(`/proc/${name}`, 'latin1');
  } catch {
    console.log(`SKIP comparison with /proc/${name}: not on this host`);
    return null;
  }
}

export const keys = (all: string): string[] => all.split('\n').map((line) => line.split(':')[0]);

/** `part` in the order of `whole`, nothing unknown to it. */
export const isSubsequence = (part: string[], whole: string[]): void => {
  let at = 0;
  for (const one of part) {
    const found = whole.indexOf(one, at);
    assert.ok(found >= 0, `'${one}' is not on the host, or elsewhere`);
    at = found + 1;
  }
};
