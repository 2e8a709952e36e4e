/**
 * Translation in steps: of a large program only so much is worked on in one go, counted in instructions whose statements are
 * built; what is alive between two steps is small; and what changes between them is noticed.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Decoder } from '../../cpu/decoder.js';
import { PTE_EXEC, PTE_READ } from '../../cpu/index.js';
import { table } from '../../cpu/table/index.js';
import { interpreter } from '../../cpu/tier0/interpreter.js';
import { Batch } from '../../cpu/tier1/batch.js';
import { Batches, type BatchesParts } from '../../cpu/tier1/batches.js';
import { CodeReader } from '../../cpu/tier1/code-reader.js';
import { RegionFormer } from '../../cpu/tier1/form.js';
import { planRegion } from '../../cpu/tier1/plan.js';
import { Profile } from '../../cpu/tier1/profile.js';
import type { Instruction, Region } from '../../cpu/tier1/region.js';
import { StaleFlags } from '../../cpu/tier1/stale-flags.js';
import { CODE, Guest, PAGE } from '../cpu/guest.js';
import { complete } from '../support/complete.js';

/** Each is a run of instructions without a jump, and a return. */
const FUNCTIONS = 6;
const PAGES_EACH = 2;
/** add [rbx+8], rax; imul rax, [rsi+rcx*8+16]; mov [rdi+24], rax; adc rdx, rax; lea rcx, [rcx+1] */
const CODE_BYTES = Buffer.from('48014308480faf44ce10488947184811c2488d4901', 'hex');
const RET = 0xc3;

const standing = (): number => 0;
const root = (n: number): number => CODE + n * PAGES_EACH * PAGE;

function make() {
  const guest = new Guest({ translator: null, codePages: FUNCTIONS * PAGES_EACH });
  const { memory } = guest;
  const times = Math.floor((PAGES_EACH * PAGE - 1) / CODE_BYTES.length);
  const code = [...Array(times).keys()].flatMap(() => [...CODE_BYTES]);
  for (let n = 0; n < FUNCTIONS; n++) guest.write(root(n), [...code, RET]);
  const reader = new CodeReader(memory, new Decoder(table), interpreter().handlers);
  reader.begin(guest.table);
  const former = new RegionFormer(reader, new Profile());
  return { guest, memory, reader, former, roots: [...Array(FUNCTIONS).keys()].map(root) };
}

const form = (former: RegionFormer, at: number): Region => former.form(at, () => false, [])!;

/** The region with instructions that count when their statements are built. */
function counted(region: Region, count: () => void): Region {
  const watch = (instruction: Instruction): Instruction => {
    const { row } = instruction;
    const semantics: typeof row.semantics = (b) => {
      count();
      row.semantics(b);
    };
    return { ...instruction, row: { ...row, semantics } };
  };
  const blocks = region.blocks.map((block) => ({ ...block, instructions: block.instructions.map(watch) }));
  return { ...region, blocks };
}

const env = {
  isInstalled: () => false,
  record: () => 0,
  flagSource: () => 0,
  path: () => ({ slot: 0, address: 0 }),
  isAlone: () => false,
};

test('of a large program the statements of so many instructions are built in a step, whatever the clock says', () => {
  const { memory, reader, former, roots } = make();
  let built = 0;
  const regions = roots.map((at) => counted(form(former, at), () => built++));
  const size = regions.reduce((sum, region) => sum + region.size, 0);
  assert.ok(size > 5000, `only ${size} instructions`);
  const batch = new Batch(regions, (page) => reader.frame(page), env, new StaleFlags(memory), false);
  const steps: number[] = [];
  for (let goesOn = true, before = 0; goesOn; before = built) {
    goesOn = batch.step(standing);
    steps.push(built - before);
  }
  assert.ok(batch.finish() !== undefined);
  assert.ok(built >= 2 * size, 'all of it was planned and emitted');
  // Up to 100 are worked on, and the last block or run of instructions is finished.
  assert.ok(Math.max(...steps) <= 200, `${Math.max(...steps)} in one step`);
});

