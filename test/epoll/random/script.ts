/** Random scripts for the interpreter beside this file. The same seed makes the same script. */
import type { Kind } from './kinds.js';

/** Numbers from 0 up to 1 that follow from `seed`: a multiplicative generator modulo 2^31 - 1. */
function seeded(seed: number): () => number {
  const modulus = 2 ** 31 - 1;
  let state = ((seed * 7919) % (modulus - 1)) + 1;
  return () => {
    state = (state * 48271) % modulus;
    return (state - 1) / (modulus - 1);
  };
}

/** An operation that makes no sense (on an end that is closed, say) is one, too: it must fail in the same way. */
export function makeScript(seed: number, kinds: readonly Kind[], steps: number): string {
  const random = seeded(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const objects: Kind[] = [];
  const lines: string[] = [];
  const create = (): void => {
    const kind = kinds[below(kinds.length)];
    objects.push(kind);
    lines.push(`new ${kind.name}`);
  };
  const size = ({ largest }: Kind): number => (below(3) === 0 ? below(largest + 1) : below(Math.min(largest, 40) + 1));
  create();
  while (lines.length < steps) {
    const at = below(objects.length);
    const kind = objects[at];
    const end = below(kind.ends);
    const choice = below(100);
    if (choice < 12 && objects.length < 20) create();
    else if (choice < 40) lines.push(`write ${at} ${end} ${writeSize(kind, size(kind))}`);
    else if (choice < 65) lines.push(`read ${at} ${end} ${size(kind)}`);
    else if (choice < 69) lines.push(`close ${at} ${end}`);
    else if (choice < 73 && objects.length < 24) {
      objects.push({ ...kind, ends: 1 });
      lines.push(`dup ${at} ${end}`);
    } else if (choice < 80) lines.push(`again ${at} ${end} ${below(4)}`);
    else lines.push(`special ${at} ${below(kind.specials)} ${below(2 * objects.length)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Bytes that an eventfd takes are a number, far too large with the interpreter's letters: `special` writes those that fit. */
const writeSize = ({ name }: Kind, size: number): number =>
  (name === 'eventfd' || name === 'semaphore') && size === 8 ? 7 : size;
