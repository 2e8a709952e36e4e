/**
 * Shows the code at chosen addresses of programs, for people who debug the CPU engine: every region that the translator
 * makes of it (`translated`), and, where it made none, what the interpreter executes (`leaving`, when an address space
 * goes away and the program's code is there for the last time).
 */
import {
  codeText,
  Disassembler,
  type GuestInstruction,
  PTE_EXEC,
  sideBySide,
  stateName,
  type TranslatedRegion,
} from '../cpu/index.js';
import type { AddressSpace } from './mm/address-space.js';
import { PAGE_SIZE } from './mm/layout.js';

export interface CodeDumpOptions {
  /** Unsigned virtual addresses. */
  addresses: readonly bigint[];
  /** Gets text of whole lines. */
  write: (text: string) => void;
}

/** Instructions shown from an address on that was not translated. */
const MAX_INSTRUCTIONS = 64;
const FRAME_SHIFT = 3;
/** Behind these an instruction does not go on with the next. */
const ENDS = /^(jmp|ret|hlt|ud2|\(bad\)|int|iret|sysret|sysexit)/;

export class CodeDump {
  readonly #addresses: readonly bigint[];
  readonly #write: (text: string) => void;
  readonly #shown = new Set<bigint>();
  readonly #disassembler = new Disassembler();

  constructor({ addresses, write }: CodeDumpOptions) {
    this.#addresses = [...new Set(addresses)];
    this.#write = write;
  }

  /** The translator made a region of code of this address space. */
  translated(space: AddressSpace, { root, code, marks, locals, functions }: TranslatedRegion): void {
    const places = [...new Set(marks.map(({ address }) => BigInt.asUintN(64, BigInt(address))))].sort(ascending);
    const instructions = places.flatMap((address) => this.#read(space, address, 1));
    const found = this.#addresses.filter((wanted) => instructions.some((instruction) => covers(instruction, wanted)));
    if (found.length === 0) return;
    for (const address of found) this.#shown.add(address);
    const breaks = marks.map(({ offset }) => offset);
    const lines = codeText(code, { breaks, locals, functions, addressName: stateName });
    const title = `region at ${hex(BigInt.asUintN(64, BigInt(root)))}, with ${found.map(hex).join(', ')}`;
    this.#print(title, sideBySide(instructions, lines, marks));
  }

  /** The address space is about to go: shows from it what has not been shown yet. */
  leaving(space: AddressSpace): void {
    for (const address of this.#addresses) {
      if (this.#shown.has(address)) continue;
      const instructions = this.#read(space, address, MAX_INSTRUCTIONS);
      if (instructions.length === 0) continue;
      this.#shown.add(address);
      this.#print(`${hex(address)}, as the interpreter has it`, sideBySide(instructions, [], []));
    }
  }

  /** All programs have ended. */
  finish(): void {
    for (const address of this.#addresses) {
      if (!this.#shown.has(address)) this.#print(`${hex(address)}: no program had code there`, []);
    }
  }

  #print(title: string, lines: readonly string[]): void {
    this.#write(`${[`--- ${title}`, ...lines].join('\n')}\n`);
  }

  /** Instructions from the address to the first that does not go on, as far as their pages are present. */
  #read(space: AddressSpace, address: bigint, count: number): GuestInstruction[] {
    const found: GuestInstruction[] = [];
    const bytes = codeBytes(space, address);
    for (let at = 0; at < bytes.length && found.length < count; ) {
      const next = this.#disassembler.instruction(bytes, at, bytes.length, address + BigInt(at));
      found.push(next);
      at += next.bytes.length;
      if (ENDS.test(next.assembly)) break;
    }
    return found;
  }
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const hex = (address: bigint): string => `0x${address.toString(16)}`;

function covers({ address, bytes }: GuestInstruction, wanted: bigint): boolean {
  return wanted >= address && wanted < address + BigInt(bytes.length);
}

/** Up to two pages from the address on; only what is present and executable, without faulting anything in. */
function codeBytes(space: AddressSpace, address: bigint): Uint8Array {
  const page = BigInt(PAGE_SIZE);
  const parts: Uint8Array[] = [];
  for (let at = address; parts.length < 2; at = (at / page + 1n) * page) {
    if (at >= 1n << 48n) break;
    const entry = space.pageTable.entryOf(Number(at / page));
    if ((entry & PTE_EXEC) === 0) break;
    const first = (entry >>> FRAME_SHIFT) * PAGE_SIZE;
    parts.push(space.memory.u8.slice(first + Number(at % page), first + PAGE_SIZE));
  }
  return Buffer.concat(parts);
}
