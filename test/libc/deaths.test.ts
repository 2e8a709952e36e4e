/**
 * TypeScript programs and programs in C whose other end is killed, at each step of each exchange. What the survivor is told must
 * be the same in all four mixes of languages; programs/steps.c is the same in C, and test/net/probes/killed.c compares
 * what two programs in C are told with the host.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, constants as c, cfmakeraw, type GuestProcess, type Kernel, type Libc } from '../../libc/index.js';
import { leave } from './support.js';

const test = suite<{ kernel: Kernel }>('TypeScript and C: deaths');
const directory = mkdtempSync(join(tmpdir(), 'banos-steps-'));
const source = join(import.meta.dirname, 'programs/steps.c');
const compiled = spawnSync('gcc', ['-O1', '-static', '-Wall', '-o', join(directory, 'steps'), source]);
const isThere = compiled.status === 0;
if (!isThere) console.log(`SKIP TypeScript and C, deaths: no gcc that links statically: ${compiled.stderr}`);

test.after(() => rmSync(directory, { recursive: true, force: true }));

const FILLING = 400_000;

/** The steps: each letter is a call. */
class Steps {
  readonly #libc: Libc;
  readonly #path: string;
  #fd = -1;

  constructor(libc: Libc, path: string) {
    this.#libc = libc;
    this.#path = path;
  }

