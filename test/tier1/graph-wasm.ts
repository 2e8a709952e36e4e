/** Layouts as WebAssembly modules that log the blocks they come through, and the walk over the graph to compare with. */
import { isDispatch, type ReducibleGraph } from '../../cpu/tier1/graph/make-reducible.js';
import type { Edge, StructureEmitter } from '../../cpu/tier1/graph/structure.js';
import { Code } from '../../cpu/wasm/code.js';
import { ModuleBuilder } from '../../cpu/wasm/module.js';
import type { Successors } from './graph-random.js';

/** Blocks visited before the walk is cut off. */
export const LIMIT = 200;

/** Walks the graph; each terminator with a choice takes the next decision. */
export function walk(successors: Successors, decisions: Uint8Array, multiway: (block: number) => boolean): number[] {
  const visited: number[] = [];
  let decision = 0;
  for (let at = 0; visited.length < LIMIT; ) {
    visited.push(at);
    const targets = successors[at]!;
    if (targets.length === 0) break;
    if (multiway(at)) at = targets[decisions[decision++]! % targets.length]!;
    else if (targets.length === 1 || targets[0] === targets[1]) at = targets[0]!;
    else at = targets[decisions[decision++]! & 1 ? 0 : 1]!;
  }
  return visited;
}

/** Decisions are bytes from here on, the trace is i32 block numbers. */
export const DECISIONS_AT = 0;
export const TRACE_AT = 4096;

/** Emits WebAssembly that logs the number of each block it comes through (i32 each, from TRACE_AT). */
export class WasmEmitter implements StructureEmitter {
  code = new Code(0);
  #decision = this.code.local('i32');
  #trace = this.code.local('i32');

  openBlock(): number {
    return this.code.block();
  }
  openLoop(): number {
    return this.code.loop();
  }
  openIf(_block: number, negated: boolean): void {
    this.#condition(negated);
    this.code.if();
  }
  close(): void {
    this.code.end();
  }
  body(block: number): void {
    const { code } = this;
    code.get(this.#trace);
    code.i32(block);
    code.memory('i32.store', TRACE_AT);
    code.get(this.#trace);
    code.i32(4);
    code.op('i32.add');
    code.tee(this.#trace);
    code.i32(4 * LIMIT);
    code.op('i32.ge_u');
    code.if();
    this.exit();
    code.end();
  }
  branchIf(edge: Edge, negated: boolean): void {
    this.#condition(negated);
    this.code.brIf(edge.label);
  }
  jump(edge: Edge): void {
    if (!edge.inline) this.code.br(edge.label);
  }
  multiway(_block: number, edges: readonly Edge[]): void {
    this.#next();
    this.code.i32(edges.length);
    this.code.op('i32.rem_u');
    const labels = edges.map((edge) => edge.label);
    this.code.brTable(labels.slice(0, -1), labels.at(-1)!);
  }
  exit(): void {
    this.code.get(this.#trace);
    this.code.return();
  }

  #condition(negated: boolean): void {
    this.#next();
    this.code.i32(1);
    this.code.op('i32.and');
    if (negated) this.code.op('i32.eqz');
  }
  #next(): void {
    const { code } = this;
    code.get(this.#decision);
    code.memory('i32.load8_u', DECISIONS_AT);
    code.get(this.#decision);
    code.i32(1);
    code.op('i32.add');
    code.set(this.#decision);
  }
}

export function instantiate(emitters: readonly WasmEmitter[]): {
  memory: WebAssembly.Memory;
  run: (() => number)[];
} {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 1, 1);
  emitters.forEach((emitter, i) => {
    const func = module.declare([], ['i32']);
    emitter.code.u8(0x00); // unreachable: nothing falls out of the end
    module.define(func, emitter.code);
    module.export(`f${i}`, func);
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { env: { memory } });
  return { memory, run: emitters.map((_, i) => instance.exports[`f${i}`] as () => number) };
}

/** Logs original blocks only; route blocks set the number by which dispatch blocks select. */
export class RoutedEmitter extends WasmEmitter {
  #graph: ReducibleGraph;
  #selector = this.code.local('i32');

  constructor(graph: ReducibleGraph) {
    super();
    this.#graph = graph;
  }
  override body(block: number): void {
    const { origin, route } = this.#graph;
    if (origin[block]! >= 0) super.body(origin[block]!);
    else if (!isDispatch(this.#graph, block)) {
      this.code.i32(route[block]!);
      this.code.set(this.#selector);
    }
  }
  override multiway(block: number, edges: readonly Edge[]): void {
    if (!isDispatch(this.#graph, block)) {
      super.multiway(block, edges);
      return;
    }
    this.code.get(this.#selector);
    const labels = edges.map((edge) => edge.label);
    this.code.brTable(labels, labels[0]!);
  }
}
