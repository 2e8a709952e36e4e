/** Shows a host directory inside, lets a program write to it, and shows another one that nobody can change. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot } from 'banos';

const directory = await mkdtemp(join(tmpdir(), 'banos-example-'));
const kernel = await boot({
  mounts: [
    { host: directory, guest: '/work' },
    { host: directory, guest: '/reference', readOnly: true },
  ],
});
const shell = kernel.spawn(['sh', '-c', 'seq 1 3 > /work/numbers; rm /reference/numbers || echo refused']);
shell.stdin!.end();
shell.stdout!.setEncoding('utf8').on('data', (data: string) => console.log(data.trim()));
await shell.closed;
console.log(JSON.stringify(await readFile(join(directory, 'numbers'), 'utf8')));
await kernel.shutdown();
await rm(directory, { recursive: true });
