/** cp and watch of kernel.fs against Node's. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants } from '../../libc/index.js';
import { compare, type Fs } from './fs-compare.js';
import { bootTestKernel, type Context, leave, sh } from './support.js';

const test = suite<Context>('kernel.fs: copies of trees, watching');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

async function plant(fs: Fs, dir: string): Promise<void> {
  await fs.mkdir(`${dir}/tree/sub`, { recursive: true });
  await fs.writeFile(`${dir}/tree/x`, 'x', { mode: 0o640 });
  await fs.writeFile(`${dir}/tree/sub/y`, 'y');
  await fs.symlink('../x', `${dir}/tree/sub/link`);
  await fs.writeFile(`${dir}/file`, 'file');
  await fs.symlink('file', `${dir}/link`);
}

async function listing(fs: Fs, root: string): Promise<unknown[]> {
  const names = (await fs.readdir(root, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const stats = await fs.lstat(`${root}/${name}`);
      if (stats.isSymbolicLink()) return [name, await fs.readlink(`${root}/${name}`)];
      return [name, stats.mode, stats.isFile() ? await fs.readFile(`${root}/${name}`, 'utf8') : ''];
    }),
  );
}

test('cp: trees', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await plant(fs, dir);
    const all = { recursive: true };
    await log('tree', () => fs.cp(`${dir}/tree`, `${dir}/deep/er/copy`, all));
    await log('listing', () => listing(fs, `${dir}/deep/er/copy`));
    await log('over itself', () => fs.cp(`${dir}/tree/x`, `${dir}/deep/er/copy/x`));
    await log('again', () => fs.cp(`${dir}/tree`, `${dir}/deep/er/copy`, { ...all, force: false, errorOnExist: true }));
    await log('verbatim', () => fs.cp(`${dir}/tree`, `${dir}/verbatim`, { ...all, verbatimSymlinks: true }));
    await log('verbatim listing', () => listing(fs, `${dir}/verbatim`));
    await log('followed', () => fs.cp(`${dir}/tree`, `${dir}/followed`, { ...all, dereference: true }));
    await log('followed listing', () => listing(fs, `${dir}/followed`));
    await log('filter', () =>
      fs.cp(`${dir}/tree`, `${dir}/some`, { ...all, filter: async (from, to) => !from.endsWith('y') && to !== '' }),
    );
    await log('filtered', () => listing(fs, `${dir}/some`));
    await log('nothing wanted', () => fs.cp(`${dir}/tree`, `${dir}/none`, { filter: () => false }));
    await log('no force', async () => {
      await fs.writeFile(`${dir}/some/x`, 'other');
      await fs.cp(`${dir}/tree`, `${dir}/some`, { ...all, force: false });
      return fs.readFile(`${dir}/some/x`, 'utf8');
    });
    await log('times', async () => {
      await fs.utimes(`${dir}/file`, 1000, 2000);
      await fs.cp(`${dir}/file`, `${dir}/old`, { preserveTimestamps: true });
      return (await fs.stat(`${dir}/old`)).mtimeMs;
    });
    await log('link', async () => {
      await fs.cp(`${dir}/link`, `${dir}/link2`);
      return fs.readlink(`${dir}/link2`);
    });
  }));

test('cp: what is refused', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    await plant(fs, dir);
    const all = { recursive: true };
    await log('directory', () => fs.cp(`${dir}/tree`, `${dir}/copy`));
    await log('missing', () => fs.cp(`${dir}/no`, `${dir}/copy`));
    await log('itself', () => fs.cp(`${dir}/file`, `${dir}/file`));
    await log('into itself', () => fs.cp(`${dir}/tree`, `${dir}/tree/sub/copy`, all));
    await log('into itself by a link', async () => {
      await fs.symlink(`${dir}/tree`, `${dir}/way`);
      await fs.cp(`${dir}/tree`, `${dir}/way/copy`, all);
    });
    await log('directory on a file', () => fs.cp(`${dir}/tree`, `${dir}/file`, all));
    await log('file on a directory', () => fs.cp(`${dir}/file`, `${dir}/tree`));
    await log('exists', () => fs.cp(`${dir}/file`, `${dir}/tree/x`, { force: false, errorOnExist: true }));
    await log('link on a file', () => fs.cp(`${dir}/link`, `${dir}/tree/x`));
    await log('link on the same link', async () => {
      await fs.symlink('file', `${dir}/link3`);
      await fs.cp(`${dir}/link`, `${dir}/link3`);
    });
    await log('links of nested directories', async () => {
      await fs.symlink(`${dir}/tree`, `${dir}/outer`);
      await fs.symlink(`${dir}/tree/sub`, `${dir}/inner`);
      await fs.cp(`${dir}/inner`, `${dir}/outer`);
    });
    await log('the other way round', () => fs.cp(`${dir}/outer`, `${dir}/inner`));
    await log('under a file', () => fs.cp(`${dir}/link`, `${dir}/file/copy`));
    await log('filter is no function', () => fs.cp(`${dir}/file`, `${dir}/copy`, { filter: 7 as never }));
    await log('no path', () => fs.cp(7 as never, dir));
  }));

test('cp: a tree into itself by a link that points below it, where Node copies without end', async ({ kernel }) => {
  await plant(kernel.fs as never, '/tmp');
  await kernel.fs.symlink('/tmp/tree/sub', '/tmp/way');
  const error = await kernel.fs.cp('/tmp/tree', '/tmp/way/copy/deep', { recursive: true }).catch((reason) => reason);
  assert.is(error?.code, 'ERR_FS_CP_EINVAL');
  assert.equal((await kernel.fs.readdir('/tmp/tree/sub')).sort(), ['link', 'y']);
});

test('cp: sockets and fifos are refused', async ({ kernel }) => {
  await sh(kernel, 'mkfifo /tmp/fifo');
  const error = await kernel.fs.cp('/tmp/fifo', '/tmp/copy').then(
    () => null,
    (reason) => reason,
  );
  assert.is(error?.code, 'ERR_FS_CP_FIFO_PIPE');
  const server = kernel.net.createServer();
  await new Promise<void>((resolve) => server.listen('/tmp/socket', resolve));
  const other = await kernel.fs.cp('/tmp/socket', '/tmp/copy').catch((reason) => reason);
  assert.is(other?.code, 'ERR_FS_CP_SOCKET');
  await new Promise((resolve) => server.close(resolve));
});

/** Takes events until `last` is among them, while `change` runs. */
async function events(
  fs: Fs,
  path: string,
  options: { recursive?: boolean; encoding?: 'hex' },
  change: () => Promise<void>,
  last: string,
): Promise<unknown[]> {
  const seen: unknown[] = [];
  const watcher = fs.watch(path, options as object)[Symbol.asyncIterator]();
  let next = watcher.next();
  // On the host the watch begins in a later turn of the loop.
  await new Promise((resolve) => setImmediate(resolve));
  const changing = change();
  for (;;) {
    const { value } = await next;
    const { eventType, filename } = value as { eventType: string; filename: string | Buffer };
    seen.push([eventType, Buffer.isBuffer(filename), String(filename)]);
    if (String(filename) === last) break;
    next = watcher.next();
  }
  await changing;
  await watcher.return?.();
  return seen;
}

