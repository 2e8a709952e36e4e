/** Memory that runs out at any moment: each operation either works or says so, and nothing is lost either way. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ENOMEM, isErr } from '../../abi/errno.js';
import {
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import { PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { AddressSpace } from '../../kernel-core/mm/address-space.js';
import { FAULT_OOM } from '../../kernel-core/mm/fault.js';
import { DEFAULT_LIMITS } from '../../kernel-core/mm/limits.js';
import { makeWorld, ok, PAGE, type TestFile, type TestInode, type World } from './support.js';

const RW = PROT_READ | PROT_WRITE;
const BASE = 0x10000000;

/** One of everything, partly touched. */
function furnish(space: AddressSpace, file: TestFile): void {
  const fixed = MAP_FIXED | MAP_PRIVATE;
  ok(space.map(BASE, 4 * PAGE, RW, fixed | MAP_ANONYMOUS, null, 0));
  ok(space.map(BASE + 8 * PAGE, 4 * PAGE, RW, fixed, file, 0));
  ok(space.map(BASE + 16 * PAGE, 4 * PAGE, RW, MAP_FIXED | MAP_SHARED, file, 0));
  ok(space.map(BASE + 24 * PAGE, 4 * PAGE, RW, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, null, 0));
  ok(space.map(BASE + 600 * PAGE, PAGE, RW, fixed | MAP_ANONYMOUS | MAP_GROWSDOWN, null, 0));
  for (const page of [0, 1, 8, 16, 24]) assert.is(space.writeU8(BASE + page * PAGE, page), 0);
  for (const page of [2, 9, 17, 25])
    assert.is(space.readU8(BASE + page * PAGE), page % 8 === 1 && page < 24 ? 0x78 : 0);
}

type Step = (space: AddressSpace) => unknown;

const STEPS: Record<string, Step> = {
  fork: (space) => {
    const child = space.fork();
    if (isErr(child)) return assert.is(child, -ENOMEM);
    for (const page of [0, 2, 3, 8, 10, 19, 27]) child.writeU8(BASE + page * PAGE, 99);
    child.unref();
    return 0;
  },
  'touch everything': (space) => {
    for (let page = 0; page < 600; page += 3) {
      const failed = space.fault(BASE + page * PAGE, page % 2 ? PTE_WRITE : PTE_READ);
      if (failed === FAULT_OOM) return;
    }
  },
  'copy over everything': (space) => {
    const iter = ok(space.iter(BASE, 28 * PAGE));
    iter.zero(4 * PAGE);
    space.write(BASE + 8 * PAGE, new Uint8Array(4 * PAGE));
    space.writeU64(BASE + 17 * PAGE - 4, 1);
  },
  populate: (space) => space.map(0, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, null, 0),
  locked: (space) => space.map(0, 8 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, null, 0),
  'lock all': (space) => space.lockAll(3),
  lock: (space) => space.lock(BASE, 4 * PAGE, 0),
  'advise read': (space) => space.advise(BASE + 8 * PAGE, 4 * PAGE, MADV_POPULATE_READ),
  'advise write': (space) => space.advise(BASE + 24 * PAGE, 4 * PAGE, MADV_POPULATE_WRITE),
  remap: (space) => space.remap(BASE, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE, 0),
  'remap and keep': (space) => space.remap(BASE + 8 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0),
  protect: (space) => space.protect(BASE + PAGE, 2 * PAGE, PROT_READ),
  truncate: (space) => (space.vmas().find((vma) => vma.file !== null)?.cache as TestInode | undefined)?.truncate(PAGE),
  break: (space) => {
    space.program.startBreak = space.program.break = BASE + 700 * PAGE;
    space.brk(BASE + 720 * PAGE);
    space.writeU8(BASE + 710 * PAGE, 1);
  },
};

/** Runs `steps` in a fresh space where only `allowance` more frames can be had. @returns whether that was enough */
function attempt(world: World, steps: readonly Step[], allowance: number): boolean {
  const { memory } = world;
  const space = world.space();
  const file = world.file(new Uint8Array(4 * PAGE).fill(0x78));
  furnish(space, file);
  memory.allowance = allowance;
  for (const step of steps) step(space);
  const enough = memory.allowance > 0;
  memory.allowance = Number.POSITIVE_INFINITY;
  space.unref();
  world.assertIdle();
  return enough;
}

for (const [name, step] of Object.entries(STEPS)) {
  test(`${name}: every allocation fails once`, () => {
    const world = makeWorld();
    for (let allowance = 0; !attempt(world, [step], allowance); allowance++) assert.ok(allowance < 500);
  });
}

test('creation fails cleanly', () => {
  const { memory } = makeWorld();
  for (const allowance of [0, 1]) {
    memory.allowance = allowance;
    assert.is(AddressSpace.create(memory, DEFAULT_LIMITS), -ENOMEM);
    assert.is(memory.usedFrames, 0);
  }
});

test('any sequence, memory running out anywhere in it', () => {
  const steps = fc.array(fc.constantFrom(...Object.values(STEPS)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(steps, fc.nat(120), (sequence, allowance) => {
      attempt(makeWorld(2 ** 22), sequence, allowance);
    }),
    { numRuns: 200, seed: 11, includeErrorInReport: true },
  );
});

test('a real end of memory: 1 MiB is used up, freed, and used again', () => {
  const world = makeWorld(2 ** 20);
  for (let round = 0; round < 3; round++) {
    const space = world.space();
    const at = ok(space.map(0, 256 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, null, 0));
    let touched = 0;
    while (space.fault(at + touched * PAGE, PTE_WRITE) === 0) touched++;
    assert.ok(touched > 200 && touched < 256);
    assert.is(space.rss, touched);
    assert.is(space.fork(), -ENOMEM);
    ok(space.unmap(at, 100 * PAGE));
    assert.is(space.fault(at + touched * PAGE, PTE_WRITE), 0);
    space.unref();
    world.assertIdle();
  }
});

test.run();
