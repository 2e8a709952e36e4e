/**
 * The tracer against strace itself: one program, traced on the host by strace and in Banos by --strace, must give the
 * same lines for every one of its tasks, but for numbers of processes, addresses of stack and heap, and rests of time.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const hasTools = ['gcc', 'strace'].every((tool) => spawnSync(tool, ['--version']).status === 0);

/** Lines by task, in the order of the tasks' first lines. */
type Trace = Map<string, string[]>;

/**
 * Splits a trace into tasks and joins what was interrupted.
 * @param pidOf takes a line apart into the task's number and the text
 */
function tasks(lines: readonly string[], pidOf: (line: string) => [pid: string, text: string]): Trace {
  const trace: Trace = new Map();
  const unfinished = new Map<string, string>();
  for (const line of lines) {
    if (line === '' || line.startsWith('strace: Process')) continue;
    const [pid, text] = pidOf(line);
    const open = text.match(/^(.*?) <unfinished \.\.\.>$/);
    if (open !== null) {
      unfinished.set(pid, open[1]);
      continue;
    }
    const rest = text.match(/^<\.\.\. \w+ resumed>(.*)$/);
    const whole = rest === null ? text : `${unfinished.get(pid)}${rest[1]}`;
    trace.set(pid, [...(trace.get(pid) ?? []), whole]);
  }
  return trace;
}

/** Where a line names a process. */
const MENTIONS = /(si_pid=|(?:kill|tgkill|rt_sigqueueinfo|wait4|setpgid|pidfd_open)\(|P_PID, )(\d+)/g;
const RESULTS = /^((?:v?fork|clone|wait4|getpid|gettid)\(.* = )(\d+)$/;

/** What differs from run to run and from kernel to kernel. */
function normalize(line: string, pids: readonly string[]): string {
  const rename = (all: string, head: string, pid: string): string =>
    pids.includes(pid) ? `${head}P${pids.indexOf(pid)}` : all;
  return (
    line
      .replace(/ += /, ' = ')
      // strace names these numbers after a sound device as well, and leaves a bar behind an empty set.
      .replace(/SNDCTL_TMR_\w+ or /, '')
      .replace('|FF0|,', '|FF0,')
      .replace(/0x7ff[0-9a-f]{9}/g, 'STACK')
      .replace(/(child_tidptr=|set_robust_list\()0x[0-9a-f]+/g, '$1HEAP')
      .replace(RESULTS, rename)
      .replace(/(tgkill\(\d+, )(\d+)/, rename)
      .replace(MENTIONS, rename)
      .replace(/si_utime=\d+, si_stime=\d+/, 'TIMES')
      .replace(/^(readlink\(.*) = \d+$/, '$1')
      .replace(/\(left \{tv_sec=0, tv_nsec=\d+\}\)/, '(left)')
      .replace(/nlmsg_pid=[1-9]\d*/g, 'nlmsg_pid=PORT')
      .replace(/(udiag(?:_vfs)?_ino=)\d+/g, '$1INO')
      .replace(/udiag_vfs_dev=makedev\([^)]*\)/, 'DEVICE')
      .replace(/udiag_cookie=\[\d{1,9}, 0\]/, 'COOKIE')
      .replace(/(UNIX_DIAG_(?:PEER|ICONS)\}, \[?)[1-9]\d*/, '$1INO')
      .replace(/^getrandom\("[^"]*"/, 'getrandom("RANDOM"')
      .replace(/"[^"]*\/(?:calls|sockets|netlink|spaces)"/g, '"PROGRAM"')
  );
}

/** The C library's start and the program's first call, in which the paths differ, are left out. */
const isStart = (line: string): boolean => /^(execve|brk|arch_prctl|set_tid_address|rseq|mprotect)\(/.test(line);

/** When a child's end is told depends on who runs first. */
const isChildSignal = (line: string): boolean => line.startsWith('--- SIGCHLD ');

function comparable(trace: Trace): string[] {
  const pids = [...trace.keys()];
  return pids.flatMap((pid, i) => {
    const lines = trace.get(pid)!;
    const first = lines.findIndex((line) => line.startsWith('chdir("/'));
    const own =
      first < 0 ? lines.filter((line) => !isStart(line) || line.startsWith('execve')) : lines.slice(first + 1);
    return [`task ${i}`, ...own.filter((line) => !isChildSignal(line)).map((line) => normalize(line, pids))];
  });
}

if (!isNative || !hasTools) {
  console.log('SKIP trace against strace: needs gcc, strace and the superuser on Linux x86-64');
} else {
  const programs = mkdtempSync(join(tmpdir(), 'banos-strace-'));
  test.after(() => rmSync(programs, { recursive: true, force: true }));

  for (const name of ['calls', 'sockets', 'netlink', 'spaces']) {
    test(`${name}: the same lines as strace writes`, async () => {
      const program = join(programs, name);
      const source = join(import.meta.dirname, 'probes', `${name}.c`);
      const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-o', program, source]);
      assert.is(compiled.status, 0, String(compiled.stderr));

      const output = join(programs, 'trace');
      const work = mkdtempSync('/dev/shm/banos-strace-');
      spawnSync('strace', ['-f', '-o', output, program, work], { env: {}, timeout: 60_000 });
      rmSync(work, { recursive: true, force: true });
      const native = tasks(readFileSync(output, 'latin1').split('\n'), (line) => {
        const [, pid, text] = line.match(/^(\d+) +(.*)$/)!;
        return [pid, text];
      });

      const lines: string[] = [];
      const kernel = await boot({
        mounts: [{ host: programs, guest: '/programs', readOnly: true }],
        trace: (line) => lines.push(line.replace(/\n$/, '')),
      });
      const child = kernel.spawn([`/programs/${name}`, '/tmp'], { env: {} });
      const main = String(child.pid);
      await collect(child);
      const guest = tasks(lines, (line) => {
        const prefixed = line.match(/^\[pid +(\d+)\] (.*)$/);
        return prefixed === null ? [main, line] : [prefixed[1], prefixed[2]];
      });
      kernel.assertIdle();
      await kernel.shutdown();

      const path = `/programs/${name}`;
      const first = lines[0].replace(/0x7f[0-9a-f]{10}/, 'ENVIRONMENT');
      assert.is(first, `execve("${path}", ["${path}", "/tmp"], ENVIRONMENT /* 0 vars */) = 0`);
      assert.is(comparable(guest).join('\n'), comparable(native).join('\n'));
    });
  }
}

test.run();
