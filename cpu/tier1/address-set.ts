/**
 * A set of addresses in the order in which they were added, with a number for each. It is in two arrays of plain numbers,
 * which collections of garbage need not look into: bodies of code have thousands of addresses, and there are many bodies.
 */

/** 2^32 over the golden ratio. */
const SPREAD = 0x9e3779b1;
const LEAST = 32;

export class AddressSet {
  size = 0;
  #addresses: Float64Array;
  /** Open addressing: number of an address plus one, 0 where there is none; at most half full. */
  #places: Int32Array;

  constructor(capacity = LEAST) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(capacity, LEAST))) * 2;
    this.#addresses = new Float64Array(Math.max(capacity, LEAST));
    this.#places = new Int32Array(places);
  }

  /** The number of an address: how many were added before it; −1 when it is not there. */
  indexOf(address: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let at = spread(address) & mask; places[at] !== 0; at = (at + 1) & mask) {
      if (this.#addresses[places[at]! - 1] === address) return places[at]! - 1;
    }
    return -1;
  }

  has(address: number): boolean {
    return this.indexOf(address) >= 0;
  }

  /** @returns whether it was not there before */
  add(address: number): boolean {
    if (this.has(address)) return false;
    if (this.size === this.#addresses.length) this.#grow();
    this.#addresses[this.size++] = address;
    this.#place(address, this.size);
    return true;
  }

  clear(): void {
    this.size = 0;
    this.#places.fill(0);
  }

  /** As large as it has to be. */
  copy(): AddressSet {
    const copy = new AddressSet(this.size);
    for (let i = 0; i < this.size; i++) copy.add(this.#addresses[i]!);
    return copy;
  }

  *[Symbol.iterator](): Generator<number, void> {
    for (let i = 0; i < this.size; i++) yield this.#addresses[i]!;
  }

  #place(address: number, number: number): void {
    const mask = this.#places.length - 1;
    let at = spread(address) & mask;
    while (this.#places[at] !== 0) at = (at + 1) & mask;
    this.#places[at] = number;
  }

  #grow(): void {
    const addresses = new Float64Array(2 * this.size);
    addresses.set(this.#addresses);
    this.#addresses = addresses;
    if (2 * addresses.length <= this.#places.length) return;
    this.#places = new Int32Array(2 * this.#places.length);
    for (let i = 0; i < this.size; i++) this.#place(addresses[i]!, i + 1);
  }
}

function spread(address: number): number {
  const product = Math.imul(address | 0, SPREAD);
  return product ^ (product >>> 15);
}
