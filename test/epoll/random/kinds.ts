/** The kinds of descriptors that random scripts use. The interpreter (interpreter.c) has a row of the same name for each. */

export interface Kind {
  readonly name: string;
  readonly ends: 1 | 2;
  /** Bytes of reads and writes; small ones are drawn more often. */
  readonly largest: number;
  /** Different things that `special` can do. */
  readonly specials: number;
  /** The host does part of the work later, in a thread of its own, so that scripts with it take longer. */
  readonly late?: boolean;
}

export const KINDS: readonly Kind[] = [
  { name: 'pipe', ends: 2, largest: 70_000, specials: 2 },
  { name: 'packets', ends: 2, largest: 9000, specials: 2 },
  { name: 'fifo', ends: 2, largest: 70_000, specials: 2 },
  { name: 'pty', ends: 2, largest: 100, specials: 4, late: true },
  { name: 'eventfd', ends: 1, largest: 9, specials: 2 },
  { name: 'semaphore', ends: 1, largest: 9, specials: 2 },
  { name: 'timerfd', ends: 1, largest: 9, specials: 4 },
  { name: 'signalfd', ends: 1, largest: 300, specials: 4 },
  { name: 'pidfd', ends: 1, largest: 9, specials: 2 },
  { name: 'inotify', ends: 1, largest: 200, specials: 5 },
  { name: 'epoll', ends: 1, largest: 9, specials: 8 },
  { name: 'file', ends: 1, largest: 100, specials: 2 },
];

/** Sockets. */
export const SOCKET_KINDS: readonly Kind[] = [
  { name: 'stream', ends: 2, largest: 100_000, specials: 5 },
  { name: 'datagrams', ends: 2, largest: 70_000, specials: 5 },
  { name: 'seqpackets', ends: 2, largest: 70_000, specials: 5 },
  { name: 'mailbox', ends: 2, largest: 1000, specials: 3 },
  { name: 'listener', ends: 2, largest: 100, specials: 4 },
];
