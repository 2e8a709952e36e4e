/**
 * Rows of system call rates: programs/calls.c times itself in every engine. Each engine is warmed up first, by the same
 * rule; then they take turns. A further row is the beginning: a new kernel's first rounds.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addFirst, type Bench, compare, failed } from './bench.js';
import { compileCalls, compileDriver, reason } from './compile.js';
import type { Engine } from './engines.js';
import type { Row } from './report.js';

interface Rate {
  /** For calls.c. */
  what: string;
  name: string;
  goal?: string;
}

const CALLS: readonly Rate[] = [
  { what: 'getpid', name: 'getpid', goal: '<= 0.5x' },
  { what: 'clock', name: 'clock_gettime' },
  { what: 'pipe', name: 'pipe round trip', goal: '<= 0.2x' },
  { what: 'event', name: 'eventfd+epoll round trip', goal: '<= 5x' },
  { what: 'idle', name: 'epoll, 15,000 idle', goal: '<= 5x' },
  { what: 'fork', name: 'fork+wait', goal: '<= 1x' },
  { what: 'exec', name: 'fork+exec+wait', goal: '<= 1x' },
  { what: 'fault', name: 'SIGSEGV handler', goal: '<= 1x' },
  { what: 'stream', name: 'unix stream round trip', goal: '<= 0.2x' },
  { what: 'packet', name: 'unix seqpacket round trip' },
  { what: 'rights', name: 'descriptor passed there and back' },
  { what: 'raw', name: 'terminal, raw echo' },
  { what: 'line', name: 'terminal, canonical lines' },
];
/** There is no such driver natively: what it is compared with is getpid. */
const IOCTL: Rate = { what: 'ioctl', name: 'driver ioctl round trip', goal: '<= 3x' };

/** Milliseconds for warming up, at most, and for measuring. */
interface Times {
  warmUp: number;
  measure: number;
}

const WARM_UP: Times = { warmUp: 3500, measure: 10 };
/** A new process in an engine that is warm. */
const TURN: Times = { warmUp: 500, measure: 140 };
const LONG_TURN: Times = { warmUp: 1000, measure: 350 };
const FIRST_ONLY: Times = { warmUp: 0, measure: 1 };
const TURNS = 2;
const TURNS_OF_FULL_RUN = 4;

/** What calls.c prints: nanoseconds of a round, the mean of the first thousand and the one it settles at. */
interface Figures {
  first: number;
  warm: number;
}

export async function measureRates(bench: Bench): Promise<void> {
  const wanted = ({ name }: Rate): boolean => bench.wanted({ group: 'rates', name });
  const rates = CALLS.filter(wanted);
  if (rates.length === 0 && !wanted(IOCTL)) return;
  let program: string;
  try {
    program = join(bench.folder, compileCalls('glibc', bench.folder));
  } catch (error) {
    bench.results.missing.push(`system call rates: ${reason(error)}`);
    return;
  }
  const busybox = join(bench.folder, 'busybox');
  for (const rate of rates) {
    if (rate.what === 'exec' && !existsSync(busybox)) {
      bench.results.missing.push(`${rate.name}: busybox-static is not installed`);
      continue;
    }
    // What qemu-user's guest executes is this machine's own again.
    await measureRate(bench, rate, { qemu: rate.what !== 'exec' }, () => [program, rate.what, busybox]);
  }
  if (wanted(IOCTL)) await measureDriver(bench, program);
}

async function measureDriver(bench: Bench, program: string): Promise<void> {
  let driver: string;
  try {
    driver = join(bench.folder, compileDriver(bench.folder));
  } catch (error) {
    bench.results.missing.push(`${IOCTL.name}: ${reason(error)}`);
    return;
  }
  await measureRate(bench, IOCTL, { qemu: false, note: 'natively getpid' }, (engine) => {
    return [program, engine === bench.native ? 'getpid' : IOCTL.what, driver];
  });
}

/** Program, what to measure, and the file that this takes. */
type Command = (engine: Engine) => readonly [program: string, what: string, file: string];

async function measureRate(
  bench: Bench,
  { name, goal }: Rate,
  { qemu, note }: { qemu: boolean; note?: string },
  command: Command,
): Promise<void> {
  const turn = bench.quick ? TURN : LONG_TURN;
  const head = { group: 'rates', name, unit: 'ns', ...(note && { what: note }), ...(goal && { goal }) } as const;
  const row = await compare(
    bench,
    head,
    async (engine) => ({ value: (await run(engine, command(engine), turn)).warm, check: '' }),
    {
      qemu,
      warmUp: (engine) => run(engine, command(engine), WARM_UP),
      repeats: bench.quick ? TURNS : TURNS_OF_FULL_RUN,
    },
  );
  addFirst(bench, row, 'first 1000', await firstRounds(bench, row, command));
}

/** A new kernel for each: how cold it is does not depend on which rows came before. */
async function firstRounds(bench: Bench, row: Row, command: Command): Promise<(number | null)[]> {
  const values: (number | null)[] = [];
  for (let index = 0; index < bench.banos.length; index++) {
    const engine = bench.fresh(index);
    try {
      values.push((await run(engine, command(engine), FIRST_ONLY)).first);
    } catch (error) {
      failed(bench, { name: `${row.name}, first 1000` }, engine.name, error);
      values.push(null);
    } finally {
      engine.close();
    }
  }
  return values;
}

async function run(engine: Engine, [program, what, file]: ReturnType<Command>, times: Times): Promise<Figures> {
  const { output } = await engine.run([program, what, `${times.warmUp}`, `${times.measure}`, file]);
  const [first, warm] = output.trim().split(' ').map(Number);
  if (!(first! > 0 && warm! > 0)) throw new Error(`unexpected output ${JSON.stringify(output)}`);
  return { first: first!, warm: warm! };
}
