import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGAIN, EBADF, EBUSY, EINVAL, ENOTTY, ENXIO, EPERM, EPIPE, ESPIPE, isErr } from '../../abi/errno.js';
import { O_CREAT, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import { FIONREAD } from '../../abi/ioctl.js';
import { S_IFIFO } from '../../abi/stat.js';
import type { OpenFile, UserMemory } from '../../vfs/file.js';
import { createPipe, PipeFile } from '../../vfs/fs/pipefs.js';
import { readFileAt } from '../../vfs/io.js';
import { BytesIter } from '../../vfs/iter.js';
import { fileString, mknodAt, openAt } from '../../vfs/operations.js';
import { get, makeEnv, makeWorld, ok, put, root, user, type World } from './env.js';
import '../support/seeded.js';

const IN = 0x41;
const OUT = 0x104;
const ERR = 0x8;
const HUP = 0x10;

const noMemory: UserMemory = { read: () => 0, write: () => 0 };

function pipe(flags = 0) {
  const env = makeEnv();
  return { env, ...ok(createPipe(env, flags)) };
}

const fifo = (w: World, flags: number): PipeFile => {
  const file = ok(openAt(w.ctx, root, null, 'fifo', flags, 0));
  assert.instance(file, PipeFile);
  return file as PipeFile;
};

function fifoWorld(): World {
  const w = makeWorld();
  assert.is(mknodAt(w.ctx, root, null, 'fifo', S_IFIFO | 0o644, 0), 0);
  return w;
}

test('bytes come out as they went in, and the pages are given back', () => {
  const { env, reader, writer } = pipe();
  assert.is(get(reader, 5), -EAGAIN);
  assert.is(put(writer, 'hello'), 5);
  assert.is(put(writer, ' world'), 6);
  assert.is(get(reader, 3), 'hel');
  assert.is(get(reader, 100), 'lo world');
  writer.unref();
  assert.is(get(reader, 5), '');
  reader.unref();
  assert.is(env.frames.usedFrames, 0);
});

test('capacity goes by pages: 16 writes of 3000 bytes fill a pipe', () => {
  // Results of the same calls on the host.
  const { reader, writer } = pipe();
  let total = 0;
  let n = 0;
  while ((n = put(writer, 'x'.repeat(3000))) > 0) total += n;
  assert.is(total, 48000);
  assert.is(n, -EAGAIN);
  assert.is(reader.poll(), IN);
  assert.is(writer.poll(), 0);
  assert.is(writer.setPipeSize(4096, root), -EBUSY);
  assert.is(writer.setPipeSize(0, root), -EBUSY);
  assert.is(writer.setPipeSize(-1, root), -EINVAL);
  assert.is(writer.setPipeSize(1 << 30, user(1000)), -EPERM);
  assert.is(writer.setPipeSize(100000, user(1000)), 131072);
  total = 0;
  for (let got = get(reader, 70000); typeof got === 'string'; got = get(reader, 70000)) total += got.length;
  assert.is(total, 48000);
  assert.is(writer.setPipeSize(0, root), 4096);
  assert.is(writer.getPipeSize(), 4096);
  reader.unref();
  writer.unref();
});

test('a write of up to PIPE_BUF bytes goes in whole or not at all', () => {
  const { reader, writer } = pipe();
  assert.is(put(writer, 'x'.repeat(70000)), 65536);
  assert.is(get(reader, 4095), 'x'.repeat(4095));
  assert.is(put(writer, 'yy'), -EAGAIN);
  assert.is(get(reader, 1), 'x');
  assert.is(put(writer, 'y'.repeat(4096)), 4096);
  assert.is(put(writer, 'z'), -EAGAIN);
  reader.unref();
  writer.unref();
});

test('poll and results when an end is closed are those of Linux', () => {
  const one = pipe();
  put(one.writer, 'abc');
  one.writer.unref();
  assert.is(one.reader.poll(), IN | HUP);
  get(one.reader, 3);
  assert.is(one.reader.poll(), HUP);
  assert.is(get(one.reader, 3), '');
  assert.is(put(one.reader, 'x'), -EBADF);
  one.reader.unref();
  const other = pipe();
  other.reader.unref();
  assert.is(other.writer.poll(), OUT | ERR);
  assert.is(put(other.writer, ''), 0);
  assert.is(put(other.writer, 'x'), -EPIPE);
  assert.is(get(other.writer, 1), -EBADF);
  other.writer.unref();
});

test('the other end is told when something changed', () => {
  const { reader, writer } = pipe();
  const masks: number[] = [];
  const listener = (mask: number) => masks.push(mask);
  reader.inode.hook.on('notify', listener);
  put(writer, 'x');
  assert.equal(masks.splice(0), [IN]);
  put(writer, 'x'.repeat(70000));
  masks.length = 0;
  get(reader, 100);
  assert.equal(masks.splice(0), [], 'no slot became free');
  get(reader, 4096);
  assert.equal(masks.splice(0), [OUT]);
  writer.unref();
  assert.is(masks.length, 1);
  assert.ok(masks[0] & HUP);
  reader.inode.hook.off('notify', listener);
  assert.is(reader.inode.watchers, 0);
  reader.unref();
});

test('packet mode: one read takes one packet, and the rest of it is lost', () => {
  const { reader, writer } = pipe(O_DIRECT);
  assert.is(put(writer, 'a'.repeat(5000)), 5000);
  assert.is(put(writer, 'b'.repeat(10)), 10);
  assert.is(get(reader, 10), 'a'.repeat(10));
  assert.is(get(reader, 70000), 'a'.repeat(904));
  assert.is(get(reader, 70000), 'b'.repeat(10));
  assert.is(put(writer, ''), 0);
  assert.is(get(reader, 10), -EAGAIN);
  reader.unref();
  writer.unref();
});

test('FIONREAD counts bytes; what pipes do not do has its errno', () => {
  const { reader, writer } = pipe();
  put(writer, 'abc');
  put(writer, 'x'.repeat(5000));
  let seen = 0;
  const user4: UserMemory = {
    read: () => 0,
    write: (_address, source) => {
      seen = new DataView(source.buffer).getInt32(0, true);
      return 0;
    },
  };
  assert.is(reader.ioctl(FIONREAD, 0, user4, root), 0);
  assert.is(seen, 5003);
  assert.is(reader.ioctl(0x5413, 0, noMemory, root), -ENOTTY);
  assert.is(reader.seek(0, 0), -ESPIPE);
  assert.is(readFileAt(reader, new BytesIter(new Uint8Array(1)), 0, root), -ESPIPE);
  assert.is(writer.allocate(0, 0, 1), -ESPIPE);
  assert.is(reader.allocate(0, 0, 1), -EBADF);
  assert.is(reader.fsync(), -EINVAL);
  assert.is(isErr(reader.mapping()), true);
  const w = makeWorld();
  assert.match(fileString(w.ctx, reader), /^pipe:\[\d+\]$/);
  w.end();
  assert.is(reader.node.mode, 0o10600);
  reader.unref();
  writer.unref();
});

test('a fifo: blocking opens wait for each other', () => {
  const w = fifoWorld();
  const reader = fifo(w, O_RDONLY);
  assert.is(reader.openPending(), true);
  let told = 0;
  reader.inode.hook.on('notify', () => told++);
  const writer = fifo(w, O_WRONLY);
  assert.ok(told > 0);
  assert.is(writer.openPending(), false);
  assert.is(reader.openPending(), false);
  put(writer, 'hi');
  writer.unref();
  assert.is(get(reader, 9), 'hi');
  assert.is(reader.poll(), HUP);
  reader.inode.hook.removeAllListeners();
  reader.unref();
  w.end();
});

test('a fifo: a peer that came and went still ends the wait', () => {
  const w = fifoWorld();
  const reader = fifo(w, O_RDONLY);
  const writer = fifo(w, O_WRONLY);
  writer.unref();
  assert.is(reader.openPending(), false);
  assert.is(get(reader, 1), '');
  reader.unref();
  const waiting = fifo(w, O_WRONLY);
  assert.is(waiting.openPending(), true);
  waiting.unref(); // the open was interrupted
  const again = fifo(w, O_RDONLY);
  assert.is(again.openPending(), true, 'nobody is there');
  again.unref();
  w.end();
});

test('a fifo: non-blocking opens, and no hang-up before there was a writer', () => {
  const w = fifoWorld();
  assert.is(openAt(w.ctx, root, null, 'fifo', O_WRONLY | O_NONBLOCK, 0), -ENXIO);
  const reader = fifo(w, O_RDONLY | O_NONBLOCK);
  assert.is(reader.openPending(), false);
  assert.is(reader.poll(), 0);
  assert.is(get(reader, 1), '');
  const writer = fifo(w, O_WRONLY | O_NONBLOCK | O_CREAT);
  assert.is(reader.poll(), 0);
  assert.is(get(reader, 1), -EAGAIN);
  writer.unref();
  assert.is(reader.poll(), HUP);
  const both = fifo(w, O_RDWR);
  assert.is(both.openPending(), false);
  put(both, 'self');
  assert.is(both.poll(), IN | OUT);
  assert.is(get(both, 9), 'self');
  both.unref();
  reader.unref();
  w.end();
});

test('random traffic: order holds, nothing is lost, pages are bounded and given back', () => {
  const step = fc.oneof(
    fc.record({ write: fc.integer({ min: 0, max: 12000 }) }),
    fc.record({ read: fc.integer({ min: 0, max: 20000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { env, reader, writer } = pipe(O_NONBLOCK);
      let next = 0;
      let expected = 0;
      for (const one of steps) {
        if ('write' in one) {
          let text = '';
          for (let i = 0; i < one.write; i++) text += String.fromCharCode((next + i) % 251);
          const n = put(writer as OpenFile, text);
          if (n > 0) next += n;
          if (one.write > 0 && one.write <= 4096) assert.ok(n === one.write || n === -EAGAIN);
        } else {
          const got = get(reader, one.read);
          if (typeof got !== 'string') continue;
          for (const c of got) assert.is(c.charCodeAt(0), expected++ % 251);
        }
        assert.ok(env.frames.usedFrames <= 18);
        assert.is(reader.poll() !== 0, expected < next);
      }
      reader.unref();
      writer.unref();
      assert.is(env.frames.usedFrames, 0);
    }),
    { numRuns: 60 },
  );
});

test.run();
