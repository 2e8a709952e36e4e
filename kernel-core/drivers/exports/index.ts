/** What the kernel offers to drivers, in the order of the stubs. Append-only within a row's name; see row.ts. */
import type { ExportRow } from '../row.js';
import { attributeExports } from './attributes.js';
import { chrdevExports } from './chrdev.js';
import { familyExports } from './families.js';
import { filesystemExports } from './filesystem.js';
import { disciplineExports } from './ldisc.js';
import { memoryExports } from './memory.js';
import { moduleExports } from './modules.js';
import { printExports } from './print.js';
import { probeExports } from './probes.js';
import { procExports } from './proc.js';
import { schedulerExports } from './schedulers.js';
import { syscallExports } from './syscalls.js';
import { taskExports } from './task.js';
import { timeExports } from './time.js';
import { ttyExports } from './tty.js';
import { waitExports } from './wait.js';

export const EXPORTS: readonly ExportRow[] = [
  ...printExports,
  ...memoryExports,
  ...timeExports,
  ...waitExports,
  ...taskExports,
  ...chrdevExports,
  ...procExports,
  ...syscallExports,
  ...familyExports,
  ...filesystemExports,
  ...attributeExports,
  ...probeExports,
  ...ttyExports,
  ...schedulerExports,
  ...disciplineExports,
  ...moduleExports,
];
