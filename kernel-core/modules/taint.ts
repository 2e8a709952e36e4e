/** What makes the kernel tainted, and how reports say so. @source Linux kernel/panic.c, Documentation/admin-guide/tainted-kernels.rst */
import { TAINT_LETTERS, type TaintLetter } from '../../abi/modules.js';

/** Licences whose modules do not taint: those that Linux knows, and others that are free. */
const FREE =
  /^(GPL( v2)?( and additional rights)?|Dual (BSD|MIT|MPL)\/GPL|L?GPL[- ]?v?[\d.]*(-only|-or-later|\+)?|MIT|BSD([- ][234][- ]clause)?|ISC|Apache[- ]2\.0|MPL[- ][\d.]+|Zlib|Unlicense|CC0([- ]1\.0)?|public domain)$/i;

export const isFreeLicense = (license: string): boolean => FREE.test(license.trim());

export class Taints {
  #mask = 0;

  /** As /proc/sys/kernel/tainted. */
  get mask(): number {
    return this.#mask;
  }

  has(letter: TaintLetter): boolean {
    return (this.#mask & bitOf(letter)) !== 0;
  }

  /** @returns whether it is the first time */
  add(letter: TaintLetter): boolean {
    const isNew = !this.has(letter);
    this.#mask |= bitOf(letter);
    return isNew;
  }

  /** As reports have it: `Not tainted`, or `Tainted: G        O`, each letter at its place. */
  get text(): string {
    if (this.#mask === 0) return 'Not tainted';
    let letters = '';
    for (let bit = 0; bit < TAINT_LETTERS.length; bit++) {
      const isSet = (this.#mask & (1 << bit)) !== 0;
      // Without proprietary modules the first letter is G.
      letters += isSet ? TAINT_LETTERS[bit] : bit === 0 ? 'G' : ' ';
    }
    return `Tainted: ${letters}`;
  }
}

const bitOf = (letter: TaintLetter): number => 1 << TAINT_LETTERS.indexOf(letter);
