/**
 * Applies the relocations of an object whose addresses are known. A call that is out of reach goes through a stub, and a
 * load of an address from the global offset table becomes the address itself where it can (relaxation).
 * @source System V psABI AMD64, "Relocation Types", "Optimize GOTPCRELX Relocations"
 */
import { R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX } from '../../abi/elf.js';
import { EINVAL, ENOEXEC, ENOSYS } from '../../abi/errno.js';
import { isCall, type Layout, type Place, type SegmentName } from './layout.js';
import type { ObjectRelocation, ObjectSection, ObjectSymbol } from './object.js';
import { printable, Refusal } from './refusal.js';
import { type Operands, REFUSED_RELOCATIONS, RELOCATIONS, type RelocationRow } from './relocations.js';

/** The object's bytes where they will lie, and what they refer to. Addresses are signed. */
export interface Target {
  readonly layout: Layout;
  /** Of each symbol; null: in a section that is not loaded. */
  readonly addresses: readonly (bigint | null)[];
  /** Bytes of each symbol; null: only who defines it knows. */
  readonly sizes: readonly (bigint | null)[];
  readonly got: bigint;
  readonly addressOf: (place: Place) => bigint;
  /** Initialised bytes of the segments. */
  readonly views: Readonly<Record<SegmentName, DataView>>;
}

