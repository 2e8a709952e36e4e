/**
 * Access sites and their windows: which window (../windows.ts) an instruction gets when it is translated, and what happens
 * when that does not hold what the instruction accesses.
 */

import type { PhysicalMemory } from '../physical-memory.js';
import type { ActiveSpace } from '../run-state.js';
import { RIP, RSP, SLOW_EA } from '../state.js';
import { OPENED, type OpenResult, TAKEN } from '../windows.js';
import { GROUP_ACCESS, KIND_EXTENT_MISS, KIND_MASK, KIND_MISS, SITE_SLOTS, STOP_KIND, WRITE_ACCESS } from './layout.js';
import type { Profile, Site } from './profile.js';
import { Slots } from './slots.js';
import type { Step } from './step.js';

const TWO_32 = 2 ** 32;
/** Checks of a group that failed so often are made one by one. */
const MAX_GROUP_MISSES = 32;

export class SiteWindows {
  /** Accesses that found no window, and those of them where another extent was in the way. */
  misses = 0;
  conflicts = 0;
  readonly #memory: PhysicalMemory;
  readonly #profile: Profile;
  readonly #redo: (site: Site, address: number) => void;
  readonly #slots = new Slots();
  readonly #space: ActiveSpace;

  /** @param redo an instruction should be translated anew, for now its accesses would be checked in another way */
  constructor(
    memory: PhysicalMemory,
    space: ActiveSpace,
    profile: Profile,
    redo: (site: Site, address: number) => void,
  ) {
    this.#memory = memory;
    this.#space = space;
    this.#profile = profile;
    this.#redo = redo;
  }

  /** How an instruction accesses memory: slot (−1: the extents by address) and the address that it was chosen for. */
  path(step: Step, write: boolean, stack: boolean): { slot: number; address: number } {
    const { i32, u32 } = this.#memory;
    const site = this.#profile.sites.get(step.instruction.address);
    const { ripRelative, address, length, displacement, base, index } = step.instruction;
    let at = site?.lastAddress ?? Number.NaN;
    if (stack) at = i32[(RSP >> 2) + 1]! * TWO_32 + u32[RSP >> 2]!;
    else if (ripRelative) at = address + length + displacement;
    else if (Number.isNaN(at) && base === RSP && index === 0x400) at = i32[(RSP >> 2) + 1]! * TWO_32 + u32[RSP >> 2]!;
    const slot = Number.isNaN(at) ? -1 : this.#slots.find(this.#space.pageTable!, at, write, site?.heat ?? 0);
    return { slot, address: at };
  }

  /** Whether checks of an instruction together with others have failed too often. */
  isAlone(step: Step): boolean {
    return (this.#profile.sites.get(step.instruction.address)?.groupMisses ?? 0) >= MAX_GROUP_MISSES;
  }

  /** Slots for code of another run, as `Slots.assign`. */
  assign(used: Parameters<Slots['assign']>[1]): ReturnType<Slots['assign']> {
    return this.#slots.assign(this.#space.pageTable!, used);
  }

  /** A region stopped: its window is opened where the access was, if it can be. */
  stopped(): void {
    const { u32, i32 } = this.#memory;
    const kind = u32[STOP_KIND >> 2]!;
    const isExtentMiss = (kind & KIND_MASK) === KIND_EXTENT_MISS;
    if ((kind & KIND_MASK) !== KIND_MISS && !isExtentMiss) return;
    this.misses++;
    const write = (kind & WRITE_ACCESS) !== 0;
    const vpn = i32[(SLOW_EA >> 2) + 1]! * 2 ** 20 + (u32[SLOW_EA >> 2]! >>> 12);
    const { windows } = this.#space.pageTable!;
    windows.note(vpn, write);
    // From now on the extents by address have it: other sites that it is meant for would not come here.
    const own = this.#slots.ownOf(windows, vpn);
    if (own >= 0 && !windows.holds(own, vpn, write)) windows.open(own, vpn, write, true);
    if (isExtentMiss) return;
    const slot = (kind >> 8) & 0xff;
    const second = slot + SITE_SLOTS;
    const isHeld = windows.holds(slot, vpn, write) || windows.holds(second, vpn, write);
    let opened: OpenResult = isHeld ? OPENED : windows.open(slot, vpn, write);
    // Another extent is in the way: the second window is for whatever comes.
    if (opened === TAKEN) opened = windows.open(second, vpn, write, true);
    if (opened === TAKEN) this.conflicts++;
    const address = i32[(RIP >> 2) + 1]! * TWO_32 + u32[RIP >> 2]!;
    const site = this.#profile.sites.get(address);
    if (site === undefined) return;
    // The extent ends between the accesses of the group, or one of them is not made and would fault.
    if ((isHeld || opened !== OPENED) && kind & GROUP_ACCESS && ++site.groupMisses === MAX_GROUP_MISSES)
      this.#redo(site, address);
  }
}
