/** `npm run demo:driver` shows what it is meant to show. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';

if (!hasCompiler) console.log('SKIP the demonstration of a driver: it needs gcc on x86-64');
else {
  test('compiled, loaded, talked through, found by nm, unloaded', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['tools/demo-driver.mjs'], { encoding: 'utf8' });
    assert.equal([stderr, status], ['', 0], stdout);
    const lines = [
      /^message +\d+ +0/m,
      /^crw-rw-rw- .* \/dev\/message3$/m,
      /^TypeScript heard: HOW ARE YOU$/m,
      /^TypeScript heard: BYE$/m,
      /^ls: \/dev\/message\*: No such file or directory$/m,
    ];
    if (existsSync('/usr/bin/nm')) lines.push(/^ffffffffc0\w{6} t message_read$/m);
    for (const line of lines) assert.match(stdout, line);
  });
}

test.run();