test('a step is over when its time is, and before what takes long if it has taken some already', () => {
  const { memory, reader, former, roots } = make();
  const count = (tick: number): number => {
    let now = 0;
    const batch = new Batch(
      [form(former, roots[0]!)],
      (page) => reader.frame(page),
      env,
      new StaleFlags(memory),
      false,
    );
    let steps = 1;
    for (; batch.step(() => (now += tick)); steps++) assert.ok(batch.worked <= 200);
    return steps;
  };
  const fewest = count(0);
  // In each step some is worked on, however late it is.
  assert.ok(count(10_000_000) > 5 * fewest);
  // The end of emission, the module, and what puts it in place begin a step each.
  assert.ok(count(1_000_000) >= fewest + 3);
});

test('a plan holds no statements: it is some objects for an instruction', () => {
  const { former, roots } = make();
  const region = form(former, roots[0]!);
  const plan = complete(planRegion(region));
  const seen = new Set<object>([region, ...region.blocks, ...region.blocks.flatMap((b) => b.instructions)]);
  const known = seen.size;
  const open: object[] = [plan];
  for (let object = open.pop(); object !== undefined; object = open.pop()) {
    if (seen.has(object)) continue;
    seen.add(object);
    assert.not('s' in object || 'op' in object, 'a statement or value is kept');
    if (ArrayBuffer.isView(object)) continue;
    const inner = object instanceof Map ? [...object.keys(), ...object.values()] : Object.values(object);
    for (const one of inner) if (typeof one === 'object' && one !== null) open.push(one as object);
  }
  const each = (seen.size - known) / region.size;
  assert.ok(each < 10, `${each.toFixed(1)} objects for an instruction`);
});

test('an instruction is decoded once for all that read it, until its frame changes', () => {
  const { guest, reader, roots } = make();
  const [at] = roots as [number];
  const first = reader.at(at)!;
  reader.begin(guest.table);
  assert.is(reader.at(at), first);
  guest.write(at, [RET]);
  assert.is(reader.at(at)!.flow, 'return');
  // Another page may be mapped there, and the same page elsewhere.
  const frame = guest.memory.allocFrame();
  guest.table.set(at / PAGE, frame, PTE_READ | PTE_EXEC);
  guest.write(at, [0x90]);
  assert.is(reader.at(at)!.row.name, 'nop');
  const elsewhere = CODE + 64 * PAGE;
  guest.table.set(elsewhere / PAGE, frame, PTE_READ | PTE_EXEC);
  assert.is(reader.at(elsewhere)!.address, elsewhere);
  assert.is(reader.at(at)!.address, at);
});

/** Forms regions for all roots, with `change` after the first, as Batches does. */
function begin(change: (guest: Guest, at: number) => void) {
  const { guest, memory, reader, former, roots } = make();
  const deferred: number[] = [];
  const batches: Batches = new Batches({
    memory,
    reader,
    former,
    chooser: { defer: (at: number) => deferred.push(at), isWorthy: () => true, served: () => undefined },
    installed: { find: () => undefined, makeRoom: () => undefined },
    stale: new StaleFlags(memory),
    watcher: () => undefined,
    clock: standing,
    maxRegions: 100,
  } as unknown as BatchesParts);
  memory.onCodeWrite((frame) => batches.written(frame));
  const chosen = roots.slice(0, 2);
  const work = batches.begin(new Set(chosen), []);
  let steps = 0;
  for (;;) {
    const { done, value } = work.next();
    // Each root is looked at twice: whether it fits, and to be formed.
    if (done) return { size: value, deferred, chosen, isIdle: batches.isIdle };
    if (++steps === 3) change(guest, chosen[0]!);
  }
}

test('code that changes while regions are formed is not translated as it was', () => {
  const calm = begin(() => undefined);
  assert.ok(calm.size > 1000 && !calm.isIdle);
  assert.equal(calm.deferred, []);
  const changes = {
    written: (guest: Guest, at: number) => guest.write(at, [RET]),
    mapped: (guest: Guest, at: number) => guest.table.set(at / PAGE, guest.memory.allocFrame(), PTE_READ | PTE_EXEC),
    unmapped: (guest: Guest, at: number) => guest.table.clear(at / PAGE),
  };
  for (const [name, change] of Object.entries(changes)) {
    const { size, deferred, chosen, isIdle } = begin(change);
    assert.is(size, 0, name);
    assert.ok(isIdle, name);
    assert.equal(deferred, chosen, `${name}: they come again`);
  }
  const other = begin((guest) => guest.write(root(FUNCTIONS - 1), [RET]));
  assert.is(other.size, calm.size, 'other code does not matter');
});

test.run();
