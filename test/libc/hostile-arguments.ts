/** Arguments of every wrong kind, and what may be thrown for them: for tests of the libc and of the faces for Node people. */
import { EventEmitter } from 'node:events';

/** An array buffer that was given away. */
function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(16);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

function detachedView(): Uint8Array {
  const view = new Uint8Array(16);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

/** Reads anything as something else, or throws. */
const liar = (): unknown =>
  new Proxy([], {
    get: (_target, name) => {
      if (name === 'length') return 3;
      throw new RangeError('not readable');
    },
  });

const ARGUMENTS: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => 0,
  () => 1,
  () => -1,
  () => 3,
  () => 99,
  () => 0.5,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => 2 ** 31,
  () => 2 ** 32 - 1,
  () => Number.MAX_SAFE_INTEGER,
  () => Number.MIN_SAFE_INTEGER,
  () => 2 ** 60,
  () => 7n,
  () => '',
  () => 'name',
  () => '/tmp/name',
  () => 'zero\0byte',
  () => '\ud800',
  () => 'x'.repeat(70_000),
  () => Symbol('symbol'),
  () => ({}),
  () => [],
  () => [1, 2, 3],
  () => ['name', 'other'],
  () => [null],
  () => ({ length: 5 }),
  () => ({ fds: [0, 'x', -1], credentials: 'nobody' }),
  () => ({ type: 'dup2', from: 'x' }),
  () => new Uint8Array(0),
  () => new Uint8Array(64),
  () => new Float64Array(3),
  () => new DataView(new ArrayBuffer(9), 3),
  () => Buffer.from('buffer'),
  () => new ArrayBuffer(5),
  () => new SharedArrayBuffer(5),
  detached,
  detachedView,
  liar,
  () => new Proxy(new Uint8Array(4), {}),
  () => Object.create(null),
  () => Object.create(Uint8Array.prototype),
  () => () => 5,
  () => new Date(Number.NaN),
  () => new Map([[1, 2]]),
  () => /expression/,
];

/** What a program may be told. Those of the kernel have a code. */
export const isFair = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || typeof (error as { code?: unknown }).code === 'string';

/** @returns up to four arguments of any kind */
export const someArguments = (random: () => number): unknown[] =>
  Array.from({ length: Math.floor(random() * 5) }, () => ARGUMENTS[Math.floor(random() * ARGUMENTS.length)]!());

const NOT_OURS: ReadonlySet<object> = new Set([Object.prototype, EventEmitter.prototype]);

/** The public functions of an object and of what it inherits, as far as they are the project's own. */
export function functionsOf(of: object, except: ReadonlySet<string>): string[] {
  const names: string[] = [];
  for (let part = Object.getPrototypeOf(of); !NOT_OURS.has(part); part = Object.getPrototypeOf(part)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(part))) {
      if (typeof value === 'function' && !except.has(name)) names.push(name);
    }
  }
  return names;
}
