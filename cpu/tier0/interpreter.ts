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

export function interpreter(): Interpreter {
  loaded ??= image === undefined ? emitted() : ready(image);
  return loaded;
}

/** What the build puts into image.ts. @public called by tools/build.mjs on the compiled file */
export function makeImage(): InterpreterImage {
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
