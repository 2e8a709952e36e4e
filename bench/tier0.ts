/**
 * Tier 0 on compiled C (tier0.c: sieve, CRC-32, Fibonacci) against the same program run natively: millions of
 * instructions per second and the ratio of times. Also start-up: making the processor, and its first instructions.
 * Needs gcc and an x86-64 Linux host.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isErr } from '../abi/errno.js';
import {
  Cpu,
  EXIT_SLICE,
  EXIT_SYSCALL,
  PageTable,
  PhysicalMemory,
  PTE_EXEC,
  PTE_READ,
  PTE_WRITE,
} from '../cpu/index.js';

const PAGE = 4096;
const SLICE = 2_000_000;
const STACK_TOP = 0x7ffffff00000;
const SYS_WRITE = 1;
const RAX = 0;
const RDX = 2;
const RSP = 4;
const RSI = 6;
const FLAGS = ['-O2', '-static', '-nostdlib', '-fno-stack-protector', '-fno-tree-vectorize'];

export interface Tier0Figures {
  createMs: number;
  firstRunMs: number;
  instructions: number;
  /** Of the whole run, the time in the baseline compiler's code included. */
  mips: number;
  nativeMs: number;
  ratio: number;
}

class BareProgram {
  readonly memory = new PhysicalMemory(64 << 20);
  readonly cpu: Cpu;
  output = '';
  #table: PageTable;

  constructor(file: string) {
    this.cpu = new Cpu(this.memory, { pageFault: () => false, syscall: () => this.#syscall(), rdtsc: () => 0 }, null);
    const table = PageTable.create(this.memory);
    if (isErr(table)) throw new Error('no memory for a page table');
    this.#table = table;
    const image = readFileSync(file);
    const headers = Number(image.readBigUInt64LE(32));
    for (let i = 0; i < image.readUInt16LE(56); i++) this.#segment(image, headers + i * 56);
    this.#map(STACK_TOP - 16 * PAGE, 16 * PAGE, PTE_READ | PTE_WRITE);
    this.cpu.activate(table);
    this.cpu.rip = Number(image.readBigUInt64LE(24));
    this.cpu.setReg(RSP, STACK_TOP - 256);
  }

  #segment(image: Buffer, at: number): void {
    const [type, flags] = [image.readUInt32LE(at), image.readUInt32LE(at + 4)];
    if (type !== 1) return;
    const [offset, address, , inFile, inMemory] = [8, 16, 24, 32, 40].map((k) => Number(image.readBigUInt64LE(at + k)));
    const prot = PTE_READ | (flags & 2 ? PTE_WRITE : 0) | (flags & 1 ? PTE_EXEC : 0);
    this.#map(address!, inMemory!, prot);
    for (let i = 0; i < inFile!; i++) this.memory.u8[this.#physical(address! + i)] = image[offset! + i]!;
  }

  #map(address: number, bytes: number, prot: number): void {
    for (let page = Math.floor(address / PAGE); page * PAGE < address + bytes; page++) {
      if (this.#table.frameOf(page) === 0) this.#table.set(page, this.memory.allocFrame(), prot);
    }
  }

  #physical(address: number): number {
    return this.#table.frameOf(Math.floor(address / PAGE)) * PAGE + (address % PAGE);
  }

  #syscall(): boolean {
    const { cpu } = this;
    if (cpu.reg(RAX) !== SYS_WRITE) return false;
    const length = cpu.reg(RDX);
    for (let i = 0; i < length; i++)
      this.output += String.fromCharCode(this.memory.u8[this.#physical(cpu.reg(RSI) + i)]!);
    cpu.setReg(RAX, length);
    return true;
  }
}

export function measureTier0(): Tier0Figures {
  const folder = mkdtempSync(join(tmpdir(), 'banos-bench-'));
  try {
    const file = join(folder, 'tier0');
    execFileSync('gcc', [
      ...FLAGS,
      '-fno-tree-loop-distribute-patterns',
      '-o',
      file,
      join(import.meta.dirname, 'tier0.c'),
    ]);
    const start = performance.now();
    const program = new BareProgram(file);
    const made = performance.now();
    let exit = program.cpu.run(1);
    const first = performance.now();
    while (exit === EXIT_SLICE) exit = program.cpu.run(SLICE);
    const end = performance.now();
    if (exit !== EXIT_SYSCALL) throw new Error(`the program left with ${exit}`);
    let nativeMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      const before = performance.now();
      const expected = execFileSync(file).toString();
      nativeMs = Math.min(nativeMs, performance.now() - before);
      if (expected !== program.output) throw new Error(`wrong result: ${program.output} instead of ${expected}`);
    }
    const instructions = program.cpu.totalRetired;
    return {
      createMs: made - start,
      firstRunMs: first - made,
      instructions,
      mips: instructions / (end - made) / 1000,
      nativeMs,
      ratio: (end - made) / nativeMs,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const { createMs, firstRunMs, instructions, mips, nativeMs, ratio } = measureTier0();
  console.log(`make the processor   ${createMs.toFixed(1)} ms, first instructions ${firstRunMs.toFixed(1)} ms`);
  console.log(
    `tier 0               ${mips.toFixed(0)} million instructions/s over ${(instructions / 1e6).toFixed(0)} million`,
  );
  console.log(`native               ${nativeMs.toFixed(0)} ms, ratio ${ratio.toFixed(1)}`);
}
