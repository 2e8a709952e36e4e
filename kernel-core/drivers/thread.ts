/**
 * Kernel threads: tasks that run a driver's function and have no address space of their own. They stand in the process list
 * as children of kthreadd, the scheduler gives them their turns like any other task, and no signal reaches them. One is made
 * when a driver asks for it, and when a call has to go on although nobody waits for it any more (the release of a file at
 * the end of a process).
 */
import { EventEmitter } from 'eventemitter3';
import { type Err, isErr } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import { exitTask } from '../exit.js';
import { FdTable } from '../fd-table.js';
import type { Kernel } from '../kernel.js';
import { Process } from '../process.js';
import { SignalHandlers } from '../signals/state.js';
import { Task } from '../task.js';
import type { Hook } from '../wait.js';
import type { KernelCall } from './call.js';
import type { Owned, Owner } from './owner.js';

/** Longest name, without its zero byte. @source Linux TASK_COMM_LEN */
const MAX_NAME = 15;

/** A process of the kernel's own with one task. @param parent null: it has none @returns -EAGAIN */
export function makeKernelTask(kernel: Kernel, name: string, parent: Process | null): Task | Err {
  const pid = kernel.processes.allocatePid(true);
  if (isErr(pid)) return pid;
  const process = new Process(kernel, pid, parent);
  process.isKernelThread = true;
  process.pgid = 0;
  process.session = { sid: 0, hungUpGroup: 0 };
  const { rootContext, net } = kernel;
  rootContext.refs++;
  const task = new Task(kernel, process, pid, {
    mm: null,
    files: new FdTable(),
    fs: rootContext,
    handlers: new SignalHandlers(),
    cred: { ...kernel.init.leader.cred },
    netNamespace: net.first,
  });
  process.leader = task;
  task.comm = name.slice(0, MAX_NAME);
  kernel.processes.add(process);
  kernel.processes.addTask(task);
  return task;
}

export class KernelThread implements Owned {
  readonly task: Task;
  readonly owner: Owner;
  readonly call: KernelCall;
  /** What its function has returned; null while it runs. */
  result: number | null = null;
  /** Somebody asks it to end. */
  isStopping = false;
  /** Told when it has ended. */
  readonly endHook: Hook = new EventEmitter();

  /** Makes `task` run `call`, which is suspended. It begins at its turn. */
  constructor(owner: Owner, task: Task, call: KernelCall) {
    this.owner = owner;
    this.task = task;
    this.call = call;
    call.task = task;
    task.driverCall = call;
    task.kernelThread = this;
    task.state = 'running';
    task.kernel.scheduler.enqueue(task);
  }

  /** The scheduler gives it its turn. @returns what that counts for besides what the call itself does */
  run(): number {
    const { task, call } = this;
    const result = call.runner.resume(call);
    if (result !== SUSPENDED) this.#end(result);
    else if (!call.isReady) task.kernel.scheduler.sleep(task);
    return 1;
  }

  /** Its module goes by force; the call goes with it. */
  release(): void {
    this.call.release();
  }

  #end(result: number): void {
    const { task } = this;
    this.result = result;
    if (this.owner.isClosing) task.kernel.drivers.threads.delete(task.tid);
    this.owner.remove(this);
    this.endHook.emit('notify', 0);
    exitTask(this.task, 0);
  }
}

/** Starts a thread that runs a driver's function. @returns -EAGAIN, -ENOMEM */
export function startThread(
  kernel: Kernel,
  owner: Owner,
  name: string,
  prepare: (task: Task) => KernelCall | Err,
): KernelThread | Err {
  const task = makeKernelTask(kernel, name, kernel.kthreadd);
  if (isErr(task)) return task;
  const call = prepare(task);
  if (isErr(call)) {
    exitTask(task, 0);
    return call;
  }
  return owner.add(new KernelThread(owner, task, call));
}
