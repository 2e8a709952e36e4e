/** The remote protocol itself: packets, and peers that say anything at all. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  encodePacket,
  escapeBinary,
  type Item,
  MAX_PACKET,
  PacketReader,
  parseAddress,
  parseCount,
} from '../../kernel-core/gdb/packet.js';
import { toGdb, toLinux } from '../../kernel-core/gdb/signal-numbers.js';
import { parseThread } from '../../kernel-core/gdb/threads.js';
import { boot } from '../../kernel-core/index.js';
import { boot as bootLibc } from '../../libc/index.js';
import { bootWaiting, Peer, packets } from './peer.js';

const RUNS = 2000;

const readAll = (...pieces: Uint8Array[]): Item[] => {
  const reader = new PacketReader();
  return pieces.flatMap((piece) => [...reader.read(piece)]);
};
const text = (bytes: string): Uint8Array => Uint8Array.from(Buffer.from(bytes, 'latin1'));

test('what is sent is what is read, however it is cut into pieces', () => {
  const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(
    fc.property(data, fc.array(fc.nat(400), { maxLength: 5 }), (content, cuts) => {
      const bytes = encodePacket(escapeBinary(content));
      const ends = [...cuts, bytes.length].sort((a, b) => a - b);
      const pieces = ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
      assert.equal(readAll(...pieces), [{ kind: 'packet', data: content }]);
    }),
    { numRuns: RUNS },
  );
});

test('rubbish never becomes more than its bytes, and does not spoil the packet behind it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (rubbish) => {
      const items = readAll(rubbish, text('$#00'), encodePacket('vCont?'));
      assert.equal(items.at(-1), { kind: 'packet', data: 'vCont?' });
      assert.ok(items.length <= rubbish.length + 2);
    }),
    { numRuns: RUNS },
  );
});

test('a packet that is too long is refused, the next one read', () => {
  const items = readAll(
    encodePacket('x'.repeat(MAX_PACKET + 1)),
    encodePacket('x'.repeat(MAX_PACKET)),
    text('$abc#00'),
  );
  assert.equal(items, [{ kind: 'damaged' }, { kind: 'packet', data: 'x'.repeat(MAX_PACKET) }, { kind: 'damaged' }]);
});

test('numbers, addresses and threads: what is none is refused', () => {
  assert.is(parseAddress('ffffffffc0001000'), -0x3ffff000);
  for (const bad of ['', '-1', '0x10', '123456789abcdef01', '4141414141414141', '8000000000000']) {
    assert.ok(Number.isNaN(parseAddress(bad)), bad);
  }
  assert.is(parseCount('1fffffffffffff'), Number.MAX_SAFE_INTEGER);
  for (const bad of ['', '-1', '20000000000000', 'g']) assert.ok(Number.isNaN(parseCount(bad)), bad);
  assert.equal(parseThread('p2.-1'), { pid: 2, tid: -1 });
  assert.equal(parseThread('p-1.-1'), { pid: -1, tid: -1 });
  assert.equal(parseThread('1f'), { pid: 0, tid: 31 });
  assert.equal(parseThread('p7'), { pid: 7, tid: -1 });
  for (const bad of ['', 'p', 'p1.', '.1', 'p1.1.1', 'x', 'p123456789']) assert.is(parseThread(bad), null, bad);
});

test('every signal of Linux has a number, and comes back as itself', () => {
  const numbers = new Set<number>();
  for (let signal = 0; signal <= 64; signal++) {
    numbers.add(toGdb(signal));
    assert.is(toLinux(toGdb(signal)), signal);
  }
  assert.is(numbers.size, 65);
});

test('without extensions: plain thread numbers, registers, memory, steps; acknowledgements and repetition', async () => {
  const kernel = await bootWaiting();
  const child = kernel.spawn(['true']);
  const peer = new Peer(kernel);
  const tid = child.pid.toString(16);
  assert.match(await peer.ask('?'), new RegExp(`^T05.*thread:${tid};$`));
  const before = await peer.ask('g');
  assert.is(before.length % 2, 0);
  peer.send(text('-'));
  assert.is(await peer.answer(), before, 'sent again');
  assert.is(await peer.ask('qC'), `QC${tid}`);
  assert.is(await peer.ask('qfThreadInfo'), `m${tid}`);
  assert.is(await peer.ask('m0,10'), 'E01');
  assert.is(await peer.ask('mffffffff81000000,10'), 'E01');
  assert.match(await peer.ask('m400000,4'), '7f454c46');
  assert.is(await peer.ask('M400000,2:ffff'), 'OK');
  assert.match(await peer.ask('m400000,4'), 'ffff4c46');
  assert.match(await peer.ask('s'), /^T05/);
  assert.is.not(await peer.ask('g'), before);
  assert.is(await peer.ask('Z3,400000,4'), '', 'no watchpoints for reads alone');
  assert.is(await peer.ask('Z2,400000,100000000'), 'E01');
  assert.is(await peer.ask('qNoSuchThing'), '');
  assert.is(await peer.ask('c'), 'W00');
  assert.is((await child.exit).code, 0);
  await peer.end();
  kernel.assertIdle();
  await kernel.shutdown();
});

test('a peer that has stopped the machine and goes, or goes while it runs: all goes on', async () => {
  for (const last of [[], ['?'], ['?', 'c']]) {
    const kernel = await bootWaiting();
    const child = kernel.spawn(['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 5']);
    const peer = new Peer(kernel);
    for (const packet of last) {
      peer.send(encodePacket(packet));
      if (packet !== 'c') await peer.answer();
    }
    if (last.length === 0) peer.send(text('$?#'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await peer.end();
    assert.is((await child.exit).code, 5);
    kernel.assertIdle();
    await kernel.shutdown();
  }
});

test('the kernel is shut down while a debugger holds it', async () => {
  const kernel = await bootWaiting();
  const child = kernel.spawn(['sh', '-c', 'while :; do :; done']);
  const peer = new Peer(kernel);
  assert.match(await peer.ask('?'), /^T05/);
  await kernel.shutdown();
  assert.is((await child.exit).signal, 'SIGKILL');
  await peer.closed;
});

test('a second debugger is turned away; TypeScript programs wait while the first holds the machine', async () => {
  const kernel = await bootLibc({ gdb: { port: 0, wait: true } });
  const child = kernel.spawn(['true']);
  const first = new Peer(kernel);
  assert.match(await first.ask('?'), /^T05/);
  await new Peer(kernel).closed;
  let hasRead = false;
  const read = kernel.fs.readFile('/etc/passwd', 'utf8').then((text) => {
    hasRead = true;
    return text;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.not.ok(hasRead);
  assert.is(await first.ask('c'), 'W00');
  assert.not.ok(hasRead, 'the end of the program is a stop, too');
  await first.end();
  assert.match(await read, 'root');
  assert.is((await child.exit).code, 0);
  await kernel.shutdown();
});

test('the virtual clock stands still while the machine is held', async () => {
  const times: string[] = [];
  for (const isHeld of [false, true]) {
    const kernel = await boot({ seed: 3, gdb: { port: 0, wait: isHeld } });
    const child = kernel.spawn(['sh', '-c', 'sleep 2; date +%s.%N; cat /proc/uptime']);
    let text = '';
    child.stdout!.on('data', (bytes) => (text += String(bytes)));
    if (isHeld) {
      const peer = new Peer(kernel);
      await peer.ask('?');
      // SIGCHLD, by gdb's number, is delivered without a stop.
      assert.is(await peer.ask('QPassSignals:14'), 'OK');
      await new Promise((resolve) => setTimeout(resolve, 50));
      // It stops when it executes a program, too.
      let reply = '';
      while (!reply.startsWith('W')) reply = await peer.ask('c');
      assert.is(reply, 'W00');
      await peer.end();
    }
    await child.closed;
    times.push(text);
    await kernel.shutdown();
  }
  assert.is(times[1], times[0]);
});

test('packets of any content: each is answered, the program still runs to its end', async () => {
  const kernel = await bootWaiting();
  const child = kernel.spawn(['sh', '-c', 'true']);
  const peer = new Peer(kernel);
  await peer.ask('?');
  // A fixed seed: what fails once fails again.
  const sample = fc.sample(packets, { numRuns: 1500, seed: 11 });
  for (const packet of sample) {
    // What lets it go on, or changes what it runs, is for other tests: the program has to be there to the end.
    if (/^(vCont;.*[cC]|[cC]|k|D|G|P|M|X|vKill|vAttach|[sS]|vCont;.*[rsS])/.test(packet)) continue;
    const answer = await peer.ask(packet);
    assert.type(answer, 'string');
  }
  peer.send(encodePacket('D'));
  await child.exit;
  await peer.end();
  kernel.assertIdle();
  await kernel.shutdown();
});

test.run();