test('watch: the same events as on the host', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    const end = () => fs.mkdir(`${dir}/end`).then(() => fs.rmdir(`${dir}/end`));
    await log('directory', () =>
      events(
        fs,
        dir,
        {},
        async () => {
          await fs.writeFile(`${dir}/w`, '1');
          await fs.rename(`${dir}/w`, `${dir}/v`);
          await fs.chmod(`${dir}/v`, 0o600);
          await fs.unlink(`${dir}/v`);
          await end();
        },
        'end',
      ),
    );
    await log('file', async () => {
      await fs.writeFile(`${dir}/f`, '');
      const [first] = await events(fs, `${dir}/f`, {}, () => fs.appendFile(`${dir}/f`, 'x'), 'f');
      return first;
    });
    await log('encoding', () => events(fs, dir, { encoding: 'hex' }, end, '656e64'));
    await log('nothing there', () => fs.watch(`${dir}/no`)[Symbol.asyncIterator]().next());
    await log('stopped before', () => fs.watch(dir, { signal: AbortSignal.abort() })[Symbol.asyncIterator]().next());
    await log('stopped while it waits', async () => {
      const stop = new AbortController();
      const next = fs.watch(dir, { signal: stop.signal })[Symbol.asyncIterator]().next();
      setImmediate(() => stop.abort());
      await next;
    });
    await log('no path', () =>
      fs
        .watch(7 as never)
        [Symbol.asyncIterator]()
        .next(),
    );
  }));

