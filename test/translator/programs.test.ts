/**
 * Generated programs with loops, calls, jumps through tables, faults and all kinds of memory (programs/), run until they are
 * hot: registers, flags, vectors, memory and the state at every fault must be those of the real processor.
 *
 * BANOS_PROGRAMS (default 120), BANOS_CALLS: runs of each (default 150), BANOS_SEED. With the same seed program k is the
 * same however many there are. When programs differ, the test prints how to get at the first one's assembly.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../cpu/native/random.js';
import { generatePrograms } from './programs/generate.js';
import { canRunNatively, MODES, Probes, runInside, runNative, type TranslatorOption } from './support.js';

const PROGRAMS = Number(process.env['BANOS_PROGRAMS'] ?? 120);
const CALLS = Number(process.env['BANOS_CALLS'] ?? 150);
const SEED = Number(process.env['BANOS_SEED'] ?? 1);
/** Keeps the source and the program of a failed run in this directory. */
const KEEP = process.env['BANOS_KEEP'];

const sources = join(import.meta.dirname, 'programs');

/** The first line that differs when program k runs alone and talks: state after each call and at each fault. */
async function explain(program: string, k: number, translator: TranslatorOption): Promise<string> {
  const args = [String(k), '1', String(CALLS), String(SEED), 'v'];
  const native = runNative(program, args).stdout.split('\n');
  const guest = (await runInside(program, args, translator)).stdout.split('\n');
  const at = native.findIndex((line, i) => line !== guest[i]);
  return at < 0 ? 'alone it is right' : `line ${at}\n    ${guest[at]}\n    native\n    ${native[at]}`;
}

if (canRunNatively('generated programs')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const source = join(KEEP ?? probes.directory, 'programs.s');
  writeFileSync(
    source,
    generatePrograms(PROGRAMS, (k) => new Random(Math.imul(SEED, 7919) + Math.imul(k, 104729) + 1)),
  );
  const program = probes.build('runner', [source, join(sources, 'enter.S'), join(sources, 'runner.c')]);

  /** Compares all programs. @param extra arguments of the runner */
  async function compare(mode: string, translator: TranslatorOption, ...extra: string[]): Promise<void> {
    const args = ['0', String(PROGRAMS), String(CALLS), String(SEED), ...extra];
    const native = runNative(program, args);
    assert.is(native.code, 0, `the host's run failed: ${native.stdout.split('\n').at(-2)}`);
    const guest = await runInside(program, args, translator);
    if (guest.stdout === native.stdout && guest.code === 0) return;
    const lines = guest.stdout.split('\n');
    const wrong = native.stdout.split('\n').flatMap((line, k) => (line === lines[k] ? [] : [k]));
    console.log(`${mode}: programs ${wrong.join(' ')} of seed ${SEED} differ (BANOS_KEEP=DIR keeps their source)`);
    console.log(`  ${guest.stderr}status ${guest.code}, signal ${guest.signal}`);
    console.log(`  program${wrong[0]}: ${await explain(program, wrong[0]!, translator)}`);
    assert.unreachable(`${wrong.length} of ${PROGRAMS} programs differ`);
  }

  for (const [mode, translator] of MODES) {
    test(`${mode}: generated programs do what the processor does`, () => compare(mode, translator));
  }
  test('a timer signal every millisecond changes nothing', () => compare('translator', undefined, 't'));
}

test.run();
