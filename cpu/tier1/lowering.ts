/**
 * Emits the statements of instructions into a region's function: values into temporaries or straight where they are used (values.ts),
 * registers as locals (registers.ts), flags as pending operations (pending.ts), memory through windows and extents (access.ts).
 * What cannot be done here leaves the region before the instruction has had an effect (`Exits`).
 */
import type { FlagsStatement, Statement, Value } from '../ir/ir.js';
import { writeFlags } from '../ir/lazy-flags.js';
import type { Code } from '../wasm/code.js';
import { Accesses, type AccessPolicy, type FastRound } from './access.js';
import { countDemand } from './demand.js';
import type { Exits } from './exits.js';
import { type FlagState, hasFlags, isOnlyForFlags, needsWords, type Pending, sourceOf, surviving } from './flags.js';
import { Halves } from './halves.js';
import { KIND_STEP } from './layout.js';
import type { Group } from './memory-access.js';
import { pendingOver, protect } from './pending.js';
import type { Registers } from './registers.js';
import type { Relocation } from './relocation.js';
import type { Speculation } from './speculation.js';
import { registerOf, type Step, statementsOf } from './step.js';
import { emitStringMove, type StringSurroundings } from './strings.js';
import type { Temps } from './temps.js';
import { Values } from './values.js';
import { WindowChecks } from './window-checks.js';

export class Lowering {
  readonly code: Code;
  readonly registers: Registers;
  readonly temps: Temps;
  flags: FlagState = 'words';
  /** Condition of the block's conditional end, or the address its jump goes to; set by its last instruction. */
  condition: Value | undefined;
  target: Value | undefined;
  #exits: Exits;
  #checks: WindowChecks;
  #accesses: Accesses;
  #values: Values;
  #halves: Halves;
  #step!: Step;
  #firstSet = new Int32Array(32);
  /** General register written with a value by the current instruction. */
  #written = new Map<Value, { register: number; byte: number }>();
  #kept = new Set<number>();

