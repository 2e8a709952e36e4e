/**
 * Emits the interpreter: one WebAssembly module with a function per handler and the main loop, which holds the hot
 * handlers behind one `br_table`. The main loop calls nothing, so that its few locals stay in machine registers.
 */

import { EXIT_SLICE, TRAP_GP, TRAP_UD } from '../exits.js';
import { Builder } from '../ir/builder.js';
import type { Statement } from '../ir/ir.js';
import { expandFlags } from '../ir/lazy-flags.js';
import { R_DISP, R_IMM, R_OP, R_TARGET } from '../record.js';
import { EXIT_REASON, FUEL, PAGE_SIZE, PAGE_VA, TLB, TLB_EXEC } from '../state.js';
import { MAX_REGIONS } from '../tier1/layout.js';
import { Code } from '../wasm/code.js';
import { ModuleBuilder } from '../wasm/module.js';
import { type HotFrame, LocalPool, PC, tlbOffset } from './frame.js';
import { type HandlerSet, OP_CROSS_PAGE, OP_GOTO, OP_SPAN } from './handlers.js';
import { Lowering } from './lower.js';
import { addNested } from './nested.js';
import type { HotHandler, HotNumbers, HotSequence } from './numbering.js';
import { enterFunction, onwardFunction, repeatFunction, stepFunction } from './regions.js';
import { addRuntime, type Runtime, runFunction } from './runtime.js';

const HANDLER_PARAMS = ['i32'] as const;

/** Any memory up to 4 GiB can be imported. */
const MAXIMUM_PAGES = 65536;

/** @param numbers what `handlers` was numbered by */
export function emitInterpreter(handlers: HandlerSet, numbers: HotNumbers): Uint8Array {
  const module = new ModuleBuilder();
  module.importMemory('cpu', 'memory', 1, MAXIMUM_PAGES);
  const runtime = addRuntime(module);
  const functions: number[] = [];
  const define = (write: (code: Code) => void): number => {
    const func = module.declare(HANDLER_PARAMS, ['i32']);
    const code = new Code(1);
    write(code);
    module.define(func, code);
    return func;
  };
  const table: number[] = new Array<number>(handlers.opCount).fill(0);
  for (const variant of handlers.variants) {
    const func = define((code) => {
      const statements = expandFlags(variant.build(), false);
      new Lowering(code, new LocalPool(code), runtime).instruction(statements, variant.op);
    });
    functions.push(func);
    table[variant.op] = func;
  }
  for (const { op, variant } of numbers.hot) table[op] = functions[variant]!;
  // Function mode does the first instruction of a sequence; the others have their own records.
  for (const { op, parts } of numbers.sequences) table[op] = table[parts[0]!.op]!;
  table[OP_GOTO] = runtime.goto;
  table[OP_CROSS_PAGE] = runtime.crossPage;
  table[OP_SPAN] = runtime.span;
  table[handlers.opMore] = runtime.span;
  for (const [op, vector] of [
    [handlers.opUndefined, TRAP_UD],
    [handlers.opTooLong, TRAP_GP],
  ] as const) {
    table[op] = define((code) => {
      const builder = new Builder([], 64, 'r');
      builder.trap(vector);
      new Lowering(code, new LocalPool(code), runtime).instruction(builder.statements, op);
    });
  }
  const main = module.declare(HANDLER_PARAMS, ['i32']);
  module.define(main, mainLoop(handlers, numbers, runtime));
  const handlerType = module.type(HANDLER_PARAMS, ['i32']);
  const run = module.declare(HANDLER_PARAMS, []);
  module.define(run, runFunction(runtime, main, handlerType, handlers.hotLimit));
  module.export('run', run);
  const enter = define((code) =>
    enterFunction(code, {
      first: handlers.firstRegion,
      lookup: runtime.lookup,
      handlerType,
      regionType: module.type(['i32'], ['i64']),
      validate: runtime.imports['validate']!,
      stopped: runtime.imports['stopped']!,
    }),
  );
  for (let i = 0; i < MAX_REGIONS; i++) table.push(enter);
  module.export(
    'step',
    define((code) => stepFunction(code, handlerType)),
  );
  const repeat = module.declare(['i32', 'i32'], ['i32']);
  const repeatCode = new Code(2);
  repeatFunction(repeatCode, handlerType);
  module.define(repeat, repeatCode);
  module.export('repeat', repeat);
  const onward = module.declare(['i64', 'i64', 'i32'], ['i64']);
  const onwardCode = new Code(3);
  onwardFunction(onwardCode, { first: handlers.firstRegion, regionType: module.type(['i32'], ['i64']) });
  module.define(onward, onwardCode);
  module.export('onward', onward);
  addNested(module);
  module.setTable(table, handlers.firstRegion + 2 * MAX_REGIONS);
  module.exportTable('handlers');
  return module.build();
}

