/**
 * Decoded code, kept by physical frame so that processes which map the same file share it. A code page has a table
 * (offset in the page → record, 0 when not decoded) and chunks of records, all in frames of the WebAssembly memory.
 *
 * When a frame is written to, its records are forgotten; their memory is given back only between slices (`release`),
 * because the instruction that wrote may stand in them.
 */
import { Decoder } from './decoder.js';
import type { PhysicalMemory } from './physical-memory.js';
import { R_IMM, R_OFF, R_OP, R_TARGET, RECORD_SIZE } from './record.js';
import { RecordWriter, type RunEntry } from './record-writer.js';
import { PAGE_SIZE, RESYNC, TLB_ENTRIES, TLB_EXEC } from './state.js';
import type { Row } from './table/row.js';
import { type HandlerSet, hotKey, OP_CROSS_PAGE, OP_GOTO } from './tier0/handlers.js';

const TABLE_FRAMES = 4;
const CHUNK_FRAMES = 2;
const CHUNK_BYTES = CHUNK_FRAMES * PAGE_SIZE;
/** Instructions decoded ahead in one go. */
const MAX_RUN = 16;
/** Decodings take at most one frame in so many of the memory; then all are dropped. */
const MEMORY_SHARE = 4;
/** Records of an instruction that traps for a debugger: the one that traps, the instruction, a way on. */
const BREAK_RECORDS = 3;

/**
 * An instruction that begins in this page and ends in the next. In its place stands an OP_SPAN record, which leads to its
 * own record as long as the next page of the address space is the one that it was decoded from.
 */
interface Span {
  record: number;
  /** The next page as it was decoded from, and its version then. */
  nextPage: CodePage;
  nextVersion: number;
}

export class CodePage {
  readonly frame: number;
  /** Physical address of the offset table. */
  readonly table: number;
  /** Counts the times that the decodings were dropped. */
  version = 0;
  /** Page number that it was last executed as for the first time, and its version then. */
  touchedAs = Number.NaN;
  touchedVersion = 0;
  chunks: number[] = [];
  spans = new Map<number, Span>();
  /** OP_SPAN records of pages before that lead to instructions ending here; valid while that page has this version. */
  incoming = new Map<number, { page: CodePage; version: number }>();
  /** Offsets that some debugger wants to be told of: see `CodeCache.breakAt`. They outlive the decodings. */
  breaks: Set<number> | undefined = undefined;
  /** Next free record and the end of its chunk. */
  free = 0;
  end = 0;

  constructor(frame: number, table: number) {
    this.frame = frame;
    this.table = table;
  }
}

export class CodeCache {
  decodedRecords = 0;
  #memory: PhysicalMemory;
  #handlers: HandlerSet;
  #decoder: Decoder;
  #writer: RecordWriter;
  #pages = new Map<number, CodePage>();
  /** Runs of frames to give back: [first frame, count]. */
  #graveyard: [frame: number, count: number][] = [];
  #run: RunEntry[] = [];
  /** Frames of tables and chunks in use. */
  #frames = 0;

