/** File handles of kernel.fs against Node's: streams, lines, vectors at positions, and when the descriptor is closed. */
import { type EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compare } from './fs-compare.js';
import { bootTestKernel, type Context, leave } from './support.js';

const test = suite<Context>('kernel.fs: file handles');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

test('streams that read', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await fs.writeFile(`${dir}/f`, 'line 1\nline 2\r\nline 3');
    const textOf = async (stream: AsyncIterable<unknown>) => {
      let text = '';
      for await (const piece of stream) text += piece;
      return text;
    };
    await log('window', async () => {
      const file = await fs.open(`${dir}/f`);
      let closes = 0;
      (file as unknown as EventEmitter).on('close', () => closes++);
      const stream = file.createReadStream({ start: 2, end: 8, encoding: 'utf8', highWaterMark: 3 });
      const text = await textOf(stream);
      await finished(stream).catch(() => {});
      return [text, closes, file.fd, stream.bytesRead];
    });
    await log('left open', async () => {
      const file = await fs.open(`${dir}/f`);
      const text = await textOf(file.createReadStream({ autoClose: false, start: 15 }));
      const isOpen = file.fd >= 0;
      const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
      await file.close();
      return [text, isOpen, buffer.toString()];
    });
    await log('lines', async () => {
      const file = await fs.open(`${dir}/f`);
      const lines: string[] = [];
      for await (const line of file.readLines()) lines.push(line);
      return [lines, file.fd];
    });
    await log('closing the file ends the stream', async () => {
      const file = await fs.open(`${dir}/f`);
      const stream = file.createReadStream();
      const [closed] = await Promise.all([once(stream, 'close'), file.close()]);
      return [closed.length, stream.destroyed, file.fd];
    });
    await log('of a directory', async () => {
      const file = await fs.open(dir);
      await textOf(file.createReadStream());
    });
    await log('with a signal', async () => {
      const file = await fs.open(`${dir}/f`);
      await textOf(file.createReadStream({ signal: AbortSignal.abort() } as never));
    });
  }));

test('a stream whose options are refused does not keep the file open', async ({ kernel }) => {
  const file = await kernel.fs.open('/tmp/f', 'w');
  for (const make of ['createReadStream', 'createWriteStream'] as const) {
    assert.throws(() => file[make]({ start: 'here' as never }), /start/);
  }
  await file.close();
  assert.is(file.fd, -1);
});

test('bug: a file with many streams warned of a leak of listeners', async ({ kernel }) => {
  await kernel.fs.writeFile('/tmp/many', 'text');
  const file = await kernel.fs.open('/tmp/many');
  const streams = Array.from({ length: 12 }, () => file.createReadStream({ start: 0 }));
  assert.is(file.listenerCount('close'), 0);
  await file.close();
  assert.ok(streams.every(({ destroyed }) => destroyed));
  assert.is(file.fd, -1);
});

test('streams that write', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await log('pieces', async () => {
      const file = await fs.open(`${dir}/f`, 'w');
      const stream = file.createWriteStream();
      await pipeline(Readable.from(['one ', 'two ', 'three']), stream);
      return [await fs.readFile(`${dir}/f`, 'utf8'), file.fd, stream.bytesWritten];
    });
    await log('corked', async () => {
      const stream = (await fs.open(`${dir}/f`, 'r+')).createWriteStream({ start: 4 });
      stream.cork();
      for (const piece of ['T', 'W', 'O']) stream.write(piece);
      stream.uncork();
      stream.end();
      await finished(stream);
      return fs.readFile(`${dir}/f`, 'utf8');
    });
    await log('much', async () => {
      const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(50_000, i));
      await pipeline(Readable.from(pieces), (await fs.open(`${dir}/g`, 'w')).createWriteStream());
      await pipeline(
        (await fs.open(`${dir}/g`)).createReadStream(),
        (await fs.open(`${dir}/h`, 'w')).createWriteStream(),
      );
      return (await fs.readFile(`${dir}/h`)).equals(Buffer.concat(pieces));
    });
    await log('not for writing', async () => {
      const stream = (await fs.open(`${dir}/f`)).createWriteStream();
      stream.end('x');
      await finished(stream);
    });
  }));