/** (pc) → record that the main loop cannot execute; with EXIT_REASON set when the slice is over. */
function mainLoop(handlers: HandlerSet, numbers: HotNumbers, runtime: Runtime): Code {
  const code = new Code(1, 1 << 17);
  const pool = new LocalPool(code);
  const tlb = code.local('i32');
  const fuel = code.local('i32');
  code.i32(0);
  code.memory('i32.load', TLB);
  code.set(tlb);
  code.i32(0);
  code.memory('i32.load', FUEL);
  code.set(fuel);
  const leave = code.block();
  const exhausted = code.block();
  const next = code.loop();
  const otherwise = code.block();
  const labels: number[] = [];
  for (let op = handlers.hotLimit - 1; op >= 0; op--) labels[op] = code.block();
  code.get(PC);
  code.memory('i32.load16_u', R_OP);
  code.brTable(labels, otherwise);
  const frame: HotFrame = { tlb, fuel, leave, next, exhausted };
  const bodies: (() => void)[] = [];
  bodies[OP_GOTO] = () => emitGoto(code, frame, pool);
  bodies[OP_CROSS_PAGE] = () => emitCrossPage(code, frame, pool);
  bodies[OP_SPAN] = () => emitSpan(code, frame, pool);
  const hot = new HotEmitter(code, pool, runtime, frame, handlers);
  for (const handler of numbers.hot) bodies[handler.op] = () => hot.single(handler);
  for (const sequence of numbers.sequences) bodies[sequence.op] = () => hot.sequence(sequence);
  for (const body of bodies) {
    code.end();
    pool.reset();
    body();
  }
  code.end();
  code.br(leave);
  code.end();
  code.u8(0x00); // unreachable: the loop is left by branches only
  code.end();
  code.i32(0);
  code.i32(EXIT_SLICE);
  code.memory('i32.store', EXIT_REASON);
  code.end();
  code.i32(0);
  code.get(fuel);
  code.memory('i32.store', FUEL);
  code.get(PC);
  return code;
}

/** Writes the bodies of hot handlers into the main loop. */
class HotEmitter {
  #code: Code;
  #pool: LocalPool;
  #runtime: Runtime;
  #frame: HotFrame;
  #handlers: HandlerSet;

  constructor(code: Code, pool: LocalPool, runtime: Runtime, frame: HotFrame, handlers: HandlerSet) {
    this.#code = code;
    this.#pool = pool;
    this.#runtime = runtime;
    this.#frame = frame;
    this.#handlers = handlers;
  }

  single(handler: HotHandler): void {
    this.#lowering(handler).instruction(this.#statements(handler), handler.op);
  }

  /** When an instruction leaves the loop, those before it are over and the place is its own. */
  sequence({ parts }: HotSequence): void {
    for (const part of parts.slice(0, -1)) {
      this.#lowering(part).begin(this.#statements(part));
      this.#pool.reset();
    }
    this.single(parts.at(-1)!);
  }

  #lowering({ mode, fused }: HotHandler): Lowering {
    const records = fused < 0 ? 1 : 2;
    return new Lowering(this.#code, this.#pool, this.#runtime, this.#frame, mode === 'bis' ? 'bis' : 'bd', records);
  }

  #statements({ variant, dead, fused }: HotHandler): Statement[] {
    const statements = this.#handlers.variants[variant]!.build();
    if (fused < 0) return expandFlags(statements, dead);
    const builder = new Builder([], 64, 'r');
    const cond = builder.cond(fused);
    builder.target('near', cond);
    builder.jump(cond);
    return expandFlags([...statements, ...builder.statements], dead);
  }
}

/** Goes on at the record in a local, without counting an instruction. */
function moveTo(code: Code, { fuel, next }: HotFrame, record: number): void {
  code.get(record);
  code.get(fuel);
  code.op('i32.add');
  code.get(PC);
  code.op('i32.sub');
  code.set(fuel);
  code.get(record);
  code.set(PC);
  code.br(next);
}

function emitGoto(code: Code, frame: HotFrame, pool: LocalPool): void {
  const target = pool.take('i32');
  code.get(PC);
  code.memory('i32.load', R_TARGET);
  code.set(target);
  moveTo(code, frame, target);
}

/** entry = instruction TLB entry of the page at `page`; leaves when it is another page's. */
function instructionEntry(code: Code, frame: HotFrame, page: number, entry: number): void {
  tlbOffset(code, page);
  code.get(frame.tlb);
  code.op('i32.add');
  code.tee(entry);
  code.memory('i64.load', TLB_EXEC);
  code.get(page);
  code.op('i64.ne');
  code.brIf(frame.leave);
}

/** Falls through into another page. */
function emitCrossPage(code: Code, frame: HotFrame, pool: LocalPool): void {
  const page = pool.take('i64');
  const entry = pool.take('i32');
  const record = pool.take('i32');
  code.i32(0);
  code.memory('i64.load', PAGE_VA);
  code.i64(PAGE_SIZE);
  code.op('i64.add');
  code.set(page);
  instructionEntry(code, frame, page, entry);
  // The displacement is from this page: one page, and what an instruction over the boundary took of the next.
  code.get(PC);
  code.memory('i32.load', R_DISP);
  code.i32(PAGE_SIZE);
  code.op('i32.sub');
  code.i32(2);
  code.op('i32.shl');
  code.get(entry);
  code.memory('i32.load', TLB_EXEC + 8);
  code.op('i32.add');
  code.memory('i32.load', 0);
  code.tee(record);
  code.op('i32.eqz');
  code.brIf(frame.leave);
  code.i32(0);
  code.get(page);
  code.memory('i64.store', PAGE_VA);
  moveTo(code, frame, record);
}

/** On to the record of an instruction over a page boundary, if the next page is still the one it was decoded from. */
function emitSpan(code: Code, frame: HotFrame, pool: LocalPool): void {
  const page = pool.take('i64');
  const entry = pool.take('i32');
  code.get(PC);
  code.memory('i32.load', R_TARGET);
  code.op('i32.eqz');
  code.brIf(frame.leave);
  code.i32(0);
  code.memory('i64.load', PAGE_VA);
  code.i64(PAGE_SIZE);
  code.op('i64.add');
  code.set(page);
  instructionEntry(code, frame, page, entry);
  code.get(entry);
  code.memory('i32.load', TLB_EXEC + 8);
  code.get(PC);
  code.memory('i32.load', R_IMM);
  code.op('i32.ne');
  code.brIf(frame.leave);
  code.get(PC);
  code.memory('i32.load', R_TARGET);
  code.set(entry);
  moveTo(code, frame, entry);
}
