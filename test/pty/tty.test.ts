/** What scripts against the host cannot show: waiting reads, events, re-entry, bad addresses, devices other than pairs. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGAIN, EFAULT, EINVAL, EIO, ENOSYS, EPERM, type Err, fail } from '../../abi/errno.js';
import { O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import * as io from '../../abi/ioctl.js';
import { POLLIN, POLLOUT } from '../../abi/poll.js';
import { ECHO, ICANON, ISIG, ONLCR, OPOST, VMIN, VTIME } from '../../abi/termios.js';
import { makeDeviceTty, openConsole } from '../../pty/tty-devices.js';
import type { TtyFile } from '../../pty/tty-file.js';
import { makeDevice } from '../../vfs/devices.js';
import { BytesIter, type IoIter } from '../../vfs/iter.js';
import { bytesOf, FakeKernel, FakeMemory, type OpenPair, openPair, read, textOf, type } from './bench-kernel.js';

/** A pair with a blocking slave in raw mode. */
function rawPair(min: number, time: number): OpenPair {
  const pair = openPair();
  pair.slave.flags &= ~O_NONBLOCK;
  const { tty } = pair.slave as TtyFile;
  const next = { ...tty.termios, lflag: 0, iflag: 0, oflag: 0, cc: tty.termios.cc.slice() };
  next.cc[VMIN] = min;
  next.cc[VTIME] = time;
  tty.setTermios(next);
  return pair;
}

const expire = (pair: OpenPair): string | number => {
  const iter = new BytesIter(new Uint8Array(100));
  const result = pair.slave.readTimedOut(iter, pair.leader);
  return result < 0 ? result : textOf(iter.bytes.subarray(0, result));
};

test('VMIN > 0, VTIME = 0: a waiting read waits for VMIN bytes, or for as many as it asked for', () => {
  const pair = rawPair(3, 0);
  assert.is(read(pair.slave, pair.leader), -EAGAIN);
  assert.is(pair.slave.readTimeout(), Number.POSITIVE_INFINITY);
  type(pair.master, 'ab', pair.leader);
  assert.is(read(pair.slave, pair.leader), -EAGAIN);
  assert.is(pair.slave.poll() & POLLIN, 0);
  assert.is(read(pair.slave, pair.leader, 2), 'ab');
  type(pair.master, 'abcd', pair.leader);
  assert.is(read(pair.slave, pair.leader), 'abcd');
});

test('VMIN > 0, VTIME > 0: the clock starts with the first byte', () => {
  const pair = rawPair(3, 5);
  assert.is(pair.slave.readTimeout(), Number.POSITIVE_INFINITY);
  type(pair.master, 'a', pair.leader);
  assert.is(read(pair.slave, pair.leader), -EAGAIN);
  assert.is(pair.slave.readTimeout(), 5e8);
  assert.is(expire(pair), 'a');
  assert.is(pair.slave.readTimeout(), Number.POSITIVE_INFINITY);
});

test('VMIN = 0, VTIME > 0: the read waits that long for a first byte', () => {
  const pair = rawPair(0, 5);
  assert.is(read(pair.slave, pair.leader), -EAGAIN);
  assert.is(pair.slave.readTimeout(), 5e8);
  assert.is(expire(pair), '');
  type(pair.master, 'a', pair.leader);
  assert.is(read(pair.slave, pair.leader), 'a');
});

test('VMIN = 0, VTIME = 0: the read never waits', () => {
  const pair = rawPair(0, 0);
  assert.is(read(pair.slave, pair.leader), '');
  assert.is(pair.master.readTimeout(), Number.POSITIVE_INFINITY);
});

test('a line wakes readers once, after everything is in place', () => {
  const { leader, master, slave } = openPair();
  const seen: string[] = [];
  for (const [name, end] of Object.entries({ slave, master })) {
    end.inode.hook.on('notify', (mask) => mask & POLLIN && seen.push(`${name} ${end.poll() & POLLIN}`));
  }
  type(master, 'ab', leader);
  assert.equal(seen, ['master 1']);
  seen.length = 0;
  read(master, leader);
  seen.length = 0;
  type(master, 'c\n', leader);
  assert.equal(seen.sort(), ['master 1', 'slave 1']);
});

test('readers tell writers that there is room again', () => {
  const pair = rawPair(1, 0);
  let told = 0;
  pair.master.inode.hook.on('notify', (mask) => (told |= mask));
  const block = new Uint8Array(30_000);
  assert.ok(pair.master.write(new BytesIter(block), 0, pair.leader) < 30_000);
  assert.is(pair.master.write(new BytesIter(block), 0, pair.leader), -EAGAIN);
  assert.is(pair.master.poll() & POLLOUT, 0);
  told = 0;
  read(pair.slave, pair.leader);
  assert.is(told & POLLOUT, POLLOUT);
  assert.is(pair.master.poll() & POLLOUT, POLLOUT);
});

