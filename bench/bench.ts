/** What every file of rows gets: the engines, the workshop, and places for rows and for what went wrong. */
import type { BanosEngine, Engine } from './engines.js';
import { label, type Results, type Row } from './report.js';

export interface Bench {
  /** Temporary directory with programs and inputs, the same path for every engine. */
  folder: string;
  native: Engine;
  /** Null where qemu-user is not installed. */
  qemu: Engine | null;
  banos: readonly BanosEngine[];
  /** A Banos engine like one of `banos`, in a process of its own; the caller closes it. */
  fresh: (engine: number) => BanosEngine;
  results: Results;
  /** How often each measurement is made. */
  repeats: number;
  quick: boolean;
  /** True when --only asks for this row. */
  wanted: (row: Pick<Row, 'name' | 'group' | 'library'>) => boolean;
}

/** Says on standard error what is under way; the table goes to standard output at the end. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else process.stderr.write(`${text}\n`);
}

export function addRow(bench: Bench, row: Row): void {
  bench.results.rows.push(row);
}

export function failed(bench: Bench, row: Pick<Row, 'name' | 'library'>, engine: string, error: unknown): void {
  bench.results.failures.push(`${label(row)}, ${engine}: ${(error as Error).message}`);
}

type Head = Pick<Row, 'group' | 'name' | 'library' | 'what' | 'unit' | 'goal'>;

/** One measurement on one engine. */
export interface Sample {
  value: number;
  /** What must be the same on every engine. */
  check: string;
}

/**
 * Measures on native, qemu and every Banos in turn, `repeats` times over, so that a busy moment of the machine hits all
 * of them, and keeps each engine's best. A value whose `check` is not that of the first engine is no result.
 * @param options.qemu false where qemu does not emulate what is measured
 * @param options.warmUp Banos runs it until that gets no faster, before anything counts; the first run is a row of its own
 */
export async function compare(
  bench: Bench,
  head: Head,
  measure: (engine: Engine) => Promise<Sample>,
  options: { qemu?: boolean; warmUp?: boolean } = {},
): Promise<void> {
  progress(`${head.group}: ${head.name} ${head.library ?? ''}`);
  const { native, qemu, banos } = bench;
  // Native comes twice: it is what everything is divided by.
  const engines: Engine[] = [native, ...(qemu !== null && options.qemu !== false ? [qemu] : []), ...banos, native];
  const best = new Map<Engine, number>();
  const broken = new Set<Engine>();
  let check: string | null = null;
  const once = async (engine: Engine): Promise<number | null> => {
    if (broken.has(engine)) return null;
    try {
      const sample = await measure(engine);
      // The first answer of this machine itself decides; a warm-up run comes before it and is not compared.
      if (engine === native) check ??= sample.check;
      if (check !== null && sample.check !== check) throw new Error(`answers ${sample.check}, natively ${check}`);
      return sample.value;
    } catch (error) {
      broken.add(engine);
      best.delete(engine);
      failed(bench, head, engine.name, error);
      return null;
    }
  };
  const first: (number | null)[] = [];
  if (options.warmUp) for (const engine of banos) first.push(await settle(() => once(engine)));
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    for (const engine of engines) {
      const value = await once(engine);
      if (value !== null) best.set(engine, Math.min(value, best.get(engine) ?? Number.POSITIVE_INFINITY));
    }
  }
  const value = (engine: Engine | null): number | null => (engine === null ? null : (best.get(engine) ?? null));
  const measured = { native: value(native), qemu: value(qemu) };
  addRow(bench, { ...head, ...measured, banos: banos.map(value) });
  if (!options.warmUp) return;
  // What is asked for is asked of later runs.
  const { goal: _, ...run } = head;
  addRow(bench, { ...run, group: 'first runs', name: `${head.name}, first run`, ...measured, banos: first });
}

/** A run that is not this much faster than the best before it is no progress, and so many of them in a row are the end. */
const PROGRESS = 0.97;
const RUNS_WITHOUT_PROGRESS = 3;
const MOST_RUNS = 20;

/** Measures until that gets no faster. @returns the first value */
async function settle(once: () => Promise<number | null>): Promise<number | null> {
  const first = await once();
  let best = first ?? 0;
  let idle = 0;
  for (let runs = 1; first !== null && runs < MOST_RUNS && idle < RUNS_WITHOUT_PROGRESS; runs++) {
    const value = await once();
    if (value === null) break;
    idle = value < best * PROGRESS ? 0 : idle + 1;
    best = Math.min(best, value);
  }
  return first;
}
