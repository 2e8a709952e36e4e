/**
 * The TypeScript side of the interpreter: instance of the emitted module, its imports (translation misses, faults,
 * instruction fetch, helpers), and the accounting of a slice. `Cpu` is the face of it.
 *
 * Addresses come and go as two 32-bit halves; as JavaScript numbers they are signed 64-bit values, exact for every
 * canonical address.
 */
import {
  FPE_FLTINV,
  FPE_INTDIV,
  ILL_ILLOPN,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGSEGV,
  SIGTRAP,
} from '../abi/signal.js';
import { CodeCache, type CodePage } from './code-cache.js';
import type { CpuHooks } from './cpu.js';
import { defaultCpuid } from './cpuid.js';
import type { DebugMarks } from './debug-marks.js';
import {
  EXIT_BREAK,
  EXIT_FAULT,
  EXIT_SLICE,
  EXIT_STOP,
  EXIT_SYSCALL,
  type FaultInfo,
  TRAP_BP,
  TRAP_DE,
  TRAP_GP,
  TRAP_MF,
  TRAP_PF,
  TRAP_SS,
  TRAP_UD,
  TRAP_XM,
} from './exits.js';
import type { HelperContext } from './helpers.js';
import { type PageTable, PTE_EXEC, PTE_READ, PTE_WRITE } from './page-table.js';
import type { PhysicalMemory } from './physical-memory.js';
import { R_BASE, R_INDEX, R_LEN, R_OFF, R_OP, R_SEGMENT, RECORD_SIZE } from './record.js';
import {
  EXIT_REASON,
  FS_BASE,
  FUEL,
  GS_BASE,
  PAGE_SIZE,
  PAGE_VA,
  RBP,
  RESYNC,
  RIP,
  RSP,
  SLOW_EA,
  SLOW_PC,
  SPLIT_FIRST,
  SPLIT_FIRST_SIZE,
  SPLIT_READ,
  SPLIT_SECOND,
  SPLIT_SIZE,
  SPLIT_WRITE,
  TLB,
  TLB_EXEC,
  TLB_WINDOWS,
  TLB_WRITE,
  tlbIndex,
  ZERO,
} from './state.js';
import { table } from './table/index.js';
import { PROBE_ALIGNED, PROBE_STACK, PROBE_WRITE } from './tier0/frame.js';
import type { HandlerSet } from './tier0/handlers.js';
import { interpreter } from './tier0/interpreter.js';
import type { CodeStore } from './tier1/cache.js';
import { INNER_STACK_BYTES, STACK_BYTES, STACK_ROOM, TRANSLATED } from './tier1/layout.js';
import { Translator } from './tier1/translator.js';
import type { TranslatorOptions, TranslatorStats } from './tier1/translator-options.js';
import type { RegionWatcher } from './tier1/watch.js';
import { WatchedAccess } from './watched-access.js';
import { fpuExceptionCode } from './x87/index.js';

/** One slice is at most this many instructions: what is left is counted in bytes of records, in 31 bits. */
const MAX_BUDGET = 1 << 25;
/** While code is being translated, the translator gets its turn after so many instructions, */
const TRANSLATION_PIECE = 100_000;
/** and the slice ends after so many nanoseconds of it; never on a clock that stands while a slice runs. */
const MAX_TRANSLATION = 2_000_000;
/** More than one instruction uses, so that a jump does not end the slice. */
const STEP_FUEL = 1000 * RECORD_SIZE;
const TWO_32 = 2 ** 32;
/** TASK_SIZE_MAX of Linux: one page below the non-canonical hole. */
const USER_END = 2 ** 47 - PAGE_SIZE;
/** Bits of a page fault's error code. */
const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_FETCH = 16;

/** Signal and si_code of exceptions that are not page faults. @source Linux arch/x86/kernel/traps.c */
const SIGNAL_OF: Record<number, readonly [signal: number, code: number, atInstruction: boolean]> = {
  [TRAP_DE]: [SIGFPE, FPE_INTDIV, true],
  [TRAP_BP]: [SIGTRAP, SI_KERNEL, false],
  [TRAP_UD]: [SIGILL, ILL_ILLOPN, true],
  [TRAP_SS]: [SIGBUS, SI_KERNEL, false],
  [TRAP_GP]: [SIGSEGV, SI_KERNEL, false],
  [TRAP_MF]: [SIGFPE, FPE_FLTINV, true],
  [TRAP_XM]: [SIGFPE, FPE_FLTINV, true],
};

