/** Damaged and foreign programs through execve of the running kernel; roots, mounts and scripts that are not there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type Kernel } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';
import { canCompile, framesOf, Probes, within, withKernel } from './support.js';

/** Decoded code of the shell that runs the programs; each of hundreds of them leaving a page would be more. */
const CACHE_FRAMES = 64;
const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;

/** Hostile values for a field. */
const VALUES = [0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

const rejects = async (promise: Promise<Kernel>, pattern: RegExp): Promise<void> => {
  try {
    await (await promise).shutdown();
  } catch (error) {
    assert.match((error as Error).message, pattern);
    return;
  }
  assert.unreachable('boot must fail');
};

test('a root that is not there, is a plain file, or is a damaged archive is refused in words', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'banos-roots-'));
  try {
    const text = join(directory, 'text.tar');
    writeFileSync(text, 'this is no archive');
    await rejects(boot({ rootfs: join(directory, 'missing') }), /missing|ENOENT|no such/i);
    await rejects(boot({ rootfs: text }), /tar|archive/i);
    await rejects(boot({ mounts: [{ host: join(directory, 'missing'), guest: '/mnt' }] }), /ENOENT|no such/i);
    await rejects(boot({ mounts: [{ host: text, guest: '/mnt' }] }), /ENOTDIR|not a directory/i);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** What a shell says of each file in /tmp/x, run from a running kernel. */
const script = `
printf '#!/no/such/interpreter\\n' >/tmp/none; printf '#!' >/tmp/empty-line; printf '#!\\n' >/tmp/newline
printf '#!/tmp/loop\\n' >/tmp/loop; printf '#!/tmp\\n' >/tmp/directory; printf '#!/etc/passwd\\n' >/tmp/data
printf '#!%5000s\\n' x >/tmp/long; : >/tmp/nothing; printf '\\177ELF' >/tmp/magic; printf '#!/tmp/b\\n' >/tmp/a; printf '#!/tmp/a\\n' >/tmp/b
head -c 200 /bin/busybox >/tmp/truncated; head -c 5000 /bin/busybox >/tmp/short; head -c 100000 /dev/zero >/tmp/zeros
chmod 755 /tmp/*; chmod 644 /tmp/zeros
for f in none empty-line newline loop directory data long nothing magic a truncated short zeros missing; do
  env /tmp/$f >/dev/null 2>/tmp/error; echo "$f $? $(cat /tmp/error)"
done
echo still here`;

test('a shell that runs what is no program goes on', async () => {
  await withKernel(null, { memory: 64 }, async (kernel) => {
    const { stdout } = await within(60_000, 'the script', collect(kernel.spawn(['sh', '-c', script])));
    const lines = stdout.trim().split('\n');
    assert.is(lines.pop(), 'still here');
    assert.is(lines.length, 14);
    for (const line of lines) {
      if (/^(short|truncated) /.test(line)) assert.match(line, / (126|135|139) /, line);
      else assert.match(line, / (126|127) env: can't execute/, line);
    }
    assert.match(stdout, /^none 127 .*No such file/m);
    assert.match(stdout, /^(loop) 126 .*(Symbolic link loop|Too many levels)/m);
    assert.match(stdout, /^a 126 .*(Symbolic link loop|Too many levels)/m);
    assert.match(stdout, /^zeros 126 .*Permission denied/m);
    assert.match(stdout, /^magic 126 .*Exec format error/m);
    assert.match(stdout, /^directory 126 .*Permission denied/m);
  });
});

test('spawn of what is no program throws, and leaves nothing', async () => {
  await withKernel(null, { memory: 64 }, async (kernel) => {
    const before = framesOf(kernel);
    for (const argv of [
      ['/no/such'],
      ['no-such'],
      ['/'],
      ['/etc/passwd'],
      [''],
      ['x'.repeat(5000)],
      ['true', 'x'.repeat(200_000)],
    ]) {
      assert.throws(() => kernel.spawn(argv), /ENOENT|EACCES|ENOEXEC|ENAMETOOLONG|E2BIG/, argv[0].slice(0, 20));
    }
    assert.throws(() => kernel.spawn([]), /EINVAL/);
    assert.throws(() => kernel.spawn(['true'], { cwd: '/no/such' }), /ENOENT/);
    assert.is(framesOf(kernel), before);
  });
});

if (canCompile('damaged programs')) {
  const probes = new Probes();
  test.after(() => probes.dispose());

  /** Each damaged copy of `program` is run from a shell; what happens is the program's business, the kernel's is to live. */
  const damage = async (program: Uint8Array, copies: readonly Uint8Array[]): Promise<void> => {
    const directory = mkdtempSync(join(tmpdir(), 'banos-damaged-'));
    try {
      for (const [i, bytes] of copies.entries()) writeFileSync(join(directory, `p${i}`), bytes, { mode: 0o755 });
      writeFileSync(join(directory, 'whole'), program, { mode: 0o755 });
      const mounts = [{ host: directory, guest: '/p', readOnly: true }];
      await withKernel(null, { seed: 1, memory: 64, mounts }, async (kernel) => {
        // busybox's timeout leaves a process behind that lives for its two seconds.
        const all = 'for f in /p/p*; do timeout 2 $f >/dev/null 2>&1 </dev/null; done; sleep 3; /p/whole';
        await collect(kernel.spawn(['sh', '-c', '/p/whole; timeout 2 /p/whole; sh -c /p/p0; sleep 3']));
        const before = framesOf(kernel);
        const { stdout } = await within(120_000, 'damaged programs', collect(kernel.spawn(['sh', '-c', all])));
        assert.is(stdout, 'whole\n');
        assert.ok(framesOf(kernel) <= before + CACHE_FRAMES, `${framesOf(kernel)} frames are used, ${before} were`);
      });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const tiny = (): Uint8Array => readFileSync(probes.build('tiny', '-nostdlib', '-Os', '-s'));

  test('every field of the ELF header, with hostile values', async () => {
    const program = tiny();
    const copies: Uint8Array[] = [];
    for (let at = 4; at < ELF_HEADER; at++) {
      for (const value of at < 16 ? [0, 1, 2, 0xff] : VALUES.filter((_, i) => (i + at) % 3 === 0)) {
        const copy = Uint8Array.from(program);
        if (at % 4 === 0 && value > 0xff) new DataView(copy.buffer).setUint32(at, value, true);
        else copy[at] = value;
        copies.push(copy);
      }
    }
    await damage(program, copies);
  });

  test('every word of the program headers, with hostile values', async () => {
    const program = tiny();
    const headers = new DataView(program.buffer, program.byteOffset).getUint16(56, true);
    const copies: Uint8Array[] = [];
    for (let at = ELF_HEADER; at < ELF_HEADER + headers * PROGRAM_HEADER; at += 4) {
      for (const value of VALUES.filter((_, i) => (i + at / 4) % 2 === 0)) {
        const copy = Uint8Array.from(program);
        new DataView(copy.buffer).setUint32(at, value, true);
        copies.push(copy);
      }
    }
    await damage(program, copies);
  });

  test('a program cut off at any length', async () => {
    const program = tiny();
    const copies: Uint8Array[] = [];
    for (let length = 0; length < program.length; length += length < 256 ? 5 : 301)
      copies.push(program.slice(0, length));
    await damage(program, copies);
  });

  test('programs of other machines and formats', async () => {
    const program = tiny();
    const copies = [3, 8, 20, 40, 183, 243].map((machine) => {
      const copy = Uint8Array.from(program);
      new DataView(copy.buffer).setUint16(18, machine, true);
      return copy;
    });
    const text = (bytes: string): Uint8Array => Uint8Array.from(Buffer.from(bytes.padEnd(512, '\0'), 'latin1'));
    await damage(program, [
      ...copies,
      text('MZ\x90'),
      text('\xca\xfe\xba\xbe'),
      text('\xcf\xfa\xed\xfe'),
      text('\0asm'),
    ]);
  });
}

test.run();
