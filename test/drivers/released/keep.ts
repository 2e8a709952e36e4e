/**
 * Keeps the driver interface as it is now: `npm run drivers:keep` compiles the sources of test/drivers/released/VERSION that
 * have no object yet, and adds what is new in the interface to the list of the newest version. What is kept already it never
 * changes: objects stay the ones that were built then, and a line that does not hold any more is an error.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileKept,
  functionLines,
  holds,
  keptPath,
  keptSources,
  layoutLines,
  promised,
  RELEASED,
  versions,
} from './interface.js';

for (const version of versions()) {
  for (const source of keptSources(version)) {
    const target = keptPath(version, source);
    if (existsSync(target)) continue;
    compileKept(version, source, target);
    console.log(`built ${target}`);
  }
}

const newest = versions().at(-1)!;
const list = join(RELEASED, newest, 'interface.txt');
const known = existsSync(list) ? promised(newest) : [];
const now = new Set([...functionLines(), ...layoutLines()]);
const broken = known.filter((line) => !holds(line, now));
if (broken.length > 0) {
  console.error(`this was promised, and does not hold any more:\n${broken.join('\n')}`);
  process.exitCode = 1;
} else {
  const stay = known.filter((line) => now.has(line));
  const added = [...now].filter((line) => !stay.includes(line));
  writeFileSync(list, `${[...stay, ...added].join('\n')}\n`);
  console.log(`${list}: ${added.length} lines added`);
}
