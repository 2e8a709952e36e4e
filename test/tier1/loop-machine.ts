/**
 * A machine for tests of loops in translated code: some code, an area of memory with pages that may be read-only or missing, and
 * runs in slices, of which everything that can be seen is noted. Two of them, one without translator, must see the same.
 */
import * as assert from 'uvu/assert';
import { EXIT_FAULT, EXIT_SLICE, EXIT_SYSCALL, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { XMM } from '../../cpu/state.js';
import { CODE, EAGER, Guest, PAGE } from '../cpu/guest.js';

export const AREA = 0x700000;
export const PAGES = 8;
export const RW = PTE_READ | PTE_WRITE;
/** Pages of the area: one with rights that change, and one that is not always there. */
const GUARDED = 5;
const DOUBTFUL = 2;
const RSP = 4;

export interface Start {
  registers: readonly (readonly [register: number, value: number])[];
  /** Of page GUARDED. */
  rights: number;
  /** Page DOUBTFUL is. */
  isThere: boolean;
}

export class LoopMachine {
  readonly guest: Guest;
  /** Names of locals in the code that was translated. */
  readonly locals = new Set<string>();

  constructor(code: readonly number[], translated: boolean) {
    this.guest = new Guest({ translator: translated ? EAGER : null });
    const { guest } = this;
    const run = guest.memory.allocRun(PAGES);
    for (let i = 0; i < PAGES; i++) guest.map(AREA + i * PAGE, RW, run + i);
    for (let i = 0; i < PAGES * PAGE; i += 3) guest.write(AREA + i, [(i * 7) & 0xff]);
    guest.write(CODE, code);
    guest.cpu.watcher = ({ locals }) => {
      for (const name of locals.values()) this.locals.add(name);
    };
  }

  /** Runs the code to its system call or a fault, in slices. @returns what can be seen at the end of each slice */
  run({ registers, rights, isThere }: Start, budgets: readonly number[]): unknown[] {
    const { cpu, table } = this.guest;
    const first = AREA / PAGE;
    table.protect(first + GUARDED, rights);
    if (isThere) table.set(first + DOUBTFUL, table.frameOf(first) + DOUBTFUL, RW);
    else table.clear(first + DOUBTFUL);
    cpu.rip = CODE;
    for (const [register, value] of registers) cpu.setReg(register, value);
    const seen: unknown[] = [];
    for (let i = 0; ; i++) {
      const reason = cpu.run(budgets[i % budgets.length]!);
      seen.push([reason, this.#state()]);
      if (reason !== EXIT_SLICE) {
        assert.ok(reason === EXIT_SYSCALL || reason === EXIT_FAULT, `reason ${reason}`);
        return seen;
      }
    }
  }

  #state(): unknown {
    const { cpu, memory, faults, table } = this.guest;
    const registers = Array.from({ length: 16 }, (_, r) => (r === RSP ? '' : `${cpu.regHi(r)}:${cpu.regLo(r)}`));
    const xmm0 = Buffer.from(memory.u8.subarray(XMM, XMM + 16)).toString('hex');
    const at = table.frameOf(AREA / PAGE) * PAGE;
    let sum = 0;
    for (const byte of memory.u8.subarray(at, at + PAGES * PAGE)) sum = (Math.imul(sum, 31) + byte) | 0;
    return { registers, xmm0, sum, rip: cpu.rip, flags: cpu.rflags, retired: cpu.retired, faults: faults.slice(-1) };
  }
}

/** Runs both: what they see must be the same. */
export function runBoth(one: LoopMachine, other: LoopMachine, start: Start, budgets: readonly number[]): void {
  assert.equal(one.run(start, budgets), other.run(start, budgets));
}
