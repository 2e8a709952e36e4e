import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EINVAL, ELOOP, ENOENT, ENOTDIR, ENXIO, EOPNOTSUPP, type Err, ETXTBSY } from '../../abi/errno.js';
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import { MNT_DETACH, MS_NOSYMFOLLOW } from '../../abi/mount.js';
import { S_IFLNK } from '../../abi/stat.js';
import type { Caller } from '../../vfs/caller.js';
import { holdPath, type Path, releasePath } from '../../vfs/dentry.js';
import type { OpenFile } from '../../vfs/file.js';
import { AnonymousInode } from '../../vfs/fs/anon-inode.js';
import { MemoryDirectory } from '../../vfs/fs/memory-directory.js';
import { createPipe } from '../../vfs/fs/pipefs.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { Inode } from '../../vfs/inode.js';
import { LOOKUP_FOLLOW, resolve } from '../../vfs/namei.js';
import {
  chmodPath,
  fileString,
  inodeString,
  mkdirAt,
  openAt,
  readlinkAt,
  symlinkAt,
  truncatePath,
  unlinkAt,
  workingDirectory,
} from '../../vfs/operations.js';
import { get, makeEnv, makeWorld, ok, put, root } from './env.js';

/** A link that leads to an object, as those of /proc/PID/fd do. */
class MagicLink extends Inode {
  goal: Path | Inode | Err = -ENOENT as Err;

  override poll(): number {
    return 0;
  }

  override open(): OpenFile | Err {
    return -ELOOP as Err;
  }

  override readlink(_caller: Caller): string {
    return 'somewhere';
  }

  override magicLink(): Path | Inode | Err {
    return this.goal;
  }
}

/** A directory whose entries another hand changes. */
class VolatileDirectory extends MemoryDirectory {
  entries: Record<string, Inode> = {};

  override get volatileNames(): boolean {
    return true;
  }

  override lookup(name: string): Inode | Err {
    return this.entries[name] ?? (-ENOENT as Err);
  }
}

class VolatileFs extends Tmpfs {
  protected override makeRoot(ino: number, mode: number): VolatileDirectory {
    return new VolatileDirectory(this, ino, mode);
  }
}

function volatileWorld() {
  const env = makeEnv();
  const fs = new VolatileFs(env, 21);
  const w = makeWorld(env, fs);
  return { ...w, directory: fs.root as VolatileDirectory };
}

test('magic links lead to paths and to inodes without one', () => {
  const w = volatileWorld();
  const link = new MagicLink(w.fs, 99, S_IFLNK | 0o777);
  w.directory.entries.link = link;
  assert.is(openAt(w.ctx, root, null, 'link', O_RDONLY, 0), -ENOENT);
  link.goal = { mount: w.ctx.root.mount, dentry: w.ctx.root.dentry };
  const directory = ok(openAt(w.ctx, root, null, 'link', O_RDONLY, 0));
  assert.is(directory.inode, w.directory);
  directory.unref();
  const { reader, writer } = ok(createPipe(w.env, 0));
  link.goal = reader.inode;
  const again = ok(openAt(w.ctx, root, null, 'link', O_WRONLY, 0));
  put(again, 'through the link');
  assert.is(get(reader, 100), 'through the link');
  assert.is(fileString(w.ctx, again), fileString(w.ctx, reader));
  again.unref();
  writer.unref();
  assert.is(get(reader, 1), '', 'the last writer is gone');
  reader.unref();
  assert.is(readlinkAt(w.ctx, root, null, 'link'), 'somewhere');
  w.end();
});

test('names that change behind the kernel: nothing stale is found, holders keep what they have', () => {
  const w = volatileWorld();
  const one = w.directory.mkdir('unused1', 0o40755, root) as Inode;
  const other = w.directory.mkdir('unused2', 0o40755, root) as Inode;
  w.directory.entries.d = one;
  const held = ok(resolve(w.ctx, root, null, 'd', 0));
  const same = ok(resolve(w.ctx, root, null, 'd', 0));
  assert.is(held.dentry, same.dentry);
  w.directory.entries.d = other;
  const now = ok(resolve(w.ctx, root, null, 'd', 0));
  assert.is(now.dentry.inode, other);
  assert.is(held.dentry.deleted, true);
  for (const path of [held, same, now]) releasePath(path);
  assert.is(w.fs.unusedDentries.size, 0, 'volatile names are not remembered');
  w.end();
});

