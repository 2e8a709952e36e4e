/** The sessions in Banos, through its command: what a person at `npm start` gets. */
import { test } from 'uvu';
import { MAIN } from '../cli/command.js';
import { busyboxPath } from '../oracle/root.js';
import { testScripts } from './run.js';

testScripts(
  'in Banos',
  () => [process.execPath, MAIN, 'shell'],
  busyboxPath() === undefined ? 'busybox-static is not installed' : undefined,
);
test.run();
