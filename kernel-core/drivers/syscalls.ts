/**
 * System calls that drivers answer: new ones at numbers that nobody has, and wrappers of those that are there. Each is a row
 * of the kernel's table like any other, so dispatch, the tracer and who counts calls need not know. The layers of a number lie
 * on top of each other, the youngest on top; each belongs to its module and goes with it, from wherever it lies.
 *
 * A wrapper asks for the call below it with `banos_syscall_original`. That cannot happen inside of the driver's run: fork and
 * exec need the program's registers on the processor, and a call that waits needs the task's wait. So the driver is suspended
 * meanwhile, the call is made as if nobody were in front of it, and the driver goes on with the result:
 *
 *   row.fn ─► driver runs ─► asks for the original ─► suspended ─► the layer below ─► result ─► driver goes on ─► result
 *                                                                     └─ PENDING: `wait.afterwards` does the rest ─┘
 */
import { EAGAIN, EBUSY, EEXIST, EINTR, EINVAL, ENOENT, ENOSPC, type Err, fail } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { Kernel } from '../kernel.js';
import { entryOf, type SyscallEntry, type SyscallHandler, type SyscallRow } from '../syscalls/row.js';
import type { Task } from '../task.js';
import type { ArgumentKind } from '../trace/kinds.js';
import { CONTEXT_REPLACED, PENDING } from '../wait.js';
import type { KernelCall } from './call.js';
import type { Owned, Owner } from './owner.js';

/** Where numbers for whoever wants any begin, and behind the last that can be had. */
const FIRST_FREE = 512;
const NUMBERS = 4096;
const MAX_ARGUMENTS = 6;
const TWO_32 = 2 ** 32;

/** How arguments are shown by the tracer, as the header numbers them. Append-only. */
const KINDS: readonly ArgumentKind[] = [
  'int',
  'uint',
  'offset',
  'ulong',
  'hex',
  'address',
  'fd',
  'string',
  'path',
  'bufIn',
  'bufOut',
  'size',
  'mode',
  'pid',
  'signal',
  'uid',
];
/** Those of a result: decimal, hexadecimal. */
const RESULTS: readonly (string | undefined)[] = [undefined, 'hex'];

export interface SyscallDescription {
  /** -1: any that is free. */
  readonly number: number;
  readonly name: string;
  /** Stand in front of what is there. */
  readonly wraps: boolean;
  /** One for each argument. */
  readonly kinds: readonly number[];
  readonly result: number;
  /** The driver's function. */
  readonly address: number;
}

/** A driver's answer to one number. */
export class SyscallLayer implements Owned {
  readonly number: number;
  readonly owner: Owner;
  readonly address: number;
  readonly row: SyscallEntry;
  /** Calls under way. */
  inFlight = 0;
  readonly #syscalls: DriverSyscalls;

  constructor(syscalls: DriverSyscalls, owner: Owner, number: number, address: number, shape: Omit<SyscallRow, 'fn'>) {
    this.#syscalls = syscalls;
    this.owner = owner;
    this.number = number;
    this.address = address;
    const fn: SyscallHandler = (task, ...args) =>
      syscalls.enter(this, task, task.program === null ? null : wordsOf(args));
    this.row = entryOf({ ...shape, fn }, shape.ints ?? 0);
  }

  release(): void {
    this.#syscalls.remove(this);
  }
}

/** What is at a number. */
interface Place {
  /** The kernel's own; the row of unknown numbers when it has none. */
  readonly builtIn: SyscallEntry;
  /** The lowest first. */
  readonly layers: SyscallLayer[];
}

