/**
 * What the translator works on: a region is the part of a program's code that becomes one WebAssembly function, as a graph
 * of basic blocks over decoded instructions. Addresses are virtual and signed, as JavaScript numbers.
 */
import type { Form, IntSize } from '../ir/ir.js';
import type { Row } from '../table/row.js';
import type { Variant } from '../tier0/handlers.js';

/** A decoded instruction; fields as in decoder.ts. */
export interface Instruction {
  readonly address: number;
  readonly length: number;
  readonly row: Row;
  readonly variant: Variant;
  readonly size: IntSize;
  readonly form: Form;
  readonly a: number;
  readonly b: number;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly segment: number;
  readonly address32: boolean;
  readonly displacement: number;
  readonly ripRelative: boolean;
  readonly immediateLow: number;
  readonly immediateHigh: number;
  readonly flow: Flow;
  /** Of direct branches. */
  readonly target: number;
}

/** What an instruction does to the flow of control. `stop`: nothing follows, and the interpreter executes it. */
export type Flow =
  | 'next'
  | 'branch'
  | 'jump'
  | 'call'
  | 'indirectJump'
  | 'indirectCall'
  | 'return'
  | 'syscall'
  | 'stop';

/** A way on: to a block of the region, or out of it (block −1) to an address. */
export interface Edge {
  readonly block: number;
  readonly address: number;
}

export type End =
  /** Falls through or jumps. */
  | { kind: 'jump'; to: Edge }
  | { kind: 'branch'; taken: Edge; next: Edge }
  /** A call of another region, or out; `next` is where it returns to. */
  | { kind: 'call'; callee: number; next: Edge }
  | { kind: 'indirectCall'; targets: readonly number[]; next: Edge }
  /**
   * The return of an inlined call, to the block behind the call if the stack still says so; an indirect jump or call, to the one
   * place where it has led so far.
   */
  | { kind: 'guessed'; to: Edge }
  | { kind: 'return' }
  | { kind: 'indirect'; targets: readonly Edge[] }
  /** Of a first block without instructions: to where the region is being entered. */
  | { kind: 'enter'; targets: readonly Edge[] }
  | { kind: 'stop' };

export interface Block {
  readonly address: number;
  readonly instructions: Instruction[];
  end: End;
  /** How often tier 0 has executed it, as far as the profile tells. */
  readonly heat: number;
}

export interface Region {
  /** Where it is entered. */
  readonly root: number;
  /** Other places where it can be entered; none as a rule. Block 0 ends in 'enter' then. */
  readonly doors: readonly number[];
  /** Block 0 is the entry. */
  readonly blocks: Block[];
  /** Instructions in all blocks: more than any way through the region without a back edge executes. */
  readonly size: number;
  /** Roots that it calls. */
  readonly callees: ReadonlySet<number>;
  /** Page numbers of all code in it. */
  readonly pages: ReadonlySet<number>;
}

export function edgesOf(end: End): readonly Edge[] {
  switch (end.kind) {
    case 'jump':
    case 'guessed':
      return [end.to];
    case 'branch':
      return [end.taken, end.next];
    case 'call':
    case 'indirectCall':
      return [end.next];
    case 'indirect':
    case 'enter':
      return end.targets;
    default:
      return [];
  }
}

/** Where the code of a region goes by itself when it leaves: calls, and jumps to constant addresses. */
export function destinations({ blocks, callees }: Region): Set<number> {
  const found = new Set(callees);
  for (const { end } of blocks) {
    if (end.kind !== 'jump' && end.kind !== 'branch') continue;
    for (const { block, address } of edgesOf(end)) if (block < 0) found.add(address);
  }
  return found;
}
