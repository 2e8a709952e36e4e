/**
 * With a seed the run does not depend on the translator: the same number of instructions, the same trace of system calls
 * with the same times and random numbers in it, the same output. A slice ends at the same instruction in translated code and in
 * interpreted code; otherwise processes would meet in another order, and clocks would show other times.
 */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootWith, canRunNatively, EAGER, Probes, type TranslatorOption } from './support.js';

interface Run {
  instructions: number;
  trace: string;
  stdout: string;
  stderr: string;
  code: number | null;
}

async function run(argv: readonly string[], seed: number, translator: TranslatorOption, host?: string): Promise<Run> {
  const lines: string[] = [];
  const mounts = host === undefined ? [] : [{ host, guest: '/probes', readOnly: true }];
  const kernel = await bootWith(translator, { seed, mounts, trace: (line) => lines.push(line) });
  try {
    const { stdout, stderr, code } = await collect(kernel.spawn(argv));
    return { instructions: kernel.cpuStats().instructions, trace: lines.join(''), stdout, stderr, code };
  } finally {
    await kernel.shutdown();
  }
}

/** The first line where two traces part. */
function parting(a: string, b: string): string {
  const x = a.split('\n');
  const y = b.split('\n');
  const at = x.findIndex((line, i) => line !== y[i]);
  return at < 0 ? '' : `line ${at}: ${y[at]}, interpreted: ${x[at]}`;
}

async function same(argv: readonly string[], seed: number, host?: string): Promise<void> {
  const interpreted = await run(argv, seed, false, host);
  assert.is(interpreted.code, 0, interpreted.stderr);
  for (const translator of [undefined, EAGER]) {
    const translated = await run(argv, seed, translator, host);
    assert.is(translated.stdout, interpreted.stdout);
    assert.is(parting(interpreted.trace, translated.trace), '');
    assert.equal(
      [translated.instructions, translated.code, translated.stderr],
      [interpreted.instructions, interpreted.code, interpreted.stderr],
    );
  }
}

const NUMBERS = 'i=0; while [ $i -lt 400 ]; do echo $((i * 7919 % 1009)) line $i; i=$((i + 1)); done';
const SCRIPTS: Readonly<Record<string, string>> = {
  'a loop of the shell': 'i=0; s=1; while [ $i -lt 3000 ]; do s=$(((s * 31 + i) % 65521)); i=$((i + 1)); done; echo $s',
  sort: `(${NUMBERS}) | sort -n | md5sum`,
  awk: `(${NUMBERS}) | awk '{ n[$1 % 17] += $3; s = s $1 } END { for (k = 0; k < 17; k++) print k, n[k]; print length(s) }'`,
  gzip: `(${NUMBERS}; ${NUMBERS}) | gzip -9 | gunzip | sha256sum`,
  'sed and grep': `(${NUMBERS}) | sed -E 's/([0-9])([0-9])/\\2-\\1/g' | grep -c -- '-5'`,
  'processes that meet':
    'for k in 1 2 3 4; do (j=0; while [ $j -lt 300 ]; do j=$((j + 1)); done; echo $k) & done; wait',
  'the clock and random numbers': 'date +%s%N; head -c 16 /dev/urandom | md5sum; sleep 0.01; date +%s%N',
};

for (const [name, script] of Object.entries(SCRIPTS)) {
  test(`${name}: the same run with and without the translator`, () => same(['sh', '-c', script], 7));
}

if (canRunNatively('deterministic runs of probes')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  for (const name of ['jit', 'faults', 'competing']) {
    const folder = name === 'competing' ? 'deterministic' : 'probes';
    probes.build(name, [join(import.meta.dirname, folder, `${name}.c`)]);
    test(`${name}: the same run with and without the translator`, () => same([`/probes/${name}`], 3, probes.directory));
  }
}

test.run();
