/**
 * Emits the statements of instructions into a region's function: values into temporaries or straight where they are used,
 * registers as locals, flags as pending operations, memory through windows or the TLB. What cannot be done here leaves the
 * region before the instruction has had an effect (`Exits`).
 */
import type { FlagsStatement, Probe, Statement, Value } from '../ir/ir.js';
import { writeFlags } from '../ir/lazy-flags.js';
import { AUX, CF, RES, TLB, TLB_WRITE } from '../state.js';
import { tlbOffset } from '../tier0/frame.js';
import type { Code } from '../wasm/code.js';
import { isConst, movesHalves } from './concrete.js';
import {
  conditionValue,
  type FlagOperand,
  type FlagState,
  isFlagWord,
  isHidden,
  isPartial,
  type Pending,
  pendingWord,
  sourceOf,
  surviving,
} from './flags.js';
import type { Group, Membership } from './groups.js';
import {
  GROUP_ACCESS,
  KIND_STEP,
  KIND_TLB_MISS,
  NARROW_SPAN,
  SECOND_WINDOW,
  W_DELTA,
  W_LOW,
  W_READ,
  W_READ_WIDE,
  W_WRITE,
  W_WRITE_WIDE,
  WRITE_ACCESS,
} from './layout.js';
import type { Registers } from './registers.js';
import { missKind, type Relocation, WIDTH, windowField } from './relocation.js';
import type { Speculation } from './speculation.js';
import { registerOf, type Step } from './step.js';
import type { Temps } from './temps.js';
import { WindowChecks } from './window-checks.js';

/** How an access finds its memory: the number of a window, or −1 for the TLB. */
export type AccessPath = number;