test('web streams', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await fs.writeFile(`${dir}/f`, Buffer.alloc(100_000, 'web '));
    await log('bytes', async () => {
      await using file = await fs.open(`${dir}/f`);
      let size = 0;
      for await (const piece of file.readableWebStream({ type: 'bytes' })) size += (piece as Uint8Array).byteLength;
      return [size, file.fd >= 0];
    });
    await log('own buffer', async () => {
      await using file = await fs.open(`${dir}/f`);
      const reader = (file.readableWebStream({ type: 'bytes' }) as ReadableStream<Uint8Array>).getReader({
        mode: 'byob',
      });
      const { value } = await reader.read(new Uint8Array(5));
      await reader.cancel();
      return Buffer.from(value!).toString();
    });
    await log('twice', async () => {
      await using file = await fs.open(`${dir}/f`);
      await file.readableWebStream({ type: 'bytes' }).cancel();
      file.readableWebStream();
    });
    await log('closed', async () => {
      const file = await fs.open(`${dir}/f`);
      await file.close();
      file.readableWebStream();
    });
  }));

test('web streams of array buffers', async ({ kernel }) => {
  // Node 20 ends with an assertion when the file of such a stream is closed afterwards: nothing to compare with.
  const bytes = Buffer.alloc(100_000, 'web ');
  await kernel.fs.writeFile('/tmp/f', bytes);
  await using file = await kernel.fs.open('/tmp/f');
  const pieces: Buffer[] = [];
  for await (const piece of file.readableWebStream()) pieces.push(Buffer.from(piece as ArrayBuffer));
  assert.ok(Buffer.concat(pieces).equals(bytes));
  const other = await kernel.fs.open('/tmp/f');
  const reader = other.readableWebStream().getReader();
  assert.is((await reader.read()).done, false);
  await other.close();
  for (let last = await reader.read(); !last.done; last = await reader.read());
  assert.is(other.fd, -1, 'closing ends the stream, not the other way round');
});

test('vectors at positions, whole files, modes and times', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    const file = await fs.open(`${dir}/f`, 'w+');
    await log('writev', async () => (await file.writev([Buffer.from('abc'), Buffer.from('def')])).bytesWritten);
    await log('writev at', async () => (await file.writev([Buffer.from('X'), Buffer.from('YZ')], 1)).bytesWritten);
    const parts = [Buffer.alloc(2), Buffer.alloc(3)];
    await log('readv at', async () => [(await file.readv(parts, 1)).bytesRead, parts.join('|')]);
    await log('appendFile', () => file.appendFile('ghi'));
    await log('readFile from here', () => file.readFile('utf8'));
    await log('size', async () => (await file.stat({ bigint: true })).size);
    await log('datasync', () => file.datasync());
    await log('chmod', () => file.chmod(0o640));
    await log('utimes', () => file.utimes(3, 4));
    await log('after', async () => {
      const { mode, mtimeMs, atimeMs } = await file.stat();
      return [mode & 0o777, mtimeMs, atimeMs];
    });
    await log('by the module', async () => {
      await fs.appendFile(file, '!');
      await fs.writeFile(file, '?');
      return fs.readFile(`${dir}/f`, 'utf8');
    });
    await log('close', () => Promise.all([file.close(), file.close()]));
    await log('closed', () => [file.fd]);
    await log('close again', () => file.close());
    for (const name of ['stat', 'sync', 'datasync', 'truncate', 'read'] as const) {
      await log(`${name} when closed`, () => (file[name] as () => unknown)());
    }
    await log('disposed of', async () => {
      const other = await fs.open(`${dir}/f`);
      await other[Symbol.asyncDispose]();
      return other.fd;
    });
  }));

test.run();
