/**
 * Probes on functions that run in kernel mode: a driver's handler is called when an instruction is about to execute. On an
 * exported function of the kernel the handler stands in front of the row's own; anywhere else it is a breakpoint: the first byte
 * of the instruction is int3, and behind the handler the instruction executes by itself with its own byte back. Handlers may
 * not sleep, see the registers and cannot change them.
 *
 * The return of a function is told, too: at its entry its return address is exchanged for an int3 in the kernel's text, and the
 * call remembers the real one. Functions that jump to others in the end, and functions that call themselves, return one after
 * the other, as they were entered.
 *
 * A probe belongs to the module that asked for it, and is tied to the module whose code it is in: it goes with either.
 */
import { EINVAL, ENOENT, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { Disassembler, EXIT_FAULT, EXIT_SLICE } from '../../cpu/index.js';
import { SUSPENDED } from '../../vfs/file.js';
import { BUG, type KernelCall } from './call.js';
import type { Drivers } from './drivers.js';
import { EventProbe, EventProbes } from './event-probe.js';
import type { Owned, Owner } from './owner.js';
import { R10, RAX, RCX, RSP } from './registers.js';
import type { ExportRow } from './row.js';
import type { SymbolRange } from './symbols.js';

/** struct banos_probe_event. */
const EVENT_SIZE = 176;
const E_PID = 4;
const E_ADDRESS = 8;
const E_REGISTERS = 16;
const E_RFLAGS = 144;
const E_DATA = 152;
const REGISTERS = 16;
const INT3 = 0xcc;
/** Exception vector of int3. @source Intel SDM vol. 3, 6.15 */
const TRAP_BREAKPOINT = 3;
const MAX_INSTRUCTION = 15;
/** Rounds of a repeated instruction that one hit covers. */
const MAX_ROUNDS = 100_000;

interface ProbeParts {
  /** Addresses; 0: it has none. */
  readonly handler: number;
  readonly returned: number;
  readonly data: number;
}

/** A function that a call is in, and whose return is told. */
export interface ProbedReturn {
  readonly probes: readonly Probe[];
  /** Where it returns to, and what rsp is then. */
  readonly address: number;
  readonly rsp: number;
}

class Probe extends EventProbe {
  readonly point: Point;
  readonly handler: number;
  readonly returned: number;

  constructor(point: Point, owner: Owner, { handler, returned }: ProbeParts, event: number) {
    super(owner, event);
    this.point = point;
    this.handler = handler;
    this.returned = returned;
  }

  override get place(): string {
    return `${this.point}`;
  }

  protected override remove(): void {
    this.point.remove(this);
  }
}

const NONE: readonly Probe[] = [];

/** An instruction with probes. */
abstract class Point {
  readonly address: number;
  readonly probes: Probe[] = [];
  protected readonly drivers: Drivers;
  readonly #forget: () => void;

  constructor(drivers: Drivers, address: number, forget: () => void) {
    this.drivers = drivers;
    this.address = address;
    this.#forget = forget;
  }

  /** The last probe is gone: the code is as it was. */
  protected abstract restore(): void;

  remove(probe: Probe): void {
    this.probes.splice(this.probes.indexOf(probe), 1);
    if (this.probes.length > 0) return;
    this.restore();
    this.#forget();
  }

  /**
   * Calls the handlers. The registers are on the processor, as they are at the instruction.
   * @returns the probes that want to know when the function returns
   */
  tell(call: KernelCall, isExport: boolean): readonly Probe[] {
    if (this.probes.length === 0) return NONE;
    const probes = [...this.probes];
    for (const probe of probes) if (probe.handler !== 0) this.drivers.probes.tell(probe, call, probe.handler, isExport);
    return probes.some(({ returned }) => returned !== 0) ? probes.filter(({ returned }) => returned !== 0) : NONE;
  }

  toString(): string {
    return this.drivers.symbols.describe(this.address);
  }
}

/** The entry of an exported function. */
class ExportPoint extends Point {
  readonly #row: ExportRow;

  constructor(drivers: Drivers, address: number, forget: () => void, row: ExportRow) {
    super(drivers, address, forget);
    this.#row = row;
    const { fn } = row;
    // It has as many parameters as any can: the registers are for all of them.
    drivers.text.replace(address, {
      ...row,
      fn: (call, a, b, c, d, e, f) => {
        const probes = this.tell(call, true);
        const result = fn(call, a, b, c, d, e, f);
        return probes.length === 0 ? result : this.#returns(call, probes, result);
      },
    });
  }

  /** The function has returned, or sleeps. @returns the result as it was */
  #returns(call: KernelCall, probes: readonly Probe[], result: number): number {
    if (result === BUG) return result;
    if (result !== SUSPENDED) {
      this.#tellResult(call, probes, result);
      return result;
    }
    const { attempt } = call;
    // What waits for another system call has no result of its own.
    if (attempt === null) for (const probe of probes) probe.missed++;
    else
      call.attempt = () => {
        const later = attempt();
        if (later !== SUSPENDED) this.#tellResult(call, probes, later);
        return later;
      };
    return result;
  }

  #tellResult(call: KernelCall, probes: readonly Probe[], result: number): void {
    for (const probe of probes) this.drivers.probes.tellResult(probe, call, result);
  }

  protected override restore(): void {
    this.drivers.text.replace(this.address, this.#row);
  }
}

