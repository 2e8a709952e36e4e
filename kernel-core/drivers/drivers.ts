/**
 * Drivers: C code that runs in kernel mode. This is what the rest of the kernel sees of them; the module table
 * (kernel-core/modules/) loads and unloads through it.
 *
 *   owner.ts     who has what                      space.ts, layout.ts   the kernel address space
 *   calls.ts     how a driver function is called   text.ts, exports/     what drivers call
 *   call.ts      one flow of control               heap.ts, stacks.ts    what they live on
 *   thread.ts    kernel threads                    oops.ts, symbols.ts   when one fails
 *
 * Nothing of it costs anything before the first module comes (`start`).
 */

import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { KERN_ALERT, KERN_EMERG } from '../../abi/klog.js';
import type { LinkedObject } from '../../elf/link/link.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { Kernel } from '../kernel.js';
import type { Task } from '../task.js';
import type { WaitRequest } from '../wait.js';
import type { KernelCall } from './call.js';
import { CallRunner, type OopsReason } from './calls.js';
import type { DriverDevice } from './chrdev.js';
import { crashCore } from './crash-dump.js';
import { EXPORTS } from './exports/index.js';
import { MACHINE_CODE } from './exports/machine-code.js';
import { DriverFamilies } from './families.js';
import type { DriverInode } from './fs-inode.js';
import type { DriverFsType } from './fs-types.js';
import { KernelHeap } from './heap.js';
import { Instance, ModuleArea, type SegmentBases, type SegmentSizes } from './instance.js';
import { CANARY_OFFSET, KERNEL_TEXT, PER_CPU } from './layout.js';
import { DriverDisciplines } from './ldiscs.js';
import { Watchdog } from './lockup.js';
import { describeOops, type OopsContext } from './oops.js';
import { Owner } from './owner.js';
import { Probes } from './probes.js';
import { DriverProcFiles } from './proc-files.js';
import { DriverSchedulers } from './schedulers.js';
import { KernelSpace, RW } from './space.js';
import { SymbolIndex } from './symbols.js';
import { SyscallProbes } from './syscall-probes.js';
import { DriverSyscalls } from './syscalls.js';
import { type KernelSymbol, KernelText } from './text.js';
import { KernelThread, makeKernelTask } from './thread.js';
import type { DriverTimer } from './timer.js';
import type { DriverLine } from './tty.js';
import { Mutexes, SpinLocks, WaitQueues } from './wait-queues.js';

/** What exists once the first module has come. */
interface Started {
  readonly space: KernelSpace;
  readonly text: KernelText;
  readonly heap: KernelHeap;
  readonly runner: CallRunner;
  readonly area: ModuleArea;
  readonly dispose: () => void;
}

