/** Memory that is contiguous for a program is contiguous in the frames: data, bss and heap, stack, mmap, after fork too. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isErr } from '../../abi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import { PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { boot } from '../../kernel-core/index.js';
import { AddressSpace } from '../../kernel-core/mm/address-space.js';
import { makeWorld, ok, PAGE, type World } from './support.js';
import '../support/seeded.js';

const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;
const HEAP = 0x600000;
const MIB = 1 << 20;

/** Runs of present pages of [start, end) that follow each other in both address spaces, rights aside. Addresses in bytes. */
function runs(space: AddressSpace, start: number, end: number): { start: number; pages: number }[] {
  const found: { start: number; pages: number }[] = [];
  let next = 0;
  let nextFrame = 0;
  space.pageTable.forEach(start / PAGE, end / PAGE, (vpn, frame) => {
    if (vpn === next && frame === nextFrame) found.at(-1)!.pages++;
    else found.push({ start: vpn * PAGE, pages: 1 });
    next = vpn + 1;
    nextFrame = frame + 1;
  });
  return found;
}

/** Do all present pages of [start, end) lie at one distance from their frames? Holes do not matter. */
function isOneExtent(space: AddressSpace, start: number, end: number): boolean {
  const distances = new Set<number>();
  space.pageTable.forEach(start / PAGE, end / PAGE, (vpn, frame) => {
    distances.add(vpn - frame);
  });
  return distances.size === 1;
}

let world: World;
let space: AddressSpace;

test.before.each(() => {
  world = makeWorld(256 * MIB);
  space = world.space();
});

test.after.each(() => {
  space.unref();
  world.assertIdle();
});

const touch = (at: number, access = PTE_WRITE): void => assert.is(space.fault(at, access), 0);

test('a mapping is one extent, in whatever order it is touched', () => {
  const at = ok(space.map(0, 300 * PAGE, RW, ANON, null, 0));
  for (const page of [299, 0, 150, 7, 8, 9, 6, 200]) touch(at + page * PAGE);
  assert.ok(isOneExtent(space, at, at + 300 * PAGE));
  for (let page = 0; page < 300; page++) touch(at + page * PAGE);
  assert.equal(runs(space, at, at + 300 * PAGE), [{ start: at, pages: 300 }]);
});

test('others who take frames at the same time do not come between', () => {
  const other = world.space();
  const at = ok(space.map(0, 100 * PAGE, RW, ANON, null, 0));
  const there = ok(other.map(0, 100 * PAGE, RW, ANON, null, 0));
  const strays: number[] = [];
  for (let page = 0; page < 100; page++) {
    touch(at + page * PAGE);
    assert.is(other.fault(there + page * PAGE, PTE_WRITE), 0);
    strays.push(world.memory.allocFrame());
  }
  assert.is(runs(space, at, at + 100 * PAGE).length, 1);
  assert.is(runs(other, there, there + 100 * PAGE).length, 1);
  for (const frame of strays) world.memory.unref(frame);
  other.unref();
});

test('a heap that grows by little stays one extent', () => {
  space.program.startBreak = space.program.break = HEAP;
  for (let end = HEAP; end < HEAP + 12 * MIB; end += 33 * PAGE) {
    assert.is(space.brk(end + 33 * PAGE), end + 33 * PAGE);
    touch(end + 5 * PAGE);
  }
  assert.ok(isOneExtent(space, HEAP, HEAP + 12 * MIB));
  for (let end = HEAP; end < HEAP + 12 * MIB; end += 33 * PAGE) assert.is(space.readU8(end + 5 * PAGE), 0);
});