test('a listener may read and type at once', () => {
  const { leader, master, slave } = openPair();
  let output = '';
  let answered = false;
  master.inode.hook.on('notify', () => {
    for (let text = read(master, leader); typeof text === 'string'; text = read(master, leader)) output += text;
    if (!answered && output.includes('name?')) {
      answered = true;
      type(master, 'joe\x7fhn\n', leader);
    }
  });
  type(slave, 'what is your name? ', leader);
  assert.is(output, 'what is your name? joe\b \bhn\r\n');
  assert.is(read(slave, leader), 'john\n');
});

test('a long pasted line goes through a reader that takes little at a time', () => {
  const pair = rawPair(1, 0);
  const text = Array.from({ length: 10_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  const from = new BytesIter(bytesOf(text));
  let got = '';
  while (got.length < text.length) {
    if (from.remaining > 0) pair.master.write(from, 0, pair.leader);
    const piece = read(pair.slave, pair.leader, 77);
    assert.type(piece, 'string');
    got += piece;
  }
  assert.is(got, text);
});

/** A buffer that faults after `good` bytes. */
class BadIter extends BytesIter {
  good: number;

  constructor(length: number, good: number) {
    super(new Uint8Array(length));
    this.good = good;
  }

  override put(source: Uint8Array, start: number, end: number): number | Err {
    const count = Math.min(end - start, this.good);
    if (count === 0) return fail(EFAULT);
    this.good -= count;
    return super.put(source, start, start + count);
  }

  override take(target: Uint8Array, start: number, end: number): number | Err {
    const count = Math.min(end - start, this.good);
    return count === 0 ? fail(EFAULT) : super.take(target, start, start + count);
  }
}

test('bad addresses: EFAULT, or what went well before', () => {
  const { leader, master, slave } = openPair();
  const readInto = (iter: IoIter): number => slave.read(iter, 0, leader);
  type(master, 'abcdef\n', leader);
  assert.is(readInto(new BadIter(100, 3)), 3);
  type(master, 'abc\n', leader);
  assert.is(readInto(new BadIter(100, 0)), -EFAULT);
  assert.is(slave.write(new BadIter(10, 0), 0, leader), -EFAULT);
  const half = new BadIter(10, 5);
  assert.is(slave.write(half, 0, leader), -EFAULT);
  assert.is(half.position, 0);
  master.ioctl(io.TIOCPKT, 0x1000, Object.assign(new FakeMemory(), { bytes: Uint8Array.of(1, 0, 0, 0) }), leader);
  type(slave, 'x', leader);
  assert.is(master.read(new BadIter(10, 0), 0, leader), -EFAULT);
});

test('access times move in steps of eight seconds', () => {
  const { kernel, leader, master, slave } = openPair();
  kernel.seconds = 1001;
  type(slave, 'x', leader);
  assert.is(slave.inode.mtime.sec, 1000);
  kernel.seconds = 1010;
  type(slave, 'x', leader);
  type(master, 'a\n', leader);
  read(slave, leader);
  assert.equal([slave.inode.mtime.sec, slave.inode.atime.sec], [1010, 1010]);
});

interface Console {
  kernel: FakeKernel;
  out: string;
  taken: number;
  unsent: number;
  inputReady: number;
  file: TtyFile;
}

function openConsoleTty(): Console & { tty: TtyFile['tty'] } {
  const kernel = new FakeKernel();
  const state = { kernel, out: '', taken: 100_000, unsent: 0, inputReady: 0 };
  const tty = makeDeviceTty(
    'console',
    makeDevice(5, 1),
    {
      write(bytes, start, end) {
        const count = Math.min(end - start, state.taken);
        state.out += textOf(bytes.subarray(start, start + count));
        return count;
      },
      writeRoom: () => state.taken,
      unsent: () => state.unsent,
      flush() {
        state.unsent = 0;
      },
      inputReady() {
        state.inputReady++;
      },
    },
    kernel,
  );
  const file = openConsole(tty, kernel.devpts.ptmx, O_RDWR | O_NONBLOCK, kernel.add(100)) as TtyFile;
  return Object.assign(state, { file, tty });
}

test('a console: output goes to the device, input comes from it, no session gets it by opening', () => {
  const console = openConsoleTty();
  const [leader] = console.kernel.processes;
  assert.is(leader.tty, null);
  type(console.file, 'boot\n', leader);
  assert.is(console.tty.receive(bytesOf('ls\n')), 3);
  assert.is(console.out, 'boot\r\nls\r\n');
  assert.is(read(console.file, leader), 'ls\n');
  assert.is(console.inputReady, 1);
  console.taken = 0;
  assert.is(type(console.file, 'x', leader), -EAGAIN);
  let told = 0;
  console.tty.hook.on('notify', (mask) => (told |= mask));
  console.tty.outputReady();
  assert.is(told & POLLOUT, POLLOUT);
});

test('tcdrain and settings that wait for output wait', () => {
  const { file, kernel, ...console } = openConsoleTty();
  const [leader] = kernel.processes;
  const memory = new FakeMemory();
  file.tty.device.unsent = () => 300;
  file.ioctl(io.TCGETS, 0x1000, memory, leader);
  for (const request of [io.TCSBRK, io.TCSETSW, io.TCSETSF]) {
    assert.is(file.ioctl(request, 0x1000, memory, leader), -EAGAIN);
  }
  assert.is(file.ioctl(io.TCSETS, 0x1000, memory, leader), 0);
  assert.is(file.poll() & POLLOUT, 0);
  assert.is(file.ioctl(io.TIOCOUTQ, 0x1000, memory, leader), 0);
  assert.is(new DataView(memory.bytes.buffer).getInt32(0, true), 300);
  assert.is(console.out, '');
});

test('the end of a session hangs up a console, but for those who have it open as the console', () => {
  const { kernel, file, tty } = openConsoleTty();
  const [leader] = kernel.processes;
  tty.controlSessionOf(leader);
  tty.termios.lflag &= ~ECHO;
  kernel.log = [];
  tty.sessionLeaderExited(100);
  assert.equal(kernel.log, ['100:1', '100:18', '100:1']);
  assert.is(leader.tty, null);
  assert.is(tty.termios.lflag & ECHO, ECHO);
  assert.is(type(file, 'still here', leader), 10);
  tty.receive(bytesOf('x\n'));
  assert.is(read(file, leader), 'x\n');
});

test('background processes may use the console', () => {
  const { kernel, file, tty } = openConsoleTty();
  const [leader] = kernel.processes;
  tty.controlSessionOf(leader);
  const background = kernel.add(120, 100, 120);
  background.tty = tty;
  tty.receive(bytesOf('x\n'));
  assert.is(read(file, background), 'x\n');
});

test('a hung up slave answers as Linux: end of file, EIO, and the next open starts afresh', () => {
  const { kernel, leader, master, slave, memory } = openPair();
  assert.is(slave.ioctl(io.TIOCVHANGUP, 0, memory, kernel.add(300, 300, 300, 1000)), -EPERM);
  slave.inode.hook.on('notify', () => {});
  assert.is(slave.inode.watchers, 1);
  assert.is(slave.ioctl(io.TIOCVHANGUP, 0, memory, leader), 0);
  assert.is(read(slave, leader), '');
  assert.is(slave.readTimeout(), Number.POSITIVE_INFINITY);
  assert.is(type(slave, 'x', leader), -EIO);
  assert.is(slave.ioctl(io.TIOCVHANGUP, 0, memory, leader), -EIO);
  (slave as TtyFile).tty.hangUp(true);
  assert.is(type(master, 'kept until somebody opens it\n', leader), 29);
  slave.unref();
  assert.is(read(master, leader), -EIO);
});

test('redirecting the console is not built', () => {
  const { kernel, leader, master, slave, memory } = openPair();
  assert.is(slave.ioctl(io.TIOCCONS, 0, memory, leader), -ENOSYS);
  assert.is(slave.ioctl(io.TIOCCONS, 0, memory, kernel.add(300, 300, 300, 1000)), -EPERM);
  assert.is(master.ioctl(io.TIOCCONS, 0, memory, leader), -EINVAL);
});

test('without ISIG and ICANON, bytes pass unchanged in bulk', () => {
  const pair = rawPair(1, 0);
  const { tty } = pair.slave as TtyFile;
  assert.is(tty.termios.lflag & (ISIG | ICANON), 0);
  assert.is(tty.termios.oflag & (OPOST | ONLCR), 0);
  const all = Uint8Array.from({ length: 4000 }, (_, i) => i);
  for (let round = 0; round < 5; round++) {
    assert.is(pair.master.write(new BytesIter(all), 0, pair.leader), 4000);
    const iter = new BytesIter(new Uint8Array(4000));
    assert.is(pair.slave.read(iter, 0, pair.leader), 4000);
    assert.equal(iter.bytes, all);
  }
});

test.run();
