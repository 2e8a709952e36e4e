import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EBADF, EFBIG, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTEMPTY, ENXIO, EOPNOTSUPP } from '../../abi/errno.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../../abi/fcntl.js';
import { releasePath } from '../../vfs/dentry.js';
import { DirectoryFile } from '../../vfs/directory-file.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { readFileAt, writeFileAt } from '../../vfs/io.js';
import { BytesIter } from '../../vfs/iter.js';
import { LOOKUP_FOLLOW, resolve } from '../../vfs/namei.js';
import {
  chmodPath,
  fillStat,
  linkAt,
  makeStat,
  mkdirAt,
  openAt,
  renameAt,
  rmdirAt,
  statfs,
  symlinkAt,
  truncatePath,
  unlinkAt,
} from '../../vfs/operations.js';
import { bytes, get, makeEnv, makeWorld, names, ok, put, root, user, type World } from './env.js';

const open = (w: World, name: string, flags = O_RDWR | O_CREAT, mode = 0o644) =>
  ok(openAt(w.ctx, root, null, name, flags, mode));

const stat = (w: World, name: string) => {
  const path = ok(resolve(w.ctx, root, null, name, 0));
  const out = makeStat();
  fillStat(path.dentry.inode, out);
  releasePath(path);
  return out;
};

test('a file keeps what is written, across pages, and gives its frames back', () => {
  const w = makeWorld();
  const file = open(w, '/f');
  const text = 'abcdefghij'.repeat(1000);
  assert.is(put(file, text), 10000);
  assert.is(file.offset, 10000);
  assert.is(get(file, 10), '');
  assert.is(file.seek(4090, SEEK_SET), 4090);
  assert.is(get(file, 10), text.slice(4090, 4100));
  assert.is(w.env.frames.usedFrames, 3);
  assert.is(unlinkAt(w.ctx, root, null, 'f'), 0);
  assert.is(w.env.frames.usedFrames, 3, 'an unlinked file lives while it is open');
  file.seek(0, SEEK_SET);
  assert.is(get(file, 20000), text);
  file.unref();
  assert.is(w.env.frames.usedFrames, 0);
  w.end();
});

test('holes read as zeros and take no pages', () => {
  const w = makeWorld();
  const file = open(w, 'f');
  assert.is(writeFileAt(file, new BytesIter(bytes('x')), 1_000_000, root), 1);
  assert.is(file.inode.size, 1_000_001);
  assert.is(file.inode.blocks, 8);
  const target = new Uint8Array(10).fill(7);
  assert.is(readFileAt(file, new BytesIter(target), 4093, root), 10);
  assert.equal([...target], Array(10).fill(0));
  // Figures of the host's tmpfs for the same file.
  assert.is(file.seek(0, SEEK_DATA), 999_424);
  assert.is(file.seek(0, SEEK_HOLE), 0);
  assert.is(file.seek(1_000_000, SEEK_DATA), 1_000_000);
  assert.is(file.seek(1_000_000, SEEK_HOLE), 1_000_001);
  assert.is(file.seek(1_000_001, SEEK_HOLE), -ENXIO);
  assert.is(file.seek(-1, SEEK_DATA), -ENXIO);
  assert.is(file.seek(-1, SEEK_SET), -EINVAL);
  assert.is(file.seek(0, 5), -EINVAL);
  assert.is(file.seek(-1, SEEK_END), 1_000_000);
  assert.is(file.seek(-1, SEEK_CUR), 999_999);
  file.unref();
  w.end();
});

test('truncate cuts within a page and zeroes what was behind', () => {
  const w = makeWorld();
  const file = open(w, 'f');
  put(file, 'x'.repeat(9000));
  const path = file.path!;
  assert.is(truncatePath(path, root, 5000), 0);
  assert.is(w.env.frames.usedFrames, 2);
  assert.is(truncatePath(path, root, 6000), 0);
  file.seek(4998, SEEK_SET);
  assert.is(get(file, 6), 'xx\0\0\0\0');
  assert.is(truncatePath(path, root, -1), -EINVAL);
  assert.is(truncatePath(path, root, 2 ** 60), -EFBIG);
  assert.is(truncatePath(w.ctx.root, root, 0), -EISDIR);
  file.unref();
  open(w, 'f', O_WRONLY | O_TRUNC).unref();
  assert.is(stat(w, 'f').size, 0);
  assert.is(w.env.frames.usedFrames, 0);
  w.end();
});

