/**
 * The processor: one context at a time, loaded into fixed places of the WebAssembly memory, run in slices.
 *
 * Everything outside emitted code happens through `CpuHooks`: demand paging, system calls, time stamps. The class
 * holds no lock and never waits.
 */
import type { DebugMarks } from './debug-marks.js';
import { Engine } from './engine.js';
import type { FaultInfo } from './exits.js';
import { readFlags, writeFlags } from './flags.js';
import { Nesting } from './nesting.js';
import type { PageTable } from './page-table.js';
import type { PhysicalMemory } from './physical-memory.js';
import {
  CONTEXT_SIZE,
  DF,
  FCW,
  FS_BASE,
  FTOP,
  FTW,
  GPR,
  GS_BASE,
  MXCSR,
  OTHER_FLAGS,
  RESYNC,
  RIP,
  TLB,
} from './state.js';
import type { CodeStore } from './tier1/cache.js';
import { DEFAULT_TRANSLATOR, type TranslatorOptions, type TranslatorStats } from './tier1/translator-options.js';
import type { RegionWatcher } from './tier1/watch.js';
import { restoreFx, saveFx } from './x87/index.js';

export interface CpuHooks {
  /**
   * A page is absent or does not permit the access. `Cpu.fault` already says what a plain SIGSEGV would; the hook may
   * change its signal and code before it returns false.
   * @param address signed, first byte of the access that lies in the page
   * @param access PTE_READ, PTE_WRITE or PTE_EXEC
   * @returns true when the page table was mended: try again; false: leave with EXIT_FAULT
   */
  pageFault(address: number, access: number): boolean;
  /**
   * `syscall`: rip is already behind it, rcx = rip, r11 = rflags as the hardware does. May change registers, mappings
   * and the active page table.
   * @returns true: go on at rip; false: leave with EXIT_SYSCALL
   */
  syscall(): boolean;
  /**
   * The task that runs is at a breakpoint of its address space. Absent: it wants to be told.
   * @returns true: leave with EXIT_BREAK; false: go on as if there were none
   */
  breakpoint?(address: number): boolean;
  /** Time stamp counter, below 2^53. */
  rdtsc(): number;
  /** Nanoseconds, for statistics and to give the event loop its turn. Absent: no time passes. */
  clock?(): number;
  /** Writes eax, ebx, ecx, edx. Absent: `defaultCpuid`. */
  cpuid?(leaf: number, subleaf: number, out: Uint32Array): void;
}

export interface CpuStats {
  instructions: number;
  /** Of these, in translated code. */
  translated: number;
  codePages: number;
  decodedRecords: number;
  tlbMisses: number;
  exits: Record<number, number>;
  /** Undefined while nothing was translated. */
  translator: TranslatorStats | undefined;
}

const FCW_DEFAULT = 0x37f;
const FTW_EMPTY = 0xffff;
const CONTEXTS_AT_ONCE = 16;
const MXCSR_DEFAULT = 0x1f80;

export class Cpu {
  readonly contextSize = CONTEXT_SIZE;
  /** Instructions since the processor was made. */
  totalRetired = 0;
  #memory: PhysicalMemory;
  #engine: Engine;
  /** The registers, and the view of memory that they are a part of. */
  #view: Uint8Array;
  #viewOf: Uint8Array;
  #slab = new ArrayBuffer(0);
  #slabUsed = CONTEXTS_AT_ONCE;

  /**
   * @param translator how hot code becomes WebAssembly of its own (tier 1); null: it does not
   * @param store where such code is kept between runs
   */
  constructor(
    memory: PhysicalMemory,
    hooks: CpuHooks,
    translator: TranslatorOptions | null = DEFAULT_TRANSLATOR,
    store?: CodeStore,
  ) {
    this.#memory = memory;
    this.#engine = new Engine(memory, hooks, translator, store);
    this.#viewOf = memory.u8;
    this.#view = memory.u8.subarray(0, CONTEXT_SIZE);
    this.resetContext();
  }

  /** Valid after EXIT_FAULT, and while the pageFault hook runs. */
  get fault(): FaultInfo {
    return this.#engine.fault;
  }

