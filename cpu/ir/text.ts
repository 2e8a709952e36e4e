/**
 * The intermediate form as readable lines, for dumps and tests:
 *
 *     t0 = get rax i32.load              what the row's semantics computed, in order
 *     t1 = i32.add t0 1
 *     set rcx i64.store t2               write of CPU state, with the operator that does it
 *     flags add 32 t0 1 t1               flag operation, size, operands, result
 *
 * Values are numbered in the order in which they happen; constants stand in place. State addresses appear by name.
 */
import * as state from '../state.js';
import * as layout from '../tier1/layout.js';
import { CC_NAMES, type FlagsStatement, type Statement, type Value } from './ir.js';

const GENERAL = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];

const WORDS: readonly [address: number, bytes: number, name: string][] = [
  [state.RIP, 8, 'rip'],
  [state.RES, 8, 'RES'],
  [state.AUX, 8, 'AUX'],
  [state.CF, 4, 'CF'],
  [state.DF, 4, 'DF'],
  [state.OTHER_FLAGS, 8, 'OTHER_FLAGS'],
  [state.FS_BASE, 8, 'fs.base'],
  [state.GS_BASE, 8, 'gs.base'],
  [state.MXCSR, 4, 'mxcsr'],
  [state.FCW, 4, 'FCW'],
  [state.FSW, 4, 'FSW'],
  [state.FTW, 4, 'FTW'],
  [state.FTOP, 4, 'FTOP'],
  [state.FOP, 4, 'FOP'],
  [state.FIP, 8, 'FIP'],
  [state.FDP, 8, 'FDP'],
  [state.ZERO, 8, 'ZERO'],
  [state.PAGE_VA, 8, 'PAGE_VA'],
  [state.TLB, 4, 'TLB'],
  [state.FUEL, 4, 'FUEL'],
  [state.EXIT_REASON, 4, 'EXIT_REASON'],
  [state.RESYNC, 4, 'RESYNC'],
  [state.SLOW_EA, 8, 'SLOW_EA'],
  [state.SLOW_PC, 4, 'SLOW_PC'],
  [state.TEMP0, 16, 'TEMP0'],
  [layout.REST, 4, 'REST'],
  [layout.STOP_KIND, 4, 'STOP_KIND'],
  [layout.NEXT_RECORD, 4, 'NEXT_RECORD'],
  [layout.STALE_FLAGS, 4, 'STALE_FLAGS'],
  [layout.DESCRIPTORS, 4, 'DESCRIPTORS'],
  [layout.HINTS, 4, 'HINTS'],
  [layout.TRANSLATED, 8, 'TRANSLATED'],
  [layout.DOOR, 8, 'DOOR'],
  [layout.MISSED_AT, 8, 'MISSED_AT'],
  [layout.MISSED_TO, 8, 'MISSED_TO'],
  [layout.SAVED_FLAGS, 16, 'SAVED_FLAGS'],
  [state.SPLIT_FIRST, 4, 'SPLIT_FIRST'],
  [state.SPLIT_SECOND, 4, 'SPLIT_SECOND'],
  [state.SPLIT_FIRST_SIZE, 4, 'SPLIT_FIRST_SIZE'],
  [state.SPLIT_SIZE, 4, 'SPLIT_SIZE'],
  [state.SPLIT_READ, 64, 'SPLIT_READ'],
  [state.SPLIT_WRITE, 64, 'SPLIT_WRITE'],
];

/** A general register as instructions name it: `gprName(1, 16)` is cx. */
export function gprName(index: number, size: number): string {
  if (index >= 8) return `r${index}${{ 8: 'b', 16: 'w', 32: 'd' }[size] ?? ''}`;
  const wide = GENERAL[index]!;
  if (size === 64) return wide;
  if (size === 32) return `e${wide.slice(1)}`;
  if (size === 16) return wide.slice(1);
  return index < 4 ? `${wide[1]}l` : `${wide.slice(1)}l`;
}