export class DriverSyscalls {
  readonly #kernel: Kernel;
  readonly #places = new Map<number, Place>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** @returns the number; -EINVAL, -EEXIST: somebody has it, -ENOENT: there is nothing to wrap, -ENOSPC: none is free */
  register(owner: Owner, { number, name, wraps, kinds, result, address }: SyscallDescription): number | Err {
    const args = kinds.map((kind) => KINDS[kind]);
    if (kinds.length > MAX_ARGUMENTS || args.includes(undefined as never) || result >= RESULTS.length) {
      return fail(EINVAL);
    }
    if (!/^[A-Za-z_]\w{0,63}$/.test(name) || number >= NUMBERS || number < (wraps ? 0 : -1)) return fail(EINVAL);
    const { syscalls } = this.#kernel;
    const at = number === -1 ? this.#free() : number;
    if (at < 0) return fail(ENOSPC);
    const below = syscalls[at];
    const isTaken = below !== undefined && below.support !== 'none';
    if (wraps !== isTaken) return fail(wraps ? ENOENT : EEXIST);
    const shape = { name, args, support: 'full', ...(RESULTS[result] && { result: RESULTS[result] }) } as const;
    const builtIn = below ?? this.#kernel.unknownSyscall;
    const layer = new SyscallLayer(this, owner, at, address, wraps ? builtIn : shape);
    let place = this.#places.get(at);
    if (place === undefined) {
      place = { builtIn, layers: [] };
      this.#places.set(at, place);
    }
    place.layers.push(layer);
    this.#show(at, place);
    owner.add(layer);
    return at;
  }

  /** The youngest that `owner` has at a number. @returns -ENOENT; -EBUSY: a call is under way */
  unregister(owner: Owner, number: number): number | Err {
    const layer = this.#places.get(number)?.layers.findLast((one) => one.owner === owner);
    if (layer === undefined) return fail(ENOENT);
    if (layer.inFlight > 0) return fail(EBUSY);
    owner.remove(layer);
    this.remove(layer);
    return 0;
  }

  remove(layer: SyscallLayer): void {
    const place = this.#places.get(layer.number);
    if (place === undefined) return;
    place.layers.splice(place.layers.indexOf(layer), 1);
    this.#show(layer.number, place);
    if (place.layers.length === 0) this.#places.delete(layer.number);
  }

  /** Lines of /proc/banos/syscalls: number, name, who answers, calls under way; a wrapper above what it wraps. */
  describe(): string {
    const lines: string[] = [];
    for (const [number, row] of this.#kernel.syscalls.entries()) {
      const place = this.#places.get(number);
      for (const { owner, inFlight } of place?.layers.toReversed() ?? []) {
        lines.push(`${number} ${row.name} ${owner.name} ${inFlight}\n`);
      }
      const builtIn = place === undefined ? row : place.builtIn;
      if (builtIn !== undefined && builtIn.support !== 'none') lines.push(`${number} ${builtIn.name} kernel -\n`);
    }
    return lines.join('');
  }

  /** A program makes the call, or a wrapper above does. @param words halves of the arguments; null: they are in registers */
  enter(layer: SyscallLayer, task: Task, words: Uint32Array | null): number {
    // A program that asks in between must not wait, nor can the task be in two drivers.
    if (task.driverCall !== null) return fail(EAGAIN);
    layer.inFlight++;
    layer.owner.holds++;
    const result = this.#kernel.drivers.runner.invokeSyscall(layer, task, words);
    if (result === SUSPENDED) return new Flight(this, layer, task).goOn();
    this.leave(layer);
    return result;
  }

  /** From an exported function: the driver that answers a call wants what is below it. */
  askOriginal(call: KernelCall, words: Uint32Array): number {
    if (call.syscall === null || call.task === null || call.task.kernelThread !== null) return fail(EINVAL);
    const result = call.sleep(neverOver);
    if (result === SUSPENDED) call.originalWords = words;
    return result;
  }

  leave(layer: SyscallLayer): void {
    layer.inFlight--;
    layer.owner.holds--;
  }

  /** Makes the call that `layer` stands in front of. @returns as a handler does */
  callBelow(layer: SyscallLayer, task: Task, words: Uint32Array): number {
    const place = this.#places.get(layer.number);
    const below = place?.layers[place.layers.indexOf(layer) - 1];
    if (below !== undefined) return this.enter(below, task, words);
    if (task.program === null) this.#kernel.scheduler.load(task);
    const { fn } = place?.builtIn ?? this.#kernel.unknownSyscall;
    return fn(
      task,
      signed(words, 0),
      signed(words, 1),
      signed(words, 2),
      signed(words, 3),
      signed(words, 4),
      signed(words, 5),
    );
  }

  #free(): number {
    const { syscalls } = this.#kernel;
    for (let number = FIRST_FREE; number < NUMBERS; number++) {
      if ((syscalls[number]?.support ?? 'none') === 'none') return number;
    }
    return -1;
  }

  #show(number: number, { builtIn, layers }: Place): void {
    this.#kernel.syscalls[number] = layers.at(-1)?.row ?? builtIn;
  }
}

