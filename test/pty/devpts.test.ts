/** The directory /dev/pts, its nodes and the ways to open both ends. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, EIO, ENOENT, ENOSPC, ENXIO, EPERM, isErr } from '../../abi/errno.js';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { TIOCGPTPEER, TIOCSPTLCK } from '../../abi/ioctl.js';
import { S_IFCHR } from '../../abi/stat.js';
import type { Devpts } from '../../pty/devpts.js';
import { openCurrentTty } from '../../pty/tty-devices.js';
import type { TtyFile } from '../../pty/tty-file.js';
import { makeDevice } from '../../vfs/devices.js';
import type { OpenFile } from '../../vfs/file.js';
import type { Inode } from '../../vfs/inode.js';
import { FakeKernel, FakeMemory, openPair, read, type } from './bench-kernel.js';

function names(devpts: Devpts, stopAfter = Number.POSITIVE_INFINITY): string[] {
  const found: string[] = [];
  let cookie = 0;
  for (let more = true; more; ) {
    let taken = 0;
    more = false;
    devpts.root.readdir(cookie, (entry, next) => {
      if (taken++ === stopAfter) {
        more = true;
        return false;
      }
      found.push(`${entry.name}:${entry.ino}`);
      cookie = next;
      return true;
    });
  }
  return found;
}

const openMaster = (devpts: Devpts, kernel: FakeKernel, uid = 0): TtyFile => {
  const file = devpts.openMaster(devpts.ptmx, O_RDWR, kernel.add(100, 100, 100, uid));
  if (isErr(file)) throw new Error(String(file));
  return file;
};

test('slaves appear with the master and go with it; numbers are used again when both ends are closed', () => {
  const kernel = new FakeKernel();
  const { devpts } = kernel;
  assert.equal(names(devpts), ['ptmx:2']);
  const masters = [0, 1, 2].map(() => openMaster(devpts, kernel));
  assert.equal(names(devpts), ['ptmx:2', '0:3', '1:4', '2:5']);
  assert.equal(names(devpts, 1), names(devpts));
  masters[1].tty.slaveLocked = false;
  const slave = devpts.slave(1)!.open(O_RDWR | O_NOCTTY, kernel.add(5)) as OpenFile;
  masters[1].unref();
  assert.equal(names(devpts), ['ptmx:2', '0:3', '2:5']);
  assert.is(devpts.root.lookup('1'), -ENOENT);
  assert.is(openMaster(devpts, kernel).tty.name, 'ptm/3');
  slave.unref();
  assert.is(openMaster(devpts, kernel).tty.index, 1);
  assert.is(devpts.pairCount, 4);
});

test('nodes have the mode, owner and device number that Linux gives them', () => {
  const kernel = new FakeKernel();
  openMaster(kernel.devpts, kernel, 1000);
  const node = kernel.devpts.root.lookup('0') as Inode;
  assert.is(node.mode, S_IFCHR | 0o620);
  assert.equal([node.uid, node.gid, node.rdev], [1000, 5, makeDevice(136, 0)]);
  assert.is(
    node.setAttributes({ mode: 0o600, uid: 7, gid: 8, atime: { sec: 1, nsec: 2 }, mtime: { sec: 3, nsec: 4 } }),
    0,
  );
  assert.equal(
    [node.mode, node.uid, node.gid, node.atime, node.mtime.sec],
    [S_IFCHR | 0o600, 7, 8, { sec: 1, nsec: 2 }, 3],
  );
  assert.is(kernel.devpts.options(), ',gid=5,mode=620,ptmxmode=000');
  assert.is(kernel.devpts.statfs().type, 0x1cd1);
  const other = new FakeKernel({ uid: 1, gid: 2, mode: 0o600, ptmxMode: 0o666, max: 1 });
  assert.is(other.devpts.options(), ',uid=1,gid=2,mode=600,ptmxmode=666,max=1');
  assert.is((other.devpts.root.lookup('ptmx') as Inode).mode, S_IFCHR | 0o666);
  openMaster(other.devpts, other);
  assert.is(other.devpts.slave(0)!.uid, 1);
  assert.is(other.devpts.ptmx.open(O_RDWR, other.add(9)), -ENOSPC);
});

test('only terminals make names there, and only canonical numbers find them', () => {
  const kernel = new FakeKernel();
  const { root } = kernel.devpts;
  openMaster(kernel.devpts, kernel);
  for (const name of ['00', '1', '-0', '0x0', ' 0', '', '4294967296']) assert.is(root.lookup(name), -ENOENT, name);
  const caller = kernel.add(1);
  assert.is(root.create('x', S_IFCHR, 0, caller), -EACCES);
  assert.is(root.mkdir('x', 0, caller), -EPERM);
  assert.is(root.unlink('0', root.lookup('0') as Inode), -EPERM);
  assert.ok(root.volatileNames);
});

test('the embedder gets both ends, and the pair is gone when both are closed', () => {
  const kernel = new FakeKernel();
  const pair = kernel.devpts.openPair(O_NONBLOCK);
  if (isErr(pair)) throw new Error(String(pair));
  const caller = kernel.add(100);
  assert.is(type(pair.slave, 'hello\n', caller), 6);
  assert.is(read(pair.master, caller), 'hello\r\n');
  assert.is(caller.tty, null);
  pair.slave.unref();
  pair.master.unref();
  assert.is(kernel.devpts.pairCount, 0);
});

test('TIOCGPTPEER opens the slave of this master only, and not while it is locked', () => {
  const { kernel, leader, master, slave, memory } = openPair();
  const peer = kernel.devpts.openPeer(master, O_RDWR | O_NOCTTY, leader) as TtyFile;
  assert.is(peer.tty, (slave as TtyFile).tty);
  assert.is(kernel.devpts.openPeer(slave, O_RDWR, leader), -EIO);
  assert.is(new FakeKernel().devpts.openPeer(master, O_RDWR, leader), -EIO);
  assert.is(slave.ioctl(TIOCGPTPEER, O_RDWR, memory, leader), -EIO);
  new DataView(memory.bytes.buffer).setInt32(0, 1, true);
  master.ioctl(TIOCSPTLCK, 0x1000, memory, leader);
  assert.is(kernel.devpts.openPeer(master, O_RDWR, leader), -EIO);
});

test('a file opened through another node shows that node and has the events of its terminal', () => {
  const { kernel, leader, slave } = openPair();
  const node = kernel.devpts.ptmx;
  const file = openCurrentTty(node, O_RDWR, leader) as TtyFile;
  assert.is(file.inode.hook, slave.inode.hook);
  assert.is(file.inode.ino, node.ino);
  node.mode = S_IFCHR | 0o640;
  node.uid = 9;
  assert.equal([file.inode.mode, file.inode.uid, file.inode.rdev], [S_IFCHR | 0o640, 9, makeDevice(5, 2)]);
  file.inode.setAttributes({ gid: 12 });
  assert.is(node.gid, 12);
  file.inode.gid = 13;
  assert.is(node.gid, 13);
  assert.is(file.inode.poll(), slave.poll());
  let told = 0;
  const count = (mask: number): number => (told |= mask);
  file.inode.hook.on('notify', count);
  assert.is(file.inode.watchers, 1);
  file.inode.notify(4);
  assert.is(told, 4);
  file.inode.hook.off('notify', count);
  const again = file.inode.open(O_RDWR, leader) as TtyFile;
  assert.is(again.tty.kind, 'master');
  assert.is(openCurrentTty(node, O_RDWR, kernel.add(500)), -ENXIO);
});

test('ioctls check addresses', () => {
  const { leader, slave } = openPair();
  for (const request of [0x5401, 0x5402, 0x5413, 0x5414, 0x541b, 0x540f, 0x802c542a, 0x5457, 0x541a]) {
    assert.is(slave.ioctl(request, 0x10, new FakeMemory(), leader), -14, request.toString(16));
  }
});

test.run();
