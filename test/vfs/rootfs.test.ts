import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, ENOTEMPTY } from '../../abi/errno.js';
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import { NodeFiles } from '../../kernel-core/host-files.js';
import { releasePath } from '../../vfs/dentry.js';
import { makeDevice } from '../../vfs/devices.js';
import type { OpenFile } from '../../vfs/file.js';
import { HostPathError } from '../../vfs/fs/hostfs.js';
import { openRootfs, type RootfsOptions } from '../../vfs/fs/rootfs.js';
import { resolve } from '../../vfs/namei.js';
import {
  chmodPath,
  fillStat,
  linkAt,
  makeStat,
  mkdirAt,
  openAt,
  readlinkAt,
  renameAt,
  rmdirAt,
  symlinkAt,
  truncatePath,
  unlinkAt,
} from '../../vfs/operations.js';
import { get, makeEnv, makeWorld, names, ok, put, root, user, type World } from './env.js';
import { archive, type Member } from './tar-archive.js';

const host = new NodeFiles();
const dir = fs.mkdtempSync(join(tmpdir(), 'banos-rootfs-'));
const descriptors = (): number => (process.platform === 'linux' ? fs.readdirSync('/proc/self/fd').length : 0);
let before = 0;

/** A test after which all descriptors of the host are given back. */
function check(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    before = descriptors();
    await body();
    assert.is(descriptors(), before, 'descriptors of the host were given back');
  });
}

