/** How much of something each user has and may have: epoll registrations, inotify instances and watches. */

export class UserQuota {
  /** How many each user may have; the superuser changes it through /proc/sys. */
  limit: number;
  readonly #used = new Map<number, number>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** @returns false when the user has as many as allowed; nothing is taken then */
  take(uid: number): boolean {
    const used = this.#used.get(uid) ?? 0;
    if (used >= this.limit) return false;
    this.#used.set(uid, used + 1);
    return true;
  }

  give(uid: number): void {
    const left = (this.#used.get(uid) ?? 0) - 1;
    if (left > 0) this.#used.set(uid, left);
    else this.#used.delete(uid);
  }

  /** Taken by all users. */
  get total(): number {
    let sum = 0;
    for (const used of this.#used.values()) sum += used;
    return sum;
  }
}
