/** Build step: emits the interpreter and writes it into the compiled image.js beside this file. */
import { writeFileSync } from 'node:fs';
import { table } from '../table/index.js';
import { emitInterpreter } from './emit.js';
import { HandlerSet } from './handlers.js';
import type { InterpreterImage } from './image.js';

const handlers = new HandlerSet(table);
const image: InterpreterImage = {
  module: Buffer.from(emitInterpreter(handlers)).toString('base64'),
  flagUses: handlers.flagUses,
};
writeFileSync(new URL('./image.js', import.meta.url), `export const image = ${JSON.stringify(image)};\n`);
