/**
 * Which window an access site goes through. The numbers are the same for all address spaces, so that translated code can
 * be shared: a slot is meant for the neighbourhood of the address that it was first given out for.
 */
import type { PageTable } from '../page-table.js';
import { PAGE_SIZE } from '../state.js';
import { OPENED } from '../windows.js';
import { SITE_SLOTS } from './layout.js';

/** Pages around the place a slot was given out for that count as its neighbourhood. */
const NEAR = 4096;

export class Slots {
  /** Page that a slot was given out for; NaN: free. */
  #anchors = new Float64Array(SITE_SLOTS).fill(Number.NaN);

  /** @returns the slot whose window holds the address in this address space, −1 when there is none and none is free */
  find(pageTable: PageTable, address: number, write: boolean): number {
    const { windows } = pageTable;
    const vpn = Math.floor(address / PAGE_SIZE);
    for (let slot = 0; slot < SITE_SLOTS; slot++) if (windows.holds(slot, vpn, write)) return slot;
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
    if (slot < 0 || windows.open(slot, vpn, write) !== OPENED) return -1;
    if (nearest < 0) this.#anchors[slot] = vpn;
    return slot;
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
