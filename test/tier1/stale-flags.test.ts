/**
 * Flags that translated code leaves in registers (cpu/tier1/stale-flags.ts): what is computed from them must be what the
 * operation sets, whichever two of its operands and result are left, and the words that tier 0 has after it. At the end,
 * whole programs: after any operations, a fault in translated code shows the flags that it shows in tier 0.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF, FLAGS_FIXED, readFlags } from '../../cpu/flags.js';
import { PhysicalMemory } from '../../cpu/index.js';
import { AUX, CF, GPR, RES } from '../../cpu/state.js';
import type { FlagOperand, FlagSource } from '../../cpu/tier1/flags.js';
import { SAVED_FLAGS, STALE_FLAGS } from '../../cpu/tier1/layout.js';
import { StaleFlags } from '../../cpu/tier1/stale-flags.js';
import { CODE, DATA, EAGER, Guest, PAGE, RBX, RSI, SYSCALL } from '../cpu/guest.js';

type Kind = FlagSource['kind'];
type Size = FlagSource['size'];

const KINDS: readonly Kind[] = ['add', 'sub', 'logic'];
const SIZES: readonly Size[] = [8, 16, 32, 64];

/** The flags as the manual defines them. `logic` is x & y. */
function model(kind: Kind, size: Size, x: bigint, y: bigint): { res: bigint; flags: number } {
  const cut = (n: bigint): bigint => BigInt.asUintN(size, n);
  const exact = kind === 'add' ? cut(x) + cut(y) : kind === 'sub' ? cut(x) - cut(y) : cut(x) & cut(y);
  const res = cut(exact);
  let flags = FLAGS_FIXED;
  if (res === 0n) flags |= FLAG_ZF;
  if (BigInt.asIntN(size, res) < 0n) flags |= FLAG_SF;
  let ones = 0;
  for (let bit = 0n; bit < 8n; bit++) ones += Number((res >> bit) & 1n);
  if (ones % 2 === 0) flags |= FLAG_PF;
  if (kind === 'logic') return { res, flags };
  if (exact !== res) flags |= FLAG_CF;
  const [a, b] = [BigInt.asIntN(size, x), BigInt.asIntN(size, y)];
  const signed = kind === 'add' ? a + b : a - b;
  if (signed !== BigInt.asIntN(size, res)) flags |= FLAG_OF;
  const [low, lowY] = [x & 15n, y & 15n];
  if (kind === 'add' ? low + lowY > 15n : low < lowY) flags |= FLAG_AF;
  return { res, flags };
}

/** Numbers at the edges of every size, and any others. */
const number64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc
    .tuple(fc.constantFrom(7n, 8n, 15n, 16n, 31n, 32n, 63n, 64n), fc.bigInt(-2n, 2n))
    .map(([k, d]) => BigInt.asUintN(64, (1n << k) + d)),
  fc.bigInt(-3n, 3n).map((n) => BigInt.asUintN(64, n)),
);

class Machine {
  readonly memory = new PhysicalMemory(4 << 20);
  readonly stale = new StaleFlags(this.memory);

  register(register: number, byte: number, size: Size, value: bigint, garbage: bigint): FlagOperand {
    const at = GPR + register * 8;
    this.memory.view.setBigUint64(at, garbage, true);
    if (byte === 1) this.memory.u8[at + 1] = Number(value & 0xffn);
    else
      this.memory.view.setBigUint64(
        at,
        ((garbage >> BigInt(size)) << BigInt(size)) | BigInt.asUintN(size, value),
        true,
      );
    return { register, byte };
  }

  resolve(source: FlagSource): void {
    const { u32 } = this.memory;
    // What was there before must not shine through.
    u32.fill(0xffffffff, RES >> 2, (CF >> 2) + 1);
    u32[STALE_FLAGS >> 2] = this.stale.number(source);
    this.stale.resolve();
  }
}

const shape = fc.record({
  kind: fc.constantFrom(...KINDS),
  size: fc.constantFrom(...SIZES),
  x: number64,
  y: number64,
  garbage: fc.bigInt(0n, 2n ** 64n - 1n),
  /** Which of a, b and the result is not known any more; 3: none. */
  missing: fc.nat({ max: 3 }),
  /** Which of them is a constant, as signed or unsigned number; 3: none. */
  constant: fc.nat({ max: 3 }),
  signed: fc.boolean(),
  /** Bytes of 8-bit operands are the second ones of their registers. */
  bytes: fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 1 }), fc.nat({ max: 1 })),
  /** Which of them is a saved value, and where: a and b, or none. */
  saved: fc.tuple(fc.boolean(), fc.boolean()),
  registers: fc.shuffledSubarray([0, 1, 2, 3, 5, 6, 7, 8, 15], { minLength: 3, maxLength: 3 }),
});

