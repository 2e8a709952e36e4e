import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EEXIST, EINVAL, ENOENT, ENOTDIR, ENOTEMPTY } from '../../abi/errno.js';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_END,
} from '../../abi/fcntl.js';
import { NodeFiles } from '../../kernel-core/host-files.js';
import { releasePath } from '../../vfs/dentry.js';
import type { DirectoryFile } from '../../vfs/directory-file.js';
import { readFileAt, writeFileAt } from '../../vfs/io.js';
import { BytesIter } from '../../vfs/iter.js';
import { resolve } from '../../vfs/namei.js';
import {
  chmodPath,
  chownPath,
  linkAt,
  mkdirAt,
  openAt,
  renameAt,
  rmdirAt,
  statfs,
  truncatePath,
  unlinkAt,
  utimensPath,
} from '../../vfs/operations.js';
import { bytes, get, names, ok, put, root, user } from './env.js';
import { both, descriptors, errno, made, mounted, open, stat, use } from './hostfs-world.js';

both('files are written through and read back', () => {
  const w = mounted();
  const file = open(w, '/f');
  assert.is(put(file, 'hello '), 6);
  assert.is(put(file, 'world'), 5);
  assert.is(fs.readFileSync(join(w.dir, 'f'), 'latin1'), 'hello world');
  assert.is(file.seek(0, 0), 0);
  assert.is(get(file, 100), 'hello world');
  assert.is(get(file, 100), '');
  assert.is(file.seek(-5, SEEK_END), 6);
  assert.is(get(file, 100), 'world');
  assert.is(writeFileAt(file, new BytesIter(bytes('J')), 0, root), 1);
  fs.appendFileSync(join(w.dir, 'f'), '!');
  const target = new Uint8Array(20);
  assert.is(readFileAt(file, new BytesIter(target), 0, root), 12);
  assert.is(Buffer.from(target.subarray(0, 12)).toString(), 'Jello world!');
  assert.is(file.node.size, 12, 'fstat sees what the host appended');
  file.unref();
  const appending = open(w, '/f', O_WRONLY | O_APPEND);
  put(appending, '?');
  appending.unref();
  assert.is(fs.readFileSync(join(w.dir, 'f'), 'latin1'), 'Jello world!?');
  open(w, '/f', O_WRONLY | O_TRUNC).unref();
  assert.is(fs.statSync(join(w.dir, 'f')).size, 0);
  assert.is(errno(openAt(w.ctx, root, null, '/f', O_CREAT | O_EXCL | O_RDWR, 0o600)), -EEXIST);
  w.end();
});

both('large transfers pass in pieces', () => {
  const w = mounted();
  const text = 'abcdefgh'.repeat(40_000);
  const file = open(w, '/large');
  assert.is(put(file, text), text.length);
  file.seek(0, 0);
  assert.is(get(file, text.length + 5), text);
  file.unref();
  w.end();
});

both('names are bytes', () => {
  const w = mounted();
  const name = 'caf\xc3\xa9';
  open(w, `/${name}`).unref();
  assert.equal(fs.readdirSync(w.dir), ['café']);
  const dir = open(w, '/', O_RDONLY | O_DIRECTORY);
  assert.equal(names(dir), [name]);
  dir.unref();
  w.end();
});

both('metadata comes from the host and goes to it', () => {
  const w = mounted();
  const path = join(w.dir, 'f');
  fs.writeFileSync(path, '12345', { mode: 0o640 });
  fs.utimesSync(path, 1000.5, 2000.25);
  const before = stat(w, '/f');
  assert.is(before.mode, 0o100640);
  assert.is(before.size, 5);
  assert.equal(before.mtime, { sec: 2000, nsec: 250_000_000 });
  assert.is(before.uid, process.getuid!());
  const f = ok(resolve(w.ctx, root, null, '/f', 0));
  assert.is(chmodPath(f, root, 0o4711), 0);
  assert.is(fs.statSync(path).mode & 0o7777, 0o4711);
  assert.is(f.dentry.inode.mode & 0o7777, 0o4711);
  assert.is(utimensPath(f, root, { sec: 5, nsec: 0 }, 'omit'), 0);
  assert.is(fs.statSync(path).atimeMs, 5000);
  assert.is(fs.statSync(path).mtimeMs, 2_000_250);
  assert.is(truncatePath(f, root, 3), 0);
  assert.is(fs.readFileSync(path, 'utf8'), '123');
  assert.is(f.dentry.inode.size, 3);
  releasePath(f);
  fs.chmodSync(path, 0o600);
  assert.is(stat(w, '/f').mode, 0o100600, 'a change of the host shows at the next look');
  assert.is(statfs({ mount: w.ctx.root.mount, dentry: w.ctx.root.dentry }).blockSize > 0, true);
  w.end();
});

