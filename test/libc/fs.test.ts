/**
 * kernel.fs against node:fs/promises itself: the same script of operations on the guest's files and on the host's must
 * tell the same. And a library that was written for Node's works on it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compare } from './fs-compare.js';
import { bootTestKernel, type Context, leave, sh } from './support.js';

const test = suite<Context>('kernel.fs');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

const bad = (value: unknown): never => value as never;

test('files: writing, reading, appending, flags, encodings', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    const file = `${dir}/file`;
    await log('write', () => fs.writeFile(file, 'Grüße\n'));
    await log('read', () => fs.readFile(file, 'utf8'));
    await log('read bytes', async () => [...(await fs.readFile(file))]);
    await log('read hex', () => fs.readFile(file, { encoding: 'hex' }));
    await log('append', () => fs.appendFile(file, Buffer.from('mehr')));
    await log('exclusive', () => fs.writeFile(file, 'x', { flag: 'wx' }));
    await log('truncate', () => fs.truncate(file, 4));
    await log('after', () => fs.readFile(file, 'latin1'));
    await log('iterable', () => fs.writeFile(file, ['a', 'b', 'c']));
    await log('iterated', () => fs.readFile(file, { encoding: 'utf8', flag: 'r' }));
    await log('large', async () => {
      await fs.writeFile(file, Buffer.alloc(3_000_000, 'abc'));
      return (await fs.readFile(file)).equals(Buffer.alloc(3_000_000, 'abc'));
    });
    await log('missing', () => fs.readFile(`${dir}/missing`));
    await log('directory', () => fs.readFile(dir));
    await log('URL', () => fs.readFile(new URL(`file://${file}`)).then(({ length }) => length));
    await log('proc', async () => (await fs.readFile('/proc/self/status', 'utf8')).includes('Pid:'));
    await log('no path', () => fs.readFile(bad({})));
    await log('zero byte', () => fs.readFile('a\0b'));
    await log('bad flag', () => fs.open(file, 'rw'));
    await log('bad data', () => fs.writeFile(file, bad(7)));
    await log('bad encoding', () => fs.readFile(file, bad('klingon')));
  }));

test('directories: making, listing, removing', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await log('mkdir', () => fs.mkdir(`${dir}/a`));
    await log('again', () => fs.mkdir(`${dir}/a`));
    await log('recursive', () => fs.mkdir(`${dir}/a/b/c/d`, { recursive: true }));
    await log('recursive again', () => fs.mkdir(`${dir}/a/b/c/d`, { recursive: true }));
    await log('recursive on a file', async () => {
      await fs.writeFile(`${dir}/a/file`, '');
      await fs.mkdir(`${dir}/a/file`, { recursive: true });
    });
    await log('list', async () => (await fs.readdir(`${dir}/a`)).sort());
    await log('list all', async () => (await fs.readdir(dir, { recursive: true })).sort());
    await log('types', async () =>
      (await fs.readdir(`${dir}/a`, { withFileTypes: true }))
        .map((e) => [e.name, e.isFile(), e.isDirectory(), e.parentPath])
        .sort(),
    );
    await log('opendir', async () => {
      const names: string[] = [];
      for await (const { name } of await fs.opendir(`${dir}/a`)) names.push(name);
      return names.sort();
    });
    await log('list a file', () => fs.readdir(`${dir}/a/file`));
    await log('rmdir', () => fs.rmdir(`${dir}/a`));
    await log('rm', () => fs.rm(`${dir}/nothing`, { force: true }));
    await log('rm recursive', () => fs.rm(`${dir}/a`, { recursive: true }));
    await log('empty', () => fs.readdir(dir));
    await log('mkdtemp', async () => (await fs.mkdtemp(`${dir}/tmp-`)).length - dir.length);
  }));

test('links, renaming, copying, modes, times', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await fs.writeFile(`${dir}/one`, '1');
    await log('symlink', () => fs.symlink('one', `${dir}/link`));
    await log('readlink', () => fs.readlink(`${dir}/link`));
    await log('realpath', () => fs.realpath(`${dir}/./link`));
    await log('not a link', () => fs.readlink(`${dir}/one`));
    await log('lstat', async () => (await fs.lstat(`${dir}/link`)).isSymbolicLink());
    await log('link', () => fs.link(`${dir}/one`, `${dir}/two`));
    await log('nlink', async () => (await fs.stat(`${dir}/two`)).nlink);
    await log('rename', () => fs.rename(`${dir}/two`, `${dir}/three`));
    await log('copy', () => fs.copyFile(`${dir}/three`, `${dir}/four`));
    await log('copied', () => fs.readFile(`${dir}/four`, 'utf8'));
    await log('copy again', async () => {
      await fs.copyFile(`${dir}/three`, `${dir}/four`, fs.constants.COPYFILE_EXCL);
    });
    await log('chmod', () => fs.chmod(`${dir}/one`, '640'));
    await log('utimes', () => fs.utimes(`${dir}/one`, new Date(1_234_567), 1.5));
    await log('stat', async () => {
      const s = await fs.stat(`${dir}/one`);
      return [s.mode, s.size, s.mtimeMs, s.atime, s.isFile(), s.isSocket(), s.isDirectory()];
    });
    await log('bigint', async () => {
      const s = await fs.stat(`${dir}/one`, { bigint: true });
      return [s.mode, s.size, s.mtimeNs, s.atimeMs, s.isFile()];
    });
    await log('access', () => fs.access(`${dir}/one`, fs.constants.R_OK));
    await log('no access', () => fs.access(`${dir}/zero`));
    await log('unlink', () => fs.unlink(`${dir}/one`));
    await log('unlink again', () => fs.unlink(`${dir}/one`));
    await log('stat of nothing', () => fs.stat(`${dir}/one`));
  }));

test('file handles: positions, vectors, closing', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    const file = await fs.open(`${dir}/f`, 'w+', 0o600);
    await log('write text', async () => (await file.write('hello world')).bytesWritten);
    await log('write at', async () => (await file.write('W', 6)).bytesWritten);
    await log('write part', async () => (await file.write(Buffer.from('xyz!'), 3, 1, 11)).bytesWritten);
    await log('read at', async () => {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(5), 0, 5, 6);
      return [bytesRead, buffer.toString()];
    });
    await log('read by options', async () => (await file.read({ buffer: Buffer.alloc(9), position: 3 })).bytesRead);
    await log('read on', async () => (await file.read(Buffer.alloc(3))).bytesRead);
    await log('outside', () => file.read(Buffer.alloc(3), 2, 5));
    await log('writev', async () => (await file.writev([Buffer.from('a'), Buffer.from('bc')])).bytesWritten);
    await log('stat', async () => [(await file.stat()).size, (await file.stat()).mode & 0o777]);
    await log('truncate', () => file.truncate(4));
    await log('sync', () => file.sync());
    await log('close', () => file.close());
    await log('after', () => file.read(Buffer.alloc(1)));
  }));

test('what it writes programs read, and the other way round', async ({ kernel }) => {
  await kernel.fs.writeFile('/tmp/from-here', 'from the embedder\n');
  const { stdout } = await sh(kernel, 'cat /tmp/from-here; echo from the guest >/tmp/from-there');
  assert.is(stdout, 'from the embedder\n');
  assert.is(await kernel.fs.readFile('/tmp/from-there', 'utf8'), 'from the guest\n');
});

/** What is used of isomorphic-git. */
interface Git {
  init(options: object): Promise<void>;
  add(options: object): Promise<void>;
  commit(options: object): Promise<string>;
  status(options: object): Promise<string>;
  log(options: object): Promise<{ commit: { message: string } }[]>;
  branch(options: object): Promise<void>;
  checkout(options: object): Promise<void>;
  currentBranch(options: object): Promise<string>;
}