test('a file that runs cannot be written to, one that is written to says so', () => {
  const w = makeWorld();
  const file = ok(openAt(w.ctx, root, null, 'f', O_CREAT | O_RDWR, 0o755));
  assert.is(file.inode.writeCount, 1);
  assert.is(file.path!.mount.writers, 1);
  const { inode } = file;
  file.unref();
  assert.is(inode.writeCount, 0);
  inode.writeCount--;
  assert.is(openAt(w.ctx, root, null, 'f', O_WRONLY, 0), -ETXTBSY);
  const path = ok(resolve(w.ctx, root, null, 'f', 0));
  assert.is(truncatePath(path, root, 0), -ETXTBSY);
  releasePath(path);
  inode.writeCount++;
  w.end();
});

test('a mount can forbid following links', () => {
  const w = makeWorld();
  mkdirAt(w.ctx, root, null, 'd', 0o755);
  symlinkAt(w.ctx, root, 'd', null, 'l');
  w.ctx.namespace.remount(w.ctx.root, MS_NOSYMFOLLOW);
  assert.is(resolve(w.ctx, root, null, 'l/x', LOOKUP_FOLLOW), -ELOOP);
  assert.is(readlinkAt(w.ctx, root, null, 'l'), 'd');
  w.end();
});

test('a file system shuts down with its last path, also after a lazy unmount', () => {
  const w = makeWorld();
  const fs = new Tmpfs(w.env, 22);
  mkdirAt(w.ctx, root, null, 'm', 0o755);
  const at = ok(resolve(w.ctx, root, null, 'm', 0));
  ok(w.ctx.namespace.mount(fs, at, 0, 'none'));
  releasePath(at);
  const file = ok(openAt(w.ctx, root, null, 'm/f', O_CREAT | O_RDWR, 0o644));
  put(file, 'x'.repeat(10000));
  const top = ok(resolve(w.ctx, root, null, 'm', 0));
  const cwd = holdPath(top);
  const old = w.ctx.cwd;
  w.ctx.cwd = cwd;
  assert.is(w.ctx.namespace.umount(top, MNT_DETACH), 0);
  releasePath(top);
  assert.is(workingDirectory(w.ctx), '(unreachable)/');
  assert.is(w.env.frames.usedFrames, 3);
  file.unref();
  w.ctx.cwd = old;
  releasePath(cwd);
  assert.is(w.env.frames.usedFrames, 0, 'the file system gave everything back');
  assert.is(fs.mountCount, 0);
  assert.is(w.ctx.namespace.umount(w.ctx.cwd, 0x100), -EINVAL);
  w.end();
});

test('a mount that fails ends its file system, once', () => {
  const w = makeWorld();
  let ended = 0;
  class Counted extends Tmpfs {
    override dispose(): void {
      ended++;
      super.dispose();
    }
  }
  const fs = new Counted(w.env, 22);
  const file = ok(openAt(w.ctx, root, null, 'f', O_CREAT | O_RDWR, 0o644));
  assert.is(w.ctx.namespace.mount(fs, file.path!, 0, 'none'), -ENOTDIR);
  fs.shutdown();
  assert.is(ended, 1);
  file.unref();
  w.end();
});

test('anonymous inodes have a name in brackets and metadata that nobody changes', () => {
  class Counter extends AnonymousInode {
    override poll(): number {
      return 1;
    }
  }
  const w = makeWorld();
  const counter = new Counter(w.env, 'eventfd');
  assert.is(inodeString(counter), 'anon_inode:[eventfd]');
  assert.is(counter.mode, 0o600);
  assert.is(counter.open(0, root), -ENXIO);
  assert.is(counter.setAttributes({ mode: 0o644 }), -EOPNOTSUPP);
  assert.is(counter.fs.statfs().type, 0x09041934);
  w.end();
});

test('a file unlinked while a path is held is evicted with the path', () => {
  const w = makeWorld();
  const file = ok(openAt(w.ctx, root, null, 'f', O_CREAT | O_RDWR, 0o644));
  put(file, 'x');
  file.unref();
  const path = ok(resolve(w.ctx, root, null, 'f', 0));
  assert.is(unlinkAt(w.ctx, root, null, 'f'), 0);
  assert.is(w.fs.orphans, 1);
  assert.is(chmodPath(path, root, 0o600), 0);
  assert.is(w.env.frames.usedFrames, 1);
  releasePath(path);
  assert.is(w.env.frames.usedFrames, 0);
  assert.is(w.fs.orphans, 0);
  w.end();
});

test.run();
