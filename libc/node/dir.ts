/** `fs.Dir`: a directory that is read entry by entry. */
import type { Dir } from '../directories.js';
import { NodeDirent } from './stats.js';
import { calling } from './support.js';

export class NodeDir implements AsyncIterable<NodeDirent>, AsyncDisposable {
  readonly path: string;
  readonly #dir: Dir;

  /** @internal */
  constructor(path: string, dir: Dir) {
    this.path = path;
    this.#dir = dir;
  }

  /** @returns the next entry, without '.' and '..'; null at the end */
  async read(): Promise<NodeDirent | null> {
    return calling('scandir', this.path, () => {
      for (let entry = this.#dir.readdir(); entry !== null; entry = this.#dir.readdir()) {
        if (entry.d_name !== '.' && entry.d_name !== '..') return new NodeDirent(entry.d_name, this.path, entry.d_type);
      }
      return null;
    });
  }

  async close(): Promise<void> {
    this.#dir.closedir();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<NodeDirent> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      this.#dir.closedir();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dir.closedir();
  }
}