export class Drivers {
  readonly kernel: Kernel;
  readonly symbols = new SymbolIndex();
  /** What the kernel itself starts on behalf of modules that need not know. */
  readonly owner = new Owner('kernel');
  readonly procFiles = new DriverProcFiles();
  readonly waitQueues = new WaitQueues();
  readonly mutexes = new Mutexes();
  readonly spinLocks = new SpinLocks();
  /** By the address of the driver's object. */
  readonly timers = new Map<number, DriverTimer>();
  /** Threads of drivers by number, until somebody has their result or their module goes. */
  readonly threads = new Map<number, KernelThread>();
  /** Character devices by their first number. */
  readonly devices = new Map<number, DriverDevice>();
  /** Types of file systems by name. */
  readonly fsTypes = new Map<string, DriverFsType>();
  /** Inodes of drivers' file systems by the address that drivers know them by. */
  readonly fsInodes = new Map<number, DriverInode>();
  /** Terminal lines by the address that drivers know them by. */
  readonly lines = new Map<number, DriverLine>();
  /** Line disciplines, by number, and terminals that have them. */
  readonly disciplines: DriverDisciplines;
  /** Names that modules export, for `banos_lookup_symbol`; the module table sets it. */
  lookup: (name: string) => number | undefined = () => undefined;
  /** Text of `Modules linked in:`; the module table sets it. */
  listModules: () => string = () => '';
  /** `Not tainted` or `Tainted: …`; the module table, which knows all reasons, sets it. */
  describeTaint: () => string = () => (this.oopses > 1 ? 'Tainted: G      D' : 'Not tainted');
  /** Gets a core file of the kernel at the first crash, to be read at once. */
  crashDump: ((pieces: Iterable<Uint8Array>) => void) | null = null;
  /** Told of each crash, when its report is in the log. */
  onOops: ((owner: Owner) => void) | null = null;
  /** Address families of drivers. */
  readonly families = new DriverFamilies();
  /** System calls that drivers answer. */
  readonly syscalls: DriverSyscalls;
  readonly watchdog = new Watchdog();
  /** Instructions after which any call is ended; for people who debug a driver. */
  deadline = Number.POSITIVE_INFINITY;
  readonly schedulers = new DriverSchedulers(this);
  readonly syscallProbes = new SyscallProbes(this);
  readonly probes = new Probes(this);
  /** Calls that nobody waits for, and that go on in kernel threads. The module table's hook is told when one ends. */
  detached = 0;
  /** Reports so far. */
  oopses = 0;
  #started: Started | null = null;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.syscalls = new DriverSyscalls(kernel);
    this.disciplines = new DriverDisciplines(kernel);
  }

  /** The call whose code is on the processor; null: none. */
  get active(): KernelCall | null {
    return this.#started === null ? null : this.#started.runner.active;
  }

  get isStarted(): boolean {
    return this.#started !== null;
  }

  // Precondition of these: `start` has succeeded.

  get space(): KernelSpace {
    return this.#started!.space;
  }

  get heap(): KernelHeap {
    return this.#started!.heap;
  }

  get text(): KernelText {
    return this.#started!.text;
  }

  get runner(): CallRunner {
    return this.#started!.runner;
  }

  /** Ascending; empty before the start. */
  get kernelSymbols(): readonly KernelSymbol[] {
    return this.#started?.text.symbols ?? [];
  }

  /** Makes the kernel address space, once. @returns 0, -ENOMEM */
  start(): number | Err {
    if (this.#started !== null) return 0;
    const { kernel } = this;
    const nesting = kernel.cpu.makeNesting();
    if (nesting === undefined) return fail(ENOMEM);
    const space = KernelSpace.create(kernel.memory);
    if (isErr(space)) {
      nesting.dispose();
      return space;
    }
    const undo = (): void => {
      space.dispose();
      nesting.dispose();
    };
    const text = KernelText.create(space, EXPORTS, MACHINE_CODE);
    if (isErr(text)) {
      undo();
      return text;
    }
    const failed = this.#mapPerCpu(space);
    if (isErr(failed)) {
      undo();
      return failed;
    }
    this.symbols.add({
      module: null,
      start: KERNEL_TEXT,
      end: KERNEL_TEXT + text.size,
      symbols: text.symbols,
      owner: null,
      isCode: true,
    });
    const heap = new KernelHeap(space);
    heap.onDamage = (line) => kernel.log.write(KERN_ALERT, 0, `BUG ${line}`);
    const runner = new CallRunner({ kernel, space, text, nesting, oops: (call, reason) => this.#oops(call, reason) });
    this.#started = { space, text, heap, runner, area: new ModuleArea(), dispose: undo };
    return 0;
  }

  /** Address of a kernel export as objects name it; undefined: there is none. */
  find(symbol: string): number | undefined {
    return this.#started?.text.find(symbol);
  }

  /** Takes addresses for the segments of an object. They go with their owner. @returns -ENOMEM */
  reserve(owner: Owner, sizes: SegmentSizes): SegmentBases | Err {
    const failed = this.start();
    return isErr(failed) ? failed : this.#started!.area.reserve(owner, sizes);
  }

  /** Puts a linked object where its addresses were reserved. It goes with its owner. @returns -ENOMEM */
  instantiate(owner: Owner, linked: LinkedObject): Instance | Err {
    const instance = Instance.create(this.space, this.symbols, owner, linked);
    return isErr(instance) ? instance : owner.add(instance);
  }

  /**
   * For a system call's handler: runs a driver function that returns an int and may sleep.
   * @param done gets what it returns (-EIO when it crashed, -ENODEV when its module went by force)
   * @returns what `done` returns, or PENDING
   */
  callFrom(
    task: Task,
    owner: Owner,
    address: number,
    args: readonly number[],
    done: (result: number) => number,
  ): number {
    const { runner } = this;
    const [a, b, c] = args;
    const result = runner.invoke(owner, task, { address, isInt: true }, a, b, c);
    if (result !== SUSPENDED) return done(result);
    return task.wait.block({
      hooks: [],
      attempt: () => {
        const later = runner.resume(task.driverCall!);
        return later === SUSPENDED ? later : done(later);
      },
      waitsByItself: true,
      what: 'wait_for_driver',
    });
  }

  /** Runs a driver function that may not sleep. @param isInt it returns an int, not a long */
  callNow(owner: Owner, address: number, args: readonly number[], isInt = true): number {
    const [a, b, c, d] = args;
    return this.runner.invokeAtomic(owner, this.kernel.caller, { address, isInt }, a, b, c, d);
  }

  /**
   * The sleeping call of a task goes on without it, in a kernel thread.
   * @param request of the wait that it was to be; its `cleanup` is called when the call is over
   * @returns false when there can be no thread: the call is ended
   */
  detach(task: Task, request: Pick<WaitRequest, 'cleanup'>): boolean {
    const call = task.driverCall!;
    task.driverCall = null;
    const thread = this.#adopt(call);
    if (thread === null) {
      call.task = null;
      call.isAborted = true;
      this.runner.resume(call);
      return false;
    }
    thread.endHook.once('notify', () => request.cleanup?.());
    return true;
  }

  /**
   * Calls a driver function that may sleep though nobody waits for it: then a kernel thread goes on with it.
   * @param done called when it is over, with what it has returned
   */
  callDetached(owner: Owner, address: number, args: readonly number[], done: (result: number) => void): void {
    const { runner } = this;
    const { caller } = this.kernel;
    // A task that is in a call that sleeps cannot be in another one.
    const task = caller === null || caller.driverCall !== null || caller.state === 'dead' ? null : caller;
    const [a, b, c] = args;
    const result = runner.invoke(owner, task, { address, isInt: true }, a, b, c);
    if (result !== SUSPENDED) {
      done(result);
      return;
    }
    const call = runner.suspended!;
    if (task !== null) task.driverCall = null;
    const thread = this.#adopt(call);
    if (thread === null) {
      call.isAborted = true;
      done(runner.resume(call));
      return;
    }
    thread.endHook.once('notify', () => done(thread.result!));
  }

  /** A driver's code goes on in a thread of the kernel's. */
  #adopt(call: KernelCall): KernelThread | null {
    const task = makeKernelTask(this.kernel, 'kworker/0:1', this.kernel.kthreadd);
    if (isErr(task)) return null;
    const thread = this.owner.add(new KernelThread(this.owner, task, call));
    this.detached++;
    thread.endHook.once('notify', () => {
      this.detached--;
      this.kernel.modules.hook.emit('notify', 0);
    });
    return thread;
  }

  /** Everything goes; no call is under way. */
  dispose(): void {
    this.owner.release();
    if (this.#started === null) return;
    this.#started.dispose();
    this.#started = null;
  }

  #mapPerCpu(space: KernelSpace): number | Err {
    const failed = space.map(PER_CPU, 1, RW);
    if (isErr(failed)) return failed;
    const canary = new Uint8Array(8);
    this.kernel.host.random(canary);
    // The lowest byte is 0, as everywhere: text functions cannot copy it.
    canary[0] = 0;
    return space.write(PER_CPU + CANARY_OFFSET, canary);
  }

  #oops(call: KernelCall, reason: OopsReason): void {
    const { kernel, symbols } = this;
    const { space, runner } = this.#started!;
    const context: OopsContext = {
      kernel,
      space,
      symbols,
      isGuard: (address) => runner.stacks.isGuard(address),
      modules: this.listModules,
      taint: this.describeTaint,
      number: ++this.oopses,
    };
    const lines = describeOops(context, call, reason);
    for (const [i, line] of lines.entries()) kernel.log.write(i === 0 ? KERN_ALERT : KERN_EMERG, 0, line);
    const { crashDump } = this;
    // What comes later may follow from it.
    this.crashDump = null;
    crashDump?.(crashCore(kernel, space, call, reason));
    this.onOops?.(call.owner);
  }
}
