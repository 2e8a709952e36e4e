/**
 * Windows (cpu/windows.ts) against the page table that they are a cache of: whatever happens to the table and to frames,
 * what an open slot says must be true of every page in it, since translated code asks nobody else.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Cpu, type PageTable, PhysicalMemory, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { EXTENT_ENTRIES, extentIndex, PAGE_SIZE, TLB_EXTENTS, TLB_WINDOWS } from '../../cpu/state.js';
import {
  NARROW_SPAN,
  W_DELTA,
  W_PAGES,
  W_READ,
  W_READ_WIDE,
  W_WRITE,
  W_WRITE_WIDE,
  WIDE_SPAN,
  WINDOW_BYTES,
  WINDOW_COUNT,
  WINDOW_SIZE,
  WINDOWS,
} from '../../cpu/tier1/layout.js';
import { CLOSED, OPENED, TAKEN } from '../../cpu/windows.js';
import { newTable } from '../cpu/guest.js';

const FRAMES = 24;
/** Pages from here on are mapped: around 0 of the low 20 bits, in the middle, in the kernel's half, at the end of all. */
const BASES = [0x1ffff8, 0x400, 2 ** 35 - 4, 2 ** 36 - 9, -6];
const PAGES = 12;
const SLOTS = [0, 5, 31];
const RW = PTE_READ | PTE_WRITE;
const RIGHTS = [PTE_READ, RW, RW, RW, PTE_READ | PTE_EXEC, RW | PTE_EXEC, 0];

interface Slot {
  low: bigint;
  pages: number;
  delta: number;
  read: number;
  readWide: number;
  write: number;
  writeWide: number;
}

class Machine {
  readonly memory = new PhysicalMemory(8 << 20);
  readonly cpu: Cpu;
  readonly tables: PageTable[];
  readonly first: number;
  active = -1;

  constructor() {
    this.cpu = new Cpu(this.memory, { pageFault: () => false, syscall: () => false, rdtsc: () => 0 });
    this.tables = [newTable(this.memory), newTable(this.memory)];
    this.first = this.memory.allocRun(FRAMES);
  }

  activate(table: number): void {
    this.active = table;
    this.cpu.activate(this.tables[table]!);
  }

  slot(base: number, number: number): Slot {
    const { view } = this.memory;
    const at = base + number * WINDOW_SIZE;
    return {
      low: view.getBigInt64(at, true),
      pages: view.getUint32(at + W_PAGES, true),
      delta: view.getUint32(at + W_DELTA, true),
      read: view.getUint32(at + W_READ, true),
      readWide: view.getUint32(at + W_READ_WIDE, true),
      write: view.getUint32(at + W_WRITE, true),
      writeWide: view.getUint32(at + W_WRITE_WIDE, true),
    };
  }

