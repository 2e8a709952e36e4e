/**
 * Repeated movs and stos in regions (cpu/tier1/strings.ts): whatever their operands are, how they overlap, where pages end
 * or are missing, and wherever slices end, all is as in the interpreter: one that does nothing else has the same code.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PTE_READ } from '../../cpu/index.js';
import { PAGE, RBP, SYSCALL } from '../cpu/guest.js';
import { AREA, LoopMachine, PAGES, RW, runBoth, type Start } from './loop-machine.js';

const [R12, R13, R14] = [12, 13, 14];
const MOVES: Readonly<Record<string, readonly number[]>> = {
  'rep movsb': [0xf3, 0xa4],
  'rep movsw': [0xf3, 0x66, 0xa5],
  'rep movsd': [0xf3, 0xa5],
  'rep movsq': [0xf3, 0x48, 0xa5],
  'rep stosb': [0xf3, 0xaa],
  'rep stosw': [0xf3, 0x66, 0xab],
  'rep stosd': [0xf3, 0xab],
  'rep stosq': [0xf3, 0x48, 0xab],
  'rep movsb, 32-bit addresses': [0x67, 0xf3, 0xa4],
};

/** In a loop that runs rbp times: rsi = r12, rdi = r13, rcx = r14; flags are set before and used behind. */
function codeOf(move: string, isDown: boolean, isPlain: boolean): number[] {
  const begin = [0x4c, 0x89, 0xe6, 0x4c, 0x89, 0xef, 0x4c, 0x89, 0xf1];
  const before = isPlain ? [] : [0x48, 0x01, 0xca, 0x4c, 0x01, 0xe1, 0x4c, 0x29, 0xe1]; // add rdx, rcx; add rcx, r12; sub rcx, r12
  const behind = isPlain ? [] : [0x49, 0x83, 0xd1, 0x00, 0x48, 0x8b, 0x46, 0xf8, 0x48, 0x01, 0xc8]; // adc r9, 0; mov rax, [rsi-8]; add rax, rcx
  const down = isDown ? [[0xfd], [0xfc]] : [[], []];
  const round = [...begin, ...before, ...down[0]!, ...MOVES[move]!, ...down[1]!, ...behind, 0xff, 0xcd];
  return [...round, 0x75, (-round.length - 2) & 0xff, ...SYSCALL];
}

const startAt = (rsi: number, rdi: number, count: number, rounds: number): Start['registers'] => [
  [R12, AREA + rsi],
  [R13, AREA + rdi],
  [R14, count],
  [RBP, rounds],
];
const HARMLESS: Start = { registers: startAt(1024, 9000, 5, 100), rights: RW, isThere: true };

const place = fc.oneof(
  fc.integer({ min: 8, max: PAGES * PAGE - 1 }),
  fc.tuple(fc.integer({ min: 1, max: PAGES }), fc.integer({ min: -70, max: 70 })).map(([p, d]) => p * PAGE + d),
);
/** The target anywhere, or near the source. */
const places = fc.oneof(
  fc.tuple(place, place),
  fc.tuple(place, fc.integer({ min: -20, max: 90 })).map(([at, d]) => [at, at + d] as [number, number]),
);
const counts = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 0, max: 600 }),
  fc.constantFrom(4095, 4096, 5000),
);
const starts = fc.record<Start>({
  registers: fc.tuple(places, counts, fc.integer({ min: 1, max: 9 })).map(([at, count, n]) => startAt(...at, count, n)),
  rights: fc.constantFrom(RW, RW, RW, PTE_READ, 0),
  isThere: fc.constantFrom(true, true, true, false),
});

for (const name of Object.keys(MOVES)) {
  test(`${name}: the same as in the interpreter`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(false, false, false, true),
        fc.boolean(),
        fc.array(starts, { minLength: 10, maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 4 }),
        (isDown, isPlain, list, budgets) => {
          const code = codeOf(name, isDown, isPlain);
          const [one, other] = [new LoopMachine(code, true), new LoopMachine(code, false)];
          for (let i = 0; i < 16; i++) runBoth(one, other, HARMLESS, [100_000]);
          assert.ok(one.locals.size > 0, 'nothing was translated');
          for (const start of list) runBoth(one, other, start, budgets);
        },
      ),
      { numRuns: 15, seed: 4 },
    );
  });
}

test.run();
