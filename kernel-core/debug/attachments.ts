/**
 * The processes that a debugger has attached to, with the breakpoints and watchpoints that it has set in each and in the
 * kernel's half of the address space. What happens to tasks is the business of debugger.ts.
 */
import { isKernelAddress } from '../drivers/layout.js';
import type { Kernel } from '../kernel.js';
import type { Process } from '../process.js';
import { type Attached, applyMarks, clearMarks, type Marks, machineTask, makeMarks, watchpointAt } from './marks.js';

export class Attachments {
  /** Marks in the kernel's half of the address space: for drivers, on whose behalf ever they run. */
  readonly kernelMarks: Marks = makeMarks();
  readonly #kernel: Kernel;
  readonly #processes = new Map<Process, Attached>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get processes(): IterableIterator<Process> {
    return this.#processes.keys();
  }

  has(process: Process): boolean {
    return this.#processes.has(process);
  }

  get(process: Process): Attached | undefined {
    return this.#processes.get(process);
  }

  /** @returns false: it does not run machine code, or has ended */
  add(process: Process, wasThere: boolean): boolean {
    if (machineTask(process) === null || process === this.#kernel.init) return false;
    if (!this.has(process)) this.#processes.set(process, { ...makeMarks(), wasThere });
    return true;
  }

  /** A copy of an attached process has the same marks. */
  addCopy(child: Process, { breakpoints, watchpoints }: Marks): void {
    this.#processes.set(child, {
      wasThere: false,
      breakpoints: new Set(breakpoints),
      watchpoints: new Map(watchpoints),
      isStale: true,
    });
  }

  /** Forgets one that lives on; the processor forgets its marks. @returns false: it was none */
  remove(process: Process): boolean {
    if (!this.has(process)) return false;
    this.#unmark(process);
    return this.#processes.delete(process);
  }

  /** One has ended. @returns false: it was none */
  ended(process: Process): boolean {
    return this.#processes.delete(process);
  }

  /** Forgets the marks in the kernel's half. */
  clearKernel(): void {
    clearMarks(this.kernelMarks);
    this.#markKernel();
  }

  /** Those in whose space an address lies, as `process` sees it. */
  marksAt(address: number, process: Process): Marks | undefined {
    return isKernelAddress(address) ? this.kernelMarks : this.get(process);
  }

  /** What is at the address that the processor has found to be watched. @returns undefined: it has found nothing, or nothing that counts for `process` */
  watched(process: Process): Watched | undefined {
    const { watchHit } = this.#kernel.cpu;
    return Number.isNaN(watchHit) ? undefined : watchedAt(this.marksAt(watchHit, process), watchHit);
  }

  /** As `watched`, of the kernel's half, on whose behalf ever it runs. */
  watchedByKernel(): Watched | undefined {
    return watchedAt(this.kernelMarks, this.#kernel.cpu.watchHit);
  }

  /** The processor learns what has changed. */
  apply(): void {
    if (this.kernelMarks.isStale) this.#markKernel();
    for (const [process, attached] of this.#processes) {
      const space = attached.isStale ? machineTask(process)?.mm : null;
      if (space) applyMarks(this.#kernel.cpu, space.pageTable, attached);
    }
  }

  #markKernel(): void {
    const { drivers, cpu } = this.#kernel;
    // Before the first driver there is nothing that could have them.
    if (drivers.isStarted) applyMarks(cpu, drivers.space.pageTable, this.kernelMarks);
  }

  #unmark(process: Process): void {
    const space = machineTask(process)?.mm;
    if (!space || space.pageTable.marks === null) return;
    // The parent of a vfork has the same space, and keeps its own.
    const sharer = [...this.processes].find((other) => other !== process && machineTask(other)?.mm === space);
    if (sharer === undefined) this.#kernel.cpu.mark(space.pageTable, null);
  }
}

interface Watched {
  readonly address: number;
  /** It is watched for reads, too. */
  readonly reads: boolean;
}

function watchedAt(marks: Marks | undefined, address: number): Watched | undefined {
  const found = marks && watchpointAt(marks, address);
  return found && { address, reads: found.reads };
}
