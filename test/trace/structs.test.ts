/** Structures whose contents no two machines share: the texts are strace's, the bytes made to fit. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SyscallRow } from '../../kernel-core/syscalls/row.js';
import type { Task } from '../../kernel-core/task.js';
import type { TraceCall } from '../../kernel-core/trace/call.js';
import { ARGUMENT_KINDS } from '../../kernel-core/trace/kinds.js';

const ADDRESS = 0x1000;

/** Formats what `fill` wrote as an argument of `kind`. */
function shown(kind: string, fill: (view: DataView) => void, more: Partial<TraceCall> = {}): string | null {
  const memory = new Uint8Array(4096);
  fill(new DataView(memory.buffer));
  const mm = {
    read(address: number, target: Uint8Array): number {
      if (address < ADDRESS || address + target.length > ADDRESS + memory.length) return -14;
      target.set(memory.subarray(address - ADDRESS, address - ADDRESS + target.length));
      return 0;
    },
  };
  const task = { mm } as unknown as Task;
  const call: TraceCall = { task, row: {} as SyscallRow, args: [ADDRESS], result: 0, ...more };
  return ARGUMENT_KINDS[kind].text(call, ADDRESS, 0);
}

const words =
  (...values: number[]) =>
  (view: DataView): void => {
    for (const [i, value] of values.entries()) view.setBigInt64(8 * i, BigInt(value), true);
  };

test('statfs', () => {
  const text = shown('statfsOut', (view) => {
    words(0x1021994, 4096, 6171021, 6171018, 6171018, 3085510, 3085500, 0, 255, 4096, 0x1020)(view);
    view.setUint32(56, 0xd281fb8d, true);
    view.setUint32(60, 0xdf1e831f, true);
  });
  assert.is(
    text,
    '{f_type=TMPFS_MAGIC, f_bsize=4096, f_blocks=6171021, f_bfree=6171018, f_bavail=6171018, f_files=3085510, ' +
      'f_ffree=3085500, f_fsid={val=[0xd281fb8d, 0xdf1e831f]}, f_namelen=255, f_frsize=4096, ' +
      'f_flags=ST_VALID|ST_RELATIME}',
  );
});

test('uname, sysinfo, usage, times, limits', () => {
  const uname = shown('utsnameOut', (view) => {
    new Uint8Array(view.buffer).set(Buffer.from('Linux'));
    new Uint8Array(view.buffer).set(Buffer.from('vm'), 65);
  });
  assert.is(uname, '{sysname="Linux", nodename="vm", ...}');
  const sysinfo = shown('sysinfoOut', (view) => {
    words(4710, 147936, 206080, 145984, 25276502016, 24612765696, 10358784, 9871360)(view);
    view.setUint16(80, 141, true);
    view.setUint32(104, 1, true);
  });
  assert.is(
    sysinfo,
    '{uptime=4710, loads=[147936, 206080, 145984], totalram=25276502016, freeram=24612765696, sharedram=10358784, ' +
      'bufferram=9871360, totalswap=0, freeswap=0, procs=141, totalhigh=0, freehigh=0, mem_unit=1}',
  );
  assert.is(
    shown('rusageOut', words(0, 2124)),
    '{ru_utime={tv_sec=0, tv_usec=2124}, ru_stime={tv_sec=0, tv_usec=0}, ...}',
  );
  assert.is(shown('tmsOut', words(1, 2, 3, 4)), '{tms_utime=1, tms_stime=2, tms_cutime=3, tms_cstime=4}');
  assert.is(shown('rlimitOut', words(8 << 20, -1)), '{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}');
});

test('statx', () => {
  const text = shown('statxOut', (view) => {
    view.setUint32(0, 0x1fff, true);
    view.setUint16(28, 0o41777, true);
    view.setBigInt64(40, 4096n, true);
  });
  assert.is(
    text,
    '{stx_mask=STATX_ALL|STATX_MNT_ID, stx_attributes=0, stx_mode=S_IFDIR|S_ISVTX|0777, stx_size=4096, ...}',
  );
});

test('capabilities', () => {
  const header = shown('capHeader', (view) => view.setUint32(0, 0x20080522, true));
  assert.is(header, '{version=_LINUX_CAPABILITY_VERSION_3, pid=0}');
  const data = shown('capDataOut', (view) => {
    view.setUint32(0, 5, true);
    view.setUint32(12, 1 << 8, true);
  });
  assert.is(
    data,
    '{effective=1<<CAP_CHOWN|1<<CAP_DAC_READ_SEARCH|1<<CAP_CHECKPOINT_RESTORE, permitted=0, inheritable=0}',
  );
});

test('clone3', () => {
  const text = shown('cloneArgs', words(0x100004100, 0, 0, 0, 17, 0x7000, 0x9000, 0));
  assert.is(
    text,
    '{flags=CLONE_VM|CLONE_VFORK|CLONE_CLEAR_SIGHAND, exit_signal=SIGCHLD, stack=0x7000, stack_size=0x9000}',
  );
});

test('owners, addresses, processor sets', () => {
  assert.is(
    shown('ownerOut', (view) => view.setInt32(4, 7, true)),
    '{type=F_OWNER_TID, pid=7}',
  );
  assert.is(shown('addressOut', words(0x7f9e82d2d740)), '[0x7f9e82d2d740]');
  assert.is(shown('cpusetOut', words(5), { result: 8 }), '[0 2]');
  assert.is(
    shown('randomOut', (view) => view.setUint16(0, 0x6674, true), { result: 2 }),
    String.raw`"\x74\x66"`,
  );
});

test('a timer and a sleep that a signal cut short', () => {
  assert.is(
    shown('itimervalOut', words(0, 0, 4, 999976)),
    '{it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=4, tv_usec=999976}}',
  );
  assert.is(shown('timespecRemainder', words(1, 2), { result: -516 }), '{tv_sec=1, tv_nsec=2}');
  assert.is(shown('timespecRemainder', words(1, 2), { result: 0 }), '0x1000');
});

test.run();
