/** The arithmetic of the bench: ratios, means, the moment of full speed, the plot, and a page that keeps its words. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeDocs } from '../../bench/docs.js';
import { timeToPeak } from '../../bench/measure.js';
import { plot } from '../../bench/plot.js';
import { quantity, type Results, type Row, slowerThanQemu, summaries, table } from '../../bench/report.js';

const row = (name: string, native: number | null, qemu: number | null, banos: (number | null)[]): Row => ({
  group: 'kernels',
  name,
  library: 'glibc',
  unit: 'ns',
  native,
  qemu,
  banos,
});

const results = (rows: Row[]): Results => ({
  time: '2024-02-03T04:05:06.000Z',
  commit: 'abc',
  quick: false,
  machine: { cpu: 'a <cpu>', cpus: 2, kernel: '6', gcc: 'gcc', qemu: 'qemu', load: 0 },
  engines: ['Banos, Node 20'],
  rows,
  missing: ['a tool'],
  failures: [],
});

test('means are geometric and leave out what has no ratio', () => {
  const [mean] = summaries(
    results([
      row('a', 100, 1000, [200]),
      row('b', 100, 250, [800]),
      row('no native figure', null, 5, [3]),
      row('failed', 100, null, [null]),
      { ...row('not a kernel', 1, 1, [100]), group: 'checks' },
    ]),
  );
  assert.is(mean.name, 'kernels, glibc');
  assert.ok(Math.abs(mean.banos[0]! - 4) < 1e-9, 'square root of 2 times 8');
  assert.ok(Math.abs(mean.qemu! - 5) < 1e-9, 'square root of 10 times 2.5');
  assert.ok(Math.abs(mean.ahead[0]! - 1.25) < 1e-9);
  assert.is(mean.worst[0], 8);
});

test('rows on which qemu is faster are named', () => {
  assert.equal(slowerThanQemu(results([row('a', 1, 10, [2]), row('b', 1, 2, [6])]), 0), ['b (glibc) 3.00']);
});

test('nanoseconds are printed in what reads best', () => {
  assert.is(quantity(12.345, 'ns'), '12.3 ns');
  assert.is(quantity(1_234_000, 'ns'), '1.23 ms');
  assert.is(quantity(2_500_000_000, 'ns'), '2.50 s');
  assert.is(quantity(null, 'ns'), '');
});

test('failures and missing tools stand under the table', () => {
  const text = table({ ...results([row('a', 1, null, [null])]), failures: ['a (glibc), Banos, Node 20: checksum'] });
  assert.match(text, /^a +glibc +1\.00 ns +failed/m);
  assert.match(text, /not measured: a tool\nFAILED: a \(glibc\), Banos, Node 20: checksum$/);
});

test('the time to peak ends where the first round at 90 % of the best rate begins', () => {
  const times = [50, 30, 11.2, 10.5, ...Array.from({ length: 20 }, () => 10), 2];
  let end = 0;
  const trace = times.map((ms) => `${(end += ms * 1e6)} ${ms * 1e6}\n`).join('');
  assert.is(timeToPeak(trace).toFixed(1), '91.2', 'one lucky round of 2 ms is no peak, 11.2 is too slow, 10.5 is not');
});

test('the plot has a bar per figure, within its frame, and escapes names', () => {
  const svg = plot(results([row('a<b>&', 1, 400, [0.01]), row('b', 10, null, [25])]));
  assert.match(svg, /^<svg [^>]*viewBox="0 0 900 \d+"/);
  assert.not.match(svg, /a<b>&/);
  // Rows: two and one; the mean: two. One rectangle each for the background and the two legends.
  assert.is(svg.match(/<rect /g)!.length, 5 + 3);
  for (const [, x, width] of svg.matchAll(/<rect x="([\d.]+)"[^>]* width="([-\d.]+)"/g)) {
    assert.ok(Number(width) >= 0 && Number(x) + Number(width) <= 900, `${x} + ${width}`);
  }
});

test('the page keeps what stands around the measured part, and a page without markers is left alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'banos-docs-'));
  try {
    const page = join(folder, 'benchmarks.md');
    writeFileSync(page, 'nothing here');
    assert.throws(() => writeDocs(results([]), folder), /markers/);
    assert.is(readFileSync(page, 'utf8'), 'nothing here');
    const real = join(import.meta.dirname.replace(/([\\/]dist)?[\\/]test[\\/]bench$/, ''), 'docs', 'benchmarks.md');
    writeFileSync(page, readFileSync(real));
    writeDocs(results([row('first', 1, 2, [3])]), folder);
    const once = readFileSync(page, 'utf8');
    assert.match(once, /\| first \| glibc \| 1\.00 ns \|/);
    writeDocs(results([row('first', 1, 2, [3])]), folder);
    assert.is(readFileSync(page, 'utf8'), once, 'written twice, the page is the same');
    assert.match(once, /^# Benchmarks\n/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
