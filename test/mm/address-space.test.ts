/** Mapping, faulting, copy-on-write, truncation, stack growth: what a program sees of its memory. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EFAULT, EINVAL, ENAMETOOLONG, ENOMEM, isErr } from '../../abi/errno.js';
import {
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_REMOVE,
  MADV_WIPEONFORK,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MS_SYNC,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import { RLIMIT_STACK } from '../../abi/resource.js';
import { PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { AddressSpace } from '../../kernel-core/mm/address-space.js';
import { FAULT_ACCERR, FAULT_BUS, FAULT_MAPERR, FAULT_OOM } from '../../kernel-core/mm/fault.js';
import { makeWorld, ok, PAGE, syncNow, type TestInode, type World } from './support.js';

const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;
const text = (s: string): Uint8Array => Uint8Array.from(Buffer.from(s, 'latin1'));

let world: World;
let space: AddressSpace;

test.before.each(() => {
  world = makeWorld();
  space = world.space();
});

test.after.each(() => {
  space.unref();
  world.assertIdle();
});

const anon = (pages: number, prot = RW): number => ok(space.map(0, pages * PAGE, prot, ANON, null, 0));

test('fresh memory reads as zeros without taking a frame, and takes one when written', () => {
  const at = anon(3);
  const before = world.memory.usedFrames;
  assert.is(space.readU64(at + 8), 0);
  assert.is(world.memory.usedFrames, before);
  assert.is(space.rss, 0);
  assert.is(space.writeU32(at + PAGE, 7), 0);
  assert.is(world.memory.usedFrames, before + 1);
  assert.is(space.rss, 1);
  assert.is(space.writeU32(at + 8, 9), 0); // over the zero frame
  assert.is(space.readU32(at + 8), 9);
  assert.is(space.readU32(at + 2 * PAGE + 8), 0);
});

test('neighbours with the same rights become one mapping, and split when they stop being alike', () => {
  const at = anon(4);
  ok(space.map(at - PAGE, PAGE, RW, ANON | MAP_FIXED, null, 0));
  assert.is(space.vmas().length, 1);
  ok(space.protect(at, PAGE, PROT_READ));
  assert.is(space.vmas().length, 3);
  ok(space.protect(at, PAGE, RW));
  assert.is(space.vmas().length, 1);
  ok(space.unmap(at + PAGE, PAGE));
  assert.is(space.vmas().length, 2);
  assert.is(space.figures.total, 4);
});

test('faults tell missing mappings from missing rights', () => {
  const at = anon(1, PROT_READ);
  assert.is(space.fault(at, PTE_WRITE), FAULT_ACCERR);
  assert.is(space.fault(at, PTE_EXEC), FAULT_ACCERR);
  assert.is(space.fault(at + PAGE, PTE_READ), FAULT_MAPERR);
  assert.is(space.fault(at - 1, PTE_READ), FAULT_MAPERR);
  assert.is(space.fault(-8, PTE_READ), FAULT_MAPERR);
  assert.is(space.fault(0, PTE_WRITE), FAULT_MAPERR);
  ok(space.protect(at, PAGE, PROT_NONE));
  assert.is(space.fault(at, PTE_READ), FAULT_ACCERR);
  ok(space.protect(at, PAGE, PROT_EXEC));
  assert.is(space.fault(at, PTE_READ), 0); // x86 cannot forbid it
});

test('a private file mapping shows the file until it is written, and the file never changes', () => {
  const file = world.file(text('hello'.padEnd(PAGE + 10, '.')));
  const at = ok(space.map(0, 2 * PAGE, RW, MAP_PRIVATE, file, 0));
  assert.is(space.readCString(at, 6), -ENAMETOOLONG);
  ok(space.write(at, text('J\0')));
  assert.is(space.readCString(at, 6), 'J');
  const inode = file.inode as TestInode;
  assert.is(world.memory.u8[inode.frames.get(0)! * PAGE], 0x68);
  assert.is(inode.dirty.size, 0);
  assert.is(file.refs, 2);
});

test('a shared file mapping writes to the cache and marks it dirty, again after msync', () => {
  const file = world.file(text('x'.repeat(3 * PAGE)));
  const inode = file.inode as TestInode;
  const at = ok(space.map(0, 2 * PAGE, RW, MAP_SHARED, file, PAGE));
  space.readU8(at);
  assert.is(inode.dirty.size, 0);
  ok(space.writeU8(at, 0x41));
  assert.equal([...inode.dirty], [1]);
  assert.is(world.memory.u8[inode.frames.get(1)! * PAGE], 0x41);
  ok(syncNow(space, at, 2 * PAGE, MS_SYNC));
  assert.is(inode.synced, 1);
  inode.dirty.clear();
  ok(space.writeU8(at + 1, 0x42));
  assert.equal([...inode.dirty], [1]);
});

test('behind the end of the file is SIGBUS, and truncation takes pages away, private copies too', () => {
  const file = world.file(text('y'.repeat(3 * PAGE)));
  const at = ok(space.map(0, 4 * PAGE, RW, MAP_PRIVATE, file, 0));
  const shared = ok(space.map(0, 4 * PAGE, RW, MAP_SHARED, file, 0));
  assert.is(space.fault(at + 3 * PAGE, PTE_READ), FAULT_BUS);
  ok(space.writeU8(at + PAGE, 1));
  ok(space.writeU8(shared + 2 * PAGE, 1));
  ok(space.writeU8(at, 5));
  (file.inode as TestInode).truncate(PAGE);
  assert.is(space.readU8(at), 5);
  assert.is(space.fault(at + PAGE, PTE_READ), FAULT_BUS);
  assert.is(space.fault(at + PAGE, PTE_WRITE), FAULT_BUS);
  assert.is(space.fault(shared + 2 * PAGE, PTE_WRITE), FAULT_BUS);
  assert.is(space.write(shared + PAGE, text('z')), -EFAULT);
  assert.is(space.rss, 1);
});

test('fork of much memory shares pages until either side writes', () => {
  const at = anon(600);
  ok(space.write(at, new Uint8Array(600 * PAGE).fill(7)));
  ok(space.write(at, text('parent\0')));
  const frames = world.memory.usedFrames;
  const child = ok(space.fork());
  const own = world.memory.usedFrames - frames;
  assert.ok(own < 20);
  assert.is(child.readCString(at, 100), 'parent');
  ok(child.write(at, text('child\0')));
  assert.is(world.memory.usedFrames, frames + own + 1);
  assert.is(space.readCString(at, 100), 'parent');
  const frame = space.pageTable.frameOf(at / PAGE);
  ok(space.write(at, text('PARENT\0'))); // alone again: in place
  assert.is(space.pageTable.frameOf(at / PAGE), frame);
  assert.is(world.memory.usedFrames, frames + own + 1);
  assert.is(child.readCString(at, 100), 'child');
  ok(child.writeU32(at + PAGE, 1));
  assert.is(space.readU32(at + PAGE), 0x07070707);
  child.unref();
  assert.is(world.memory.usedFrames, frames);
});

test('fork of little memory copies it at once: the parent keeps its pages writable, the child has its own', () => {
  const at = anon(8);
  for (const page of [0, 1, 2, 5]) ok(space.writeU32(at + page * PAGE, page + 1));
  assert.is(space.readU32(at + 3 * PAGE), 0); // the frame of zeros
  const { pageTable } = space;
  const entries = [0, 1, 2, 3, 5].map((page) => pageTable.entryOf(at / PAGE + page));
  const child = ok(space.fork());
  assert.equal(
    [0, 1, 2, 3, 5].map((page) => pageTable.entryOf(at / PAGE + page)),
    entries,
  );
  assert.is(child.rss, space.rss);
  const first = child.pageTable.frameOf(at / PAGE);
  for (const page of [0, 1, 2, 5]) {
    assert.is(child.pageTable.entryOf(at / PAGE + page), ((first + page) << 3) | PTE_READ | PTE_WRITE);
    assert.is(child.readU32(at + page * PAGE), page + 1);
    ok(child.writeU32(at + page * PAGE, 100));
    assert.is(space.readU32(at + page * PAGE), page + 1);
  }
  ok(child.writeU32(at + 4 * PAGE, 1));
  assert.is(child.pageTable.frameOf(at / PAGE + 4), first + 4);
  assert.is(space.readU32(at + 4 * PAGE), 0);
  child.unref();
});

test("fork copies pages that a former child shared, once they are the parent's alone", () => {
  const at = anon(600);
  ok(space.write(at, new Uint8Array(600 * PAGE).fill(7)));
  ok(space.fork()).unref();
  ok(space.unmap(at + 10 * PAGE, 590 * PAGE));
  const child = ok(space.fork());
  ok(space.writeU32(at, 1));
  ok(child.writeU32(at + PAGE, 2));
  assert.is(child.readU32(at), 0x07070707);
  assert.is(space.readU32(at + PAGE), 0x07070707);
  assert.is.not(child.pageTable.frameOf(at / PAGE), space.pageTable.frameOf(at / PAGE));
  child.unref();
});

test('fork copies on write where there is no memory for a copy', () => {
  const at = anon(100);
  ok(space.write(at, new Uint8Array(100 * PAGE).fill(7)));
  const filler: number[] = [];
  while (world.memory.freeFrames > 50) filler.push(world.memory.allocFrame());
  const used = world.memory.usedFrames;
  const child = ok(space.fork());
  assert.ok(world.memory.usedFrames < used + 20);
  ok(child.writeU32(at, 1));
  assert.is(space.readU32(at), 0x07070707);
  child.unref();
  for (const frame of filler) world.memory.unref(frame);
});

test('shared anonymous memory is one memory for parent and child, also where untouched at fork', () => {
  const at = ok(space.map(0, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, null, 0));
  ok(space.writeU32(at, 1));
  const child = ok(space.fork());
  ok(child.writeU32(at, 2));
  ok(child.writeU32(at + PAGE, 3));
  assert.is(space.readU32(at), 2);
  assert.is(space.readU32(at + PAGE), 3);
  ok(child.advise(at, PAGE, MADV_REMOVE));
  assert.is(space.readU32(at), 0);
  assert.is(space.readU32(at + PAGE), 3);
  child.unref();
  assert.is(space.readU32(at + PAGE), 3);
});

test('MADV_DONTFORK, MADV_WIPEONFORK and MADV_DONTNEED', () => {
  const at = anon(3);
  for (let i = 0; i < 3; i++) ok(space.writeU32(at + i * PAGE, i + 1));
  ok(space.advise(at, PAGE, MADV_DONTFORK));
  ok(space.advise(at + PAGE, PAGE, MADV_WIPEONFORK));
  const child = ok(space.fork());
  assert.is(child.readU32(at), -EFAULT);
  assert.is(child.readU32(at + PAGE), 0);
  assert.is(child.readU32(at + 2 * PAGE), 3);
  ok(space.advise(at, 3 * PAGE, MADV_DONTNEED));
  assert.is(space.readU32(at + 2 * PAGE), 0);
  assert.is(child.readU32(at + 2 * PAGE), 3);
  child.unref();
});

test('mremap moves pages with their contents and leaves nothing behind', () => {
  anon(1); // in the way of growing
  const at = anon(2, PROT_READ);
  ok(space.protect(at, 2 * PAGE, RW | PROT_EXEC));
  ok(space.writeU32(at, 11));
  ok(space.writeU32(at + PAGE, 22));
  ok(space.map(at - PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, null, 0));
  const moved = ok(space.remap(at, 2 * PAGE, 5 * PAGE, 1, 0));
  assert.is.not(moved, at);
  assert.is(space.readU32(moved), 11);
  assert.is(space.readU32(moved + PAGE), 22);
  assert.is(space.readU32(moved + 4 * PAGE), 0);
  assert.is(space.readU32(at), -EFAULT);
  assert.is(space.figures.total, 7);
});

test('a stack grows down to its limit and keeps a distance from what lies below', () => {
  const top = 0x7ffff0000000;
  ok(space.map(top - PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, null, 0));
  assert.is(space.fault(top - 3 * PAGE, PTE_WRITE), 0);
  assert.is(space.vmas()[0]!.start, top - 3 * PAGE);
  assert.is(space.fault(top - (8 << 20), PTE_WRITE), 0);
  assert.is(space.fault(top - (8 << 20) - 1, PTE_WRITE), FAULT_MAPERR);
  const other = top - (64 << 20);
  ok(space.map(other - PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, null, 0));
  ok(space.map(other - 300 * PAGE, PAGE, RW, ANON | MAP_FIXED, null, 0));
  assert.is(space.fault(other - 299 * PAGE + 256 * PAGE - 1, PTE_WRITE), FAULT_MAPERR);
  assert.is(space.fault(other - 299 * PAGE + 256 * PAGE, PTE_WRITE), 0);
});

test('the program break moves, shrinks, and stops at other mappings', () => {
  space.program.startBreak = space.program.break = 0x600000;
  assert.is(space.brk(0), 0x600000);
  assert.is(space.brk(0x600123), 0x600123);
  ok(space.writeU32(0x600000, 5));
  assert.is(space.brk(0x604000), 0x604000);
  assert.is(space.vmas().length, 1);
  assert.is(space.brk(0x600001), 0x600001);
  assert.is(space.readU32(0x600000), 5);
  assert.is(space.readU32(0x601000), -EFAULT);
  ok(space.map(0x610000, PAGE, RW, ANON | MAP_FIXED, null, 0));
  assert.is(space.brk(0x610000), 0x600001);
  assert.is(space.brk(0x60f000), 0x60f000);
  assert.is(space.brk(-1), 0x60f000);
});

test('values that cross pages, strings, and bad addresses', () => {
  const at = anon(2);
  ok(space.writeU64(at + PAGE - 4, -2));
  assert.is(space.readU64(at + PAGE - 4), -2);
  ok(space.writeU64(at + PAGE - 3, 2 ** 52 + 12345));
  assert.is(space.readU64(at + PAGE - 3), 2 ** 52 + 12345);
  ok(space.writeU32(at + PAGE - 2, 0xdeadbeef));
  assert.is(space.readU32(at + PAGE - 2), 0xdeadbeef);
  assert.is(space.readI32(at + PAGE - 2), 0xdeadbeef | 0);
  ok(space.writeU16(at + PAGE - 1, 0xabcd));
  assert.is(space.readU16(at + PAGE - 1), 0xabcd);
  const end = at + 2 * PAGE;
  assert.is(space.writeU64(end - 4, 1), -EFAULT);
  assert.is(space.readU32(end - 4), 0); // not half written
  assert.is(space.readU32(end - 2), -EFAULT);
  assert.ok(Number.isNaN(space.readU64(end - 4)));
  assert.ok(Number.isNaN(space.readI32(-4)));
  ok(space.write(end - 4, text('abcd')));
  assert.is(space.readCString(end - 4, 100), -EFAULT);
  assert.is(space.readCString(end - 4, 4), -ENAMETOOLONG);
  assert.is(space.read(end - 4, new Uint8Array(5)), -EFAULT);
});

test('iterators move what they can, rewind, and survive memory that grows under them', () => {
  const at = anon(600); // more than the memory has at first
  const length = 600 * PAGE;
  const iter = ok(space.iter(at + 100, length - 100));
  const data = new Uint8Array(length).map((_, i) => i % 251);
  assert.is(iter.put(data, 0, length), length - 100);
  assert.is(iter.remaining, 0);
  iter.rewind(length - 100);
  const back = new Uint8Array(length);
  assert.is(iter.take(back, 5, length), length - 100);
  assert.equal(back.subarray(5, length - 95), data.subarray(0, length - 100));
  ok(space.unmap(at + 2 * PAGE, PAGE));
  const short = ok(space.iter(at + PAGE + 96, 2 * PAGE));
  assert.is(short.take(back, 0, 2 * PAGE), PAGE - 96);
  assert.is(short.take(back, 0, 10), -EFAULT);
  assert.is(space.iter(0x7fffffffe000, 0x2000), -EFAULT);
  assert.is(space.iter(at, -1), -EFAULT);
});

test('an iterator copies between guest pages while the memory grows', () => {
  const file = world.file(text('q'.repeat(PAGE)));
  const frame = ok((file.inode as TestInode).page(0));
  const { memory } = world;
  const filler: number[] = [];
  while (memory.memory.buffer.byteLength / PAGE - memory.usedFrames > 5) filler.push(memory.allocFrame());
  const before = memory.memory.buffer.byteLength;
  const at = anon(40);
  const iter = ok(space.iter(at, 40 * PAGE));
  const view = memory.u8.subarray(frame * PAGE, (frame + 1) * PAGE);
  // The growth happens inside a single put of more than one page: the view that it got is detached then.
  assert.is(iter.put(memory.u8, frame * PAGE - 6 * PAGE, (frame + 1) * PAGE), 7 * PAGE);
  assert.ok(memory.memory.buffer.byteLength > before);
  assert.is(view.length, 0);
  assert.is(space.readU8(at + 6 * PAGE), 0x71);
  assert.is(space.readU8(at + 7 * PAGE - 1), 0x71);
  for (const f of filler) memory.unref(f);
});

test('iovec arrays: limits, order of errors, several ranges', () => {
  const at = anon(2);
  const vec = at + PAGE;
  const set = (i: number, base: number, length: number): void => {
    ok(space.writeU64(vec + i * 16, base));
    ok(space.writeU64(vec + i * 16 + 8, length));
  };
  set(0, at, 3);
  set(1, at + 100, 0);
  set(2, at + 200, 4);
  const iter = ok(space.iovIter(vec, 3));
  assert.is(iter.remaining, 7);
  assert.is(iter.put(text('abcdefgh'), 0, 8), 7);
  assert.is(space.readCString(at + 200, 10), 'defg');
  iter.rewind(5);
  assert.is(iter.zero(1), 1);
  assert.is(space.readCString(at, 10), 'ab');
  assert.is(space.iovIter(vec, 1025), -EINVAL);
  assert.is(space.iovIter(vec, -1), -EINVAL);
  assert.is(space.iovIter(at + 2 * PAGE, 1), -EFAULT);
  set(0, -4096, 10);
  assert.is(space.iovIter(vec, 3), -EFAULT);
  set(2, at, -1);
  assert.is(space.iovIter(vec, 3), -EINVAL);
  assert.is(ok(space.iovIter(0, 0)).remaining, 0);
});

test('exhausted memory is an answer, not an exception', () => {
  const at = anon(4, RW);
  world.memory.allowance = 1;
  assert.is(space.fault(at, PTE_WRITE), 0);
  assert.is(space.fault(at + PAGE, PTE_WRITE), FAULT_OOM);
  assert.is(space.fault(at + PAGE, PTE_READ), 0);
  assert.is(space.outOfMemory, false);
  assert.is(space.writeU8(at + PAGE, 1), -EFAULT);
  assert.is(space.outOfMemory, true);
  assert.is(space.fork(), -ENOMEM);
  world.memory.allowance = Number.POSITIVE_INFINITY;
  assert.is(space.map(0, 2 ** 40, RW, ANON, null, 0), -ENOMEM);
  ok(space.map(0, 2 ** 40, PROT_NONE, ANON, null, 0));
});

test('MAP_POPULATE makes pages present; RLIMIT_STACK decides where mappings start', () => {
  const at = ok(space.map(0, 8 * PAGE, RW, ANON | MAP_POPULATE, null, 0));
  assert.is(space.rss, 8);
  assert.is(at, 0x7ffff7fff000 - 8 * PAGE);
  const wide = world.space({ limit: (r) => (r === RLIMIT_STACK ? 2 ** 30 : Number.POSITIVE_INFINITY) });
  assert.is(ok(wide.map(0, PAGE, RW, ANON, null, 0)), 0x7ffffffff000 - 2 ** 30 - 256 * PAGE - PAGE);
  wide.unref();
});

test('two references: the space lives until both are gone', () => {
  const at = anon(1);
  space.ref();
  space.unref();
  assert.is(space.refs, 1);
  assert.not(isErr(space.writeU8(at, 1)));
  assert.is(space.pageTable.entryOf(at / PAGE) & PTE_READ, PTE_READ);
});

test.run();