/** ah, ch, dh, bh. */
export function highByteName(index: number): string {
  return `${GENERAL[index]![1]}h`;
}

const WINDOW_FIELDS: Record<number, string> = {
  [layout.W_LOW]: 'low',
  [layout.W_READ]: 'read',
  [layout.W_WRITE]: 'write',
  [layout.W_READ_WIDE]: 'readWide',
  [layout.W_WRITE_WIDE]: 'writeWide',
  [layout.W_DELTA]: 'delta',
  [layout.W_PAGES]: 'pages',
};

/** `window5.delta`. */
function windowField(address: number): string | undefined {
  const offset = address - layout.WINDOWS;
  if (offset < 0 || offset >= layout.WINDOW_BYTES) return undefined;
  const field = WINDOW_FIELDS[offset % layout.WINDOW_SIZE];
  return `window${Math.floor(offset / layout.WINDOW_SIZE)}${field === undefined ? '' : `.${field}`}`;
}

/** What is at an address of the CPU state; undefined outside of it. */
export function stateName(address: number): string | undefined {
  const registerAt = (base: number, count: number, size: number, name: (i: number) => string): string | undefined => {
    if (address < base || address >= base + count * size) return undefined;
    const rest = (address - base) % size;
    return `${name(Math.floor((address - base) / size))}${rest === 0 ? '' : `+${rest}`}`;
  };
  return (
    registerAt(state.GPR, 16, 8, (i) => gprName(i, 64)) ??
    registerAt(state.XMM, 16, 16, (i) => `xmm${i}`) ??
    registerAt(state.ST, 8, 16, (i) => `x87.${i}`) ??
    windowField(address) ??
    WORDS.map(([at, size, name]) => registerAt(at, 1, size, () => name)).find((name) => name !== undefined)
  );
}

/** Names for what a variant leaves open: record fields and the immediate of the instruction at hand. */
export interface IrNames {
  /** State address in the record's field a or b; without it, the field is shown as field.a. */
  field?(name: string): number | undefined;
  /** Sign-extended to 64 bits. */
  immediate?: bigint | undefined;
}

/** The statements of `Variant.build()`, one line each; bodies of conditions are indented. */
export function irText(statements: readonly Statement[], names: IrNames = {}): string[] {
  const printer = new IrPrinter(names);
  printer.list(statements, '');
  return printer.lines;
}

class IrPrinter {
  readonly lines: string[] = [];
  #names: IrNames;
  #numbers = new Map<Value, string>();

  constructor(names: IrNames) {
    this.#names = names;
  }

  list(statements: readonly Statement[], indent: string): void {
    for (const statement of statements) this.#statement(statement, indent);
  }