/** A driver's answer that takes longer: it sleeps, or the call below does. */
class Flight {
  readonly #syscalls: DriverSyscalls;
  readonly #layer: SyscallLayer;
  readonly #task: Task;
  readonly #call: KernelCall;
  /** What the driver has returned; SUSPENDED: it has not yet. */
  #answer = SUSPENDED;
  /** The call below has given the task other registers. */
  #isReplaced = false;

  constructor(syscalls: DriverSyscalls, layer: SyscallLayer, task: Task) {
    this.#syscalls = syscalls;
    this.#layer = layer;
    this.#task = task;
    this.#call = task.driverCall!;
  }

  /** Until the driver has answered, or the task sleeps. @returns as a handler does */
  goOn(): number {
    while (this.#answer === SUSPENDED) {
      const words = this.#call.originalWords;
      const result = words === null ? this.#sleep() : this.#callBelow(words);
      if (result === PENDING || this.#isForsaken) return result;
    }
    this.#syscalls.leave(this.#layer);
    return this.#isReplaced ? CONTEXT_REPLACED : this.#answer;
  }

  /** The task goes on, or is gone, without the driver. */
  get #isForsaken(): boolean {
    return this.#answer === SUSPENDED && this.#task.driverCall !== this.#call;
  }

  #sleep(): number {
    const { wait } = this.#task;
    const result = wait.block({
      hooks: [],
      attempt: () => {
        this.#answer = this.#call.runner.resume(this.#call);
        return this.#answer === SUSPENDED && this.#call.originalWords === null ? SUSPENDED : 0;
      },
      waitsByItself: true,
      what: 'wait_for_driver',
      // A task that must not wait has left the driver to a thread of the kernel's: that is over now.
      cleanup: () => {
        if (this.#isForsaken) this.#syscalls.leave(this.#layer);
      },
    });
    if (result === PENDING) wait.afterwards((ended) => (wait.isAbandoned ? this.#forsake(ended) : this.goOn()));
    return result;
  }

  #callBelow(words: Uint32Array): number {
    const { wait } = this.#task;
    this.#call.originalWords = null;
    // Whoever is below may have a driver's call of its own.
    this.#task.driverCall = null;
    const result = this.#syscalls.callBelow(this.#layer, this.#task, words);
    if (result === PENDING) {
      wait.afterwards((late) => {
        if (wait.isAbandoned) return this.#forsake(late);
        this.#resume(late);
        return this.goOn();
      });
      return result;
    }
    // exit does not return.
    if (this.#task.state === 'dead') return this.#forsake(result);
    this.#isReplaced ||= result === CONTEXT_REPLACED;
    this.#resume(result === CONTEXT_REPLACED ? 0 : result);
    return 0;
  }

  #resume(result: number): void {
    const call = this.#call;
    this.#task.driverCall = call;
    // When the driver is gone meanwhile, the call below still has its result.
    const { isAborted } = call;
    call.attempt = () => result;
    const answer = call.runner.resume(call);
    this.#answer = isAborted ? result : answer;
  }

  /** The task dies: the driver finds its call interrupted, and ends in a thread of the kernel's. */
  #forsake(result: number): number {
    const call = this.#call;
    if (call.attempt === neverOver) call.attempt = () => fail(EINTR);
    call.originalWords = null;
    call.isReady = true;
    this.#task.driverCall = call;
    const { drivers } = call.kernel;
    const cleanup = (): void => this.#syscalls.leave(this.#layer);
    if (!drivers.detach(this.#task, { cleanup })) cleanup();
    return result;
  }
}

const neverOver = (): number => SUSPENDED;

/** Halves of numbers, as far as they are exact. */
function wordsOf(numbers: readonly number[]): Uint32Array {
  const words = new Uint32Array(2 * MAX_ARGUMENTS);
  for (const [i, number] of numbers.entries()) {
    words[2 * i] = number % TWO_32;
    words[2 * i + 1] = Math.floor(number / TWO_32);
  }
  return words;
}

const signed = (words: Uint32Array, index: number): number => (words[2 * index + 1]! | 0) * TWO_32 + words[2 * index]!;
