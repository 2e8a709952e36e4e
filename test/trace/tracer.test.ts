import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ERESTARTSYS } from '../../abi/errno.js';
import { SI_KERNEL, SIGINT } from '../../abi/signal.js';
import { makeSignalInfo } from '../../kernel-core/signals/state.js';
import type { SyscallRow } from '../../kernel-core/syscalls/row.js';
import { SYSCALLS } from '../../kernel-core/syscalls/table.js';
import type { Task } from '../../kernel-core/task.js';
import { ARGUMENT_KINDS } from '../../kernel-core/trace/kinds.js';
import { RESULT_KINDS } from '../../kernel-core/trace/result.js';
import { dateText, flagText, octal, quote, sigsetText, valueText } from '../../kernel-core/trace/text.js';
import { Tracer } from '../../kernel-core/trace/tracer.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';

/** A task whose memory is one string at address 4096, filled up with zeros; the rest is not there. */
function makeTask(tid: number, memory = ''): Task {
  const bytes = Buffer.alloc(4096);
  bytes.write(memory, 'latin1');
  const mm = {
    read(address: number, target: Uint8Array): number {
      if (address < 4096 || address + target.length > 8192) return -14;
      target.set(bytes.subarray(address - 4096, address - 4096 + target.length));
      return 0;
    },
    readCString(address: number): string | number {
      if (address < 4096 || address >= 8192) return -14;
      return bytes.subarray(address - 4096, bytes.indexOf(0, address - 4096)).toString('latin1');
    },
  };
  return { tid, syscall: 0, mm, traced: null, cred: KERNEL_CALLER.cred } as unknown as Task;
}

const row = (name: string): SyscallRow => SYSCALLS.find((one) => one?.name === name)!;

function traced(run: (tracer: Tracer) => void): string {
  let output = '';
  run(new Tracer((line) => (output += line)));
  return output;
}

function call(tracer: Tracer, task: Task, name: string, args: number[], result: number): void {
  tracer.enter(task, row(name), args);
  tracer.leave(task, row(name), args, result);
}

test('every kind that a row names has a formatter', () => {
  for (const { name, args, result } of SYSCALLS) {
    for (const kind of args) assert.ok(kind in ARGUMENT_KINDS, `${name}: ${kind}`);
    if (result !== undefined) assert.ok(result in RESULT_KINDS, `${name}: result ${result}`);
  }
});

test('kinds that follow a command have formatters, too', () => {
  const fake = { task: makeTask(1), row: row('read'), args: [], result: null };
  for (const format of Object.values(ARGUMENT_KINDS)) {
    if (format.rest === undefined) continue;
    for (let value = 0; value < 0x8000; value++) {
      for (const kind of format.rest(fake, value)) assert.ok(kind in ARGUMENT_KINDS, kind);
    }
  }
});

test('strings are escaped and cut off', () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  assert.is(quote(bytes('a"b\\\n\r\t\v\f')), String.raw`"a\"b\\\n\r\t\v\f"`);
  assert.is(quote(bytes('\x01\x012\x00\x80\xff9')), String.raw`"\1\0012\0\200\3779"`);
  assert.is(quote(bytes('x'.repeat(32))), `"${'x'.repeat(32)}"`);
  assert.is(quote(bytes('x'.repeat(33))), `"${'x'.repeat(32)}"...`);
  assert.is(quote(bytes('')), '""');
});

test('flags, values, modes, dates', () => {
  const names = [
    ['ONE', 1],
    ['SIX', 6],
    ['TOP', -2147483648],
  ] as const;
  assert.is(flagText(7, names, '???'), 'ONE|SIX');
  assert.is(flagText(0x12, names, '???'), '0x12 /* ??? */');
  assert.is(flagText(0x11, names, '???'), 'ONE|0x10');
  assert.is(flagText(-2147483647, names, '???'), 'ONE|TOP');
  assert.is(flagText(0, names, '???'), '0');
  assert.is(valueText(6, names, '???'), 'SIX');
  assert.is(valueText(9, names, '???'), '0x9 /* ??? */');
  assert.equal([octal(0), octal(7), octal(0o644)], ['000', '007', '0644']);
  assert.is(dateText(0, ''), '1970-01-01T00:00:00+0000');
  assert.is(dateText(1e9, '000000004'), '2001-09-09T01:46:40.000000004+0000');
});

