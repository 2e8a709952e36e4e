/**
 * Random x86-64 programs that end: nested loops of many shapes, branches, switches through tables, threaded dispatch, calls,
 * recursion, all over random instructions (integer.ts, vector.ts) on registers and memory (memory.ts). Every loop has a counter
 * that nothing else touches; recursion burns fuel; the number of instructions per pass is estimated and bounded.
 *
 * Values that the architecture leaves undefined never get into a result: the generator follows which flags have one.
 */
import type { Random } from '../../cpu/native/random.js';
import { AF, ALL_FLAGS, type Chunk, Context, EXTENTS, type Pointer, reg, SIZES, SUFFIX } from './context.js';
import { floatTables } from './floats.js';
import { condition, INTEGER } from './integer.js';
import { loadAddress } from './memory.js';
import { CONTROL_WORDS, VECTOR } from './vector.js';

/** Instructions per call of a program, about. */
const BUDGET = 6000;

type Operation = (c: Context) => void;

function weighted(r: Random, list: readonly [number, Operation][]): Operation {
  let at = r.below(list.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, operation] of list) {
    at -= weight;
    if (at < 0) return operation;
  }
  throw new Error('weights');
}

/** What can be called: by label, with its cost. */
interface Callee {
  label: string;
  cost: number;
}

class FunctionGenerator {
  readonly c: Context;
  readonly callees: readonly Callee[];
  readonly budget: number;
  readonly vectors: boolean;

  constructor(c: Context, callees: readonly Callee[], budget: number) {
    this.c = c;
    this.callees = callees;
    this.budget = budget;
    this.vectors = !c.r.chance(3);
  }

