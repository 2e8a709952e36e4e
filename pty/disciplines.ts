/** The line disciplines that a kernel has: N_TTY and N_NULL from the start, others as drivers bring them. */
import { EEXIST, EINVAL, type Err, fail } from '../abi/errno.js';
import type { DisciplineType } from './ldisc.js';
import { NULL_DISCIPLINE } from './n-null.js';
import { TTY_DISCIPLINE } from './n-tty.js';

/** Numbers are below it. @source uapi/linux/tty.h N_*, NR_LDISCS */
const DISCIPLINE_LIMIT = 31;

export class LineDisciplines {
  readonly #types = new Map<number, DisciplineType>([
    [TTY_DISCIPLINE.number, TTY_DISCIPLINE],
    [NULL_DISCIPLINE.number, NULL_DISCIPLINE],
  ]);

  get(number: number): DisciplineType | undefined {
    return this.#types.get(number);
  }

  /** @returns 0; -EINVAL for a number that cannot be; -EEXIST */
  register(type: DisciplineType): number | Err {
    const { number } = type;
    if (!Number.isInteger(number) || number < 0 || number >= DISCIPLINE_LIMIT) return fail(EINVAL);
    if (this.#types.has(number)) return fail(EEXIST);
    this.#types.set(number, type);
    return 0;
  }

  /** Nobody gets it any more; terminals that have it keep it. */
  unregister(type: DisciplineType): void {
    if (this.#types.get(type.number) === type) this.#types.delete(type.number);
  }

  /** By ascending number. */
  list(): DisciplineType[] {
    return [...this.#types.values()].sort((a, b) => a.number - b.number);
  }
}