export function apply(target: Target): Refusal | null {
  fillGot(target);
  fillStubs(target);
  for (const [index, section] of target.layout.object.sections.entries()) {
    const place = target.layout.places[index]!;
    for (const relocation of section.relocations) {
      const wrong = applyOne(target, section, place, relocation);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

function fillGot({ layout, addresses, views }: Target): void {
  for (const [symbol, offset] of layout.gotEntries) {
    views[layout.got.segment].setBigInt64(layout.got.offset + offset, addresses[symbol] ?? 0n, true);
  }
}

const JUMP_INDIRECT = 0x25ff;
const JUMP_INDIRECT_SIZE = 6;

/** `jmp *0(%rip)`, followed by the address that it reads. */
function fillStubs({ layout, addresses, views }: Target): void {
  for (const [symbol, at] of layout.stubs) {
    views.text.setUint16(at, JUMP_INDIRECT, true);
    views.text.setUint32(at + 2, 0, true);
    views.text.setBigInt64(at + JUMP_INDIRECT_SIZE, addresses[symbol] ?? 0n, true);
  }
}

/** `.text+0x12`, as objdump shows where a relocation lies. */
const at = (section: ObjectSection, offset: number): string => `${printable(section.name)}+0x${offset.toString(16)}`;

function shown(symbol: ObjectSymbol): string {
  if (symbol.name !== '') return `symbol ${printable(symbol.name)}`;
  return symbol.home === '' ? 'no symbol' : `section ${printable(symbol.home)}`;
}

function applyOne(target: Target, section: ObjectSection, place: Place, relocation: ObjectRelocation): Refusal | null {
  const { offset, type, symbol, addend } = relocation;
  const row = RELOCATIONS.get(type);
  if (row === undefined) return refuseType(target, section, relocation);
  if (row.width === 0) return null;
  const where = at(section, offset);
  if (section.bytes === null) return new Refusal(EINVAL, `${where}: ${row.name} in a section of zeros`);
  if (offset + row.width > section.size) {
    return new Refusal(EINVAL, `${where}: ${row.name} lies outside of its section of ${section.size} bytes`);
  }
  const entry = target.layout.object.symbols[symbol]!;
  const address = target.addresses[symbol]!;
  if (address === null) {
    const home = entry.name === '' ? '' : ` of section ${printable(entry.home)}`;
    return new Refusal(ENOEXEC, `${where}: ${row.name} against ${shown(entry)}${home}, which is not loaded`);
  }
  const size = target.sizes[symbol]!;
  if (row.usesSize && size === null) {
    return new Refusal(ENOEXEC, `${where}: ${row.name} against ${shown(entry)}, which another module defines`);
  }
  const field = place.offset + offset;
  const operands: Operands = {
    S: address,
    A: addend,
    P: target.addressOf({ segment: place.segment, offset: field }),
    G: BigInt(target.layout.gotEntries.get(symbol) ?? 0),
    GOT: target.got,
    Z: size ?? 0n,
  };
  const view = target.views[place.segment];
  if (isRelaxable(type) && relax(view, place.offset, field, operands)) return null;
  let value = BigInt.asIntN(64, row.value(operands));
  if (!row.fits(value)) {
    const stub = isCall(section, relocation) ? target.layout.stubs.get(symbol) : undefined;
    if (stub === undefined) return refuseOverflow(where, row, entry, value);
    const S = target.addressOf({ segment: 'text', offset: stub });
    value = BigInt.asIntN(64, row.value({ ...operands, S }));
    if (!row.fits(value)) return refuseOverflow(where, row, entry, value);
  }
  write(view, field, row.width, value);
  return null;
}

function refuseType(target: Target, section: ObjectSection, { offset, type, symbol }: ObjectRelocation): Refusal {
  const against = shown(target.layout.object.symbols[symbol]!);
  const known = REFUSED_RELOCATIONS.get(type);
  if (known === undefined) {
    return new Refusal(ENOSYS, `${at(section, offset)}: unknown relocation type ${type} against ${against}`);
  }
  return new Refusal(known.errno, `${at(section, offset)}: ${known.name} against ${against}: ${known.why}`);
}

function refuseOverflow(where: string, row: RelocationRow, entry: ObjectSymbol, value: bigint): Refusal {
  const number = `0x${BigInt.asUintN(64, value).toString(16)}`;
  const overflow = `${number} does not fit ${8 * row.width} bits`;
  return new Refusal(ENOEXEC, `${where}: ${row.name} against ${shown(entry)}: ${overflow}; ${row.hint}`);
}

function write(view: DataView, field: number, width: RelocationRow['width'], value: bigint): void {
  if (width === 8) view.setBigInt64(field, value, true);
  else if (width === 4) view.setInt32(field, Number(BigInt.asIntN(32, value)), true);
  else if (width === 2) view.setInt16(field, Number(BigInt.asIntN(16, value)), true);
  else view.setInt8(field, Number(BigInt.asIntN(8, value)));
}

const isRelaxable = (type: number): boolean => type === R_X86_64_GOTPCRELX || type === R_X86_64_REX_GOTPCRELX;

/** Opcode and ModRM byte as one little-endian word. */
const CALL_MEMORY = 0x15ff;
const JUMP_MEMORY = 0x25ff;
const ADDR32_CALL = 0xe867;
const JUMP = 0xe9;
const NOP = 0x90;
/** `mov x(%rip), register`, any register. */
const MOV_RIP = 0x058b;
const MOV_FORM = 0xc7ff;
const LEA = 0x8d;

/**
 * Replaces an instruction that reads the symbol's address from the table by one that has it.
 * @param begin where the section begins in `view`
 * @returns false when there is no such instruction or the symbol is out of its reach
 */
function relax(view: DataView, begin: number, field: number, { S, A, P }: Operands): boolean {
  if (A !== -4n || field - begin < 2) return false;
  const distance = BigInt.asIntN(64, S - P - 4n);
  // The jump's operand begins one byte earlier.
  if (BigInt.asIntN(32, distance) !== distance || BigInt.asIntN(32, distance + 1n) !== distance + 1n) return false;
  const displacement = Number(distance);
  const instruction = view.getUint16(field - 2, true);
  if (instruction === CALL_MEMORY) {
    view.setUint16(field - 2, ADDR32_CALL, true);
    view.setInt32(field, displacement, true);
  } else if (instruction === JUMP_MEMORY) {
    view.setUint8(field - 2, JUMP);
    view.setInt32(field - 1, displacement + 1, true);
    view.setUint8(field + 3, NOP);
  } else if ((instruction & MOV_FORM) === MOV_RIP) {
    view.setUint8(field - 2, LEA);
    view.setInt32(field, displacement, true);
  } else return false;
  return true;
}
