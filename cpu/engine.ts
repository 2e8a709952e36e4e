/**
 * The TypeScript side of the interpreter: instance of the emitted module, its imports (data accesses, exceptions,
 * instruction fetch, helpers), and the accounting of a slice. `Cpu` is the face of it.
 */
import { CodeCache } from './code-cache.js';
import type { CpuHooks } from './cpu.js';
import { defaultCpuid } from './cpuid.js';
import { DataAccess } from './data-access.js';
import type { DebugMarks } from './debug-marks.js';
import { setException } from './exceptions.js';
import { EXIT_BREAK, EXIT_FAULT, EXIT_SLICE, EXIT_STOP, EXIT_SYSCALL, type FaultInfo, TRAP_UD } from './exits.js';
import type { HelperContext } from './helpers.js';
import { InstructionFetch } from './instruction-fetch.js';
import type { PageTable } from './page-table.js';
import type { PhysicalMemory } from './physical-memory.js';
import { R_LEN, R_OP, RECORD_SIZE } from './record.js';
import { RunState } from './run-state.js';
import { EXIT_REASON, FUEL, RESYNC, RIP, SLOW_EA, SLOW_PC, SPLIT_SIZE, TLB_WINDOWS } from './state.js';
import { table } from './table/index.js';
import { PROBE_STACK, PROBE_WRITE } from './tier0/frame.js';
import type { HandlerSet } from './tier0/handlers.js';
import { interpreter } from './tier0/interpreter.js';
import type { NestedExports } from './tier0/nested.js';
import type { CodeStore } from './tier1/cache.js';
import { INNER_STACK_BYTES, STACK_BYTES, STACK_ROOM, TRANSLATED } from './tier1/layout.js';
import { Translator } from './tier1/translator.js';
import type { TranslatorOptions, TranslatorStats } from './tier1/translator-options.js';
import { TranslatorTurns } from './tier1/turns.js';
import type { RegionWatcher } from './tier1/watch.js';
import { WatchedAccess } from './watched-access.js';

/** One slice is at most this many instructions: what is left is counted in bytes of records, in 31 bits. */
const MAX_BUDGET = 1 << 25;
/** The slice ends after so many nanoseconds of translation; never on a clock that stands while a slice runs. */
const MAX_TRANSLATION = 2_000_000;
/** More than one instruction uses, so that a jump does not end the slice. */
const STEP_FUEL = 1000 * RECORD_SIZE;

export class Engine implements HelperContext {
  readonly memory: PhysicalMemory;
  readonly code: CodeCache;
  retired = 0;
  /** How often `run` came back, by EXIT_*. */
  readonly exits = [0, 0, 0, 0, 0, 0];
  /** Gets to see every region as it is translated. */
  watcher: RegionWatcher | undefined;
  #hooks: CpuHooks;
  #state: RunState;
  #data: DataAccess;
  #fetch: InstructionFetch;
  #run: (pc: number) => void;
  readonly #nested: NestedExports;
  #stop = false;
  /** The run begins with the instruction at a breakpoint that nobody wants to be told of. */
  #passing = false;
  /** Address spaces with marks of a debugger. */
  #marked = new Set<PageTable>();
  #watched: WatchedAccess;
  #handlers: HandlerSet;
  #exports: Record<string, unknown>;
  #turns: TranslatorTurns;
  /** Runs under way: a hook may run other code (nesting.ts). */
  #depth = 0;
  /** Of what TRANSLATED counts: in runs inside of others. */
  #inside = 0;

