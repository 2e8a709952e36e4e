/** The sessions on Linux itself, in a chroot with the same busybox: they test the scripts, not Banos. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import { NATIVE_SETUP, whyNoNative } from '../oracle/native.js';
import { appletsOf, busyboxPath, writeRoot } from '../oracle/root.js';
import { testScripts } from './run.js';

const busybox = busyboxPath();
const why = busybox === undefined ? 'busybox-static is not installed' : whyNoNative();
const folder = mkdtempSync(join(tmpdir(), 'banos-sessions-'));
const mountPoint = join(folder, 'root');
mkdirSync(mountPoint);
if (why === undefined && busybox !== undefined) {
  await writeRoot(join(folder, 'root.tar'), busybox, appletsOf(busybox, []));
}

const SHELL = `${NATIVE_SETUP}
exec chroot "$1" /bin/busybox sh -c '
  cd /root
  /bin/busybox setsid -c /bin/busybox env -i PATH=/bin HOME=/root TERM=xterm /bin/busybox sh
  exit $?'
`;

testScripts(
  'natively',
  () => [
    'unshare',
    '-m',
    '-u',
    '-p',
    '-f',
    '--kill-child',
    'sh',
    '-c',
    SHELL,
    'sh',
    mountPoint,
    join(folder, 'root.tar'),
  ],
  why,
);
test.after(() => rmSync(folder, { recursive: true, force: true }));
test.run();
