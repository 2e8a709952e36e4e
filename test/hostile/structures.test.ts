/**
 * Structures of random words as messages, vectors, control data, addresses and events: each call of a socket or an epoll
 * set answers at once with a number, nothing throws, and nothing is left when the program has ended. What the answers
 * have to be, the probes compare with the host: test/net/probes/hostile-*.c and drawn.c.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { O_NONBLOCK } from '../../abi/fcntl.js';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../abi/socket.js';
import { boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';
import '../support/seeded.js';
import { framesOf } from './support.js';

/** Numbers of system calls. */
const CALLS = {
  connect: 42,
  sendto: 44,
  recvfrom: 45,
  sendmsg: 46,
  recvmsg: 47,
  bind: 49,
  getsockname: 51,
  getpeername: 52,
  setsockopt: 54,
  getsockopt: 55,
  epoll_wait: 232,
  epoll_ctl: 233,
  accept4: 288,
  recvmmsg: 299,
  sendmmsg: 307,
} as const;
type Name = keyof typeof CALLS;

const SYS_SOCKET = 41;
const SYS_SOCKETPAIR = 53;
const SYS_LISTEN = 50;
const SYS_EPOLL_CREATE1 = 291;
const SYS_CLOSE_RANGE = 436;
const WORDS = 128;
const SIZE = WORDS * 8;
const RUNS = 1000;
/** Turns of the event loop in which a call that does not wait has answered: now and then one goes through the run queue. */
const TURNS = 100;

/** A word of memory: a place in the block (with `isPlace`), or a value. */
interface Word {
  isPlace: boolean;
  value: bigint;
}

const word: fc.Arbitrary<Word> = fc.oneof(
  fc.nat(SIZE).map((at) => ({ isPlace: true, value: BigInt(at) })),
  fc.constantFrom(0n, 1n, 2n, 16n, 20n, 24n, 28n, 110n, 1024n, 1025n, 0x1_0000_0001n, 0x2_0000_0001n).map(asValue),
  fc.constantFrom(8n, 0x8000_0000n, 0x7fff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000n).map(asValue),
  fc.bigInt(0n, 2n ** 64n - 1n).map(asValue),
);

function asValue(value: bigint): Word {
  return { isPlace: false, value };
}

const attack = fc.record({
  name: fc.constantFrom(...(Object.keys(CALLS) as Name[])),
  fd: fc.nat(6),
  other: fc.integer({ min: -1, max: 8 }),
  at: fc.integer({ min: -8, max: SIZE + 8 }),
  second: fc.integer({ min: -8, max: SIZE + 8 }),
  number: fc.oneof(fc.nat(130), fc.constantFrom(-1, 0x7fffffff, 1025)),
  flags: fc.oneof(fc.constant(0), fc.nat(0xffff), fc.nat()),
  words: fc.array(word, { minLength: 8, maxLength: WORDS }),
});

/** @returns what the call has answered; NaN: it waits */
async function now(result: number | Promise<number>): Promise<number> {
  if (typeof result === 'number') return result;
  let answer = Number.NaN;
  void result.then((value) => {
    answer = value;
  });
  for (let turns = 0; turns < TURNS && Number.isNaN(answer); turns++)
    await new Promise((resolve) => setImmediate(resolve));
  return answer;
}

test('structures of random words', async () => {
  const kernel = await boot({ memory: 64, seed: 1 });
  const before = framesOf(kernel);
  let failed: unknown = null;
  let done = 0;
  kernel.installSystemProgram('/bin/attacker', async (system) => {
    const { memory } = system;
    const { address } = memory.take(SIZE) as { address: number };
    const bytes = new Uint8Array(SIZE);
    const view = new DataView(bytes.buffer);
    const at = (offset: number): number => (offset < 0 ? [0, 8, 2 ** 47, -8][-offset % 4]! : address + offset);

    const socketsOf = async (type: number): Promise<number[]> => {
      const pair = async (): Promise<number[]> => {
        await now(system.call(SYS_SOCKETPAIR, AF_UNIX, type | O_NONBLOCK, 0, address));
        memory.read(address, bytes);
        return [view.getInt32(0, true), view.getInt32(4, true)];
      };
      const alone = await now(system.call(SYS_SOCKET, AF_UNIX, type | O_NONBLOCK));
      const listening = await now(system.call(SYS_SOCKET, AF_UNIX, type | O_NONBLOCK));
      bytes.set([AF_UNIX, 0]);
      memory.write(address, bytes);
      await now(system.call(CALLS.bind, listening, address, 2));
      await now(system.call(SYS_LISTEN, listening, 1));
      return [...(await pair()), ...(await pair()), alone, listening, await now(system.call(SYS_EPOLL_CREATE1))];
    };

    const make = (
      fds: readonly number[],
      { name, fd, other, at: first, second, number, flags }: Attack,
    ): number | Promise<number> => {
      const [file, target, place, length] = [fds[fd]!, fds[other] ?? other, at(first), at(second)];
      const quick = flags | MSG_DONTWAIT | MSG_NOSIGNAL;
      switch (name) {
        case 'connect':
        case 'bind':
          return system.call(CALLS[name], file, place, number);
        case 'sendto':
          return system.call(CALLS[name], file, place, number, quick, length, number);
        case 'recvfrom':
          return system.call(CALLS[name], file, place, number, quick, length, place);
        case 'sendmsg':
        case 'recvmsg':
          return system.call(CALLS[name], file, place, quick);
        case 'sendmmsg':
        case 'recvmmsg':
          return system.call(CALLS[name], file, place, number, quick, 0);
        case 'getsockname':
        case 'getpeername':
        case 'accept4':
          return system.call(CALLS[name], file, place, length, flags);
        case 'setsockopt':
          return system.call(CALLS[name], file, flags & 1 ? SOL_SOCKET : flags, number, place, number);
        case 'getsockopt':
          return system.call(CALLS[name], file, flags & 1 ? SOL_SOCKET : flags, number, place, length);
        case 'epoll_ctl':
          return system.call(CALLS[name], fds[6]!, flags % 5, target, place);
        case 'epoll_wait':
          return system.call(CALLS[name], target, place, number, 0);
      }
    };

    const answer = async (attacks: readonly Attack[], type: number): Promise<void> => {
      const fds = await socketsOf(type);
      for (const one of attacks) {
        bytes.fill(0);
        one.words.forEach(({ isPlace, value }, i) => {
          view.setBigUint64(i * 8, isPlace ? BigInt(address) + value : value, true);
        });
        memory.write(address, bytes);
        const result = await now(make(fds, one));
        if (result >= 0) done++;
        assert.ok(Number.isInteger(result) && result >= -4095, `${one.name} answers ${result}`);
      }
      await now(system.call(SYS_CLOSE_RANGE, 3, 0xffffffff));
    };

    try {
      const row = fc.array(attack, { minLength: 1, maxLength: 30 });
      const type = fc.constantFrom(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET);
      await fc.assert(fc.asyncProperty(row, type, answer), { numRuns: RUNS });
    } catch (error) {
      failed = error;
    }
  });
  const { code } = await collect(kernel.spawn(['/bin/attacker']));
  if (failed !== null) throw failed;
  assert.is(code, 0);
  assert.ok(done > RUNS / 2, `only ${done} calls did something`);
  kernel.assertIdle();
  const after = framesOf(kernel);
  assert.ok(after <= before + 64, `${after} frames are used, ${before} were`);
  await kernel.shutdown();
});

type Attack = typeof attack extends fc.Arbitrary<infer T> ? T : never;

test.run();
