/** `--seed`: the same run again, down to every byte of its trace. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { busyboxPath } from '../oracle/root.js';
import { banos, type Outcome } from './command.js';

const folder = mkdtempSync(join(tmpdir(), 'banos-seed-'));
test.after(() => rmSync(folder, { recursive: true }));
let runs = 0;

interface Run extends Outcome {
  trace: string;
}

async function traced(seed: string, args: readonly string[], input?: string): Promise<Run> {
  const file = join(folder, `trace-${runs++}`);
  const outcome = await banos([args[0], '--seed', seed, `--strace=${file}`, ...args.slice(1)], { input });
  return { ...outcome, trace: readFileSync(file, 'utf8') };
}

/** Everything that chance could get into: time, random numbers, process ids, scheduling, pipes, signals, timers. */
const BUSY = `
date; cat /proc/uptime; head -c 16 /dev/urandom | od -x; cat /proc/sys/kernel/random/uuid; echo $RANDOM; mktemp
for i in 1 2 3 4; do (seq $((i * 300)) | sort -r | md5sum; sleep 0.0$i; echo done $i) & done; wait
yes | head -2000 | wc -l; { sleep 0.02; echo late; } | cat & sleep 0.03; ps -o pid,args; wait
trap 'echo hup' HUP; (sleep 0.01; kill -HUP $$) & wait; wait; awk 'BEGIN { srand(); print rand() }'
timeout 0.05 sleep 10; echo $?; ls -li /tmp; time sleep 0.1; date +%N; exit 9
`;

if (busyboxPath() === undefined) {
  console.log('SKIP --seed: the package busybox-static is not installed');
} else {
  test('two runs with the same seed give the same trace, byte for byte', async () => {
    const first = await traced('42', ['run', 'sh', '-c', BUSY]);
    const second = await traced('42', ['run', 'sh', '-c', BUSY]);
    assert.is(first.status, 9);
    assert.ok(first.trace.length > 10_000, `a trace of ${first.trace.length} bytes is too short to prove anything`);
    assert.is(second.stdout, first.stdout);
    assert.is(second.stderr, first.stderr);
    assert.is(second.trace, first.trace);
  });

  test('another seed gives other random numbers', async () => {
    const draw = ['run', 'sh', '-c', 'head -c 16 /dev/urandom | od -x'];
    assert.is.not((await traced('1', draw)).stdout, (await traced('2', draw)).stdout);
  });

  test('standard input is part of what is repeated', async () => {
    const input = 'echo first; sleep 0.02; date\nread x; echo "got $x"; seq 50 | sort -r | tail -1\n';
    const script = `${input}exit 4\n`;
    const first = await traced('7', ['shell'], script);
    const second = await traced('7', ['shell'], script);
    assert.is(first.status, 4);
    assert.is(second.stdout, first.stdout);
    assert.is(second.trace, first.trace);
  });
}
test.run();
