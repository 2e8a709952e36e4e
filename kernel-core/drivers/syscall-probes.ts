/**
 * Probes on system calls: functions of drivers that are told when a call begins, with its arguments, and when it ends, with its
 * result. They may not sleep. One that answers a begin with a negative errno vetoes: the call is not made, and has that result.
 * A call that does not return (exit) has no end, nor has one that was under way when the probe came.
 *
 * The kernel asks only while there are any (`SyscallDispatch.watchCalls`): without, a system call costs what it costs.
 */
import { EINVAL, ENOENT, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import type { Task, TracedCall } from '../task.js';
import type { Drivers } from './drivers.js';
import { EventProbe, EventProbes } from './event-probe.js';
import type { Owner } from './owner.js';

/** struct banos_syscall_event. */
export const EVENT_SIZE = 136;
const E_NUMBER = 4;
const E_PID = 8;
const E_TID = 12;
const E_ARGUMENTS = 16;
const E_RESULT = 64;
const E_DATA = 72;
const E_NAME = 80;
const NAME_SIZE = 56;
const MAX_ERRNO = 4095;

export interface SyscallProbeParts {
  /** -1: all. */
  readonly number: number;
  /** Addresses of its functions; 0: it has none. */
  readonly entry: number;
  readonly exit: number;
  readonly data: number;
}

class SyscallProbe extends EventProbe {
  readonly probes: SyscallProbes;
  readonly parts: SyscallProbeParts;

  constructor(probes: SyscallProbes, owner: Owner, parts: SyscallProbeParts, event: number) {
    super(owner, event);
    this.probes = probes;
    this.parts = parts;
  }

  override get place(): string {
    return 'system calls';
  }

  protected override remove(): void {
    this.probes.forget(this);
  }
}

export class SyscallProbes {
  readonly #drivers: Drivers;
  readonly #probes: SyscallProbe[] = [];
  readonly #events: EventProbes;

  constructor(drivers: Drivers) {
    this.#drivers = drivers;
    this.#events = new EventProbes(drivers, EVENT_SIZE, E_DATA);
  }

  /** @returns the address that the driver knows it by; -EINVAL, -ENOMEM */
  register(owner: Owner, parts: SyscallProbeParts): number | Err {
    if (parts.number < -1 || (parts.entry === 0 && parts.exit === 0)) return fail(EINVAL);
    const event = this.#events.makeEvent(owner, parts.data);
    if (event === 0) return fail(ENOMEM);
    this.#probes.push(owner.add(new SyscallProbe(this, owner, parts, event)));
    this.#drivers.kernel.dispatch.watchCalls(this);
    return event;
  }

  /** @returns -ENOENT */
  unregister(owner: Owner, event: number): number | Err {
    const probe = this.#probes.find((one) => one.event === event && one.owner === owner);
    if (probe === undefined) return fail(ENOENT);
    this.#events.unregister(probe);
    return 0;
  }

  forget(probe: SyscallProbe): void {
    this.#probes.splice(this.#probes.indexOf(probe), 1);
    if (this.#probes.length === 0) this.#drivers.kernel.dispatch.watchCalls(null);
  }

  /** A call begins. @returns 0, or a veto */
  enter(task: Task, call: TracedCall): number {
    let veto = 0;
    for (const probe of [...this.#probes]) {
      const result = probe.parts.entry === 0 ? 0 : this.#tell(probe, probe.parts.entry, task, call, 0);
      if (veto === 0 && result < 0 && result >= -MAX_ERRNO) veto = result;
    }
    return veto;
  }

  /** A call has ended. */
  leave(task: Task, call: TracedCall, result: number): void {
    for (const probe of [...this.#probes]) {
      if (probe.parts.exit !== 0) this.#tell(probe, probe.parts.exit, task, call, result);
    }
  }

  describe(): string {
    return this.#probes
      .map(({ owner, parts, hits, missed }) => {
        const what = parts.number === -1 ? 'all' : `${parts.number}`;
        return `syscall ${what} ${owner.name} ${hits} ${missed}\n`;
      })
      .join('');
  }

  #tell(probe: SyscallProbe, fn: number, task: Task, call: TracedCall, result: number): number {
    const { parts, event } = probe;
    if (parts.number !== -1 && parts.number !== call.number) return 0;
    if (!this.#events.mayTell(probe)) return 0;
    const { space } = this.#drivers;
    space.writeU32(event + E_NUMBER, call.number >>> 0);
    space.writeU32(event + E_PID, task.pid);
    space.writeU32(event + E_TID, task.tid);
    for (let i = 0; i < 6; i++) space.writeI64(event + E_ARGUMENTS + 8 * i, call.args[i] ?? 0);
    space.writeI64(event + E_RESULT, result);
    space.write(event + E_NAME, Buffer.from(`${call.row.name.slice(0, NAME_SIZE - 1)}\0`, 'latin1'));
    const answer = this.#events.tell(probe, task, fn);
    return isErr(answer) ? answer : 0;
  }
}
