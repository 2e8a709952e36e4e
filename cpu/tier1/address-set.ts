/**
 * A set of addresses in the order in which they were added, with a number for each: two arrays of plain numbers, which collections
 * of garbage need not look into. Bodies of code have up to thousands of addresses, and there are thousands of bodies.
 */

/** 2^32 over the golden ratio. */
const SPREAD = 0x9e3779b1;
/** Addresses that are looked for one by one. */
const FEW = 16;
const NO_PLACES = new Int32Array(0);

export class AddressSet {
  /** Plain doubles for the engine, too. */
  readonly #addresses: number[];
  /** Open addressing: number of an address plus one, 0 where there is none; at most half full. Empty as long as there are few. */
  #places = NO_PLACES;

  constructor(addresses: readonly number[] = []) {
    this.#addresses = addresses.slice();
    if (addresses.length > FEW) this.#findPlaces();
  }

  get size(): number {
    return this.#addresses.length;
  }

  /** The number of an address: how many were added before it; −1 when it is not there. */
  indexOf(address: number): number {
    const places = this.#places;
    if (places.length === 0) return this.#addresses.indexOf(address);
    const mask = places.length - 1;
    for (let at = spread(address) & mask; places[at] !== 0; at = (at + 1) & mask) {
      if (this.#addresses[places[at]! - 1] === address) return places[at]! - 1;
    }
    return -1;
  }

  has(address: number): boolean {
    return this.indexOf(address) >= 0;
  }

  add(address: number): void {
    if (this.has(address)) return;
    this.#addresses.push(address);
    const { length } = this.#addresses;
    if (length > FEW && 2 * length > this.#places.length) this.#findPlaces();
    else if (length > FEW) this.#place(address, length);
  }

  clear(): void {
    this.#addresses.length = 0;
    this.#places = NO_PLACES;
  }

  /** As large as it has to be. */
  copy(): AddressSet {
    return new AddressSet(this.#addresses);
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#addresses.values();
  }

  #findPlaces(): void {
    const { length } = this.#addresses;
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(length)) * 2);
    for (let i = 0; i < length; i++) this.#place(this.#addresses[i]!, i + 1);
  }

  #place(address: number, number: number): void {
    const mask = this.#places.length - 1;
    let at = spread(address) & mask;
    while (this.#places[at] !== 0) at = (at + 1) & mask;
    this.#places[at] = number;
  }
}

function spread(address: number): number {
  const product = Math.imul(address | 0, SPREAD);
  return product ^ (product >>> 15);
}
