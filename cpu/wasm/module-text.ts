/**
 * A whole WebAssembly module, or one function of it, as text (text.ts does the code). Knows the sections that the
 * engine's modules have and skips custom ones.
 *
 * @source WebAssembly core specification 2.0, §5.5
 */
import { WasmReader } from './read.js';
import { type CodeTextOptions, codeText, type Signature, type TextLine } from './text.js';

interface ImportEntry {
  module: string;
  name: string;
  /** What stands in the text: `(func (type 0))`, `(memory 1 65536)`. */
  description: string;
  /** Type index when it is a function. */
  type: number | undefined;
}

interface FunctionBody {
  type: number;
  /** Declared locals, parameters not included. */
  locals: readonly string[];
  /** Without the closing `end`: what `Code.view()` was. */
  code: Uint8Array;
}

export interface WasmModule {
  types: Signature[];
  imports: ImportEntry[];
  /** Functions with code; their indices begin behind those of imported functions. */
  functions: FunctionBody[];
  importedFunctions: number;
  /** Function index → name, from imports and exports. */
  names: Map<number, string>;
  /** Tables, memories, globals, exports, element segments and the like, one line each. */
  rest: string[];
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** @throws Error when the bytes are no module, or one with something that this engine never emits */
export function readModule(bytes: Uint8Array): WasmModule {
  if (HEADER.some((byte, i) => bytes[i] !== byte)) throw new Error('not a WebAssembly module');
  return new ModuleReader(bytes).module;
}

/** @param func function index, imported functions counted */
export function functionText(module: WasmModule, func: number, options: CodeTextOptions = {}): TextLine[] {
  const body = module.functions[func - module.importedFunctions];
  if (body === undefined) throw new RangeError(`function ${func} has no code in this module`);
  return codeText(body.code, {
    functions: module.names,
    types: module.types,
    signature: module.types[body.type]!,
    signatureOf: (index) => signatureOf(module, index),
    ...options,
  });
}

/** The module in the text format. `options` apply to every function. */
export function moduleText(bytes: Uint8Array, options: CodeTextOptions = {}): string {
  const module = readModule(bytes);
  const out = ['(module'];
  for (const [i, type] of module.types.entries()) out.push(`  (type (func${signatureText(type)})) ;; ${i}`);
  for (const { module: from, name, description } of module.imports) {
    out.push(`  (import ${quoted(from)} ${quoted(name)} ${description})`);
  }
  out.push(...module.rest.map((line) => `  ${line}`));
  for (const [i, body] of module.functions.entries()) {
    const func = module.importedFunctions + i;
    const name = module.names.get(func);
    const head = `  (func ${name === undefined ? '' : `$${name} `}(type ${body.type})`;
    out.push(`${head}${signatureText(module.types[body.type]!)} ;; ${func}`);
    if (body.locals.length > 0) out.push(`    (local ${body.locals.join(' ')})`);
    out.push(...functionText(module, func, options).map(({ text }) => `    ${text}`), '  )');
  }
  return `${out.join('\n')}\n)\n`;
}

function signatureOf(module: WasmModule, func: number): Signature | undefined {
  const imported = module.imports.filter(({ type }) => type !== undefined);
  const type = imported[func]?.type ?? module.functions[func - module.importedFunctions]?.type;
  return type === undefined ? undefined : module.types[type];
}

function signatureText({ params, results }: Signature): string {
  const part = (name: string, types: readonly string[]): string =>
    types.length === 0 ? '' : ` (${name} ${types.join(' ')})`;
  return part('param', params) + part('result', results);
}

const quoted = (name: string): string => JSON.stringify(name);

class ModuleReader {
  readonly module: WasmModule = {
    types: [],
    imports: [],
    functions: [],
    importedFunctions: 0,
    names: new Map(),
    rest: [],
  };
  #reader: WasmReader;
  #declared: number[] = [];