test('watch: programs are seen, whole trees too, and the descriptor is given back', async ({ kernel }) => {
  await kernel.fs.mkdir('/tmp/w/old/deep', { recursive: true });
  const before = (await kernel.fs.readdir('/proc/1/fd')).length;
  const seen = await events(
    kernel.fs as never,
    '/tmp/w',
    { recursive: true },
    async () => {
      await sh(
        kernel,
        `cd /tmp/w; echo x >old/deep/file; mkdir -p new/er; echo y >new/er/file; mv old gone; mv gone /tmp/gone
         echo z >/tmp/gone/deep/file; mkdir end`,
      );
    },
    'end',
  );
  const names = seen.map((event) => (event as string[])[2]);
  for (const name of ['old/deep/file', 'new', 'new/er', 'new/er/file', 'old', 'gone', 'end']) {
    assert.ok(names.includes(name), name);
  }
  assert.not.ok(
    names.slice(names.lastIndexOf('gone')).some((name) => name?.includes('deep')),
    'what has left is watched no longer',
  );
  // The epoll set stays; the inotify instance does not.
  assert.ok((await kernel.fs.readdir('/proc/1/fd')).length <= before + 1);
});

test('watch: ends with the kernel', async ({ kernel }) => {
  const next = kernel.fs.watch('/tmp').next();
  await new Promise((resolve) => setImmediate(resolve));
  await kernel.shutdown();
  await next.then(
    () => assert.unreachable('the kernel is gone'),
    ({ code, syscall }) => assert.equal([code, syscall], ['ESRCH', 'watch']),
  );
});

test('bug: a watch whose signal fired while it was made waited for ever', ({ kernel }) =>
  compare(kernel.fs, async (fs, dir, log) => {
    const controller = new AbortController();
    const next = fs.watch(dir, { signal: controller.signal })[Symbol.asyncIterator]().next();
    controller.abort();
    await log('aborted', () => next);
  }));

test('bug: directories where nobody makes names were tried without end', async ({ kernel }) => {
  for (const path of ['/proc/x', '/proc/x/y/z', '/proc/self/x/y']) {
    await kernel.fs.mkdir(path, { recursive: true }).then(
      () => assert.unreachable(path),
      ({ code, syscall }) => assert.equal([code, syscall], ['ENOENT', 'mkdir'], path),
    );
  }
  assert.is(await kernel.fs.mkdir('/tmp/new/../other', { recursive: true }), '/tmp/new');
});

test('bug: a copy that failed told why its target could not be removed', async ({ kernel }) => {
  const { fs, libc } = kernel;
  await fs.writeFile('/tmp/from', 'x');
  await fs.writeFile('/tmp/to', 'y');
  libc.mount('/tmp/from', '/tmp/to', '', constants.MS_BIND);
  await fs.copyFile('/etc/passwd', '/tmp/to', fs.constants.COPYFILE_FICLONE_FORCE).then(
    () => assert.unreachable('nothing is cloned here'),
    ({ code }) => assert.is(code, 'ENOTSUP'),
  );
  libc.umount2('/tmp/to');
});

test.run();
