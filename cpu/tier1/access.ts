/**
 * Emits the accesses of a region's instructions to guest memory: a check that leads from the virtual to the physical address,
 * through the windows of the access site or through the extents by address, at once for all members of a group (groups.ts).
 * What is in neither leaves the region before the instruction has had an effect.
 */
import type { Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import { emitThroughExtents } from './extents.js';
import {
  GROUP_ACCESS,
  KIND_EXTENT_MISS,
  KIND_STEP,
  NARROW_SPAN,
  SECOND_WINDOW,
  SITE_SLOTS,
  W_DELTA,
  W_LOW,
  W_READ,
  W_READ_WIDE,
  W_WRITE,
  W_WRITE_WIDE,
  WRITE_ACCESS,
} from './layout.js';
import { LoopWindows, readWindow, storeWindow, type WindowUse } from './loop-windows.js';
import { type Access, accessOf, type Group } from './memory-access.js';
import type { PlannedBlock } from './planned-block.js';
import type { Registers } from './registers.js';
import { missKind, type Relocation } from './relocation.js';
import type { Step } from './step.js';
import type { Temps } from './temps.js';
import type { Version } from './versions.js';
import { type Passed, Walks } from './walks.js';

/** How an access finds its memory: the number of a window, or −1 for the extents by address. */
export type AccessPath = number;

/** How the accesses of an instruction are to be checked. */
export interface AccessPolicy {
  path(step: Step, write: boolean, stack: boolean): AccessPath;
  /** Checks of this instruction together with others have failed too often. */
  isAlone(step: Step): boolean;
}

/** Which of the rounds in a row of the fast version of a loop. */
export interface FastRound {
  readonly version: Version;
  readonly turn: number;
}

/** What accesses need of the code around them. */
export interface AccessSurroundings {
  push(v: Value): void;
  /** Puts a value into a local and returns that. */
  inLocal(v: Value): number;
  /** The same on a side path: the value is not there afterwards. */
  copy(v: Value): number;
  /** Emits the way out at the current instruction, as `Exits` has it. */
  stop(kind: number, address: number, relocation?: Relocation): void;
}

/** The field of a window that an access is compared with. */
function limitField(size: number, write: boolean): number {
  const wide = size > NARROW_SPAN;
  return write ? (wide ? W_WRITE_WIDE : W_WRITE) : wide ? W_READ_WIDE : W_READ;
}

export class Accesses {
  readonly #code: Code;
  readonly #temps: Temps;
  readonly #policy: AccessPolicy;
  readonly #around: AccessSurroundings;
  readonly #loops: LoopWindows;
  readonly #walks: Walks;
  /** In the fast version of a loop: which, and the round. */
  #fast: FastRound | undefined;
  /** Of accesses or groups that have their address from an earlier round: how much further they are. */
  readonly #offsets = new Map<Value | Group, number>();
  #block = -1;
  /** In this block: distances modulo 16 that are aligned, of groups of other blocks. */
  readonly #aligned = new Map<Group, Set<number>>();
  /** Locals of groups of this block alone that have members to come. */
  #groupLocals = new Set<number>();

  constructor(code: Code, registers: Registers, temps: Temps, policy: AccessPolicy, around: AccessSurroundings) {
    this.#code = code;
    this.#temps = temps;
    this.#policy = policy;
    this.#around = around;
    this.#loops = new LoopWindows(code, registers);
    this.#walks = new Walks(code, registers, temps);
  }

  /** @param groups those that begin in it */
  beginBlock(block: number, groups: readonly Group[], fast: FastRound | undefined): void {
    this.#block = block;
    this.#fast = fast;
    this.#offsets.clear();
    this.#groupLocals.clear();
    this.#aligned.clear();
    for (const group of groups) {
      group.local = -1;
      group.left = group.members;
      group.aligned.clear();
    }
  }

  /** Adds the locals that accesses to come need. */
  hold(kept: Set<number>): void {
    for (const local of this.#groupLocals) kept.add(local);
  }

  /** Constant distance of an access from the physical address in its value's local. */
  offsetOf(address: Value): number {
    const membership = accessOf(address)?.membership;
    if (membership === undefined || membership.group.local !== address.local) return this.#offsets.get(address) ?? 0;
    const { group, distance } = membership;
    return distance - group.low + (this.#offsets.get(group) ?? 0);
  }

  /** Emits the check of an access; its local then has the physical address, less `offsetOf`. */
  probe(v: Value, step: Step): void {
    const access = accessOf(v)!;
    const { size, write, aligned, stack, membership } = access;
    const group = membership?.group;
    if (group !== undefined && group.local >= 0) {
      v.local = group.local;
      const distance = membership!.distance;
      if (aligned && !this.#isWalking(group.leader))
        this.#requireAligned(group, distance, size, () => this.pushSum(group.local, distance - group.low));
      this.#passed(group);
      return;
    }
    if (this.#isWalking(access)) {
      this.#walk(v, group);
      return;
    }
    const address = v.args[0]!;
    if (aligned) {
      const pushAddress = (): void => {
        this.#code.get(this.#around.inLocal(address));
        this.#code.op('i32.wrap_i64');
      };
      this.#requireAligned(group, membership?.distance ?? 0, size, pushAddress);
    }
    const path = this.#policy.path(step, write || group?.write === true, stack === true);
    // In all copies of its block alike, whatever the policy has learned in between.
    if (group?.leader === access && (path < 0 || this.#policy.isAlone(step))) group.isApart = true;
    if (path < 0) {
      v.local = this.#temps.take('i32');
      this.#withoutSlot(this.#around.inLocal(address), size, write, v.local, step);
    } else if (group === undefined || group.leader !== access || group.isApart) {
      v.local = this.#temps.take('i32');
      this.#throughWindow(path, address, 0, size, write, 0, v.local);
    } else {
      group.local = this.#groupLocal(group);
      v.local = group.local;
      const first = group.low - membership!.distance;
      this.#throughWindow(path, address, first, group.high - group.low, group.write, GROUP_ACCESS, group.local);
    }
    if (group !== undefined) this.#passed(group);
  }

  /** Whether the gate has checked an access for this version of the loop. */
  #isWalking(access: Access): boolean {
    return this.#fast !== undefined && this.#walks.passed(this.#fast.version, access) !== undefined;
  }

  /** An access that needs no check here. */
  #walk(v: Value, group: Group | undefined): void {
    const { version, turn } = this.#fast!;
    const { forGroup } = this.#walks.passed(version, accessOf(v)!)!;
    const push = (value: Value): void => this.#around.push(value);
    // Code behind the loop looks for the address of a shared group in its own local.
    if (group === undefined || (forGroup && !group.shared)) {
      const known = this.#walks.address(version, turn, v, push);
      if (known !== undefined) {
        v.local = known.local;
        this.#offsets.set(group ?? v, known.offset);
        if (group !== undefined) group.local = known.local;
        return;
      }
    }
    const local = group === undefined || !forGroup ? this.#temps.take('i32') : this.#groupLocal(group);
    this.#walks.compute(version, v, 0, push);
    this.#code.set(local);
    v.local = local;
    if (group === undefined) return;
    if (forGroup) group.local = local;
    this.#passed(group);
  }

  #groupLocal(group: Group): number {
    if (group.shared) {
      // The same in copies of its block: some code behind is reached from all of them.
      if (group.own < 0) group.own = this.#code.local('i32');
      return group.own;
    }
    const local = this.#temps.take('i32');
    this.#groupLocals.add(local);
    return local;
  }

  /** A member of a group has been emitted. */
  #passed(group: Group): void {
    if (!group.shared && --group.left === 0) this.#groupLocals.delete(group.local);
  }

  /** Distances modulo 16 of a group that are known to be aligned where code is being emitted. */
  #alignedOf(group: Group): Set<number> {
    if (group.home === this.#block) return group.aligned;
    let aligned = this.#aligned.get(group);
    if (aligned === undefined) {
      aligned = new Set(group.aligned);
      this.#aligned.set(group, aligned);
    }
    return aligned;
  }

  /** Pushes the sum of an i32 local and a constant. */
  pushSum(local: number, distance: number): void {
    this.#code.get(local);
    if (distance === 0) return;
    this.#code.i32(distance);
    this.#code.op('i32.add');
  }

  /** A local with an address at a distance from the one in another local. */
  #addressAt(address: number, distance: number): number {
    if (distance === 0) return address;
    const local = this.#temps.take('i64');
    this.#code.get(address);
    this.#code.i64(distance);
    this.#code.op('i64.add');
    this.#code.set(local);
    return local;
  }

  /** Leaves when an address is no multiple of the size; once for members of a group that differ by one. */
  #requireAligned(group: Group | undefined, distance: number, size: number, pushAddress: () => void): void {
    const residue = ((distance % size) + size) % size;
    const known = group === undefined ? undefined : this.#alignedOf(group);
    if (known?.has(residue)) return;
    known?.add(residue);
    const code = this.#code;
    pushAddress();
    code.i32(size - 1);
    code.op('i32.and');
    code.rarely();
    this.#around.stop(KIND_STEP, -1);
    code.end();
  }

  /** What the check of an access reads; undefined when there is none for it. */
  #useOf(access: Access, step: Step): WindowUse | undefined {
    const { size, write, stack, base, membership } = access;
    const group = membership?.group;
    if (group !== undefined && group.leader !== access) return undefined;
    const slot = this.#policy.path(step, write || group?.write === true, stack === true);
    if (slot < 0) return undefined;
    const isAlone = group === undefined || this.#policy.isAlone(step);
    const limit = isAlone ? limitField(size, write) : limitField(group.high - group.low, group.write);
    const distance = isAlone ? 0 : group.low - membership!.distance;
    return { slot, limit, base, distance };
  }

  /**
   * Before and behind a loop without calls.
   * @param blocks its blocks, and how deep in loops each is
   * @param version the loop is the fast version of this
   */
  openLoop(blocks: readonly { planned: PlannedBlock; depth: number }[], version?: Version): void {
    this.#loops.open(blocks, (access, step) => {
      const isChecked = version === undefined || this.#walks.passed(version, access) === undefined;
      return isChecked ? this.#useOf(access, step) : undefined;
    });
    if (version !== undefined) this.#walks.open(version);
  }

  closeLoop(): void {
    this.#loops.close();
    this.#walks.close();
  }

  /** Emits the gate of a loop in two versions, as `Walks.gate`. */
  gate(version: Version, rest: number, least: number, chosen: number, limit: number): void {
    const passed = new Map<Access, Passed>();
    for (const [access, walk] of version.walks) {
      const use = this.#useOf(access, walk.step);
      if (use === undefined) continue;
      const forGroup = access.membership !== undefined && !this.#policy.isAlone(walk.step);
      if (access.membership !== undefined && !forGroup) access.membership.group.isApart = true;
      passed.set(access, { ...use, walk, forGroup });
    }
    this.#walks.gate(version, passed, rest, least, chosen, limit);
  }

  /** Of an access at a constant distance from an address. */
  #throughWindow(
    slot: number,
    from: Value,
    distance: number,
    size: number,
    write: boolean,
    flags: number,
    pa: number,
  ): void {
    const code = this.#code;
    const limit = limitField(size, write);
    const details = (write ? WRITE_ACCESS : 0) | flags;
    let address = -1;
    if (this.#loops.has(slot) && this.#loops.hasLimit(slot, limit)) {
      this.#fromStart(slot, from, distance, limit, pa);
      code.rarely();
      address = this.#addressAt(this.#around.copy(from), distance);
    } else {
      address = this.#addressAt(this.#around.inLocal(from), distance);
      this.#outside(slot, 0, limit, address, pa);
      code.rarely();
    }
    this.#outside(slot, SECOND_WINDOW, limit, address, pa);
    code.rarely();
    // In neither: it may be in a third one.
    const relocation = { kind: 'miss', slot, flags: details } as const;
    const keep = (part: number): void => storeWindow(code, slot, SECOND_WINDOW + part);
    emitThroughExtents(code, address, limit, pa, keep, () =>
      this.#around.stop(missKind(slot, details), address, relocation),
    );
    code.end();
    code.end();
  }

  /** Sets `pa`; pushes whether an address is outside of a window that is in locals. */
  #fromStart(slot: number, from: Value, distance: number, limit: number, pa: number): void {
    const code = this.#code;
    const inside = this.#temps.take('i64');
    const place = this.#loops.place(slot, from, distance);
    if (place === undefined) {
      code.get(this.#addressAt(this.#around.inLocal(from), distance));
      this.#loops.push(slot, W_LOW);
      code.op('i64.sub');
    } else {
      code.get(place.local);
      for (const v of place.rest) {
        this.#around.push(v);
        code.op('i64.add');
      }
    }
    code.tee(inside);
    code.op('i32.wrap_i64');
    this.#loops.pushStart(slot);
    code.op('i32.add');
    code.set(pa);
    code.get(inside);
    this.#loops.push(slot, limit);
    code.op('i64.ge_u');
  }

  /** Sets `pa`; pushes whether an address is outside of a window. @param second 0 or SECOND_WINDOW */
  #outside(slot: number, second: number, limit: number, address: number, pa: number): void {
    const code = this.#code;
    code.get(address);
    code.op('i32.wrap_i64');
    readWindow(code, slot, W_DELTA + second);
    code.op('i32.add');
    code.set(pa);
    code.get(address);
    readWindow(code, slot, W_LOW + second);
    code.op('i64.sub');
    readWindow(code, slot, limit + second);
    code.op('i64.ge_u');
  }

  /** Through a second window, and the extents by address. */
  #withoutSlot(address: number, size: number, write: boolean, pa: number, step: Step): void {
    const code = this.#code;
    const kind = KIND_EXTENT_MISS | (write ? WRITE_ACCESS : 0);
    const slot = SITE_SLOTS + (step.instruction.address % SITE_SLOTS);
    const limit = limitField(size, write);
    this.#outside(slot, 0, limit, address, pa);
    code.rarely();
    const keep = (part: number): void => storeWindow(code, slot, part);
    emitThroughExtents(code, address, limit, pa, keep, () => this.#around.stop(kind, address));
    code.end();
  }
}