  constructor(code: Code, registers: Registers, temps: Temps, exits: Exits, policy: AccessPolicy) {
    this.code = code;
    this.registers = registers;
    this.temps = temps;
    this.#exits = exits;
    const lowering = this;
    this.#checks = new WindowChecks(code, registers, temps, {
      get flags() {
        return lowering.flags;
      },
      set flags(flags) {
        lowering.flags = flags;
      },
      leaveAt: (step, count) => exits.leaveAt(step, count),
      count: () => exits.count(),
    });
    this.#values = new Values(code, registers, temps, {
      get step() {
        return lowering.#step;
      },
      get flags() {
        return lowering.flags;
      },
      set flags(flags) {
        lowering.flags = flags;
      },
      firstSet: this.#firstSet,
      run: (statements) => this.#run(statements, true),
    });
    this.#accesses = new Accesses(code, registers, temps, policy, {
      push: (v) => this.#values.push(v),
      inLocal: (v) => this.#values.inLocal(v),
      copy: (v) => this.#values.copy(v),
      stop: (kind, address, relocation) => this.#stop(kind, address, relocation),
    });
    this.#values.accesses = this.#accesses;
    this.#halves = new Halves(code, registers, {
      push: (v) => this.#values.push(v),
      pushAddress: (v) => this.#values.pushAddress(v),
      offsetOf: (address) => this.#accesses.offsetOf(address),
    });
  }

  /** Locals that must outlive the current instruction. */
  heldLocals(): ReadonlySet<number> {
    const kept = this.#kept;
    kept.clear();
    this.#accesses.hold(kept);
    const { flags } = this;
    if (typeof flags === 'object') for (const local of flags.held.values()) if (local >= 0) kept.add(local);
    this.#checks.hold(kept);
    return kept;
  }

  /** Starts a block: probes in a group share their check, and so do results in a window. */
  beginBlock(block: number, groups: readonly Group[], speculation: Speculation, fast: FastRound | undefined): void {
    this.#accesses.beginBlock(block, groups, fast);
    this.#checks.beginBlock(speculation);
  }

  /** Before and behind a loop, as Accesses.openLoop. No blocks: for a loop with calls. */
  openLoop(...args: Parameters<Accesses['openLoop']>): void {
    this.#accesses.openLoop(...args);
  }

  gate(...args: Parameters<Accesses['gate']>): void {
    this.#accesses.gate(...args);
    this.endBlock();
  }

  closeLoop(): void {
    this.#accesses.closeLoop();
  }

  /** Emits an instruction that does not go to tier 0. Its jump, if it has one, is left to the block's end. */
  instruction(step: Step): void {
    this.#step = step;
    this.condition = undefined;
    this.target = undefined;
    this.#checks.before(step);
    // What pending flags read must outlive it, if they do.
    if (typeof this.flags === 'object' && !step.killsFlags) protect(this.flags, step.writes, this.code, this.temps);
    const statements = statementsOf(step);
    if (!step.flagsDead && needsWords(statements)) this.materialize();
    this.#written.clear();
    this.#run(statements);
    if (typeof this.flags === 'object' && !this.#setFlags) {
      this.flags.source = surviving(this.flags.source, step.writes);
    }
    this.#setFlags = false;
    this.#checks.after(step);
    if (this.condition === undefined && this.target === undefined) this.temps.releaseAll(this.heldLocals());
  }

  #setFlags = false;

  /** Emits a repeated string instruction. The flags are on both ways as they were. */
  stringMove(step: Step, ways: Pick<StringSurroundings, 'inTier0' | 'count'>): void {
    this.#step = step;
    this.condition = undefined;
    this.target = undefined;
    const { flags } = this;
    if (typeof flags === 'object') protect(flags, step.writes, this.code, this.temps);
    emitStringMove(this.code, this.registers, this.temps, step.string!, {
      ...ways,
      probe: (v) => this.#accesses.probe(v, step),
      stop: () => this.#stop(KIND_STEP, -1),
    });
    this.flags = flags;
    if (typeof flags === 'object') flags.source = surviving(flags.source, step.writes);
    this.temps.restore(new Set(this.heldLocals()));
  }

  /** Frees what the end of a block has used. */
  endBlock(): void {
    this.temps.releaseAll(this.heldLocals());
  }

  /** Pushes the i32 that decides a conditional end. */
  pushCondition(negated: boolean): void {
    const v = this.condition!;
    this.#values.push(v);
    if (negated) this.code.op('i32.eqz');
  }

  /** Pushes the i64 address that an indirect jump, call or return goes to. */
  pushTarget(): void {
    this.#values.push(this.target!);
  }

  /** Writes pending flags to the flag words, here and now on every path. */
  materialize(): void {
    if (typeof this.flags !== 'object') return;
    this.emitWords(this.flags);
    this.flags = 'words';
  }

  /** The same on a side path: what holds on the main path does not change. */
  emitWords(pending: Pending): void {
    if (typeof pending.base === 'object') this.emitWords(pending.base);
    const { flags } = this;
    // What it leaves as it was is in memory by now.
    this.flags = 'words';
    this.#run(writeFlags(pending.statement), true);
    this.flags = flags;
  }

  pushValue(v: Value): void {
    this.#values.push(v);
  }

  #run(statements: readonly Statement[], side = false): void {
    if (!side) this.#firstSet.fill(Number.MAX_SAFE_INTEGER | 0);
    countDemand(statements, this.#firstSet);
    this.#list(statements);
  }

  // Statements

  #list(statements: readonly Statement[]): void {
    for (const s of statements) this.#statement(s);
  }

  #statement(s: Statement): void {
    const { code } = this;
    switch (s.s) {
      case 'value':
        this.#values.define(s.value);
        return;
      case 'set':
        this.#set((s.address.imm as number) + s.offset, s.name, s.value);
        return;
      case 'store':
        this.#values.pushAddress(s.address);
        this.#values.push(s.value);
        code.memory(s.name, s.offset + this.#accesses.offsetOf(s.address));
        return;
      case 'flags':
        this.#flagsStatement(s);
        return;
      case 'if':
        this.#if(s);
        return;
      case 'trap':
        if (s.cond === undefined) {
          this.#stop(KIND_STEP, -1);
          return;
        }
        this.#values.push(s.cond);
        code.rarely();
        this.#stop(KIND_STEP, -1);
        code.end();
        return;
      case 'target':
        if (typeof s.to !== 'string') this.target = s.to;
        return;
      case 'jump':
        if (s.cond !== undefined) this.condition = s.cond;
        return;
      default:
        throw new Error(`${s.s} in a region`);
    }
  }

  /** Emits the way out at the current instruction: in a window, if its results so far are right. */
  #stop(kind: number, address: number, relocation?: Relocation): void {
    if (this.#checks.beforeStop(kind === KIND_STEP)) this.#exits.stop(kind, address, relocation);
  }

  #if(s: Extract<Statement, { s: 'if' }>): void {
    const { code } = this;
    if (this.#step.flagsDead && [...s.body, ...s.otherwise].every(isOnlyForFlags)) return;
    if (s.cond.op === 'finite' || s.cond.op === 'ordered') {
      this.#checks.condition(
        s.cond,
        (v) => this.#values.inLocal(v),
        () => this.#stop(KIND_STEP, -1),
      );
      this.#list(s.body);
      return;
    }
    this.#values.push(s.cond);
    if (s.otherwise.length === 1 && s.otherwise[0]!.s === 'helper') {
      // The exact way is tier 0's.
      code.op('i32.eqz');
      code.rarely();
      this.#stop(KIND_STEP, -1);
      code.end();
      this.#list(s.body);
      return;
    }
    const conditional = !this.#step.flagsDead && (hasFlags(s.body) || hasFlags(s.otherwise));
    if (conditional && typeof this.flags === 'object') throw new Error('flags pending before conditional flags');
    code.if();
    this.#list(s.body);
    if (conditional) this.materialize();
    if (s.otherwise.length > 0) {
      code.else();
      this.#list(s.otherwise);
      if (conditional) this.materialize();
    }
    code.end();
    if (conditional) this.flags = 'words';
  }

  #set(address: number, name: string, v: Value): void {
    const register = registerOf(address);
    const { registers, code } = this;
    if (registers.isPair(register) && name === 'v128.store' && this.#halves.set(register, v)) return;
    registers.write(address, name, () => this.#values.push(v));
    if (register < 0 || register >= 16) return;
    const byte = address & 7;
    const inner = v.op === 'i64.extend_i32_u' ? v.args[0]! : v;
    // xadd of a register with itself writes it twice: the first value is gone.
    for (const [value, place] of this.#written) if (place.register === register) this.#written.delete(value);
    this.#written.set(inner, { register, byte });
    // From here on the register itself is the value.
    if (name !== 'i64.store' || !inner.flagged || inner.local >= 0) return;
    if (inner === v) {
      v.local = registers.general(register);
      return;
    }
    const local = this.temps.take('i32');
    code.get(registers.general(register));
    code.op('i32.wrap_i64');
    code.set(local);
    inner.local = local;
  }

  // Flags

  #flagsStatement(s: FlagsStatement): void {
    if (this.#step.flagsDead) {
      this.flags = 'words';
      return;
    }
    const pending = pendingOver(s, this.flags, this.registers, (hidden) => this.emitWords(hidden));
    const { writes } = this.#step;
    pending.source = sourceOf(s, this.#written, (register) => (writes & (1 << register)) !== 0);
    this.flags = pending;
    this.#setFlags = true;
  }
}