test('moving a heap that has outgrown its room keeps what is in it, and pages that a child shares', () => {
  space.program.startBreak = space.program.break = HEAP;
  space.brk(HEAP + 600 * PAGE);
  for (let page = 0; page < 600; page++) ok(space.writeU32(HEAP + page * PAGE, page + 1));
  const child = ok(space.fork()); // too large to be copied
  for (const page of [0, 1, 599]) ok(space.writeU32(HEAP + page * PAGE, 1000 + page));
  space.brk(HEAP + 3000 * PAGE);
  ok(space.writeU32(HEAP + 2999 * PAGE, 7));
  for (let page = 0; page < 600; page++) {
    const isChanged = page < 2 || page === 599;
    assert.is(space.readU32(HEAP + page * PAGE), isChanged ? 1000 + page : page + 1);
    assert.is(child.readU32(HEAP + page * PAGE), page + 1);
  }
  child.unref();
  for (let page = 0; page < 600; page++) ok(space.writeU32(HEAP + page * PAGE, 5));
  ok(space.fork()).unref(); // pages that could not move are brought home
  assert.ok(isOneExtent(space, HEAP, HEAP + 3000 * PAGE));
});

test('data that is read comes into memory of its own beside what is written, other memory does not', () => {
  space.program.startBreak = space.program.break = HEAP;
  space.brk(HEAP + 10 * PAGE);
  touch(HEAP);
  touch(HEAP + 2 * PAGE, PTE_READ);
  touch(HEAP + PAGE);
  assert.equal(runs(space, HEAP, HEAP + 10 * PAGE), [{ start: HEAP, pages: 3 }]);
  const at = ok(space.map(0, 10 * PAGE, RW, ANON, null, 0));
  touch(at);
  touch(at + PAGE, PTE_READ);
  assert.is(space.pageTable.frameOf(at / PAGE + 1), space.zeroFrame);
});

test('small mappings one below the other are one extent', () => {
  let low = 0;
  let high = 0;
  for (let i = 0; i < 500; i++) {
    low = ok(space.map(0, 3 * PAGE, RW, ANON, null, 0));
    high ||= low + 3 * PAGE;
    ok(space.writeU32(low, i + 1));
    touch(low + 2 * PAGE);
  }
  assert.ok(isOneExtent(space, low, high));
  for (let i = 0; i < 500; i++) assert.is(space.readU32(high - (i + 1) * 3 * PAGE), i + 1);
});

test('room that is kept for growth does not cut a large mapping in two', () => {
  for (let i = 0; i < 30; i++) touch(ok(space.map(0, 5 * PAGE, RW, ANON, null, 0)));
  const at = ok(space.map(0, 700 * PAGE, RW, ANON, null, 0));
  for (let page = 0; page < 700; page++) touch(at + page * PAGE);
  assert.is(runs(space, at, at + 700 * PAGE).length, 1);
});

test('mremap leaves one extent, whether it moves the pages or not', () => {
  const at = ok(space.map(0, 100 * PAGE, RW, ANON, null, 0));
  for (let page = 0; page < 100; page++) ok(space.writeU32(at + page * PAGE, page + 1));
  ok(space.map(0, PAGE, PROT_READ, ANON, null, 0));
  let now = at;
  for (let pages = 100; pages < 1600; pages *= 2) {
    now = ok(space.remap(now, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE, 0));
    for (let page = pages; page < 2 * pages; page++) touch(now + page * PAGE);
    assert.is(runs(space, now, now + 2 * pages * PAGE).length, 1);
  }
  for (let page = 0; page < 100; page++) assert.is(space.readU32(now + page * PAGE), page + 1);
});

test('a stack that grows down is one extent for as long as programs usually need', () => {
  const top = 0x7ffff0000000;
  ok(space.map(top - PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, null, 0));
  for (let page = 1; page <= 1500; page++) touch(top - page * PAGE);
  assert.is(runs(space, top - 128 * PAGE, top).length, 1);
  assert.ok(runs(space, top - 1500 * PAGE, top).length <= 4);
});

test('shared anonymous memory and files are contiguous, too', () => {
  const at = ok(space.map(0, 200 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, null, 0));
  for (const page of [100, 5, 6, 199, 0]) touch(at + page * PAGE);
  assert.ok(isOneExtent(space, at, at + 200 * PAGE));
});

