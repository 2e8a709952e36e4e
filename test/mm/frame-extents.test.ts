/** Extents: where pages of files and address spaces want to be. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PhysicalMemory } from '../../cpu/index.js';
import { FrameExtents } from '../../vfs/frame-extents.js';

const MIB = 1 << 20;

let memory: PhysicalMemory;
let extents: FrameExtents;

test.before.each(() => {
  memory = new PhysicalMemory(64 * MIB);
  extents = new FrameExtents(memory);
});

test.after.each(() => {
  extents.clear();
  assert.is(memory.reservedChunks, 0);
});

test('a file of known length is contiguous, in whatever order its pages are loaded', () => {
  const first = extents.allocForFile(90, 300) - 90;
  for (const index of [0, 299, 17, 18, 150]) {
    memory.allocFrame();
    assert.is(extents.allocForFile(index, 300), first + index);
  }
  assert.is(extents.list.length, 1);
});

test('a file that is written from its start is a few extents', () => {
  for (let index = 0; index < 3000; index++) extents.allocForFile(index, index + 1);
  assert.ok(extents.list.length <= 14, `${extents.list.length} extents`);
});

test('a file full of holes does not keep all room for itself', () => {
  extents.allocForFile(2 ** 30, 2 ** 30 + 1);
  extents.allocForFile(5, 2 ** 30 + 1);
  assert.ok(memory.reservedChunks <= 192);
  const room = memory.reserve(MIB / 4096);
  assert.ok(room !== null);
  memory.release(room);
});

test('an extent lies between its neighbours, and is smaller where there is no room', () => {
  const middle = extents.make(100, 90, 110)!;
  assert.equal([middle.start, middle.end], [90, 110]);
  const below = extents.make(50, 0, 200)!;
  assert.equal([below.start, below.end], [0, 90]);
  const above = extents.make(10_000, 0, 1_000_000)!;
  assert.ok(above.start >= 110 && above.start <= 10_000 && above.end > 10_000);
  assert.is(extents.find(89), below);
  assert.is(extents.find(90), middle);
  assert.is(extents.find(109), middle);
  assert.is.not(extents.find(110), middle);
});

test('trimming takes pages away and leaves the others where they are', () => {
  const one = extents.make(100, 64, 128)!;
  const frame = one.room.first + 36;
  assert.is(memory.allocAt(one.room, 100 - one.origin), frame);
  extents.trim(120, 200);
  extents.trim(0, 70);
  assert.equal([one.start, one.end], [70, 120]);
  assert.is(extents.find(69), null);
  assert.is(extents.find(120), null);
  assert.is(memory.allocAt(one.room, 101 - one.origin), frame + 1);
  extents.trim(60, 130);
  assert.is(extents.list.length, 0);
  memory.unref(frame);
  memory.unref(frame + 1);
});

test('a larger room takes the place of one that is outgrown, up to the neighbours', () => {
  const one = extents.make(100, 64, 128)!;
  extents.make(500, 400, 600);
  assert.ok(extents.enlarge(one, 10, 1000));
  assert.equal([one.start, one.end, one.origin], [10, 400, 10]);
  assert.ok(one.room.frames >= 390);
});

test.run();
