/**
 * Computes: every call adds a value to the list of statements that is being written. Values may be used any number of times.
 * What is read, written and decided is `Builder`'s.
 */
import type { ValueType } from '../wasm/opcodes.js';
import { type IntSize, operator, type Statement, type Value, value } from './ir.js';

export class ValueBuilder {
  /** Operand size of the variant in bits (of the first operand). */
  readonly size: IntSize;
  readonly statements: Statement[] = [];
  /** Where statements go: those of the branch being written. */
  protected list: Statement[] = this.statements;

  constructor(size: IntSize) {
    this.size = size;
  }

  i32(n: number): Value {
    return value('i32', 'const', [], { imm: n });
  }

  i64(n: number | bigint): Value {
    return value('i64', 'const', [], { imm: n });
  }

  /** Integer constant of the type that operands of `size` bits have. */
  int(n: number, size: number = this.size): Value {
    return size === 64 ? this.i64(n) : this.i32(n);
  }

  v128(bytes: readonly number[]): Value {
    return value('v128', 'const', [], { imm: bytes });
  }

  /** A pure WebAssembly operator by full name; `imm` is a lane number or the 16 lanes of a shuffle. */
  op(name: string, args: Value[], imm?: number | readonly number[]): Value {
    return this.define(operator(name, args, imm));
  }

  /** An integer operator of the width of its first argument: `bin('add', x, y)`. */
  bin(name: string, x: Value, y: Value): Value {
    return this.op(`${x.type}.${name}`, [x, y]);
  }

  select(ifTrue: Value, ifFalse: Value, cond: Value): Value {
    return this.define(value(ifTrue.type, 'select', [ifTrue, ifFalse, cond]));
  }

  eqz(x: Value): Value {
    return this.op(`${x.type}.eqz`, [x]);
  }

  /** Widens an integer of `from` bits to i64. */
  widen(x: Value, from: number, signed: boolean): Value {
    if (x.type === 'i64') return x;
    if (!signed) return this.op('i64.extend_i32_u', [x]);
    return this.op('i64.extend_i32_s', [this.signExtend(x, from)]);
  }

  /** Sign-extends the low `from` bits inside the value's own type. */
  signExtend(x: Value, from: number): Value {
    return from === 8 || from === 16 ? this.op(`${x.type}.extend${from}_s`, [x]) : x;
  }

  /** Clears what lies above `size` bits. */
  truncate(x: Value, size: number = this.size): Value {
    return size === 8 || size === 16 ? this.bin('and', x, this.int((1 << size) - 1, size)) : x;
  }

  wrap(x: Value): Value {
    return x.type === 'i64' ? this.op('i32.wrap_i64', [x]) : x;
  }

  /** Runtime function in WebAssembly (tier0/runtime.ts); not for hot rows. */
  call(name: string, args: Value[], type: ValueType): Value {
    return this.define(value(type, 'call', args, { name, pinned: true }));
  }

  /** i32, 0 or 1: the condition code over the current flags. */
  cond(code: number): Value {
    return this.define(value('i32', 'cond', [], { imm: code, pinned: true }));
  }

  protected define(v: Value): Value {
    this.list.push({ s: 'value', value: v });
    return v;
  }
}
