/** Rows of system call rates: programs/calls.c times itself in every engine. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, compare } from './bench.js';
import { compileCalls, compileDriver, reason } from './compile.js';

const CALLS = [
  { what: 'getpid', name: 'getpid', goal: '<= 0.5x' },
  { what: 'clock', name: 'clock_gettime', goal: '' },
  { what: 'pipe', name: 'pipe round trip', goal: '<= 0.2x' },
  { what: 'event', name: 'eventfd+epoll round trip', goal: '<= 5x' },
  { what: 'idle', name: 'epoll, 15,000 idle', goal: '<= 5x' },
  { what: 'fork', name: 'fork+wait', goal: '<= 1x' },
  { what: 'exec', name: 'fork+exec+wait', goal: '<= 1x' },
  { what: 'fault', name: 'SIGSEGV handler', goal: '<= 1x' },
  { what: 'stream', name: 'unix stream round trip', goal: '<= 0.2x' },
  { what: 'packet', name: 'unix seqpacket round trip', goal: '' },
  { what: 'rights', name: 'descriptor passed there and back', goal: '' },
  { what: 'raw', name: 'terminal, raw echo', goal: '' },
  { what: 'line', name: 'terminal, canonical lines', goal: '' },
  { what: 'ioctl', name: 'driver ioctl round trip', goal: '<= 3x' },
] as const;

export async function measureRates(bench: Bench): Promise<void> {
  const rows = CALLS.filter(({ name }) => bench.wanted({ group: 'rates', name }));
  if (rows.length === 0) return;
  const busybox = join(bench.folder, 'busybox');
  let program: string;
  try {
    program = join(bench.folder, compileCalls('glibc', bench.folder));
  } catch (error) {
    bench.results.missing.push(`system call rates: ${reason(error)}`);
    return;
  }
  for (const { what, name, goal } of rows) {
    if (what === 'ioctl') {
      await measureDriver(bench, program, { name, goal });
      continue;
    }
    if (what === 'exec' && !existsSync(busybox)) {
      bench.results.missing.push(`${name}: busybox-static is not installed`);
      continue;
    }
    // What qemu-user's guest executes is this machine's own again.
    await compare(
      bench,
      { group: 'rates', name, unit: 'ns', goal },
      async (engine) => {
        const { output } = await engine.run([program, what, bench.quick ? '20' : '60', busybox]);
        if (!(Number(output) > 0)) throw new Error(`unexpected output ${JSON.stringify(output)}`);
        return { value: Number(output), check: '' };
      },
      { qemu: what !== 'exec' },
    );
  }
}

/** There is no such driver natively: what it is compared with is getpid. */
async function measureDriver(bench: Bench, program: string, head: { name: string; goal: string }): Promise<void> {
  let driver: string;
  try {
    driver = join(bench.folder, compileDriver(bench.folder));
  } catch (error) {
    bench.results.missing.push(`${head.name}: ${reason(error)}`);
    return;
  }
  await compare(
    bench,
    { group: 'rates', unit: 'ns', what: 'natively getpid', ...head },
    async (engine) => {
      const what = engine === bench.native ? 'getpid' : 'ioctl';
      const { output } = await engine.run([program, what, bench.quick ? '20' : '60', driver]);
      if (!(Number(output) > 0)) throw new Error(`unexpected output ${JSON.stringify(output)}`);
      return { value: Number(output), check: '' };
    },
    { qemu: false },
  );
}