both('umask of the host does not cut modes; the superuser gives new files to the caller', () => {
  const w = mounted();
  w.ctx.umask = 0;
  fs.chmodSync(w.dir, 0o777);
  open(w, '/f', O_RDWR | O_CREAT, 0o666).unref();
  assert.is(fs.statSync(join(w.dir, 'f')).mode & 0o7777, 0o666);
  assert.is(mkdirAt(w.ctx, root, null, '/d', 0o777), 0);
  assert.is(fs.statSync(join(w.dir, 'd')).mode & 0o7777, 0o777);
  if (process.geteuid!() === 0) {
    open(w, '/mine', O_RDWR | O_CREAT, 0o644, user(1234, 77)).unref();
    const { uid, gid } = fs.statSync(join(w.dir, 'mine'));
    assert.equal([uid, gid], [1234, 77]);
    const f = ok(resolve(w.ctx, root, null, '/f', 0));
    assert.is(chownPath(f, root, 5, 6), 0);
    releasePath(f);
    assert.is(fs.statSync(join(w.dir, 'f')).gid, 6);
  } else console.log('SKIP owners of new files: needs the superuser');
  w.end();
});

both('directories: make, list, rename, remove', () => {
  const w = mounted();
  for (const name of ['/a', '/a/b', '/c']) assert.is(mkdirAt(w.ctx, root, null, name, 0o755), 0);
  assert.is(stat(w, '/a').nlink, 3);
  assert.is(rmdirAt(w.ctx, root, null, '/a'), -ENOTEMPTY);
  open(w, '/a/b/f').unref();
  assert.is(renameAt(w.ctx, root, null, '/a/b', null, '/c/d', 0), 0);
  assert.ok(fs.existsSync(join(w.dir, 'c/d/f')));
  const dir = open(w, '/c/d', O_RDONLY);
  assert.is(renameAt(w.ctx, root, null, '/c', null, '/e', 0), 0);
  assert.equal(names(dir), ['f'], 'an open directory follows the move of its parent');
  dir.unref();
  open(w, '/x').unref();
  assert.is(renameAt(w.ctx, root, null, '/x', null, '/e/d/f', 0), 0);
  assert.is(renameAt(w.ctx, root, null, '/e', null, '/a', 0), 0, 'an empty directory is replaced');
  assert.is(renameAt(w.ctx, root, null, '/a', null, '/e', 2), -ENOENT);
  open(w, '/y').unref();
  assert.is(renameAt(w.ctx, root, null, '/y', null, '/a', 2), -EINVAL, 'an exchange is refused, not faked');
  assert.is(renameAt(w.ctx, root, null, '/y', null, '/a/d/f', 1), -EEXIST);
  assert.is(unlinkAt(w.ctx, root, null, '/a/d/f'), 0);
  assert.is(rmdirAt(w.ctx, root, null, '/a/d'), 0);
  assert.is(rmdirAt(w.ctx, root, null, '/a'), 0);
  assert.is(rmdirAt(w.ctx, root, null, '/y'), -ENOTDIR);
  assert.equal(fs.readdirSync(w.dir), ['y']);
  w.end();
});

both('a listing in pieces misses nothing while entries go', () => {
  const w = mounted();
  for (let i = 0; i < 50; i++) fs.writeFileSync(join(w.dir, `f${i}`), '');
  const dir = open(w, '/', O_RDONLY) as DirectoryFile;
  const other = open(w, '/', O_RDONLY) as DirectoryFile;
  const seen = new Set<string>();
  for (;;) {
    let taken = 0;
    dir.list((entry) => {
      if (taken === 7) return false;
      taken++;
      if (!entry.name.startsWith('.')) seen.add(entry.name);
      return true;
    });
    if (taken === 0) break;
    for (const name of seen) fs.rmSync(join(w.dir, name), { force: true });
    names(other);
  }
  assert.is(seen.size, 50);
  assert.equal(fs.readdirSync(w.dir), []);
  dir.unref();
  other.unref();
  w.end();
});

both('hard links are one inode', () => {
  const w = mounted();
  fs.mkdirSync(join(w.dir, 'd'));
  const one = open(w, '/one');
  assert.is(linkAt(w.ctx, root, null, '/one', null, '/d/two', 0), 0);
  const two = open(w, '/d/two', O_RDONLY);
  assert.is(one.inode, two.inode);
  assert.is(one.inode.nlink, 2);
  put(one, 'shared');
  assert.is(get(two, 10), 'shared');
  assert.is(unlinkAt(w.ctx, root, null, '/one'), 0);
  assert.is(two.inode.nlink, 1);
  assert.is(unlinkAt(w.ctx, root, null, '/d/two'), 0);
  two.seek(0, 0);
  assert.is(get(two, 10), 'shared', 'data of an unlinked file stays while it is open');
  assert.is(two.inode.nlink, 0);
  one.unref();
  two.unref();
  w.end();
});

