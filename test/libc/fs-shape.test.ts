/**
 * What is in node:fs/promises, its handles, directories, entries and constants is in kernel.fs, but for what is named
 * here; and errors, encodings, streams and trees agree with Node's.
 */
import * as hostFs from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compare } from './fs-compare.js';
import { bootTestKernel, type Context, leave } from './support.js';

const test = suite<Context>('kernel.fs: the shape of node:fs/promises');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

/** Not there, and said so in docs/how-to/write-a-typescript-program.md. */
const ABSENT: Readonly<Record<string, readonly string[]>> = {
  // Of macOS only: elsewhere Node's throws.
  module: ['lchmod'],
  // Of Node's own bookkeeping: async_hooks; synchronous calls; internals that are not documented.
  handle: ['getAsyncId'],
  dir: ['readSync', 'closeSync', 'processReadResult', 'readSyncRecursive'],
  entry: [],
  stats: [],
  bigints: [],
  statfs: [],
  // Of libuv, Windows and Node's module loader.
  constants: [
    'UV_FS_SYMLINK_DIR',
    'UV_FS_SYMLINK_JUNCTION',
    'UV_DIRENT_UNKNOWN',
    'UV_DIRENT_FILE',
    'UV_DIRENT_DIR',
    'UV_DIRENT_LINK',
    'UV_DIRENT_FIFO',
    'UV_DIRENT_SOCKET',
    'UV_DIRENT_CHAR',
    'UV_DIRENT_BLOCK',
    'UV_FS_O_FILEMAP',
    'UV_FS_COPYFILE_EXCL',
    'UV_FS_COPYFILE_FICLONE',
    'UV_FS_COPYFILE_FICLONE_FORCE',
    'EXTENSIONLESS_FORMAT_JAVASCRIPT',
    'EXTENSIONLESS_FORMAT_WASM',
  ],
};

type Names = Record<string, string[]>;

/** What `of` has and inherits, but for the language's own and what begins with '_'. */
function namesOf(of: object): string[] {
  const names = new Set(Object.keys(of));
  for (let part = Object.getPrototypeOf(of); part !== null; part = Object.getPrototypeOf(part)) {
    if (part !== Object.prototype) for (const name of Object.getOwnPropertyNames(part)) names.add(name);
  }
  return [...names].filter((name) => name !== 'constructor' && !name.startsWith('_')).sort();
}

async function shapeOf(fs: typeof hostFs): Promise<Names> {
  await using handle = await fs.open('/');
  const dir = await fs.opendir('/');
  const entry = await dir.read();
  await dir.close();
  return {
    module: namesOf(fs),
    handle: namesOf(handle),
    dir: namesOf(dir),
    entry: namesOf(entry!),
    stats: namesOf(await fs.stat('/')),
    bigints: namesOf(await fs.stat('/', { bigint: true })),
    statfs: namesOf(await fs.statfs('/')),
    constants: Object.keys(fs.constants),
  };
}

test('everything that Node has is there, or is named as absent', async ({ kernel }) => {
  const [node, here] = [await shapeOf(hostFs), await shapeOf(kernel.fs as never)];
  for (const [part, names] of Object.entries(node)) {
    const missing = names.filter((name) => name !== 'default' && !here[part]!.includes(name));
    assert.equal(missing.sort(), [...ABSENT[part]!].sort(), part);
  }
  for (const [name, value] of Object.entries(kernel.fs.constants)) {
    const theirs = (hostFs.constants as Record<string, unknown>)[name];
    if (theirs !== undefined && process.platform === 'linux') assert.is(value, theirs, name);
  }
});