test('pages come along with one that follows others, and only then', () => {
  const at = ok(space.map(0, 100 * PAGE, RW, ANON, null, 0));
  for (const page of [50, 20, 80]) touch(at + page * PAGE);
  assert.is(space.rss, 3);
  touch(at);
  touch(at + PAGE);
  assert.is(space.rss, 5);
  let faults = 0;
  for (let page = 2; page < 20; page++) {
    if (space.pageTable.frameOf(at / PAGE + page) !== 0) continue;
    faults++;
    touch(at + page * PAGE);
  }
  assert.ok(faults <= 4);
  assert.is(runs(space, at, at + 21 * PAGE).length, 1);
  assert.is(space.pageTable.frameOf(at / PAGE + 99), 0);
});

test('a child has its memory as contiguous as its parent', () => {
  space.program.startBreak = space.program.break = HEAP;
  space.brk(HEAP + 200 * PAGE);
  for (let page = 0; page < 100; page++) touch(HEAP + page * PAGE);
  const child = ok(space.fork());
  for (let page = 100; page < 200; page++) assert.is(child.fault(HEAP + page * PAGE, PTE_WRITE), 0);
  assert.is(runs(child, HEAP, HEAP + 200 * PAGE).length, 1);
  assert.is(runs(space, HEAP, HEAP + 100 * PAGE).length, 1);
  child.unref();
});

test('a fork bomb of extents ends where memory ends, and everything comes back', () => {
  const spaces: AddressSpace[] = [];
  const at = ok(space.map(0, 200 * PAGE, RW, ANON, null, 0));
  for (let page = 0; page < 200; page++) touch(at + page * PAGE);
  for (let child = space.fork(); !isErr(child) && spaces.length < 5000; child = space.fork()) {
    spaces.push(child);
    if (child.fault(at, PTE_WRITE) !== 0) break;
  }
  assert.ok(spaces.length > 250);
  for (const child of spaces) child.unref();
  assert.is(runs(space, at, at + 200 * PAGE).length, 1);
});

test('any sequence of operations: contents are right and nothing is lost', () => {
  const BASE = 0x10000000;
  const step = fc.oneof(
    fc.record({ kind: fc.constant('map' as const), page: fc.nat(300), pages: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ kind: fc.constant('unmap' as const), page: fc.nat(300), pages: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ kind: fc.constant('brk' as const), page: fc.nat(400), pages: fc.constant(0) }),
    fc.record({ kind: fc.constant('write' as const), page: fc.nat(400), pages: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('fork' as const), page: fc.nat(400), pages: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('remap' as const), page: fc.nat(300), pages: fc.integer({ min: 1, max: 60 }) }),
  );
  fc.assert(
    fc.property(fc.constantFrom(2, 16), fc.array(step, { maxLength: 60 }), (size, steps) => {
      const small = makeWorld(size * MIB);
      const one = small.space();
      one.program.startBreak = one.program.break = BASE + 310 * PAGE;
      /** What every page must hold; undefined: not mapped. */
      const model = new Map<number, number>();
      let stamp = 0;
      for (const { kind, page, pages } of steps) {
        const at = BASE + page * PAGE;
        if (kind === 'map') {
          const count = Math.min(pages, 300 - page);
          if (count <= 0) continue;
          ok(one.map(at, count * PAGE, RW, ANON | MAP_FIXED, null, 0));
          for (let i = 0; i < count; i++) model.set(page + i, 0);
        } else if (kind === 'unmap') {
          const count = Math.min(pages, 300 - page);
          if (count <= 0) continue;
          ok(one.unmap(at, count * PAGE));
          for (let i = 0; i < count; i++) model.delete(page + i);
        } else if (kind === 'brk') {
          const old = (one.program.break - BASE) / PAGE;
          const now = 310 + page;
          one.brk(BASE + now * PAGE);
          for (let i = old; i < now; i++) model.set(i, 0);
          for (let i = now; i < old; i++) model.delete(i);
        } else if (kind === 'write' || kind === 'fork') {
          const child = kind === 'fork' ? one.fork() : null;
          if (child !== null && isErr(child)) continue;
          stamp++;
          for (let i = page; i < page + pages; i++) {
            if (!model.has(i)) continue;
            if (one.writeU32(BASE + i * PAGE, stamp) !== 0) continue; // out of memory
            if (child !== null) assert.is(child.readU32(BASE + i * PAGE), model.get(i));
            model.set(i, stamp);
          }
          child?.unref();
        } else {
          // There and back again, through an address far away.
          const isWhole = [...Array(pages).keys()].every((i) => model.has(page + i)) && page + pages <= 300;
          if (!isWhole || one.areas.at(at)!.end < at + pages * PAGE) continue;
          const away = one.remap(at, pages * PAGE, (pages + 100) * PAGE, MREMAP_MAYMOVE | 2, BASE + 2000 * PAGE);
          if (isErr(away)) continue;
          ok(one.remap(away, (pages + 100) * PAGE, pages * PAGE, MREMAP_MAYMOVE | 2, at));
        }
      }
      one.outOfMemory = false;
      for (let i = 0; i < 800; i++) {
        const value = one.readU32(BASE + i * PAGE);
        if (!one.outOfMemory) assert.is(value, model.get(i) ?? -14, `page ${i}`);
        one.outOfMemory = false;
      }
      one.unref();
      small.assertIdle();
    }),
    { numRuns: 150 },
  );
});

