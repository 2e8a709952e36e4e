/**
 * Functions that are to run before anything else of a module, and after all else of it: C's constructor and destructor
 * attributes, C++'s static objects. The linker reports them; who loads the module calls them.
 * @source gABI, initialization and termination functions; GNU ld's default script for the order, .ctors and .dtors
 */
import { EINVAL } from '../../abi/errno.js';
import { i64, viewOf } from '../fields.js';
import type { LinkedSection, LinkedSegment } from './link.js';
import { printable, Refusal } from './refusal.js';

export interface Lifecycle {
  /** Addresses, signed, in the order to call them in. All in the module's code. */
  readonly constructors: readonly number[];
  readonly destructors: readonly number[];
}

interface Kind {
  readonly list: keyof Lifecycle;
  /** Entries of one section are called from its end to its beginning. */
  readonly backwards: boolean;
  /** Of the number at the end of the section's name. Small ones are constructed first, destructed last. */
  readonly priority: (number: number) => number;
}

/** A section without a number comes after all that have one. */
const UNNUMBERED = 65536;
const HIGHEST = 65535;

const KINDS: Readonly<Record<string, Kind>> = {
  '.preinit_array': { list: 'constructors', backwards: false, priority: () => -1 },
  '.init_array': { list: 'constructors', backwards: false, priority: (number) => number },
  '.ctors': { list: 'constructors', backwards: true, priority: (number) => HIGHEST - number },
  '.fini_array': { list: 'destructors', backwards: true, priority: (number) => number },
  '.dtors': { list: 'destructors', backwards: false, priority: (number) => HIGHEST - number },
};
const NAME = /^(\.preinit_array|\.init_array|\.fini_array|\.ctors|\.dtors)(?:\.(\d{1,5}))?$/;
const POINTER = 8;

interface Source {
  readonly kind: Kind;
  readonly priority: number;
  readonly functions: readonly number[];
}

export function findLifecycle(
  sections: readonly LinkedSection[],
  segments: readonly LinkedSegment[],
  text: LinkedSegment,
): Lifecycle | Refusal {
  const sources: Source[] = [];
  for (const section of sections) {
    const match = NAME.exec(section.name);
    if (match === null || section.size === 0) continue;
    const kind = KINDS[match[1]!]!;
    const functions = readPointers(section, segments, text);
    if (functions instanceof Refusal) return functions;
    const priority = match[2] === undefined ? UNNUMBERED : kind.priority(Number(match[2]));
    sources.push({ kind, priority, functions: kind.backwards ? functions.toReversed() : functions });
  }
  const inOrder = sources.toSorted((a, b) => a.priority - b.priority);
  const of = (list: keyof Lifecycle, from: readonly Source[]): readonly number[] =>
    from.filter(({ kind }) => kind.list === list).flatMap(({ functions }) => functions);
  return { constructors: of('constructors', inOrder), destructors: of('destructors', inOrder.toReversed()) };
}

function readPointers(
  section: LinkedSection,
  segments: readonly LinkedSegment[],
  text: LinkedSegment,
): readonly number[] | Refusal {
  const home = segments.find(({ address, bytes }) => {
    const offset = section.address - address;
    return offset >= 0 && offset + section.size <= bytes.length;
  });
  const shown = `section ${printable(section.name)}`;
  if (home === undefined || section.size % POINTER !== 0) return new Refusal(EINVAL, `${shown} holds no pointers`);
  const view = viewOf(home.bytes);
  const functions: number[] = [];
  for (let at = 0; at < section.size; at += POINTER) {
    const address = i64(view, section.address - home.address + at);
    // Ends of lists, as start-up files write them.
    if (address === 0 || address === -1) continue;
    if (address < text.address || address >= text.address + text.bytes.length) {
      return new Refusal(EINVAL, `${shown}: entry ${at / POINTER} lies outside of the module's code`);
    }
    functions.push(address);
  }
  return functions;
}