  /** Instructions of the last run. */
  get retired(): number {
    return this.#engine.retired;
  }

  /** For hooks that run code themselves. @returns undefined when there is no memory for it */
  makeNesting(): Nesting | undefined {
    return Nesting.create(this.#memory, this.#engine);
  }

  /** Switches the address space. The table must outlive its time as the active one. */
  activate(pageTable: PageTable): void {
    this.#memory.u32[TLB >> 2] = pageTable.tlb;
    this.#engine.setPageTable(pageTable);
    this.#memory.u32[RESYNC >> 2] = 1;
  }

  /**
   * Runs up to about `budget` instructions: the end is checked at taken branches.
   * @returns one of EXIT_*; `retired` tells how many instructions ran
   */
  run(budget: number): number {
    const reason = this.#engine.run(budget);
    this.totalRetired += this.#engine.retired;
    return reason;
  }

  /**
   * Executes one instruction, or one round of a repeated one; breakpoints are passed over.
   * @returns EXIT_SLICE when it is over, EXIT_SYSCALL when its system call left, EXIT_FAULT
   */
  step(): number {
    const reason = this.#engine.step();
    this.totalRetired += this.#engine.retired;
    return reason;
  }

  /** What a debugger wants to be told of in an address space from now on; for use outside of `run`. */
  mark(pageTable: PageTable, marks: DebugMarks | null): void {
    this.#engine.mark(pageTable, marks);
  }

  /** Address of the access that made the last run or step hit a watchpoint; NaN: none. The instruction is over. */
  get watchHit(): number {
    return this.#engine.watchHit;
  }

  /** For use outside of `run`: gives back the memory of decodings that went since the last run. */
  releaseCode(): void {
    this.#engine.code.release();
  }

  /** Who gets to see every region as it is translated. */
  set watcher(watcher: RegionWatcher | undefined) {
    this.#engine.watcher = watcher;
  }

  /** Nanoseconds of the hook's clock that went into translation. */
  get translationTime(): number {
    return this.#engine.translationTime;
  }

  /** Whether there is translated code that was not written for later runs yet. */
  get hasCodeToKeep(): boolean {
    return this.#engine.hasCodeToKeep;
  }

  /** Writes translated code for later runs. */
  keepCode(): void {
    this.#engine.keepCode();
  }

  /** Makes `run` leave with EXIT_STOP at the next instruction boundary; for use from hooks. */
  requestStop(): void {
    this.#engine.requestStop();
  }

  /** Signed 64-bit value as a number: exact below 2^53. */
  reg(index: number): number {
    return this.#read64(GPR + index * 8);
  }

  regLo(index: number): number {
    return this.#memory.u32[(GPR >> 2) + index * 2]!;
  }

  regHi(index: number): number {
    return this.#memory.u32[(GPR >> 2) + index * 2 + 1]!;
  }

  setReg(index: number, value: number): void {
    this.#write64(GPR + index * 8, value);
  }

  setRegHalves(index: number, lo: number, hi: number): void {
    const { i32 } = this.#memory;
    i32[(GPR >> 2) + index * 2] = lo;
    i32[(GPR >> 2) + index * 2 + 1] = hi;
  }

  get rip(): number {
    return this.#read64(RIP);
  }
  set rip(value: number) {
    this.#write64(RIP, value);
  }

  get rflags(): number {
    return readFlags(this.#memory);
  }
  set rflags(value: number) {
    writeFlags(this.#memory, value);
  }

  get fsBase(): number {
    return this.#read64(FS_BASE);
  }
  set fsBase(value: number) {
    this.#write64(FS_BASE, value);
  }

  get gsBase(): number {
    return this.#read64(GS_BASE);
  }
  set gsBase(value: number) {
    this.#write64(GS_BASE, value);
  }

  /** The full tag word of the x87, two bits for each physical register. */
  get x87Tags(): number {
    return this.#memory.i32[FTW >> 2]!;
  }

  /** Room for a context that is not loaded. Made from larger pieces: an array of its own costs as much as starting a task. */
  newContext(): Uint8Array {
    if (this.#slabUsed === CONTEXTS_AT_ONCE) {
      this.#slab = new ArrayBuffer(CONTEXTS_AT_ONCE * CONTEXT_SIZE);
      this.#slabUsed = 0;
    }
    return new Uint8Array(this.#slab, CONTEXT_SIZE * this.#slabUsed++, CONTEXT_SIZE);
  }

  /** Copies the loaded context out: `contextSize` bytes. */
  saveContext(target: Uint8Array): void {
    target.set(this.#registers());
  }

  /** @param source `contextSize` bytes */
  loadContext(source: Uint8Array): void {
    this.#registers().set(source);
  }

  /** The loaded context. A view is made when memory has moved, not at every switch. */
  #registers(): Uint8Array {
    const { u8 } = this.#memory;
    if (this.#viewOf !== u8) {
      this.#viewOf = u8;
      this.#view = u8.subarray(0, CONTEXT_SIZE);
    }
    return this.#view;
  }

  /** Writes the fxsave image of the signal frame: bytes 0…415 at `target[offset]`. */
  fxsave(target: Uint8Array, offset: number): void {
    saveFx(this.#memory, target, offset);
  }

  /** Loads x87, MXCSR and xmm registers from an image. @returns false, with nothing changed, for reserved MXCSR bits */
  fxrstor(source: Uint8Array, offset: number): boolean {
    return restoreFx(this.#memory, source, offset);
  }

  /** x87, MXCSR and xmm registers as a fresh program and a signal handler find them: control words at their defaults, the rest 0. */
  resetFloatingPoint(): void {
    const { u8, i32 } = this.#memory;
    u8.fill(0, FCW, CONTEXT_SIZE);
    i32[FCW >> 2] = FCW_DEFAULT;
    i32[FTW >> 2] = FTW_EMPTY;
    i32[MXCSR >> 2] = MXCSR_DEFAULT;
  }

  /**
   * What a function finds that is called from nowhere: flags as the calling convention wants them, default floating point, other
   * registers as they are.
   * @param thread address in fs and gs
   * @param place physical address of what the stack pointer points to, which becomes the return address `back`
   */
  enterFunction(address: number, stack: number, thread: number, place: number, back: number): void {
    this.#engine.nested.enter(address, stack, thread, place, back);
    const { i32 } = this.#memory;
    i32[DF >> 2] = 0;
    i32[OTHER_FLAGS >> 2] = 0;
    i32[MXCSR >> 2] = MXCSR_DEFAULT;
    if (i32[FTW >> 2] !== FTW_EMPTY || i32[FCW >> 2] !== FCW_DEFAULT || i32[FTOP >> 2] !== 0) this.resetFloatingPoint();
  }

  /** The first arguments of a C function: rdi, rsi, rdx, rcx. @source System V psABI AMD64 */
  setArguments(a: number, b: number, c: number, d: number): void {
    this.#engine.nested.pass(a, b, c, d);
  }

  /** The context of a fresh program: zero registers, default floating-point control words. */
  resetContext(): void {
    this.#memory.u8.fill(0, 0, FCW);
    this.resetFloatingPoint();
    writeFlags(this.#memory, 0);
  }

  /** Counters since the processor was made; `exits` by EXIT_* reason. */
  stats(): CpuStats {
    const { code, exits, tlbMisses } = this.#engine;
    return {
      instructions: this.totalRetired,
      translated: this.#engine.translated,
      codePages: code.pageCount,
      decodedRecords: code.decodedRecords,
      tlbMisses,
      exits: { ...exits },
      translator: this.#engine.translatorStats,
    };
  }

  // System calls live from these: values of 32 bits stay integers of the engine, without arithmetic on doubles.

  #read64(at: number): number {
    const { i32, u32 } = this.#memory;
    const low = i32[at >> 2]!;
    const high = i32[(at >> 2) + 1]!;
    return high === low >> 31 ? low : high * 2 ** 32 + u32[at >> 2]!;
  }

  #write64(at: number, value: number): void {
    const { i32 } = this.#memory;
    const low = value | 0;
    i32[at >> 2] = low;
    i32[(at >> 2) + 1] = low === value ? low >> 31 : Math.floor(value / 2 ** 32);
  }
}