export class Engine implements HelperContext {
  readonly memory: PhysicalMemory;
  readonly code: CodeCache;
  readonly fault: FaultInfo = { signal: 0, code: 0, address: 0, trapno: 0, err: 0, cr2: 0 };
  retired = 0;
  /** How often `run` came back, by EXIT_*. */
  readonly exits = [0, 0, 0, 0, 0, 0];
  tlbMisses = 0;
  /** Gets to see every region as it is translated. */
  watcher: RegionWatcher | undefined;
  #hooks: CpuHooks;
  #pageTable: PageTable | undefined;
  #run: (pc: number) => void;
  #copyWindows: (base: number) => void;
  /** Copy what a run inside of a run puts aside to a place in memory, and back. */
  readonly putAside: (place: number) => void;
  readonly bringBack: (place: number) => void;
  #stop = false;
  /** The run begins with the instruction at a breakpoint that nobody wants to be told of. */
  #passing = false;
  /** Address spaces with marks of a debugger. */
  #marked = new Set<PageTable>();
  #watched: WatchedAccess;
  /** What is left of the budget, in bytes of records, when the loop was left by an import. */
  #rest = 0;
  #handlers: HandlerSet;
  #exports: Record<string, unknown>;
  #options: TranslatorOptions | null;
  #store: CodeStore | undefined;
  /** Undefined as long as there was no reason to translate; null: not wanted. */
  #translator: Translator | undefined | null;
  /** Instructions that tier 0 executed before there was a translator. */
  #interpreted = 0;
  /** Runs under way: a hook may run other code (nesting.ts). */
  #depth = 0;
  #isLooking = false;
  /** How often all records went. */
  #drops = 0;
  /** Of what TRANSLATED counts: in runs inside of others. */
  #inside = 0;

