/**
 * Runs of floating-point arithmetic on few registers, mostly on ordinary numbers, with now and then an infinity, a NaN, an
 * overflow or a division by zero at any of the instructions: results that the translator checks together.
 */
import type { Random } from '../../cpu/native/random.js';
import { ALL_FLAGS, type Context, reg } from './context.js';
import { emitMaybeRisky, memory, riskyMemory } from './memory.js';

const TABLE = 256;
const SPECIAL = [
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  Number.NaN,
  0,
  -0,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  1e300,
  -1e-300,
];
/** IE, ZE, OE: the flags of MXCSR that are exact while its control bits are at their default. */
const EXACT_FLAGS = 0x0d;

/** Data that the runs read, for the assembler: a table of doubles, one of singles. */
export function floatTables(r: Random): string[] {
  const doubles = new DataView(new ArrayBuffer(8));
  const words = (value: number, single: boolean): string => {
    // Half of the NaNs are signalling ones, with payloads.
    const payload = Number.isNaN(value) ? r.below(1 << 16) + 1 + (r.chance(2) ? 1 << 18 : 0) : 0;
    if (single) {
      doubles.setFloat32(0, value);
      const word = Number.isNaN(value) ? 0x7f800000 + payload : doubles.getUint32(0);
      return `        .long ${word >>> 0}`;
    }
    doubles.setFloat64(0, value);
    const word = Number.isNaN(value) ? 0x7ff00000_00000000n + (BigInt(payload) << 33n) : doubles.getBigUint64(0);
    return `        .quad ${word}`;
  };
  const number = (single: boolean): number => {
    if (r.chance(30)) return r.pick(SPECIAL);
    // Products of two of these are too large, quotients by two too small.
    if (r.chance(12)) return 2 ** ((single ? 64 : 512) + r.below(8)) * (r.chance(2) ? 1 : -1);
    return ((r.below(1 << 16) + 1) / 2 ** (10 + r.below(8))) * (r.chance(2) ? 1 : -1);
  };
  const table = (single: boolean): string[] => Array.from({ length: TABLE + 3 }, () => words(number(single), single));
  return ['        .balign 16', 'doubles:', ...table(false), 'singles:', ...table(true)];
}

const ARITHMETIC = ['add', 'sub', 'mul', 'add', 'sub', 'mul', 'div', 'sqrt', 'min', 'max'];

export function floatRun(c: Context): void {
  const { r } = c;
  const isDouble = !r.chance(4);
  const [scalar, packed] = isDouble ? ['sd', 'pd'] : ['ss', 'ps'];
  const registers = Array.from({ length: 2 + r.below(4) }, () => `%xmm${r.below(16)}`);
  const pick = (): string => r.pick(registers);
  const index = c.target();
  c.emit(`movzbl ${reg(c.source(), 8)}, ${reg(index, 32)}`);
  const element = `${isDouble ? 'doubles' : 'singles'}(,${reg(index, 64)},${isDouble ? 8 : 4})`;
  const load = (to: string): void =>
    c.emit(r.chance(2) ? `mov${scalar} ${element}, ${to}` : `movu${packed} ${element}, ${to}`);
  for (const register of registers) {
    load(register);
    if (r.chance(3)) c.emit(`movzbl ${reg(c.source(), 8)}, ${reg(index, 32)}`);
  }
  const isPacked = r.chance(3);
  const type = (): string => (isPacked !== r.chance(6) ? packed! : scalar!);
  for (let left = 3 + r.below(24); left > 0; left--) {
    switch (r.below(20)) {
      case 0:
        c.emit(`movap${isDouble ? 'd' : 's'} ${pick()}, ${pick()}`);
        break;
      case 1:
        c.emit(
          `${r.pick(['unpcklpd', 'unpckhpd', 'movhlps', 'movlhps', 'movsd', 'movss', 'unpcklps'])} ${pick()}, ${pick()}`,
        );
        break;
      case 2:
        c.emit(`${r.pick(['shufpd', 'pshufd', 'shufps'])} $${r.below(256)}, ${pick()}, ${pick()}`);
        break;
      case 3:
        c.emit(`${r.pick(['ucomi', 'comi'])}${scalar} ${pick()}, ${pick()}`);
        c.setFlags(ALL_FLAGS);
        if (r.chance(2)) c.emit(`set${r.pick(['a', 'ae', 'p', 'e'])} ${reg(c.target(index), 8)}`);
        break;
      case 4:
        c.emit(`addq ${reg(c.source(), 64)}, ${reg(c.target(index), 64)}`);
        c.setFlags(ALL_FLAGS);
        break;
      case 5:
        load(pick());
        break;
      case 6:
        if (r.chance(2)) c.emit(`mov${scalar} ${pick()}, ${memory(c, 8, false, [index])}`);
        break;
      case 7:
        emitMaybeRisky(
          c,
          `mov${scalar} ${r.chance(4) ? riskyMemory(c, [index]) : memory(c, 8, false, [index])}, ${pick()}`,
        );
        break;
      case 8:
        c.emit(isDouble ? `cvtsd2ss ${pick()}, ${pick()}` : `cvtss2sd ${pick()}, ${pick()}`);
        break;
      case 9:
        c.emit(`cvttsd2si ${pick()}, ${reg(c.target(index), r.pick([32, 64] as const))}`);
        break;
      case 10:
        c.emit(`cvtsi2${scalar}l ${reg(c.source(), 32)}, ${pick()}`);
        break;
      case 11:
        c.emit(`${r.pick(['xorpd', 'andpd', 'pxor', 'xorps'])} ${pick()}, ${pick()}`);
        break;
      default: {
        const width = type();
        const operand = width === scalar && r.chance(3) ? element : pick();
        c.emit(`${r.pick(ARITHMETIC)}${width} ${operand}, ${pick()}`);
      }
    }
  }
  const flags = reg(c.target(), 32);
  c.emit(
    'stmxcsr -16(%rsp)',
    `movl -16(%rsp), ${flags}`,
    `andl $${EXACT_FLAGS}, ${flags}`,
    'movl $0, -16(%rsp)',
    'ldmxcsr control(%rip)',
  );
  c.setFlags(ALL_FLAGS);
}
