/** The processor under test, set up as harness.c sets up the real one: same addresses, same fill, same report. */
import { isErr } from '../../../abi/errno.js';
import { Cpu } from '../../../cpu/cpu.js';
import { EXIT_FAULT } from '../../../cpu/exits.js';
import { PageTable, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../../cpu/page-table.js';
import { PhysicalMemory } from '../../../cpu/physical-memory.js';
import { RIP } from '../../../cpu/state.js';
import { restoreFx, saveFx } from '../../../cpu/x87/index.js';
import * as n from './native.js';

const PAGE = 4096;
const BUDGET = 10000;

export class Machine {
  readonly memory = new PhysicalMemory(16 << 20);
  readonly cpu: Cpu;
  readonly #code: number;
  readonly #data: number;

  constructor() {
    this.cpu = new Cpu(this.memory, { pageFault: () => false, syscall: () => false, rdtsc: () => 0 });
    const table = PageTable.create(this.memory);
    if (isErr(table)) throw new Error('no memory for a page table');
    this.#code = this.memory.allocFrame();
    this.#data = this.memory.allocRun(2);
    table.set(n.CODE / PAGE, this.#code, PTE_READ | PTE_WRITE | PTE_EXEC);
    table.set(n.DATA / PAGE, this.#data, PTE_READ | PTE_WRITE);
    table.set(n.DATA / PAGE + 1, this.#data + 1, PTE_READ | PTE_WRITE);
    this.cpu.activate(table);
  }

  /** Clears the data pages, as a new run of the native harness does. */
  reset(): void {
    this.memory.u8.fill(0, this.#data * PAGE, (this.#data + 2) * PAGE);
  }

  /** Runs one case (IN_SIZE bytes) and writes its outcome (OUT_SIZE bytes). */
  run(input: Buffer, out: Buffer): void {
    const { memory, cpu } = this;
    const code = this.#code * PAGE + (n.CODE_AT - n.CODE);
    memory.willWrite(this.#code);
    memory.u8.fill(0xcc, this.#code * PAGE, (this.#code + 1) * PAGE);
    const length = input.readUInt32LE(n.IN_LENGTH);
    memory.u8.set(input.subarray(n.IN_CODE, n.IN_CODE + length), code);
    const block = this.#data * PAGE + (n.BLOCK_AT - n.DATA);
    memory.u8.set(input.subarray(n.IN_BLOCK, n.IN_BLOCK + n.BLOCK), block);
    for (let i = 0; i < 16; i++) {
      cpu.setRegHalves(i, input.readInt32LE(n.IN_GPR + 8 * i), input.readInt32LE(n.IN_GPR + 8 * i + 4));
    }
    cpu.rflags = input.readInt32LE(n.IN_RFLAGS);
    cpu.rip = n.CODE_AT;
    cpu.gsBase = n.GS_BASE;
    restoreFx(memory, input, n.IN_FX);
    cpu.fault.cr2 = 0;
    const exit = cpu.run(BUDGET);
    const { fault } = cpu;
    out.fill(0);
    out.writeUInt32LE(exit === EXIT_FAULT ? fault.signal : 0, n.OUT_SIGNAL);
    out.writeInt32LE(fault.code, n.OUT_CODE);
    out.writeBigInt64LE(BigInt.asIntN(64, BigInt(fault.address)), n.OUT_ADDRESS);
    out.writeBigInt64LE(BigInt(fault.trapno), n.OUT_TRAPNO);
    out.writeBigInt64LE(BigInt(fault.err), n.OUT_ERR);
    out.writeBigInt64LE(BigInt(fault.cr2), n.OUT_CR2);
    // cpu.rip is a number: not exact for every wild jump.
    out.set(memory.u8.subarray(RIP, RIP + 8), n.OUT_RIP);
    for (let i = 0; i < 16; i++) {
      out.writeInt32LE(cpu.regLo(i) | 0, n.OUT_GPR + 8 * i);
      out.writeInt32LE(cpu.regHi(i) | 0, n.OUT_GPR + 8 * i + 4);
    }
    out.writeUInt32LE(cpu.rflags >>> 0, n.OUT_RFLAGS);
    saveFx(memory, out, n.OUT_FX);
    out.set(memory.u8.subarray(block, block + n.BLOCK), n.OUT_BLOCK);
  }
}
