/** As `Array.prototype.some`, of whatever can be iterated: Node 20's iterators do not have it. */
export function some<T>(items: Iterable<T>, predicate: (item: T) => boolean): boolean {
  for (const item of items) if (predicate(item)) return true;
  return false;
}
