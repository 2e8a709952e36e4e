/** Executes some hundred instructions one at a time and notes in the profile what they do. */
import type { PhysicalMemory } from '../physical-memory.js';
import { R_OFF, R_OP } from '../record.js';
import { PAGE_SIZE, PAGE_VA, RDI, RESYNC, ZERO } from '../state.js';
import type { HandlerSet } from '../tier0/handlers.js';
import type { CodeReader } from './code-reader.js';
import { MISSED_AT, MISSED_TO, REFUSALS } from './layout.js';
import { type Profile, Site } from './profile.js';
import type { Instruction } from './region.js';

const TWO_32 = 2 ** 32;
/** Instructions that access memory at rdi without saying so. */
const STRINGS: ReadonlySet<string> = new Set(['movs', 'stos', 'cmps', 'scas']);

export class Profiler {
  #memory: PhysicalMemory;
  #handlers: HandlerSet;
  #reader: CodeReader;
  #profile: Profile;
  #step: (record: number) => number;
  /** Told of a region's number and the address that control went to from there. */
  #onLink: (region: number, to: number) => void;

  /** Where the last return went to, without a call since; NaN: nowhere. */
  #lastReturn = Number.NaN;

  constructor(
    memory: PhysicalMemory,
    handlers: HandlerSet,
    reader: CodeReader,
    profile: Profile,
    step: (record: number) => number,
    onLink: (region: number, to: number) => void,
  ) {
    this.#memory = memory;
    this.#handlers = handlers;
    this.#reader = reader;
    this.#profile = profile;
    this.#step = step;
    this.#onLink = onLink;
  }

  /**
   * Executes up to `count` records from one on; a region counts as one.
   * @returns the record to go on at, 0 when the run loop must be left
   */
  run(record: number, count: number): number {
    const { firstRegion } = this.#handlers;
    for (let i = 0; i < count; i++) {
      const handler = this.#memory.u16[(record + R_OP) >> 1]!;
      if (handler >= firstRegion) {
        record = this.#through(record, handler - firstRegion);
        if (record === 0 || this.#memory.u32[RESYNC >> 2] !== 0) break;
        continue;
      }
      const site = this.#handlers.isPseudo(handler) ? undefined : this.#site(this.#addressOf(record));
      if (site !== undefined) this.#note(site);
      const next = this.#step(record);
      if (next === 0) return 0;
      if (site !== undefined && site.instruction.flow !== 'next') this.#noteFlow(site, this.#addressOf(next));
      record = next;
      if (this.#memory.u32[RESYNC >> 2] !== 0) break;
    }
    return record;
  }

  /** Enters a region and notes where it leads. */
  #through(record: number, region: number): number {
    this.#lastReturn = Number.NaN;
    const { u32, i32 } = this.#memory;
    const refusals = u32[REFUSALS >> 2]!;
    u32.fill(0, MISSED_AT >> 2, (MISSED_AT >> 2) + 2);
    const next = this.#step(record);
    const jump = i32[(MISSED_AT >> 2) + 1]! * TWO_32 + u32[MISSED_AT >> 2]!;
    if (jump !== 0) this.#site(jump)?.reached(i32[(MISSED_TO >> 2) + 1]! * TWO_32 + u32[MISSED_TO >> 2]!);
    // Refused, it was one instruction.
    if (next === 0 || u32[REFUSALS >> 2] !== refusals) return next;
    const to = this.#addressOf(next);
    const target = this.#site(to);
    if (target !== undefined) target.arrivals++;
    this.#onLink(region, to);
    return next;
  }

  #addressOf(record: number): number {
    const { u16, u32, i32 } = this.#memory;
    return i32[(PAGE_VA >> 2) + 1]! * TWO_32 + u32[PAGE_VA >> 2]! + u16[(record + R_OFF) >> 1]!;
  }

  #site(address: number): Site | undefined {
    const frame = this.#reader.frame(Math.floor(address / PAGE_SIZE));
    const known = this.#profile.sites.get(address);
    if (known !== undefined && known.frame === frame) return known;
    const instruction = this.#reader.at(address);
    if (instruction === undefined) return undefined;
    const site = new Site(instruction, frame);
    this.#profile.sites.set(address, site);
    return site;
  }

  #note(site: Site): void {
    this.#profile.count(site);
    const { instruction } = site;
    if (instruction.base !== ZERO || instruction.index !== ZERO || instruction.form === 'm') {
      site.lastAddress = this.#operandAddress(instruction);
    } else if (STRINGS.has(instruction.row.name)) site.lastAddress = this.#read(RDI);
  }

  /** Of the memory operand; exact for addresses that programs use. */
  #operandAddress(instruction: Instruction): number {
    const { base, index, scale, displacement, segment, ripRelative, address, length } = instruction;
    let sum = displacement + (ripRelative ? address + length : this.#read(base));
    sum += this.#read(index) * 2 ** scale;
    sum += this.#read(segment);
    if (instruction.address32) sum = ((sum % TWO_32) + TWO_32) % TWO_32;
    return Number(BigInt.asIntN(64, BigInt(sum)));
  }

  #read(address: number): number {
    const { i32, u32 } = this.#memory;
    return i32[(address >> 2) + 1]! * TWO_32 + u32[address >> 2]!;
  }

  #noteFlow(site: Site, to: number): void {
    const { instruction } = site;
    const { flow, address, length } = instruction;
    if (flow === 'indirectJump' || flow === 'indirectCall' || flow === 'return') site.reached(to);
    const isCall = flow === 'call' || flow === 'indirectCall';
    // Returns one after the other to one place are a loop: that of a function that has called itself.
    const isRepeated = flow === 'return' && to === this.#lastReturn;
    if (flow === 'return') this.#lastReturn = to;
    else if (isCall) this.#lastReturn = Number.NaN;
    if (to === address + length || (flow === 'return' && !isRepeated) || flow === 'syscall') return;
    if (!isCall && to > address && !isRepeated) return;
    const target = this.#site(to);
    if (target === undefined) return;
    if (isCall) target.entries++;
    else target.loops++;
    this.#profile.fresh.add(to);
  }
}
