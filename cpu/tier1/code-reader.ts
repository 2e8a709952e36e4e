/**
 * Reads instructions of the active address space by virtual address, for the translator. Decoded ones are kept by frame, for all
 * regions that they are part of and all processes that have them at the same addresses, until the frame changes.
 */
import { type Decoder, MAX_INSTRUCTION } from '../decoder.js';
import type { PageTable } from '../page-table.js';
import { PTE_EXEC } from '../page-table.js';
import type { PhysicalMemory } from '../physical-memory.js';
import { PAGE_SIZE, ZERO } from '../state.js';
import type { HandlerSet } from '../tier0/handlers.js';
import type { Flow, Instruction } from './region.js';

/** Decoded instructions that are kept: as many as the profile may have notes of. */
const MAX_KEPT = 100_000;

/** Instructions of a frame, by offset. */
interface Kept {
  /** Number of the page that they were decoded for: where an instruction lies is part of what it is. */
  readonly page: number;
  readonly instructions: Map<number, Instruction>;
}

export class CodeReader {
  #memory: PhysicalMemory;
  #decoder: Decoder;
  #handlers: HandlerSet;
  #pageTable: PageTable | undefined;
  /** By frame. */
  readonly #kept = new Map<number, Kept>();
  #count = 0;
  #bytes = new Uint8Array(2 * MAX_INSTRUCTION);

  constructor(memory: PhysicalMemory, decoder: Decoder, handlers: HandlerSet) {
    this.#memory = memory;
    this.#decoder = decoder;
    this.#handlers = handlers;
    memory.onCodeWrite((frame) => this.#drop(frame));
  }

  /** From now on an address space is read. */
  begin(pageTable: PageTable): void {
    this.#pageTable = pageTable;
  }

  /** Frame of an executable page, 0 without. */
  frame(page: number): number {
    const entry = this.#pageTable!.entryOf(page);
    return entry & PTE_EXEC ? entry >>> 3 : 0;
  }

  /** @returns undefined where there is no executable code, or no valid instruction */
  at(address: number): Instruction | undefined {
    const page = Math.floor(address / PAGE_SIZE);
    const offset = address - page * PAGE_SIZE;
    const frame = this.frame(page);
    // A debugger wants to be told: that is for tier 0 to do.
    if (frame === 0 || this.#pageTable!.marks?.breakpoints.has(address) === true) return undefined;
    const kept = this.#kept.get(frame);
    const known = kept?.page === page ? kept.instructions.get(offset) : undefined;
    if (known !== undefined) return known;
    const instruction = this.#decode(address, page, frame);
    // The frame alone does not say what an instruction is that ends in the next page.
    if (instruction !== undefined && offset + instruction.length <= PAGE_SIZE)
      this.#keep(frame, page, offset, instruction);
    return instruction;
  }

  #keep(frame: number, page: number, offset: number, instruction: Instruction): void {
    let kept = this.#kept.get(frame);
    if (kept?.page !== page) {
      this.#drop(frame);
      // Those that have been there for longest go.
      for (const old of this.#kept.keys()) if (this.#count >= MAX_KEPT) this.#drop(old);
      this.#kept.set(frame, (kept = { page, instructions: new Map() }));
    }
    kept.instructions.set(offset, instruction);
    this.#count++;
  }

  #drop(frame: number): void {
    this.#count -= this.#kept.get(frame)?.instructions.size ?? 0;
    this.#kept.delete(frame);
  }

  #decode(address: number, page: number, frame: number): Instruction | undefined {
    const offset = address - page * PAGE_SIZE;
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