test('flags from two of three operands are those of the operation', () => {
  const machine = new Machine();
  const seen = new Set<string>();
  fc.assert(
    fc.property(shape, ({ kind, size, x, y, garbage, missing, constant, signed, bytes, saved, registers }) => {
      const { res, flags } = model(kind, size, x, y);
      const [a, b, r] = [x, y, res].map((value, i): FlagOperand | undefined => {
        if (kind === 'logic' ? i < 2 : i === missing) return undefined;
        if (i === constant) return { constant: signed ? BigInt.asIntN(size, value) : BigInt.asUintN(size, value) };
        const index = i === 1 ? 1 : 0;
        if (saved[index] && (i < 2 || kind === 'logic')) {
          const mask = 2n ** BigInt(size) - 1n;
          machine.memory.view.setBigUint64(
            SAVED_FLAGS + 8 * index,
            (garbage & ~mask) | BigInt.asUintN(size, value),
            true,
          );
          return { saved: index };
        }
        const register = registers[i]!;
        return machine.register(register, size === 8 && register < 4 ? bytes[i]! : 0, size, value, garbage);
      });
      machine.resolve({ kind, size, a, b, res: r });
      assert.is(readFlags(machine.memory), flags);
      seen.add(`${kind} ${size} ${kind === 'logic' ? '-' : missing}`);
    }),
    { numRuns: 6000 },
  );
  assert.is(seen.size, 2 * 4 * 4 + 4);
});

/** Opcodes r/m, r of whole registers, as the instruction has them for 8 bits; +1 for more. */
const OPCODES: Readonly<Record<Kind, number>> = { add: 0x00, sub: 0x28, logic: 0x20 };
const PREFIXES: Readonly<Record<Size, readonly number[]>> = { 8: [], 16: [0x66], 32: [], 64: [0x48] };

test('the flag words are those that tier 0 writes', () => {
  const machine = new Machine();
  const guest = new Guest({ translator: null });
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), fc.constantFrom(...SIZES), number64, number64, (kind, size, x, y) => {
      guest.memory.view.setBigUint64(GPR, x, true);
      guest.memory.view.setBigUint64(GPR + 8, y, true);
      guest.cpu.rip = CODE;
      // op al/ax/eax/rax, cl/cx/ecx/rcx
      guest.run([...PREFIXES[size], OPCODES[kind] + (size === 8 ? 0 : 1), 0xc8, ...SYSCALL]);
      const b = machine.register(1, 0, size, y, 0n);
      const res = machine.register(0, 0, size, guest.memory.view.getBigUint64(GPR, true), 0n);
      machine.resolve({ kind, size, a: undefined, b: kind === 'logic' ? undefined : b, res });
      for (const at of [RES, AUX]) {
        assert.is(machine.memory.view.getBigInt64(at, true), guest.memory.view.getBigInt64(at, true), `word ${at}`);
      }
      assert.is(machine.memory.i32[CF >> 2], guest.memory.i32[CF >> 2]);
      seen.add(`${kind} ${size}`);
    }),
    { numRuns: 1500 },
  );
  assert.is(seen.size, KINDS.length * SIZES.length);
});

test('a number belongs to its source until nobody uses it, and then to another', () => {
  const { stale } = new Machine();
  const source = (register: number): FlagSource => ({
    kind: 'logic',
    size: 32,
    a: undefined,
    b: undefined,
    res: { register, byte: 0 },
  });
  const first = stale.number(source(1));
  assert.is(stale.number(source(1)), first);
  const second = stale.number(source(2));
  assert.is.not(second, first);
  stale.retain([first, second]);
  stale.retain([first]);
  stale.release([first]);
  assert.is(stale.number(source(1)), first, 'still in use');
  stale.release([first]);
  assert.is(stale.size, 1);
  assert.is(stale.number(source(3)), first);
  assert.is(stale.number(source(2)), second);
});

test('without a number the words stay', () => {
  const { memory, stale } = new Machine();
  memory.u32[CF >> 2] = 1;
  memory.u32[STALE_FLAGS >> 2] = 0;
  stale.resolve();
  assert.is(memory.u32[CF >> 2], 1);
});

// Whole programs

const ROUNDS = 12;
const SLICE = 10_000;

interface Shown {
  reason: number;
  at: number;
  flags: number;
  registers: string;
  translated: number;
}

/**
 * Runs `mov eax, …; mov ecx, …; mov edx, …; body; mov edi, [rbx]` in a loop until it is hot, takes the page of rbx away,
 * and says what is there at the fault.
 */
