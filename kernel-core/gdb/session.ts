/**
 * A conversation with gdb: packets in, answers out. One object for each connection; the debugger it drives belongs to the
 * kernel. A stop is told when gdb waits for one, that is after it let something go on; whatever gdb says meanwhile but
 * the request to stop is kept until then, as a serial line would.
 *
 * What a packet asks for that is not here is answered with an empty packet: gdb then does without. The peer may be anybody
 * who can reach the port: every number is checked, and nothing it says ends anything but its own connection.
 * @source GDB manual, appendix "Remote Protocol"
 */
import { SIGINT, SIGTRAP } from '../../abi/signal.js';
import type { Debugger } from '../debug/debugger.js';
import type { DebugEvent, Going } from '../debug/events.js';
import { isKernelAddress } from '../drivers/layout.js';
import type { Connection } from '../host-listener.js';
import type { Kernel } from '../kernel.js';
import type { Process } from '../process.js';
import type { Task } from '../task.js';
import { GuestFiles } from './files.js';
import { breakpointPacket } from './marks.js';
import { peek, peekKernel, poke, pokeKernel } from './memory.js';
import {
  ERROR,
  encodePacket,
  fromHex,
  type Item,
  MAX_PACKET,
  PacketReader,
  parseAddress,
  parseCount,
  toHex,
  UNSUPPORTED,
} from './packet.js';
import { query, setting } from './queries.js';
import { readAll, readOne, writeAll, writeOne } from './registers.js';
import { type Plan, parsePlain, parseVCont, VCONT_ACTIONS } from './resume.js';
import { Starter } from './start.js';
import { stopReply } from './stop-reply.js';
import { ANY, attachedTasks, isMeant, parseThread, type ThreadId, tasksOf } from './threads.js';

const OK = 'OK';
/** Bytes of output in a packet. */
const SHOWN_AT_ONCE = 1024;
/** Packets that may wait while the machine runs. */
const MAX_WAITING = 64;

/** What the peer has said of itself. */
export interface Features {
  multiprocess: boolean;
  /** Stop replies may say that it was a breakpoint, and then the program counter is at it. */
  swbreak: boolean;
  noResumed: boolean;
  /** It stays when the last process has ended. */
  extended: boolean;
}

export class Session {
  readonly kernel: Kernel;
  readonly debugger: Debugger;
  readonly features: Features = {
    multiprocess: false,
    swbreak: false,
    noResumed: false,
    extended: false,
  };
  /** Acknowledgements are sent and looked at. */
  acks = true;
  /** Task that registers and memory are asked of; ANY: the one that stopped. */
  #general: ThreadId = { pid: ANY, tid: ANY };
  #last: Task | null = null;
  readonly #connection: Connection;
  readonly #reader = new PacketReader();
  readonly #files: GuestFiles;
  readonly starter: Starter;
  /** gdb waits for the machine to stop. */
  #isWaiting = false;
  #waiting: string[] = [];
  #sent: Uint8Array | null = null;
  #isOver = false;

