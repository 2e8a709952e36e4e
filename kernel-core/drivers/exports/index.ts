/** What the kernel offers to drivers, in the order of the stubs. Append-only within a row's name; see row.ts. */
import type { ExportRow } from '../row.js';
import { memoryExports } from './memory.js';
import { printExports } from './print.js';

export const EXPORTS: readonly ExportRow[] = [...printExports, ...memoryExports];