/** The ways out of a function, as the emitter of its structure offers them. */
export interface Exits {
  /**
   * Emits the way out at the current instruction, inside an open `if`: nothing of the instruction has happened.
   * @param kind KIND_* with its details
   * @param address local of the i64 address that was accessed, −1 without
   * @param relocation what the kind is made of, if it depends on this run
   */
  stop(kind: number, address: number, relocation?: Relocation): void;
  /** Emits the way out at an earlier instruction of the block, before which `count` instructions had been executed. */
  leaveAt(step: Step, count: number): void;
  /** Instructions executed before the current one, since some point. */
  count(): number;
}

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
  #path: (step: Step, write: boolean, stack: boolean) => AccessPath;
  /** The accesses of an instruction are not to be checked together with others. */
  #isAlone: (step: Step) => boolean;
  #step!: Step;
  #firstSet = new Int32Array(32);
  /** General register written with a value by the current instruction. */
  #written = new Map<Value, FlagOperand>();
  #kept = new Set<number>();
  #groups: ReadonlyMap<Value, Membership> = new Map();
  /** Locals of groups that have members to come. */
  #groupLocals = new Set<number>();

  constructor(
    code: Code,
    registers: Registers,
    temps: Temps,
    exits: Exits,
    path: (step: Step, write: boolean, stack: boolean) => AccessPath,
    isAlone: (step: Step) => boolean,
  ) {
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
    this.#path = path;
    this.#isAlone = isAlone;
  }

  /** Locals that must outlive the current instruction. */
  heldLocals(): ReadonlySet<number> {
    const kept = this.#kept;
    kept.clear();
    for (const local of this.#groupLocals) kept.add(local);
    const { flags } = this;
    if (typeof flags === 'object') for (const local of flags.held) kept.add(local);
    this.#checks.hold(kept);
    return kept;
  }

  /** Starts a block: probes in a group share their check, and so do results in a window. */
  beginBlock(groups: ReadonlyMap<Value, Membership>, speculation: Speculation): void {
    this.#groups = groups;
    this.#checks.beginBlock(speculation);
    this.#groupLocals.clear();
    for (const { group } of groups.values()) {
      group.local = -1;
      group.left = group.members;
      group.aligned.clear();
    }
  }

  /** Emits an instruction that does not go to tier 0. Its jump, if it has one, is left to the block's end. */
  instruction(step: Step): void {
    this.#step = step;
    this.condition = undefined;
    this.target = undefined;
    this.#checks.before(step);
    this.#protectFlags(step);
    if (!step.flagsDead && needsWords(step.statements)) this.materialize();
    this.#written.clear();
    this.#run(step.statements);
    if (typeof this.flags === 'object' && !this.#setFlags) {
      this.flags.source = surviving(this.flags.source, step.writes);
    }
    this.#setFlags = false;
    this.#checks.after(step);
    if (this.condition === undefined && this.target === undefined) this.temps.releaseAll(this.heldLocals());
  }

  #setFlags = false;

  /** Frees what the end of a block has used. */
  endBlock(): void {
    this.temps.releaseAll(this.heldLocals());
  }

  /** Pushes the i32 that decides a conditional end. */
  pushCondition(negated: boolean): void {
    const v = this.condition!;
    this.#push(v);
    if (negated) this.code.op('i32.eqz');
  }

  /** Pushes the i64 address that an indirect jump, call or return goes to. */
  pushTarget(): void {
    this.#push(this.target!);
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

  // Demand: how often each value is needed, and where last

  #run(statements: readonly Statement[], side = false): void {
    if (!side) this.#firstSet.fill(Number.MAX_SAFE_INTEGER | 0);
    this.#reset(statements);
    this.#demand(statements, 0);
    this.#list(statements);
  }

  #reset(statements: readonly Statement[]): void {
    for (const s of statements) {
      if (s.s === 'value') {
        s.value.uses = 0;
        s.value.last = -1;
        s.value.local = -1;
        s.value.flagged = false;
      } else if (s.s === 'if') {
        this.#reset(s.body);
        this.#reset(s.otherwise);
      }
    }
  }

  #use(v: Value, at: number): void {
    v.uses++;
    if (v.last < at) v.last = at;
  }

  /** Visits statements backwards; those in an `if` count as being where it is. */
  #demand(statements: readonly Statement[], fixed: number): void {
    for (let i = statements.length - 1; i >= 0; i--) {
      const s = statements[i]!;
      const at = fixed || i + 1;
      switch (s.s) {
        case 'value': {
          const v = s.value;
          if (!v.pinned && v.uses === 0) break;
          const where = !v.pinned && v.uses === 1 ? v.last : at;
          for (const arg of v.args) this.#use(arg, where);
          break;
        }
        case 'set': {
          this.#use(s.value, at);
          if (isConst(s.address)) {
            const register = registerOf((s.address.imm as number) + s.offset);
            if (register >= 0) this.#firstSet[register] = at;
          }
          break;
        }
        case 'store':
          this.#use(s.address, at);
          this.#use(s.value, at);
          break;
        case 'flags':
          for (const v of [s.a, s.b, s.res, s.cf, s.of]) if (v !== undefined) markFlagged(v);
          break;
        case 'if':
          this.#demand(s.otherwise, at);
          this.#demand(s.body, at);
          this.#use(s.cond, at);
          break;
        case 'trap':
          if (s.cond !== undefined) this.#use(s.cond, at);
          break;
        case 'target':
          if (typeof s.to !== 'string') this.#use(s.to, at + 1000);
          break;
        case 'jump':
          if (s.cond !== undefined) this.#use(s.cond, at + 1000);
          break;
        default:
      }
    }
  }

  // Statements

  #list(statements: readonly Statement[]): void {
    for (const s of statements) this.#statement(s);
  }

  #statement(s: Statement): void {
    const { code } = this;
    switch (s.s) {
      case 'value':
        this.#define(s.value);
        return;
      case 'set':
        this.#set((s.address.imm as number) + s.offset, s.name, s.value);
        return;
      case 'store':
        this.#pushAddress(s.address);
        this.#push(s.value);
        code.memory(s.name, s.offset + this.#offsetOf(s.address));
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
        this.#push(s.cond);
        code.if();
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
        (v) => this.#inLocal(v),
        () => this.#stop(KIND_STEP, -1),
      );
      this.#list(s.body);
      return;
    }
    this.#push(s.cond);
    if (s.otherwise.length === 1 && s.otherwise[0]!.s === 'helper') {
      // The exact way is tier 0's.
      code.op('i32.eqz');
      code.if();
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
    if (registers.isPair(register) && name === 'v128.store' && this.#setPair(register, v)) return;
    registers.write(address, name, () => this.#push(v));
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

  /** What needs no vector: zero, moves of doubles, sign masks. @returns false when nothing has been emitted */
  #setPair(register: number, v: Value): boolean {
    if (!this.#hasHalves(v)) return false;
    this.registers.setPair(
      register,
      () => this.#pushHalf(v, 0),
      () => this.#pushHalf(v, 1),
    );
    return true;
  }

  /** Whether the doubles of a vector that goes to a pair are better come by one by one. */
  #hasHalves(v: Value): boolean {
    if (v.op === 'v128.xor' && isSameRegister(v)) return true;
    if (v.local >= 0) return false;
    switch (v.op) {
      case 'get':
        return (
          v.name === 'v128.load' && this.registers.isPair(registerOf((v.args[0]!.imm as number) + (v.imm as number)))
        );
      case 'load':
        return v.name === 'v128.load' || v.name === 'v128.load64_zero';
      case 'v128.and':
      case 'v128.or':
      case 'v128.xor':
      case 'v128.andnot':
        return v.args.every((arg) => this.#hasHalves(arg));
      case 'i8x16.shuffle':
        return movesHalves(v) && v.args.some((arg) => this.#hasHalves(arg));
      default:
        return false;
    }
  }

  /** Pushes one double of a vector. */
  #pushHalf(v: Value, half: 0 | 1): void {
    const { code } = this;
    if (v.op === 'v128.xor' && isSameRegister(v)) {
      code.f64(0);
      return;
    }
    if (v.local < 0) {
      switch (v.op) {
        case 'get': {
          const from = registerOf((v.args[0]!.imm as number) + (v.imm as number));
          if (!this.registers.isPair(from)) break;
          this.registers.pushHalf(from, half);
          return;
        }
        case 'load':
          if (half === 1 && v.name === 'v128.load64_zero') code.f64(0);
          else this.#loadHalf(v, half, 'f64.load');
          return;
        case 'i8x16.shuffle': {
          const lane = (v.imm as readonly number[])[8 * half]! >> 3;
          this.#pushHalf(v.args[lane >> 1]!, (lane & 1) as 0 | 1);
          return;
        }
        case 'v128.and':
        case 'v128.or':
        case 'v128.xor':
        case 'v128.andnot':
          // In lane 0 of vectors: there is no such operator on doubles.
          for (const arg of v.args) this.#pushHalfVector(arg, half);
          code.op(v.op);
          code.op('f64x2.extract_lane', 0);
          return;
        default:
      }
    }
    this.#push(v);
    code.op('f64x2.extract_lane', half);
  }

  /** Pushes a vector with one double of another in lane 0. */
  #pushHalfVector(v: Value, half: 0 | 1): void {
    if (v.local < 0 && v.op === 'load' && v.name === 'v128.load') this.#loadHalf(v, half, 'v128.load64_zero');
    else {
      this.#pushHalf(v, half);
      this.code.op('f64x2.splat');
    }
  }

  #loadHalf(v: Value, half: 0 | 1, name: string): void {
    const pa = v.args[0]!;
    this.#pushAddress(pa);
    this.code.memory(name, (v.imm as number) + 8 * half + this.#offsetOf(pa));
  }

  // Values

  #define(v: Value): void {
    if (v.op === 'probe') {
      this.#probe(v);
      return;
    }
    // Checks are made where they decide.
    if (v.op === 'finite' || v.op === 'ordered') return;
    if (v.op === 'cond') {
      this.#defineCondition(v);
      return;
    }
    if (v.uses === 0 && !(v.pinned && v.flagged)) return;
    if (v.op === 'const') return;
    if (v.op === 'get') {
      this.#defineRead(v);
      return;
    }
    if (!v.pinned && v.uses === 1) return;
    // A load into a pair of doubles happens where it is written.
    if (v.op === 'load' && v.type === 'v128' && v.uses === 1 && this.#goesToPair) return;
    this.#emit(v);
    v.local = this.temps.take(v.type);
    this.code.set(v.local);
  }

  get #goesToPair(): boolean {
    const { writes } = this.#step;
    const register = 31 - Math.clz32(writes);
    return writes !== 0 && (writes & (writes - 1)) === 0 && this.registers.isPair(register);
  }

  #defineRead(v: Value): void {
    const address = (v.args[0]!.imm as number) + (v.imm as number);
    const register = registerOf(address);
    const local = register < 0 ? -1 : this.#aliasOf(register, address, v.name);
    const overwritten = register >= 0 && (this.#step.writes & (1 << register)) !== 0;
    const isStable = !(overwritten && (v.flagged || v.last > this.#firstSet[register]!));
    if (local >= 0 && isStable) {
      v.local = local;
      return;
    }
    // Read once, before it is written: better there.
    if (register >= 0 && v.uses === 1 && !v.flagged && isStable) return;
    this.#readState(address, v.name);
    v.local = this.temps.take(v.type);
    this.code.set(v.local);
  }

  /** Pushes a register or another part of the CPU state, flag words of a pending operation included. */
  #readState(address: number, name: string): void {
    const { flags } = this;
    if (!isFlagWord(address) || typeof flags !== 'object') {
      this.registers.read(address, name);
      return;
    }
    const word = pendingWord(flags, address);
    this.flags = flags.base;
    if (word === undefined) this.#readState(address, name);
    else this.#push(word);
    this.flags = flags;
  }

  /** The local that holds exactly what is read, −1 if none does. */
  #aliasOf(register: number, address: number, name: string): number {
    const { registers } = this;
    if (register < 16) return name === 'i64.load' && (address & 7) === 0 ? registers.general(register) : -1;
    if (!registers.isPair(register)) return name === 'v128.load' ? registers.local(register) : -1;
    if (name !== 'f64.load') return -1;
    return address & 8 ? registers.highLocal(register) : registers.local(register);
  }

  #defineCondition(v: Value): void {
    const { statements, value } = conditionValue(
      typeof this.flags === 'object' ? this.flags : undefined,
      v.imm as number,
    );
    if (v.uses === 0) return;
    this.#run(statements, true);
    // Values inside have been counted without their use here.
    this.#push(value);
    v.local = this.temps.take('i32');
    this.code.set(v.local);
  }

  #push(v: Value): void {
    if (v.local < 0) this.#emit(v);
    else if (v.op === 'probe') this.#pushSum(v.local, this.#offsetOf(v));
    else this.code.get(v.local);
  }

  /** Pushes the address of a load or store, whose `#offsetOf` goes into the instruction. */
  #pushAddress(v: Value): void {
    if (v.op === 'probe') this.code.get(v.local);
    else this.#push(v);
  }

  #emit(v: Value): void {
    const { code } = this;
    switch (v.op) {
      case 'const':
        if (v.type === 'i32') code.i32(v.imm as number);
        else if (v.type === 'i64') code.i64(v.imm as number | bigint);
        else code.v128(v.imm as readonly number[]);
        return;
      case 'get':
        this.#readState((v.args[0]!.imm as number) + (v.imm as number), v.name);
        return;
      case 'load':
        this.#pushAddress(v.args[0]!);
        code.memory(v.name, (v.imm as number) + this.#offsetOf(v.args[0]!));
        return;
      case 'select':
        for (const arg of v.args) this.#push(arg);
        code.select();
        return;
      case 'copy':
        this.#push(v.args[0]!);
        return;
      case 'call':
        this.#highProduct(v);
        return;
      case 'v128.xor':
        if (isSameRegister(v)) {
          code.v128(ZEROS);
          return;
        }
        break;
      default:
    }
    for (const arg of v.args) this.#push(arg);
    code.op(v.op, v.imm === 0 && !v.op.includes('lane') ? undefined : (v.imm as number | readonly number[]));
  }

  /** mulhu: high half of an unsigned 64 × 64 bit product, from 32-bit pieces. */
  #highProduct({ args }: Value): void {
    const { code, temps } = this;
    const [x, y, middle] = [temps.take('i64'), temps.take('i64'), temps.take('i64')];
    this.#push(args[0]!);
    code.set(x);
    this.#push(args[1]!);
    code.set(y);
    const half = (local: number, high: boolean): void => {
      code.get(local);
      code.i64(high ? 32 : 0xffffffff);
      code.op(high ? 'i64.shr_u' : 'i64.and');
    };
    const product = (highX: boolean, highY: boolean): void => {
      half(x, highX);
      half(y, highY);
      code.op('i64.mul');
    };
    const shift = (): void => {
      code.i64(32);
      code.op('i64.shr_u');
    };
    product(true, false);
    product(false, false);
    shift();
    code.op('i64.add');
    code.tee(middle);
    shift();
    product(true, true);
    code.op('i64.add');
    half(middle, false);
    product(false, true);
    code.op('i64.add');
    shift();
    code.op('i64.add');
  }

  // Flags

  /** Copies what pending flags read from registers that this instruction overwrites, if they outlive it. */
  #protectFlags(step: Step): void {
    const { flags } = this;
    if (typeof flags !== 'object' || step.killsFlags) return;
    const { aliases, held } = flags;
    for (let i = aliases.length - 1; i >= 0; i--) {
      const { value, register } = aliases[i]!;
      if ((step.writes & (1 << register)) === 0) continue;
      const local = this.temps.take(value.type);
      this.code.get(value.local);
      this.code.set(local);
      value.local = local;
      held.add(local);
      aliases.splice(i, 1);
    }
  }

  #flagsStatement(s: FlagsStatement): void {
    if (this.#step.flagsDead) {
      this.flags = 'words';
      return;
    }
    const pending = this.#pendingOver(s);
    const seen = new Set<Value>();
    for (const v of [s.a, s.b, s.res, s.cf, s.of]) if (v !== undefined) this.#collect(v, pending, seen);
    const { writes } = this.#step;
    pending.source = sourceOf(s, this.#written, (register) => (writes & (1 << register)) !== 0);
    this.flags = pending;
    this.#setFlags = true;
  }

  /** A new pending operation, over what it leaves of the flags before. */
  #pendingOver(statement: FlagsStatement): Pending {
    const fresh = { statement, aliases: [], held: new Set<number>(), source: undefined };
    if (!isPartial(statement.kind)) return { ...fresh, base: 'words' };
    let base = this.flags;
    while (typeof base === 'object' && isHidden(base.statement.kind, statement.kind)) base = base.base;
    if (typeof base !== 'object') return { ...fresh, base };
    if (typeof base.base === 'object') {
      // Chains do not grow without end.
      this.emitWords(base);
      return { ...fresh, base: 'words' };
    }
    return { ...fresh, base, aliases: [...base.aliases], held: new Set(base.held) };
  }

  /** Finds the locals that a value of the flags reads. */
  #collect(v: Value, pending: Pending, seen: Set<Value>): void {
    if (seen.has(v)) return;
    seen.add(v);
    if (v.op === 'const') return;
    if (v.local < 0 && v.pinned) throw new Error(`flags need ${v.op}, which is gone`);
    if (v.local < 0) {
      for (const arg of v.args) this.#collect(arg, pending, seen);
      return;
    }
    const register = this.registers.owner(v.local);
    if (register >= 0) pending.aliases.push({ value: v, register, local: v.local });
    else pending.held.add(v.local);
  }

  // Memory

  /** Constant distance of an access from the physical address in its value's local. */
  #offsetOf(address: Value): number {
    const membership = this.#groups.get(address);
    return membership === undefined || membership.group.local !== address.local
      ? 0
      : membership.distance - membership.group.low;
  }

  #probe(v: Value): void {
    const { size, write, aligned, stack } = v.probe as Probe;
    const membership = this.#groups.get(v);
    const group = membership?.group;
    if (group !== undefined && group.local >= 0) {
      v.local = group.local;
      const distance = membership!.distance;
      if (aligned) this.#requireAligned(group, distance, size, () => this.#pushSum(group.local, distance - group.low));
      if (--group.left === 0) this.#groupLocals.delete(group.local);
      return;
    }
    const address = this.#inLocal(v.args[0]!);
    if (aligned) {
      const pushAddress = (): void => {
        this.code.get(address);
        this.code.op('i32.wrap_i64');
      };
      this.#requireAligned(group, membership?.distance ?? 0, size, pushAddress);
    }
    const path = this.#path(this.#step, write || group?.write === true, stack === true);
    if (path < 0) {
      v.local = this.temps.take('i32');
      this.#throughTlb(address, size, write, v.local);
    } else if (group === undefined || group.left < group.members || this.#isAlone(this.#step)) {
      v.local = this.temps.take('i32');
      this.#throughWindow(path, address, size, write, 0, v.local);
    } else {
      group.local = this.temps.take('i32');
      this.#groupLocals.add(group.local);
      v.local = group.local;
      const first = this.#addressAt(address, group.low - membership!.distance);
      this.#throughWindow(path, first, group.high - group.low, group.write, GROUP_ACCESS, group.local);
    }
    if (group !== undefined && --group.left === 0) this.#groupLocals.delete(group.local);
  }

  #pushSum(local: number, distance: number): void {
    this.code.get(local);
    if (distance === 0) return;
    this.code.i32(distance);
    this.code.op('i32.add');
  }

  /** A local with an address at a distance from the one in another local. */
  #addressAt(address: number, distance: number): number {
    if (distance === 0) return address;
    const local = this.temps.take('i64');
    this.code.get(address);
    this.code.i64(distance);
    this.code.op('i64.add');
    this.code.set(local);
    return local;
  }

  /** Leaves when an address is no multiple of the size; once for members of a group that differ by one. */
  #requireAligned(group: Group | undefined, distance: number, size: number, pushAddress: () => void): void {
    const residue = ((distance % size) + size) % size;
    if (group?.aligned.has(residue)) return;
    group?.aligned.add(residue);
    const { code } = this;
    pushAddress();
    code.i32(size - 1);
    code.op('i32.and');
    code.if();
    this.#stop(KIND_STEP, -1);
    code.end();
  }

  #throughWindow(slot: number, address: number, size: number, write: boolean, flags: number, pa: number): void {
    const { code } = this;
    const load = (name: string, field: number): void => {
      code.i32(0);
      code.memoryAt(name, windowField(slot, field), WIDTH.window, { kind: 'window', slot, field } satisfies Relocation);
    };
    const wide = size > NARROW_SPAN;
    const limit = write ? (wide ? W_WRITE_WIDE : W_WRITE) : wide ? W_READ_WIDE : W_READ;
    const details = (write ? WRITE_ACCESS : 0) | flags;
    const miss = (): void => this.#stop(missKind(slot, details), address, { kind: 'miss', slot, flags: details });
    const delta = this.temps.take('i32');
    /** Opens an `if` for addresses outside of the window. */
    const outside = (offset: number): void => {
      load('i32.load', W_DELTA + offset);
      code.set(delta);
      code.get(address);
      load('i64.load', W_LOW + offset);
      code.op('i64.sub');
      load('i64.load32_u', limit + offset);
      code.op('i64.ge_u');
      code.if();
    };
    outside(0);
    outside(SECOND_WINDOW);
    // In neither: the TLB may know.
    this.#tlbDelta(address, size, write, delta, miss);
    code.end();
    code.end();
    this.#pushPhysical(address, delta);
    code.set(pa);
  }

  #throughTlb(address: number, size: number, write: boolean, pa: number): void {
    const kind = KIND_TLB_MISS | (write ? WRITE_ACCESS : 0);
    this.#tlbDelta(address, size, write, pa, () => this.#stop(kind, address));
    this.#pushPhysical(address, pa);
    this.code.set(pa);
  }

  #pushPhysical(address: number, delta: number): void {
    this.code.get(address);
    this.code.op('i32.wrap_i64');
    this.code.get(delta);
    this.code.op('i32.add');
  }

  /** delta = physical − virtual address, from the TLB. */
  #tlbDelta(address: number, size: number, write: boolean, delta: number, miss: () => void): void {
    const { code } = this;
    const part = write ? TLB_WRITE : 0;
    tlbOffset(code, address);
    code.i32(0);
    code.memory('i32.load', TLB);
    code.op('i32.add');
    code.tee(delta);
    code.memory('i64.load', part);
    code.get(address);
    if (size > 1) {
      code.i64(size - 1);
      code.op('i64.add');
    }
    code.i64(-4096);
    code.op('i64.and');
    code.op('i64.ne');
    code.if();
    miss();
    code.end();
    code.get(delta);
    code.memory('i32.load', part + 8);
    code.set(delta);
  }

  #inLocal(v: Value): number {
    if (v.local >= 0) return v.local;
    this.#emit(v);
    const local = this.temps.take(v.type);
    this.code.set(local);
    if (v.op !== 'const') v.local = local;
    return local;
  }
}

