/**
 * Registers one test per command line of a section: Banos against Linux. Where this machine can run the chroot, Linux
 * is asked now, and what was recorded must agree with it; elsewhere the recording stands in.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runInBanos } from './banos.js';
import { commandsOf, normalise, type Result } from './commands.js';
import { NativeRoot, whyNoNative } from './native.js';
import { decode, readRecording } from './recording.js';
import { appletsOf, busyboxPath, writeRoot } from './root.js';

/** One text that shows all three, so that a failure shows them side by side. */
const picture = ({ stdout, stderr, status }: Result): string =>
  `status ${status}\n--- standard output\n${stdout}\n--- standard error\n${stderr}`;

export async function compareSection(section: string): Promise<void> {
  const busybox = busyboxPath();
  if (busybox === undefined) {
    console.log(`SKIP oracle ${section}: the package busybox-static is not installed`);
    return;
  }
  const why = whyNoNative();
  if (why !== undefined) console.log(`SKIP oracle ${section}, live: ${why}; comparing with recorded results`);
  const recording = readRecording();
  const folder = mkdtempSync(join(tmpdir(), 'banos-oracle-'));
  const archive = join(folder, 'root.tar');
  await writeRoot(archive, busybox, appletsOf(busybox, recording.applets));
  const native = why === undefined ? new NativeRoot(archive) : null;

  for (const command of commandsOf(section)) {
    test(`${command.applet}: ${command.line}`, async () => {
      const recorded = recording.results[command.line];
      assert.ok(recorded, 'not recorded: npm run oracle:record');
      const expected = decode(recorded);
      if (native !== null) {
        const live = normalise(command, native.run(command));
        assert.is(picture(expected), picture(live), 'the recording is not what Linux does here');
      }
      const actual = normalise(command, await runInBanos(archive, command));
      assert.is(picture(actual), picture(expected));
    });
  }
  test.after(() => {
    native?.dispose();
    rmSync(folder, { recursive: true });
  });
  test.run();
}
