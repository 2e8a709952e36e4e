/** The examples run as a user would run them, against the built package. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const compiled = join(process.cwd(), 'dist', 'examples');

const EXPECTED: Readonly<Record<string, string>> = {
  'run-a-command.js': '4\n { code: 3, signal: null }\n',
  'type-into-a-terminal.js': '{ code: 7, signal: null }\n',
  'share-a-directory.js': 'refused\n"1\\n2\\n3\\n"\n',
  'repeat-a-run.js': 'true false\n',
  'typescript-program.js': 'HELLO\nbye, says process 6 in /tmp\n3\n\n',
  'talk-to-a-service.js': 'there and back\n\n',
};

test('every example has its expected output here', () => {
  const present = readdirSync(compiled).filter((name) => name.endsWith('.js'));
  assert.equal(present.sort(), Object.keys(EXPECTED).sort());
});

for (const [name, output] of Object.entries(EXPECTED)) {
  test(`example ${name}`, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(compiled, name)], {
      encoding: 'utf8',
      env: { ...process.env, FORCE_COLOR: '0' },
    });
    assert.is(stderr, '');
    assert.is(stdout, output);
    assert.is(status, 0);
  });
}

test.run();