  constructor(
    memory: PhysicalMemory,
    hooks: CpuHooks,
    translator: TranslatorOptions | null,
    store: CodeStore | undefined,
  ) {
    this.memory = memory;
    this.#hooks = hooks;
    this.#turns = new TranslatorTurns(translator, () => this.#makeTranslator(translator!, store));
    const { handlers, module } = interpreter();
    this.#handlers = handlers;
    this.code = new CodeCache(memory, table, handlers);
    this.#watched = new WatchedAccess(memory);
    this.#state = new RunState(memory);
    this.#data = new DataAccess(this.#state, hooks, this.#watched, (vector, pc) => this.#trap(vector, pc));
    this.#fetch = new InstructionFetch(this.#state, hooks, this.code, {
      opMore: handlers.opMore,
      dropAll: () => this.#turns.translator?.dropAll(),
      touched:
        translator === null || store === undefined
          ? undefined
          : (vpn, frame) => this.#turns.ensure().touched(vpn, frame),
    });
    const instance = new WebAssembly.Instance(module, {
      cpu: {
        memory: memory.memory,
        slow: (info: number, pc: number) => this.#data.slow(info, pc),
        trap: (vector: number, pc: number) => this.#trap(vector, pc),
        helper: (id: number, pc: number, pa: number) => this.#helper(id, pc, pa),
        syscall: (pc: number) => (this.syscall(pc >>> 0) ? 1 : 0),
        commit: () => this.#data.commit(),
        fetch: () => this.#fetch.fetch(),
        resync: (pc: number) => this.#resync(pc),
        span: (pc: number) => this.#fetch.span(pc),
        validate: (region: number) => (this.#turns.translator!.validate(region) ? 1 : 0),
        stopped: () => this.#turns.translator!.stopped(),
      },
    });
    this.#exports = instance.exports;
    this.#run = instance.exports['run'] as (pc: number) => void;
    this.#nested = instance.exports as unknown as NestedExports;
  }

  /** The active one. */
  get pageTable(): PageTable | undefined {
    return this.#state.pageTable;
  }

  get fault(): FaultInfo {
    return this.#state.fault;
  }

  get tlbMisses(): number {
    return this.#data.misses;
  }

  setPageTable(pageTable: PageTable): void {
    this.#state.pageTable = pageTable;
    const slots = pageTable.windows.activate();
    if (slots !== 0) this.#nested.windows(pageTable.tlb + TLB_WINDOWS, slots);
  }

  /** Instructions executed in regions. */
  get translated(): number {
    return this.#state.read64(TRANSLATED) / RECORD_SIZE;
  }

  /** Nanoseconds that went into translation. */
  get translationTime(): number {
    return this.#turns.time;
  }

  get translatorStats(): TranslatorStats | undefined {
    return this.#turns.translator?.stats;
  }

  get hasCodeToKeep(): boolean {
    return this.#turns.translator?.hasKept === true;
  }

  keepCode(): void {
    this.#turns.translator?.flush();
  }

  /** Replaces what a debugger wants to be told of in an address space; for use outside of `run`. */
  mark(pageTable: PageTable, marks: DebugMarks | null): void {
    for (const vpn of pageTable.marks?.pages ?? []) this.code.clearBreaks(pageTable.frameOf(vpn));
    if (marks === null) this.#marked.delete(pageTable);
    else this.#marked.add(pageTable);
    pageTable.marks = marks;
    // Others may execute the same frames: their pages get their breakpoints again when they are next looked up.
    for (const other of this.#marked) {
      if (other.marks === null) this.#marked.delete(other);
      else if (other !== pageTable) other.flush();
    }
  }

  /** Address that the last run accessed, when a watchpoint ended it; NaN: none did. */
  get watchHit(): number {
    return this.#watched.hit;
  }

  /** Before a run inside of the one that is on the processor. @returns for `bringBack` */
  putAside(place: number): boolean {
    const { hasChanged } = this.#state;
    this.#nested.putAside(place);
    this.#state.hasChanged = false;
    return hasChanged;
  }

  /** The run that was put aside goes on; it has to look up its place only if something has changed meanwhile. */
  bringBack(place: number, hadChanged: boolean): void {
    const { u32 } = this.memory;
    const hasChanged = this.#state.hasChanged || u32[RESYNC >> 2] !== 0;
    this.#nested.bringBack(place);
    if (hasChanged) u32[RESYNC >> 2] = 1;
    this.#state.hasChanged = hasChanged || hadChanged;
  }

  /** For `Cpu.enterFunction` and `Cpu.setArguments`. */
  get nested(): NestedExports {
    return this.#nested;
  }

  requestStop(): void {
    this.#stop = true;
    this.memory.u32[RESYNC >> 2] = 1;
  }

  /**
   * As `Cpu.run`. With a translator the slice is run in pieces, each ending as the slice does at a jump, so that it can
   * look at what tier 0 is doing, and work; where the slice ends depends only on how long that takes.
   *
   * A hook may call it again, between `begin` and `end` of `Nesting`. Memory of decodings that go meanwhile is given back
   * when the outermost run is over, since records of the others are executing.
   */
  run(budget: number): number {
    const { memory } = this;
    const whole = Math.min(budget, MAX_BUDGET) * RECORD_SIZE;
    const latest = this.translationTime + MAX_TRANSLATION;
    memory.i32[STACK_ROOM >> 2] = this.#depth === 0 ? STACK_BYTES : INNER_STACK_BYTES;
    this.#depth++;
    this.#stop = false;
    this.#state.beginResync();
    let left = whole;
    let reason: number;
    let inRegions = 0;
    this.#watched.clear();
    do {
      const piece = this.#turns.take(left / RECORD_SIZE, this.#depth > 1 && left === whole) * RECORD_SIZE;
      const before = memory.u32[TRANSLATED >> 2]!;
      const inside = this.#inside;
      reason = this.#piece(piece);
      const used = piece - this.#state.rest;
      left -= used;
      const translated = ((memory.u32[TRANSLATED >> 2]! - before) >>> 0) - (this.#inside - inside);
      inRegions += translated;
      this.#turns.count((used - translated) / RECORD_SIZE);
      this.#passing = reason === EXIT_BREAK && !this.#isBreakWanted();
    } while (this.#passing || (reason === EXIT_SLICE && left > 0 && this.translationTime <= latest));
    this.#end(reason, whole - left, inRegions);
    return reason;
  }

  /**
   * Executes one instruction, or one round of a repeated one, by tier 0. Breakpoints do not count.
   * @returns EXIT_SLICE when it is over, or why it is not
   */
  step(): number {
    const { memory } = this;
    memory.i32[STACK_ROOM >> 2] = INNER_STACK_BYTES;
    this.#depth++;
    this.#stop = false;
    this.#watched.clear();
    this.#state.beginResync();
    this.#passing = true;
    let record = this.#begin(STEP_FUEL);
    while (record !== 0 && this.#handlers.isPseudo(memory.u16[(record + R_OP) >> 1]!)) record = this.#perform(record);
    const next = record === 0 ? 0 : this.#perform(record);
    if (next !== 0) {
      this.#state.setRip(next);
      this.#state.leave(EXIT_SLICE, 0);
    }
    const reason = memory.i32[EXIT_REASON >> 2]!;
    this.#end(reason, reason === EXIT_FAULT ? 0 : RECORD_SIZE);
    return reason;
  }

  #end(reason: number, used: number, inRegions = 0): void {
    this.#passing = false;
    this.retired = used / RECORD_SIZE;
    // What an access that a fault undid has touched, it has not.
    this.#watched.settle(reason !== EXIT_FAULT);
    this.exits[reason]!++;
    this.#depth--;
    if (this.#depth > 0) this.#inside += inRegions;
    else this.code.release();
  }

  /** What a record says, once; of one where a region begins, what the interpreter has for it. @returns the next record, or 0 */
  #perform(record: number): number {
    const op = this.memory.u16[(record + R_OP) >> 1]!;
    const handlers = this.#exports['handlers'] as WebAssembly.Table;
    const handler = this.#turns.translator?.handlerOf(op) ?? op;
    return (handlers.get(handler) as (record: number) => number)(record) >>> 0;
  }

  /** The breakpoint at rip: does this address space have it, and the task that runs want it? */
  #isBreakWanted(): boolean {
    const address = this.#state.read64(RIP);
    return (
      this.#state.pageTable!.marks?.breakpoints.has(address) === true && this.#hooks.breakpoint?.(address) !== false
    );
  }

  /** Runs from RIP on. @param fuel in bytes of records */
  #piece(fuel: number): number {
    const { memory } = this;
    let record = this.#begin(fuel);
    if (record !== 0 && this.#turns.isDue) {
      record = this.#turns.look(record);
      if (record !== 0 && memory.u32[RESYNC >> 2] !== 0) record = this.#resync(record);
    }
    if (record !== 0) this.#run(record);
    const reason = memory.i32[EXIT_REASON >> 2]!;
    if (reason === EXIT_SLICE) {
      const pc = memory.u32[SLOW_PC >> 2]!;
      this.#state.setRip(pc);
      this.#state.rest = this.#state.restAt(pc);
    }
    return reason;
  }

  /** @returns the record at rip, with FUEL set for it; 0: it cannot be had, and EXIT_REASON says why */
  #begin(fuel: number): number {
    // What a look-up runs inside of this run has its own.
    const passing = this.#passing;
    this.memory.u32[EXIT_REASON >> 2] = 0;
    const record = this.#fetch.atRip(fuel);
    if (record === 0 || !passing) return record;
    const behind = this.#fetch.behindBreak(record) || record;
    this.memory.i32[FUEL >> 2] = (fuel + behind) | 0;
    return behind;
  }

  #makeTranslator(options: TranslatorOptions, store: CodeStore | undefined): Translator {
    const { handlers, step, repeat, onward } = this.#exports as {
      handlers: WebAssembly.Table;
      step: (record: number) => number;
      repeat: (record: number, handler: number) => number;
      onward: unknown;
    };
    return new Translator(
      {
        memory: this.memory,
        space: this.#state,
        code: this.code,
        handlers: this.#handlers,
        table: handlers,
        step,
        repeat,
        onward,
        watcher: () => this.watcher,
        store,
        clock: () => this.#hooks.clock?.() ?? 0,
      },
      options,
    );
  }

  // What helpers use

  raise(vector: number, errorCode = 0): void {
    this.#trap(vector, this.memory.u32[SLOW_PC >> 2]!);
    this.fault.err = errorCode;
  }

  access(record: number, address: number, bytes: number, write: boolean): number {
    this.memory.u32[SPLIT_SIZE >> 2] = 0;
    this.#state.write64(SLOW_EA, address);
    return this.#data.slow(bytes | PROBE_STACK | (write ? PROBE_WRITE : 0), record);
  }

  commit(): void {
    if (this.memory.u32[SPLIT_SIZE >> 2] !== 0) this.#data.commit();
    this.memory.u32[SPLIT_SIZE >> 2] = 0;
  }

  instructionAddress(record: number): number {
    return this.#state.instructionAddress(record);
  }

  syscall(record: number): boolean {
    const { drops } = this.#fetch;
    // A run inside of the hook may have made all records go, this one too: then the place is looked up by its address.
    if (this.#hooks.syscall() && drops === this.#fetch.drops) return true;
    this.#state.leave(EXIT_SYSCALL, this.#state.restAt(record + RECORD_SIZE));
    return false;
  }

  /** int3 and its like: the instruction is over when the signal comes. */
  trapAfter(vector: number, record: number): void {
    const next = this.instructionAddress(record) + this.memory.u8[record + R_LEN]!;
    this.#trap(vector, record);
    this.#state.write64(RIP, next);
    this.#state.rest -= RECORD_SIZE;
  }

  rdtsc(): number {
    return this.#hooks.rdtsc();
  }

  cpuid(leaf: number, subleaf: number, out: Uint32Array): void {
    if (this.#hooks.cpuid) this.#hooks.cpuid(leaf, subleaf, out);
    else defaultCpuid(leaf, subleaf, out);
  }

  // Imports of the emitted module

  #helper(id: number, pc: number, pa: number): number {
    this.memory.u32[SLOW_PC >> 2] = pc;
    return this.#handlers.helper(id)(this, pc >>> 0, pa >>> 0) ? 1 : 0;
  }

  #trap(vector: number, record: number): void {
    const pc = record >>> 0;
    const state = this.#state;
    state.setRip(pc);
    const isBreak = vector === TRAP_UD && this.#fetch.behindBreak(pc) !== 0;
    if (!isBreak) setException(state, vector);
    state.leave(isBreak ? EXIT_BREAK : EXIT_FAULT, state.restAt(pc));
  }

  #resync(record: number): number {
    const pc = record >>> 0;
    const state = this.#state;
    state.beginResync();
    state.setRip(pc);
    const rest = state.restAt(pc);
    if (this.#stop || this.#watched.settle(true)) {
      state.leave(EXIT_STOP, rest);
      return 0;
    }
    if (this.#depth === 1) this.code.release();
    return this.#fetch.atRip(rest);
  }
}
