/** A host that changes under the kernel, and guests that look for a way out. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, ENOENT, ENXIO, EPERM, EROFS, ESTALE } from '../../abi/errno.js';
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import { NodeFiles } from '../../kernel-core/host-files.js';
import { releasePath } from '../../vfs/dentry.js';
import { Hostfs, HostPathError } from '../../vfs/fs/hostfs.js';
import { LOOKUP_FOLLOW, resolve } from '../../vfs/namei.js';
import {
  chmodPath,
  linkAt,
  mkdirAt,
  mknodAt,
  openAt,
  readlinkAt,
  renameAt,
  rmdirAt,
  symlinkAt,
  truncatePath,
  unlinkAt,
  utimensPath,
} from '../../vfs/operations.js';
import { get, makeEnv, ok, put, root, user } from './env.js';
import { both, directory, errno, HurriedFiles, host, made, mounted, open, stat, use } from './hostfs-world.js';

both('symbolic links are resolved inside', () => {
  const w = mounted();
  const outside = directory();
  fs.writeFileSync(join(outside, 'secret'), 'secret');
  fs.writeFileSync(join(w.dir, 'inside'), 'inside');
  fs.symlinkSync(join(outside, 'secret'), join(w.dir, 'abs'));
  fs.symlinkSync('../../../../../../../../etc/passwd', join(w.dir, 'up'));
  fs.symlinkSync(outside, join(w.dir, 'dir'));
  assert.is(symlinkAt(w.ctx, root, '/inside', null, '/own'), 0);
  assert.is(readlinkAt(w.ctx, root, null, '/own'), '/inside');
  assert.is(fs.readlinkSync(join(w.dir, 'own')), '/inside');
  const file = open(w, '/own', O_RDONLY);
  assert.is(get(file, 10), 'inside');
  file.unref();
  for (const name of ['/abs', '/up', '/dir/secret']) {
    assert.is(errno(openAt(w.ctx, root, null, name, O_RDONLY, 0)), -ENOENT, name);
  }
  const up = openAt(w.ctx, root, null, '/../../../../etc/passwd', O_RDONLY, 0);
  assert.is(errno(up), -ENOENT);
  const link = ok(resolve(w.ctx, root, null, '/abs', 0));
  assert.is(utimensPath(link, root, { sec: 9, nsec: 0 }, { sec: 9, nsec: 0 }), 0);
  releasePath(link);
  assert.is(fs.lstatSync(join(w.dir, 'abs')).mtimeMs, 9000);
  assert.is.not(fs.statSync(join(outside, 'secret')).mtimeMs, 9000, 'the target outside is untouched');
  w.end();
});

both('a directory swapped for a link leads nowhere', () => {
  const w = mounted();
  const outside = directory();
  fs.mkdirSync(join(w.dir, 'd/sub'), { recursive: true });
  fs.writeFileSync(join(w.dir, 'd/f'), 'inside');
  fs.writeFileSync(join(outside, 'f'), 'outside');
  fs.mkdirSync(join(outside, 'sub'));
  const held = ok(resolve(w.ctx, root, null, '/d', LOOKUP_FOLLOW));
  const file = ok(resolve(w.ctx, root, null, '/d/f', LOOKUP_FOLLOW));
  fs.renameSync(join(w.dir, 'd'), join(w.dir, 'moved'));
  fs.symlinkSync(outside, join(w.dir, 'd'));
  const dir = held.dentry.inode;
  // The held directory is either still the one that was moved, or not to be found; never the one outside.
  const made = dir.mkdir('new', 0o755, root);
  const unlinked = dir.unlink('f', file.dentry.inode);
  dir.rename('sub', dir, 'sub2', 0);
  dir.symlink('x', 'link', root);
  for (const result of [made, unlinked]) if (typeof result === 'number' && result < 0) assert.is(result, -ESTALE);
  assert.ok(errno(openAt(w.ctx, root, held, 'f', O_RDWR, 0)) < 0);
  const changed = chmodPath(file, root, 0o777);
  assert.ok(changed < 0, 'its file is gone or not to be reached');
  assert.equal(fs.readdirSync(outside).sort(), ['f', 'sub']);
  assert.is(fs.readFileSync(join(outside, 'f'), 'utf8'), 'outside');
  assert.is.not(fs.statSync(join(outside, 'f')).mode & 0o777, 0o777);
  releasePath(held);
  releasePath(file);
  w.end();
});

both('a file swapped for a link, a fifo or another file is not opened', () => {
  const w = mounted();
  const outside = directory();
  fs.writeFileSync(join(outside, 'secret'), 'secret');
  fs.writeFileSync(join(w.dir, 'f'), 'inside');
  const path = ok(resolve(w.ctx, root, null, '/f', 0));
  const { inode } = path.dentry;
  for (const swap of [
    () => fs.symlinkSync(join(outside, 'secret'), join(w.dir, 'f')),
    () => execFileSync('/usr/bin/env', ['mkfifo', join(w.dir, 'f')]),
    () => fs.writeFileSync(join(w.dir, 'f'), 'another'),
  ]) {
    fs.renameSync(join(w.dir, 'f'), join(w.dir, 'old'));
    swap();
    const opened = inode.open(O_RDWR, root);
    assert.ok(typeof opened === 'number' && opened < 0);
    assert.ok(chmodPath(path, root, 0o777) < 0);
    assert.ok(truncatePath(path, root, 0) < 0);
    fs.rmSync(join(w.dir, 'f'));
    fs.renameSync(join(w.dir, 'old'), join(w.dir, 'f'));
  }
  assert.is(fs.readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
  releasePath(path);
  w.end();
});

both('special nodes of the host are not opened on the host', () => {
  const w = mounted();
  execFileSync('/usr/bin/env', ['mkfifo', join(w.dir, 'fifo')]);
  assert.is(stat(w, '/fifo').mode & 0o170000, 0o010000);
  const reader = open(w, '/fifo', O_RDONLY);
  const writer = open(w, '/fifo', O_WRONLY);
  assert.is(put(writer, 'within the guest'), 16);
  assert.is(get(reader, 100), 'within the guest');
  reader.unref();
  writer.unref();
  if (process.geteuid!() === 0 && process.platform === 'linux') {
    execFileSync('/usr/bin/env', ['mknod', join(w.dir, 'zero'), 'c', '1', '5']);
    execFileSync('/usr/bin/env', ['mknod', join(w.dir, 'disk'), 'b', '8', '0']);
    const zero = open(w, '/zero', O_RDONLY);
    assert.is(get(zero, 3), '\0\0\0', "the guest's own driver answers");
    zero.unref();
    assert.is(errno(openAt(w.ctx, root, null, '/disk', O_RDONLY, 0)), -ENXIO);
  } else console.log('SKIP device nodes: needs the superuser of a Linux host');
  assert.is(mknodAt(w.ctx, root, null, '/null', 0o020666, 259), -EPERM);
  assert.is(mknodAt(w.ctx, root, null, '/pipe', 0o010666, 0), -EPERM);
  w.end();
});

both('nothing of the host changes through a read-only mount, whatever the guest does with its flags', () => {
  const dir = directory();
  fs.mkdirSync(join(dir, 'd'));
  fs.writeFileSync(join(dir, 'f'), 'text');
  fs.utimesSync(join(dir, 'f'), 1, 1);
  const before = fs.statSync(join(dir, 'f'));
  const w = mounted(true, dir);
  for (const remounted of [false, true]) {
    // A superuser of the guest may remount: the file system itself still refuses.
    if (remounted) w.fs.flags = 0;
    assert.is(errno(openAt(w.ctx, root, null, '/f', O_RDWR, 0)), -EROFS, 'open');
    assert.is(errno(openAt(w.ctx, root, null, '/new', O_RDWR | O_CREAT, 0o644)), -EROFS, 'create');
    assert.is(mkdirAt(w.ctx, root, null, '/e', 0o755), -EROFS);
    assert.is(rmdirAt(w.ctx, root, null, '/d'), -EROFS);
    assert.is(unlinkAt(w.ctx, root, null, '/f'), -EROFS);
    assert.is(renameAt(w.ctx, root, null, '/f', null, '/g', 0), -EROFS);
    assert.is(linkAt(w.ctx, root, null, '/f', null, '/g', 0), -EROFS);
    assert.is(symlinkAt(w.ctx, root, 'f', null, '/g'), -EROFS);
    const f = ok(resolve(w.ctx, root, null, '/f', 0));
    assert.is(chmodPath(f, root, 0o777), -EROFS);
    assert.is(truncatePath(f, root, 0), -EROFS);
    assert.is(utimensPath(f, root, 'now', 'now'), -EROFS);
    releasePath(f);
    const file = open(w, '/f', O_RDONLY);
    assert.is(get(file, 10), 'text');
    assert.is(file.fsync(), 0);
    file.unref();
  }
  const after = fs.statSync(join(dir, 'f'));
  assert.is(after.mtimeMs, before.mtimeMs);
  assert.is(after.ctimeMs, before.ctimeMs);
  if (process.platform === 'linux') assert.is(after.atimeMs, before.atimeMs);
  assert.equal(fs.readdirSync(dir).sort(), ['d', 'f']);
  w.end();
});

both('a missing or unreadable directory is a clear error', () => {
  const env = makeEnv();
  const mount = (path: string) => () => new Hostfs(env, 30, { host, path, readOnly: true });
  const fails = (path: string, code: string, words: RegExp) => {
    try {
      mount(path)();
      assert.unreachable();
    } catch (error) {
      assert.instance(error, HostPathError);
      assert.is((error as HostPathError).code, code);
      assert.match((error as HostPathError).message, words);
    }
  };
  fails('/no/such/dir', 'ENOENT', /^\/no\/such\/dir: no such file or directory on the host$/);
  const dir = directory();
  fs.writeFileSync(join(dir, 'f'), '');
  fails(join(dir, 'f'), 'ENOTDIR', /not a directory/);
  if (process.geteuid!() !== 0) {
    fs.chmodSync(dir, 0);
    fails(dir, 'EACCES', /does not let this user read it/);
    fs.chmodSync(dir, 0o700);
  } else console.log('SKIP unreadable directory: the superuser reads everything');
});

both('the guest checks permissions as Linux does', () => {
  const w = mounted();
  fs.chmodSync(w.dir, 0o755);
  fs.writeFileSync(join(w.dir, 'f'), 'x', { mode: 0o600 });
  const other = user(process.getuid!() + 1);
  assert.is(errno(openAt(w.ctx, other, null, '/f', O_RDONLY, 0)), -EACCES);
  assert.is(errno(openAt(w.ctx, other, null, '/g', O_RDWR | O_CREAT, 0o644)), -EACCES);
  assert.is(unlinkAt(w.ctx, other, null, '/f'), -EACCES);
  w.end();
});

test('another program that swaps directories for links all the time gets nothing out', async () => {
  if (new NodeFiles().descriptorPath(0) === null) {
    console.log('SKIP racing program: this host has no paths to descriptors, where the gap is known');
    return;
  }
  use(new HurriedFiles());
  const w = mounted();
  const outside = directory();
  fs.mkdirSync(join(w.dir, 'd'));
  fs.writeFileSync(join(outside, 'f'), 'outside');
  const before = fs.statSync(outside).mtimeMs;
  const script = `
    const fs = require('fs');
    const [dir, outside] = process.argv.slice(1);
    process.chdir(dir);
    fs.symlinkSync(outside, 'link');
    process.stdout.write('ready');
    for (;;) {
      try { fs.renameSync('d', 'e'); fs.renameSync('link', 'd'); } catch {}
      try { fs.renameSync('d', 'link'); fs.renameSync('e', 'd'); } catch {}
    }`;
  const racer = spawn(process.execPath, ['-e', script, w.dir, outside], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(racer.stdout, 'data');
    let made = 0;
    let failed = 0;
    for (let i = 0; i < 1500; i++) {
      const name = `/d/n${i}`;
      const results = [
        errno(openAt(w.ctx, root, null, name, O_RDWR | O_CREAT, 0o644)),
        mkdirAt(w.ctx, root, null, `${name}d`, 0o755),
        renameAt(w.ctx, root, null, name, null, `${name}r`, 0),
        unlinkAt(w.ctx, root, null, '/d/f'),
        symlinkAt(w.ctx, root, 'x', null, `${name}l`),
      ];
      for (const result of results)
        if (result < 0) failed++;
        else made++;
      const file = openAt(w.ctx, root, null, '/d/f', O_RDWR, 0);
      assert.ok(errno(file) < 0, 'the file outside is never opened');
    }
    assert.ok(made > 0 && failed > 0, 'there were races, some won');
  } finally {
    racer.kill('SIGKILL');
    await once(racer, 'exit');
  }
  assert.equal(fs.readdirSync(outside), ['f']);
  assert.is(fs.statSync(outside).mtimeMs, before);
  w.end();
  for (const dir of made) fs.rmSync(dir, { recursive: true, force: true });
});

test.run();
