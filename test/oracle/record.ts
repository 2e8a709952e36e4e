/**
 * `npm run oracle:record`: runs every command line natively, twice, and writes recorded.json. A command whose two runs
 * differ is not fit for the table: it is named and nothing is written.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, commandsOf, normalise, type Result, SECTIONS } from './commands.js';
import { NativeRoot, whyNoNative } from './native.js';
import { encode, type Recording, recordingPath } from './recording.js';
import { appletsOf, busyboxPath, writeRoot } from './root.js';

const why = whyNoNative();
const busybox = busyboxPath();
if (why !== undefined || busybox === undefined) {
  console.error(`cannot record here: ${why ?? 'the package busybox-static is not installed'}`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'banos-record-'));
const applets = appletsOf(busybox, []);
await writeRoot(join(folder, 'root.tar'), busybox, applets);
const root = new NativeRoot(join(folder, 'root.tar'));

/** All results of a section; commands are independent, so the second round runs in reverse order. */
function runAll(commands: readonly Command[]): Map<string, Result> {
  return new Map(commands.map((command) => [command.line, normalise(command, root.run(command))]));
}

const recording: Recording = { applets: [...applets], results: {} };
let different = 0;
for (const section of SECTIONS) {
  const commands = commandsOf(section);
  const first = runAll(commands);
  const second = runAll([...commands].reverse());
  for (const command of commands) {
    const result = encode(first.get(command.line) as Result);
    recording.results[command.line] = result;
    if (JSON.stringify(result) === JSON.stringify(encode(second.get(command.line) as Result))) continue;
    different++;
    console.error(`two runs differ: ${command.line}`);
    console.error(`  ${JSON.stringify(result)}`);
    console.error(`  ${JSON.stringify(encode(second.get(command.line) as Result))}`);
  }
  console.log(`${section}: ${commands.length} commands`);
}
root.dispose();
rmSync(folder, { recursive: true });
if (different > 0) process.exit(1);
writeFileSync(recordingPath, `${JSON.stringify(recording, null, 1)}\n`);
