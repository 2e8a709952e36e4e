/** Puts a WebAssembly module together: types, imports, functions, one table filled from function indices. */
import { ByteWriter, type Code, type Place } from './code.js';
import { TYPE_CODE, type ValueType } from './opcodes.js';

interface FunctionEntry {
  type: number;
  code: Code | undefined;
}

export class ModuleBuilder {
  /** After `build`: the places of all functions, by their offset in the module. */
  readonly places: Place[] = [];
  #types: string[] = [];
  #typeBytes: Uint8Array[] = [];
  #imports = new ByteWriter(512);
  #importCount = 0;
  #importedFunctions = 0;
  #functions: FunctionEntry[] = [];
  #exports: [name: string, func: number][] = [];
  #table: number[] = [];
  #tableSize = 0;
  #tableName = '';

  /** Index of a function type. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const bytes = new ByteWriter(16);
    bytes.u8(0x60);
    for (const list of [params, results]) {
      bytes.uleb(list.length);
      for (const type of list) bytes.u8(TYPE_CODE[type]);
    }
    this.#typeBytes.push(bytes.view());
    return this.#types.push(key) - 1;
  }

  importMemory(module: string, name: string, minimum: number, maximum: number): void {
    this.#import(module, name, 2);
    this.#imports.u8(1);
    this.#imports.uleb(minimum);
    this.#imports.uleb(maximum);
  }

  /** All imports come before the first function. */
  importFunction(module: string, name: string, params: readonly ValueType[], results: readonly ValueType[]): number {
    this.#import(module, name, 0);
    this.#imports.uleb(this.type(params, results));
    return this.#importedFunctions++;
  }

  /** Reserves a function index; its code follows with `define`. */
  declare(params: readonly ValueType[], results: readonly ValueType[]): number {
    return this.#importedFunctions + this.#functions.push({ type: this.type(params, results), code: undefined }) - 1;
  }

  define(func: number, code: Code): void {
    this.#functions[func - this.#importedFunctions]!.code = code;
  }

  export(name: string, func: number): void {
    this.#exports.push([name, func]);
  }

  /** The only table: index → function; with room for `size` in all. */
  setTable(functions: readonly number[], size = functions.length): void {
    this.#table = [...functions];
    this.#tableSize = size;
  }

  exportTable(name: string): void {
    this.#tableName = name;
  }

  build(): Uint8Array {
    const out = new ByteWriter(1 << 19);
    out.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    section(out, 1, (s) => vector(s, this.#typeBytes, (bytes) => s.raw(bytes)));
    section(out, 2, (s) => {
      s.uleb(this.#importCount);
      s.raw(this.#imports.view());
    });
    section(out, 3, (s) => vector(s, this.#functions, (f) => s.uleb(f.type)));
    if (this.#tableSize > 0) {
      section(out, 4, (s) => {
        s.raw(Uint8Array.of(1, 0x70, 0));
        s.uleb(this.#tableSize);
      });
    }
    section(out, 7, (s) => {
      s.uleb(this.#exports.length + (this.#tableName === '' ? 0 : 1));
      for (const [name, func] of this.#exports) {
        s.name(name);
        s.u8(0);
        s.uleb(func);
      }
      if (this.#tableName === '') return;
      s.name(this.#tableName);
      s.u8(1);
      s.u8(0);
    });
    if (this.#table.length > 0) {
      section(out, 9, (s) => {
        s.raw(Uint8Array.of(1, 0, 0x41, 0, 0x0b));
        vector(s, this.#table, (func) => s.uleb(func));
      });
    }
    const bodies = new ByteWriter(1 << 18);
    vector(bodies, this.#functions, ({ code }) => {
      code!.finish(bodies);
      const start = bodies.length - code!.length;
      for (const { offset, symbol } of code!.places) this.places.push({ offset: start + offset, symbol });
    });
    this.#hints(out);
    section(out, 10, (s) => s.raw(bodies.view()));
    // The section is the last one: its content ends where the module does.
    for (const place of this.places) place.offset += out.length - bodies.length;
    return out.view();
  }

  /** Which conditional branches are hardly ever taken. @source WebAssembly branch hinting proposal */
  #hints(out: ByteWriter): void {
    const hinted = this.#functions.flatMap(({ code }, i) => (code!.unlikely.length > 0 ? [{ code: code!, i }] : []));
    if (hinted.length === 0) return;
    section(out, 0, (s) => {
      s.name('metadata.code.branch_hint');
      vector(s, hinted, ({ code, i }) => {
        s.uleb(this.#importedFunctions + i);
        vector(s, code.unlikely, (offset) => {
          s.uleb(code.headBytes + offset);
          s.uleb(1);
          s.u8(0);
        });
      });
    });
  }

  #import(module: string, name: string, kind: number): void {
    this.#importCount++;
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.u8(kind);
  }
}

function section(out: ByteWriter, id: number, write: (target: ByteWriter) => void): void {
  const body = new ByteWriter(id === 10 ? 1 << 18 : 4096);
  write(body);
  out.u8(id);
  out.uleb(body.length);
  out.raw(body.view());
}

function vector<T>(out: ByteWriter, items: readonly T[], write: (item: T) => void): void {
  out.uleb(items.length);
  for (const item of items) write(item);
}
