/** TypeScript programs and programs in C together: connections both ways, both ends of one terminal, a ring of 1000. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, constants as c, type Kernel, type Libc } from '../../libc/index.js';
import { collect } from '../support/guest.js';
import { leave, run, text } from './support.js';

const test = suite<{ kernel: Kernel }>('TypeScript and C');
const directory = mkdtempSync(join(tmpdir(), 'banos-peer-'));
const source = join(import.meta.dirname, 'programs/peer.c');
const compiled = spawnSync('gcc', ['-O1', '-static', '-Wall', '-o', join(directory, 'peer'), source]);
const isThere = compiled.status === 0;
if (!isThere) console.log(`SKIP TypeScript and C: no gcc that links statically: ${compiled.stderr}`);

test.before.each(async (context) => {
  context.kernel = await boot({ memory: 512, mounts: [{ host: directory, guest: '/c', readOnly: true }] });
});
test.after.each(({ kernel }) => leave(kernel));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const read = async (libc: Libc, fd: number): Promise<string> => {
  const buffer = new Uint8Array(300);
  return text(buffer, await libc.read(fd, buffer));
};

if (isThere) {
  test('a TypeScript server accepts a client in C, and gets its descriptor', async ({ kernel }) => {
    kernel.installProgram('/bin/server', async (libc) => {
      const listener = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
      libc.bind(listener, '/tmp/service');
      libc.listen(listener, 5);
      const client = await libc.posix_spawn('/c/peer', ['peer', 'connect', '/tmp/service']);
      const connection = await libc.accept(listener);
      const buffer = new Uint8Array(100);
      const { length, fds } = await libc.recvmsg(connection, buffer);
      await libc.write(fds[0], `written by ${libc.getpid() === client ? 'C' : 'TypeScript'}`);
      await libc.send(connection, `heard ${text(buffer, length)}`);
      return (await libc.waitpid(client)).status;
    });
    assert.equal(await collect(kernel.spawn(['server'])), {
      stdout: 'through my pipe: written by TypeScript\nanswer: heard from C\n',
      stderr: '',
      code: 0,
      signal: null,
    });
  });

  test('a server in C accepts a TypeScript client, and gets its descriptor', async ({ kernel }) => {
    const { stdout, stderr } = await run(kernel, async (libc) => {
      const [reader, writer] = libc.pipe();
      const actions = [{ type: 'dup2', from: writer, to: 1 }] as const;
      const server = await libc.posix_spawn('/c/peer', ['peer', 'serve', '/tmp/c-service'], { actions });
      assert.is(await read(libc, reader), 'listening\n');
      const fd = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
      await libc.connect(fd, '/tmp/c-service');
      const file = libc.mkstemp('/tmp/file-XXXXXX');
      await libc.sendmsg(fd, ['for ', 'C'], 0, null, { fds: [file.fd] });
      await libc.write(1, `${await read(libc, fd)}\n`);
      await libc.waitpid(server);
      libc.lseek(file.fd, 0, c.SEEK_SET);
      await libc.write(1, await read(libc, file.fd));
    });
    assert.equal([stdout, stderr], ['C heard 5 bytes\ninto your file: for C\n', '']);
  });

  test('one terminal: TypeScript at the master, C at the slave', async ({ kernel }) => {
    const { stdout } = await run(kernel, async (libc) => {
      const { master, slave, name } = libc.openpty();
      const child = await libc.posix_spawn('/c/peer', ['peer', 'slave', name]);
      await libc.write(master, 'line\r');
      let output = '';
      while (!output.includes('C read')) output += await read(libc, master);
      const { status } = await libc.waitpid(child);
      libc.close(slave);
      await libc.write(1, `${status} ${output}`);
    });
    assert.is(stdout, '0 line\r\nC read 5: line\r\n');
  });

  test('one terminal: C at the master, TypeScript at the slave', async ({ kernel }) => {
    const { stdout } = await run(kernel, async (libc) => {
      const [reader, writer] = libc.pipe();
      const actions = [{ type: 'dup2', from: writer, to: 1 }] as const;
      const child = await libc.posix_spawn('/c/peer', ['peer', 'master'], { actions });
      const fd = await libc.open((await read(libc, reader)).trim(), c.O_RDWR | c.O_NOCTTY);
      await libc.write(fd, 'from the slave\n');
      await libc.write(1, await read(libc, reader));
      await libc.write(1, await read(libc, fd));
      libc.close(fd);
      await libc.waitpid(child);
    });
    assert.is(stdout, 'master read from the slave\r\ntyped in C\n');
  });

  test('a ring of 1000 processes of both kinds passes a token and a descriptor', async ({ kernel }) => {
    const links = 1000;
    kernel.installProgram('/bin/ring-link', async (libc) => {
      const buffer = new Uint8Array(32);
      const { length, fds } = await libc.recvmsg(3, buffer);
      await libc.write(fds[0], 't');
      await libc.sendmsg(4, String(Number(text(buffer, length)) + 1), 0, null, { fds });
    });
    const { stdout, stderr } = await run(kernel, async (libc) => {
      const pair = (): [number, number] => libc.socketpair(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC);
      const [first, from] = pair();
      let previous = from;
      for (let i = 0; i < links; i++) {
        const [next, out] = pair();
        const actions = [
          { type: 'dup2', from: previous, to: 3 },
          { type: 'dup2', from: next, to: 4 },
        ] as const;
        // 3 is the first socket of all in this process: no action overwrites what a later one needs.
        await (i % 2 === 0
          ? libc.posix_spawn('/bin/ring-link', ['ring-link'], { actions })
          : libc.posix_spawn('/c/peer', ['peer', 'ring'], { actions }));
        libc.close(previous);
        libc.close(next);
        previous = out;
      }
      const [reader, writer] = libc.pipe();
      await libc.sendmsg(first, '0', 0, null, { fds: [writer] });
      const buffer = new Uint8Array(32);
      const { length, fds } = await libc.recvmsg(previous, buffer);
      for (const fd of [writer, ...fds]) libc.close(fd);
      let failed = 0;
      for (let i = 0; i < links; i++) failed += (await libc.wait()).status === 0 ? 0 : 1;
      const marks = new Uint8Array(2 * links);
      const count = await libc.read(reader, marks);
      const inTurn = text(marks, count) === 'tc'.repeat(links / 2);
      await libc.write(1, `token ${text(buffer, length)}, ${failed} failed, ${inTurn}\n`);
    });
    assert.equal([stdout, stderr], [`token ${links}, 0 failed, true\n`, '']);
  });
}

test.run();
