/** --stats and --dump-code, and what of the API is behind them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatStatistics } from '../../cli/statistics.js';
import { readEmbeddedBusybox } from '../../kernel-core/host-userland.js';
import { boot } from '../../kernel-core/index.js';
import { banos } from './command.js';

const busybox = readEmbeddedBusybox();

/** Where a program begins: e_entry. */
function entryOf(file: Uint8Array): bigint {
  return new DataView(file.buffer, file.byteOffset, file.byteLength).getBigUint64(0x18, true);
}

test('cpuStats counts what the trace shows', async () => {
  const calls: string[] = [];
  const kernel = await boot({ seed: 1, trace: (line) => calls.push(line) });
  assert.is(kernel.cpuStats().instructions, 0);
  const child = kernel.spawn(['sh', '-c', 'true | true; exit 3']);
  child.stdin!.end();
  assert.is((await child.exit).code, 3);
  const stats = kernel.cpuStats();
  // A line per call; resumed ones take two, and exits and signals have lines of their own. The first shows the spawn.
  const made = calls.filter((line) => /^(\[pid +\d+\] )?[a-z]\w*\(/.test(line)).length;
  assert.is(stats.syscalls, made - 1);
  assert.ok(stats.instructions > 1000 && stats.decodedInstructions > 100 && stats.exits.syscall > 0);
  assert.is(stats.interpreted + (stats.translator?.instructions ?? 0), stats.instructions);
  assert.is(kernel.dump().instructions, stats.instructions);
  await kernel.shutdown();
});

test('dumpCode shows the code of a program that ends, once', async () => {
  const entry = entryOf(busybox!);
  let shown = '';
  const write = (text: string): void => {
    shown += text;
  };
  const kernel = await boot({ dumpCode: { addresses: [entry, 0x1000n, entry], write } });
  for (let i = 0; i < 2; i++) {
    const child = kernel.spawn(['true']);
    await child.exit;
  }
  await kernel.shutdown();
  const [title, first] = shown.split('\n');
  assert.match(title!, `--- 0x${entry.toString(16)}`);
  assert.match(first!, new RegExp(`^${entry.toString(16)}: [a-z]+ .* │ t0 = `));
  assert.is(shown.split('---').length - 1, 2, 'the address once, and the one without code');
  assert.ok(shown.endsWith('--- 0x1000: no program had code there\n'));
});

test('dumpCode shows a region that was translated with its code, and not as the interpreter has it', async () => {
  const source = 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done';
  const dump = async (addresses: readonly bigint[]): Promise<string> => {
    let shown = '';
    const write = (text: string): void => {
      shown += text;
    };
    const kernel = await boot({ seed: 1, dumpCode: { addresses, write } });
    const child = kernel.spawn(['sh', '-c', source]);
    await child.exit;
    const { translator } = kernel.cpuStats();
    assert.ok(translator !== undefined && translator.instructions > 0, 'something was translated');
    await kernel.shutdown();
    return shown;
  };
  // Any address of busybox's text that became part of a region will do: many are tried.
  const places = Array.from({ length: 0xf0 * 8 }, (_, i) => 0x401000n + BigInt(i) * 0x200n);
  const shown = await dump(places);
  const regions = shown.split('--- ').filter((part) => part.startsWith('region at'));
  assert.ok(regions.length > 0, 'some place is in translated code');
  for (const region of regions) {
    const [title, ...lines] = region.split('\n');
    const [, wanted] = /with 0x([0-9a-f]+)/.exec(title!)!;
    assert.not.match(shown, `--- 0x${wanted}, as the interpreter has it`);
    assert.ok(
      lines.some((line) => /^[0-9a-f]+: .*│.*│ +\(/.test(line)),
      'three columns',
    );
    assert.match(region, /\(local\.(get|set|tee) \$r[a-z0-9]+/, 'registers by name');
  }
});

test('statistics as text', () => {
  const text = formatStatistics({
    instructions: 1_000_000,
    interpreted: 1000,
    syscalls: 7,
    exits: { slice: 1, syscall: 2, fault: 0, stop: 0 },
    codePages: 3,
    decodedInstructions: 400,
    tlbMisses: 5,
    translator: {
      instructions: 999_000,
      regions: 4,
      dropped: 1,
      regionInstructions: 321,
      modules: 2,
      codeBytes: 12345,
      doors: 6,
      returns: { left: 20, step: 1, interpreted: 2, window: 9, extent: 1, refused: 3 },
      windowMisses: 10,
      windowConflicts: 3,
      liveModules: 1,
      liveBytes: 6000,
      evictedModules: 0,
      largestBatch: 300,
      largestStep: 200,
      longestTranslation: 2_500_000,
      translationTime: 3_000_400,
      cache: { hits: 5, misses: 2, stores: 1 },
    },
  });
  assert.is(
    text,
    `instructions                       1000000
  interpreted                         1000
  translated                        999000
system calls                             7
returns to the scheduler                 3
  slice                                  1
  syscall                                2
  fault                                  0
  stop                                   0
decoded instructions                   400
pages of code                            3
translation look-up misses               5
regions                                  4
  dropped                                1
  instructions in them                 321
  doors                                  6
returns from regions                    36
  left                                  20
  step                                   1
  interpreted                            2
  window                                 9
  extent                                 1
  refused                                3
modules                                  2
  bytes of WebAssembly               12345
  in place                               1
  evicted                                0
time of translation, µs               3000
  longest                             2500
window misses                           10
  conflicts                              3
code cache: modules found                5
  not found                              2
  written                                1
`,
  );
});

test('banos run --stats --dump-code: on standard error, the program as ever', async () => {
  const entry = entryOf(busybox!).toString(16);
  const { status, stdout, stderr } = await banos(['run', '--stats', '--dump-code', `0x${entry}`, '--', 'echo', 'hi']);
  assert.is(status, 0);
  assert.is(stdout, 'hi\n');
  assert.match(stderr, new RegExp(`^${entry}: `, 'm'));
  const [, instructions] = /^instructions +(\d+)$/m.exec(stderr)!;
  assert.ok(Number(instructions) > 1000);
  assert.match(stderr, /^system calls +\d+$/m);
});

test('a wrong address is told', async () => {
  const { status, stderr } = await banos(['run', '--dump-code', 'main', 'true']);
  assert.is.not(status, 0);
  assert.match(stderr, 'expected a hexadecimal address');
});

if (busybox === null) console.log('SKIP --stats and --dump-code: busybox-static is not installed');
else test.run();
