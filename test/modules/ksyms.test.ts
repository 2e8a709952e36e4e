/** /dev/ksyms inside: what binutils of the host read of it, ioctls, snapshots, permissions. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { compileProgram, driver, withMachine } from './support.js';

const directory = mkdtempSync(join(tmpdir(), 'banos-ksyms-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const NAMED = driver(
  'named',
  'int global_one(void) { return 1; } static int local_data = 7; int *where(void) { return &local_data; }',
);

if (!hasCompiler) console.log('SKIP /dev/ksyms: it needs gcc on x86-64');
else {
  test('nothing before the first module, then a file that nm, readelf and objdump read', () =>
    withMachine({ 'named.o': NAMED }, async ({ say, kernel }) => {
      assert.match(await say('cat /dev/ksyms'), /No such device or address/);
      await say('insmod /drivers/named.o');
      assert.match(await say('stat -c "%a %F" /dev/ksyms'), /^400 regular file\n$/);
      const child = kernel.spawn(['cat', '/dev/ksyms']);
      const chunks: Uint8Array[] = [];
      child.stdout!.on('data', (bytes) => chunks.push(bytes));
      await child.closed;
      const file = join(directory, 'image');
      writeFileSync(file, Buffer.concat(chunks));
      assert.is(await say('stat -c %s /dev/ksyms'), `${readFileSync(file).length}\n`);
      const kallsyms = await say('grep -w global_one /proc/kallsyms');
      const tool = (...command: string[]): string => {
        const { stdout, stderr, status } = spawnSync(command[0], [...command.slice(1), file], { encoding: 'utf8' });
        assert.equal([stderr, status], ['', 0], command[0]);
        return stdout;
      };
      const nm = tool('nm');
      assert.is(
        nm.split('\n').find((line) => line.endsWith(' global_one')),
        kallsyms.split('\t')[0],
      );
      assert.match(nm, /^ffffffff81\w{6} T banos_dprintln$/m);
      assert.match(nm, /^ffffffffc0\w{6} [bd] local_data$/m);
      assert.match(tool('readelf', '-sW'), / FUNC +GLOBAL DEFAULT +\d+ global_one$/m);
      assert.match(tool('objdump', '-t'), /g +F \.text\.named\s+\w+ global_one$/m);
    }));

  test('ioctls, seeking, mapping, and a snapshot for each description', async () => {
    const program = join(directory, 'ksyms');
    compileProgram(join(import.meta.dirname, 'ksyms.c'), program);
    await withMachine({ 'named.o': NAMED, ksyms: new Uint8Array(readFileSync(program)) }, async ({ say, kernel }) => {
      await say('insmod /drivers/named.o');
      const address = (await say('grep -w global_one /proc/kallsyms')).split(' ')[0];
      const output = await say('cp /drivers/ksyms /; chmod +x /ksyms; /ksyms');
      assert.is(
        output,
        `size 1
global_one 0 ${address}
symbol 0 ${address} type 2 bind 1
nothing ENOENT
unknown ENOTTY
bad pointer EFAULT
bad name EFAULT
seek 1
write EBADF
map 1
shared EACCES
unloaded 0
still 1
value 0
new ENOENT
open for writing EACCES
as a user EACCES
`,
      );
      assert.is(kernel.inner.modules.list().length, 0);
    });
  });
}

test.run();