both('mapped pages and read and write agree, and are written back', () => {
  const w = mounted();
  fs.writeFileSync(join(w.dir, 'f'), 'a'.repeat(5000));
  const file = open(w, '/f', O_RDWR);
  const cache = file.mapping();
  if (typeof cache === 'number') throw new Error('not mappable');
  const mapper = { cuts: [] as number[], invalidate: (index: number) => mapper.cuts.push(index) };
  cache.mappers.add(mapper);
  const { frames } = w.env;
  const frame = cache.page(1) as number;
  assert.is(cache.page(2), 0, 'beyond the end');
  assert.is(frames.u8[frame * 4096 + 903], 'a'.charCodeAt(0));
  assert.is(frames.u8[frame * 4096 + 904], 0, 'zeros behind the end');
  writeFileAt(file, new BytesIter(bytes('bb')), 4095, root);
  assert.is(frames.u8[frame * 4096], 'b'.charCodeAt(0), 'a write reaches the mapped page');
  cache.markDirty(1);
  frames.u8.set(bytes('mapped'), frame * 4096 + 10);
  const target = new Uint8Array(6);
  readFileAt(file, new BytesIter(target), 4096 + 10, root);
  assert.is(Buffer.from(target).toString(), 'mapped', 'a read sees the mapped page');
  assert.is(file.fsync(), 0);
  assert.is(fs.readFileSync(join(w.dir, 'f'), 'latin1').slice(4106, 4112), 'mapped');
  frames.u8.set(bytes('again!'), frame * 4096 + 10);
  file.ref();
  file.flushed(root);
  file.unref();
  assert.is(
    fs.readFileSync(join(w.dir, 'f'), 'latin1').slice(4106, 4112),
    'again!',
    'close of a descriptor writes back',
  );
  assert.is(fs.statSync(join(w.dir, 'f')).size, 5000, 'the padding of the last page is not written');
  const path = ok(resolve(w.ctx, root, null, '/f', 0));
  truncatePath(path, root, 100);
  releasePath(path);
  assert.ok(mapper.cuts.includes(1), 'mappings are told about truncation');
  assert.is(cache.page(1), 0);
  frames.u8.set(bytes('last'), (cache.page(0) as number) * 4096);
  cache.markDirty(0);
  cache.mappers.delete(mapper);
  file.unref();
  assert.is(fs.readFileSync(join(w.dir, 'f'), 'latin1').slice(0, 6), 'lastaa');
  w.end();
});

both('pages of a program that nobody uses stay, follow the host, and are given back when memory is scarce', () => {
  const w = mounted();
  const path = join(w.dir, 'f');
  fs.writeFileSync(path, 'one');
  const { frames } = w.env;
  const load = (): { frame: number; text: string } => {
    const file = open(w, '/f', O_RDONLY);
    const cache = file.mapping();
    if (typeof cache === 'number') throw new Error('not mappable');
    const known = cache.resident(0);
    const frame = cache.page(0) as number;
    file.unref();
    return { frame: known, text: Buffer.from(frames.u8.slice(frame * 4096, frame * 4096 + 3)).toString() };
  };
  const before = frames.usedFrames;
  assert.equal(load(), { frame: 0, text: 'one' });
  assert.is(frames.usedFrames, before + 1, 'the page is kept');
  assert.is.not(load().frame, 0, 'and found again');
  const { atime, mtime } = fs.statSync(path);
  fs.writeFileSync(path, 'two');
  fs.utimesSync(path, atime, mtime);
  assert.equal(load(), { frame: 0, text: 'two' }, 'a change that hides behind its old time shows');
  fs.writeFileSync(join(w.dir, 'g'), 'new');
  fs.renameSync(join(w.dir, 'g'), path);
  assert.equal(load(), { frame: 0, text: 'new' }, 'a file in its place is another');
  assert.is(w.fs.shrink(), true);
  assert.is(frames.usedFrames, before);
  assert.is(w.fs.shrink(), false, 'nothing is left to give');
  assert.is(load().text, 'new');
  w.end();
});

both('no more than a share of memory is kept for programs that nobody uses', () => {
  const w = mounted();
  const { frames } = w.env;
  const pages = frames.limitFrames / 32;
  fs.writeFileSync(join(w.dir, 'base'), Buffer.alloc(pages * 4096));
  const before = frames.usedFrames;
  for (let i = 0; i < 5; i++) {
    fs.copyFileSync(join(w.dir, 'base'), join(w.dir, `f${i}`));
    const file = open(w, `/f${i}`, O_RDONLY);
    const cache = file.mapping();
    if (typeof cache === 'number') throw new Error('not mappable');
    for (let index = 0; index < pages; index++) assert.ok(cache.page(index) > 0);
    file.unref();
    assert.ok(frames.usedFrames - before <= frames.limitFrames / 16, `${frames.usedFrames - before} frames after ${i}`);
  }
  w.end();
});