  #statement(statement: Statement, indent: string): void {
    const line = (text: string): unknown => this.lines.push(indent + text);
    switch (statement.s) {
      case 'value':
        this.#value(statement.value, line);
        break;
      case 'set':
        line(`set ${this.#state(statement.address, statement.offset)} ${statement.name} ${this.#use(statement.value)}`);
        break;
      case 'store': {
        const { address, offset, name, value } = statement;
        line(`store ${name} [${this.#use(address)}${plus(offset)}] ${this.#use(value)}`);
        break;
      }
      case 'flags':
        line(this.#flags(statement));
        break;
      case 'if':
        line(`if ${this.#use(statement.cond)}`);
        this.list(statement.body, `${indent}  `);
        if (statement.otherwise.length > 0) {
          line('else');
          this.list(statement.otherwise, `${indent}  `);
        }
        break;
      case 'trap':
        line(`trap ${statement.vector}${this.#when(statement.cond)}`);
        break;
      case 'helper': {
        const { helper, pa } = statement;
        line(
          `helper ${helper.name === '' ? '(anonymous)' : helper.name}${pa === undefined ? '' : ` ${this.#use(pa)}`}`,
        );
        break;
      }
      case 'target':
        line(
          `target ${typeof statement.to === 'string' ? statement.to : this.#use(statement.to)}${this.#when(statement.cond)}`,
        );
        break;
      case 'jump':
        line(`jump${this.#when(statement.cond)}`);
        break;
      case 'done':
      case 'again':
        line(`${statement.s}${this.#when(statement.cond)}`);
        break;
      default:
        statement satisfies never;
    }
  }

  /** Fields with a known register stand for it wherever they are used. */
  #value(v: Value, line: (text: string) => unknown): void {
    if (v.op === 'field' && this.#field(v) !== undefined) return;
    if (v.op === 'imm' && this.#names.immediate !== undefined) return;
    const number = `t${this.#numbers.size}`;
    this.#numbers.set(v, number);
    line(`${number} = ${this.#expression(v)}`);
  }

  #expression(v: Value): string {
    const args = v.args.map((arg) => this.#use(arg));
    switch (v.op) {
      case 'get':
        return `get ${this.#state(v.args[0]!, v.imm as number)} ${v.name}`;
      case 'load':
        return `load ${v.name} [${args[0]}${plus(v.imm as number)}]`;
      case 'probe': {
        const { size, write, aligned, stack } = v.probe!;
        const kind = `${write ? 'write' : 'read'} ${size}${aligned ? ' aligned' : ''}${stack ? ' stack' : ''}`;
        return `probe ${kind} ${args[0]}`;
      }
      case 'call':
        return `call ${v.name} ${args.join(' ')}`;
      case 'cond':
        return `cond ${CC_NAMES[v.imm as number]}`;
      case 'field':
        return `field ${v.name}`;
      case 'imm':
        return `${v.type} immediate`;
      case 'copy':
        return args[0]!;
      case 'select':
        return `select ${args[2]} ? ${args[0]} : ${args[1]}`;
      default: {
        const immediate = Array.isArray(v.imm) ? `[${v.imm.join(' ')}]` : /_lane/.test(v.op) ? `[${v.imm}]` : '';
        return [`${v.op}${immediate}`, ...args].join(' ');
      }
    }
  }

  /** A constant in place, else the number of the value that was computed before. */
  #use(v: Value): string {
    if (v.op === 'const') {
      if (typeof v.imm === 'object')
        return `[${v.imm.map((byte) => (byte & 0xff).toString(16).padStart(2, '0')).join('')}]`;
      return shown(BigInt(v.imm));
    }
    const { immediate } = this.#names;
    if (v.op === 'imm' && immediate !== undefined) return shown(BigInt.asIntN(v.type === 'i32' ? 32 : 64, immediate));
    const field = this.#field(v);
    if (field !== undefined) return `&${stateName(field) ?? field}`;
    const number = this.#numbers.get(v);
    // A value outside of the list would be a mistake of the row's semantics: make it visible.
    return number ?? `?${v.op}`;
  }

  #field(v: Value): number | undefined {
    return v.op === 'field' ? this.#names.field?.(v.name) : undefined;
  }

  #state(address: Value, offset: number): string {
    const at = address.op === 'const' ? (address.imm as number) : this.#field(address);
    if (at !== undefined) return stateName(at + offset) ?? `state 0x${(at + offset).toString(16)}`;
    return `[${this.#use(address)}${plus(offset)}]`;
  }

  #flags({ kind, size, a, b, res, cf, of }: FlagsStatement): string {
    const parts = [a, b, res].flatMap((v) => (v === undefined ? [] : [this.#use(v)]));
    if (cf !== undefined) parts.push(`cf=${this.#use(cf)}`);
    if (of !== undefined) parts.push(`of=${this.#use(of)}`);
    return `flags ${kind} ${size} ${parts.join(' ')}`;
  }

  #when(cond: Value | undefined): string {
    return cond === undefined ? '' : ` if ${this.#use(cond)}`;
  }
}

function plus(offset: number): string {
  return offset === 0 ? '' : `+${offset}`;
}

const SMALL = 1024n;

function shown(n: bigint): string {
  if (n > -SMALL && n < SMALL) return String(n);
  return n < 0n ? `-0x${(-n).toString(16)}` : `0x${n.toString(16)}`;
}
