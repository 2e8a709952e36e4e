/** A bare machine for tests: code at 0x400000, data at 0x500000 (two pages each unless said otherwise), stack below 0x600000. */
import { isErr } from '../../abi/errno.js';
import { Cpu, type CpuHooks, PageTable, PhysicalMemory, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { DEFAULT_TRANSLATOR, type TranslatorOptions } from '../../cpu/tier1/translator-options.js';

export const CODE = 0x400000;
export const DATA = 0x500000;
export const STACK_TOP = 0x600000;
export const PAGE = 4096;
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** Translates whatever a machine executes a few times. */
export const EAGER: TranslatorOptions = {
  ...DEFAULT_TRANSLATOR,
  interval: 500,
  maxInterval: 1000,
  firstRound: 1000,
  hotCalls: 1,
  hotLoops: 1,
  worth: 0,
};

export class Guest {
  readonly memory: PhysicalMemory;
  readonly table: PageTable;
  readonly cpu: Cpu;
  readonly faults: [address: number, access: number][] = [];
  syscalls = 0;
  hooks: Partial<CpuHooks> = {};

  constructor(
    options: { limit?: number; codePages?: number; codeWritable?: boolean; translator?: TranslatorOptions | null } = {},
  ) {
    this.memory = new PhysicalMemory(options.limit ?? 16 << 20);
    const hooks: CpuHooks = {
      pageFault: (address, access) => {
        this.faults.push([address, access]);
        return this.hooks.pageFault?.(address, access) ?? false;
      },
      syscall: () => {
        this.syscalls++;
        return this.hooks.syscall?.() ?? false;
      },
      breakpoint: (address) => this.hooks.breakpoint?.(address) ?? true,
      rdtsc: () => 0x1234567890,
    };
    this.cpu = new Cpu(this.memory, hooks, options.translator);
    this.table = newTable(this.memory);
    const code = PTE_READ | PTE_EXEC | (options.codeWritable ? PTE_WRITE : 0);
    for (let i = 0; i < (options.codePages ?? 2); i++) this.map(CODE + i * PAGE, code);
    for (let i = 0; i < 2; i++) this.map(DATA + i * PAGE, PTE_READ | PTE_WRITE);
    this.map(STACK_TOP - PAGE, PTE_READ | PTE_WRITE);
    this.cpu.activate(this.table);
    this.cpu.rip = CODE;
    this.cpu.setReg(RSP, STACK_TOP);
  }

  map(address: number, prot: number, frame = this.memory.allocFrame()): number {
    this.table.set(address / PAGE, frame, prot);
    return frame;
  }

  write(address: number, bytes: readonly number[]): void {
    for (const [i, byte] of bytes.entries()) {
      const frame = this.table.frameOf(Math.floor((address + i) / PAGE));
      this.memory.willWrite(frame);
      this.memory.u8[frame * PAGE + ((address + i) % PAGE)] = byte;
    }
  }

  byte(address: number): number {
    return this.memory.u8[this.table.frameOf(Math.floor(address / PAGE)) * PAGE + (address % PAGE)]!;
  }

  /** Puts code at CODE and runs it. */
  run(code: readonly number[], budget = 10000): number {
    this.write(CODE, code);
    return this.cpu.run(budget);
  }
}

export function newTable(memory: PhysicalMemory): PageTable {
  const table = PageTable.create(memory);
  if (isErr(table)) throw new Error('no memory for a page table');
  return table;
}

/** `mov r32, imm32` */
export function movImm(register: number, value: number): number[] {
  return [0xb8 + register, value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];
}

export const SYSCALL = [0x0f, 0x05];

/** ecx = 100; eax += ecx until ecx is 0. 302 instructions with the syscall. */
export const SUM = [...movImm(RCX, 100), 0x31, 0xc0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa, ...SYSCALL];