both('a program that the host replaced is read anew, and one that runs is left alone', () => {
  const w = mounted();
  const path = join(w.dir, 'f');
  fs.writeFileSync(path, 'one');
  const keep = ok(resolve(w.ctx, root, null, '/f', 0));
  const peek = (): string => {
    const file = open(w, '/f', O_RDONLY);
    const cache = file.mapping();
    if (typeof cache === 'number') throw new Error('not mappable');
    const frame = cache.page(0) as number;
    const text = Buffer.from(w.env.frames.u8.subarray(frame * 4096, frame * 4096 + 3)).toString();
    file.unref();
    return text;
  };
  assert.is(peek(), 'one');
  fs.writeFileSync(path, 'two');
  fs.utimesSync(path, 50, 50);
  assert.is(peek(), 'two');
  const file = open(w, '/f', O_RDONLY);
  const cache = file.mapping();
  if (typeof cache === 'number') throw new Error('not mappable');
  const mapper = { invalidate: () => {} };
  cache.mappers.add(mapper);
  cache.page(0);
  fs.writeFileSync(path, 'six');
  fs.utimesSync(path, 60, 60);
  assert.is(peek(), 'two');
  cache.mappers.delete(mapper);
  file.unref();
  releasePath(keep);
  w.end();
});

both('many directories need few descriptors', () => {
  const w = mounted();
  const before = descriptors();
  const held = [];
  for (let i = 0; i < 400; i++) {
    fs.mkdirSync(join(w.dir, `d${i}/e`), { recursive: true });
    held.push(ok(resolve(w.ctx, root, null, `/d${i}/e`, 0)));
  }
  assert.ok(descriptors() - before <= 130);
  for (const path of held) assert.not.instance(path.dentry.inode.mkdir('x', 0o755, root), Number);
  assert.ok(fs.existsSync(join(w.dir, 'd0/e/x')) && fs.existsSync(join(w.dir, 'd399/e/x')));
  for (const path of held) releasePath(path);
  w.end();
});

both('removed and reused: the old inode does not become the new file', () => {
  const w = mounted();
  fs.writeFileSync(join(w.dir, 'f'), 'old');
  const old = ok(resolve(w.ctx, root, null, '/f', 0));
  assert.is(unlinkAt(w.ctx, root, null, '/f'), 0);
  fs.writeFileSync(join(w.dir, 'f'), 'new');
  const fresh = ok(resolve(w.ctx, root, null, '/f', 0));
  assert.is.not(fresh.dentry.inode, old.dentry.inode);
  assert.is(fresh.dentry.inode.nlink, 1);
  assert.is(old.dentry.inode.nlink, 0);
  releasePath(old);
  releasePath(fresh);
  w.end();
});

/** Counts the calls that cost. */
class CountingFiles extends NodeFiles {
  looks = 0;

  override lstat(path: string) {
    this.looks++;
    return super.lstat(path);
  }
}

test('within one moment a name is looked at once; our own changes and later ones of the host show', async () => {
  const counting = new CountingFiles();
  use(counting);
  const w = mounted();
  fs.mkdirSync(join(w.dir, 'a/b/c'), { recursive: true });
  fs.writeFileSync(join(w.dir, 'a/b/c/f'), 'text');
  for (let i = 0; i < 10; i++) {
    assert.is(stat(w, '/a/b/c/f').size, 4);
    assert.is(errno(openAt(w.ctx, root, null, '/a/b/missing', O_RDONLY, 0)), -ENOENT);
  }
  assert.ok(counting.looks <= 5, `${counting.looks} looks`);
  const file = open(w, '/a/b/c/f', O_WRONLY | O_APPEND);
  put(file, ' and more');
  file.unref();
  assert.is(stat(w, '/a/b/c/f').size, 13);
  const path = ok(resolve(w.ctx, root, null, '/a/b/c/f', 0));
  chmodPath(path, root, 0o600);
  releasePath(path);
  assert.is(stat(w, '/a/b/c/f').mode & 0o777, 0o600);
  open(w, '/a/b/missing').unref();
  assert.is(stat(w, '/a/b/missing').size, 0);
  unlinkAt(w.ctx, root, null, '/a/b/missing');
  assert.is(errno(openAt(w.ctx, root, null, '/a/b/missing', O_RDONLY, 0)), -ENOENT);
  fs.writeFileSync(join(w.dir, 'a/b/missing'), 'made by the host');
  await Promise.resolve();
  assert.is(stat(w, '/a/b/missing').size, 16);
  w.end();
  for (const dir of made) fs.rmSync(dir, { recursive: true, force: true });
});

test.run();
