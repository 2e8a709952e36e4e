/** Rows of the bench, what is summed up from them, and the table that people read. */

/**
 * `checks`: accesses that must fault; mostly signal delivery, so in no mean. `first runs`: of programs and rates, with nothing
 * translated yet, or in a kernel that nothing has run in.
 */
export type Group = 'kernels' | 'checks' | 'programs' | 'first runs' | 'rates' | 'typescript' | 'start' | 'memory';

const IN_MEANS: readonly Group[] = ['kernels', 'programs', 'rates'];

export interface Row {
  group: Group;
  name: string;
  /** C library of a compiled program. */
  library?: string;
  /** What the row stands for. */
  what?: string;
  unit: 'ns' | 'us' | 'ms' | 'MB' | 'kB' | 'MIPS';
  /** The same on this machine's own Linux; null where there is nothing to compare with. */
  native: number | null;
  qemu: number | null;
  /** One figure per Banos engine, in the order of `Results.engines`; null: not measured, or failed as `Results.failures` says. */
  banos: (number | null)[];
  /** What is asked for, where something is. */
  goal?: string;
}

export interface Results {
  time: string;
  commit: string;
  /** One short measurement per row: noisier than a full run. */
  quick: boolean;
  machine: Record<string, string | number>;
  /** Names of the Banos engines, with the version of Node. */
  engines: string[];
  rows: Row[];
  /** What could not be measured here, and why. */
  missing: string[];
  /** What went wrong: a program that failed, checksums that disagree, a fault that did not come. */
  failures: string[];
}

const ratio = (a: number | null | undefined, b: number | null | undefined): number | null =>
  a == null || b == null || b === 0 ? null : a / b;

/** Banos or qemu against native; MIPS count upwards, times and sizes downwards. */
export const ratioOf = (row: Row, engine: number | 'qemu'): number | null => {
  const value = engine === 'qemu' ? row.qemu : row.banos[engine];
  return row.unit === 'MIPS' ? ratio(row.native, value) : ratio(value, row.native);
};

export const geometricMean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);

export interface Summary {
  name: string;
  rows: number;
  qemu: number | null;
  banos: (number | null)[];
  /** How often qemu's time Banos' is, on the mean of rows that both have. */
  ahead: (number | null)[];
  worst: (number | null)[];
  goal: string;
}

const GOALS: Partial<Record<string, string>> = {
  'kernels, glibc': '<= 2.0, worst <= 5, 2.5 times as fast as qemu',
  programs: '<= 4',
};

function summarise(name: string, rows: readonly Row[], engines: number): Summary {
  const each = <T>(f: (engine: number) => T): T[] => Array.from({ length: engines }, (_, engine) => f(engine));
  const ratios = (engine: number | 'qemu') => known(rows.map((row) => ratioOf(row, engine)));
  return {
    name,
    rows: rows.length,
    qemu: geometricMean(ratios('qemu')),
    banos: each((engine) => geometricMean(ratios(engine))),
    ahead: each((engine) => geometricMean(known(rows.map((row) => ratio(row.qemu, row.banos[engine]))))),
    worst: each((engine) => (ratios(engine).length === 0 ? null : Math.max(...ratios(engine)))),
    goal: GOALS[name] ?? '',
  };
}

/** Geometric means of the ratios, by group and C library. */
export function summaries({ rows, engines }: Results): Summary[] {
  const names = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.native === null || !IN_MEANS.includes(row.group)) continue;
    const name = row.library === undefined ? row.group : `${row.group}, ${row.library}`;
    names.set(name, [...(names.get(name) ?? []), row]);
  }
  return [...names].map(([name, list]) => summarise(name, list, engines.length));
}

/** Rows on which qemu is faster, by name. */
export const slowerThanQemu = ({ rows }: Results, engine: number): string[] =>
  rows
    .filter((row) => row.qemu !== null && row.banos[engine] != null && row.banos[engine]! > row.qemu)
    .map((row) => `${label(row)} ${figure(row.banos[engine]! / row.qemu!)}`);

/** Three figures that count. */
export function figure(value: number | null | undefined): string {
  if (value == null) return '';
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

const SCALES = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'us'],
] as const;

/** A value with its unit; nanoseconds in what reads best. */
export function quantity(value: number | null | undefined, unit: Row['unit']): string {
  if (value == null) return '';
  if (unit === 'ns') for (const [size, name] of SCALES) if (value >= size) return `${figure(value / size)} ${name}`;
  return `${figure(value)} ${unit}`;
}

const times = (value: number | null): string => (value === null ? '' : `${figure(value)}x`);

/** How a row is called in lists. */
export const label = ({ name, library }: Pick<Row, 'name' | 'library'>): string =>
  library === undefined ? name : `${name} (${library})`;

const hasFailed = ({ engines, failures }: Results, row: Row, engine: number): boolean =>
  row.banos[engine] === null && failures.some((text) => text.startsWith(`${label(row)}, ${engines[engine]}: `));

/** Cells of the one table, header first. */
export function tableCells(results: Results): string[][] {
  const { engines, rows } = results;
  const header = [
    '',
    '',
    'native',
    'qemu',
    ...engines,
    'qemu',
    ...engines.map((name) => name.replace(/^.*, (Node \d+).*$/, '$1')),
    'qemu/Banos',
    'goal',
  ];
  const cells = rows.map((row) => [
    row.name,
    row.library ?? '',
    quantity(row.native, row.unit),
    quantity(row.qemu, row.unit),
    ...row.banos.map((value, engine) => (hasFailed(results, row, engine) ? 'failed' : quantity(value, row.unit))),
    times(ratioOf(row, 'qemu')),
    ...row.banos.map((_, engine) => times(ratioOf(row, engine))),
    row.unit === 'MIPS' ? '' : figure(ratio(row.qemu, row.banos[0])),
    row.goal ?? '',
  ]);
  const means = summaries(results).map(({ name, qemu, banos, ahead, goal }) => [
    `MEAN ${name}`,
    '',
    '',
    '',
    ...engines.map(() => ''),
    times(qemu),
    ...banos.map(times),
    figure(ahead[0]),
    goal,
  ]);
  return [header, ...cells, ...means];
}

export function table(results: Results): string {
  const cells = tableCells(results);
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => (i < 2 || i === row.length - 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  results.engines.forEach((name, engine) => {
    for (const { name: group, worst } of summaries(results))
      if (worst[engine] !== null) lines.push(`worst of ${group}, ${name}: ${times(worst[engine]!)}`);
    const slower = slowerThanQemu(results, engine);
    if (slower.length > 0) lines.push(`slower than qemu, ${name}: ${slower.join(', ')}`);
  });
  for (const line of results.missing) lines.push(`not measured: ${line}`);
  for (const line of results.failures) lines.push(`FAILED: ${line}`);
  return lines.join('\n');
}