test('fallocate reserves and punches', () => {
  const w = makeWorld();
  const file = open(w, 'f');
  assert.is(file.allocate(0, 0, 10000), 0);
  assert.is(file.inode.size, 10000);
  assert.is(file.inode.blocks, 24);
  assert.is(file.allocate(FALLOC_FL_KEEP_SIZE, 20000, 10000), 0);
  assert.is(file.inode.size, 10000);
  assert.is(file.inode.blocks, 56);
  put(file, 'x'.repeat(10000));
  assert.is(file.allocate(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 10, 5000), 0);
  assert.is(file.inode.blocks, 56, 'no whole page lies in the hole');
  file.seek(0, SEEK_SET);
  assert.is(get(file, 10000), `${'x'.repeat(10)}${'\0'.repeat(5000)}${'x'.repeat(4990)}`);
  assert.is(file.allocate(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 5000), 0);
  assert.is(file.inode.blocks, 48);
  assert.is(file.allocate(FALLOC_FL_PUNCH_HOLE, 0, 10), -EOPNOTSUPP);
  assert.is(file.allocate(0x10, 0, 10), -EOPNOTSUPP);
  assert.is(file.allocate(0, -1, 10), -EINVAL);
  assert.is(file.allocate(0, 0, 0), -EINVAL);
  assert.is(file.allocate(0, 2 ** 53, 1), -EFBIG);
  file.unref();
  const reader = open(w, 'f', O_RDONLY);
  assert.is(reader.allocate(0, 0, 1), -EBADF);
  reader.unref();
  w.end();
});

test('a full file system answers ENOSPC and keeps what fitted', () => {
  const env = makeEnv();
  const w = makeWorld(env, new Tmpfs(env, 20, { sizeLimit: 8192, inodeLimit: 3 }));
  const file = open(w, 'a');
  assert.is(put(file, 'x'.repeat(10000)), 8192);
  assert.is(put(file, 'x'), -ENOSPC);
  assert.is(file.allocate(0, 0, 12288), -ENOSPC);
  assert.is(file.inode.blocks, 16, 'a reservation that failed leaves nothing');
  assert.is(mkdirAt(w.ctx, root, null, 'd', 0o755), 0);
  assert.is(mkdirAt(w.ctx, root, null, 'e', 0o755), -ENOSPC);
  assert.is(linkAt(w.ctx, root, null, 'a', null, 'b', 0), -ENOSPC);
  const figures = statfs(w.ctx.root);
  assert.equal([figures.blocks, figures.blocksFree, figures.files, figures.filesFree], [2, 0, 3, 0]);
  assert.is(rmdirAt(w.ctx, root, null, 'd'), 0);
  assert.is(linkAt(w.ctx, root, null, 'a', null, 'b', 0), 0);
  assert.is(unlinkAt(w.ctx, root, null, 'a'), 0);
  assert.is(unlinkAt(w.ctx, root, null, 'b'), 0);
  file.unref();
  assert.is(statfs(w.ctx.root).filesFree, 2);
  assert.is(statfs(w.ctx.root).blocksFree, 2);
  w.end();
});

test('memory that is used up is ENOSPC, not an exception', () => {
  const env = makeEnv(1 << 20);
  const w = makeWorld(env);
  const file = open(w, 'a');
  let written = 0;
  let result = 0;
  while ((result = put(file, 'x'.repeat(65536))) > 0) written += result;
  assert.is(result, -ENOSPC);
  assert.is(written, env.frames.usedFrames * 4096);
  file.unref();
  w.end();
});

test('sizes and link counts of directories are those of Linux tmpfs', () => {
  const w = makeWorld();
  const figures = () => {
    const { size, blocks, nlink } = stat(w, '/');
    return [size, blocks, nlink];
  };
  assert.equal(figures(), [40, 0, 2]);
  mkdirAt(w.ctx, root, null, 'd', 0o755);
  assert.equal(figures(), [60, 0, 3]);
  open(w, 'f').unref();
  assert.equal(figures(), [80, 0, 3]);
  symlinkAt(w.ctx, root, 'abc', null, 'l');
  linkAt(w.ctx, root, null, 'f', null, 'g', 0);
  assert.equal(figures(), [120, 0, 3]);
  assert.equal([stat(w, 'f').nlink, stat(w, 'l').size, stat(w, 'l').mode], [2, 3, 0o120777]);
  symlinkAt(w.ctx, root, 'x/'.repeat(2000), null, 'long');
  assert.is(stat(w, 'long').blocks, 8);
  assert.is(rmdirAt(w.ctx, root, null, 'd'), 0);
  assert.is(figures()[2], 2);
  w.end();
});

test('a listing under way neither repeats nor misses entries that stay', () => {
  const w = makeWorld();
  for (let i = 0; i < 200; i++) open(w, `f${i}`).unref();
  const directory = open(w, '/', O_RDONLY);
  assert.instance(directory, DirectoryFile);
  const seen: string[] = [];
  let round = 0;
  for (;;) {
    let room = 7;
    const before = seen.length;
    (directory as DirectoryFile).list((entry) => {
      if (room-- === 0) return false;
      seen.push(entry.name);
      return true;
    });
    if (seen.length === before) break;
    // Odd ones go, new ones come.
    unlinkAt(w.ctx, root, null, `f${2 * round + 1}`);
    open(w, `new${round++}`).unref();
  }
  assert.is(new Set(seen).size, seen.length);
  for (let i = 0; i < 200; i += 2) assert.ok(seen.includes(`f${i}`), `f${i}`);
  assert.is(directory.seek(0, SEEK_END), -EINVAL);
  assert.is(directory.seek(5, SEEK_SET), 5);
  directory.unref();
  w.end();
});

