/**
 * Linux's own self-tests, built as they are and run on the host's kernel and in Banos; the table of both goes to
 * docs/conformance.md.
 *
 *   npm run conformance [FILTER…]      FILTER: part of a source's path; the page is only written without any
 *
 * The sources are those of Debian's package linux-source-6.1. Nothing of them stays in this repository: they are
 * unpacked, compiled and run in a temporary directory. A row of `PROGRAMS` is a self-test; its cases are the lines `ok`
 * and `not ok` that it prints, or the program as a whole if it prints none.
 */
// @ts-check
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { boot } from '../dist/kernel-core/index.js';

const PACKAGE = 'linux-source-6.1';
const TARBALL = `/usr/src/${PACKAGE}.tar.xz`;
const SELFTESTS = `${PACKAGE}/tools/testing/selftests`;
const PAGE = join(import.meta.dirname, '..', 'docs', 'conformance.md');
/** Seconds for one program. */
const PATIENCE = 300;
/** Runs of a program that does not pass at once. */
const TRIES = 3;
/** Exit status of a self-test that cannot run where it is. */
const SKIPPED = 4;

/** @typedef {{ source: string, about: string, flags?: readonly string[] }} Program */

/** `source` is below tools/testing/selftests; `flags` are for the compiler. @type {readonly Program[]} */
const PROGRAMS = [
  {
    source: 'filesystems/epoll/epoll_wakeup_test.c',
    about: 'who is woken by what: level and edge triggers, nested sets, several waiters, poll beside epoll',
    flags: ['-pthread'],
  },
  {
    source: 'net/af_unix/unix_connect.c',
    about: 'stream and datagram sockets with paths and abstract names, in one network namespace and in two',
  },
  // Not net/af_unix/test_unix_oob.c: it ends on no kernel since MSG_PEEK stops before the urgent byte (6.10). It peeks
  // until there are 150 bytes, the urgent one in their midst; test/net/probes/streams.c has what it asks instead.
  {
    source: 'net/af_unix/diag_uid.c',
    about: 'who owns a socket, asked over netlink, in the first user namespace and in one of its own',
  },
];

/** @typedef {Map<string, string>} Outcome case → `ok`, `not ok`, `skipped`, `killed` */

/**
 * @param {string} output
 * @param {number | null} status
 * @returns {Outcome}
 */
