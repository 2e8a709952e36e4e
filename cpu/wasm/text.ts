/**
 * WebAssembly code as text, for people who debug the translator: one line per statement, operands folded into it, in the
 * text format's own syntax, so that other tools read it too. Every line knows the byte of the code where it begins, which
 * is what `Code.length` was when it was emitted.
 *
 *     const code = new Code(1); …            // emit
 *     codeText(code.view(), { locals: new Map([[0, 'pc']]) })
 *       → [{ offset: 0, text: '(local.set 1 (i32.load16_u (local.get $pc)))' }, …]
 */
import { MEMORY_OPS } from './opcodes.js';
import { type WasmInstruction, WasmReader } from './read.js';

export interface Signature {
  params: readonly string[];
  results: readonly string[];
}

export interface CodeTextOptions {
  /** Names of locals and functions by index, without the dollar sign. */
  locals?: ReadonlyMap<number, string>;
  functions?: ReadonlyMap<number, string>;
  /** Signatures by function and by type index. Calls of unknown ones do not show their operands on their line. */
  signatureOf?: (func: number) => Signature | undefined;
  types?: readonly Signature[];
  /** The signature of the function itself. */
  signature?: Signature;
  /** Name of what is at a constant address, shown behind the line. */
  addressName?: (address: number) => string | undefined;
  /** Characters up to which operands are folded; 0: one instruction a line. */
  width?: number;
  /** Ascending code offsets no line runs across, such as those where guest instructions begin. */
  breaks?: readonly number[];
}

export interface TextLine {
  /** Byte of the code at which the line's first instruction begins. */
  offset: number;
  /** Indented by two blanks per open block. */
  text: string;
}

const DEFAULT_WIDTH = 100;
/** Blocks nested deeper (the cases of a br_table) are not indented further. */
const MAX_INDENT = 24;

const UNARY =
  /\.(eqz|clz|ctz|popcnt|abs|neg|ceil|floor|trunc|nearest|sqrt|not|splat|any_true|all_true|bitmask|wrap_|extend|extadd_|trunc_|convert_|demote_|promote_|reinterpret_|extract_lane)/;

const CONTROL: Record<string, readonly [pops: number, pushes: number]> = {
  unreachable: [0, 0],
  nop: [0, 0],
  br: [0, 0],
  br_if: [1, 0],
  br_table: [1, 0],
  drop: [1, 0],
  select: [3, 1],
  'local.get': [0, 1],
  'local.set': [1, 0],
  'local.tee': [1, 1],
  'global.get': [0, 1],
  'global.set': [1, 0],
  'table.get': [1, 1],
  'table.set': [2, 0],
  'memory.size': [0, 1],
  'memory.grow': [1, 1],
  'memory.copy': [3, 0],
  'memory.fill': [3, 0],
  'ref.null': [0, 1],
  'ref.is_null': [1, 1],
  'ref.func': [0, 1],
};

/** An operand that waits for the instruction that takes it. */
interface Pending {
  offset: number;
  text: string;
  notes: string[];
}

interface Label {
  name: string;
  used: boolean;
  /** Line that opens the block. */
  line: number;
}

/** The lines of a code body: the bytes of `Code.view()`, with or without the closing `end`. */
export function codeText(bytes: Uint8Array, options: CodeTextOptions = {}): TextLine[] {
  return new CodePrinter(options).print(bytes);
}

class CodePrinter {
  #options: CodeTextOptions;
  #width: number;
  #lines: TextLine[] = [];
  #pending: Pending[] = [];
  #labels: Label[] = [];
  #labelCount = 0;

  constructor(options: CodeTextOptions) {
    this.#options = options;
    this.#width = options.width ?? DEFAULT_WIDTH;
  }

  print(bytes: Uint8Array): TextLine[] {
    const reader = new WasmReader(bytes);
    const { breaks = [] } = this.#options;
    let nextBreak = 0;
    while (!reader.atEnd) {
      if (nextBreak < breaks.length && reader.at >= breaks[nextBreak]!) {
        this.#flush();
        while (nextBreak < breaks.length && reader.at >= breaks[nextBreak]!) nextBreak++;
      }
      this.#instruction(reader.instruction());
    }
    this.#flush();
    return this.#lines;
  }