function faultIn(body: readonly number[], values: readonly bigint[], translator: typeof EAGER | null): Shown {
  const guest = new Guest({ translator });
  const code: number[] = [];
  for (const [register, value] of values.entries()) {
    // movabs
    code.push(0x48, 0xb8 + register);
    for (let i = 0n; i < 64n; i += 8n) code.push(Number((value >> i) & 0xffn));
  }
  code.push(...body, 0x8b, 0x3b); // mov edi, [rbx]
  code.push(0xff, 0xce, 0x75, 256 - (code.length + 4), ...SYSCALL); // dec esi; jnz
  guest.write(CODE, code);
  guest.cpu.setReg(RBX, DATA);
  guest.cpu.setReg(RSI, 2 ** 31 - 1);
  for (let i = 0; i < ROUNDS; i++) guest.cpu.run(SLICE);
  guest.table.clear(DATA / PAGE);
  const reason = guest.cpu.run(SLICE);
  const { translated } = guest.cpu.stats();
  const registers = [0, 1, 2].map((r) => guest.memory.view.getBigUint64(GPR + r * 8, true).toString(16)).join(' ');
  return { reason, at: guest.cpu.rip - CODE, flags: guest.cpu.rflags, registers, translated };
}

function compareFaults(body: readonly number[], values: readonly bigint[]): void {
  const { translated: none, ...interpreted } = faultIn(body, values, null);
  const { translated: some, ...translated } = faultIn(body, values, EAGER);
  assert.is(none, 0);
  assert.ok(some > SLICE, 'the loop was not translated');
  const text = body.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  assert.equal(translated, interpreted, `after ${text} with ${values.map((v) => v.toString(16)).join(' ')}`);
}

test('xadd of a register with itself: its flags are not computed from an operand that it has overwritten', () => {
  for (const value of [0x80000001n, 0xffffffffn, 8n, 0n, 1n << 63n, 0x80n]) {
    for (const xadd of [
      [0x0f, 0xc1, 0xd2], // edx, edx
      [0x48, 0x0f, 0xc1, 0xd2],
      [0x66, 0x0f, 0xc1, 0xd2],
      [0x0f, 0xc0, 0xd2],
    ]) {
      compareFaults(xadd, [1n, 2n, value]);
    }
  }
});

/** Two of eax, ecx and edx, also the same twice; in 8 bits also ah and its like. */
const modrm = fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })).map(([rm, reg]) => 0xc0 | (reg << 3) | rm);
const size = fc.constantFrom(...SIZES);
const operation = fc.oneof(
  // add or adc sbb and sub xor cmp, test, xadd
  fc
    .tuple(fc.constantFrom(0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x84), size, modrm)
    .map(([op, s, m]) => [...PREFIXES[s], op + (s === 8 ? 0 : 1), m]),
  fc.tuple(size, modrm).map(([s, m]) => [...PREFIXES[s], 0x0f, s === 8 ? 0xc0 : 0xc1, m]),
  // High bytes of registers.
  fc
    .tuple(fc.constantFrom(0x00, 0x28, 0x38, 0x84, 0x20), modrm, fc.constantFrom(0x04, 0x20, 0x24))
    .map(([op, m, high]) => [op, m | high]),
  // add and its like of a constant; inc, dec; neg
  fc
    .tuple(size, fc.nat({ max: 7 }), fc.nat({ max: 2 }), fc.nat({ max: 255 }))
    .map(([s, op, r, n]) => [...PREFIXES[s], s === 8 ? 0x80 : 0x83, 0xc0 | (op << 3) | r, n]),
  fc
    .tuple(size, fc.nat({ max: 1 }), fc.nat({ max: 2 }))
    .map(([s, op, r]) => [...PREFIXES[s], s === 8 ? 0xfe : 0xff, 0xc0 | (op << 3) | r]),
  fc.tuple(size, fc.nat({ max: 2 })).map(([s, r]) => [...PREFIXES[s], s === 8 ? 0xf6 : 0xf7, 0xd8 | r]),
);
/** mov, lea, setc, xchg: they change registers and leave the flags. */
const other = fc.oneof(
  fc.tuple(size, modrm).map(([s, m]) => [...PREFIXES[s], s === 8 ? 0x88 : 0x89, m]),
  fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 15 })).map(([r, cc]) => [0x0f, 0x90 | cc, 0xc0 | r]),
  fc.tuple(size, modrm).map(([s, m]) => [...PREFIXES[s], s === 8 ? 0x86 : 0x87, m]),
  modrm.map((m) => [0x0f, 0xb6, m]),
);

test('after any operations a fault in translated code shows the flags of tier 0', () => {
  const body = fc
    .tuple(fc.array(fc.oneof(operation, other), { maxLength: 3 }), operation, fc.array(other, { maxLength: 2 }))
    .map(([before, last, after]) => [...before, last, ...after].flat());
  fc.assert(
    fc.property(body, fc.tuple(number64, number64, number64), (bytes, values) => compareFaults(bytes, values)),
    { numRuns: 150 },
  );
});

test.run();
