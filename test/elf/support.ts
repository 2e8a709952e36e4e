/** Builds small ELF files for tests, field by field. */
import { EM_X86_64, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD } from '../../abi/elf.js';

export interface Piece {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
  align?: number;
}

const EHDR = 64;
const PHDR = 56;

export interface Recipe {
  type?: number;
  entry?: number;
  pieces: readonly Piece[];
  /** Total length of the file; by default up to the end of the last piece. */
  length?: number;
}

export function buildElf({ type = ET_EXEC, entry = 0, pieces, length }: Recipe): Uint8Array {
  const end = Math.max(EHDR + pieces.length * PHDR, ...pieces.map((piece) => piece.offset + piece.filesz));
  const bytes = new Uint8Array(length ?? end);
  const view = new DataView(bytes.buffer);
  const put64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true);
  put64(24, entry);
  put64(32, EHDR);
  view.setUint16(52, EHDR, true);
  view.setUint16(54, PHDR, true);
  view.setUint16(56, pieces.length, true);
  view.setUint16(58, 64, true);
  pieces.forEach((piece, i) => {
    const at = EHDR + i * PHDR;
    view.setUint32(at, piece.type, true);
    view.setUint32(at + 4, piece.flags, true);
    put64(at + 8, piece.offset);
    put64(at + 16, piece.vaddr);
    put64(at + 24, piece.vaddr);
    put64(at + 32, piece.filesz);
    put64(at + 40, piece.memsz);
    put64(at + 48, piece.align ?? 4096);
  });
  return bytes;
}

/** Code page at 0x400000, data with bss at 0x402000. */
export const plainPieces: readonly Piece[] = [
  { type: PT_LOAD, flags: PF_R | PF_X, offset: 0, vaddr: 0x400000, filesz: 0x1100, memsz: 0x1100 },
  { type: PT_LOAD, flags: PF_R | PF_W, offset: 0x1100, vaddr: 0x402100, filesz: 0x200, memsz: 0x3000 },
];
