/** The name of a core file. @source core(5), "Naming of core dump files" */

/** What a pattern's specifiers stand for. Texts are latin1. */
export interface CoreNameFacts {
  readonly pid: number;
  readonly tid: number;
  readonly uid: number;
  readonly gid: number;
  readonly dumpable: number;
  readonly signal: number;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly hostname: string;
  readonly comm: string;
  /** Path of the program; null: it is not known. */
  readonly executable: string | null;
  /** Soft limit of core files in bytes; Infinity: none. */
  readonly limit: number;
}

/** RLIM_INFINITY. */
const UNLIMITED = '18446744073709551615';

/** No part of a path comes out of a name that a program chose. */
function contained(text: string): string {
  if (text === '') return '!';
  const name = text === '.' ? '!' : text === '..' ? '!.' : text;
  return name.replaceAll('/', '!');
}

const program = ({ executable, comm }: CoreNameFacts): string => executable ?? `${comm} (path unknown)`;

const SPECIFIERS: Readonly<Record<string, (facts: CoreNameFacts) => string | number>> = {
  '%': () => '%',
  p: ({ pid }) => pid,
  P: ({ pid }) => pid,
  i: ({ tid }) => tid,
  I: ({ tid }) => tid,
  u: ({ uid }) => uid,
  g: ({ gid }) => gid,
  d: ({ dumpable }) => dumpable,
  s: ({ signal }) => signal,
  t: ({ time }) => time,
  h: ({ hostname }) => contained(hostname),
  e: ({ comm }) => contained(comm),
  f: (facts) => contained(program(facts).replace(/^.*\//s, '')),
  E: (facts) => contained(program(facts)),
  c: ({ limit }) => (limit === Number.POSITIVE_INFINITY ? UNLIMITED : limit),
  // There is one processor.
  C: () => 0,
};

/** @param usesPid the number of the process is put behind a name that does not have it */
export function coreName(pattern: string, usesPid: boolean, facts: CoreNameFacts): string {
  let hasPid = false;
  // Specifiers that are not known, and a % at the end, give nothing.
  const name = pattern.replace(/%(.?)/gs, (_all, letter: string) => {
    if (letter === 'p') hasPid = true;
    return `${SPECIFIERS[letter]?.(facts) ?? ''}`;
  });
  return usesPid && !hasPid ? `${name}.${facts.pid}` : name;
}