const ZEROS: readonly number[] = new Array<number>(16).fill(0);

function isSameRegister({ args: [x, y] }: Value): boolean {
  return x!.op === 'get' && y?.op === 'get' && x!.args[0]!.imm === y.args[0]!.imm && x!.imm === y.imm;
}

function markFlagged(v: Value): void {
  if (v.flagged) return;
  v.flagged = true;
  for (const arg of v.args) markFlagged(arg);
}

/** Whether a statement has no effect but on flags. */
function isOnlyForFlags(s: Statement): boolean {
  return s.s === 'flags' || (s.s === 'value' && !s.value.pinned);
}

function hasFlags(list: readonly Statement[]): boolean {
  return list.some((s) => s.s === 'flags' || (s.s === 'if' && (hasFlags(s.body) || hasFlags(s.otherwise))));
}

/** Whether an instruction works on flag words themselves, or sets flags on a condition. */
function needsWords(statements: readonly Statement[]): boolean {
  return statements.some(
    (s) =>
      (s.s === 'value' && s.value.op === 'get' && (s.value.args[0]!.imm === RES || s.value.args[0]!.imm === AUX)) ||
      (s.s === 'set' && [RES, AUX, CF].includes(s.address.imm as number)) ||
      (s.s === 'if' && s.otherwise[0]?.s !== 'helper' && (hasFlags(s.body) || hasFlags(s.otherwise))),
  );
}