  constructor(kernel: Kernel, debug: Debugger, connection: Connection) {
    this.kernel = kernel;
    this.debugger = debug;
    this.#connection = connection;
    this.#files = new GuestFiles(kernel);
    this.starter = new Starter(kernel, (text) => this.#show(text));
    debug.onEvent = () => this.#tellStop();
    debug.driverStops.onPassed = (text) => void this.#show(text);
  }

  received(bytes: Uint8Array): void {
    for (const item of this.#reader.read(bytes)) if (!this.#isOver) this.#take(item);
  }

  /** The peer has gone, or is to: what it held goes on by itself. */
  closed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#files.closeAll();
    this.starter.close();
    this.debugger.onEvent = null;
    this.debugger.driverStops.onPassed = null;
    this.debugger.detachAll();
  }

  /** The task that commands are about. */
  get task(): Task | null {
    const tasks = attachedTasks(this.debugger);
    const meant = tasks.filter((task) => isMeant(this.#general, task));
    return meant.find((task) => task === this.#last) ?? meant[0] ?? null;
  }

  #take(item: Item): void {
    if (item.kind === 'interrupt') {
      this.#interrupt();
    } else if (item.kind === 'nack') {
      if (this.acks && this.#sent !== null) this.#connection.send(this.#sent);
    } else if (item.kind === 'damaged') {
      if (this.acks) this.#connection.send(encodeAck('-'));
    } else if (item.kind === 'packet') {
      if (this.acks) this.#connection.send(encodeAck('+'));
      if (!this.#isWaiting) this.#perform(item.data);
      else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(item.data);
    }
  }

  #perform(packet: string): void {
    const answer = this.#answer(packet);
    if (answer !== null) this.#send(answer);
  }

  #send(data: string): void {
    this.#sent = encodePacket(data);
    this.#connection.send(this.#sent);
  }

  /** @returns null: there is none yet, or none at all */
  #answer(packet: string): string | null {
    const rest = packet.slice(1);
    switch (packet[0]) {
      case '!':
        this.features.extended = true;
        return OK;
      case '?':
        return this.#whyStopped();
      case 'g':
        return this.#withTask(readAll);
      case 'G':
        return this.#withTask((task) => (this.#mayWrite(task) && writeAll(task, rest) ? OK : ERROR));
      case 'p':
        return this.#withTask((task) => readOne(task, parseCount(rest)) ?? ERROR);
      case 'P':
        return this.#writeRegister(rest);
      case 'm':
        return this.#readMemory(rest);
      case 'M':
      case 'X':
        return this.#writeMemory(rest, packet[0] === 'X');
      case 'H':
        return this.#choose(rest);
      case 'T':
        return this.#isAlive(rest) ? OK : ERROR;
      case 'Z':
      case 'z':
        return breakpointPacket(this.task, this.debugger, packet);
      case 'c':
      case 's':
      case 'C':
      case 'S':
        return this.#resume(parsePlain(packet, this.task));
      case 'D':
        return this.#detach(rest);
      case 'k':
        this.#killAll();
        return null;
      case 'v':
        return this.#verbose(rest);
      case 'q':
        return query(this, rest);
      case 'Q':
        return setting(this, rest);
      default:
        return UNSUPPORTED;
    }
  }

  #verbose(packet: string): string | null {
    if (packet === 'Cont?') return VCONT_ACTIONS;
    if (packet.startsWith('Cont;')) return this.#resume(parseVCont(packet.slice('Cont'.length)));
    if (packet.startsWith('File:')) return this.#files.perform(packet.slice('File:'.length));
    if (packet.startsWith('Kill;')) return this.#kill(parseCount(packet.slice('Kill;'.length)));
    if (packet.startsWith('Run;')) return this.#run(packet.slice('Run;'.length));
    if (packet.startsWith('Attach;')) return this.#attach(parseCount(packet.slice('Attach;'.length)));
    return UNSUPPORTED;
  }

  #withTask(act: (task: Task) => string): string {
    const { task } = this;
    return task === null ? ERROR : act(task);
  }

  // Stops.

