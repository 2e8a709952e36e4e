/** The whole instruction table. */
import { alu } from './integer-alu.js';
import type { Row } from './row.js';

export const table: readonly Row[] = [...alu];
