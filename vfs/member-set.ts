/**
 * A set of objects that come and go all the time, in the order of their coming: the processes of a kernel, the children of one of
 * them, the address spaces that have a file mapped.
 *
 * Not a Set, for the sake of the garbage collector: V8 gives a Set a new table every few changes, and the table that it had
 * goes on pointing to the new one. Once one of them has grown old, everything that the later ones ever held stays until the next full
 * collection, and is copied twice until then. Here is one array. Taking a member out looks for it from the end, where it mostly is.
 */
export class MemberSet<T extends object> implements Iterable<T> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** The member that came first. */
  get first(): T | undefined {
    return this.#members[0];
  }

  /** @param member is none yet */
  add(member: T): void {
    this.#members.push(member);
  }

  /** @returns whether it was a member */
  delete(member: T): boolean {
    const members = this.#members;
    const at = members.lastIndexOf(member);
    if (at < 0) return false;
    for (let i = at + 1; i < members.length; i++) members[i - 1] = members[i]!;
    members.pop();
    return true;
  }

  /** The member that came last of those that `test` accepts. */
  findLast(test: (member: T) => boolean): T | undefined {
    const members = this.#members;
    for (let i = members.length - 1; i >= 0; i--) if (test(members[i]!)) return members[i];
    return undefined;
  }

  /** Who takes members out on the way goes over a copy. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#members.values();
  }
}