  #instruction(instruction: WasmInstruction): void {
    const { name, offset } = instruction;
    switch (name) {
      case 'block':
      case 'loop':
      case 'if':
        this.#flush();
        this.#open(instruction);
        return;
      case 'else':
        this.#flush();
        this.#line(offset, 'else', this.#labels.length - 1);
        return;
      case 'end':
        this.#flush();
        this.#close(offset);
        return;
    }
    const effect = this.#effect(instruction);
    const head = `${name}${this.#immediates(instruction)}`;
    if (effect === undefined) {
      this.#flush();
      this.#line(offset, head);
      return;
    }
    this.#fold(instruction, head, effect[0], effect[1] === 1);
  }

  #fold(instruction: WasmInstruction, head: string, pops: number, isValue: boolean): void {
    const operands = pops === 0 ? [] : this.#pending.slice(-pops);
    const note = this.#note(instruction, operands, pops);
    let text = `(${[head, ...operands.map((operand) => operand.text)].join(' ')})`;
    let first = operands[0]?.offset ?? instruction.offset;
    let notes = [...operands.flatMap((operand) => operand.notes), ...note];
    if (operands.length > 0 && (text.length > this.#width || this.#width === 0)) {
      this.#flush();
      [text, first, notes] = [`(${head})`, instruction.offset, note];
    } else this.#pending.length -= operands.length;
    if (this.#width === 0) text = head;
    if (isValue) this.#pending.push({ offset: first, text, notes });
    else {
      this.#flush();
      this.#line(first, withNotes(text, notes));
    }
  }

  /** Operands that no folded instruction has taken: they stay on the operand stack. */
  #flush(): void {
    for (const { offset, text, notes } of this.#pending) this.#line(offset, withNotes(text, notes));
    this.#pending.length = 0;
  }

  #line(offset: number, text: string, depth = this.#labels.length): void {
    this.#lines.push({ offset, text: '  '.repeat(Math.min(depth, MAX_INDENT)) + text });
  }

  #open({ name, offset, type }: WasmInstruction): void {
    const result = type === '' ? '' : /^\d/.test(type) ? ` (type ${type})` : ` (result ${type})`;
    this.#line(offset, `${name}${result}`);
    this.#labels.push({ name: `$${this.#labelCount++}`, used: false, line: this.#lines.length - 1 });
  }

  /** A block gets its label in text when something branches to it. */
  #close(offset: number): void {
    const label = this.#labels.pop();
    if (label === undefined) return; // the end of the function
    this.#line(offset, 'end');
    if (!label.used) return;
    const opening = this.#lines[label.line]!;
    opening.text = opening.text.replace(/^ *\w+/, (head) => `${head} ${label.name}`);
  }

  #label(depth: number): string {
    const label = this.#labels[this.#labels.length - 1 - depth];
    if (label === undefined) return String(depth); // the function's own
    label.used = true;
    return label.name;
  }

  /** How many operands it takes and gives; undefined when that is not known or more than one result. */
  #effect(instruction: WasmInstruction): readonly [pops: number, pushes: number] | undefined {
    const { name, immediate, index } = instruction;
    const control = CONTROL[name];
    if (control !== undefined) return control;
    if (name in MEMORY_OPS) {
      const pushes = name.includes('.load') ? 1 : 0;
      return [immediate === 'memargLane' || pushes === 0 ? 2 : 1, pushes];
    }
    switch (immediate) {
      case 'i32':
      case 'i64':
      case 'f32':
      case 'f64':
      case 'v128':
        return [0, 1];
    }
    const { signature, types, signatureOf } = this.#options;
    if (name === 'return') return signature && [signature.results.length, 0];
    const indirect = immediate === 'indirect';
    if (indirect || immediate === 'func') {
      const called = indirect ? types?.[index] : signatureOf?.(index);
      if (called === undefined || called.results.length > 1) return undefined;
      const pushes = name.startsWith('return_') ? 0 : called.results.length;
      return [called.params.length + (indirect ? 1 : 0), pushes];
    }
    if (name === 'v128.bitselect') return [3, 1];
    return [UNARY.test(name) ? 1 : 2, 1];
  }

  #immediates(instruction: WasmInstruction): string {
    const { name, immediate, index, extra, list, constant } = instruction;
    switch (immediate) {
      case 'label':
        return ` ${this.#label(index)}`;
      case 'labels':
        return ` ${list.map((depth) => this.#label(depth)).join(' ')}`;
      case 'func':
        return ` ${named(this.#options.functions, index)}`;
      case 'local':
        return ` ${named(this.#options.locals, index)}`;
      case 'global':
      case 'table':
      case 'lane':
        return ` ${index}`;
      case 'lanes':
        return ` ${list.join(' ')}`;
      case 'indirect':
        return `${extra === 0 ? '' : ` ${extra}`} (type ${index})`;
      case 'types':
        return ` (result ${instruction.type})`;
      case 'reftype':
        return instruction.type === 'funcref' ? ' func' : ' extern';
      case 'memarg':
      case 'memargLane': {
        const offset = extra === 0 ? '' : ` offset=${extra}`;
        // Alignment is a hint, and the emitter never promises any: not worth its space on every line.
        const align = index === 0 || index === MEMORY_OPS[name]![1] ? '' : ` align=${2 ** index}`;
        return `${offset}${align}${list.length === 0 ? '' : ` ${list[0]}`}`;
      }
      case 'i32':
      case 'i64':
        return ` ${integer(constant)}`;
      case 'f32':
        return ` ${float32(constant)}`;
      case 'f64':
        return ` ${float64(constant)}`;
      case 'v128':
        return ` i32x4 ${lanes(list).join(' ')}`;
      default:
        return '';
    }
  }

  /** The name of the constant address that a load or store uses. */
  #note({ name, immediate, extra }: WasmInstruction, operands: readonly Pending[], pops: number): string[] {
    if (immediate !== 'memarg' && immediate !== 'memargLane') return [];
    const address = operands.length === pops ? /^\(?i32\.const (\S+?)\)?$/.exec(operands[0]!.text)?.[1] : undefined;
    if (address === undefined) return [];
    const at = this.#options.addressName?.(Number(address) + extra);
    if (at === undefined) return [];
    return [name.includes('.store') ? `${at} =` : at];
  }
}

