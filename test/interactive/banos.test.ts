/** The sessions in Banos, through its command: what a person at `npm start` gets. */
import { join } from 'node:path';
import { test } from 'uvu';
import { busyboxPath } from '../oracle/root.js';
import { testScripts } from './run.js';
import { PROJECT } from './terminal.js';

testScripts(
  'in Banos',
  () => [process.execPath, join(PROJECT, 'dist', 'bundle', 'cli.js'), 'shell'],
  busyboxPath() === undefined ? 'busybox-static is not installed' : undefined,
);
test.run();