  /** Looks at every slot of every table. @returns how many are open */
  check(): number {
    let open = 0;
    for (const [t, table] of this.tables.entries()) {
      for (let number = 0; number < WINDOW_COUNT; number++) {
        if (this.#checkSlot(table, this.slot(table.tlb + TLB_WINDOWS, number))) open++;
        else assert.not(table.windows.isOpen(number), 'says that it is open');
      }
      for (let number = 0; number < EXTENT_ENTRIES; number++) {
        if (this.#checkSlot(table, this.slot(table.tlb + TLB_EXTENTS, number))) open++;
      }
      if (t !== this.active) continue;
      const { u8 } = this.memory;
      const own = u8.slice(table.tlb + TLB_WINDOWS, table.tlb + TLB_WINDOWS + WINDOW_BYTES);
      assert.equal(u8.slice(WINDOWS, WINDOWS + WINDOW_BYTES), own, 'the copy differs');
    }
    return open;
  }

  /** Asks the page table about every access that the slot lets through. */
  #checkSlot(table: PageTable, slot: Slot): boolean {
    const { low, pages, delta } = slot;
    if ((slot.read | slot.readWide | slot.write | slot.writeWide) === 0) return false;
    assert.is(low & 0xfffn, 0n);
    // An access of up to the span, anywhere below the limit, ends inside.
    for (const [limit, span] of [
      [slot.read, NARROW_SPAN],
      [slot.readWide, WIDE_SPAN],
    ] as const) {
      assert.is(limit - 1 + span, pages * PAGE_SIZE, 'limit of reads');
    }
    if (slot.write !== 0 || slot.writeWide !== 0) {
      assert.equal([slot.write, slot.writeWide], [slot.read, slot.readWide], 'limits of writes');
    }
    for (let i = 0; i < pages; i++) {
      const address = low + BigInt(i * PAGE_SIZE);
      const vpn = Number(address >> 12n);
      const frame = table.frameOf(vpn);
      assert.ok(table.protOf(vpn) !== 0, `page ${vpn} is absent or without rights`);
      const physical = (Number(BigInt.asUintN(32, address)) + delta) >>> 0;
      assert.is(physical, frame * PAGE_SIZE, 'another frame');
      if (slot.write === 0) continue;
      assert.ok((table.protOf(vpn) & PTE_WRITE) !== 0, `page ${vpn} is not writable`);
      assert.not(this.memory.isCode(frame), `page ${vpn} is code`);
    }
    return true;
  }
}

type Step =
  | { do: 'set'; table: number; page: number; frame: number; right: number }
  | { do: 'run'; table: number; page: number; frame: number; count: number; right: number }
  | { do: 'clear' | 'protect'; table: number; page: number; right: number }
  | { do: 'open'; table: number; page: number; slot: number; write: boolean; replace: boolean }
  | { do: 'note'; table: number; page: number; write: boolean }
  | { do: 'code' | 'plain'; frame: number }
  | { do: 'activate' | 'flush'; table: number };

const table = fc.nat({ max: 1 });
const page = fc.nat({ max: PAGES - 1 });
const frame = fc.nat({ max: FRAMES - 1 });
const right = fc.constantFrom(...RIGHTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), table, page, frame, right }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('run' as const),
      table,
      page,
      frame,
      count: fc.integer({ min: 2, max: 8 }),
      right: fc.constantFrom(RW, RW, PTE_READ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('clear' as const, 'protect' as const), table, page, right }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      table,
      page,
      slot: fc.constantFrom(...SLOTS),
      write: fc.boolean(),
      replace: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('note' as const), table, page, write: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('code' as const, 'plain' as const), frame }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('activate' as const, 'flush' as const), table }) },
);

/** Takes a step and says what had to come of it. */
function take(machine: Machine, base: number, s: Step): void {
  const { memory, tables, first } = machine;
  switch (s.do) {
    case 'set':
      tables[s.table]!.set(base + s.page, first + s.frame, s.right);
      break;
    case 'run':
      for (let i = 0; i < s.count && s.frame + i < FRAMES && s.page + i < PAGES; i++) {
        tables[s.table]!.set(base + s.page + i, first + s.frame + i, s.right);
      }
      break;
    case 'clear':
      tables[s.table]!.clear(base + s.page);
      break;
    case 'protect':
      tables[s.table]!.protect(base + s.page, s.right);
      break;
    case 'open':
      open(machine, tables[s.table]!, base + s.page, s);
      break;
    case 'note':
      note(machine, tables[s.table]!, base + s.page, s.write);
      break;
    case 'code':
      memory.markCode(first + s.frame);
      break;
    case 'plain':
      memory.willWrite(first + s.frame);
      break;
    case 'activate':
      machine.activate(s.table);
      break;
    case 'flush':
      tables[s.table]!.flush();
      assert.is(machine.slot(tables[s.table]!.tlb + TLB_WINDOWS, SLOTS[0]!).read, 0);
      break;
  }
}

function open(
  { memory }: Machine,
  target: PageTable,
  vpn: number,
  { slot, write, replace }: { slot: number; write: boolean; replace: boolean },
): void {
  const { windows } = target;
  const prot = target.protOf(vpn);
  const mayWrite = (prot & PTE_WRITE) !== 0 && !memory.isCode(target.frameOf(vpn));
  const isPermitted = prot !== 0 && (!write || mayWrite);
  const wasOpen = windows.isOpen(slot);
  const result = windows.open(slot, vpn, write, replace);
  assert.is(result === CLOSED, !isPermitted, 'opens what the page table permits, and nothing else');
  if (result === CLOSED) return;
  if (!wasOpen) assert.is(result, OPENED);
  const isHeld = result === OPENED || replace;
  if (isHeld) assert.ok(windows.holds(slot, vpn, write), 'does not hold what it was opened for');
  else assert.is(result, TAKEN);
}