  constructor(bytes: Uint8Array) {
    const outer = new WasmReader(bytes);
    outer.at = HEADER.length;
    this.#reader = outer;
    while (!outer.atEnd) {
      const id = outer.u8();
      this.#reader = new WasmReader(outer.take(outer.uleb()));
      this.#section(id);
      if (!this.#reader.atEnd) throw new Error(`section ${id} is longer than its contents`);
    }
  }

  #section(id: number): void {
    const reader = this.#reader;
    const { module } = this;
    switch (id) {
      case 0:
        module.rest.push(`;; custom section ${quoted(reader.name())}, ${reader.bytes.length} bytes`);
        reader.at = reader.bytes.length;
        break;
      case 1:
        module.types = reader.list(() => this.#type());
        break;
      case 2:
        module.imports = reader.list(() => this.#import());
        break;
      case 3:
        this.#declared = reader.list(() => reader.uleb());
        break;
      case 4:
        reader.list(() => module.rest.push(`(table ${this.#tableType()})`));
        break;
      case 5:
        reader.list(() => module.rest.push(`(memory ${this.#limits()})`));
        break;
      case 6:
        reader.list(() => module.rest.push(`(global ${this.#globalType()} ${this.#constant()})`));
        break;
      case 7:
        reader.list(() => this.#export());
        break;
      case 8:
        module.rest.push(`(start ${reader.uleb()})`);
        break;
      case 9:
        reader.list(() => this.#elements());
        break;
      case 10:
        this.#code();
        break;
      case 11:
        reader.list(() => this.#data());
        break;
      case 12:
        reader.uleb(); // the number of data segments, again
        break;
      default:
        throw new Error(`unknown section ${id}`);
    }
  }

  #type(): Signature {
    const reader = this.#reader;
    if (reader.u8() !== 0x60) throw new Error('not a function type');
    return { params: reader.list(() => reader.type()), results: reader.list(() => reader.type()) };
  }

  #limits(): string {
    const reader = this.#reader;
    const flags = reader.u8();
    const minimum = reader.uleb();
    return `${minimum}${flags & 1 ? ` ${reader.uleb()}` : ''}${flags & 2 ? ' shared' : ''}`;
  }

  #tableType(): string {
    const type = this.#reader.type();
    return `${this.#limits()} ${type}`;
  }

  #globalType(): string {
    const type = this.#reader.type();
    return this.#reader.u8() ? `(mut ${type})` : type;
  }

  #import(): ImportEntry {
    const reader = this.#reader;
    const { module: built } = this;
    const module = reader.name();
    const name = reader.name();
    const kind = reader.u8();
    if (kind === 0) {
      const type = reader.uleb();
      const known = `${module}.${name}`.replace(/[^\w.]/g, '_');
      built.names.set(built.importedFunctions++, known);
      return { module, name, description: `(func $${known} (type ${type}))`, type };
    }
    const description =
      kind === 1
        ? `(table ${this.#tableType()})`
        : kind === 2
          ? `(memory ${this.#limits()})`
          : `(global ${this.#globalType()})`;
    return { module, name, description, type: undefined };
  }

  #export(): void {
    const reader = this.#reader;
    const name = reader.name();
    const kind = reader.u8();
    const index = reader.uleb();
    this.module.rest.push(`(export ${quoted(name)} (${['func', 'table', 'memory', 'global'][kind]} ${index}))`);
    if (kind === 0 && !this.module.names.has(index)) this.module.names.set(index, name.replace(/[^\w.]/g, '_'));
  }

  /** An initialiser: code of one instruction and its `end`. */
  #constant(): string {
    const reader = this.#reader;
    const from = reader.at;
    while (reader.instruction().name !== 'end');
    return codeText(reader.bytes.subarray(from, reader.at - 1))
      .map(({ text }) => text)
      .join(' ');
  }

  /** Segments given as function indices; this engine makes no others. */
  #elements(): void {
    const reader = this.#reader;
    const flags = reader.uleb();
    if (flags > 3) throw new Error(`element segment of kind ${flags}`);
    const table = flags === 2 ? `(table ${reader.uleb()}) ` : '';
    const place = flags & 1 ? '' : `${table}(offset ${this.#constant()}) `;
    if (flags !== 0 && reader.u8() !== 0) throw new Error('element segment of other than functions');
    const functions = reader.list(() => reader.uleb());
    this.module.rest.push(`(elem ${flags === 3 ? 'declare ' : ''}${place}func ${functions.join(' ')})`);
  }

  #code(): void {
    const reader = this.#reader;
    let next = 0;
    this.module.functions = reader.list(() => {
      const body = new WasmReader(reader.take(reader.uleb()));
      const locals = body.list(() => {
        const count = body.uleb();
        return new Array<string>(count).fill(body.type());
      });
      return { type: this.#declared[next++]!, locals: locals.flat(), code: body.bytes.subarray(body.at, -1) };
    });
  }

  #data(): void {
    const reader = this.#reader;
    const flags = reader.uleb();
    const memory = flags === 2 ? `(memory ${reader.uleb()}) ` : '';
    const place = flags === 1 ? '' : `${memory}(offset ${this.#constant()}) `;
    const bytes = reader.take(reader.uleb());
    const text = Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
    this.module.rest.push(`(data ${place}"${text}")`);
  }
}
