/**
 * Which window an access site goes through. The numbers are the same for all address spaces, so that translated code can
 * be shared: a slot is meant for the neighbourhood of the address that it was given out for. There are few, and programs
 * access more places than that while they start: a slot goes to another place when sites there have come up as often as
 * those that it was given out for.
 */
import type { PageTable } from '../page-table.js';
import { PAGE_SIZE } from '../state.js';
import { CLOSED, OPENED, type Windows } from '../windows.js';
import { SITE_SLOTS } from './layout.js';

/** Pages around the place a slot was given out for that count as its neighbourhood. */
const NEAR = 4096;

export class Slots {
  /** Page that a slot was given out for; NaN: free. */
  #anchors = new Float64Array(SITE_SLOTS).fill(Number.NaN);
  /** How often the sites of a slot were executed, less what others were that found no slot. */
  #worth = new Float64Array(SITE_SLOTS);

  /**
   * @param heat how often the site was executed
   * @returns the slot whose window holds the address in this address space, −1 when there is none
   */
  find(pageTable: PageTable, address: number, write: boolean, heat: number): number {
    const { windows } = pageTable;
    const vpn = Math.floor(address / PAGE_SIZE);
    for (let slot = 0; slot < SITE_SLOTS; slot++) {
      if (!windows.holds(slot, vpn, write)) continue;
      this.#worth[slot]! += heat;
      return slot;
    }
    let nearest = -1;
    let distance = NEAR;
    for (let slot = 0; slot < SITE_SLOTS; slot++) {
      const away = Math.abs(this.#anchors[slot]! - vpn);
      // Another extent of this address space may have it already.
      if (!(away < distance) || windows.isOpen(slot)) continue;
      nearest = slot;
      distance = away;
    }
    const slot = nearest >= 0 ? nearest : this.#anchors.findIndex((anchor) => Number.isNaN(anchor));
    if (slot < 0) return this.#take(windows, vpn, write, heat);
    if (windows.open(slot, vpn, write) !== OPENED) return -1;
    if (nearest < 0) this.#anchors[slot] = vpn;
    this.#worth[slot]! += heat;
    return slot;
  }

  /** The slot of least worth loses some, and when there is nothing left, goes to this page. @returns −1: not yet */
  #take(windows: Windows, vpn: number, write: boolean, heat: number): number {
    let slot = 0;
    for (let other = 1; other < SITE_SLOTS; other++) if (this.#worth[other]! < this.#worth[slot]!) slot = other;
    this.#worth[slot]! -= heat;
    if (this.#worth[slot]! > 0 || windows.open(slot, vpn, write, true) === CLOSED) return -1;
    this.#anchors[slot] = vpn;
    this.#worth[slot] = heat;
    return slot;
  }

  /** The slot that was given out for the neighbourhood of a page, unless it holds what is nearer; −1 without. */
  ownOf(windows: Windows, vpn: number): number {
    let own = -1;
    let distance = NEAR;
    for (let slot = 0; slot < SITE_SLOTS; slot++) {
      const away = Math.abs(this.#anchors[slot]! - vpn);
      if (!(away < distance)) continue;
      own = slot;
      distance = away;
    }
    const held = own < 0 ? undefined : windows.firstPage(own);
    return held === undefined || distance < Math.abs(this.#anchors[own]! - held) ? own : -1;
  }

  /**
   * Slots for code of another run.
   * @param used its slots, each with a page that it was used for
   * @returns slot of that run → slot of this one, a different one for each; undefined when there are too few
   */
  assign(
    pageTable: PageTable,
    used: readonly (readonly [slot: number, page: number])[],
  ): Map<number, number> | undefined {
    const { windows } = pageTable;
    const result = new Map<number, number>();
    const taken = new Set<number>();
    const fresh: [slot: number, page: number][] = [];
    for (const [slot, page] of used) {
      let best = -1;
      let distance = NEAR;
      for (let own = 0; own < SITE_SLOTS; own++) {
        if (taken.has(own)) continue;
        const away = windows.holds(own, page, false) ? 0 : Math.abs(this.#anchors[own]! - page);
        if (!(away < distance) || (away > 0 && windows.isOpen(own))) continue;
        best = own;
        distance = away;
      }
      if (best < 0) best = this.#anchors.findIndex((anchor, own) => Number.isNaN(anchor) && !taken.has(own));
      if (best < 0) return undefined;
      if (Number.isNaN(this.#anchors[best])) fresh.push([best, page]);
      taken.add(best);
      result.set(slot, best);
    }
    for (const [slot, page] of fresh) this.#anchors[slot] = page;
    return result;
  }
}