test('errors name the call, both paths, and are worded as Node words them', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    const [no, file, tree] = [`${dir}/no`, `${dir}/file`, `${dir}/tree`];
    await fs.writeFile(file, 'file');
    await fs.mkdir(`${tree}/sub`, { recursive: true });
    await fs.writeFile(`${tree}/sub/x`, 'x');
    await log('rename', () => fs.rename(no, `${dir}/other`));
    await log('rename on a directory', () => fs.rename(file, tree));
    await log('rename into itself', () => fs.rename(tree, `${tree}/sub/y`));
    await log('link', () => fs.link(no, `${dir}/other`));
    await log('link of a directory', () => fs.link(tree, `${dir}/other`));
    await log('link exists', () => fs.link(file, file));
    await log('symlink exists', () => fs.symlink('target', file));
    await log('copyFile', () => fs.copyFile(no, file));
    await log('copyFile exclusive', () => fs.copyFile(file, `${tree}/sub/x`, fs.constants.COPYFILE_EXCL));
    await log('copyFile on a directory', () => fs.copyFile(file, tree));
    await log('copyFile of a directory', () => fs.copyFile(tree, no));
    await log('copyFile of a directory leaves nothing', () => fs.lstat(no));
    await log('copyFile to itself', async () => {
      await fs.copyFile(file, file);
      return fs.readFile(file, 'utf8');
    });
    await log('copyFile over another', async () => {
      await fs.writeFile(`${dir}/longer`, 'longer than file', { mode: 0o600 });
      await fs.chmod(file, 0o640);
      await fs.copyFile(file, `${dir}/longer`);
      return [await fs.readFile(`${dir}/longer`, 'utf8'), (await fs.stat(`${dir}/longer`)).mode & 0o777];
    });
    await log('copyFile, unknown mode', () => fs.copyFile(file, no, 99));
    await log('open', () => fs.open(`${file}/under`));
    await log('open for writing', () => fs.open(tree, 'w'));
    await log('opendir', () => fs.opendir(file));
    await log('opendir of nothing', () => fs.opendir(no));
    await log('readdir', () => fs.readdir(no));
    await log('mkdir', () => fs.mkdir(`${no}/deep`));
    await log('mkdir under a file', () => fs.mkdir(`${file}/a/b`, { recursive: true }));
    await log('rmdir', () => fs.rmdir(tree));
    await log('rmdir of a file', () => fs.rmdir(file));
    await log('unlink of a directory', () => fs.unlink(tree).catch(({ syscall, path }) => [syscall, path]));
    await log('rm', () => fs.rm(no));
    await log('rm recursive', () => fs.rm(no, { recursive: true }));
    await log('rm of a directory', () => fs.rm(tree));
    await log('truncate', () => fs.truncate(no, 1));
    await log('truncate a directory', () => fs.truncate(tree));
    await log('realpath', () => fs.realpath(no));
    await log('utimes', () => fs.utimes(no, 1, 1));
    await log('lutimes', () => fs.lutimes(no, 1, 1));
    await log('chmod', () => fs.chmod(no, 0o600));
    await log('chown', () => fs.chown(no, 1, 1));
    await log('lchown', () => fs.lchown(no, 1, 1));
    await log('statfs', () => fs.statfs(no));
    await log('lstat', () => fs.lstat(no));
    await log('access', () => fs.access(no));
    await log('readlink', () => fs.readlink(file));
    await log('long name', () => fs.stat(`${dir}/${'x'.repeat(300)}`).catch(({ code }) => code));
    await log('loop', async () => {
      await fs.symlink('loop', `${dir}/loop`);
      await fs.stat(`${dir}/loop`);
    });
    await log('mkdtemp', () => fs.mkdtemp(`${no}/x`).catch(({ code, syscall }) => [code, syscall]));
  }));

test('encodings of names', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await fs.mkdir(`${dir}/ä/b`, { recursive: true });
    await fs.symlink('ä', `${dir}/link`);
    const text = (value: unknown) => [Buffer.isBuffer(value), String(value)];
    await log('readdir', async () => (await fs.readdir(dir, 'hex')).sort());
    await log('readdir buffer', async () => (await fs.readdir(`${dir}/ä`, 'buffer')).map(text));
    await log('readdir types', async () =>
      (await fs.readdir(dir, { encoding: 'latin1', withFileTypes: true })).map(({ name }) => name).sort(),
    );
    await log('readdir recursive types', async () =>
      (await fs.readdir(dir, { recursive: true, withFileTypes: true }))
        .map((e) => [e.name, e.parentPath, e.isSymbolicLink()])
        .sort(),
    );
    await log('opendir', async () => {
      const names: unknown[] = [];
      for await (const { name } of await fs.opendir(dir, 'base64' as never)) names.push(name);
      return names.sort();
    });
    await log('realpath', async () => text(await fs.realpath(`${dir}/link`, 'buffer')));
    await log('readlink', async () => [await fs.readlink(`${dir}/link`, 'hex')]);
    await log('readlink buffer', async () => text(await fs.readlink(`${dir}/link`, { encoding: 'buffer' })));
    await log('mkdtemp', async () => Buffer.isBuffer(await fs.mkdtemp(`${dir}/t`, { encoding: 'buffer' } as never)));
  }));

test('directories that are read entry by entry', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await fs.mkdir(`${dir}/a/b`, { recursive: true });
    await fs.writeFile(`${dir}/a/b/c`, '');
    await log('recursive', async () => {
      const names: unknown[] = [];
      const opened = await fs.opendir(dir, { recursive: true });
      for await (const { name, parentPath } of opened) names.push([name, parentPath]);
      return names.sort();
    });
    const opened = await fs.opendir(`${dir}/a/b`);
    await log('path', () => opened.path);
    await log('read', async () => (await opened.read())?.name);
    await log('end', () => opened.read());
    await log('close', () => opened.close());
    await log('close again', () => opened.close());
    await log('read when closed', () => opened.read());
    await log('left early', async () => {
      const left = await fs.opendir(dir);
      for await (const { name } of left) {
        assert.is(name, 'a');
        break;
      }
      await left.read();
    });
    await log('statfs', async () => {
      const { bsize, type } = await fs.statfs(dir, { bigint: true });
      return [typeof bsize, typeof type];
    });
  }));

test('calls that a signal has stopped', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await log('write', () => fs.writeFile(`${dir}/f`, 'x', { signal: AbortSignal.abort() }));
    await log('read', () => fs.readFile(`${dir}/f`, { signal: AbortSignal.abort() }));
    await log('between', async () => {
      const stop = new AbortController();
      const pieces = function* () {
        yield 'one';
        stop.abort();
        yield 'two';
      };
      await fs.writeFile(`${dir}/f`, pieces(), { signal: stop.signal });
    });
    await log('so far', () => fs.readFile(`${dir}/f`, 'utf8'));
  }));

test.run();
