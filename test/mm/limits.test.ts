/** Resource limits, placement at the edges, the number of mappings, locking as a whole, /dev/zero. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGAIN, EINVAL, ENOMEM, EPERM } from '../../abi/errno.js';
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MREMAP_MAYMOVE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK } from '../../abi/resource.js';
import { S_IFCHR } from '../../abi/stat.js';
import { PTE_WRITE } from '../../cpu/index.js';
import type { AddressSpace } from '../../kernel-core/mm/address-space.js';
import { FAULT_MAPERR } from '../../kernel-core/mm/fault.js';
import { makeDevice } from '../../vfs/devices.js';
import { makeWorld, ok, PAGE, UnmappableFile, type World } from './support.js';

const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;
const USER_END = 0x7ffffffff000;

let world: World;
let space: AddressSpace;
let limits: Map<number, number>;

test.before.each(() => {
  world = makeWorld();
  limits = new Map([[RLIMIT_STACK, 8 << 20]]);
  space = world.space({ limit: (resource) => limits.get(resource) ?? Number.POSITIVE_INFINITY });
});

test.after.each(() => {
  space.unref();
  world.assertIdle();
});

const anon = (pages: number, prot = RW, flags = ANON): number => space.map(0, pages * PAGE, prot, flags, null, 0);

test('RLIMIT_AS bounds everything that maps', () => {
  limits.set(RLIMIT_AS, 10 * PAGE);
  const at = ok(anon(8));
  assert.is(anon(3), -ENOMEM);
  assert.is(anon(3, PROT_NONE), -ENOMEM);
  ok(space.map(at, 8 * PAGE, RW, ANON | MAP_FIXED, null, 0)); // replaces, adds nothing
  assert.is(space.remap(at, 8 * PAGE, 11 * PAGE, MREMAP_MAYMOVE, 0), -ENOMEM);
  assert.is(ok(space.remap(at, 8 * PAGE, 10 * PAGE, MREMAP_MAYMOVE, 0)), at);
  space.program.startBreak = space.program.break = 0x600000;
  assert.is(space.brk(0x601000), 0x600000);
});

test('RLIMIT_DATA bounds private writable memory and the heap', () => {
  limits.set(RLIMIT_DATA, 4 * PAGE);
  const readable = ok(anon(8, PROT_READ));
  assert.is(anon(5), -ENOMEM);
  ok(anon(5, RW, MAP_SHARED | MAP_ANONYMOUS));
  assert.is(space.protect(readable, 8 * PAGE, RW), -ENOMEM);
  ok(space.protect(readable, 2 * PAGE, RW));
  space.program.startBreak = space.program.break = 0x600000;
  assert.is(space.brk(0x605000), 0x600000);
  assert.is(space.brk(0x602000), 0x602000);
  assert.is(anon(1), -ENOMEM);
});

test('RLIMIT_STACK is looked at when the stack grows', () => {
  const top = 0x7ffff0000000;
  ok(space.map(top - PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, null, 0));
  limits.set(RLIMIT_STACK, 2 * PAGE);
  assert.is(space.fault(top - 2 * PAGE, PTE_WRITE), 0);
  assert.is(space.fault(top - 2 * PAGE - 1, PTE_WRITE), FAULT_MAPERR);
  limits.set(RLIMIT_STACK, 3 * PAGE);
  assert.is(space.fault(top - 2 * PAGE - 1, PTE_WRITE), 0);
  limits.set(RLIMIT_AS, 3 * PAGE);
  limits.set(RLIMIT_STACK, 9 * PAGE);
  assert.is(space.fault(top - 4 * PAGE, PTE_WRITE), FAULT_MAPERR);
  assert.is(space.figures.stack, 3);
});

test('RLIMIT_MEMLOCK: mlock, MAP_LOCKED, mlockall, growth of what is locked', () => {
  limits.set(RLIMIT_MEMLOCK, 4 * PAGE);
  const at = ok(anon(6));
  ok(space.lock(at, 3 * PAGE, 0));
  ok(space.lock(at + PAGE, 3 * PAGE, 0)); // what is locked already does not count again
  assert.is(space.figures.locked, 4);
  assert.is(space.rss, 4);
  assert.is(space.lock(at, 5 * PAGE, 0), -ENOMEM);
  assert.is(anon(1, RW, ANON | MAP_LOCKED), -EAGAIN);
  assert.is(space.lockAll(MCL_CURRENT), -ENOMEM);
  ok(space.unlock(at, 6 * PAGE));
  assert.is(space.figures.locked, 0);
  ok(space.lockAll(MCL_FUTURE));
  ok(anon(4, RW, ANON));
  assert.is(anon(1), -EAGAIN);
  space.program.startBreak = space.program.break = 0x600000;
  assert.is(space.brk(0x601000), 0x600000);
  ok(space.unlockAll());
  assert.is(space.figures.locked, 0);
  ok(anon(1));
  limits.set(RLIMIT_MEMLOCK, 0);
  assert.is(space.lock(at, PAGE, 0), -EPERM);
  assert.is(space.lockAll(MCL_CURRENT), -EPERM);
  assert.is(anon(1, RW, ANON | MAP_LOCKED), -EPERM);
});

test('mlockall: current mappings become present, the heap later too; locks are not inherited', () => {
  const at = ok(anon(3));
  assert.is(space.lockAll(0), -EINVAL);
  assert.is(space.lockAll(MCL_ONFAULT), -EINVAL);
  ok(space.lockAll(MCL_CURRENT | MCL_FUTURE));
  assert.is(space.rss, 3);
  space.program.startBreak = space.program.break = 0x600000;
  space.brk(0x602000);
  assert.is(space.rss, 5);
  assert.is(ok(space.remap(at, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE, 0)), at);
  assert.is(space.rss, 7);
  assert.is(space.figures.locked, 7);
  const child = ok(space.fork());
  assert.is(child.figures.locked, 0);
  child.unref();
  ok(space.unlockAll());
  assert.is(space.figures.locked, 0);
});

test('more than there could ever be is refused, unless it need not be there', () => {
  const huge = 2 ** 35;
  assert.is(space.map(0, huge, RW, ANON, null, 0), -ENOMEM);
  assert.is(space.map(0, huge, RW, MAP_SHARED | MAP_ANONYMOUS, null, 0), -ENOMEM);
  ok(space.map(0, huge, RW, ANON | MAP_NORESERVE, null, 0));
  const at = ok(space.map(0, huge, PROT_NONE, ANON, null, 0));
  assert.is(space.protect(at, huge, RW), -ENOMEM);
  assert.is(anon(1, RW, ANON | MAP_HUGETLB), -ENOMEM);
});

test('placement: the 32-bit window, above the mmap base when all below is taken, and nothing left', () => {
  const first = ok(anon(1, RW, ANON | MAP_32BIT));
  assert.is(first, 0x40000000);
  assert.is(ok(anon(1, RW, ANON | MAP_32BIT)), first + PAGE);
  ok(space.map(first, 2 ** 30 - PAGE, PROT_NONE, ANON | MAP_FIXED, null, 0));
  assert.is(ok(anon(1, RW, ANON | MAP_32BIT)), 2 ** 31 - PAGE);
  assert.is(anon(1, RW, ANON | MAP_32BIT), -ENOMEM);
  ok(space.map(0x10000, space.mmapBase - 0x10000, PROT_NONE, ANON | MAP_FIXED, null, 0));
  assert.is(ok(anon(1)), space.mmapBase);
  ok(space.map(0x10000, USER_END - 0x10000, PROT_NONE, ANON | MAP_FIXED, null, 0));
  assert.is(anon(1), -ENOMEM);
  assert.is(space.map(0x8000, PAGE, RW, ANON | MAP_FIXED, null, 0), -EPERM);
  ok(space.unmap(0x10000, PAGE));
  assert.is(ok(anon(1)), 0x10000);
  ok(space.unmap(0x10000, PAGE));
  assert.is(ok(space.map(5, PAGE, RW, ANON, null, 0)), 0x10000);
});

test('vm.max_map_count', () => {
  const at = ok(anon(66000, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE));
  for (let page = 1; page < 65528; page += 2) ok(space.protect(at + page * PAGE, PAGE, PROT_READ));
  ok(space.map(0x10000, PAGE, RW, ANON | MAP_FIXED, null, 0));
  assert.is(space.vmas().length, 65530);
  const last = at + 65900 * PAGE;
  assert.is(space.protect(last, PAGE, PROT_READ), -ENOMEM);
  assert.is(space.unmap(last, PAGE), -ENOMEM);
  assert.is(space.advise(last, PAGE, 10), -ENOMEM);
  ok(space.unmap(at, 66000 * PAGE));
});

test('/dev/zero is anonymous memory', () => {
  const file = new UnmappableFile(world.file(new Uint8Array(0)).inode, 2);
  file.inode.mode = S_IFCHR | 0o666;
  file.inode.rdev = makeDevice(1, 5);
  const at = ok(space.map(0, PAGE, RW, MAP_PRIVATE, file, 0));
  ok(space.writeU32(at, 1));
  const shared = ok(space.map(0, PAGE, RW, MAP_SHARED, file, 0));
  ok(space.writeU32(shared, 1));
  const child = ok(space.fork());
  ok(child.writeU32(at, 2));
  ok(child.writeU32(shared, 2));
  child.unref();
  assert.is(space.readU32(at), 1);
  assert.is(space.readU32(shared), 2);
});

test.run();
