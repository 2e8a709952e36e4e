/** The line disciplines that drivers have brought: registration, and which terminals have them. */
import { EBUSY, EINVAL, ENOENT, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { KERN_ALERT } from '../../abi/klog.js';
import type { DisciplineType, LineDiscipline } from '../../pty/ldisc.js';
import type { LdiscHost } from '../../pty/ldisc-host.js';
import type { Kernel } from '../kernel.js';
import type { KernelCall } from './call.js';
import type { Drivers } from './drivers.js';
import { DriverDiscipline } from './ldisc.js';
import type { Owned, Owner } from './owner.js';
import { readStructure } from './structure.js';

/** Operations of struct banos_ldisc_ops in their order, behind size and flags. */
const OPERATIONS = [
  'open',
  'close',
  'flush_buffer',
  'read',
  'write',
  'ioctl',
  'poll',
  'receive',
  'write_wakeup',
  'hangup',
  'set_termios',
] as const;
export type DisciplineOperation = (typeof OPERATIONS)[number];
/** Addresses; 0: the driver leaves it out. */
type DisciplineOperations = Readonly<Record<DisciplineOperation, number>>;

/** struct banos_ldisc. */
const LDISC_SIZE = 24;
const L_NUMBER = 4;
const L_NAME = 8;
const L_OPS = 16;
const MAX_NAME = 33;
/** struct banos_ldisc_ops: its first version has 11 operations. */
const OPS_FLAGS = 4;
const OPS_HEAD = 8;
const FIRST_OPERATIONS = 11;
/** BANOS_LDISC_INHERIT */
const FLAG_INHERIT = 1;

export class DriverDisciplineType implements DisciplineType, Owned {
  readonly drivers: Drivers;
  readonly owner: Owner;
  readonly number: number;
  readonly name: string;
  readonly operations: DisciplineOperations;
  /** What the driver leaves out is N_TTY's. */
  readonly inherits: boolean;
  /** One for each terminal that has it. */
  readonly users = new Set<DriverDiscipline>();

  constructor(
    drivers: Drivers,
    owner: Owner,
    {
      number,
      name,
      flags,
      operations,
    }: { number: number; name: string; flags: number; operations: DisciplineOperations },
  ) {
    this.drivers = drivers;
    this.owner = owner;
    this.number = number;
    this.name = name;
    this.operations = operations;
    this.inherits = (flags & FLAG_INHERIT) !== 0;
  }

  get disciplines(): DriverDisciplines {
    return this.drivers.disciplines;
  }

  make(host: LdiscHost): LineDiscipline | Err {
    if (this.owner.isClosing) return fail(EINVAL);
    return DriverDiscipline.create(this, host) ?? fail(ENOMEM);
  }

  log(text: string): void {
    this.drivers.kernel.log.write(KERN_ALERT, 0, `line discipline ${this.name}: ${text}`);
  }

  /** Its module goes. The terminals that had it have lost it before, for they have it later. */
  release(): void {
    this.disciplines.forget(this);
  }
}

export class DriverDisciplines {
  /** By the address that drivers know them by, as long as they may use it. */
  readonly users = new Map<number, DriverDiscipline>();
  readonly #kernel: Kernel;
  readonly #types = new Set<DriverDisciplineType>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * banos_register_ldisc.
   * @param address of a struct banos_ldisc
   * @returns 0; -EINVAL, -EEXIST; BUG
   */
  register(call: KernelCall, address: number): number {
    const { drivers } = this.#kernel;
    const ldisc = readStructure(call, address, LDISC_SIZE, LDISC_SIZE);
    if (typeof ldisc === 'number') return ldisc;
    const least = OPS_HEAD + 8 * FIRST_OPERATIONS;
    const ops = readStructure(call, ldisc.pointer(L_OPS), least, OPS_HEAD + 8 * OPERATIONS.length);
    if (typeof ops === 'number') return ops;
    const name = ldisc.text(L_NAME, MAX_NAME);
    if (isErr(name)) return call.bug('banos_register_ldisc with a bad name');
    const flags = ops.u32(OPS_FLAGS);
    if (!/^[\w-]{1,32}$/.test(name) || (flags & ~FLAG_INHERIT) !== 0) return fail(EINVAL);
    const operations = Object.fromEntries(
      OPERATIONS.map((operation, i) => [operation, ops.pointer(OPS_HEAD + 8 * i)]),
    ) as DisciplineOperations;
    const type = new DriverDisciplineType(drivers, call.owner, {
      number: ldisc.s32(L_NUMBER),
      name,
      flags,
      operations,
    });
    const result = this.#kernel.disciplines.register(type);
    if (result !== 0) return result;
    this.#types.add(type);
    call.owner.add(type);
    return 0;
  }

  /** @returns 0; -ENOENT; -EBUSY while a terminal has it */
  unregister(owner: Owner, number: number): number | Err {
    for (const type of this.#types) {
      if (type.owner !== owner || type.number !== number) continue;
      if (type.users.size > 0) return fail(EBUSY);
      owner.remove(type);
      this.forget(type);
      return 0;
    }
    return fail(ENOENT);
  }

  forget(type: DriverDisciplineType): void {
    this.#kernel.disciplines.unregister(type);
    this.#types.delete(type);
  }

  /** Lines of /proc/banos/ldiscs: number, name, module, terminals that have it. */
  describe(): string {
    return [...this.#types]
      .map(({ number, name, owner, users }) => `${number} ${name} ${owner.name} ${users.size}\n`)
      .join('');
  }
}