function note(machine: Machine, target: PageTable, vpn: number, write: boolean): void {
  target.windows.note(vpn, write);
  const { low, pages, read, write: mayWrite } = machine.slot(target.tlb + TLB_EXTENTS, extentIndex(vpn));
  const lowPage = Number(low >> 12n);
  const isHeld = read !== 0 && vpn >= lowPage && vpn < lowPage + pages && (!write || mayWrite !== 0);
  const prot = target.protOf(vpn);
  const isWritable = (prot & PTE_WRITE) !== 0 && !machine.memory.isCode(target.frameOf(vpn));
  assert.is(isHeld, prot !== 0 && (!write || isWritable), 'the record of a page has what the page table permits');
}

test('whatever an open slot says is true of the page table', () => {
  let seen = 0;
  fc.assert(
    fc.property(fc.constantFrom(...BASES), fc.array(step, { minLength: 20, maxLength: 90 }), (base, steps) => {
      const machine = new Machine();
      machine.activate(0);
      for (const t of [0, 1]) take(machine, base, { do: 'run', table: t, page: 1, frame: 3 * t, count: 9, right: RW });
      for (const s of steps) {
        take(machine, base, s);
        seen += machine.check();
      }
    }),
    { numRuns: 250 },
  );
  assert.ok(seen > 10_000, `only ${seen} open slots were looked at`);
});

/** Pages with their own frames from the first of the machine's on. */
function mapped(count: number, prot = RW): { machine: Machine; target: PageTable } {
  const machine = new Machine();
  machine.activate(0);
  const target = machine.tables[0]!;
  for (let i = 0; i < count; i++) target.set(0x1000 + i, machine.first + i, prot);
  return { machine, target };
}

const pagesOf = (machine: Machine, number: number): [low: number, pages: number] => {
  const { low, pages } = machine.slot(WINDOWS, number);
  return [Number(low >> 12n), pages];
};

test('a window takes the whole extent around the page, in both directions', () => {
  const { machine, target } = mapped(8);
  assert.is(target.windows.open(3, 0x1003, true), OPENED);
  assert.equal(pagesOf(machine, 3), [0x1000, 8]);
});

test('a window grows at both ends as pages become present', () => {
  const { machine, target } = mapped(2);
  target.clear(0x1000);
  assert.is(target.windows.open(3, 0x1001, true), OPENED);
  target.set(0x1002, machine.first + 2, RW);
  target.set(0x1000, machine.first, RW);
  assert.equal(pagesOf(machine, 3), [0x1000, 3]);
  // Not with a frame that does not go on, and not with a page that may not be written.
  target.set(0x1003, machine.first + 9, RW);
  assert.equal(pagesOf(machine, 3), [0x1000, 3]);
  target.clear(0x1003);
  target.set(0x1003, machine.first + 3, PTE_READ);
  assert.equal(pagesOf(machine, 3), [0x1000, 3]);
  machine.check();
});

test('code takes the right to write from a window and leaves that to read', () => {
  const { machine, target } = mapped(4);
  target.windows.open(3, 0x1000, true);
  machine.memory.markCode(machine.first + 2);
  assert.not(target.windows.holds(3, 0x1000, true));
  assert.ok(target.windows.holds(3, 0x1002, false));
  assert.is(target.windows.open(3, 0x1002, true), CLOSED);
  // Beside it there is still something to write.
  assert.is(target.windows.open(3, 0x1000, true), OPENED);
  assert.equal(pagesOf(machine, 3), [0x1000, 2]);
  machine.check();
});

test('a slot keeps its extent unless it is told to replace it', () => {
  const { machine, target } = mapped(2);
  target.set(0x2000, machine.first + 9, RW);
  target.windows.open(3, 0x1000, true);
  assert.is(target.windows.open(3, 0x2000, true), TAKEN);
  assert.equal(pagesOf(machine, 3), [0x1000, 2]);
  assert.is(target.windows.open(3, 0x2000, true, true), TAKEN);
  assert.equal(pagesOf(machine, 3), [0x2000, 1]);
});

test('windows of an address space come back with it, without what went in the meantime', () => {
  const { machine, target } = mapped(4);
  target.windows.open(1, 0x1000, true);
  target.set(0x3000, machine.first + 8, RW);
  target.windows.open(2, 0x3000, true);
  machine.activate(1);
  assert.equal(pagesOf(machine, 1)[1], 0, 'windows of another address space');
  target.clear(0x1002);
  machine.memory.markCode(machine.first + 8);
  assert.equal(pagesOf(machine, 1)[1], 0);
  machine.activate(0);
  assert.is(machine.slot(WINDOWS, 1).read, 0);
  assert.is(machine.slot(WINDOWS, 2).write, 0);
  assert.is.not(machine.slot(WINDOWS, 2).read, 0);
  machine.check();
});

test.run();