/** Any other instruction. */
class BreakPoint extends Point implements Owned {
  readonly #original: Uint8Array;
  readonly #target: Owner | null;
  #isGone = false;

  constructor(drivers: Drivers, address: number, forget: () => void, target: Owner | null) {
    super(drivers, address, forget);
    this.#original = new Uint8Array(1);
    drivers.space.read(address, this.#original);
    this.#target = target;
    target?.add(this);
    this.arm();
  }

  arm(): void {
    if (!this.#isGone) this.drivers.space.install(this.address, Uint8Array.of(INT3));
  }

  disarm(): void {
    if (!this.#isGone) this.drivers.space.install(this.address, this.#original);
  }

  protected override restore(): void {
    this.disarm();
    this.#isGone = true;
    this.#target?.remove(this);
  }

  /** Puts its byte where it is in `bytes`, which were read from `start` on. */
  showOriginal(bytes: Uint8Array, start: number): void {
    const at = this.address - start;
    if (at >= 0 && at < bytes.length) bytes[at] = this.#original[0]!;
  }

  /** The module whose code it is in goes. */
  release(): void {
    this.disarm();
    this.#isGone = true;
    for (const probe of [...this.probes]) probe.drop();
  }
}

export class Probes {
  readonly events: EventProbes;
  readonly #drivers: Drivers;
  readonly #points = new Map<number, Point>();

  constructor(drivers: Drivers) {
    this.#drivers = drivers;
    this.events = new EventProbes(drivers, EVENT_SIZE, E_DATA);
  }

  /**
   * @param symbol a function; `module:function` when several modules have it
   * @returns the address that the driver knows it by; -ENOENT: no such function; -EINVAL: not the start of an instruction, or no code; -ENOMEM
   */
  register(owner: Owner, symbol: string, offset: number, parts: ProbeParts): number | Err {
    const drivers = this.#drivers;
    if (parts.handler === 0 && parts.returned === 0) return fail(EINVAL);
    if (parts.returned !== 0 && offset !== 0) return fail(EINVAL);
    const start = drivers.find(symbol) ?? drivers.symbols.find(symbol);
    if (start === undefined) return fail(ENOENT);
    const address = start + offset;
    const event = this.events.makeEvent(owner, parts.data);
    if (event === 0) return fail(ENOMEM);
    const point = this.#points.get(address) ?? this.#makePoint(start, address);
    if (isErr(point)) {
      drivers.heap.free(event);
      return point;
    }
    drivers.space.writeI64(event + E_ADDRESS, address);
    point.probes.push(owner.add(new Probe(point, owner, parts, event)));
    return event;
  }

  /** @returns -ENOENT */
  unregister(owner: Owner, event: number): number | Err {
    for (const point of this.#points.values()) {
      const probe = point.probes.find((one) => one.event === event && one.owner === owner);
      if (probe === undefined) continue;
      this.events.unregister(probe);
      return 0;
    }
    return fail(ENOENT);
  }

  /**
   * A run in kernel mode has ended with a fault: was it at a probe? Then that is told, and its instruction executes.
   * @returns how the instruction ended, EXIT_*; EXIT_FAULT also when it was no probe
   */
  trapped(call: KernelCall): number {
    const { cpu } = this.#drivers.kernel;
    if (cpu.fault.trapno !== TRAP_BREAKPOINT) return EXIT_FAULT;
    const address = cpu.rip - 1;
    if (address === this.#drivers.text.probeReturn) return this.#returned(call);
    const point = this.#points.get(address);
    if (!(point instanceof BreakPoint)) return EXIT_FAULT;
    cpu.rip = address;
    const probes = point.tell(call, false);
    if (probes.length > 0) this.#awaitReturn(call, probes);
    point.disarm();
    let exit = cpu.step();
    for (let rounds = 0; exit === EXIT_SLICE && cpu.rip === address && rounds < MAX_ROUNDS; rounds++) exit = cpu.step();
    point.arm();
    return exit;
  }

  /** Calls a handler. The registers are on the processor. @param isExport as the stub of an export has them */
  tell(probe: Probe, call: KernelCall, handler: number, isExport: boolean): void {
    if (!this.events.mayTell(probe)) return;
    const { space, kernel } = this.#drivers;
    const { event } = probe;
    const { cpu } = kernel;
    space.writeU32(event + E_PID, call.task?.pid ?? 0);
    for (let i = 0; i < REGISTERS; i++) {
      // The stub has moved it, since the system call instruction takes rcx.
      const register = isExport && i === RCX ? R10 : i;
      space.writeU32(event + E_REGISTERS + 8 * i, cpu.regLo(register));
      space.writeU32(event + E_REGISTERS + 8 * i + 4, cpu.regHi(register));
    }
    space.writeI64(event + E_RFLAGS, cpu.rflags >>> 0);
    this.events.tell(probe, call.task, handler);
  }

  /** An exported function has returned; the registers are anybody's by now. */
  tellResult(probe: Probe, call: KernelCall, result: number): void {
    if (!this.events.mayTell(probe)) return;
    const { space } = this.#drivers;
    const { event } = probe;
    space.writeU32(event + E_PID, call.task?.pid ?? 0);
    space.fill(event + E_REGISTERS, 0, E_DATA - E_REGISTERS);
    space.writeI64(event + E_REGISTERS + 8 * RAX, result);
    this.events.tell(probe, call.task, probe.returned);
  }

  /** At the entry of a function: it is to return to where that is noticed. */
  #awaitReturn(call: KernelCall, probes: readonly Probe[]): void {
    const { space, text, kernel } = this.#drivers;
    const rsp = kernel.cpu.reg(RSP);
    const address = space.readI64(rsp);
    if (Number.isNaN(address) || isErr(space.writeI64(rsp, text.probeReturn))) return;
    call.returns.push({ probes, address, rsp: rsp + 8 });
  }

  /** It has returned there. @returns EXIT_SLICE; EXIT_FAULT when no such function has */
  #returned(call: KernelCall): number {
    const { cpu } = this.#drivers.kernel;
    const rsp = cpu.reg(RSP);
    let found = call.returns.pop();
    // Those that were left by another way do not return any more.
    while (found !== undefined && found.rsp < rsp) found = call.returns.pop();
    if (found === undefined || found.rsp !== rsp) return EXIT_FAULT;
    for (const probe of found.probes) this.tell(probe, call, probe.returned, false);
    cpu.rip = found.address;
    return EXIT_SLICE;
  }

  /** Lines of /proc/banos/probes: place, module, times told, times missed. */
  describe(): string {
    return [...this.#points.values()]
      .flatMap((point) =>
        point.probes.map(({ owner, hits, missed }) => `function ${point} ${owner.name} ${hits} ${missed}\n`),
      )
      .join('');
  }

  #makePoint(start: number, address: number): Point | Err {
    const drivers = this.#drivers;
    const forget = (): void => {
      this.#points.delete(address);
    };
    const row = drivers.text.rowOf(address);
    const range = drivers.symbols.rangeOf(address);
    if (row === undefined && (range?.isCode !== true || !this.#isInstruction(start, address, range))) {
      return fail(EINVAL);
    }
    const point =
      row === undefined
        ? new BreakPoint(drivers, address, forget, range!.owner)
        : new ExportPoint(drivers, address, forget, row);
    this.#points.set(address, point);
    return point;
  }

  /** Does an instruction begin there, counted from the start of its function? */
  #isInstruction(start: number, address: number, range: SymbolRange): boolean {
    const drivers = this.#drivers;
    if (address < start || address >= range.end || start < drivers.text.codeStart) return false;
    const bytes = new Uint8Array(Math.min(address - start + MAX_INSTRUCTION, range.end - start));
    if (isErr(drivers.space.read(start, bytes))) return false;
    // Under other probes lies what was there before.
    for (const point of this.#points.values()) {
      if (point instanceof BreakPoint) point.showOriginal(bytes, start);
    }
    const disassembler = new Disassembler();
    let at = 0;
    while (at < address - start) at += disassembler.at(bytes, at, bytes.length, 0n).length;
    return at === address - start;
  }
}