test.after(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Boots a world on `path`; the end checks that all frames come back. */
async function world(path: string, options?: RootfsOptions): Promise<World> {
  const env = makeEnv();
  return makeWorld(env, await openRootfs(env, 31, host, path, options));
}

const open = (w: World, name: string, flags = O_RDONLY): OpenFile => ok(openAt(w.ctx, root, null, name, flags, 0o644));

const text = (w: World, name: string): string => {
  const file = open(w, name);
  const all = get(file, 1 << 20);
  file.unref();
  return all as string;
};

const list = (w: World, name: string): string[] => {
  const file = open(w, name, O_RDONLY | O_DIRECTORY);
  const all = names(file).sort();
  file.unref();
  return all;
};

const stat = (w: World, name: string) => {
  const path = ok(resolve(w.ctx, root, null, name, 0));
  const out = makeStat();
  fillStat(path.dentry.inode, out);
  releasePath(path);
  return out;
};

/** A picture of a tree of the host that shows every change. */
function picture(path: string): string {
  const lines: string[] = [];
  const walk = (at: string): void => {
    const s = fs.lstatSync(at);
    const isFile = s.isFile() ? fs.readFileSync(at, 'latin1') : '';
    lines.push(`${at} ${s.mode} ${s.uid} ${s.nlink} ${s.size} ${s.mtimeMs} ${s.ctimeMs} ${isFile}`);
    if (s.isDirectory()) for (const name of fs.readdirSync(at).sort()) walk(join(at, name));
  };
  walk(path);
  return lines.join('\n');
}

let count = 0;
function tree(): string {
  const base = join(dir, `tree${count++}`);
  fs.mkdirSync(join(base, 'etc/deep'), { recursive: true });
  fs.mkdirSync(join(base, 'bin'));
  fs.writeFileSync(join(base, 'etc/passwd'), 'root\n');
  fs.writeFileSync(join(base, 'etc/deep/file'), 'deep');
  fs.writeFileSync(join(base, 'bin/tool'), 'x'.repeat(10_000), { mode: 0o755 });
  fs.linkSync(join(base, 'bin/tool'), join(base, 'bin/alias'));
  fs.symlinkSync('/etc/passwd', join(base, 'link'));
  fs.utimesSync(join(base, 'etc/passwd'), 100, 200);
  return base;
}

check('a directory is taken over as it is', async () => {
  const base = tree();
  const w = await world(base);
  assert.equal(list(w, '/'), ['bin', 'etc', 'link']);
  assert.is(text(w, '/etc/passwd'), 'root\n');
  assert.is(text(w, '/link'), 'root\n', 'absolute links stay inside');
  assert.is(readlinkAt(w.ctx, root, null, '/link'), '/etc/passwd');
  const s = stat(w, '/etc/passwd');
  assert.equal([s.mode, s.size, s.mtime.sec, s.uid], [0o100644, 5, 200, process.getuid!()]);
  assert.is(stat(w, '/etc').nlink, 3);
  assert.is(stat(w, '/bin/tool').mode, 0o100755);
  assert.is(stat(w, '/bin/tool').ino, stat(w, '/bin/alias').ino, 'hard links are one file');
  assert.is(stat(w, '/bin/tool').nlink, 2);
  assert.is(text(w, '/bin/alias'), 'x'.repeat(10_000));
  w.end();
});

check('nothing that the guest does reaches the host', async () => {
  const base = tree();
  const image = picture(base);
  const w = await world(base);
  const file = open(w, '/etc/passwd', O_RDWR);
  put(file, 'ROOT');
  file.unref();
  assert.is(text(w, '/etc/passwd'), 'ROOT\n');
  const tool = open(w, '/bin/alias', O_WRONLY);
  tool.seek(5000, 0);
  put(tool, 'PATCH');
  tool.unref();
  assert.is(text(w, '/bin/tool'), `${'x'.repeat(5000)}PATCH${'x'.repeat(4995)}`, 'the other name shows the change');
  assert.is(unlinkAt(w.ctx, root, null, '/bin/tool'), 0);
  assert.is(stat(w, '/bin/alias').nlink, 1);
  const path = ok(resolve(w.ctx, root, null, '/etc/deep/file', 0));
  assert.is(chmodPath(path, root, 0o600), 0);
  assert.is(truncatePath(path, root, 2), 0);
  releasePath(path);
  assert.is(rmdirAt(w.ctx, root, null, '/etc/deep'), -ENOTEMPTY, 'also a directory nobody has listed');
  assert.is(renameAt(w.ctx, root, null, '/etc/deep', null, '/bin/moved', 0), 0);
  assert.is(text(w, '/bin/moved/file'), 'de');
  assert.is(mkdirAt(w.ctx, root, null, '/etc/new', 0o755), 0);
  assert.is(symlinkAt(w.ctx, root, 'x', null, '/etc/new/l'), 0);
  assert.is(linkAt(w.ctx, root, null, '/etc/passwd', null, '/p', 0), 0);
  open(w, '/etc/created', O_RDWR | O_CREAT).unref();
  assert.is(unlinkAt(w.ctx, root, null, '/etc/passwd'), 0);
  assert.equal(list(w, '/etc'), ['created', 'new']);
  assert.is(unlinkAt(w.ctx, root, null, '/bin/alias'), 0);
  assert.equal(list(w, '/bin'), ['moved']);
  w.end();
  assert.is(picture(base), image);
});

check('an open file outlives its name, and mapped pages are the read ones', async () => {
  const w = await world(tree());
  const file = open(w, '/bin/tool', O_RDWR);
  const cache = file.mapping();
  if (typeof cache === 'number') throw new Error('not mappable');
  const frame = cache.page(1) as number;
  w.env.frames.u8[frame * 4096] = 'M'.charCodeAt(0);
  unlinkAt(w.ctx, root, null, '/bin/tool');
  unlinkAt(w.ctx, root, null, '/bin/alias');
  file.seek(4095, 0);
  assert.is(get(file, 3), 'xMx');
  file.unref();
  w.end();
});

check('more files than may be open, and what the host does not let us read', async () => {
  const base = join(dir, 'many');
  fs.mkdirSync(base);
  for (let i = 0; i < 150; i++) fs.writeFileSync(join(base, `f${i}`), `text ${i}`);
  fs.mkdirSync(join(base, 'closed'));
  fs.writeFileSync(join(base, 'secret'), 'secret');
  const w = await world(base);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 150; i++) assert.is(text(w, `/f${i}`), `text ${i}`);
  }
  assert.ok(descriptors() - before <= 70);
  if (process.geteuid!() === 0) console.log('SKIP unreadable files: the superuser reads everything');
  else {
    fs.chmodSync(join(base, 'secret'), 0);
    fs.chmodSync(join(base, 'closed'), 0);
    const file = open(w, '/secret');
    assert.is(get(file, 10), -EACCES);
    file.unref();
    const closed = openAt(w.ctx, root, null, '/closed/x', O_RDONLY, 0);
    assert.is(closed, -EACCES);
  }
  w.end();
});

check('a file that the host replaces while we run is not mixed up with the new one', async () => {
  const base = tree();
  const w = await world(base);
  assert.is(stat(w, '/etc/passwd').size, 5);
  fs.renameSync(join(base, 'etc/deep/file'), join(base, 'etc/passwd'));
  const file = open(w, '/etc/passwd');
  assert.ok((get(file, 10) as number) < 0);
  file.unref();
  w.end();
});

