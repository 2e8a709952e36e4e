/**
 * Loops in two versions (cpu/tier1/versions.ts): whatever an innermost loop does with memory, where its accesses leave what is
 * mapped, and wherever slices end, registers, memory, faults and instruction counts are those of the interpreter.
 *
 * Random loops are made hot on harmless addresses, then run from random ones: over ends of mappings, pages that are
 * read-only or missing, misaligned. Two machines execute the same, one interprets only.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PTE_READ } from '../../cpu/index.js';
import { PAGE, RAX, RBP, RDX, SYSCALL } from '../cpu/guest.js';
import { AREA, LoopMachine, PAGES, RW, runBoth, type Start } from './loop-machine.js';

const [R12, R13, R14] = [12, 13, 14];

/** Instructions that access memory at rsi, rdi and rax, which walk; at a place that rdx says, which does not; or compute. */
const BODY: Readonly<Record<string, string>> = {
  'movzx edx, byte [rsi+rax]': '0fb61406',
  'mov [rdi+rax], dl': '881407',
  'mov rdx, [rsi+rax*8]': '488b14c6',
  'mov [rdi+rax*4], edx': '891487',
  'add rdx, [rsi+8]': '48035608',
  'add rdx, [rsi-4]': '480356fc',
  'mov [rdi+16], rdx': '48895710',
  'mov [rdi+600], dx': '66899758020000',
  'add [rdi], rdx': '480117',
  'movdqu xmm0, [rsi+rax*8]': 'f30f6f04c6',
  'movaps [rdi+rax*8], xmm0': '0f2904c7',
  'movaps xmm0, [rsi+16]': '0f284610',
  'paddd xmm0, xmm0': '660ffec0',
  'movzx r9d, dl; mov r8b, [r12+r9]': '440fb6ca478a040c',
  'adc rdx, 3': '4883d203',
  'test dl, 4; jz over mov [rdi], dl': 'f6c20474028817',
  'test dl, 1; jz over movzx edx, byte [rsi]': 'f6c20174030fb616',
  'lea r10, [rsi+rax]; mov r11, [r10+32]': '4c8d14064d8b5a20',
};

interface Loop {
  body: readonly string[];
  /** Added to rax, rsi and rdi in each round, in front of or behind the body. */
  steps: readonly [rax: number, rsi: number, rdi: number];
  first: boolean;
  /** Leaves in the middle when dl is this; −1: does not. */
  exitAt: number;
  /** A loop around it that runs it twice, and begins before it or with the same instruction. */
  outer: 'none' | 'before' | 'same';
}

const hex = (text: string): number[] => [...Buffer.from(text, 'hex')];
const byte = (n: number): number => n & 0xff;

function codeOf({ body, steps, first, exitAt, outer }: Loop): number[] {
  const walk = [0xc0, 0xc6, 0xc7].flatMap((modrm, i) => (steps[i] === 0 ? [] : [0x48, 0x83, modrm, byte(steps[i]!)]));
  const half = Math.ceil(body.length / 2);
  const [front, back] = [body.slice(0, half), body.slice(half)].map((part) => part.flatMap((name) => hex(BODY[name]!)));
  const rest = [...back!, ...(first ? [] : walk), 0x48, 0xff, 0xc9];
  const middle = exitAt < 0 ? [] : [0x80, 0xfa, exitAt, 0x74, rest.length + 2];
  const round = [...(first ? walk : []), ...front!, ...middle, ...rest];
  const loop = [...round, 0x75, byte(-round.length - 2)];
  // rsi = r12, rdi = r13, rcx = r14; dec ebp
  const begin = [0x4c, 0x89, 0xe6, 0x4c, 0x89, 0xef, 0x4c, 0x89, 0xf1];
  if (outer === 'none') return [...begin, ...loop, ...SYSCALL];
  const again = outer === 'before' ? [...begin, ...loop, 0xff, 0xcd] : [...loop, 0x4c, 0x89, 0xf1, 0xff, 0xcd];
  return [...(outer === 'same' ? begin : []), ...again, 0x75, byte(-again.length - 2), ...SYSCALL];
}

/** Where the loop begins, as distances in the area, and how often it turns. */
const startAt = (rsi: number, rdi: number, rax: number, rounds: number): Start['registers'] => [
  [R12, AREA + rsi],
  [R13, AREA + rdi],
  [R14, rounds],
  [RAX, rax],
  [RDX, 0],
  [RBP, 2],
];
const HARMLESS: Start = { registers: startAt(4096, 8192 + 2048, 0, 60), rights: RW, isThere: true };

const loops = fc.record<Loop>({
  body: fc.array(fc.constantFrom(...Object.keys(BODY)), { minLength: 1, maxLength: 9 }),
  steps: fc.tuple(
    fc.constantFrom(0, 1, 1, 2, 8, 3, -1, -8),
    fc.constantFrom(0, 1, 4, 16, 24, -2, -16),
    fc.constantFrom(0, 1, 8, 16, 5, -4, -16),
  ),
  first: fc.boolean(),
  exitAt: fc.constantFrom(-1, -1, 77),
  outer: fc.constantFrom('none', 'before', 'same'),
});

/** Near borders of pages as often as anywhere. */
const place = fc.oneof(
  fc.integer({ min: 0, max: PAGES * PAGE - 1 }),
  fc.tuple(fc.integer({ min: 0, max: PAGES }), fc.integer({ min: -70, max: 70 })).map(([p, d]) => p * PAGE + d),
  fc.integer({ min: 0, max: (PAGES * PAGE) / 16 - 1 }).map((n) => n * 16),
);
const starts = fc.record<Start>({
  registers: fc
    .tuple(
      place,
      place,
      fc.constantFrom(0, 0, 0, 1, 16, 100, -64, -1),
      fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 700 })),
    )
    .map((numbers) => startAt(...numbers)),
  rights: fc.constantFrom(RW, RW, PTE_READ, 0),
  isThere: fc.constantFrom(true, true, false),
});

test('random loops over ends of mappings do what the interpreter does', () => {
  let count = 0;
  let fast = 0;
  fc.assert(
    fc.property(
      loops,
      fc.array(starts, { minLength: 4, maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
      (loop, list, budgets) => {
        const code = codeOf(loop);
        const [one, other] = [new LoopMachine(code, true), new LoopMachine(code, false)];
        for (let i = 0; i < 12; i++) runBoth(one, other, HARMLESS, [100_000]);
        for (const start of list) runBoth(one, other, start, budgets);
        count++;
        if (one.locals.has('limit')) fast++;
      },
    ),
    { numRuns: 150, seed: 20 },
  );
  assert.ok(fast > count / 2, `only ${fast} of ${count} loops had a version without checks`);
});

test.run();