  constructor(memory: PhysicalMemory, rows: readonly Row[], handlers: HandlerSet) {
    this.#memory = memory;
    this.#handlers = handlers;
    this.#decoder = new Decoder(rows);
    this.#writer = new RecordWriter(memory, handlers, this.#decoder);
    memory.onCodeWrite((frame) => this.#drop(frame));
  }

  get pageCount(): number {
    return this.#pages.size;
  }

  /** The code page of a frame, made when needed; undefined when there is no memory for it. */
  page(frame: number): CodePage | undefined {
    let page = this.#pages.get(frame);
    if (page === undefined) {
      const table = this.#allocate(TABLE_FRAMES);
      if (table === 0) return undefined;
      page = new CodePage(frame, table * PAGE_SIZE);
      this.#pages.set(frame, page);
    }
    this.#memory.markCode(frame);
    return page;
  }

  /** The record at an offset of the page, decoding a run when there is none; 0 when there is no memory. */
  record(page: CodePage, offset: number): number {
    return this.#memory.u32[(page.table >>> 2) + offset]! || this.#decodeRun(page, offset);
  }

  /**
   * The record of the instruction at `offset` that ends in the frame `nextFrame`.
   * @returns 0 when there is no memory
   */
  spanRecord(page: CodePage, offset: number, nextFrame: number): number {
    const known = page.spans.get(offset);
    if (known !== undefined && known.nextPage.frame === nextFrame && known.nextPage.version === known.nextVersion) {
      return known.record;
    }
    const nextPage = this.page(nextFrame);
    if (nextPage === undefined || !this.#room(page, 2)) return 0;
    const bytes = new Uint8Array(32);
    const { u8 } = this.#memory;
    const head = PAGE_SIZE - offset;
    bytes.set(u8.subarray(page.frame * PAGE_SIZE + offset, (page.frame + 1) * PAGE_SIZE));
    bytes.set(u8.subarray(nextFrame * PAGE_SIZE, nextFrame * PAGE_SIZE + 16), head);
    const record = this.#take(page);
    const result = this.#decoder.decode(bytes, 0, head + 16);
    if (result !== 0) this.#writer.failed(record, offset, result);
    else {
      const { variant, mode } = this.#writer.write(record, offset, this.#decoder.out, true);
      const op = mode && variant.hot?.get(hotKey(mode, false));
      if (op !== undefined) this.#memory.u16[(record + R_OP) >> 1] = op;
      this.#writer.pseudo(this.#take(page), OP_CROSS_PAGE, offset + this.#decoder.out.length, 0);
    }
    page.spans.set(offset, { record, nextPage, nextVersion: nextPage.version });
    return record;
  }

  /**
   * Makes instructions at some offsets trap as undefined ones do, before they execute: their records are pairs, of one that
   * traps and, behind it, the ordinary one. They do so for everybody who executes the frame.
   */
  breakAt(page: CodePage, offsets: Iterable<number>): void {
    const { breaks = new Set() } = page;
    const before = breaks.size;
    for (const offset of offsets) breaks.add(offset);
    if (breaks.size === before) return;
    page.breaks = breaks;
    this.#memory.willWrite(page.frame);
    this.#memory.markCode(page.frame);
  }

  /** No debugger wants to be told of a frame's instructions any more. */
  clearBreaks(frame: number): void {
    const page = this.#pages.get(frame);
    if (page?.breaks === undefined) return;
    page.breaks = undefined;
    this.#memory.willWrite(frame);
  }

  /** Of a record that traps for a debugger: the one that executes the instruction; 0: it is no such record. */
  behindBreak(frame: number, record: number): number {
    const page = this.#pages.get(frame);
    if (page?.breaks === undefined) return 0;
    const offset = this.#memory.u16[(record + R_OFF) >> 1]!;
    const isBreak = page.breaks.has(offset) && this.#memory.u32[(page.table >>> 2) + offset] === record;
    return isBreak ? record + RECORD_SIZE : 0;
  }

  /** Lets emitted code find the instruction over a page boundary by itself. @param pseudo its OP_SPAN record */
  linkSpan(page: CodePage, pseudo: number, offset: number): void {
    const { record, nextPage } = page.spans.get(offset)!;
    this.#memory.u32[(pseudo + R_TARGET) >> 2] = record;
    this.#memory.u32[(pseudo + R_IMM) >> 2] = nextPage.table;
    nextPage.incoming.set(pseudo, { page, version: page.version });
  }

  /** Decodes on where a run was cut, in the place of its last pseudo-record when nothing stands behind it. */
  continueRun(page: CodePage, pseudo: number, offset: number): number {
    const known = this.#memory.u32[(page.table >>> 2) + offset]!;
    if (known !== 0) return known;
    if (page.free === pseudo + RECORD_SIZE && page.end - pseudo > 2 * RECORD_SIZE) page.free = pseudo;
    return this.#decodeRun(page, offset);
  }

  /** Turns the pseudo-record at the end of a cut run into a way on. */
  linkRun(pseudo: number, target: number): void {
    this.#memory.u32[(pseudo + R_TARGET) >> 2] = target;
    this.#memory.u16[(pseudo + R_OP) >> 1] = OP_GOTO;
  }

  /** Gives dropped records back. Only when no record is executing. */
  release(): void {
    if (this.#graveyard.length === 0) return;
    for (const [frame, count] of this.#graveyard) {
      for (let i = 0; i < count; i++) this.#memory.unref(frame + i);
    }
    this.#graveyard.length = 0;
  }

  /** Forgets all decoded code and every cached way to it (memory is short). */
  dropAll(): void {
    for (const page of this.#pages.values()) {
      this.#forget(page);
      this.#bury(page.table / PAGE_SIZE, TABLE_FRAMES);
    }
    this.#pages.clear();
    const { u32, tlbBlocks } = this.#memory;
    for (const block of tlbBlocks) {
      const first = (block + TLB_EXEC) >>> 2;
      u32.fill(0, first, first + TLB_ENTRIES * 4);
      u32[first] = 1;
    }
  }

  #allocate(count: number): number {
    if (this.#frames + count > this.#memory.limitFrames / MEMORY_SHARE) return 0;
    const first = this.#memory.allocRun(count);
    if (first !== 0) this.#frames += count;
    return first;
  }

  #bury(first: number, count: number): void {
    this.#graveyard.push([first, count]);
    this.#frames -= count;
  }

  /** Drops the decodings of a page; its (empty) table stays. */
  #forget(page: CodePage): void {
    page.version++;
    for (const chunk of page.chunks) this.#bury(chunk, CHUNK_FRAMES);
    page.chunks = [];
    page.spans.clear();
    for (const [pseudo, source] of page.incoming) {
      if (source.page.version === source.version) this.#memory.u32[(pseudo + R_TARGET) >> 2] = 0;
    }
    page.incoming.clear();
    page.free = 0;
    page.end = 0;
    this.#memory.u32.fill(0, page.table >>> 2, (page.table >>> 2) + PAGE_SIZE);
    this.#memory.u32[RESYNC >>> 2] = 1;
  }

  #drop(frame: number): void {
    const page = this.#pages.get(frame);
    if (page === undefined) return;
    this.#forget(page);
    if (this.#memory.refs(frame) > 0) return;
    this.#pages.delete(frame);
    this.#bury(page.table / PAGE_SIZE, TABLE_FRAMES);
  }

  /** Makes sure that `count` records follow each other, with one to spare for a way on. */
  #room(page: CodePage, count: number): boolean {
    if (page.end - page.free >= (count + 1) * RECORD_SIZE) return true;
    const chunk = this.#allocate(CHUNK_FRAMES);
    if (chunk === 0) return false;
    page.chunks.push(chunk);
    page.free = chunk * PAGE_SIZE;
    page.end = page.free + CHUNK_BYTES;
    return true;
  }