function saved(members: Member[], gzip = false): string {
  const bytes = archive(members);
  const path = join(dir, `archive${count++}`);
  fs.writeFileSync(path, gzip ? gzipSync(bytes) : bytes);
  return path;
}

for (const gzip of [false, true]) {
  check(`a ${gzip ? 'gzipped ' : ''}tar archive is taken over`, async () => {
    const path = saved(
      [
        { name: './', type: 'directory', mode: 0o711 },
        { name: './usr/', type: 'directory', mode: 0o755 },
        { name: './lib', type: 'symlink', link: 'usr/lib' },
        { name: './usr/lib/', type: 'directory', mode: 0o2750, uid: 5, gid: 6, mtime: 1000 },
        { name: 'lib/so', mode: 0o4755, uid: 7, gid: 8, content: 'lib'.repeat(3000), mtime: 123 },
        { name: '/abs/made/on/the/way', content: 'abs' },
        { name: 'hard', type: 'link', link: './lib/so' },
        { name: 'dev/null', type: 'character', device: [1, 3], mode: 0o666 },
        { name: 'run/pipe', type: 'fifo', mode: 0o600 },
        { name: 'empty', content: '' },
        { name: 'twice', content: 'first' },
        { name: 'twice', content: 'second' },
        { name: `${'n'.repeat(200)}/${'m'.repeat(200)}`, content: 'long' },
        { name: './usr/', type: 'directory', mode: 0o700 },
      ],
      gzip,
    );
    const image = picture(path);
    const w = await world(path);
    assert.is(stat(w, '/').mode, 0o040711);
    assert.is(stat(w, '/usr').mode, 0o040700, 'a second header of a directory counts');
    assert.equal(list(w, '/usr/lib'), ['so'], 'links inside the archive are followed');
    assert.is(text(w, '/lib/so'), 'lib'.repeat(3000));
    const so = stat(w, '/usr/lib/so');
    assert.equal([so.mode, so.uid, so.gid, so.mtime.sec, so.nlink, so.size], [0o104755, 7, 8, 123, 2, 9000]);
    assert.is(stat(w, '/hard').ino, so.ino);
    assert.is(text(w, '/abs/made/on/the/way'), 'abs');
    assert.is(stat(w, '/dev/null').rdev, makeDevice(1, 3));
    assert.is(text(w, '/dev/null'), '');
    assert.is(stat(w, '/run/pipe').mode, 0o010600);
    assert.is(text(w, '/empty'), '');
    assert.is(text(w, '/twice'), 'second');
    assert.is(text(w, `/${'n'.repeat(200)}/${'m'.repeat(200)}`), 'long');
    const file = open(w, '/hard', O_RDWR);
    put(file, 'LIB');
    file.unref();
    assert.is(text(w, '/usr/lib/so').slice(0, 6), 'LIBlib');
    assert.is(openAt(w.ctx, user(9), null, '/usr/lib/so', O_RDWR, 0), -EACCES);
    w.end();
    assert.is(picture(path), image, 'the archive is as it was');
  });
}

async function refused(path: string, words: RegExp, options?: RootfsOptions): Promise<void> {
  const env = makeEnv();
  try {
    const rootfs = await openRootfs(env, 31, host, path, options);
    rootfs.shutdown();
  } catch (error) {
    assert.instance(error, HostPathError, (error as Error).stack);
    assert.match((error as Error).message, words);
    assert.ok((error as Error).message.startsWith(path), 'the message names the file');
    assert.is(env.frames.usedFrames, makeEnv().frames.usedFrames);
    return;
  }
  assert.unreachable(`no error like ${words}`);
}

