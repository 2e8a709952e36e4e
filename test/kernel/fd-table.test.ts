import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EBADF, EMFILE } from '../../abi/errno.js';
import { FdTable } from '../../kernel-core/fd-table.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';

/** As much of a description as a table uses. */
function fakeFile(): OpenFile & { refs: number; flushes: number } {
  const file = {
    refs: 1,
    flushes: 0,
    ref() {
      file.refs++;
      return file;
    },
    unref() {
      file.refs--;
    },
    flushed() {
      file.flushes++;
    },
  };
  return file as unknown as OpenFile & { refs: number; flushes: number };
}

test('the lowest free descriptor is taken, from a minimum on, below the limit', () => {
  const table = new FdTable();
  const files = Array.from({ length: 6 }, fakeFile);
  assert.equal(
    files.slice(0, 4).map((file) => table.install(file, false, 5)),
    [0, 1, 2, 3],
  );
  table.close(1, KERNEL_CALLER);
  assert.is(table.install(files[4], true, 5, 2), 4);
  assert.is(table.install(files[5], false, 5, 2), -EMFILE);
  assert.is(table.install(files[5], false, 5), 1);
  assert.is(table.count, 5);
  assert.ok(table.isCloseOnExec(4) && !table.isCloseOnExec(1));
});

test('closing flushes and drops one reference; what is not open is -EBADF', () => {
  const table = new FdTable();
  const file = fakeFile();
  table.install(file, false, 10);
  assert.is(table.close(0, KERNEL_CALLER), 0);
  assert.equal([file.refs, file.flushes], [0, 1]);
  assert.is(table.close(0, KERNEL_CALLER), -EBADF);
  assert.is(table.close(-1, KERNEL_CALLER), -EBADF);
  assert.is(table.close(1e9, KERNEL_CALLER), -EBADF);
});

test('a copy holds references of its own; exec closes what is marked', () => {
  const table = new FdTable();
  const [kept, closed] = [fakeFile(), fakeFile()];
  table.install(kept, false, 10);
  table.replace(7, closed, true, KERNEL_CALLER);
  const copy = table.clone();
  assert.equal([...copy.descriptors()], [0, 7]);
  copy.closeForExec(KERNEL_CALLER);
  assert.equal([kept.refs, closed.refs], [2, 1]);
  copy.unref(KERNEL_CALLER);
  table.unref(KERNEL_CALLER);
  assert.equal([kept.refs, closed.refs], [0, 0]);
});

test('replacing closes what was there', () => {
  const table = new FdTable();
  const [old, next] = [fakeFile(), fakeFile()];
  table.install(old, false, 10);
  table.replace(0, next, false, KERNEL_CALLER);
  assert.equal([old.refs, next.refs, table.count], [0, 1, 1]);
});

test.run();
