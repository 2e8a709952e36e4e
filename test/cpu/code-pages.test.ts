/** Decoded code follows the bytes and the pages that it came from, and takes its share of memory only. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_FAULT, EXIT_SYSCALL, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { CODE, DATA, Guest, movImm, newTable, PAGE, RAX, RBX, RCX, RDI, RSI, SUM, SYSCALL } from './guest.js';
import '../support/seeded.js';

test('code that changes the instruction behind it runs the new one', () => {
  const guest = new Guest({ codeWritable: true });
  // mov byte [rip+1], 2; mov eax, 1 → mov eax, 2
  const code = [0xc6, 0x05, 1, 0, 0, 0, 2, ...movImm(RAX, 1), ...SYSCALL];
  assert.is(guest.run(code), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RAX), 2);
});

test('a loop that changes its own body each time round', () => {
  const guest = new Guest({ codeWritable: true });
  // mov ecx,3; L: add ebx, imm8 (starts 1); inc byte [rip-imm]; dec ecx; jnz L
  const loop = [0x83, 0xc3, 1, 0xfe, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x75, 0xf3];
  assert.is(guest.run([...movImm(RCX, 3), ...loop, ...SYSCALL]), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RBX), 1 + 2 + 3);
});

test('code changed through another mapping of its frame', () => {
  const guest = new Guest();
  guest.map(0x800000, PTE_READ | PTE_WRITE, guest.table.frameOf(CODE / PAGE));
  guest.cpu.setReg(RDI, 0x800000);
  // mov byte [rdi+5], 9; mov eax, 1 → mov eax, 9
  assert.is(guest.run([0xc6, 0x47, 0x05, 0x09, ...movImm(RAX, 1), ...SYSCALL]), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RAX), 9);
});

test('code changed from outside is decoded anew', () => {
  const guest = new Guest();
  guest.run([...movImm(RAX, 1), ...SYSCALL]);
  guest.cpu.rip = CODE;
  guest.run([...movImm(RAX, 2), ...SYSCALL]);
  assert.is(guest.cpu.reg(RAX), 2);
});

test('an instruction over a page boundary follows a change of either page', () => {
  const guest = new Guest({ codePages: 2 });
  const start = CODE + PAGE - 2;
  const once = (): number => {
    guest.cpu.rip = start;
    guest.cpu.run(100);
    return guest.cpu.reg(RAX);
  };
  guest.write(start, [...movImm(RAX, 0x01020304), ...SYSCALL]);
  assert.is(once(), 0x01020304);
  assert.is(once(), 0x01020304);
  guest.write(start + 4, [0x55]);
  assert.is(once(), 0x55020304);
  // Another frame behind the same address.
  const other = guest.memory.allocFrame();
  guest.table.set(CODE / PAGE + 1, other, PTE_READ | PTE_EXEC);
  guest.write(CODE + PAGE, [0xaa, 0xbb, 0x01, ...SYSCALL]);
  assert.is(once(), 0x01bbaa04);
});

test('a program does the same wherever a page boundary cuts it', () => {
  // mov ebx, 20; round: push rbx; call f; pop rcx; add [DATA], eax; cmp ecx, 10; jg +2; inc esi; dec ebx; jne round;
  // syscall; f: lea rax, [rcx+rbx*4+7]; cmp eax, 50; jb +5; mov edi, eax; nop…; ret
  const f = [0x48, 0x8d, 0x44, 0x99, 0x07, 0x83, 0xf8, 0x32, 0x72, 0x03, 0x89, 0xc7, 0x90, 0xc3];
  const tail = [0x83, 0xf9, 0x0a, 0x7f, 0x02, 0xff, 0xc6, 0xff, 0xcb, 0x0f, 0x85, 0xe3, 0xff, 0xff, 0xff, ...SYSCALL];
  const addMemory = [0x01, 0x04, 0x25, 0x00, 0x00, 0x50, 0x00];
  const round = [0x53, 0xe8, 8 + tail.length, 0, 0, 0, 0x59, ...addMemory, ...tail];
  const program = [...movImm(RBX, 20), ...round, ...f];
  const outcomes = new Set<string>();
  for (let before = 0; before <= program.length; before++) {
    const guest = new Guest({ codePages: 2 });
    const start = CODE + PAGE - before;
    guest.write(start, program);
    for (let run = 0; run < 2; run++) {
      guest.cpu.rip = start;
      for (const register of [RAX, RCX, RSI, RDI]) guest.cpu.setReg(register, 0);
      guest.write(DATA, [0, 0, 0, 0]);
      assert.is(guest.cpu.run(10000), EXIT_SYSCALL);
      const registers = [RAX, RBX, RSI, RDI].map((register) => guest.cpu.reg(register));
      const memory = [0, 1, 2, 3].map((i) => guest.byte(DATA + i));
      outcomes.add([guest.cpu.retired, guest.cpu.rip - start, ...registers, ...memory].join(' '));
    }
  }
  assert.is(outcomes.size, 1, [...outcomes].join('\n'));
});

test('an instruction whose second page is missing faults there', () => {
  const guest = new Guest({ codePages: 1 });
  guest.write(CODE + PAGE - 2, [0xb8, 0x01]);
  guest.cpu.rip = CODE + PAGE - 2;
  assert.is(guest.cpu.run(100), EXIT_FAULT);
  assert.equal(guest.faults, [[CODE + PAGE, PTE_EXEC]]);
  assert.is(guest.cpu.rip, CODE + PAGE - 2);
  assert.is(guest.cpu.fault.cr2, CODE + PAGE);
});

test('a page loses its right to execute while it executes', () => {
  const guest = new Guest();
  guest.hooks.syscall = () => {
    guest.table.protect(CODE / PAGE, PTE_READ);
    return true;
  };
  assert.is(guest.run([...SYSCALL, 0x90, 0x90]), EXIT_FAULT);
  assert.is(guest.cpu.rip, CODE + 2);
  assert.equal(guest.faults, [[CODE + 2, PTE_EXEC]]);
});

test('address spaces that map the same frame share its decodings', () => {
  const guest = new Guest();
  guest.run(SUM);
  const decoded = guest.cpu.stats().decodedRecords;
  const other = newTable(guest.memory);
  other.set(0x77, guest.table.frameOf(CODE / PAGE), PTE_READ | PTE_EXEC);
  guest.cpu.activate(other);
  guest.cpu.rip = 0x77000;
  assert.is(guest.cpu.run(10000), EXIT_SYSCALL);
  assert.is(guest.cpu.stats().decodedRecords, decoded);
});

test('frames of decodings are given back with the code', () => {
  const guest = new Guest();
  const before = guest.memory.usedFrames;
  const frame = guest.map(0x700000, PTE_READ | PTE_EXEC);
  guest.write(0x700000, SUM);
  guest.cpu.rip = 0x700000;
  guest.cpu.run(1000);
  assert.ok(guest.memory.usedFrames > before + 1);
  guest.table.clear(0x700);
  guest.memory.unref(frame);
  guest.run(SYSCALL);
  guest.memory.willWrite(guest.table.frameOf(CODE / PAGE));
  guest.cpu.rip = 0;
  guest.cpu.run(1);
  assert.ok(guest.memory.usedFrames <= before + 4, 'only the offset table of the code page is left');
});

test('decoded code never takes the memory that programs need', () => {
  const guest = new Guest({ limit: 1 << 20 });
  // Pages that only jump to the next one, more than there is room to keep decoded.
  const pages = 150;
  for (let i = 0; i < pages; i++) {
    guest.map(0x800000 + i * PAGE, PTE_READ | PTE_EXEC);
    guest.write(0x800000 + i * PAGE, i === pages - 1 ? SYSCALL : [0xe9, 0xfb, 0x0f, 0, 0]);
  }
  guest.cpu.rip = 0x800000;
  assert.is(guest.cpu.run(10000), EXIT_SYSCALL);
  assert.is(guest.cpu.rip, 0x800000 + (pages - 1) * PAGE + 2);
});

test.run();
