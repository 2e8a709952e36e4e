/** Instructions that share a handler: every sequence alone, entered in the middle, and left by a fault in the middle. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_FAULT, EXIT_SYSCALL, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { table } from '../../cpu/table/index.js';
import { SEQUENCES } from '../../cpu/table/sequences.js';
import { HandlerSet } from '../../cpu/tier0/handlers.js';
import { HotNumbers } from '../../cpu/tier0/numbering.js';
import { CODE, DATA, Guest, PAGE, RAX, RBX, RCX, RDX, RSP, STACK_TOP, SYSCALL } from './guest.js';

const POP_RCX = 0x59;
const POP_RDX = 0x5a;
const POP_RBX = 0x5b;
const PUSH_RAX = 0x50;
const PUSH_RCX = 0x51;

function pageOf(guest: Guest, address: number, words: readonly number[]): void {
  for (const [i, word] of words.entries()) guest.write(address + i * 8, [word, 0, 0, 0, 0, 0, 0, 0]);
}

test('every sequence of the table has a handler', () => {
  const { numbering, sequences } = new HotNumbers(table);
  const handlers = new HandlerSet(table, numbering);
  assert.is(sequences.length, SEQUENCES.length);
  for (const { op, parts } of sequences) {
    let begun: number | undefined = parts[0]!.op;
    for (const part of parts.slice(1)) begun = handlers.extend(begun!, part.op);
    assert.is(begun, op);
  }
});

test('a fault in the middle of a run of pops leaves what the first ones did', () => {
  const guest = new Guest();
  const top = DATA + 2 * PAGE;
  for (let fit = 0; fit <= 3; fit++) {
    pageOf(guest, top - 24, [1, 2, 3]);
    for (const register of [RCX, RDX, RBX]) guest.cpu.setReg(register, 77);
    guest.cpu.setReg(RSP, top - fit * 8);
    guest.cpu.rip = CODE;
    const code = [POP_RCX, POP_RDX, POP_RBX, ...SYSCALL];
    assert.is(guest.run(code), fit === 3 ? EXIT_SYSCALL : EXIT_FAULT);
    const values = [1, 2, 3].slice(3 - fit);
    const expected = [...values, 77, 77, 77].slice(0, 3);
    if (fit === 3) expected[0] = CODE + 5; // rcx, by the system call
    assert.equal(
      [RCX, RDX, RBX].map((r) => guest.cpu.reg(r)),
      expected,
    );
    if (fit === 3) continue;
    assert.is(guest.cpu.rip, CODE + fit);
    assert.is(guest.cpu.reg(RSP), top);
    assert.is(guest.cpu.fault.cr2, top);
    assert.is(guest.cpu.retired, fit);
  }
});

test('a fault in the middle of pushes is mended and the rest goes on', () => {
  const guest = new Guest();
  const low = STACK_TOP - PAGE;
  guest.hooks.pageFault = (address) => {
    guest.map(Math.floor(address / PAGE) * PAGE, PTE_READ | PTE_WRITE);
    return true;
  };
  guest.cpu.setReg(RSP, low + 8);
  guest.cpu.setReg(RAX, 5);
  guest.cpu.setReg(RCX, 6);
  assert.is(guest.run([PUSH_RAX, PUSH_RCX, PUSH_RAX, ...SYSCALL]), EXIT_SYSCALL);
  assert.is(guest.faults.length, 1);
  assert.is(guest.cpu.reg(RSP), low - 16);
  assert.equal(
    [low - 16, low - 8, low].map((at) => guest.byte(at)),
    [5, 6, 5],
  );
});

test('a jump into the middle of a sequence executes the rest alone', () => {
  const guest = new Guest();
  pageOf(guest, DATA, [1, 2, 3, 4, 5, 6]);
  guest.cpu.setReg(RSP, DATA);
  // The first time round all three pops, the second time the last two.
  const code = [POP_RDX, POP_RCX, POP_RBX, 0x83, 0xfb, 0x03, 0x74, 0xf9, ...SYSCALL]; // cmp ebx, 3; je to pop rcx
  assert.is(guest.run(code), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RDX), 1);
  assert.is(guest.cpu.reg(RBX), 5);
  assert.is(guest.cpu.reg(RSP), DATA + 40);
  assert.is(guest.cpu.retired, 3 + 2 + 2 + 2 + 1);
});

test.run();