test('signal sets, small and large', () => {
  assert.is(sigsetText(0, 0), '[]');
  assert.is(sigsetText(1 << 1, 0), '[INT]');
  assert.is(sigsetText(-1, -1), '~[]');
  assert.is(sigsetText(0x7fffffff, -2), '~[RTMIN RT_1]');
});

test('one task: no prefix, results in column 40', () => {
  const task = makeTask(7, 'hello\0');
  const output = traced((tracer) => {
    call(tracer, task, 'read', [0, 4096, 100], 5);
    call(tracer, task, 'read', [0, 4096, 100], -9);
    call(tracer, task, 'write', [1, 4096, 3], 3);
    call(tracer, task, 'write', [1, 8, 3], -14);
    call(tracer, task, 'openat', [-100, 4096, 0x80000, 0], -2);
    call(tracer, task, 'openat', [-100, 4096, 0x241, 0o644], 3);
    call(tracer, task, 'close', [3], 0);
    call(tracer, task, 'brk', [0], 0x4b2000);
    call(tracer, task, 'umask', [0o22], 0o22);
    call(tracer, task, 'read', [0, 4096, 100], -ERESTARTSYS);
  });
  assert.is(
    output,
    `read(0, "hello", 100)                   = 5
read(0, 0x1000, 100)                    = -1 EBADF (Bad file descriptor)
write(1, "hel", 3)                      = 3
write(1, 0x8, 3)                        = -1 EFAULT (Bad address)
openat(AT_FDCWD, "hello", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)
openat(AT_FDCWD, "hello", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3
close(3)                                = 0
brk(NULL)                               = 0x4b2000
umask(022)                              = 022
read(0, 0x1000, 100)                    = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
`,
  );
});

test('several tasks: prefixes, broken lines, signals and ends', () => {
  const [parent, child] = [makeTask(12), makeTask(13)];
  const output = traced((tracer) => {
    tracer.enter(parent, row('wait4'), [-1, 4096, 0, 0]);
    tracer.cloned(parent, child);
    call(tracer, child, 'getpid', [], 13);
    tracer.enter(child, row('close'), [3]);
    tracer.signal(parent, makeSignalInfo(SIGINT, SI_KERNEL));
    tracer.leave(child, row('close'), [3], 0);
    tracer.ignored(parent, makeSignalInfo(SIGINT, SI_KERNEL));
    tracer.enter(child, row('exit_group'), [3]);
    tracer.exit(child, 3 << 8);
    tracer.leave(parent, row('wait4'), [-1, 4096, 0, 0], 13);
    tracer.enter(parent, row('read'), [0, 4096, 1]);
    tracer.exit(parent, 9);
  });
  assert.is(
    output,
    `wait4(-1,  <unfinished ...>
strace: Process 13 attached
[pid    13] getpid()                    = 13
[pid    13] close(3 <unfinished ...>
[pid    12] --- SIGINT {si_signo=SIGINT, si_code=SI_KERNEL} ---
[pid    13] <... close resumed>)        = 0
[pid    13] exit_group(3)               = ?
[pid    13] +++ exited with 3 +++
<... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 13
--- SIGINT {si_signo=SIGINT, si_code=SI_KERNEL} ---
read(0,  <unfinished ...>)              = ?
+++ killed by SIGKILL +++
`,
  );
});

test('an open line can be had early', () => {
  const task = makeTask(1);
  assert.is(
    traced((tracer) => {
      tracer.enter(task, row('pause'), []);
      tracer.flush();
      tracer.flush();
      tracer.leave(task, row('pause'), [], -4);
    }),
    'pause( <unfinished ...>\n<... pause resumed>)                    = -1 EINTR (Interrupted system call)\n',
  );
});

test.run();
