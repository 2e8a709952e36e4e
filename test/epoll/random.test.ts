/**
 * Every change of every kind of descriptor is told: random scripts of operations, executed by one C program on the host
 * and in Banos, which prints after each operation what poll, a level-triggered and an edge-triggered epoll set say. The
 * outputs must be the same, byte for byte; and in each, the level-triggered set must say what poll says.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type BootedKernel, boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';
import { KINDS, type Kind, SOCKET_KINDS } from './random/kinds.js';
import { makeScript } from './random/script.js';

const STEPS = 160;
/** Times that the host may try: it does some of the work later, and may be late. */
const NATIVE_TRIES = 4;

const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const hasCompiler = spawnSync('gcc', ['--version']).status === 0;

/** Descriptors whose registrations the script changed or lost need not agree with poll any more. */
function disagreement(output: string): string | null {
  const changed = new Set<string>();
  const lines = output.split('\n');
  let objects = 0;
  for (const line of lines) {
    const again = line.match(/^again (\d+) (\d+) /);
    if (again !== null) changed.add(`${again[1]}.${again[2]}`);
    const failed = /: .*E[A-Z]+\//.test(line);
    if (/^(new|dup) /.test(line)) {
      if (failed) changed.add(`${objects}.0`).add(`${objects}.1`);
      objects++;
    } else if (failed) changed.add(`${line.split(' ')[1]}.0`).add(`${line.split(' ')[1]}.1`);
  }
  for (let i = 0; i + 1 < lines.length; i++) {
    if (!lines[i].startsWith('  poll')) continue;
    const parts = (line: string): string[] =>
      line
        .trim()
        .split(' ')
        .slice(1)
        .filter((part) => !changed.has(part.split(':')[0]));
    const level = new Set(parts(lines[i + 1]));
    const missing = parts(lines[i]).filter((part) => !level.has(part));
    // Files that are always ready cannot be registered.
    const real = missing.filter((part) => !part.endsWith(':145'));
    if (real.length > 0) return `${lines[i - 1]}: poll says ${real.join(' ')}, the set does not`;
  }
  return null;
}

if (!isNative || !hasCompiler) {
  console.log('SKIP random operations on descriptors: they need gcc and the superuser on Linux x86-64');
} else {
  const programs = mkdtempSync(join(tmpdir(), 'banos-epoll-random-'));
  const program = join(programs, 'interpreter');
  let kernel: BootedKernel;

  test.before(async () => {
    const source = join(import.meta.dirname, 'random', 'interpreter.c');
    const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-o', program, source]);
    assert.is(compiled.status, 0, String(compiled.stderr));
    kernel = await boot({ mounts: [{ host: programs, guest: '/programs', readOnly: true }] });
  });
  test.after(async () => {
    await kernel.shutdown();
    rmSync(programs, { recursive: true, force: true });
  });

  const onHost = (script: string): string => {
    const work = mkdtempSync('/dev/shm/banos-epoll-random-');
    const { stdout, status } = spawnSync(program, [work], {
      input: script,
      env: {},
      encoding: 'utf8',
      timeout: 60_000,
    });
    rmSync(work, { recursive: true, force: true });
    assert.is(status, 0, script);
    return stdout;
  };

  let directories = 0;
  const inside = async (script: string): Promise<string> => {
    const work = `/tmp/random${directories++}`;
    const { stdout, code } = await collect(kernel.spawn(['/programs/interpreter', work], { env: {} }), script);
    assert.is(code, 0, script);
    kernel.assertIdle();
    return stdout;
  };

  const compare = async (seed: number, kinds: readonly Kind[]): Promise<void> => {
    const script = makeScript(seed, kinds, STEPS);
    const found = await inside(script);
    assert.is(disagreement(found), null);
    let expected = onHost(script);
    for (let tries = 1; tries < NATIVE_TRIES && found !== expected; tries++) expected = onHost(script);
    assert.is(found, expected, `seed ${seed}\n${script}`);
  };

  for (const [index, kind] of [...KINDS, ...SOCKET_KINDS].entries()) {
    test(`${kind.name} alone`, async () => {
      for (let seed = 1; seed <= 4; seed++) await compare(100 * index + seed, [kind]);
    });
  }

  test('sockets of all types at once, in one another’s sets', async () => {
    const kinds = [...SOCKET_KINDS, ...KINDS.filter(({ name }) => ['pipe', 'eventfd', 'epoll'].includes(name))];
    for (let seed = 1; seed <= 16; seed++) await compare(30_000 + seed, kinds);
  });

  test('all kinds at once', async () => {
    const kinds = KINDS.filter(({ late }) => late !== true);
    for (let seed = 1; seed <= 24; seed++) await compare(10_000 + seed, kinds);
  });

  test('all kinds at once, with terminals', async () => {
    for (let seed = 1; seed <= 3; seed++) await compare(20_000 + seed, KINDS);
  });
}

test.run();
