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

export interface CompareOptions {
  /** False where qemu does not emulate what is measured. */
  qemu?: boolean;
  /**
   * Before anything counts: a function, for every engine; 'runs', Banos measures until that gets no faster, and the first
   * run is a row of its own.
   */
  warmUp?: 'runs' | ((engine: Engine) => Promise<unknown>);
  /** How often each measurement is made; as many as the bench says if not given. */
  repeats?: number;
}

/**
 * Measures on native, qemu and every Banos in turn, several times over, so that a busy moment of the machine hits all
 * of them, and keeps each engine's best. A value whose `check` is not that of the first engine is no result.
 * @returns the row, which has been added
 */
export async function compare(
  bench: Bench,
  head: Head,
  measure: (engine: Engine) => Promise<Sample>,
  options: CompareOptions = {},
): Promise<Row> {
  progress(`${head.group}: ${head.name} ${head.library ?? ''}`);
  const { native, qemu, banos } = bench;
  // Native comes twice: it is what everything is divided by.
  const engines: Engine[] = [native, ...(qemu !== null && options.qemu !== false ? [qemu] : []), ...banos, native];
  const best = new Map<Engine, number>();
  const broken = new Set<Engine>();
  let check: string | null = null;
  const trying = async <T>(engine: Engine, what: () => Promise<T>): Promise<T | null> => {
    if (broken.has(engine)) return null;
    try {
      return await what();
    } catch (error) {
      broken.add(engine);
      best.delete(engine);
      failed(bench, head, engine.name, error);
      return null;
    }
  };
  const once = (engine: Engine): Promise<number | null> =>
    trying(engine, async () => {
      const sample = await measure(engine);
      // The first answer of this machine itself decides; a warm-up run comes before it and is not compared.
      if (engine === native) check ??= sample.check;
      if (check !== null && sample.check !== check) throw new Error(`answers ${sample.check}, natively ${check}`);
      return sample.value;
    });
  const { warmUp, repeats = bench.repeats } = options;
  const first: (number | null)[] = [];
  if (warmUp === 'runs') for (const engine of banos) first.push(await settle(() => once(engine)));
  else if (warmUp) for (const engine of new Set(engines)) await trying(engine, () => warmUp(engine));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const engine of engines) {
      const value = await once(engine);
      if (value !== null) best.set(engine, Math.min(value, best.get(engine) ?? Number.POSITIVE_INFINITY));
    }
  }
  const value = (engine: Engine | null): number | null => (engine === null ? null : (best.get(engine) ?? null));
  const row: Row = { ...head, native: value(native), qemu: value(qemu), banos: banos.map(value) };
  addRow(bench, row);
  if (warmUp === 'runs') addFirst(bench, row, 'first run', first);
  return row;
}

/** The beginning of what `row` measures, with nothing warm, as a row of its own: what is asked for is asked of later runs. */
export function addFirst(bench: Bench, row: Row, what: string, banos: (number | null)[]): void {
  const { goal: _, ...rest } = row;
  addRow(bench, { ...rest, group: 'first runs', name: `${row.name}, ${what}`, banos });
}

/**
 * A run that is not this much faster than the best before it is no progress. So many of them in a row are the end, if they
 * went on for as long as it took to get there, or everything has taken so long.
 */
const PROGRESS = 0.97;
const RUNS_WITHOUT_PROGRESS = 3;
const LONG_MS = 3000;
const MOST_RUNS = 100;

/** Measures until that gets no faster. @returns the first value */
async function settle(once: () => Promise<number | null>): Promise<number | null> {
  const start = performance.now();
  const first = await once();
  let best = first ?? 0;
  let idle = 0;
  let elapsed = performance.now() - start;
  let reached = elapsed;
  const isSettled = (): boolean => idle >= RUNS_WITHOUT_PROGRESS && elapsed >= Math.min(2 * reached, LONG_MS);
  for (let runs = 1; first !== null && runs < MOST_RUNS && !isSettled(); runs++) {
    const value = await once();
    if (value === null) break;
    elapsed = performance.now() - start;
    idle = value < best * PROGRESS ? 0 : idle + 1;
    if (idle === 0) reached = elapsed;
    best = Math.min(best, value);
  }
  return first;
}