check('hostile archives are refused with a clear error', async () => {
  await refused(
    saved([{ name: 'a/../../etc/passwd', content: 'x' }]),
    /'a\/..\/..\/etc\/passwd' leads out of the archive/,
  );
  await refused(saved([{ name: '../x', type: 'directory' }]), /leads out/);
  await refused(saved([{ name: 'h', type: 'link', link: '../../etc/passwd' }]), /leads out/);
  await refused(saved([{ name: 'h', type: 'link', link: '/etc/passwd' }]), /no file before it/);
  await refused(
    saved([
      { name: 'f', content: 'x' },
      { name: 'f/g', content: 'y' },
    ]),
    /below something that is no directory/,
  );
  await refused(
    saved([
      { name: 'd/f', content: 'x' },
      { name: 'd', content: 'y' },
    ]),
    /comes twice/,
  );
  await refused(
    saved([
      { name: 'a', type: 'symlink', link: 'b' },
      { name: 'b', type: 'symlink', link: 'a' },
      { name: 'a/f', content: 'x' },
    ]),
    /below something that is no directory/,
  );
  await refused(saved([{ name: 'n'.repeat(256), content: 'x' }]), /too long/);
  const bomb = saved([{ name: 'zeros', content: '\0'.repeat(1 << 21) }], true);
  await refused(bomb, /unpacks to more than 1 MiB/, { contentLimit: 1 << 20 });
});

check('a link that points out is followed inside', async () => {
  const outside = join(dir, 'outside');
  fs.mkdirSync(outside);
  const w = await world(
    saved([
      { name: 'out', type: 'symlink', link: outside },
      { name: 'up', type: 'symlink', link: '../../../../../..' },
      { name: 'out/f', content: 'in' },
      { name: 'up/g', content: 'root' },
    ]),
  );
  assert.equal(fs.readdirSync(outside), []);
  assert.is(text(w, `${outside}/f`), 'in');
  assert.is(text(w, '/g'), 'root');
  w.end();
});

check('damaged and foreign files are told apart', async () => {
  const save = (name: string, bytes: Uint8Array): string => {
    fs.writeFileSync(join(dir, name), bytes);
    return join(dir, name);
  };
  const whole = archive([{ name: 'f', content: 'x'.repeat(5000) }]);
  const zipped = gzipSync(whole);
  await refused(join(dir, 'missing.tar'), /no such file or directory on the host/);
  await refused(save('text', Buffer.from('just text')), /not a tar archive/);
  await refused(save('nothing', Buffer.alloc(0)), /it is empty/);
  await refused('/dev/zero', /neither a directory nor a regular file/);
  await refused(save('cut.tar', whole.subarray(0, 3000)), /truncated/);
  await refused(save('cut.tgz', zipped.subarray(0, zipped.length - 20)), /truncated/);
  const bad = Buffer.from(zipped);
  bad.fill(0xff, 20, 40);
  await refused(save('bad.tgz', bad), /damaged|truncated|invalid/);
  await refused(save('text.gz', gzipSync(Buffer.from('just text'))), /not a tar archive/);
  for (const [name, magic] of [
    ['xz', 'fd377a585a00'],
    ['bzip2', '425a6839'],
    ['zstd', '28b52ffd'],
    ['zip', '504b0304'],
  ]) {
    await refused(
      save(name, Buffer.concat([Buffer.from(magic, 'hex'), Buffer.alloc(600)])),
      new RegExp(`${name} is not supported`),
    );
  }
  if (process.geteuid!() === 0) console.log('SKIP unreadable archive: the superuser reads everything');
  else {
    fs.chmodSync(save('closed.tar', whole), 0);
    await refused(join(dir, 'closed.tar'), /does not let this user read it/);
  }
});

check('what the tar of this machine makes comes out the same', async () => {
  if (process.platform !== 'linux') {
    console.log('SKIP tar of this machine: formats differ elsewhere');
    return;
  }
  const base = tree();
  fs.writeFileSync(join(base, 'name with blanks \xe4'), 'x');
  for (const format of ['v7', 'oldgnu', 'gnu', 'ustar', 'posix']) {
    const path = join(dir, `${format}.tar`);
    execFileSync('tar', ['-C', base, `--format=${format}`, '-cf', path, '.']);
    const [a, b] = [await world(base), await world(path)];
    const compare = (name: string): void => {
      const [one, other] = [stat(a, name), stat(b, name)];
      assert.equal(
        [other.mode, other.uid, other.size, other.mtime.sec, other.nlink],
        [one.mode, one.uid, other.size, one.mtime.sec, one.nlink],
        `${format} ${name}`,
      );
      if ((one.mode & 0o170000) === 0o100000) assert.is(text(b, name), text(a, name), name);
      if ((one.mode & 0o170000) !== 0o040000) return;
      assert.equal(list(b, name), list(a, name));
      for (const child of list(a, name)) compare(name === '/' ? `/${child}` : `${name}/${child}`);
    };
    compare('/');
    a.end();
    b.end();
  }
});

test.run();