function outcomeOf(output, status) {
  const outcome = new Map();
  for (const [, verdict, name, skipped] of output.matchAll(/^(ok|not ok) \d+ -? ?([^\s#]+)[^\n]*?(# SKIP)?[^\n]*$/gm)) {
    outcome.set(name, skipped === undefined ? verdict : 'skipped');
  }
  if (outcome.size === 0 || status === null) {
    const whole = status === null ? 'killed' : status === 0 ? 'ok' : status === SKIPPED ? 'skipped' : 'not ok';
    outcome.set('(the program)', whole);
  }
  return outcome;
}

/**
 * @param {string} program
 * @returns {Outcome}
 */
function onHost(program) {
  const { stdout, status } = spawnSync(program, [], { encoding: 'utf8', timeout: PATIENCE * 1000, cwd: '/tmp' });
  return outcomeOf(stdout, status);
}

/**
 * @param {string} program
 * @returns {Promise<Outcome>}
 */
async function inBanos(program) {
  const kernel = await boot({ mounts: [{ host: dirname(program), guest: '/selftests', readOnly: true }] });
  const child = kernel.spawn([`/selftests/${basename(program)}`], { cwd: '/tmp' });
  let output = '';
  child.stdout?.on('data', (bytes) => {
    output += Buffer.from(bytes).toString('latin1');
  });
  child.stderr?.resume();
  child.stdin?.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE * 1000);
  const { code } = await child.exit;
  await child.closed;
  clearTimeout(timer);
  await kernel.shutdown();
  return outcomeOf(output, code);
}

/**
 * Runs it again if something did not pass: some cases end themselves when the machine is too busy.
 * @param {() => Outcome | Promise<Outcome>} run
 * @returns {Promise<Outcome>} `ok` for every case that passed once
 */
async function best(run) {
  const outcome = await run();
  for (let tries = 1; tries < TRIES && passed(outcome) < outcome.size; tries++) {
    for (const [name, verdict] of await run()) if (verdict === 'ok') outcome.set(name, verdict);
  }
  return outcome;
}

/** @param {Outcome} outcome */
const passed = (outcome) => [...outcome.values()].filter((verdict) => verdict === 'ok').length;

/**
 * @param {Program} program
 * @param {Outcome} host
 * @param {Outcome} banos
 */
function section({ source, about }, host, banos) {
  const lines = [`## ${source}`, '', `${about[0].toUpperCase()}${about.slice(1)}.`, ''];
  lines.push(`Passed: ${passed(host)} of ${host.size} on Linux, ${passed(banos)} of ${host.size} in Banos.`, '');
  lines.push('| case | Linux | Banos |', '| --- | --- | --- |');
  for (const name of new Set([...host.keys(), ...banos.keys()])) {
    lines.push(`| ${name} | ${host.get(name) ?? '–'} | ${banos.get(name) ?? '–'} |`);
  }
  return lines.join('\n');
}

const filters = process.argv.slice(2);
const chosen = PROGRAMS.filter(({ source }) => filters.length === 0 || filters.some((part) => source.includes(part)));

if (!existsSync(TARBALL)) {
  console.error(`conformance: ${TARBALL} is not there. Get it with: apt-get install ${PACKAGE}`);
  process.exit(1);
}
const work = mkdtempSync(join(tmpdir(), 'banos-conformance-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const folders = [...new Set(chosen.map(({ source }) => `${SELFTESTS}/${dirname(source)}`))];
const unpacked = spawnSync('tar', ['xf', TARBALL, '-C', work, '--wildcards', `${SELFTESTS}/*.h`, ...folders]);
if (unpacked.status !== 0) {
  console.error(`conformance: ${TARBALL} cannot be unpacked: ${unpacked.stderr}`);
  process.exit(1);
}

/** @type {string[]} */
const sections = [];
let failed = false;
for (const program of chosen) {
  const source = join(work, SELFTESTS, program.source);
  const binary = source.replace(/\.c$/, '');
  const compiled = spawnSync('gcc', ['-O2', '-w', '-static', ...(program.flags ?? []), '-o', binary, source]);
  if (compiled.status !== 0) {
    console.error(`conformance: ${program.source} does not compile:\n${compiled.stderr}`);
    failed = true;
    continue;
  }
  const host = await best(() => onHost(binary));
  const banos = await best(() => inBanos(binary));
  console.log(`${program.source}: ${passed(host)} of ${host.size} on Linux, ${passed(banos)} of ${host.size} in Banos`);
  for (const [name, verdict] of host) {
    if (banos.get(name) !== verdict) console.log(`  ${name}: ${verdict} on Linux, ${banos.get(name) ?? '–'} in Banos`);
  }
  sections.push(section(program, host, banos));
}
if (filters.length === 0 && !failed) {
  const intro = [
    '# Self-tests of Linux',
    '',
    `Programs of \`tools/testing/selftests\` (Debian's package ${PACKAGE}), the same binary run by the host's kernel`,
    'and in Banos. Written by `npm run conformance`. A case has passed if it passed in one of three runs: some end themselves',
    'when the machine is too busy.',
    '',
    '`net/af_unix/test_unix_oob.c` of that package is not among them: it waits for a `MSG_PEEK` that goes past the urgent byte,',
    'which kernels of today, the host of these runs and Banos, do not answer; it runs for ever on all of them.',
  ];
  writeFileSync(PAGE, `${[intro.join('\n'), ...sections].join('\n\n')}\n`);
}
process.exitCode = failed ? 1 : 0;