  /** Who connects without a word about processes gets the one that was started for it, or the first there is. */
  #whyStopped(): string {
    const { debugger: debug } = this;
    const event = debug.takeEvent();
    if (event !== undefined) return this.#reply(event);
    const [known] = attachedTasks(debug);
    if (known !== undefined) return this.#reply(stoppedBy(known, 0));
    if (this.features.extended) return 'W00';
    for (const process of this.kernel.processes.all()) {
      if (!debug.attach(process)) continue;
      const [task] = tasksOf(process);
      return this.#reply(stoppedBy(task!, 0));
    }
    return 'W00';
  }

  #reply(event: DebugEvent): string {
    if (event.type === 'stopped') {
      this.#last = event.task;
      this.#general = { pid: ANY, tid: ANY };
    }
    return stopReply(event, this.features, this.debugger);
  }

  #tellStop(): void {
    if (!this.#isWaiting) return;
    let event = this.debugger.takeEvent();
    if (event?.type === 'nothing runs' && !this.features.noResumed) event = this.debugger.takeEvent();
    if (event === undefined) return;
    // What was written before the stop is shown before it.
    this.starter.flush();
    this.#isWaiting = false;
    this.#send(this.#reply(event));
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const packet of waiting) {
      if (this.#isWaiting) this.#waiting.push(packet);
      else this.#perform(packet);
    }
  }

  #interrupt(): void {
    if (!this.#isWaiting) return;
    const { task } = this;
    if (task === null) return;
    this.debugger.interruptBy(task, SIGINT);
  }

  #resume(plan: Plan | null): string | null {
    if (plan === null) return ERROR;
    if (attachedTasks(this.debugger).length === 0) return ERROR;
    this.#isWaiting = true;
    this.starter.flush();
    this.debugger.resume((task): Going | null => plan(task));
    return null;
  }

  // Processes and threads.

  #choose(rest: string): string {
    const thread = parseThread(rest.slice(1));
    if (thread === null) return ERROR;
    // What `Hc` chooses only matters to packets that vCont has replaced.
    if (rest[0] !== 'g') return OK;
    if (!attachedTasks(this.debugger).some((task) => isMeant(thread, task))) return ERROR;
    this.#general = thread;
    return OK;
  }

  #isAlive(rest: string): boolean {
    const thread = parseThread(rest);
    return thread !== null && attachedTasks(this.debugger).some((task) => isMeant(thread, task));
  }

  #attach(pid: number): string {
    const process = this.kernel.processes.get(pid);
    if (process === null || !this.debugger.attach(process)) return ERROR;
    return this.#reply(stoppedBy(tasksOf(process)[0]!, 0));
  }

  /** Starts a program and stops before its first instruction. */
  #run(rest: string): string {
    const { debugger: debug } = this;
    const catchesNext = debug.catchesNext;
    debug.catchesNext = false;
    const process = this.starter.run(rest);
    debug.catchesNext = catchesNext;
    if (process === null) return ERROR;
    if (debug.attach(process, false)) return this.#reply(stoppedBy(tasksOf(process)[0]!, SIGTRAP));
    // It is no machine code.
    debug.kill(process);
    return ERROR;
  }

  /** For gdb to print: output of a program that it started, and what it should know. @returns false: gdb takes it only while it waits */
  #show(text: string): boolean {
    if (!this.#isWaiting) return false;
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += SHOWN_AT_ONCE) {
      this.#send(`O${toHex(bytes.subarray(at, at + SHOWN_AT_ONCE))}`);
    }
    return true;
  }

  #attachedProcess(pid: number): Process | null {
    const process = this.kernel.processes.get(pid);
    return process !== null && this.debugger.isAttached(process) ? process : null;
  }

  #detach(rest: string): string {
    if (rest === '') {
      this.debugger.detachAll();
      return OK;
    }
    const process = this.#attachedProcess(parseCount(rest.slice(1)));
    if (process === null) return ERROR;
    this.debugger.detach(process);
    this.#goOnWithout();
    return OK;
  }

  #kill(pid: number): string {
    const process = this.#attachedProcess(pid);
    if (process === null) return ERROR;
    this.debugger.kill(process);
    this.#goOnWithout();
    return OK;
  }

  #killAll(): void {
    for (const process of [...this.debugger.processes]) this.debugger.kill(process);
    this.#goOnWithout();
  }

  /** Nothing is held any more when nothing is attached to. */
  #goOnWithout(): void {
    const [some] = this.debugger.processes;
    if (some === undefined) this.debugger.detachAll();
  }

  // Registers and memory.

  /** A task that sleeps in a call leaves it when its registers are changed. */
  #mayWrite(task: Task): boolean {
    return this.debugger.interrupt(task);
  }

  #writeRegister(rest: string): string {
    const [number = '', value = ''] = rest.split('=');
    const write = (task: Task): boolean => this.#mayWrite(task) && writeOne(task, parseCount(number), value);
    return this.#withTask((task) => (write(task) ? OK : ERROR));
  }

  #readMemory(rest: string): string {
    const [at = '', length = ''] = rest.split(',');
    const address = parseAddress(at);
    const count = parseCount(length);
    const space = this.task?.mm;
    if (!space || Number.isNaN(address) || !(count >= 0)) return ERROR;
    const bytes = new Uint8Array(Math.min(count, MAX_PACKET / 2));
    const got = isKernelAddress(address) ? peekKernel(this.kernel, address, bytes) : peek(space, address, bytes);
    return got === 0 && count > 0 ? ERROR : toHex(bytes.subarray(0, got));
  }

  #writeMemory(rest: string, isBinary: boolean): string {
    const colon = rest.indexOf(':');
    const [at = '', length = ''] = rest.slice(0, Math.max(colon, 0)).split(',');
    const address = parseAddress(at);
    const data = rest.slice(colon + 1);
    const bytes = isBinary ? Uint8Array.from(Buffer.from(data, 'latin1')) : fromHex(data);
    const space = this.task?.mm;
    if (!space || Number.isNaN(address) || bytes === null || bytes.length !== parseCount(length)) return ERROR;
    const isDone = isKernelAddress(address) ? pokeKernel(this.kernel, address, bytes) : poke(space, address, bytes);
    return isDone ? OK : ERROR;
  }
}

const encodeAck = (sign: '+' | '-'): Uint8Array => Uint8Array.of(sign.charCodeAt(0));

const stoppedBy = (task: Task, signal: number): DebugEvent => ({
  type: 'stopped',
  task,
  signal,
  reason: { kind: 'signal' },
});
