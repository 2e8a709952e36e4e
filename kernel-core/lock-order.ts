/**
 * The order of the locks that calls hold while they sleep, checked where a test asks for it: the locks of sockets
 * (syscalls/socket-turn.ts) and of terminals' writes (syscalls/io.ts). The order is the simplest there is: a call that
 * holds one, or stands in line for one, takes no other. So no two calls can wait for each other.
 */

/** What a check has seen. */
export interface LockCheck {
  /** Locks taken or queued for so far. */
  taken: number;
  /** Calls that took a second one; empty when all is well. */
  readonly violations: string[];
  /** By task, the lock of its call. */
  readonly held: Map<object, object>;
}

/** Null: nobody checks. */
let check: LockCheck | null = null;

/** Begins to check; what was taken before is not seen. */
export function checkLockOrder(): LockCheck {
  check = { taken: 0, violations: [], held: new Map() };
  return check;
}

export function endLockCheck(): void {
  check = null;
}

/** A call of `task` gets `lock` or stands in line for it. @param name for messages */
export function noteLock(task: object, lock: object, name: string): void {
  if (check === null) return;
  const { held, violations } = check;
  if (held.has(task))
    violations.push(`${name} is taken by a call that has ${held.get(task) === lock ? 'it' : 'another'}`);
  check.taken++;
  held.set(task, lock);
}

/** The call lets go of `lock`, or leaves the line. */
export function noteUnlock(task: object, lock: object): void {
  if (check !== null && check.held.get(task) === lock) check.held.delete(task);
}
