/** Breakpoints, single steps and watchpoints of the processor: exact with and without the translator. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DebugMarks, EXIT_BREAK, EXIT_FAULT, EXIT_SLICE, EXIT_STOP, EXIT_SYSCALL } from '../../cpu/index.js';
import { CODE, DATA, EAGER, Guest, movImm, newTable, PAGE, RAX, RCX, RDI, RSI, SYSCALL } from './guest.js';

/** mov ecx, N; L: inc rax; mov [rdi], rax; dec rcx; jnz L; syscall */
const loop = (count: number): number[] => [
  ...movImm(RCX, count),
  ...[0x48, 0xff, 0xc0],
  ...[0x48, 0x89, 0x07],
  ...[0x48, 0xff, 0xc9],
  ...[0x75, 0xf5],
  ...SYSCALL,
];
const INC = CODE + 5;
const STORE = CODE + 8;
const DEC = CODE + 11;
const JNZ = CODE + 14;
const END = CODE + 16;

const make = (translator: typeof EAGER | null): Guest => {
  const guest = new Guest({ translator });
  guest.cpu.setReg(RDI, DATA);
  return guest;
};

for (const translator of [null, EAGER]) {
  const how = translator === null ? 'interpreted' : 'translated';

  test(`${how}: a breakpoint in a hot loop stops before each execution of its instruction`, () => {
    const guest = make(translator);
    const { cpu } = guest;
    guest.write(CODE, loop(60_000));
    // It has become hot before there is a breakpoint.
    for (let i = 0; i < 20; i++) assert.is(cpu.run(5000), EXIT_SLICE);
    if (translator !== null) assert.ok(cpu.stats().translated > 0, 'regions have run');
    cpu.mark(guest.table, new DebugMarks([DEC], []));
    for (let i = 0; i < 50; i++) {
      assert.is(cpu.run(1_000_000), EXIT_BREAK);
      assert.is(cpu.rip, DEC);
      assert.is(cpu.reg(RAX) + cpu.reg(RCX), 60_001, 'one iteration after the other');
      assert.is(cpu.step(), EXIT_SLICE);
      assert.is(cpu.rip, JNZ);
    }
    cpu.mark(guest.table, null);
    assert.is(cpu.run(1_000_000), EXIT_SYSCALL);
    assert.equal([cpu.reg(RAX), guest.byte(DATA) + guest.byte(DATA + 1) * 256], [60_000, 60_000]);
  });

  test(`${how}: a breakpoint that nobody wants changes neither results nor where slices end`, () => {
    const ends = [false, true].map((marked) => {
      const guest = make(translator);
      const { cpu } = guest;
      guest.write(CODE, loop(30_000));
      guest.hooks.breakpoint = () => false;
      const seen: number[] = [];
      for (let i = 0; ; i++) {
        if (marked && i === 3) cpu.mark(guest.table, new DebugMarks([INC, DEC, JNZ], []));
        const exit = cpu.run(7001);
        seen.push(cpu.rip, cpu.retired, cpu.reg(RCX), cpu.rflags);
        if (exit === EXIT_SYSCALL) return seen;
        assert.is(exit, EXIT_SLICE);
      }
    });
    assert.equal(ends[1], ends[0]);
  });

  test(`${how}: a breakpoint of one address space is none of another with the same frame`, () => {
    const guest = make(translator);
    const { cpu, memory } = guest;
    guest.write(CODE, loop(1000));
    const other = newTable(memory);
    for (const page of [CODE, DATA]) {
      other.set(page / PAGE, guest.table.frameOf(page / PAGE), guest.table.protOf(page / PAGE));
    }
    cpu.mark(guest.table, new DebugMarks([STORE], []));
    assert.is(cpu.run(100), EXIT_BREAK);
    cpu.activate(other);
    assert.is(cpu.run(100_000), EXIT_SYSCALL);
    assert.is(cpu.reg(RAX), 1000);
    cpu.activate(guest.table);
    cpu.rip = CODE;
    assert.is(cpu.run(100), EXIT_BREAK);
    assert.is(cpu.rip, STORE);
    // Marks of both: taking one's away leaves the other's.
    cpu.mark(other, new DebugMarks([STORE], []));
    cpu.mark(guest.table, null);
    assert.is(cpu.run(100_000), EXIT_SYSCALL);
    cpu.activate(other);
    cpu.rip = CODE;
    assert.is(cpu.run(100), EXIT_BREAK);
  });

  test(`${how}: a breakpoint outlives a change of the code around it`, () => {
    const guest = new Guest({ translator, codeWritable: true });
    const { cpu } = guest;
    cpu.setReg(RDI, DATA);
    guest.write(CODE, loop(10_000));
    cpu.mark(guest.table, new DebugMarks([END], []));
    for (let i = 0; i < 5; i++) cpu.run(2000);
    // dec rcx twice as fast: sub rcx, 2 has four bytes, so the store goes.
    guest.write(STORE, [0x90, 0x90, 0x48, 0xff, 0xc9, 0x90]);
    let exit = EXIT_SLICE;
    while (exit === EXIT_SLICE) exit = cpu.run(2000);
    assert.is(exit, EXIT_BREAK);
    assert.is(cpu.rip, END);
  });

  test(`${how}: a write watchpoint stops behind each store to its bytes`, () => {
    const guest = make(translator);
    const { cpu } = guest;
    guest.write(CODE, loop(60_000));
    for (let i = 0; i < 20; i++) cpu.run(5000);
    cpu.mark(guest.table, new DebugMarks([], [{ address: DATA + 4, length: 4, reads: false }]));
    for (let i = 0; i < 20; i++) {
      assert.is(cpu.run(1_000_000), EXIT_STOP);
      assert.is(cpu.rip, DEC);
      assert.is(cpu.watchHit, DATA + 4);
      assert.is(cpu.reg(RAX) + cpu.reg(RCX), 60_001);
    }
    cpu.mark(guest.table, new DebugMarks([], [{ address: DATA + 8, length: 8, reads: true }]));
    assert.is(cpu.run(1_000_000), EXIT_SYSCALL, 'the bytes beside it');
    assert.ok(Number.isNaN(cpu.watchHit));
  });

  test(`${how}: only watchpoints for access see reads`, () => {
    for (const reads of [false, true]) {
      const guest = make(translator);
      const { cpu } = guest;
      // mov rax, [rdi]; syscall
      guest.write(CODE, [0x48, 0x8b, 0x07, ...SYSCALL]);
      cpu.mark(guest.table, new DebugMarks([], [{ address: DATA, length: 1, reads }]));
      assert.is(cpu.run(100), reads ? EXIT_STOP : EXIT_SYSCALL);
      assert.is(Number.isNaN(cpu.watchHit), !reads);
    }
  });

  test(`${how}: repeated string instructions hit a watchpoint in the middle, and only if they get there`, () => {
    for (const [count, hits] of [
      [0x80, true],
      [0x40, false],
    ] as const) {
      const guest = make(translator);
      const { cpu } = guest;
      // rep stosb; syscall
      guest.write(CODE, [0xf3, 0xaa, ...SYSCALL]);
      cpu.setReg(RCX, count);
      cpu.mark(guest.table, new DebugMarks([], [{ address: DATA + 0x60, length: 4, reads: false }]));
      assert.is(cpu.run(1000), hits ? EXIT_STOP : EXIT_SYSCALL);
      if (hits) assert.is(cpu.watchHit, DATA + 0x60);
    }
  });

  test(`${how}: an access over two pages hits a watchpoint in the second`, () => {
    const guest = make(translator);
    const { cpu } = guest;
    guest.write(CODE, [0x48, 0x89, 0x07, ...SYSCALL]);
    cpu.setReg(RDI, DATA + PAGE - 4);
    cpu.mark(guest.table, new DebugMarks([], [{ address: DATA + PAGE, length: 2, reads: false }]));
    assert.is(cpu.run(1000), EXIT_STOP);
    assert.is(cpu.rip, CODE + 3);
  });
}