  constructor(
    memory: PhysicalMemory,
    hooks: CpuHooks,
    translator: TranslatorOptions | null,
    store: CodeStore | undefined,
  ) {
    this.#store = translator === null ? undefined : store;
    this.memory = memory;
    this.#hooks = hooks;
    this.#options = translator;
    this.#translator = translator === null ? null : undefined;
    const { handlers, module } = interpreter();
    this.#handlers = handlers;
    this.code = new CodeCache(memory, table, handlers);
    this.#watched = new WatchedAccess(memory);
    const instance = new WebAssembly.Instance(module, {
      cpu: {
        memory: memory.memory,
        slow: (info: number, pc: number) => this.#slow(info, pc),
        trap: (vector: number, pc: number) => this.#trap(vector, pc),
        helper: (id: number, pc: number, pa: number) => this.#helper(id, pc, pa),
        syscall: (pc: number) => (this.syscall(pc >>> 0) ? 1 : 0),
        commit: () => this.#commit(),
        fetch: () => this.#fetch(),
        resync: (pc: number) => this.#resync(pc),
        span: (pc: number) => this.#span(pc),
        validate: (region: number) => (this.#translator!.validate(region) ? 1 : 0),
        stopped: () => this.#translator!.stopped(),
      },
    });
    this.#exports = instance.exports;
    this.#run = instance.exports['run'] as (pc: number) => void;
    this.putAside = instance.exports['putAside'] as (place: number) => void;
    this.bringBack = instance.exports['bringBack'] as (place: number) => void;
    this.#copyWindows = instance.exports['windows'] as (base: number) => void;
  }

  /** The active one. */
  get pageTable(): PageTable | undefined {
    return this.#pageTable;
  }

  setPageTable(pageTable: PageTable): void {
    this.#pageTable = pageTable;
    this.#translator?.setPageTable(pageTable);
    if (pageTable.windows.activate()) this.#copyWindows(pageTable.tlb + TLB_WINDOWS);
  }

  /** Instructions executed in regions. */
  get translated(): number {
    return this.#read64(TRANSLATED) / RECORD_SIZE;
  }

  /** Nanoseconds that went into translation. */
  get translationTime(): number {
    return this.#translator?.time ?? 0;
  }

  get translatorStats(): TranslatorStats | undefined {
    return this.#translator?.stats;
  }

  get hasCodeToKeep(): boolean {
    return this.#translator?.hasKept === true;
  }

  keepCode(): void {
    this.#translator?.flush();
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
    memory.u32[RESYNC >> 2] = 0;
    let left = whole;
    let reason: number;
    let inRegions = 0;
    this.#watched.clear();
    do {
      if (!this.#isLooking) this.#translator?.work();
      const piece = this.#translator === null ? left : Math.min(left, this.#untilLook() * RECORD_SIZE);
      const before = memory.u32[TRANSLATED >> 2]!;
      const inside = this.#inside;
      reason = this.#piece(piece);
      const used = piece - this.#rest;
      left -= used;
      const translated = ((memory.u32[TRANSLATED >> 2]! - before) >>> 0) - (this.#inside - inside);
      inRegions += translated;
      this.#interpreted += (used - translated) / RECORD_SIZE;
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
    memory.u32[RESYNC >> 2] = 0;
    this.#passing = true;
    let record = this.#begin(STEP_FUEL);
    while (record !== 0 && this.#handlers.isPseudo(memory.u16[(record + R_OP) >> 1]!)) record = this.#perform(record);
    const next = record === 0 ? 0 : this.#perform(record);
    if (next !== 0) {
      this.#setRip(next);
      this.#leave(EXIT_SLICE, 0);
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
    const handler = this.#translator?.handlerOf(op) ?? op;
    return (handlers.get(handler) as (record: number) => number)(record) >>> 0;
  }

  /** The breakpoint at rip: does this address space have it, and the task that runs want it? */
  #isBreakWanted(): boolean {
    const address = this.#read64(RIP);
    return this.#pageTable!.marks?.breakpoints.has(address) === true && this.#hooks.breakpoint?.(address) !== false;
  }

  /** Instructions before the translator gets its turn: a look after so many in tier 0, work as long as there is some. */
  #untilLook(): number {
    const left = this.#interval() - this.#interpreted;
    const look = left > 0 ? left : this.#interval();
    return this.#translator?.isBusy ? Math.min(look, TRANSLATION_PIECE) : look;
  }

  #interval(): number {
    return this.#translator?.interval ?? this.#options!.interval;
  }

  /** Runs from RIP on. @param fuel in bytes of records */
  #piece(fuel: number): number {
    const { memory } = this;
    let record = this.#begin(fuel);
    if (record !== 0) {
      if (this.#translator !== null && this.#interpreted >= this.#interval() && !this.#isLooking) {
        record = this.#look(record);
      }
      if (record !== 0) this.#run(record);
    }
    const reason = memory.i32[EXIT_REASON >> 2]!;
    if (reason === EXIT_SLICE) {
      const pc = memory.u32[SLOW_PC >> 2]!;
      this.#setRip(pc);
      this.#rest = (memory.i32[FUEL >> 2]! - pc) | 0;
    }
    return reason;
  }

  /** @returns the record at rip, with FUEL set for it; 0: it cannot be had, and EXIT_REASON says why */
  #begin(fuel: number): number {
    const { memory } = this;
    // What a look-up runs inside of this run has its own.
    const passing = this.#passing;
    memory.u32[EXIT_REASON >> 2] = 0;
    memory.i32[FUEL >> 2] = fuel;
    memory.i32[SLOW_EA >> 2] = memory.i32[RIP >> 2]!;
    memory.i32[(SLOW_EA >> 2) + 1] = memory.i32[(RIP >> 2) + 1]!;
    let record = this.#fetch();
    if (record === 0) return 0;
    if (passing) record = this.#behindBreak(record) || record;
    memory.i32[FUEL >> 2] = (fuel + record) | 0;
    return record;
  }

  /** @returns 0 when a record of the page that executes is not one that traps for a debugger */
  #behindBreak(record: number): number {
    const { i32 } = this.memory;
    const frame = this.#pageTable!.entryAt(i32[PAGE_VA >> 2]!, i32[(PAGE_VA >> 2) + 1]!) >>> 3;
    return this.code.behindBreak(frame, record);
  }

