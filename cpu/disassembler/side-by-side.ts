/**
 * Guest instructions, their intermediate form and the WebAssembly that was made of them, in three columns: what
 * `banos run --dump-code` prints. A pure function over the three texts; whoever emits code supplies the marks that tie
 * them together:
 *
 *     marks.push({ offset: code.length, address });          before emitting for the instruction at `address`
 *     const lines = codeText(code.view(), { breaks: marks.map(({ offset }) => offset) });
 *     sideBySide(instructions, lines, marks).join('\n')
 */
import type { SourceMark } from '../tier1/watch.js';
import type { TextLine } from '../wasm/text.js';
import type { GuestInstruction } from './disassembler.js';

export interface SideBySideOptions {
  /** Characters that the first two columns may take; what is longer continues on the next line. */
  assemblyWidth?: number;
  irWidth?: number;
}

const ASSEMBLY_WIDTH = 48;
const IR_WIDTH = 44;
const SEPARATOR = ' │ ';
const CONTINUED = '    ';

/** Consecutive lines of one guest instruction. */
interface Group {
  /** Index, or −1 before the first mark. */
  guest: number;
  lines: string[];
}

/**
 * Lines of text. Code of one instruction in several places shows the instruction first, then its address alone.
 * @param marks ascending by offset; a mark of an address that no instruction has stands for code of none
 */
export function sideBySide(
  guests: readonly GuestInstruction[],
  code: readonly TextLine[],
  marks: readonly SourceMark[],
  { assemblyWidth = ASSEMBLY_WIDTH, irWidth = IR_WIDTH }: SideBySideOptions = {},
): string[] {
  const rows: [assembly: string, ir: string, code: string][] = [];
  const shown = new Set<number>();
  const emit = (assembly: readonly string[], ir: readonly string[], lines: readonly string[]): void => {
    const left = assembly.flatMap((line) => wrap(line, assemblyWidth));
    const middle = ir.flatMap((line) => wrap(line, irWidth));
    for (let i = 0; i < Math.max(left.length, middle.length, lines.length); i++) {
      rows.push([left[i] ?? '', middle[i] ?? '', lines[i] ?? '']);
    }
  };
  const index = new Map(guests.map(({ address }, i) => [address, i]));
  const places = marks.map(({ offset, address }) => ({
    offset,
    guest: index.get(BigInt.asUintN(64, BigInt(address))) ?? -1,
  }));
  const found = groups(code, places);
  const withCode = new Set(found.map(({ guest }) => guest));
  /** Instructions from `next` on of which no code was made (fused into others, unreachable). */
  const emitBare = (next: number): void => {
    for (let i = next; i < guests.length && !withCode.has(i); i++) emit(heading(guests[i]!), guests[i]!.ir, []);
  };

  // Code before the first instruction's is the way in.
  const way = found[0]?.guest === -1 ? found.shift()!.lines : [];
  emit([], [], way);
  emitBare(0);
  for (const { guest, lines } of found) {
    const instruction = guests[guest];
    if (instruction === undefined) emit([], [], lines);
    else if (shown.has(guest)) emit([`${place(instruction)} …`], [], lines);
    else {
      shown.add(guest);
      emit(heading(instruction), instruction.ir, lines);
      emitBare(guest + 1);
    }
  }
  const width = (column: 0 | 1): number => rows.reduce((most, row) => Math.max(most, row[column].length), 0);
  const [first, second] = [width(0), width(1)];
  return rows.map(([assembly, ir, text]) =>
    [assembly.padEnd(first), ir.padEnd(second), text].join(SEPARATOR).replace(/[ \u2502]+$/, ''),
  );
}

function groups(code: readonly TextLine[], marks: readonly { offset: number; guest: number }[]): Group[] {
  const found: Group[] = [];
  let at = -1;
  for (const { offset, text } of code) {
    while (at + 1 < marks.length && marks[at + 1]!.offset <= offset) at++;
    const guest = marks[at]?.guest ?? -1;
    const last = found.at(-1);
    if (last?.guest === guest) last.lines.push(text);
    else found.push({ guest, lines: [text] });
  }
  return found;
}

const place = ({ address }: GuestInstruction): string => `${address.toString(16)}:`;

function heading(instruction: GuestInstruction): string[] {
  const bytes = Array.from(instruction.bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return [`${place(instruction)} ${instruction.assembly}`, `${CONTINUED}${bytes}`];
}

/** Breaks at blanks where there are some. */
function wrap(line: string, width: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const blank = rest.lastIndexOf(' ', width);
    const cut = blank > CONTINUED.length ? blank : width;
    lines.push(rest.slice(0, cut));
    rest = CONTINUED + rest.slice(cut).trimStart();
  }
  lines.push(rest);
  return lines;
}