  async take(step: string): Promise<number> {
    const libc = this.#libc;
    const buffer = new Uint8Array(10);
    switch (step) {
      case 'l':
        this.#fd = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
        libc.bind(this.#fd, this.#path);
        libc.listen(this.#fd, 5);
        return 0;
      case 'a':
        this.#fd = await libc.accept(this.#fd);
        return 0;
      case 'c':
        this.#fd = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
        await libc.connect(this.#fd, this.#path);
        return 0;
      case 'M': {
        this.#fd = libc.posix_openpt(c.O_RDWR | c.O_NOCTTY);
        const modes = libc.tcgetattr(this.#fd);
        cfmakeraw(modes);
        await libc.tcsetattr(this.#fd, c.TCSANOW, modes);
        libc.symlink(libc.ptsname(this.#fd), this.#path);
        return 0;
      }
      case 'O':
        this.#fd = await libc.open(this.#path, c.O_RDWR | c.O_NOCTTY);
        return 0;
      case 'r':
        return libc.read(this.#fd, buffer);
      case 'w':
        return libc.write(this.#fd, 'x');
      case 'f':
        return libc.write(this.#fd, new Uint8Array(FILLING));
      case 'd': {
        const ends = libc.pipe();
        try {
          return await libc.sendmsg(this.#fd, ['x'], 0, null, { fds: [ends[1]] });
        } finally {
          for (const end of ends) libc.close(end);
        }
      }
      case 'g': {
        const { length, fds } = await libc.recvmsg(this.#fd, buffer.subarray(0, 1));
        return fds.length === 0 ? length : 100 + length;
      }
      case 'p': {
        const entry = { fd: this.#fd, events: c.POLLIN | c.POLLRDHUP, revents: 0 };
        await libc.poll([entry], -1);
        return entry.revents;
      }
      case 'e': {
        const set = libc.epoll_create1();
        libc.epoll_ctl(set, c.EPOLL_CTL_ADD, this.#fd, { events: c.EPOLLIN | c.EPOLLRDHUP, data: 0 });
        const [event] = await libc.epoll_wait(set, 1, -1);
        return event!.events;
      }
      case 'k':
        return libc.read(0, buffer.subarray(0, 1));
      default:
        await libc.pause();
        return -1;
    }
  }
}

async function inTypeScript(libc: Libc, [, path, letters]: string[]): Promise<void> {
  libc.signal(c.SIGPIPE, c.SIG_IGN);
  const steps = new Steps(libc, path!);
  for (const letter of letters!) {
    let text: string;
    try {
      text = ` ${await steps.take(letter)}`;
    } catch (error) {
      text = `${(error as { code: string }).code} -1`;
    }
    await libc.write(1, `${letter} ${text}\n`);
  }
}

/** Until all processes wait, for three turns of the event loop: then nothing goes on without an event. */
async function untilAsleep(kernel: Kernel, processes: readonly GuestProcess[]): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const states = await Promise.all(
      processes.map(async ({ pid }) => {
        const stat = String(await kernel.fs.readFile(`/proc/${pid}/stat`, 'utf8'));
        return stat[stat.lastIndexOf(')') + 2];
      }),
    );
    quiet = states.every((state) => state === 'S') ? quiet + 1 : 0;
  }
}

/** Exchanges: what the victim does up to its death (the last call waits), and what the survivor does. */
const EXCHANGES: readonly [victim: string, survivor: string][] = [
  // The client dies.
  ['cz', 'larwr'],
  ['cwz', 'larrwr'],
  ['cr', 'larw'],
  ['cp', 'lap'],
  ['ce', 'lae'],
  ['cz', 'lap'],
  ['cz', 'laf'],
  ['cf', 'lakrw'],
  ['cdz', 'lakgg'],
  ['cdz', 'lakrr'],
  ['cdr', 'lagg'],
  ['cz', 'lkar'],
  ['cwz', 'lkarr'],
  ['cdz', 'lkagg'],
  // The server dies.
  ['lz', 'cr'],
  ['lz', 'cwr'],
  ['lz', 'cp'],
  ['lz', 'ce'],
  ['lz', 'cf'],
  ['lz', 'cdr'],
  ['lez', 'cr'],
  ['laz', 'crw'],
  ['lar', 'cr'],
  ['lap', 'ce'],
  ['lae', 'cp'],
  ['lawz', 'ckrrw'],
  ['laf', 'ckrrw'],
  ['ladz', 'ckgg'],
  ['laz', 'cf'],
  ['laz', 'cdr'],
  // The one with the slave of a terminal, and the one with its master.
  ['Oz', 'Mkrw'],
  ['Or', 'Mkwr'],
  ['Owz', 'Mkrr'],
  ['Oe', 'Mkp'],
  ['Mz', 'Orw'],
  ['Mr', 'Okrw'],
  ['Mwz', 'Orrw'],
  ['Mz', 'Op'],
  ['Me', 'Oe'],
];

const LANGUAGES = ['/bin/steps', '/c/steps'];

if (isThere) {
  test.before(async (context) => {
    context.kernel = await boot({ memory: 512, seed: 3, mounts: [{ host: directory, guest: '/c', readOnly: true }] });
    context.kernel.installProgram('/bin/steps', inTypeScript);
  });
  test.after(({ kernel }) => leave(kernel));

  let path = 0;

  /** @returns what the survivor says */
  const outcome = async (
    kernel: Kernel,
    [victimSteps, survivorSteps]: readonly [string, string],
    [victimProgram, survivorProgram]: readonly [string, string],
  ): Promise<string> => {
    const place = `/tmp/place-${path++}`;
    const begin = (program: string, steps: string): GuestProcess => kernel.spawn([program, place, steps]);
    const beginsFirst = /[lM]/.test(victimSteps);
    const first = beginsFirst ? begin(victimProgram, victimSteps) : begin(survivorProgram, survivorSteps);
    await untilAsleep(kernel, [first]);
    const second = beginsFirst ? begin(survivorProgram, survivorSteps) : begin(victimProgram, victimSteps);
    await untilAsleep(kernel, [first, second]);
    const [victim, survivor] = beginsFirst ? [first, second] : [second, first];
    let said = '';
    survivor.stdout!.on('data', (bytes) => {
      said += String(bytes);
    });
    for (const { stdout, stderr } of [victim, survivor]) {
      stdout!.resume();
      stderr!.on('data', (bytes) => {
        said += String(bytes);
      });
    }
    victim.kill('SIGKILL');
    assert.equal((await victim.exit).signal, 'SIGKILL');
    // One that needs no more has left already.
    survivor.stdin!.on('error', () => {});
    survivor.stdin!.end('x');
    const { code } = await survivor.exit;
    await survivor.closed;
    await kernel.fs.rm(place, { force: true });
    kernel.assertIdle();
    return `${said}${code}`;
  };

  for (const exchange of EXCHANGES) {
    test(`${exchange[0]} is killed, ${exchange[1]} goes on: the same in TypeScript and C`, async ({ kernel }) => {
      const seen: string[] = [];
      for (const victim of LANGUAGES) {
        for (const survivor of LANGUAGES) seen.push(await outcome(kernel, exchange, [victim, survivor]));
      }
      assert.match(seen[3]!, /^(?:\w \w* ?-?\d+\n)+0$/);
      assert.is(seen[3]!.split('\n').length, exchange[1].length + 1, 'every step was taken');
      for (const one of seen) assert.is(one, seen[3]);
    });
  }
}

test.run();