function withNotes(text: string, notes: readonly string[]): string {
  // The store is noted last and read first.
  const store = notes.filter((note) => note.endsWith('='));
  const loads = [...new Set(notes.filter((note) => !note.endsWith('=')))];
  const all = [...store, loads.join(', ')].filter((note) => note !== '');
  return all.length === 0 ? text : `${text} ;; ${all.join(' ')}`;
}

function named(names: ReadonlyMap<number, string> | undefined, index: number): string {
  const name = names?.get(index);
  return name === undefined ? String(index) : `$${name}`;
}

const SMALL = 0x10000n;

/** Small numbers in decimal, addresses and masks in hexadecimal. */
function integer(n: bigint): string {
  if (n > -SMALL && n < SMALL) return String(n);
  return n < 0n ? `-0x${(-n).toString(16)}` : `0x${n.toString(16)}`;
}

/** Every v128 constant as four i32 lanes. */
function lanes(bytes: readonly number[]): string[] {
  return [0, 4, 8, 12].map((i) => {
    const lane = (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)) >>> 0;
    return lane < 10 ? String(lane) : `0x${lane.toString(16)}`;
  });
}

const scratch = new DataView(new ArrayBuffer(8));

function float32(bits: bigint): string {
  scratch.setUint32(0, Number(bits));
  return float(scratch.getFloat32(0), bits & 0x7fffffn, (bits >> 31n) & 1n);
}

function float64(bits: bigint): string {
  scratch.setBigUint64(0, bits);
  return float(scratch.getFloat64(0), bits & 0xfffffffffffffn, bits >> 63n);
}

function float(n: number, mantissa: bigint, sign: bigint): string {
  if (Number.isNaN(n)) return `${sign ? '-' : ''}nan:0x${mantissa.toString(16)}`;
  if (!Number.isFinite(n)) return n < 0 ? '-inf' : 'inf';
  return Object.is(n, -0) ? '-0' : String(n);
}