/** @returns null, and says so, where npm has not installed it yet */
async function loadGit(): Promise<Git | null> {
  const name: string = 'isomorphic-git';
  try {
    return (await import(name)).default;
  } catch (error) {
    console.log(`SKIP isomorphic-git: ${(error as Error).message}`);
    return null;
  }
}

test('isomorphic-git: init, add, commit, log, branch, checkout in the guest', async ({ kernel }) => {
  const git = await loadGit();
  if (git === null) return;
  const fs = { promises: kernel.fs };
  const dir = '/tmp/repository';
  const author = { name: 'Author', email: 'author@example.org', timestamp: 1_700_000_000, timezoneOffset: 0 };
  await kernel.fs.mkdir(`${dir}/src`, { recursive: true });
  await git.init({ fs, dir, defaultBranch: 'main' });
  await kernel.fs.writeFile(`${dir}/src/a.txt`, 'first\n');
  await git.add({ fs, dir, filepath: 'src/a.txt' });
  const first = await git.commit({ fs, dir, author, message: 'first' });
  await sh(kernel, `echo second >${dir}/src/a.txt`);
  assert.is(await git.status({ fs, dir, filepath: 'src/a.txt' }), '*modified');
  await git.add({ fs, dir, filepath: 'src/a.txt' });
  await git.commit({ fs, dir, author, message: 'second' });
  assert.equal(
    (await git.log({ fs, dir })).map(({ commit }) => commit.message.trim()),
    ['second', 'first'],
  );
  await git.branch({ fs, dir, ref: 'old', object: first });
  await git.checkout({ fs, dir, ref: 'old' });
  assert.is((await sh(kernel, `cat ${dir}/src/a.txt`)).stdout, 'first\n');
  assert.is(await git.currentBranch({ fs, dir }), 'old');
});

test.run();
