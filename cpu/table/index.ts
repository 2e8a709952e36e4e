/** The whole instruction table. */
import { alu } from './integer-alu.js';
import { flow } from './integer-flow.js';
import { moves } from './integer-move.js';
import { shifts } from './integer-shift.js';
import { strings } from './integer-string.js';
import type { Row } from './row.js';
import { sseConvertRows } from './sse-convert.js';
import { sseFloatRows } from './sse-float.js';
import { sseIntegerRows } from './sse-integer.js';
import { sseMoveRows } from './sse-move.js';
import { x87Rows } from './x87.js';

export const table: readonly Row[] = [
  ...alu,
  ...moves,
  ...shifts,
  ...strings,
  ...flow,
  ...sseMoveRows,
  ...sseIntegerRows,
  ...sseFloatRows,
  ...sseConvertRows,
  ...x87Rows,
];