  #take(page: CodePage): number {
    const record = page.free;
    page.free += RECORD_SIZE;
    return record;
  }

  #decodeRun(page: CodePage, start: number): number {
    if (!this.#room(page, page.breaks === undefined ? 1 : BREAK_RECORDS)) return 0;
    const first = page.free;
    const base = page.frame * PAGE_SIZE;
    const run = this.#run;
    run.length = 0;
    let offset = start;
    for (let count = 0; ; count++) {
      if (offset === PAGE_SIZE) {
        this.#writer.pseudo(this.#take(page), OP_CROSS_PAGE, offset, 0);
        break;
      }
      const known = this.#memory.u32[(page.table >>> 2) + offset]!;
      if (known !== 0) {
        this.#writer.pseudo(this.#take(page), OP_GOTO, offset, known);
        break;
      }
      if (count === MAX_RUN) {
        this.#writer.pseudo(this.#take(page), this.#handlers.opMore, offset, 0);
        break;
      }
      const isBreak = page.breaks?.has(offset) === true;
      const needed = isBreak ? BREAK_RECORDS : 1;
      if (page.end - page.free < (needed + 1) * RECORD_SIZE) {
        const link = this.#take(page);
        if (this.#room(page, needed)) this.#writer.pseudo(link, OP_GOTO, offset, page.free);
        else {
          this.#writer.pseudo(link, this.#handlers.opMore, offset, 0);
          break;
        }
      }
      const record = this.#take(page);
      this.#memory.u32[(page.table >>> 2) + offset] = record;
      if (isBreak) {
        this.#writer.pseudo(record, this.#handlers.opUndefined, offset, 0);
        this.#decodeAlone(page, offset);
        break;
      }
      const result = this.#decoder.decode(this.#memory.u8, base + offset, base + PAGE_SIZE);
      if (result !== 0) {
        this.#writer.failed(record, offset, result);
        break;
      }
      const { out } = this.#decoder;
      run.push(this.#writer.write(record, offset, out, false));
      offset += out.length;
      if (out.row.options.ends) break;
    }
    this.decodedRecords += run.length;
    this.#writer.chooseHot(page, run);
    this.#writer.chooseSequences(run);
    return first;
  }

  /** One instruction in its plainest form, with a way on behind it. */
  #decodeAlone(page: CodePage, offset: number): void {
    const base = page.frame * PAGE_SIZE;
    const record = this.#take(page);
    const result = this.#decoder.decode(this.#memory.u8, base + offset, base + PAGE_SIZE);
    if (result !== 0) {
      this.#writer.failed(record, offset, result);
      return;
    }
    const next = offset + this.#decoder.out.length;
    this.#writer.write(record, offset, this.#decoder.out, false);
    this.#writer.pseudo(this.#take(page), next === PAGE_SIZE ? OP_CROSS_PAGE : this.#handlers.opMore, next, 0);
    this.decodedRecords++;
  }
}
