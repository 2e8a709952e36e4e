/**
 * Runs the compiled uvu tests, each file in a process of its own, and sums their totals.
 *
 *   node tools/run-tests.mjs [--jobs N] [FILTER…]     FILTER: part of a test's path, e.g. `pty` or `vfs/pipe`
 *
 * The last line is `N passed, N failed`; the exit status is 0 only if nothing failed. A file counts as one failure
 * more when it crashes, hangs (BANOS_TEST_TIMEOUT seconds, default 600), or runs no test at all.
 */
// @ts-check
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const compiled = join(root, 'dist', 'test');
const uvu = join(root, 'node_modules', 'uvu', 'bin.js');
const timeoutMs = Number(process.env.BANOS_TEST_TIMEOUT ?? 600) * 1000;

const args = process.argv.slice(2);
const jobsAt = args.indexOf('--jobs');
const jobs = jobsAt < 0 ? Math.min(availableParallelism(), 4) : Number(args.splice(jobsAt, 2)[1]);

/** @typedef {{ file: string, passed: number, failed: number, note: string, output: string, seconds: number }} Outcome */

/**
 * @param {string} text
 * @param {string} label
 */
function total(text, label) {
  const match = text.match(new RegExp(`^  ${label}:\\s+(\\d+)`, 'm'));
  return match === null ? undefined : Number(match[1]);
}

/**
 * Runs one test file through uvu's command.
 * @param {string} file relative to dist/test
 * @returns {Promise<Outcome>}
 */
function runFile(file) {
  return new Promise((resolve) => {
    const began = process.hrtime.bigint();
    // uvu takes a folder and a pattern of names in it; the pattern is anchored to pick this one file.
    const name = file.slice(file.lastIndexOf('/') + 1).replace(/[.]/g, '\\.');
    const child = spawn(process.execPath, [uvu, '--no-color', join(compiled, dirname(file)), `^${name}$`], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const ran = total(output, 'Total') ?? 0;
      const passed = total(output, 'Passed') ?? 0;
      let failed = ran - passed;
      let note = '';
      if (timedOut) note = `did not end within ${timeoutMs / 1000} s`;
      else if (signal !== null) note = `was killed by ${signal}`;
      else if (ran === 0) note = output.includes('SKIP ') ? '' : `ran no test (exit status ${code})`;
      else if (code !== 0 && failed === 0) note = `left with exit status ${code}`;
      if (note !== '') failed++;
      resolve({ file, passed, failed, note, output, seconds: Number(process.hrtime.bigint() - began) / 1e9 });
    });
  });
}

const filters = args.filter((arg) => !arg.startsWith('-'));
const files = readdirSync(compiled, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.test.js') && existsSync(join(root, 'test', file.replace(/js$/, 'ts'))))
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter.replace(/^test\//, ''))))
  .sort();

let passed = 0;
let failed = 0;
/** @type {Outcome[]} */
const bad = [];
/** @type {string[]} */
const skips = [];

/** @param {Outcome} outcome */
function report(outcome) {
  passed += outcome.passed;
  failed += outcome.failed;
  const verdict = outcome.failed === 0 ? 'ok  ' : 'FAIL';
  const counts = `${outcome.passed}${outcome.failed === 0 ? '' : ` (${outcome.failed} failed)`}`;
  console.log(`${verdict} test/${outcome.file.replace(/js$/, 'ts')} ${counts}, ${outcome.seconds.toFixed(1)} s`);
  if (outcome.note !== '') console.log(`     ${outcome.note}`);
  if (outcome.failed > 0) {
    console.log(outcome.output);
    bad.push(outcome);
  }
  for (const line of outcome.output.split('\n')) {
    const at = line.indexOf('SKIP ');
    if (at >= 0) skips.push(`test/${outcome.file.replace(/js$/, 'ts')}: ${line.slice(at)}`);
  }
}

if (files.length === 0) {
  console.log(`no test file matches ${filters.join(' ') || relative(root, compiled)}`);
  failed = 1;
}
const queue = [...files];
await Promise.all(
  Array.from({ length: Math.max(1, jobs) }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) report(await runFile(file));
  }),
);
if (skips.length > 0) console.log(`\nSkipped here:\n${skips.map((line) => `  ${line}`).join('\n')}`);
if (bad.length > 0)
  console.log(`\nFailed:\n${bad.map(({ file }) => `  test/${file.replace(/js$/, 'ts')}`).join('\n')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