  get #r(): Random {
    return this.c.r;
  }

  /** `n` statements. `exits`: labels that a conditional jump may leave to, each with the flags that arrive there undefined. */
  block(n: number, depth: number, exits: readonly Exit[] = []): void {
    for (let i = 0; i < n; i++) this.#statement(depth, exits);
  }

  #statement(depth: number, exits: readonly Exit[]): void {
    const { c } = this;
    const r = this.#r;
    const room = this.budget - c.cost;
    const kind = r.below(100);
    if (kind < 74 || depth > 4) this.#operation();
    else if (kind < 82) this.#branch(depth, exits);
    else if (kind < 90 && room > 40 * c.times) this.#loop(depth);
    else if (kind < 92 && room > 60 * c.times) this.#dispatch(depth);
    else if (kind < 94) this.#switch(depth);
    else if (kind < 97) this.#call(room);
    else if (exits.length > 0) this.#leave(r.pick(exits));
    else this.#operation();
  }

  #operation(): void {
    const list = this.vectors && this.#r.chance(3) ? VECTOR : INTEGER;
    weighted(this.#r, list)(this.c);
  }

  /** A conditional jump forward out of a loop, or to its next round. */
  #leave(exit: Exit): void {
    const { c } = this;
    c.emit(`j${condition(c)} ${exit.label}`);
    exit.undefined |= c.undefined;
  }

  /** if, if-else, or a jump over on rcx. */
  #branch(depth: number, exits: readonly Exit[]): void {
    const { c } = this;
    const r = this.#r;
    const otherwise = c.label();
    const end = c.label();
    const n = 1 + r.below(4);
    const near = r.chance(10) ? c.label() : undefined;
    if (near === undefined) c.emit(`j${condition(c)} ${otherwise}`);
    else {
      c.emit(`jrcxz ${near}`, `jmp ${otherwise}`);
      c.place(near);
    }
    const before = c.undefined;
    this.#shielded(() => this.block(n, depth + 1, exits));
    if (r.chance(2)) {
      c.place(otherwise);
      c.undefined |= before;
      return;
    }
    c.emit(`jmp ${end}`);
    const first = c.undefined;
    c.place(otherwise);
    c.undefined = before;
    this.#shielded(() => this.block(1 + r.below(3), depth + 1, exits));
    c.place(end);
    c.undefined |= first;
  }

  /** Pointers made inside do not exist outside. */
  #shielded(body: () => void): void {
    const { c } = this;
    const pointers = c.pointers.length;
    const roles = [...c.roles];
    body();
    c.pointers.length = pointers;
    c.roles.clear();
    for (const k of roles) c.roles.add(k);
  }

  /** A pointer into some extent that moves by `step` `rounds` times, initialised here. */
  #walker(rounds: number): { pointer: Pointer; step: number } | undefined {
    const { c } = this;
    const r = this.#r;
    const register = c.takeRole();
    if (register === undefined) return undefined;
    const extent = r.pick(EXTENTS);
    let step = r.pick([0, 1, 2, 4, 4, 8, 8, 16, 24, 64, -1, -4, -8, 100]);
    while (Math.abs(step) * rounds > extent.size - 64) step = Math.trunc(step / 2);
    const span = step * rounds;
    const from = r.below(extent.size - Math.abs(span) - 32);
    const start = span < 0 ? from - span : from;
    loadAddress(c, register, extent, start);
    const pointer = { register, extent, low: Math.min(start, start + span), high: Math.max(start, start + span) };
    c.pointers.push(pointer);
    return { pointer, step };
  }

  #loop(depth: number): void {
    const { c } = this;
    this.#shielded(() => {
      const r = this.#r;
      const most = Math.min(200, Math.floor((this.budget - c.cost) / c.times / 30));
      const rounds = 1 + r.below(Math.max(1, r.chance(3) ? most : Math.min(most, 24)));
      const walkers = [];
      for (let i = r.below(3); i > 0; i--) {
        const walker = this.#walker(rounds);
        if (walker !== undefined) walkers.push(walker);
      }
      const counter = this.#counter(rounds);
      const head = c.label();
      const latch: Exit = { label: c.label(), undefined: 0 };
      const end: Exit = { label: c.label(), undefined: 0 };
      // Logic instructions in the body may leave AF without a value.
      const atHead = (c.undefined |= AF);
      const middle = r.chance(8) ? c.label() : undefined;
      if (middle !== undefined) c.emit(`j${condition(c)} ${middle}`);
      if (r.chance(3)) c.emit('.p2align 4');
      c.place(head);
      const outer = c.times;
      c.times *= rounds;
      this.block(1 + r.below(5), depth + 1, [latch, end]);
      if (middle !== undefined) {
        // Entered in the middle, too: not a natural loop.
        c.place(middle);
        c.undefined |= atHead;
        this.block(1 + r.below(3), depth + 1, [latch, end]);
      }
      c.place(latch.label);
      c.undefined |= latch.undefined;
      for (const { pointer, step } of walkers) {
        const name = reg(pointer.register, 64);
        if (step === 0) continue;
        if (r.chance(2)) c.emit(`leaq ${step}(${name}), ${name}`);
        else {
          c.emit(`addq $${step}, ${name}`);
          c.setFlags(ALL_FLAGS);
        }
      }
      counter(head, atHead);
      c.times = outer;
      c.place(end.label);
      c.undefined |= end.undefined;
    });
  }

  /** Sets a counter up. @returns what emits the jump back */
  #counter(rounds: number): (head: string, atHead: number) => void {
    const { c } = this;
    const r = this.#r;
    const role = r.chance(4) ? undefined : c.takeRole();
    /** Flags at the jump must have values wherever they have at the head. */
    const settle = (sets: number, atHead: number): void => {
      if ((c.undefined & ~sets & ~atHead) !== 0) c.fixFlags(atHead);
    };
    if (role === undefined) {
      const slot = `count${c.chunk.labels++}`;
      c.lines.push(`        .lcomm ${slot}, 4`);
      c.emit(`movl $${rounds}, ${slot}(%rip)`);
      return (head, atHead) => {
        settle(ALL_FLAGS & ~1, atHead);
        c.emit(`decl ${slot}(%rip)`, `jne ${head}`);
        c.setFlags(ALL_FLAGS & ~1);
      };
    }
    const size = rounds < 128 ? r.pick(SIZES) : r.pick([16, 32, 64] as const);
    const wide = reg(role, size === 64 ? 64 : 32);
    const narrow = reg(role, size);
    const x = SUFFIX[size];
    switch (r.below(4)) {
      case 0: {
        const limit = r.pick([rounds, rounds, 100 - rounds]);
        const first = limit - rounds;
        c.emit(`mov${size === 64 ? 'q' : 'l'} $${first}, ${wide}`);
        return (head) => {
          c.emit(r.chance(2) ? `inc${x} ${narrow}` : `add${x} $1, ${narrow}`, `cmp${x} $${limit}, ${narrow}`);
          c.setFlags(ALL_FLAGS);
          c.emit(`${r.pick(['jne', 'jl'])} ${head}`);
        };
      }
      case 1:
        c.emit(`movl $${rounds}, ${reg(role, 32)}`);
        return (head, atHead) => {
          // Flags stay what the body made them: lea and jrcxz.
          settle(0, atHead);
          const out = c.label();
          c.emit(
            `leaq -1(${reg(role, 64)}), ${reg(role, 64)}`,
            `movq ${reg(role, 64)}, %rcx`,
            `jrcxz ${out}`,
            `jmp ${head}`,
          );
          c.place(out);
        };
      case 2:
        c.emit(`movl $${rounds}, ${reg(role, 32)}`);
        return (head, atHead) => {
          settle(0, atHead);
          // loop itself reaches 128 bytes only
          const back = c.label();
          const out = c.label();
          c.emit(
            `movl ${reg(role, 32)}, %ecx`,
            `leal -1(${reg(role, 64)}), ${reg(role, 32)}`,
            `loop ${back}`,
            `jmp ${out}`,
          );
          c.place(back);
          c.emit(`jmp ${head}`);
          c.place(out);
        };
      default:
        c.emit(`movl $${rounds}, ${reg(role, 32)}`);
        return (head, atHead) => {
          settle(ALL_FLAGS & ~1, atHead);
          if (r.chance(2)) {
            c.emit(`dec${x} ${narrow}`);
            c.setFlags(ALL_FLAGS & ~1);
          } else {
            c.emit(`sub${x} $1, ${narrow}`);
            c.setFlags(ALL_FLAGS);
          }
          c.emit(`${r.pick(['jne', 'jg'])} ${head}`);
        };
    }
  }

  /** A jump through a table of addresses, or of distances as compilers of position-independent code make them. */
  #jumpTable(labels: readonly string[]): void {
    const { c } = this;
    const r = this.#r;
    const table = c.label();
    const index = c.target();
    const relative = r.chance(2);
    c.emit(`movl ${reg(c.source(), 32)}, ${reg(index, 32)}`, `andl $${labels.length - 1}, ${reg(index, 32)}`);
    c.setFlags(ALL_FLAGS, AF);
    if (relative) {
      const base = c.target(index);
      c.emit(`leaq ${table}(%rip), ${reg(base, 64)}`);
      c.emit(`movslq (${reg(base, 64)},${reg(index, 64)},4), ${reg(index, 64)}`);
      c.emit(`addq ${reg(base, 64)}, ${reg(index, 64)}`);
      c.setFlags(ALL_FLAGS);
      c.emit(`jmp *${reg(index, 64)}`);
    } else if (r.chance(2)) c.emit(`jmp *${table}(,${reg(index, 64)},8)`);
    else {
      c.emit(`movq ${table}(,${reg(index, 64)},8), ${reg(index, 64)}`);
      if (r.chance(3)) c.emit(`push ${reg(index, 64)}`, 'ret');
      else c.emit(`jmp *${reg(index, 64)}`);
    }
    c.lines.push('        .section .rodata', '        .balign 8', `${table}:`);
    for (const label of labels) c.lines.push(relative ? `        .long ${label} - ${table}` : `        .quad ${label}`);
    c.lines.push('        .text');
  }

  #switch(depth: number): void {
    const { c } = this;
    const r = this.#r;
    const labels = Array.from({ length: r.pick([2, 4, 8]) }, () => c.label());
    const end = c.label();
    this.#jumpTable(labels);
    const before = c.undefined;
    let after = 0;
    for (const label of labels) {
      c.place(label);
      // Falling through from the case in front is one way in.
      c.undefined = before | after;
      this.#shielded(() => this.block(1 + r.below(2), depth + 2));
      after |= c.undefined;
      if (!r.chance(4)) c.emit(`jmp ${end}`);
    }
    c.place(end);
    c.undefined |= after;
  }

  /** A threaded interpreter: each handler ends with the jump to the next, until the counter is down. */
  #dispatch(depth: number): void {
    const { c } = this;
    const r = this.#r;
    const rounds = 2 + r.below(Math.min(40, Math.floor((this.budget - c.cost) / c.times / 20)));
    this.#shielded(() => {
      const counter = c.takeRole();
      if (counter === undefined) return;
      const labels = Array.from({ length: r.pick([2, 4]) }, () => c.label());
      const end = c.label();
      c.emit(`movl $${rounds}, ${reg(counter, 32)}`);
      this.#jumpTable(labels);
      const outer = c.times;
      c.times *= Math.max(1, Math.floor(rounds / labels.length));
      let atEnd = 0;
      for (const label of labels) {
        c.place(label);
        c.undefined = AF;
        this.#shielded(() => this.block(1 + r.below(3), depth + 3));
        c.emit(`decl ${reg(counter, 32)}`);
        c.setFlags(ALL_FLAGS & ~1);
        c.emit(`je ${end}`);
        atEnd |= c.undefined;
        this.#jumpTable(labels);
      }
      c.times = outer;
      c.place(end);
      c.undefined = atEnd;
    });
  }

  #call(room: number): void {
    const { c } = this;
    const r = this.#r;
    const possible = this.callees.filter(({ cost }) => cost * c.times < room);
    if (possible.length === 0) {
      this.#operation();
      return;
    }
    // Values without meaning do not cross calls, AF excepted.
    c.fixFlags();
    const callee = r.pick(possible);
    switch (r.below(4)) {
      case 0: {
        const k = c.target();
        c.emit(`leaq ${callee.label}(%rip), ${reg(k, 64)}`, `call *${reg(k, 64)}`);
        break;
      }
      case 1: {
        // Through a pointer in memory.
        const table = c.label();
        c.emit(`call *${table}(%rip)`);
        c.lines.push(
          '        .section .rodata',
          '        .balign 8',
          `${table}:`,
          `        .quad ${callee.label}`,
          '        .text',
        );
        break;
      }
      default:
        c.emit(`call ${callee.label}`);
    }
    c.cost += callee.cost * c.times;
    c.undefined = AF;
  }

  /** The whole function. `fuel`: it calls itself while there is some. */
  build(label: string, statements: number, fuel: number): void {
    const { c } = this;
    const r = this.#r;
    c.lines.push('        .p2align 4');
    c.place(label);
    for (const k of c.saved) c.emit(`push ${reg(k, 64)}`);
    c.frame = r.chance(2) ? 0 : 16 * (1 + r.below(12));
    if (c.frame > 0) {
      c.emit(`subq $${c.frame}, %rsp`);
      c.setFlags(ALL_FLAGS);
    }
    for (let i = r.below(3); i > 0; i--) this.#walker(1);
    this.block(Math.ceil(statements / 2), 0);
    if (fuel > 0) {
      const out = c.label();
      c.emit(`decl ${label}_fuel(%rip)`);
      c.setFlags(ALL_FLAGS & ~1);
      c.emit(`js ${out}`);
      c.fixFlags();
      c.emit(`call ${label}`);
      const before = c.undefined;
      c.undefined = AF;
      this.block(1 + r.below(3), 3);
      if (r.chance(2)) {
        c.fixFlags();
        c.emit(`call ${label}`);
        c.undefined = AF;
      }
      c.place(out);
      c.undefined |= before;
    }
    this.block(Math.floor(statements / 2), 0);
    if (c.frame > 0) {
      c.emit(r.chance(2) ? `leaq ${c.frame}(%rsp), %rsp` : `addq $${c.frame}, %rsp`);
      if (c.lines.at(-1)!.includes('addq')) c.setFlags(ALL_FLAGS);
    }
    // Before the registers that it writes get their values back.
    c.fixFlags();
    for (const k of [...c.saved].reverse()) c.emit(`pop ${reg(k, 64)}`);
    c.emit('ret');
  }
}

