/**
 * Reads instructions of the active address space by virtual address, for the translator. Decoded ones are kept while a
 * translation goes on; code that changes drops its page's records, and with them what was translated from it.
 */
import { type Decoder, MAX_INSTRUCTION } from '../decoder.js';
import type { PageTable } from '../page-table.js';
import { PTE_EXEC } from '../page-table.js';
import type { PhysicalMemory } from '../physical-memory.js';
import { PAGE_SIZE, ZERO } from '../state.js';
import type { HandlerSet } from '../tier0/handlers.js';
import type { Flow, Instruction } from './region.js';

export class CodeReader {
  #memory: PhysicalMemory;
  #decoder: Decoder;
  #handlers: HandlerSet;
  #pageTable: PageTable | undefined;
  #known = new Map<number, Instruction | undefined>();
  #bytes = new Uint8Array(2 * MAX_INSTRUCTION);

  constructor(memory: PhysicalMemory, decoder: Decoder, handlers: HandlerSet) {
    this.#memory = memory;
    this.#decoder = decoder;
    this.#handlers = handlers;
  }

  /** Starts reading from an address space, afresh. */
  begin(pageTable: PageTable): void {
    this.#pageTable = pageTable;
    this.#known.clear();
  }

  /** Frame of an executable page, 0 without. */
  frame(page: number): number {
    const entry = this.#pageTable!.entryOf(page);
    return entry & PTE_EXEC ? entry >>> 3 : 0;
  }

  /** @returns undefined where there is no executable code, or no valid instruction */
  at(address: number): Instruction | undefined {
    let known = this.#known.get(address);
    if (known === undefined && !this.#known.has(address)) {
      known = this.#decode(address);
      this.#known.set(address, known);
    }
    return known;
  }

  #decode(address: number): Instruction | undefined {
    const page = Math.floor(address / PAGE_SIZE);
    const offset = address - page * PAGE_SIZE;
    const frame = this.frame(page);
    // A debugger wants to be told: that is for tier 0 to do.
    if (frame === 0 || this.#pageTable!.marks?.breakpoints.has(address) === true) return undefined;
    // What is read may be kept: a change has to be noticed.
    this.#memory.markCode(frame);
    const { u8 } = this.#memory;
    const start = frame * PAGE_SIZE + offset;
    const left = PAGE_SIZE - offset;
    let bytes = u8;
    let from = start;
    let end = start + left;
    if (left < MAX_INSTRUCTION) {
      const next = this.frame(page + 1);
      if (next !== 0) this.#memory.markCode(next);
      bytes = this.#bytes;
      bytes.set(u8.subarray(start, end));
      if (next !== 0) bytes.set(u8.subarray(next * PAGE_SIZE, next * PAGE_SIZE + MAX_INSTRUCTION), left);
      from = 0;
      end = next === 0 ? left : left + MAX_INSTRUCTION;
    }
    if (this.#decoder.decode(bytes, from, end) !== 0) return undefined;
    const { out } = this.#decoder;
    const next = address + out.length;
    const target = out.branch ? next + out.displacement : 0;
    const form = out.branch ? (Math.floor(target / PAGE_SIZE) === page ? 'near' : 'far') : out.form;
    const { row, size } = out;
    return {
      address,
      length: out.length,
      row,
      variant: this.#handlers.variant(row, size, form)!,
      size,
      form,
      a: out.a,
      b: out.b,
      base: out.base,
      index: out.index,
      scale: out.scale,
      segment: row.options.noSegment ? ZERO : out.segment,
      address32: out.address32,
      displacement: out.displacement,
      ripRelative: out.ripRelative,
      immediateLow: out.immediateLow,
      immediateHigh: out.immediateHigh,
      flow: flowOf(row.name, row.options.jumpCondition, row.options.ends === true, out.branch),
      target,
    };
  }
}

function flowOf(name: string, condition: number | undefined, ends: boolean, direct: boolean): Flow {
  if (condition !== undefined) return 'branch';
  switch (name) {
    case 'jmp':
      return direct ? 'jump' : 'indirectJump';
    case 'call':
      return direct ? 'call' : 'indirectCall';
    case 'ret':
      return 'return';
    case 'loop':
    case 'loope':
    case 'loopne':
    case 'jrcxz':
      return 'branch';
    case 'syscall':
      return 'syscall';
    default:
      return ends ? 'stop' : 'next';
  }
}