  /** @returns the record to go on at, 0 when the run loop has to be left */
  #look(record: number): number {
    this.#interpreted = 0;
    this.#isLooking = true;
    const next = this.#ensureTranslator().look(record);
    this.#isLooking = false;
    return next !== 0 && this.memory.u32[RESYNC >> 2] !== 0 ? this.#resync(next) : next;
  }

  #ensureTranslator(): Translator {
    if (this.#translator) return this.#translator;
    const { handlers, step, repeat, onward } = this.#exports as {
      handlers: WebAssembly.Table;
      step: (record: number) => number;
      repeat: (record: number, handler: number) => number;
      onward: unknown;
    };
    this.#translator = new Translator(
      {
        memory: this.memory,
        code: this.code,
        handlers: this.#handlers,
        table: handlers,
        step,
        repeat,
        onward,
        watcher: () => this.watcher,
        store: this.#store,
        clock: () => this.#hooks.clock?.() ?? 0,
      },
      this.#options!,
    );
    this.#translator.setPageTable(this.#pageTable!);
    return this.#translator;
  }

  // What helpers use

  raise(vector: number, errorCode = 0): void {
    this.#trap(vector, this.memory.u32[SLOW_PC >> 2]!);
    this.fault.err = errorCode;
  }

  access(record: number, address: number, bytes: number, write: boolean): number {
    this.memory.u32[SPLIT_SIZE >> 2] = 0;
    this.#write64(SLOW_EA, address);
    return this.#slow(bytes | PROBE_STACK | (write ? PROBE_WRITE : 0), record);
  }

  commit(): void {
    if (this.memory.u32[SPLIT_SIZE >> 2] !== 0) this.#commit();
    this.memory.u32[SPLIT_SIZE >> 2] = 0;
  }

  instructionAddress(record: number): number {
    return this.#read64(PAGE_VA) + this.memory.u16[(record + R_OFF) >> 1]!;
  }

  syscall(record: number): boolean {
    const drops = this.#drops;
    // A run inside of the hook may have made all records go, this one too: then the place is looked up by its address.
    if (this.#hooks.syscall() && drops === this.#drops) return true;
    this.#leave(EXIT_SYSCALL, (this.memory.i32[FUEL >> 2]! - record - RECORD_SIZE) | 0);
    return false;
  }

  /** int3 and its like: the instruction is over when the signal comes. */
  trapAfter(vector: number, record: number): void {
    const next = this.instructionAddress(record) + this.memory.u8[record + R_LEN]!;
    this.#trap(vector, record);
    this.#write64(RIP, next);
    this.#rest -= RECORD_SIZE;
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
    this.#setRip(pc);
    if (vector === TRAP_UD && this.#behindBreak(pc) !== 0) {
      this.#leave(EXIT_BREAK, (this.memory.i32[FUEL >> 2]! - pc) | 0);
      return;
    }
    const [signal, code, atInstruction] = SIGNAL_OF[vector] ?? [SIGSEGV, SI_KERNEL, false];
    const floating = vector === TRAP_MF || vector === TRAP_XM;
    const reason = floating ? fpuExceptionCode(this.memory, vector === TRAP_XM) : code;
    this.#setFault(signal, reason, atInstruction ? this.#read64(RIP) : 0, vector, 0);
    this.#leave(EXIT_FAULT, (this.memory.i32[FUEL >> 2]! - pc) | 0);
  }

  #slow(info: number, record: number): number {
    const pc = record >>> 0;
    const { i32 } = this.memory;
    const low = i32[SLOW_EA >> 2]!;
    const high = i32[(SLOW_EA >> 2) + 1]!;
    const size = info & 0xfff;
    const write = (info & PROBE_WRITE) !== 0;
    this.tlbMisses++;
    if (info & PROBE_ALIGNED && low & (size - 1)) {
      this.#trap(TRAP_GP, pc);
      return 0;
    }
    const offset = low & (PAGE_SIZE - 1);
    // The last byte counts, too: an access can run from the lower half into the hole.
    if (!isCanonical(high) || (high === 0x7fff && ((low + size - 1) | 0) >= 0 && low < 0)) {
      this.#trap(info & PROBE_STACK || this.#usesStackSegment(pc) ? TRAP_SS : TRAP_GP, pc);
      return 0;
    }
    const access = write ? PTE_WRITE : PTE_READ;
    const { marks } = this.#pageTable!;
    if (marks !== null && this.#watched.begin(marks, this.#read64(SLOW_EA), size, write)) {
      // It is looked at when the instruction is over.
      this.memory.u32[RESYNC >> 2] = 1;
    }
    if (offset + size <= PAGE_SIZE) {
      const page = this.#page(low, high, access, pc);
      return page === 0 ? 0 : page + offset;
    }
    return this.#split(low, high, size, access, pc);
  }

  /** rsp and rbp as base select the stack segment, unless an override says otherwise. */
  #usesStackSegment(pc: number): boolean {
    const { u16 } = this.memory;
    const base = u16[(pc + R_BASE) >> 1]!;
    if (base !== RSP && base !== RBP) return false;
    const segment = u16[(pc + R_SEGMENT) >> 1]!;
    const index = u16[(pc + R_INDEX) >> 1]!;
    return segment === ZERO && index !== FS_BASE && index !== GS_BASE;
  }

  /** An access over two pages goes through a buffer: filled here, written back by `commit`. */
  #split(low: number, high: number, size: number, access: number, pc: number): number {
    const offset = low & (PAGE_SIZE - 1);
    const head = PAGE_SIZE - offset;
    const nextLow = (low + head) | 0;
    const nextHigh = nextLow === 0 ? (high + 1) | 0 : high;
    // The second translation may run a hook that replaces the first page: ask again until both hold.
    let first = 0;
    let second = 0;
    for (let again = true; again; ) {
      first = this.#page(low, high, access, pc);
      if (first === 0) return 0;
      second = this.#page(nextLow, nextHigh, access, pc);
      if (second === 0) return 0;
      again = this.#page(low, high, access, pc) !== first;
    }
    const { u8, u32 } = this.memory;
    const buffer = access === PTE_WRITE ? SPLIT_WRITE : SPLIT_READ;
    u8.copyWithin(buffer, first + offset, first + PAGE_SIZE);
    u8.copyWithin(buffer + head, second, second + size - head);
    if (access === PTE_WRITE) {
      u32[SPLIT_FIRST >> 2] = first + offset;
      u32[SPLIT_SECOND >> 2] = second;
      u32[SPLIT_FIRST_SIZE >> 2] = head;
      u32[SPLIT_SIZE >> 2] = size;
    }
    return buffer;
  }

  #commit(): void {
    const { u8, u32 } = this.memory;
    const head = u32[SPLIT_FIRST_SIZE >> 2]!;
    u8.copyWithin(u32[SPLIT_FIRST >> 2]!, SPLIT_WRITE, SPLIT_WRITE + head);
    u8.copyWithin(u32[SPLIT_SECOND >> 2]!, SPLIT_WRITE + head, SPLIT_WRITE + u32[SPLIT_SIZE >> 2]!);
  }

  /** Physical address of the page of a canonical address (halves), entered into the TLB; 0 after raising a fault. */
  #page(low: number, high: number, access: number, pc: number): number {
    for (;;) {
      const entry = this.#pageTable!.entryAt(low, high);
      // As on the hardware, whatever has any right can be read.
      if (entry !== 0 && (access === PTE_READ ? (entry & 7) !== 0 : (entry & access) !== 0)) {
        const frame = entry >>> 3;
        if (access === PTE_WRITE) {
          this.memory.willWrite(frame);
          this.memory.noteWriteCached(frame);
        }
        const page = low & -PAGE_SIZE;
        if (this.#pageTable!.marks?.isWatched(high * 2 ** 20 + (low >>> 12)) !== true) {
          this.#fill(access === PTE_WRITE ? TLB_WRITE : 0, page, high, frame * PAGE_SIZE - page, frame);
        }
        return frame * PAGE_SIZE;
      }
      this.#setRip(pc);
      if (this.#pageFault(high * TWO_32 + (low >>> 0), access, entry)) continue;
      this.#leave(EXIT_FAULT, (this.memory.i32[FUEL >> 2]! - pc) | 0);
      return 0;
    }
  }

  #pageFault(address: number, access: number, entry: number): boolean {
    const present = entry !== 0;
    // Linux shows every fault in the kernel's half as a protection fault, so that it tells nothing about mappings there.
    const user = address >= 0 && address < USER_END;
    const err =
      PF_USER |
      // A page without any right (PROT_NONE) is one that Linux does not mark present.
      ((entry & 7) !== 0 || !user ? PF_PRESENT : 0) |
      (access === PTE_WRITE ? PF_WRITE : access === PTE_EXEC ? PF_FETCH : 0);
    this.fault.cr2 = address;
    this.#setFault(SIGSEGV, present ? SEGV_ACCERR : SEGV_MAPERR, address, TRAP_PF, err);
    return this.#hooks.pageFault(address, access);
  }

  /** Enters a page (halves of its address) into a part of the TLB block. */
  #fill(part: number, low: number, high: number, value: number, frame: number): void {
    const { i32 } = this.memory;
    const at = (this.#pageTable!.tlb + part + tlbIndex((low >>> 12) | (high << 20)) * 16) >>> 2;
    i32[at] = low;
    i32[at + 1] = high;
    i32[at + 2] = value;
    i32[at + 3] = frame;
  }

  /** Record at SLOW_EA, PAGE_VA set; 0 with the fault set. FUEL is plain and RIP holds the address. */
  #fetch(): number {
    const { i32, u32 } = this.memory;
    const low = i32[SLOW_EA >> 2]!;
    const high = i32[(SLOW_EA >> 2) + 1]!;
    const page = low & -PAGE_SIZE;
    // Slices begin where code has been: mostly the TLB knows.
    const entry = (u32[TLB >> 2]! + TLB_EXEC + tlbIndex((low >>> 12) | (high << 20)) * 16) >>> 2;
    const known = i32[entry] === page && i32[entry + 1] === high;
    const record = (known && u32[(u32[entry + 2]! >>> 2) + (low - page)]!) || this.#fetchSlowly(low, high);
    if (record === 0) return 0;
    // What decodes and faults in may have replaced the views.
    const words = this.memory.i32;
    words[PAGE_VA >> 2] = page;
    words[(PAGE_VA >> 2) + 1] = high;
    return record;
  }

  #fetchSlowly(low: number, high: number): number {
    if (!isCanonical(high)) {
      this.#setFault(SIGSEGV, SI_KERNEL, 0, TRAP_GP, 0);
      this.#leave(EXIT_FAULT, this.memory.i32[FUEL >> 2]!);
      return 0;
    }
    const address = high * TWO_32 + (low >>> 0);
    const record = this.#decoded(() => {
      const page = this.#codePage(address);
      return page && this.code.record(page, low & (PAGE_SIZE - 1));
    });
    if (record === 0) this.#leave(EXIT_FAULT, this.memory.i32[FUEL >> 2]!);
    return record;
  }

  /**
   * The code page that an address executes from, entered into the instruction TLB.
   * @returns undefined with `fault` set; 0 when there is no memory for the page
   */
  #codePage(address: number): CodePage | 0 | undefined {
    const high = Math.floor(address / TWO_32);
    const low = (address - high * TWO_32) | 0;
    let entry = this.#pageTable!.entryAt(low, high);
    while ((entry & PTE_EXEC) === 0) {
      if (!this.#pageFault(address, PTE_EXEC, entry)) return undefined;
      entry = this.#pageTable!.entryAt(low, high);
    }
    const frame = entry >>> 3;
    const page = this.code.page(frame);
    if (page === undefined) return 0;
    const breaks = this.#pageTable!.marks?.offsetsIn(Math.floor(address / PAGE_SIZE));
    if (breaks !== undefined) this.code.breakAt(page, breaks);
    if (this.#store !== undefined) this.#touch(page, Math.floor(address / PAGE_SIZE));
    this.#fill(TLB_EXEC, low & -PAGE_SIZE, high, page.table, frame);
    return page;
  }

  /** Lets the translator know of a page that was not executed before with this content. */
  #touch(page: CodePage, vpn: number): void {
    if (page.touchedAs === vpn && page.touchedVersion === page.version) return;
    page.touchedAs = vpn;
    page.touchedVersion = page.version;
    this.#ensureTranslator().touched(vpn, page.frame);
  }

  /**
   * The record that `make` finds or decodes. When it has no memory (0), all other decodings go and it tries again.
   * Records that are executing go with them: emitted code does not touch its record after a look-up that set RESYNC.
   * @returns 0 with `fault` set
   */
  #decoded(make: () => number | undefined): number {
    let record = make();
    if (record === 0) {
      this.#drops++;
      this.code.dropAll();
      this.#translator?.dropAll();
      this.code.release();
      record = make();
      if (record === 0) this.#setFault(SIGKILL, SI_KERNEL, 0, TRAP_PF, 0);
    }
    return record ?? 0;
  }

  #resync(record: number): number {
    const pc = record >>> 0;
    const { i32, u32 } = this.memory;
    u32[RESYNC >> 2] = 0;
    this.#setRip(pc);
    const rest = (i32[FUEL >> 2]! - pc) | 0;
    if (this.#stop || this.#watched.settle(true)) {
      this.#leave(EXIT_STOP, rest);
      return 0;
    }
    if (this.#depth === 1) this.code.release();
    i32[FUEL >> 2] = rest;
    i32[SLOW_EA >> 2] = i32[RIP >> 2]!;
    i32[(SLOW_EA >> 2) + 1] = i32[(RIP >> 2) + 1]!;
    const found = this.#fetch();
    if (found !== 0) this.memory.i32[FUEL >> 2] = (rest + found) | 0;
    return found;
  }

  /** Pseudo-records: an instruction over two pages, or the end of what was decoded in one go. */
  #span(record: number): number {
    const pc = record >>> 0;
    const here = this.instructionAddress(pc);
    this.#setRip(pc);
    const offset = this.memory.u16[(pc + R_OFF) >> 1]!;
    const more = this.memory.u16[(pc + R_OP) >> 1] === this.#handlers.opMore;
    const rest = (this.memory.i32[FUEL >> 2]! - pc) | 0;
    const found = this.#decoded(() => {
      const page = this.#codePage(here);
      if (more) return page && this.code.continueRun(page, pc, offset);
      // Should a hook replace the first page now, the look-up after this instruction finds the new one.
      const nextPage = page && this.#codePage(here - offset + PAGE_SIZE);
      const span = page && nextPage && this.code.spanRecord(page, offset, nextPage.frame);
      if (span && this.memory.u32[RESYNC >> 2] === 0) this.code.linkSpan(page as CodePage, pc, offset);
      return span;
    });
    if (found === 0) this.#leave(EXIT_FAULT, rest);
    else if (more && found !== pc && this.memory.u32[RESYNC >> 2] === 0) this.code.linkRun(pc, found);
    return found;
  }

  #leave(reason: number, rest: number): void {
    this.memory.i32[EXIT_REASON >> 2] = reason;
    this.#rest = rest;
  }

  #setFault(signal: number, code: number, address: number, trapno: number, err: number): void {
    const { fault } = this;
    fault.signal = signal;
    fault.code = code;
    fault.address = address;
    fault.trapno = trapno;
    fault.err = err;
  }

  #setRip(record: number): void {
    this.#write64(RIP, this.instructionAddress(record));
  }

  #read64(at: number): number {
    const { i32, u32 } = this.memory;
    return i32[(at >> 2) + 1]! * TWO_32 + u32[at >> 2]!;
  }

  #write64(at: number, value: number): void {
    const { i32 } = this.memory;
    i32[at >> 2] = (value % TWO_32) | 0;
    i32[(at >> 2) + 1] = Math.floor(value / TWO_32);
  }
}

/** Bits 63 to 47 all equal, from the high half. */
function isCanonical(high: number): boolean {
  const top = high >> 15;
  return top === 0 || top === -1;
}
