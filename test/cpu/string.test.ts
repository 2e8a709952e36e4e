/** Repeated string instructions against a loop over elements: overlaps, page boundaries, faults in the middle, counting. */
import '../support/seeded.js';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_FAULT, EXIT_SLICE, EXIT_SYSCALL, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { CODE, DATA, Guest, PAGE, RAX, RCX, RDI, RSI, SYSCALL } from './guest.js';

const CMC = 0xf5;
const REP = 0xf3;
const REPNE = 0xf2;
const CF = 1;
const ZF = 0x40;
/** Mapped from DATA on. */
const PAGES = 4;
const MOVS = 0xa5;
const CMPS = 0xa7;
const STOS = 0xab;
const SCAS = 0xaf;

const guest = new Guest();
for (let i = 2; i < PAGES; i++) guest.map(DATA + i * PAGE, PTE_READ | PTE_WRITE);

/** The instruction for elements of `bytes` bytes. */
function encode(prefix: number, wide: number, bytes: number): number[] {
  if (bytes === 1) return [prefix, wide - 1];
  return bytes === 2 ? [0x66, prefix, wide] : bytes === 4 ? [prefix, wide] : [prefix, 0x48, wide];
}

function fill(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i += PAGE) {
    const frame = guest.table.frameOf(DATA / PAGE + i / PAGE);
    guest.memory.u8.set(bytes.subarray(i, i + PAGE), frame * PAGE);
  }
}

function contents(): Uint8Array {
  const bytes = new Uint8Array(PAGES * PAGE);
  for (let i = 0; i < bytes.length; i += PAGE) {
    const frame = guest.table.frameOf(DATA / PAGE + i / PAGE);
    bytes.set(guest.memory.u8.subarray(frame * PAGE, (frame + 1) * PAGE), i);
  }
  return bytes;
}

function start(source: number, target: number, count: number, rax = 0): void {
  guest.cpu.rip = CODE;
  guest.cpu.setReg(RSI, DATA + source);
  guest.cpu.setReg(RDI, DATA + target);
  guest.cpu.setReg(RCX, count);
  guest.cpu.setReg(RAX, rax);
  guest.cpu.rflags = 0;
}

const elementBytes = fc.constantFrom(1, 2, 4, 8);

test('rep movs copies element by element, however the operands overlap', () => {
  fc.assert(
    fc.property(
      elementBytes,
      fc.integer({ min: 0, max: 2 * PAGE }),
      fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -PAGE, max: PAGE })),
      fc.integer({ min: 0, max: 700 }),
      (bytes, at, distance, count) => {
        const source = at + PAGE / 2;
        const target = Math.max(0, source + distance);
        const expected = new Uint8Array(PAGES * PAGE);
        for (let i = 0; i < expected.length; i++) expected[i] = (i * 7) ^ (i >> 5);
        fill(expected);
        const fits = Math.min(count, Math.floor((PAGES * PAGE - Math.max(source, target)) / bytes));
        for (let i = 0; i < fits; i++) {
          const element = expected.slice(source + i * bytes, source + (i + 1) * bytes);
          expected.set(element, target + i * bytes);
        }
        start(source, target, fits);
        assert.is(guest.run([...encode(REP, MOVS, bytes), ...SYSCALL]), EXIT_SYSCALL);
        assert.equal(contents(), expected);
        assert.is(guest.cpu.reg(RSI), DATA + source + fits * bytes);
        assert.is(guest.cpu.reg(RDI), DATA + target + fits * bytes);
      },
    ),
    { numRuns: 300 },
  );
});

test('rep cmps and scas stop at the deciding element with its flags', () => {
  fc.assert(
    fc.property(
      elementBytes,
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: PAGE - 60, max: PAGE + 5 }),
      fc.integer({ min: 2 * PAGE - 60, max: 2 * PAGE + 5 }),
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 0, max: 120 }),
      (bytes, scan, whileEqual, source, target, count, deciding) => {
        // All elements are alike but one; with repne they all differ from the other operand but one.
        const memory = new Uint8Array(PAGES * PAGE).fill(9);
        const ordinary = whileEqual ? 9 : 5;
        memory.fill(ordinary, target, target + 120 * bytes);
        memory[target + deciding * bytes] = whileEqual ? 8 : 9;
        for (let i = 1; i < bytes && !whileEqual; i++) memory[target + deciding * bytes + i] = 9;
        fill(memory);
        start(source, target, count, 0x0909_0909);
        if (bytes === 8) guest.cpu.setRegHalves(RAX, 0x0909_0909, 0x0909_0909);
        const code = encode(whileEqual ? REP : REPNE, scan ? SCAS : CMPS, bytes);
        assert.is(guest.run([...code, ...SYSCALL]), EXIT_SYSCALL);
        const steps = Math.min(count, deciding + 1);
        const decided = deciding < count;
        assert.is(guest.cpu.reg(RDI), DATA + target + steps * bytes);
        if (!scan) assert.is(guest.cpu.reg(RSI), DATA + source + steps * bytes);
        assert.is((guest.cpu.rflags & ZF) !== 0, whileEqual !== decided);
        assert.is(guest.cpu.rflags & CF, 0, 'the other operand is never below');
      },
    ),
    { numRuns: 300 },
  );
});

test('a fault in the middle shows the registers and the flags of the last element', () => {
  const end = PAGES * PAGE;
  fill(new Uint8Array(end));
  start(0, end - 100, 500);
  guest.cpu.rflags = CF;
  assert.is(guest.run([REP, CMPS - 1, ...SYSCALL]), EXIT_FAULT);
  assert.is(guest.cpu.rip, CODE);
  assert.is(guest.cpu.reg(RCX), 400);
  assert.is(guest.cpu.reg(RSI), DATA + 100);
  assert.is(guest.cpu.reg(RDI), DATA + end);
  assert.is(guest.cpu.rflags & (ZF | CF), ZF);
  start(0, end - 101, 500);
  assert.is(guest.run([REP, MOVS, ...SYSCALL]), EXIT_FAULT);
  assert.is(guest.cpu.reg(RCX), 475);
  assert.is(guest.cpu.reg(RDI), DATA + end - 1);
});

test('a repetition counts once per page and may end the slice in between', () => {
  start(0, PAGE, 2 * PAGE);
  const code = [CMC, REP, STOS - 1, ...SYSCALL];
  assert.is(guest.run(code), EXIT_SYSCALL);
  assert.is(guest.cpu.retired, 1 + 2 + 1);
  start(0, PAGE + 8, 2 * PAGE);
  assert.is(guest.run(code, 2), EXIT_SLICE);
  assert.is(guest.cpu.rip, CODE + 1);
  assert.is(guest.cpu.reg(RCX), PAGE + 8);
  assert.is(guest.cpu.retired, 2);
});

test.run();
