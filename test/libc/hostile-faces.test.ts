/**
 * The faces for Node people with arguments of every wrong kind: kernel.fs and its handles, kernel.net, terminals. What is
 * thrown, rejected or told by 'error' is a TypeError, a RangeError or an error with a code, and nothing is left behind.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type Kernel } from '../../libc/index.js';
import { whyNoTerminal } from '../interactive/terminal.js';
import { seeded } from '../support/random.js';
import { functionsOf, isFair, someArguments } from './hostile-arguments.js';
import { bootTestKernel, type Context, leave } from './support.js';

const test = suite<Context>('faces: hostile arguments');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

/** Calls of one function. */
const CALLS = 120;
const INNER = new Set(['constructor']);

type Functions = Record<string, (...args: unknown[]) => unknown>;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What came of calls: complaints that are none a user can be told, and results. */
class Notes {
  readonly unfair: string[] = [];
  readonly results: unknown[] = [];
  #name = '';

  readonly complain = (error: unknown): void => {
    if (!isFair(error)) this.unfair.push(`${this.#name}: ${String(error)}`);
  };

  /** Calls one function of `of`; it and what it rejects with are noted. */
  async call(of: object, name: string, args: readonly unknown[]): Promise<void> {
    this.#name = name;
    try {
      this.results.push(await Promise.race([(of as Functions)[name]!(...args), turn().then(turn)]));
    } catch (error) {
      this.complain(error);
    }
  }
}

/** Closes what calls have opened. */
async function closeAll(results: readonly unknown[]): Promise<void> {
  for (const result of results) {
    const open = result as { close?: () => unknown } | undefined;
    if (typeof open?.close === 'function') await (open.close() as Promise<void>)?.catch?.(() => {});
  }
}

test('kernel.fs', async ({ kernel }) => {
  const names = functionsOf(kernel.fs, INNER);
  assert.ok(names.length > 25, 'the functions are found');
  const random = seeded(31);
  for (const name of names) {
    const notes = new Notes();
    for (let i = 0; i < CALLS; i++) await notes.call(kernel.fs, name, someArguments(random));
    assert.equal(notes.unfair, []);
    await closeAll(notes.results);
  }
  await kernel.fs.writeFile('/tmp/alive', 'alive');
  assert.is(await kernel.fs.readFile('/tmp/alive', 'utf8'), 'alive');
});

test('handles of files and directories', async ({ kernel }) => {
  const random = seeded(32);
  await kernel.fs.writeFile('/tmp/file', 'x'.repeat(1000));
  const openers: (() => Promise<Handle>)[] = [() => kernel.fs.open('/tmp/file', 'r+'), () => kernel.fs.opendir('/tmp')];
  for (const open of openers) {
    for (const name of functionsOf(await opened(open), new Set([...INNER, 'close']))) {
      const handle = await open();
      const notes = new Notes();
      for (let i = 0; i < CALLS; i++) await notes.call(handle, name, someArguments(random));
      await handle.close();
      for (let i = 0; i < 10; i++) await notes.call(handle, name, someArguments(random));
      assert.equal(notes.unfair, []);
    }
  }
});

interface Handle {
  close(): Promise<void>;
}

/** A handle that is closed already: only to see what functions there are. */
async function opened(open: () => Promise<Handle>): Promise<Handle> {
  const handle = await open();
  await handle.close();
  return handle;
}

/** An object of kernel.net, whose errors are told by an event. */
interface Told {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  destroy?(): unknown;
  close?(): unknown;
}

function watch(made: unknown, notes: Notes): void {
  (made as Told | undefined)?.on?.('error', notes.complain);
}

function end(made: unknown): void {
  const told = made as Told | undefined;
  told?.destroy?.();
  told?.close?.();
}

test('kernel.net: what makes servers and connections', async ({ kernel }) => {
  const random = seeded(33);
  for (const name of functionsOf(kernel.net, INNER)) {
    const notes = new Notes();
    for (let i = 0; i < CALLS; i++) {
      const before = notes.results.length;
      try {
        const made = (kernel.net as unknown as Functions)[name]!(...someArguments(random));
        watch(made, notes);
        notes.results.push(made);
      } catch (error) {
        notes.complain(error);
      }
      await turn();
      for (const made of notes.results.slice(before)) end(made);
    }
    assert.equal(notes.unfair, []);
  }
  await settled(kernel);
});

