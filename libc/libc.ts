/** The libc of TypeScript programs: what `main` of an installed program gets, and the embedder as `kernel.libc`. */
import type { Program } from '../kernel-core/index.js';
import { Sockets } from './sockets.js';

export class Libc extends Sockets {
  protected override inChild(system: Program): this {
    return new Libc(system, { ...this.environ }) as this;
  }
}
