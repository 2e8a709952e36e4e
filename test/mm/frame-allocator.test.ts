/** Frames and reservations against a model: never twice, never lost, side by side while nobody is in need. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PhysicalMemory } from '../../cpu/index.js';
import '../support/seeded.js';

const MIB = 1 << 20;
const PAGE = 4096;
const CHUNK = 64;

type Room = NonNullable<ReturnType<PhysicalMemory['reserve']>>;

test('room that is reserved is given out in place, side by side', () => {
  const memory = new PhysicalMemory(8 * MIB);
  const room = memory.reserve(100)!;
  assert.is(room.frames, 128);
  assert.is(memory.reservedChunks, 2);
  assert.is(memory.usedFrames, 0);
  const stray = memory.allocFrame();
  for (const index of [99, 0, 1, 50]) assert.is(memory.allocAt(room, index), room.first + index);
  assert.not.ok(stray >= room.first && stray < room.first + room.frames);
  memory.release(room);
  assert.is(memory.reservedChunks, 0);
  assert.is(memory.usedFrames, 5);
});

test('a reserved frame that is taken or lies behind the memory is replaced by another', () => {
  const memory = new PhysicalMemory(MIB);
  const room = memory.reserve(CHUNK)!;
  const first = memory.allocAt(room, 0);
  const other = memory.allocAt(room, 0);
  assert.ok(other > 0 && other !== first);
  assert.ok(memory.allocAt(room, 100_000) > 0);
});

test('reservations never keep memory from those who need it', () => {
  const memory = new PhysicalMemory(2 * MIB);
  const total = memory.freeFrames;
  const rooms: Room[] = [];
  for (let room = memory.reserve(1); room !== null; room = memory.reserve(1)) rooms.push(room);
  assert.ok(rooms.length >= 6);
  const own = rooms.map((room) => memory.allocAt(room, 7));
  const taken: number[] = [];
  for (let frame = memory.allocFrame(); frame !== 0; frame = memory.allocFrame()) taken.push(frame);
  assert.is(new Set([...own, ...taken]).size, total);
  assert.is(memory.freeFrames, 0);
  assert.is(memory.allocAt(rooms[0]!, 3), 0);
  for (const frame of [...own, ...taken]) memory.unref(frame);
  for (const room of rooms) memory.release(room);
  assert.is(memory.usedFrames, 0);
  assert.is(memory.reservedChunks, 0);
  assert.is(memory.reserve(4 * CHUNK), null); // more than half of what is left
  assert.ok(memory.reserve(3 * CHUNK) !== null);
});

test('memory that was never given out is not written to', () => {
  const memory = new PhysicalMemory(4 * MIB);
  const room = memory.reserve(CHUNK)!;
  const frame = memory.allocAt(room, 3);
  let fills = 0;
  const { fill } = memory.u8;
  memory.u8.fill = function (this: Uint8Array, ...args: [number, number, number]) {
    fills++;
    return fill.apply(this, args);
  } as typeof fill;
  memory.allocAt(room, 4);
  assert.is(fills, 0);
  memory.u8[frame * PAGE] = 1;
  memory.unref(frame);
  assert.is(memory.allocAt(room, 3), frame);
  assert.is(fills, 1);
  assert.is(memory.u8[frame * PAGE], 0);
  memory.unref(frame);
  memory.u8[frame * PAGE] = 1;
  assert.is(memory.allocAt(room, 3, false), frame);
  assert.is(fills, 1);
});

test('a reservation costs no memory until it is used', () => {
  const memory = new PhysicalMemory(256 * MIB);
  const before = memory.memory.buffer.byteLength;
  const room = memory.reserve(32 * 256)!;
  assert.is(memory.memory.buffer.byteLength, before);
  memory.allocAt(room, room.frames - 1);
  assert.ok(memory.memory.buffer.byteLength >= (room.first + room.frames) * PAGE);
  assert.is(memory.u8.length, memory.memory.buffer.byteLength);
});

test('a host without memory is a limit: what there is can be had, reserved or not, and again', () => {
  const memory = new PhysicalMemory(64 * MIB);
  memory.memory.grow = () => {
    throw new RangeError('no memory');
  };
  const there = memory.memory.buffer.byteLength / PAGE;
  const room = memory.reserve(20 * CHUNK)!;
  const far = memory.reserve(100 * CHUNK)!;
  const held = [memory.allocAt(room, 5), memory.allocAt(far, 99 * CHUNK)];
  assert.is(held[0], room.first + 5);
  for (let frame = memory.allocFrame(); frame !== 0; frame = memory.allocFrame()) held.push(frame);
  assert.is(new Set(held).size, there - 2);
  assert.ok(held.every((frame) => frame > 1 && frame < there));
  assert.is(memory.allocRun(2), 0);
  memory.unref(held.pop()!);
  assert.ok(memory.allocAt(far, 0) > 0);
  assert.is(memory.allocAt(far, 0), 0);
});

type Step =
  | { kind: 'frame' }
  | { kind: 'run'; count: number }
  | { kind: 'reserve'; frames: number }
  | { kind: 'place'; room: number; index: number }
  | { kind: 'free'; which: number }
  | { kind: 'release'; room: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('frame' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('run' as const), count: fc.integer({ min: 1, max: 150 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('reserve' as const), frames: fc.integer({ min: 1, max: 200 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('place' as const), room: fc.nat(20), index: fc.nat(130) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('free' as const), which: fc.nat(5000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), room: fc.nat(20) }) },
);

/** Sizes with and without a short chunk at the end. */
const SIZES = [MIB, MIB + 3 * 65536, 2 * MIB];

