/** The run loop around the instructions: slices, faults, exceptions, contexts. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SEGV_ACCERR, SEGV_MAPERR, SI_KERNEL, SIGBUS, SIGILL, SIGSEGV, SIGTRAP } from '../../abi/signal.js';
import {
  CPU_VENDOR,
  EXIT_FAULT,
  EXIT_SLICE,
  EXIT_STOP,
  EXIT_SYSCALL,
  PTE_EXEC,
  PTE_READ,
  PTE_WRITE,
} from '../../cpu/index.js';
import {
  CODE,
  DATA,
  Guest,
  movImm,
  newTable,
  PAGE,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  RSI,
  RSP,
  STACK_TOP,
  SUM,
  SYSCALL,
} from './guest.js';
import '../support/seeded.js';

test('a loop runs, and its instructions are counted exactly', () => {
  const guest = new Guest();
  assert.is(guest.run(SUM), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RAX), 5050);
  assert.is(guest.cpu.retired, 303);
  assert.is(guest.cpu.rip, CODE + SUM.length);
  assert.is(guest.cpu.reg(RCX), guest.cpu.rip);
});

test('a slice ends at the same instruction whatever was decoded or cached before', () => {
  const stops = (guest: Guest, budget: number): string[] => {
    const seen: string[] = [];
    guest.cpu.rip = CODE;
    for (let i = 0; i < 1000; i++) {
      const exit = guest.cpu.run(budget);
      seen.push(`${exit} ${guest.cpu.rip} ${guest.cpu.reg(RAX)} ${guest.cpu.reg(RCX)} ${guest.cpu.retired}`);
      if (exit !== EXIT_SLICE) break;
    }
    return seen;
  };
  const cold = new Guest();
  cold.write(CODE, SUM);
  const first = stops(cold, 7);
  assert.ok(first.length > 30);
  assert.equal(stops(cold, 7), first);
  cold.table.flush();
  assert.equal(stops(cold, 7), first);
});

test('a slice ends between the steps of a repeated string instruction', () => {
  const guest = new Guest();
  guest.cpu.setReg(RDI, DATA + 5);
  guest.cpu.setReg(RCX, PAGE + 100);
  guest.cpu.setReg(RAX, 0x77);
  guest.write(CODE, [0xf3, 0xaa, ...SYSCALL]);
  assert.is(guest.cpu.run(1), EXIT_SLICE);
  assert.is(guest.cpu.rip, CODE);
  assert.is(guest.cpu.reg(RDI), DATA + PAGE);
  assert.is(guest.cpu.reg(RCX), 105);
  assert.is(guest.cpu.run(100), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RSI), 0);
  assert.is(guest.byte(DATA + 4), 0);
  assert.is(guest.byte(DATA + 5), 0x77);
  assert.is(guest.byte(DATA + PAGE + 104), 0x77);
  assert.is(guest.byte(DATA + PAGE + 105), 0);
});

test('a forward copy onto itself repeats its first bytes', () => {
  const guest = new Guest();
  guest.write(DATA, [1, 2, 3]);
  guest.cpu.setReg(RSI, DATA);
  guest.cpu.setReg(RDI, DATA + 3);
  guest.cpu.setReg(RCX, 30);
  guest.run([0xf3, 0xa4, ...SYSCALL]);
  for (let i = 0; i < 33; i++) assert.is(guest.byte(DATA + i), (i % 3) + 1);
});

test('a repeated copy that runs into an unmapped page stops with exact registers', () => {
  const guest = new Guest();
  guest.cpu.setReg(RSI, DATA);
  guest.cpu.setReg(RDI, DATA + 2 * PAGE - 20);
  guest.cpu.setReg(RCX, 8);
  assert.is(guest.run([0xf3, 0x48, 0xa5]), EXIT_FAULT);
  assert.is(guest.cpu.rip, CODE);
  assert.is(guest.cpu.reg(RDI), DATA + 2 * PAGE - 4);
  assert.is(guest.cpu.reg(RSI), DATA + 16);
  assert.is(guest.cpu.reg(RCX), 6);
  assert.equal(guest.faults, [[DATA + 2 * PAGE, PTE_WRITE]]);
  assert.is(guest.cpu.fault.signal, SIGSEGV);
  assert.is(guest.cpu.fault.cr2, DATA + 2 * PAGE);
});

test('a faulting instruction changes nothing, flags of the one before are exact', () => {
  const guest = new Guest();
  // add eax, eax (sets OF and SF); push rbx to an unmapped stack
  guest.cpu.setReg(RAX, 0x40000000);
  guest.cpu.setReg(RSP, 0x700000);
  assert.is(guest.run([0x01, 0xc0, 0x53]), EXIT_FAULT);
  assert.is(guest.cpu.rip, CODE + 2);
  assert.is(guest.cpu.reg(RSP), 0x700000);
  assert.is(guest.cpu.rflags & 0x8d5, 0x884);
  assert.is(guest.cpu.retired, 1);
  assert.is(guest.cpu.fault.code, SEGV_MAPERR);
  assert.is(guest.cpu.fault.address, 0x6ffff8);
});

test('a read-modify-write on a read-only page is a write fault before anything is stored', () => {
  const guest = new Guest();
  guest.table.protect(DATA / PAGE, PTE_READ);
  guest.cpu.setReg(RDI, DATA);
  assert.is(guest.run([0xf0, 0xff, 0x07]), EXIT_FAULT);
  assert.equal(guest.faults, [[DATA, PTE_WRITE]]);
  assert.is(guest.cpu.fault.code, SEGV_ACCERR);
  assert.is(guest.cpu.fault.err, 7);
});

test('a fault that the hook mends is invisible', () => {
  const guest = new Guest();
  guest.hooks.pageFault = (address) => {
    guest.map(Math.floor(address / PAGE) * PAGE, PTE_READ | PTE_WRITE);
    return true;
  };
  guest.cpu.setReg(RDI, 0x900ffc);
  guest.cpu.setReg(RAX, 0x11223344);
  // mov [rdi+2], eax over two absent pages; mov ebx, [rdi+2]
  assert.is(guest.run([0x89, 0x47, 0x02, 0x8b, 0x5f, 0x02, ...SYSCALL]), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RBX), 0x11223344);
  assert.equal(
    guest.faults.map(([address]) => address),
    [0x900ffe, 0x901000],
  );
});

test('stores and loads over a page boundary', () => {
  const guest = new Guest();
  guest.cpu.setReg(RDI, DATA + PAGE - 3);
  guest.cpu.setRegHalves(RAX, 0x55667788, 0x11223344);
  // mov [rdi], rax; add qword [rdi], 1; mov rbx, [rdi]
  guest.run([0x48, 0x89, 0x07, 0x48, 0x83, 0x07, 0x01, 0x48, 0x8b, 0x1f, ...SYSCALL]);
  assert.is(guest.cpu.regLo(RBX), 0x55667789);
  assert.is(guest.cpu.regHi(RBX), 0x11223344);
  assert.is(guest.byte(DATA + PAGE - 3), 0x89);
  assert.is(guest.byte(DATA + PAGE), 0x55);
  assert.is(guest.byte(DATA + PAGE + 4), 0x11);
});

test('falling through and jumping into another page', () => {
  const guest = new Guest();
  guest.write(CODE + PAGE - 3, [0xff, 0xc3, 0x90]);
  guest.write(CODE + PAGE, [0xff, 0xc3, ...SYSCALL]);
  guest.write(CODE, [0xe9, 0xf8, 0x0f, 0, 0]); // jmp CODE + 0xffd
  assert.is(guest.cpu.run(100), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RBX), 2);
  assert.is(guest.cpu.retired, 5);
});

test('a jump to an unmapped page faults at its target', () => {
  const guest = new Guest();
  guest.cpu.setReg(RAX, 0x123456);
  assert.is(guest.run([0xff, 0xd0]), EXIT_FAULT);
  assert.is(guest.cpu.rip, 0x123456);
  assert.is(guest.cpu.reg(RSP), STACK_TOP - 8);
  assert.is(guest.cpu.fault.cr2, 0x123456);
  assert.is(guest.cpu.fault.err, 0x14);
  assert.is(guest.cpu.retired, 1);
});

test('the syscall hook may move rip and switch the address space', () => {
  const guest = new Guest();
  const other = newTable(guest.memory);
  const frame = guest.memory.allocFrame();
  other.set(0x10, frame, PTE_READ | PTE_EXEC);
  guest.memory.u8.set([...movImm(RDX, 77), ...SYSCALL], frame * PAGE);
  guest.hooks.syscall = () => {
    if (guest.syscalls > 1) return false;
    guest.cpu.activate(other);
    guest.cpu.rip = 0x10000;
    return true;
  };
  assert.is(guest.run(SYSCALL), EXIT_SYSCALL);
  assert.is(guest.cpu.reg(RDX), 77);
  assert.is(guest.cpu.rip, 0x10007);
});

test('requestStop leaves behind the system call', () => {
  const guest = new Guest();
  guest.hooks.syscall = () => {
    guest.cpu.requestStop();
    return true;
  };
  assert.is(guest.run([...SYSCALL, 0xff, 0xc3]), EXIT_STOP);
  assert.is(guest.cpu.rip, CODE + 2);
  assert.is(guest.cpu.reg(RBX), 0);
});

test('exceptions have the signals of Linux', () => {
  const cases: [code: number[], signal: number, siCode: number, offset: number][] = [
    [[0x0f, 0x0b], SIGILL, 2, 0],
    [[0xf0, 0x90], SIGILL, 2, 0],
    [[0xf0, 0x01, 0xc0], SIGILL, 2, 0],
    [[0x06], SIGILL, 2, 0],
    [[0xf4], SIGSEGV, SI_KERNEL, 0],
    [[0xcd, 0x80], SIGSEGV, SI_KERNEL, 0],
    [[...new Array<number>(15).fill(0x66), 0x90], SIGSEGV, SI_KERNEL, 0],
    [[0xcc], SIGTRAP, SI_KERNEL, 1],
    [[0x31, 0xc9, 0xf7, 0xf1], 8, 1, 2],
  ];
  for (const [code, signal, siCode, offset] of cases) {
    const guest = new Guest();
    assert.is(guest.run(code), EXIT_FAULT, String(code));
    assert.equal(
      [guest.cpu.fault.signal, guest.cpu.fault.code, guest.cpu.rip],
      [signal, siCode, CODE + offset],
      String(code),
    );
  }
});

test('an access that runs from the lower half into the hole is no page fault', () => {
  // mov rax, [rdi] with its last byte below the hole, then in it; mov rax, [rbp] uses the stack segment.
  const outcome = (code: readonly number[], register: number, address: number): unknown[] => {
    const guest = new Guest();
    guest.cpu.setReg(register, address);
    assert.is(guest.run(code), EXIT_FAULT);
    const { signal, code: reason, trapno } = guest.cpu.fault;
    return [signal, reason, trapno];
  };
  assert.equal(outcome([0x48, 0x8b, 0x07], RDI, 2 ** 47 - 8), [SIGSEGV, SEGV_MAPERR, 14]);
  assert.equal(outcome([0x48, 0x8b, 0x07], RDI, 2 ** 47 - 7), [SIGSEGV, SI_KERNEL, 13]);
  assert.equal(outcome([0x8a, 0x07], RDI, 2 ** 47 - 1), [SIGSEGV, SEGV_MAPERR, 14]);
  assert.equal(outcome([0x48, 0x8b, 0x45, 0], RBP, 2 ** 47 - 1), [SIGBUS, SI_KERNEL, 12]);
});

test('a page that has lost all rights is not present in the error code', () => {
  const guest = new Guest();
  guest.cpu.setReg(RDI, DATA);
  const errorOf = (): number => {
    guest.cpu.rip = CODE;
    assert.is(guest.run([0x89, 0x07]), EXIT_FAULT); // mov [rdi], eax
    assert.is(guest.cpu.fault.code, SEGV_ACCERR);
    return guest.cpu.fault.err;
  };
  const frame = guest.table.frameOf(DATA / PAGE);
  guest.table.set(DATA / PAGE, frame, PTE_READ);
  assert.is(errorOf(), 7);
  guest.table.set(DATA / PAGE, frame, 0);
  assert.is(errorOf(), 6);
});

test('14 prefixes are legal', () => {
  const guest = new Guest();
  assert.is(guest.run([...new Array<number>(14).fill(0x66), 0x90, ...SYSCALL]), EXIT_SYSCALL);
});

test('contexts are saved and loaded whole', () => {
  const guest = new Guest();
  guest.run(SUM);
  const saved = new Uint8Array(guest.cpu.contextSize);
  guest.cpu.saveContext(saved);
  const { rip, rflags } = guest.cpu;
  guest.cpu.resetContext();
  assert.is(guest.cpu.reg(RAX), 0);
  guest.cpu.loadContext(saved);
  assert.equal([guest.cpu.reg(RAX), guest.cpu.rip, guest.cpu.rflags], [5050, rip, rflags]);
});

test('every combination of flags survives rflags, popf and pushf', () => {
  const guest = new Guest();
  guest.write(CODE, [0x9d, 0x9c, ...SYSCALL]);
  const bits = [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800, 0x4000, 0x40000, 0x200000];
  for (let n = 0; n < 1 << bits.length; n++) {
    const flags = bits.reduce((word, bit, i) => (n & (1 << i) ? word | bit : word), 0x202);
    guest.cpu.rflags = flags;
    assert.is(guest.cpu.rflags, flags);
    guest.cpu.rflags = 0x202;
    guest.cpu.rip = CODE;
    guest.cpu.setReg(RSP, STACK_TOP - 8);
    guest.write(STACK_TOP - 8, [flags & 0xff, (flags >> 8) & 0xff, (flags >> 16) & 0xff, 0, 0, 0, 0, 0]);
    assert.is(guest.cpu.run(10), EXIT_SYSCALL);
    assert.is(guest.cpu.rflags, flags);
    assert.is(guest.byte(STACK_TOP - 8), flags & 0xff);
  }
});

test('cpuid and rdtsc are the host’s to answer', () => {
  const guest = new Guest();
  guest.run([0x0f, 0x31, 0x48, 0x89, 0xc7, 0x48, 0x89, 0xd6, 0x31, 0xc0, 0x0f, 0xa2, ...SYSCALL]);
  assert.is(guest.cpu.regLo(RDI), 0x34567890);
  assert.is(guest.cpu.reg(RSI), 0x12);
  assert.is(Buffer.from(Uint32Array.of(guest.cpu.regLo(RBX)).buffer).toString(), CPU_VENDOR.slice(0, 4));
});

test('random bytes never hang or throw', () => {
  const guest = new Guest({ codePages: 2, codeWritable: true });
  const bytes = fc.uint8Array({ minLength: 64, maxLength: 256 });
  const word = fc.integer({ min: DATA, max: DATA + 2 * PAGE });
  fc.assert(
    fc.property(
      bytes,
      fc.array(word, { minLength: 16, maxLength: 16 }),
      fc.nat({ max: PAGE }),
      (code, registers, offset) => {
        for (const [i, value] of registers.entries()) guest.cpu.setReg(i, value);
        guest.write(CODE + offset, [...code]);
        guest.cpu.rip = CODE + offset;
        for (let i = 0; i < 4; i++) {
          const exit = guest.cpu.run(200);
          assert.ok(exit >= EXIT_SLICE && exit <= EXIT_STOP);
          if (exit === EXIT_FAULT) break;
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test.run();