test('a breakpoint at an instruction over two pages, and at one that is none', () => {
  const guest = make(null);
  const { cpu } = guest;
  guest.write(CODE + PAGE - 2, [...movImm(RAX, 0x11223344), 0x0f, 0x0b]);
  cpu.rip = CODE + PAGE - 2;
  cpu.mark(guest.table, new DebugMarks([CODE + PAGE - 2, CODE + PAGE + 3], []));
  assert.is(cpu.run(10), EXIT_BREAK);
  assert.is(cpu.rip, CODE + PAGE - 2);
  assert.is(cpu.step(), EXIT_SLICE);
  assert.equal([cpu.rip, cpu.reg(RAX)], [CODE + PAGE + 3, 0x11223344]);
  assert.is(cpu.run(10), EXIT_BREAK);
  assert.is(cpu.step(), EXIT_FAULT);
  assert.is(cpu.rip, CODE + PAGE + 3);
  cpu.mark(guest.table, null);
  assert.is(cpu.run(10), EXIT_FAULT);
});

test('steps see what runs do: every instruction, jumps, calls, faults, system calls', () => {
  const guest = make(null);
  const { cpu } = guest;
  guest.hooks.syscall = () => true;
  // xor eax,eax; cmp eax,0; je +1; nop; call +2; jmp +1; ret; syscall; mov [rsi],eax
  guest.write(CODE, [
    0x31,
    0xc0,
    0x83,
    0xf8,
    0,
    0x74,
    1,
    0x90,
    0xe8,
    2,
    0,
    0,
    0,
    0xeb,
    1,
    0xc3,
    ...SYSCALL,
    0x89,
    0x06,
  ]);
  const places: number[] = [];
  cpu.setReg(RSI, 0x123);
  for (let exit = EXIT_SLICE; exit === EXIT_SLICE; ) {
    exit = cpu.step();
    assert.is(cpu.retired, exit === EXIT_SLICE ? 1 : 0);
    places.push(cpu.rip - CODE);
  }
  assert.equal(places, [2, 5, 8, 15, 13, 16, 18, 18]);
  assert.is(cpu.fault.cr2, 0x123);
});

test('steps through a region that has been translated', () => {
  const guest = make(EAGER);
  const { cpu } = guest;
  guest.write(CODE, loop(50_000));
  for (let i = 0; i < 10; i++) cpu.run(5000);
  assert.ok(cpu.stats().translated > 0);
  const order = [INC, STORE, DEC, JNZ];
  for (let i = 0; i < 40; i++) {
    const at = order.indexOf(cpu.rip);
    assert.ok(at >= 0);
    assert.is(cpu.step(), EXIT_SLICE);
    assert.is(cpu.rip, order[(at + 1) % 4]);
  }
});

test('a step of a page that may not be executed faults, and so does one at a wild address', () => {
  const guest = make(null);
  for (const address of [DATA, 0x900000]) {
    guest.cpu.rip = address;
    assert.is(guest.cpu.step(), EXIT_FAULT);
    assert.is(guest.cpu.fault.cr2, address);
  }
});

test.run();