/** A way out of a loop: where to, and which flags arrive there without a value. */
interface Exit {
  label: string;
  undefined: number;
}

function program(index: number, r: Random, chunk: Chunk): void {
  const callees: Callee[] = [];
  const texts: string[][] = [];
  for (let k = r.below(5); k > 0; k--) {
    const c = new Context(r, chunk);
    const label = `f${index}_${k}`;
    const fuel = r.chance(3) ? 2 + r.below(20) : 0;
    const generator = new FunctionGenerator(c, callees, fuel > 0 ? 60 : 400);
    generator.build(label, 2 + r.below(12), fuel);
    texts.push(c.lines);
    if (fuel === 0) {
      callees.push({ label, cost: c.cost + 2 });
      continue;
    }
    // The way in fills the tank.
    const entry = `${label}_entry`;
    texts.push([
      `${entry}:`,
      `        .lcomm ${label}_fuel, 4`,
      `        movl $${fuel}, ${label}_fuel(%rip)`,
      `        jmp ${label}`,
    ]);
    callees.push({ label: entry, cost: (c.cost + 2) * (fuel + 1) });
  }
  const c = new Context(r, chunk);
  c.undefined = 0;
  const main = new FunctionGenerator(c, callees, BUDGET);
  main.build(`program${index}`, 6 + r.below(14), 0);
  texts.push(c.lines);
  for (const lines of texts) chunk.programs.push(...lines);
}

/** @returns a source for the GNU assembler with programs 0 … count − 1, for runner.c */
export function generatePrograms(count: number, make: (index: number) => Random): string {
  const chunk: Chunk = { programs: [], sites: [], labels: 0 };
  for (let i = 0; i < count; i++) program(i, make(i), chunk);
  const entries = Array.from({ length: count }, (_, i) => `        .quad program${i}, ${ALL_FLAGS & ~AF}`);
  return [
    '        .text',
    ...chunk.programs,
    '        .section .rodata',
    '        .globl programs, sites, sites_end, control',
    '        .balign 16',
    'control:',
    ...CONTROL_WORDS.map((word) => `        .long ${word}`),
    'programs:',
    ...entries,
    'sites:',
    ...chunk.sites,
    'sites_end:',
    ...floatTables(make(-1)),
    '        .section .note.GNU-stack,"",@progbits',
    '',
  ].join('\n');
}