test('any sequence: frames are given out once, zeroed, up to the limit, and all come back', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SIZES), fc.array(step, { maxLength: 400 }), (size, steps) => {
      const memory = new PhysicalMemory(size);
      const total = memory.freeFrames;
      const held: number[] = [];
      const rooms: Room[] = [];
      const hold = (frame: number): void => {
        assert.ok(frame >= 2 && frame < memory.limitFrames);
        assert.not.ok(held.includes(frame), 'given out twice');
        assert.is(memory.refs(frame), 1);
        const words = memory.u32.subarray(frame * (PAGE / 4), (frame + 1) * (PAGE / 4));
        assert.ok(
          words.every((word) => word === 0),
          'zeroed',
        );
        words.fill(frame);
        held.push(frame);
      };
      for (const one of steps) {
        const free = memory.freeFrames;
        if (one.kind === 'frame') {
          const frame = memory.allocFrame();
          if (frame === 0) assert.is(free, 0);
          else hold(frame);
        } else if (one.kind === 'run') {
          const first = memory.allocRun(one.count);
          if (first !== 0) for (let i = 0; i < one.count; i++) hold(first + i);
          else assert.is(memory.freeFrames, free);
        } else if (one.kind === 'reserve') {
          const room = memory.reserve(one.frames);
          if (room === null) continue;
          assert.ok(room.frames >= one.frames);
          for (let i = 0; i < room.frames; i++) assert.is(memory.refs(room.first + i), 0);
          rooms.push(room);
        } else if (one.kind === 'place' && rooms.length > 0) {
          const room = rooms[one.room % rooms.length]!;
          const frame = memory.allocAt(room, one.index % room.frames);
          if (frame === 0) assert.is(free, 0);
          else hold(frame);
        } else if (one.kind === 'free' && held.length > 0) {
          memory.unref(held.splice(one.which % held.length, 1)[0]!);
        } else if (one.kind === 'release' && rooms.length > 0) {
          memory.release(rooms.splice(one.room % rooms.length, 1)[0]!);
        }
        assert.is(memory.usedFrames, held.length);
        assert.is(memory.freeFrames, total - held.length);
      }
      for (const frame of held) memory.unref(frame);
      for (const room of rooms) memory.release(room);
      assert.is(memory.usedFrames, 0);
      assert.is(memory.reservedChunks, 0);
      // Nothing is lost and nothing is scattered: the whole of it can be had in one piece.
      assert.ok(memory.allocRun(total) > 0);
    }),
    { numRuns: 150 },
  );
});

test('two owners of disjoint rooms stay side by side each while memory is left', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 300 }), (order) => {
      const memory = new PhysicalMemory(16 * MIB);
      const rooms = [0, 1, 2].map(() => memory.reserve(300)!);
      const next = [0, 0, 0];
      for (const who of order) {
        if (who === 3) {
          memory.allocFrame();
          continue;
        }
        const room = rooms[who]!;
        assert.is(memory.allocAt(room, next[who]!), room.first + next[who]!);
        next[who]!++;
      }
    }),
  );
});

test.run();
