/**
 * Peers that say anything at all, two at once, and go in the middle: no exception, no end of the kernel, and what they held
 * goes on when they are gone. Seeds are fixed: what fails once fails again.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePacket, MAX_PACKET } from '../../kernel-core/gdb/packet.js';
import { bootWaiting, Peer, packets } from './peer.js';

const RUNS = 12;
const PATIENCE_MS = 20_000;

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** What ends a program, changes it, or sends it a signal; and what attaches to another, or starts one. */
const HARMFUL = /^(k|[CSGPMX]|vKill|vAttach|vRun|vCont.*[CS])/;

const anything = fc.oneof(
  { weight: 8, arbitrary: packets.map(encodePacket) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('c', 's', 'vCont;c', 'vCont;s:1', '?', 'D', 'Z0,401000,1', '!').map(encodePacket),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom('Z0', 'Z1', 'Z2', 'Z4', 'z0', 'z2', 'z4', 'm'),
        fc.constantFrom('400000', '401000', '401123', '7fffffffe000', 'ffffffffc0000000', '0'),
        fc.nat(0x1100),
      )
      .map(([command, address, size]) =>
        encodePacket(`${command}${command === 'm' ? '' : ','}${address},${size.toString(16)}`),
      ),
  },
  { weight: 2, arbitrary: fc.constant(Uint8Array.of(3)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('+', '-', '----', '$', '#', '$#', '$g#00', '$g#zz', '$m0,ffffffffffffffff#').map(latin1),
  },
  { weight: 1, arbitrary: packets.map((packet) => encodePacket(packet).subarray(0, -1)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 1, arbitrary: fc.nat(3 * MAX_PACKET).map((length) => encodePacket('X0,'.padEnd(length, '\x7d'))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'm',
          'Z2,',
          'vFile:pread:0,',
          'qXfer:auxv:read::',
          'qXfer:features:read:target.xml:',
          'vFile:open:',
        ),
        fc.constantFrom(...'0123456789abcdef'),
      )
      .map(([command, digit]) => encodePacket(`${command}${digit.repeat(16)},${digit.repeat(15)}`)),
  },
);
const harmless = anything.filter((bytes) => !HARMFUL.test(Buffer.from(bytes).toString('latin1').slice(1)));

/** Who says what: one of two peers; or it goes, and comes again; or both wait a moment. */
const script = (words: fc.Arbitrary<Uint8Array>) =>
  fc.array(
    fc.record({
      who: fc.constantFrom(0, 0, 0, 1),
      act: fc.oneof(
        { weight: 10, arbitrary: words },
        { weight: 1, arbitrary: fc.constantFrom('go' as const, 'finish' as const, 'wait' as const) },
      ),
    }),
    { minLength: 10, maxLength: 80, size: 'max' },
  );

type Script = { who: number; act: Uint8Array | 'go' | 'finish' | 'wait' }[];

async function play(kernel: ConstructorParameters<typeof Peer>[0], steps: Script): Promise<void> {
  const peers = [new Peer(kernel), new Peer(kernel)];
  // The machine stops for whoever asks why it has; the other one is turned away.
  for (const peer of peers) peer.send(encodePacket('?'));
  for (const { who, act } of steps) {
    if (act === 'wait') await new Promise((resolve) => setImmediate(resolve));
    else if (act === 'go' || act === 'finish') {
      // What is on its way is lost, or not.
      await (act === 'go' ? peers[who]!.end() : peers[who]!.finish());
      peers[who] = new Peer(kernel);
      peers[who]!.send(encodePacket('?'));
    } else peers[who]!.send(act);
  }
  for (const peer of peers) await peer.finish();
}

/** Nothing that a peer says is an exception of anybody's. */
async function withoutExceptions(act: () => Promise<void>): Promise<void> {
  const caught: unknown[] = [];
  const note = (error: unknown): void => void caught.push(error);
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('it hangs')), PATIENCE_MS);
    });
    await Promise.race([act(), late]);
  } finally {
    clearTimeout(timer);
    process.off('uncaughtException', note);
    process.off('unhandledRejection', note);
  }
  assert.equal(caught, []);
}

/** A program that takes its time, and says whether all went well. */
const COUNT = ['sh', '-c', 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); done; [ $i = 400 ] && exit 5'];

test('peers that only look, stop and step: the program ends as it would have', async () => {
  await fc.assert(
    fc.asyncProperty(script(harmless), (steps) =>
      withoutExceptions(async () => {
        const kernel = await bootWaiting();
        const child = kernel.spawn(COUNT);
        await play(kernel, steps);
        assert.is((await child.exit).code, 5);
        kernel.assertIdle();
        await kernel.shutdown();
      }),
    ),
    { numRuns: RUNS, seed: 21 },
  );
});

test('peers that do everything: the kernel goes on, and the next debugger finds it in order', async () => {
  await fc.assert(
    fc.asyncProperty(script(anything), (steps) =>
      withoutExceptions(async () => {
        const kernel = await bootWaiting();
        const child = kernel.spawn(COUNT);
        await play(kernel, steps);
        child.kill('SIGKILL');
        await child.exit;
        const other = kernel.spawn(['sh', '-c', 'read x; exit 7']);
        const peer = new Peer(kernel);
        assert.match(await peer.ask('qSupported:multiprocess+'), 'PacketSize');
        assert.match(await peer.ask('?'), /^[TW]/);
        await peer.end();
        other.stdin!.end('x\n');
        assert.is((await other.exit).code, 7);
        await kernel.shutdown();
      }),
    ),
    { numRuns: RUNS, seed: 22 },
  );
});

test.run();
