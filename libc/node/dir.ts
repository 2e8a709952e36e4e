/** `fs.Dir`: a directory that is read entry by entry. */
import type { Libc } from '../libc.js';
import { calling, stateError } from './errors.js';
import { NodeDirent } from './stats.js';
import type { EncodingOption } from './support.js';
import { entriesOf, type Found } from './trees.js';

export class NodeDir implements AsyncIterable<NodeDirent>, AsyncDisposable {
  readonly path: string;
  readonly #entries: Iterator<Found>;
  readonly #options: EncodingOption | undefined;
  #first: Found | null;
  #closed = false;

  /** @internal @throws ErrnoError: what cannot be opened */
  constructor(libc: Libc, path: string, recursive: boolean, options: EncodingOption | undefined) {
    this.path = path;
    this.#options = options;
    this.#entries = entriesOf(libc, path, recursive);
    // The directory is opened now: a name that is none is told by opendir, not by the first read.
    this.#first = this.#entries.next().value ?? null;
  }

  /** @returns the next entry, without '.' and '..'; null at the end @throws Error ERR_DIR_CLOSED */
  async read(): Promise<NodeDirent | null> {
    if (this.#closed) throw stateError('ERR_DIR_CLOSED', 'the directory is closed');
    return calling('scandir', this.path, () => {
      const found: Found | null = this.#first ?? this.#entries.next().value ?? null;
      this.#first = null;
      return found === null ? null : new NodeDirent(found, this.#options);
    });
  }

  /** @throws Error ERR_DIR_CLOSED */
  async close(): Promise<void> {
    if (this.#closed) throw stateError('ERR_DIR_CLOSED', 'the directory is closed');
    this.#closed = true;
    this.#entries.return?.();
  }

  async *entries(): AsyncIterableIterator<NodeDirent> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<NodeDirent> {
    return this.entries();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) await this.close();
  }
}
