/** Frames and page tables. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isErr } from '../../abi/errno.js';
import { PageTable, PhysicalMemory, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { TLB_EXEC, TLB_FRAMES, TLB_WRITE } from '../../cpu/state.js';
import { WINDOW_COUNT } from '../../cpu/tier1/layout.js';
import { newTable } from './guest.js';
import '../support/seeded.js';

const MIB = 1 << 20;

test('frames are zeroed, counted, and given back', () => {
  const memory = new PhysicalMemory(MIB);
  const frame = memory.allocFrame();
  assert.ok(frame > 0);
  memory.u8[frame * 4096 + 5] = 9;
  memory.ref(frame);
  memory.unref(frame);
  assert.is(memory.refs(frame), 1);
  assert.is(memory.usedFrames, 1);
  memory.unref(frame);
  assert.is(memory.usedFrames, 0);
  assert.is(memory.allocFrame(), frame);
  assert.is(memory.u8[frame * 4096 + 5], 0);
});

test('the limit is the limit, and all of it can be had again', () => {
  const memory = new PhysicalMemory(MIB);
  const all: number[] = [];
  for (let frame = memory.allocFrame(); frame !== 0; frame = memory.allocFrame()) all.push(frame);
  assert.is(new Set(all).size, all.length);
  assert.is(memory.freeFrames, 0);
  assert.is(memory.allocRun(2), 0);
  for (const frame of all) memory.unref(frame);
  assert.is(memory.freeFrames, all.length);
  const run = memory.allocRun(all.length);
  assert.ok(run > 0);
  assert.is(memory.allocFrame(), 0);
});

test('runs and single frames never overlap', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean()), { maxLength: 200 }), (steps) => {
      const memory = new PhysicalMemory(MIB);
      const held: [first: number, count: number][] = [];
      const owned = new Set<number>();
      for (const [count, give] of steps) {
        if (give && held.length > 0) {
          const [first, length] = held.splice(count % held.length, 1)[0]!;
          for (let i = 0; i < length; i++) {
            owned.delete(first + i);
            memory.unref(first + i);
          }
          continue;
        }
        const first = memory.allocRun(count);
        if (first === 0) continue;
        for (let i = 0; i < count; i++) {
          assert.not.ok(owned.has(first + i));
          owned.add(first + i);
        }
        held.push([first, count]);
      }
      assert.is(memory.usedFrames, owned.size);
    }),
    { numRuns: 100 },
  );
});

test('the memory grows to its limit and views follow', () => {
  const memory = new PhysicalMemory(64 * MIB);
  const run = memory.allocRun(12 * 256);
  assert.ok(run > 0);
  memory.u8[(run + 12 * 256 - 1) * 4096] = 1;
  assert.is(memory.u8.length, memory.memory.buffer.byteLength);
});

test('writes to code are announced once', () => {
  const memory = new PhysicalMemory(MIB);
  const frame = memory.allocFrame();
  const seen: number[] = [];
  memory.onCodeWrite((f) => seen.push(f));
  memory.willWrite(frame);
  memory.markCode(frame);
  assert.ok(memory.isCode(frame));
  memory.willWrite(frame);
  memory.willWrite(frame);
  memory.markCode(frame);
  memory.unref(frame);
  assert.equal(seen, [frame, frame]);
});

test('a page table holds what it was told', () => {
  const page = fc.oneof(
    fc.integer({ min: 0, max: 2000 }),
    fc.integer({ min: 2 ** 35 - 600, max: 2 ** 35 + 600 }),
    fc.constant(2 ** 36 - 1),
  );
  const step = fc.tuple(
    fc.constantFrom('set', 'clear', 'protect'),
    page,
    fc.integer({ min: 1, max: 255 }),
    fc.integer({ min: 0, max: 7 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), page, page, (steps, a, b) => {
      const table = newTable(new PhysicalMemory(MIB));
      const model = new Map<number, [frame: number, prot: number]>();
      for (const [action, vpn, frame, prot] of steps) {
        if (action === 'set') {
          table.set(vpn, frame, prot);
          model.set(vpn, [frame, prot]);
        } else if (action === 'clear') {
          table.clear(vpn);
          model.delete(vpn);
        } else {
          table.protect(vpn, prot);
          const known = model.get(vpn);
          if (known) known[1] = prot;
        }
        assert.is(table.frameOf(vpn), model.get(vpn)?.[0] ?? 0);
        assert.is(table.protOf(vpn), model.get(vpn)?.[1] ?? 0);
      }
      const [from, to] = a < b ? [a, b] : [b, a];
      const visited: number[] = [];
      table.forEach(from, to, (vpn, frame, prot) => {
        visited.push(vpn);
        assert.equal([frame, prot], model.get(vpn));
      });
      assert.equal(
        visited,
        [...model.keys()].filter((vpn) => vpn >= from && vpn < to).sort((x, y) => x - y),
      );
      const walked: number[] = [];
      for (let vpn = table.firstPresent(from, to); vpn < to; vpn = table.firstPresent(vpn + 1, to)) walked.push(vpn);
      assert.equal(walked, visited);
      assert.is(table.firstPresent(to, to), to);
    }),
    { numRuns: 200 },
  );
});

test('a disposed table gives its frames back, and none means -ENOMEM', () => {
  const memory = new PhysicalMemory(MIB);
  const table = newTable(memory);
  table.set(1, 5, PTE_READ | PTE_WRITE | PTE_EXEC);
  table.dispose();
  assert.is(memory.usedFrames, 0);
  while (memory.allocFrame() !== 0);
  assert.ok(isErr(PageTable.create(memory)));
});

test('a new table finds nothing of the one that had its frames before', () => {
  const memory = new PhysicalMemory(8 * MIB);
  const blockOf = (table: PageTable) => memory.u8.slice(table.tlb, table.tlb + TLB_FRAMES * 4096);
  const first = newTable(memory);
  const fresh = blockOf(first);
  first.dispose();
  // Few changes are taken back one by one, many by clearing everything.
  for (const pages of [0, 1, 30, 600]) {
    const table = newTable(memory);
    for (let i = 0; i < pages; i++) {
      const vpn = 0x400 + 3 * i;
      table.set(vpn, memory.allocFrame(), PTE_READ | PTE_WRITE | PTE_EXEC);
      for (const part of [0, TLB_WRITE, TLB_EXEC]) table.fill(part, vpn * 4096, 0, 0x1234, table.frameOf(vpn));
      table.windows.note(vpn, true);
      table.windows.open(i % WINDOW_COUNT, vpn, true, true);
      table.setValid(i);
      if (i % 7 === 3) table.clear(vpn);
    }
    if (pages > 0) assert.is.not(Buffer.compare(blockOf(table), fresh), 0);
    const before = table.tlb;
    table.dispose();
    const next = newTable(memory);
    assert.is(next.tlb, before, 'the same frames');
    assert.equal(blockOf(next), fresh, `${pages} pages`);
    next.dispose();
  }
});

test.run();