test('kernel.net: servers and sockets', async ({ kernel }) => {
  const random = seeded(34);
  for (const [name, of] of [
    ['listen', 'server'],
    ['getConnections', 'server'],
    ['close', 'server'],
    ['write', 'socket'],
    ['end', 'socket'],
    ['setTimeout', 'socket'],
    ['setNoDelay', 'socket'],
    ['setEncoding', 'socket'],
    ['setKeepAlive', 'socket'],
  ] as const) {
    const notes = new Notes();
    for (let i = 0; i < CALLS / 4; i++) {
      const path = `/tmp/${of}-${name}-${i}`;
      const server = kernel.net.createServer((peer) => {
        watch(peer, notes);
        peer.on('close', () => end(peer)).resume();
      });
      watch(server, notes);
      if (of === 'server') await notes.call(server, name, someArguments(random));
      else {
        await new Promise<void>((resolve) => server.listen(path, resolve));
        const socket = kernel.net.connect(path);
        watch(socket, notes);
        await new Promise((resolve) => socket.on('connect', resolve));
        await notes.call(socket, name, someArguments(random));
        end(socket);
      }
      try {
        server.close();
      } catch (error) {
        notes.complain(error);
      }
      await turn();
    }
    assert.equal(notes.unfair, []);
  }
  await settled(kernel);
});

/** Until sockets that were destroyed are gone. */
async function settled(kernel: Kernel): Promise<void> {
  for (let turns = 0; turns < 2000; turns++) {
    try {
      return kernel.assertIdle();
    } catch {
      await turn();
    }
  }
  kernel.assertIdle();
}

test('terminals', async ({ kernel }) => {
  const random = seeded(35);
  const child = kernel.spawn(['sh', '-c', 'stty raw -echo; exec cat >/dev/null'], { pty: { cols: 80, rows: 24 } });
  const pty = child.pty!;
  for (const name of functionsOf(pty, new Set([...INNER, 'kill', 'hangUp', 'programEnded', 'setProgram']))) {
    const notes = new Notes();
    for (let i = 0; i < CALLS; i++) {
      const args = someArguments(random);
      await notes.call(pty, name, args);
    }
    for (const result of notes.results) (result as { dispose?: () => void } | undefined)?.dispose?.();
    assert.equal(notes.unfair, []);
  }
  const killed = new Notes();
  for (const signal of ['SIGNOT', -1, 0.5, 65, Number.NaN, {}, [], 7n, Symbol('s'), null])
    await killed.call(pty, 'kill', [signal]);
  assert.equal([killed.unfair, killed.results], [[], []]);
  pty.kill('SIGKILL');
  await child.exit;
});

/** A list of strings is run. */
function isProgram(argv: unknown): boolean {
  try {
    return Array.isArray(argv) && argv.length > 0 && argv.every((part) => typeof part === 'string');
  } catch {
    return false;
  }
}

const missing = whyNoTerminal();
if (missing !== undefined) console.log(`SKIP kernel.hostPty with hostile arguments: ${missing}`);
else {
  test('kernel.hostPty', async () => {
    const allowing = await boot({ memory: 64, allowHostPrograms: true });
    const random = seeded(36);
    const notes = new Notes();
    for (let i = 0; i < CALLS; i++) {
      const args = someArguments(random);
      if (!isProgram(args[0])) await notes.call(allowing, 'hostPty', args);
    }
    for (const options of [
      null,
      5,
      { cols: -1 },
      { rows: 1e9 },
      { cwd: 5 },
      { cwd: '\0' },
      { env: { A: 5 } },
      { env: null },
    ]) {
      await notes.call(allowing, 'hostPty', [['true'], options]);
    }
    assert.equal([notes.unfair, notes.results], [[], []]);
    await allowing.shutdown();
  });
}

test.run();
