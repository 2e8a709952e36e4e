/** Unix sockets below the system calls: garbage of any shape against a model, depth, memory given back. */

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from '../../abi/socket.js';
import { PhysicalMemory } from '../../cpu/index.js';
import { Receipt } from '../../net/message.js';
import { NetNamespace } from '../../net/namespace.js';
import { defaultBuffers } from '../../net/settings.js';
import { openSocket, type SocketFile } from '../../net/socket.js';
import { streamTruesize } from '../../net/unix/chunk.js';
import { UnixDomain } from '../../net/unix/domain.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import { DeviceTable } from '../../vfs/devices.js';
import { BytesIter } from '../../vfs/iter.js';
import { INITIAL_USER_NAMESPACE } from '../../vfs/user-namespace.js';
import { seeded } from '../support/random.js';

const TYPES = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET];

interface World {
  domain: UnixDomain;
  memory: PhysicalMemory;
  pair(type: number): [SocketFile, SocketFile];
}

function world(): World {
  const memory = new PhysicalMemory(64 << 20);
  const vfs = { frames: memory, devices: new DeviceTable(), now: () => {} };
  const domain = new UnixDomain({ vfs, urgent: () => {}, random: (target) => target.fill(7) });
  const maker = { ...KERNEL_CALLER, netNamespace: new NetNamespace(vfs, 1, INITIAL_USER_NAMESPACE, defaultBuffers()) };
  return {
    domain,
    memory,
    pair: (type) => {
      const made = domain.createPair(type, 0, maker as never);
      assert.ok(Array.isArray(made));
      const [a, b] = made as [never, never];
      return [openSocket(vfs, a, 0, KERNEL_CALLER), openSocket(vfs, b, 0, KERNEL_CALLER)];
    },
  };
}

/** Sends a byte with `files` over `file`. @returns bytes or an error */
function pass(file: SocketFile, files: readonly SocketFile[], bytes = 1): number {
  const out = {
    address: null,
    caller: null,
    files: { files: files.map((one) => one.ref()), user: 0 },
    pid: 0,
    uid: 0,
    gid: 0,
    who: null,
  };
  const result = file.socket.send(new BytesIter(new Uint8Array(bytes)), 0, out, KERNEL_CALLER, false);
  if (result < 0) for (const one of files) one.unref();
  return result;
}

test('a chain of sockets in messages, each in the last one’s queue, is closed whatever its depth', () => {
  const { domain, pair } = world();
  let held: SocketFile | null = null;
  for (let depth = 0; depth < 100_000; depth++) {
    const [sender, receiver] = pair(SOCK_STREAM);
    if (held !== null) {
      assert.is(pass(sender, [held]), 1);
      held.unref();
    }
    sender.unref();
    held = receiver;
  }
  held!.unref();
  assert.equal(domain.leaks(), []);
});

test('what nobody can reach is closed, and nothing else, in random graphs of passed sockets', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { domain, pair } = world();
    const random = seeded(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const files: SocketFile[] = [];
    for (let i = 0; i < 12; i++) files.push(...pair(pick(TYPES)));
    const held = new Set(files);
    /** What lies in whose queue. */
    const queued = new Map<SocketFile, SocketFile[]>(files.map((file) => [file, []]));
    const peerOf = (file: SocketFile): SocketFile => files[files.indexOf(file) ^ 1]!;
    for (let step = 0; step < 200; step++) {
      const candidates = [...held];
      if (candidates.length === 0) break;
      if (random() < 0.75) {
        const from = pick(candidates);
        const target = peerOf(from);
        const what = pick(candidates);
        const isDead = target.refs === 0;
        const sent = pass(from, [what]);
        if (isDead) {
          assert.ok(sent < 0);
          // A datagram socket that finds its peer gone is disconnected, and loses what it had been sent.
          if (from.socket.type === SOCK_DGRAM) queued.set(from, []);
        } else if (sent === 1) queued.get(target)!.push(what);
      } else {
        const file = pick(candidates);
        held.delete(file);
        file.unref();
      }
      const reachable = new Set<SocketFile>();
      const todo = [...held];
      for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
        if (reachable.has(file)) continue;
        reachable.add(file);
        todo.push(...queued.get(file)!);
      }
      for (const file of files) {
        assert.is(file.refs > 0, reachable.has(file), `seed ${seed} step ${step} socket ${files.indexOf(file)}`);
        if (!reachable.has(file)) queued.set(file, []);
      }
    }
    for (const file of held) file.unref();
    assert.equal(domain.leaks(), []);
  }
});

test('the memory of messages goes back, whatever their sizes and however they end', () => {
  const { domain, memory, pair } = world();
  const random = seeded(5);
  const before = memory.usedFrames;
  for (let round = 0; round < 40; round++) {
    const [a, b] = pair(TYPES[round % 3]!);
    const receipt = new Receipt();
    let sent = 0;
    for (let i = 0; i < 50; i++) {
      const size = Math.floor(random() ** 4 * 100_000);
      const count = a.socket.send(
        new BytesIter(new Uint8Array(size)),
        0,
        { address: null, caller: null, files: null, pid: 0, uid: 0, gid: 0, who: null },
        KERNEL_CALLER,
        false,
      );
      if (count > 0) sent += count;
      if (random() < 0.4) {
        receipt.begin(1);
        const room = new BytesIter(new Uint8Array(Math.floor(random() * 20_000)));
        b.socket.receive(room, 0, receipt);
      }
    }
    assert.ok(sent > 0);
    a.unref();
    b.unref();
    assert.is(domain.slots.used, 0);
  }
  assert.equal(domain.leaks(), []);
  domain.dispose();
  assert.is(memory.usedFrames, before);
});

test('no memory: a message is refused, and what it had taken goes back', () => {
  const { memory, domain, pair } = world();
  const [a, b] = pair(SOCK_STREAM);
  const taken: number[] = [];
  for (let frame = memory.allocFrame(); frame !== 0; frame = memory.allocFrame()) taken.push(frame);
  for (const frame of taken.splice(0, 3)) memory.unref(frame);
  assert.is(pass(a, [b], 30_000), -105);
  assert.is(domain.slots.used, 0);
  for (const frame of taken) memory.unref(frame);
  a.unref();
  b.unref();
  assert.equal(domain.leaks(), []);
});

test('what a piece is charged grows with it', () => {
  let last = 0;
  for (let size = 0; size <= 36_544; size += 7) {
    const charge = streamTruesize(size);
    assert.ok(charge >= last && charge > size);
    last = charge;
  }
});

test.run();
