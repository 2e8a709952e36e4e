import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, ENOSPC, ENOTTY, ENXIO, isErr } from '../../abi/errno.js';
import { O_RDONLY, O_RDWR } from '../../abi/fcntl.js';
import { RNDGETENTCNT } from '../../abi/ioctl.js';
import { MS_NODEV } from '../../abi/mount.js';
import { S_IFBLK, S_IFCHR, S_IFSOCK } from '../../abi/stat.js';
import { majorOf, makeDevice, minorOf } from '../../vfs/devices.js';
import type { UserMemory } from '../../vfs/file.js';
import { Devfs } from '../../vfs/fs/devfs.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { fileString, mknodAt, openAt, readlinkAt, statfs } from '../../vfs/operations.js';
import { get, makeEnv, makeWorld, names, ok, put, root } from './env.js';

const memory: UserMemory = { read: () => 0, write: () => 0 };

const devWorld = () => {
  const env = makeEnv();
  return makeWorld(env, new Devfs(env, 5));
};

test('device numbers are packed as Linux packs them', () => {
  assert.is(makeDevice(1, 3), 0x103);
  assert.is(makeDevice(0xfff, 0xfffff), 0xffffffff);
  for (const [major, minor] of [
    [5, 2],
    [136, 1000],
    [4095, 0x12345],
  ] as const) {
    assert.equal([majorOf(makeDevice(major, minor)), minorOf(makeDevice(major, minor))], [major, minor]);
  }
});

test('/dev holds what a Linux has there', () => {
  const w = devWorld();
  const directory = ok(openAt(w.ctx, root, null, '/', O_RDONLY, 0));
  assert.equal(names(directory).sort(), [
    'fd',
    'full',
    'null',
    'pts',
    'random',
    'shm',
    'stderr',
    'stdin',
    'stdout',
    'urandom',
    'zero',
  ]);
  directory.unref();
  assert.is(readlinkAt(w.ctx, root, null, 'stdin'), '/proc/self/fd/0');
  assert.is(w.fs.type, 'devtmpfs');
  assert.is(statfs(w.ctx.root).type, 0x01021994);
  w.end();
});

test('the memory devices read, write, seek and poll as on Linux', () => {
  const w = devWorld();
  const rows: [string, string | number, number][] = [
    ['null', '', 5],
    ['zero', '\0\0\0\0\0', 5],
    ['full', '\0\0\0\0\0', -ENOSPC],
  ];
  for (const [name, read, written] of rows) {
    const file = ok(openAt(w.ctx, root, null, name, O_RDWR, 0));
    assert.is(get(file, 5), read, name);
    assert.is(put(file, 'hello'), written, name);
    assert.is(file.seek(100, 0), 0);
    assert.is(file.seek(0, 2), 0);
    assert.is(file.poll(), 0x145);
    assert.is(file.fsync(), -EINVAL);
    assert.is(file.allocate(0, 0, 1), -ENODEV);
    assert.is(file.ioctl(0x5401, 0, memory, root), -ENOTTY);
    assert.is(fileString(w.ctx, file), `/${name}`);
    file.unref();
  }
  for (const name of ['random', 'urandom']) {
    const file = ok(openAt(w.ctx, root, null, name, O_RDWR, 0));
    const first = get(file, 10000) as string;
    assert.is(first.length, 10000);
    assert.is.not(first, get(file, 10000));
    assert.is(put(file, 'hello'), 5);
    assert.is(file.ioctl(RNDGETENTCNT, 0, memory, root), 0);
    assert.is(file.ioctl(0x5401, 0, memory, root), -EINVAL);
    assert.is(file.node.rdev, makeDevice(1, name === 'random' ? 8 : 9));
    file.unref();
  }
  w.end();
});

test('mappings of /dev/zero are anonymous memory of their own', () => {
  const w = devWorld();
  const file = ok(openAt(w.ctx, root, null, 'zero', O_RDWR, 0));
  const one = ok(file.mapping());
  const other = ok(file.mapping());
  const frame = one.page(1000) as number;
  assert.is(one.page(1000), frame);
  assert.is.not(other.page(1000), frame);
  assert.is(w.env.frames.usedFrames, 2);
  file.unref();
  assert.is(w.env.frames.usedFrames, 0);
  const nothing = ok(openAt(w.ctx, root, null, 'null', O_RDWR, 0));
  assert.is(nothing.mapping(), -ENODEV);
  nothing.unref();
  w.end();
});

test('a node on any file system reaches the same device; nodev and unknown numbers do not', () => {
  const w = makeWorld();
  mknodAt(w.ctx, root, null, 'n', S_IFCHR | 0o666, makeDevice(1, 3));
  mknodAt(w.ctx, root, null, 'c', S_IFCHR | 0o666, makeDevice(99, 3));
  mknodAt(w.ctx, root, null, 'b', S_IFBLK | 0o666, makeDevice(1, 3));
  mknodAt(w.ctx, root, null, 's', S_IFSOCK | 0o666, 0);
  const file = ok(openAt(w.ctx, root, null, 'n', O_RDWR, 0));
  assert.is(put(file, 'x'), 1);
  file.unref();
  for (const name of ['c', 'b', 's']) assert.is(openAt(w.ctx, root, null, name, O_RDONLY, 0), -ENXIO, name);
  w.ctx.namespace.remount(w.ctx.root, MS_NODEV);
  assert.is(openAt(w.ctx, root, null, 'n', O_RDWR, 0), -EACCES);
  w.end();
});

test('drivers come and go', () => {
  const env = makeEnv();
  const fs = new Devfs(env, 5);
  const w = makeWorld(env, fs);
  const open = () => fail(77);
  const fail = (errno: number) => -errno as never;
  assert.is(env.devices.registerCharDevice(240, null, open, 'mine'), 0);
  assert.is(env.devices.registerCharDevice(240, null, open, 'mine'), -EBUSY);
  assert.ok(!isErr(fs.addDevice('mine', 240, 7, 0o600, 1, 2)));
  assert.is(fs.addDevice('mine', 240, 7, 0o600), -EEXIST);
  assert.is(openAt(w.ctx, root, null, 'mine', O_RDONLY, 0), -77);
  assert.equal(
    env.devices.charDevices().map(({ major, name }) => `${major} ${name}`),
    ['1 mem', '240 mine'],
  );
  assert.is(fs.removeDevice('mine'), 0);
  assert.is(fs.removeDevice('mine'), -ENOENT);
  assert.is(openAt(w.ctx, root, null, 'mine', O_RDONLY, 0), -ENOENT);
  env.devices.unregisterCharDevice(240, null);
  assert.is(env.devices.charDevices().length, 1);
  w.end();
});

test('tmpfs states its options as /proc/mounts shows them', () => {
  const env = makeEnv();
  assert.is(new Tmpfs(env, 9).options(), '');
  assert.is(
    new Tmpfs(env, 9, { sizeLimit: 1 << 20, inodeLimit: 10, mode: 0o755, uid: 5, gid: 6 }).options(),
    ',size=1024k,nr_inodes=10,mode=755,uid=5,gid=6',
  );
});

test.run();