const hasGcc = process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;
if (!hasGcc) console.log('SKIP placement in a real program: needs gcc for x86-64');

(hasGcc ? test : test.skip)(
  'a real program: data, bss and heap are one extent, and so are mappings and stack',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'banos-placement-'));
    const source = join(import.meta.dirname, 'programs', 'regions.c');
    const built = spawnSync('gcc', ['-O1', '-static', '-o', join(folder, 'regions'), source]);
    assert.is(built.status, 0, String(built.stderr));
    const spaces: AddressSpace[] = [];
    const { create } = AddressSpace;
    AddressSpace.create = (...args) => {
      const made = create(...args);
      if (!isErr(made)) spaces.push(made);
      return made;
    };
    const kernel = await boot({ mounts: [{ host: folder, guest: '/p', readOnly: true }] });
    try {
      const child = kernel.spawn(['/p/regions']);
      child.stderr!.resume();
      const line = await new Promise<string>((resolve) =>
        child.stdout!.once('data', (bytes) => resolve(String(bytes))),
      );
      const [word, large, table] = line.split(' ');
      assert.is(word, 'ready');
      const mm = spaces.find((one) => one.refs > 0)!;
      const { program } = mm;
      const data = Math.floor(Number(table) / PAGE) * PAGE;
      assert.ok(data >= program.startData && program.break > program.startBreak + 3 * MIB);
      assert.ok(isOneExtent(mm, data, Math.ceil(program.break / PAGE) * PAGE), 'data, bss, heap');
      assert.is(runs(mm, Number(large), Number(large) + 3 * MIB).length, 1);
      const small = mm.areas.at(Number(large) - PAGE)!;
      assert.is(small.end, Number(large) + 3 * MIB);
      assert.ok(isOneExtent(mm, small.start, Number(large)), 'small mappings');
      const stack = mm.areas.at(program.startStack)!;
      assert.ok(isOneExtent(mm, stack.start, stack.end), 'stack');
      child.stdin!.end('x');
      assert.is((await child.exit).code, 0);
      await child.closed;
    } finally {
      AddressSpace.create = create;
      await kernel.shutdown();
      rmSync(folder, { recursive: true });
    }
    assert.is(spaces[0]!.memory.reservedChunks, 0);
  },
);

test.run();
