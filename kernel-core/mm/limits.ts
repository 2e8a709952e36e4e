import { RLIMIT_STACK } from '../../abi/resource.js';

/** What bounds an address space from outside. `Process` satisfies it; the numbers may change at any time (setrlimit). */
export interface MmLimits {
  /** Soft limit in bytes by RLIMIT_*; Infinity for none. Used: RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK. */
  limit(resource: number): number;
}

/** No limit but the stack's usual 8 MiB. */
export const DEFAULT_LIMITS: MmLimits = {
  limit: (resource) => (resource === RLIMIT_STACK ? 8 * 2 ** 20 : Number.POSITIVE_INFINITY),
};
