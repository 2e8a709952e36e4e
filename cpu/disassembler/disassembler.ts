/**
 * x86-64 machine code as assembly text, in Intel syntax as `objdump -M intel` prints it. The decoder and the instruction
 * table of the processor do the work, so that the text shows what would be executed.
 *
 *     new Disassembler().at(bytes, 0, bytes.length, 0x401000n)
 *       → { length: 7, text: 'lea rax,[rip+0x2ef]  # 0x4012f6' }
 */
import { Decoder } from '../decoder.js';
import { Builder } from '../ir/builder.js';
import { irText } from '../ir/text.js';
import { table } from '../table/index.js';
import { operandsAt } from '../table/row.js';
import { hex, Instruction } from './instruction.js';
import { spell } from './mnemonics.js';

export interface AssemblyLine {
  /** Bytes; 1 for what is no instruction. */
  length: number;
  text: string;
}

/** One instruction in all that the front end knows of it. */
export interface GuestInstruction {
  /** Unsigned. */
  address: bigint;
  bytes: Uint8Array;
  assembly: string;
  /** Its intermediate form, with the registers and the immediate that it has. */
  ir: readonly string[];
}

const NOT_AN_INSTRUCTION = '(bad)';

export class Disassembler {
  #decoder = new Decoder(table);

  /**
   * The instruction at `start` of `bytes`, which lies at `address` of the program.
   * @param end bytes from here on are not there
   */
  at(bytes: Uint8Array, start: number, end: number, address: bigint): AssemblyLine {
    if (this.#decoder.decode(bytes, start, end) !== 0) return { length: 1, text: NOT_AN_INSTRUCTION };
    const { out } = this.#decoder;
    const instruction = new Instruction(out, bytes, start, address);
    const [mnemonic, ...operands] = spell(instruction);
    const words = [...prefixes(instruction), mnemonic];
    let text = operands.length === 0 ? words.join(' ') : `${words.join(' ')} ${operands.join(',')}`;
    if (instruction.reference !== undefined) text += `  # ${hex(instruction.reference)}`;
    return { length: out.length, text };
  }

  /** As `at`, with the intermediate form. Flags are symbolic, and direct branches count as within the page. */
  instruction(bytes: Uint8Array, start: number, end: number, address: bigint): GuestInstruction {
    const { length, text } = this.at(bytes, start, end, address);
    const found = { address: BigInt.asUintN(64, address), bytes: bytes.slice(start, start + length), assembly: text };
    if (text === NOT_AN_INSTRUCTION) return { ...found, ir: [] };
    const { out } = this.#decoder;
    const { row, size, a, b, hasImmediate, immediateLow, immediateHigh } = out;
    const builder = new Builder(operandsAt(row, size), size, out.branch ? 'near' : out.form);
    row.semantics(builder);
    const immediate = hasImmediate ? (BigInt(immediateHigh) << 32n) | BigInt(immediateLow >>> 0) : undefined;
    const registers: Record<string, number> = { a, b };
    return { ...found, ir: irText(builder.statements, { immediate, field: (name) => registers[name] }) };
  }
}

const STRINGS = new Set(['movs', 'stos', 'lods', 'ins', 'outs']);
const COMPARING_STRINGS = new Set(['cmps', 'scas']);

/** Prefixes that are written as words: those that are not part of the mnemonic or an operand. */
function prefixes(i: Instruction): string[] {
  const { row } = i;
  const words: string[] = [];
  const narrows =
    row.prefix === '66' ||
    (row.sizes.length > 1 && row.sizes.includes(16)) ||
    row.name === 'privileged' ||
    row.encoding === '90';
  for (let n = narrows ? 1 : 0; n < i.operand16; n++) words.push('data16');
  words.push(...i.ignoredSegments);
  if (i.lock) words.push('lock');
  if (i.repeat !== 0 && row.prefix !== 'f3' && row.prefix !== 'f2' && !row.name.startsWith('nop')) {
    words.push(i.repeat === 0xf3 ? 'repz' : 'repnz');
  } else if (STRINGS.has(row.name) && i.repeat !== 0) words.push(i.repeat === 0xf3 ? 'rep' : 'repnz');
  else if (COMPARING_STRINGS.has(row.name) && i.repeat !== 0) words.push(i.repeat === 0xf3 ? 'repz' : 'repnz');
  return words;
}