test('the newest entry is listed first', () => {
  const w = makeWorld();
  for (const name of ['a', 'b', 'c']) open(w, name).unref();
  renameAt(w.ctx, root, null, 'a', null, 'z', 0);
  const directory = open(w, '/', O_RDONLY);
  assert.equal(names(directory), ['z', 'c', 'b']);
  directory.unref();
  w.end();
});

test('a removed directory lists as ENOENT and takes nothing new', () => {
  const w = makeWorld();
  mkdirAt(w.ctx, root, null, 'd', 0o755);
  const directory = open(w, 'd', O_RDONLY);
  assert.is(rmdirAt(w.ctx, root, null, 'd'), 0);
  assert.is(
    (directory as DirectoryFile).list(() => true),
    -ENOENT,
  );
  assert.is(mkdirAt(w.ctx, root, directory.path, 'x', 0o755), -ENOENT);
  assert.is(openAt(w.ctx, root, directory.path, 'x', O_CREAT | O_RDWR, 0o644), -ENOENT);
  directory.unref();
  w.end();
});

test('append goes to the end wherever the offset is', () => {
  const w = makeWorld();
  const one = open(w, 'f', O_RDWR | O_CREAT | O_APPEND);
  const other = open(w, 'f', O_WRONLY);
  put(other, 'abc');
  assert.is(put(one, 'def'), 3);
  assert.is(one.offset, 6);
  assert.is(writeFileAt(one, new BytesIter(bytes('g')), 0, root), 1);
  one.seek(0, SEEK_SET);
  assert.is(get(one, 10), 'abcdefg');
  one.unref();
  other.unref();
  w.end();
});

test('O_TMPFILE: a file without a name, linkable unless exclusive', () => {
  const w = makeWorld();
  const file = open(w, '/', O_TMPFILE | O_RDWR);
  assert.is(file.inode.nlink, 0);
  put(file, 'secret');
  assert.is(linkAt(w.ctx, root, file.path, '', null, 'named', 0x1000), 0);
  assert.is(file.inode.nlink, 1);
  file.unref();
  const named = open(w, 'named', O_RDONLY);
  assert.is(get(named, 10), 'secret');
  named.unref();
  const exclusive = open(w, '/', O_TMPFILE | O_RDWR | O_EXCL);
  assert.is(linkAt(w.ctx, root, exclusive.path, '', null, 'other', 0x1000), -ENOENT);
  exclusive.unref();
  assert.is(openAt(w.ctx, root, null, '/', O_TMPFILE | O_RDONLY, 0), -EINVAL);
  w.end();
});

test('writing and truncating take set-id bits from a file, but not for the superuser', () => {
  const w = makeWorld();
  const caller = user(1000);
  const file = open(w, 'f', O_RDWR | O_CREAT);
  const { path, inode } = file;
  inode.uid = 1000;
  inode.gid = 1000;
  chmodPath(path!, root, 0o6755);
  put(file, 'x');
  assert.is(inode.mode & 0o7777, 0o6755);
  put(file, 'x', caller);
  assert.is(inode.mode & 0o7777, 0o755);
  chmodPath(path!, root, 0o6745);
  assert.is(truncatePath(path!, caller, 0), 0);
  assert.is(inode.mode & 0o7777, 0o2745, 'S_ISGID without group execution stays for a member of the group');
  file.unref();
  w.end();
});

test('renaming a directory over a full one is ENOTEMPTY', () => {
  const w = makeWorld();
  for (const name of ['a', 'b', 'b/c']) mkdirAt(w.ctx, root, null, name, 0o755);
  assert.is(renameAt(w.ctx, root, null, 'a', null, 'b', 0), -ENOTEMPTY);
  assert.is(rmdirAt(w.ctx, root, null, 'b/c'), 0);
  assert.is(renameAt(w.ctx, root, null, 'a', null, 'b', 0), 0);
  assert.is(stat(w, '/').nlink, 3);
  w.end();
});

test('the dentry cache stays bounded and forgets nothing that exists', () => {
  const w = makeWorld();
  for (let i = 0; i < 5000; i++) open(w, `f${i}`).unref();
  assert.ok(w.fs.unusedDentries.size <= 4096);
  for (let i = 0; i < 5000; i += 499) {
    const path = ok(resolve(w.ctx, root, null, `f${i}`, LOOKUP_FOLLOW));
    releasePath(path);
  }
  w.end();
});

test.run();
