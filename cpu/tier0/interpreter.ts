/** The interpreter of this process: its handlers and its compiled module, which all kernels share. */
import { table } from '../table/index.js';
import { emitInterpreter } from './emit.js';
import { HandlerSet, type Numbering } from './handlers.js';
import { type InterpreterImage, image } from './image.js';
import { HotNumbers } from './numbering.js';

export interface Interpreter {
  handlers: HandlerSet;
  module: WebAssembly.Module;
}

let loaded: Interpreter | undefined;
let identity: string | undefined;

export function interpreter(): Interpreter {
  loaded ??= image === undefined ? emitted() : ready(image);
  return loaded;
}

/**
 * Stands for this engine: what it emits today is what it emits with the same identity in another run.
 * From source only the interpreter counts: whoever changes the translator there empties code caches.
 * @param digest SHA-256
 */
export function engineIdentity(digest: (bytes: Uint8Array) => Uint8Array): string {
  identity ??= image?.identity ?? Buffer.from(digest(emit().bytes)).toString('hex');
  return identity;
}

/** What the build puts into image.ts. @public called by tools/build.mjs on the compiled file */
export function makeImage(): Omit<InterpreterImage, 'identity'> {
  const { handlers, bytes, numbers } = emit();
  return {
    module: Buffer.from(bytes).toString('base64'),
    numbering: JSON.stringify({ ...numbers.numbering, flagUses: handlers.flagUses } satisfies Numbering),
  };
}

function ready({ module, numbering }: InterpreterImage): Interpreter {
  const bytes = Buffer.from(module, 'base64');
  return { handlers: new HandlerSet(table, JSON.parse(numbering) as Numbering), module: new WebAssembly.Module(bytes) };
}

function emitted(): Interpreter {
  const { handlers, bytes } = emit();
  return { handlers, module: new WebAssembly.Module(bytes) };
}

function emit(): { handlers: HandlerSet; bytes: Uint8Array; numbers: HotNumbers } {
  const numbers = new HotNumbers(table);
  const handlers = new HandlerSet(table, numbers.numbering);
  return { handlers, bytes: emitInterpreter(handlers, numbers), numbers };
}
