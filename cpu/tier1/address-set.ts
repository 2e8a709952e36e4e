/**
 * A set of addresses in the order in which they were added, with a number for each. It is in two arrays of plain numbers,
 * which collections of garbage need not look into: bodies of code have thousands of addresses, and there are many bodies.
 */

/** 2^32 over the golden ratio. */
const SPREAD = 0x9e3779b1;
/** Addresses that are looked for one by one. */
const FEW = 8;

export class AddressSet {
  size = 0;
  #addresses: Float64Array;
  /** Open addressing: number of an address plus one, 0 where there is none; at most half full. Empty as long as there are few. */
  #places: Int32Array;

  constructor(capacity = FEW) {
    this.#addresses = new Float64Array(capacity);
    this.#places = new Int32Array(capacity <= FEW ? 0 : 2 ** Math.ceil(Math.log2(capacity)) * 2);
  }

  /** The number of an address: how many were added before it; −1 when it is not there. */
  indexOf(address: number): number {
    const places = this.#places;
    if (places.length === 0) {
      for (let i = 0; i < this.size; i++) if (this.#addresses[i] === address) return i;
      return -1;
    }
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
    if (this.size === this.#addresses.length) this.#grow();
    this.#addresses[this.size++] = address;
    if (this.#places.length > 0) this.#place(address, this.size);
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
    const addresses = new Float64Array(Math.max(2 * this.size, FEW));
    addresses.set(this.#addresses);
    this.#addresses = addresses;
    if (addresses.length <= FEW) return;
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(addresses.length)) * 2);
    for (let i = 0; i < this.size; i++) this.#place(addresses[i]!, i + 1);
  }
}

function spread(address: number): number {
  const product = Math.imul(address | 0, SPREAD);
  return product ^ (product >>> 15);
}
