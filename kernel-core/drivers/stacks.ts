/**
 * Kernel stacks: 16 KiB each, with a page below and above that is never there, so that whoever overflows faults. They are
 * mapped when first used and kept for the next call.
 */
import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { MAX_STACKS, STACK_SIZE, STACK_STRIDE, STACKS_START } from './layout.js';
import { type KernelSpace, RW } from './space.js';

/** Stacks that stay mapped though nobody uses them. */
const KEPT = 8;

export interface KernelStack {
  readonly index: number;
  /** Lowest address. */
  readonly low: number;
  /** Behind the highest one. */
  readonly top: number;
  /** Physical address of its last page. */
  readonly topPage: number;
}

export class KernelStacks {
  readonly #space: KernelSpace;
  readonly #idle: KernelStack[] = [];
  /** Indices that were used and are unmapped. */
  readonly #free: number[] = [];
  #next = 0;

  constructor(space: KernelSpace) {
    this.#space = space;
  }

  /** @returns -ENOMEM */
  take(): KernelStack | Err {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const index = this.#free.pop() ?? this.#next;
    if (index >= MAX_STACKS) return fail(ENOMEM);
    const low = STACKS_START + PAGE_SIZE + index * STACK_STRIDE;
    const failed = this.#space.map(low, STACK_SIZE / PAGE_SIZE, RW);
    if (isErr(failed)) {
      if (index !== this.#next) this.#free.push(index);
      return failed;
    }
    if (index === this.#next) this.#next++;
    const top = low + STACK_SIZE;
    return { index, low, top, topPage: this.#space.frameAt(top - PAGE_SIZE) * PAGE_SIZE };
  }

  give(stack: KernelStack): void {
    if (this.#idle.length < KEPT) {
      this.#idle.push(stack);
      return;
    }
    this.#space.unmap(stack.low, STACK_SIZE / PAGE_SIZE);
    this.#free.push(stack.index);
  }

  /** Is an address in the page that guards a stack? */
  isGuard(address: number): boolean {
    const offset = address - STACKS_START;
    return offset >= 0 && offset < MAX_STACKS * STACK_STRIDE + PAGE_SIZE && offset % STACK_STRIDE < PAGE_SIZE;
  }
}
