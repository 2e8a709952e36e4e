/** Build step: emits the interpreter and writes it, as base64, into the compiled image.js beside this file. */
import { writeFileSync } from 'node:fs';
import { table } from '../table/index.js';
import { emitInterpreter } from './emit.js';
import { HandlerSet } from './handlers.js';

const base64 = Buffer.from(emitInterpreter(new HandlerSet(table))).toString('base64');
writeFileSync(new URL('./image.js', import.meta.url), `export const image = '${base64}';\n`);
