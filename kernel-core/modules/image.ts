/** How long an object in memory is, by what its header says: banos_install gets only its address. */
import { EXEC } from '../../abi/aout.js';
import { EFAULT, EINVAL, ENOMEM, type Err, fail } from '../../abi/errno.js';
import { u64, viewOf } from '../../elf/fields.js';
import { aoutStringsAt, hasAoutMagic, STRINGS_HEADER_SIZE } from '../../elf/link/aout.js';
import { IMAGE_MAX } from './search.js';

const HEADER_SIZE = 64;
const SECTION_SIZE = 64;
const SHT_NOBITS = 8;
const ELF_MAGIC = 0x464c457f;

/**
 * @param read copies bytes of the image from an offset; false: they are not there
 * @returns bytes up to the end of the last part that the header names, or the section table; -EFAULT, -EINVAL, -ENOMEM
 */
export function installedImageLength(read: (offset: number, target: Uint8Array) => boolean): number | Err {
  const header = new Uint8Array(HEADER_SIZE);
  if (!read(0, header)) return fail(EFAULT);
  const view = new DataView(header.buffer);
  if (hasAoutMagic(view)) return aoutLength(view, read);
  return view.getUint32(0, true) === ELF_MAGIC ? elfLength(view, read) : fail(EINVAL);
}

function aoutLength(view: DataView, read: (offset: number, target: Uint8Array) => boolean): number | Err {
  const start = aoutStringsAt(view);
  if (start > IMAGE_MAX) return fail(ENOMEM);
  const length = new Uint8Array(STRINGS_HEADER_SIZE);
  // Without symbols there need be none.
  if (u64(view, EXEC.syms) === 0) return start;
  if (!read(start, length)) return fail(EFAULT);
  const end = start + u64(viewOf(length), 0);
  return end > IMAGE_MAX ? fail(ENOMEM) : end;
}

function elfLength(view: DataView, read: (offset: number, target: Uint8Array) => boolean): number | Err {
  const start = Number(view.getBigUint64(0x28, true));
  const count = view.getUint16(0x3c, true);
  if (view.getUint16(0x3a, true) !== SECTION_SIZE || count === 0) return fail(EINVAL);
  let end = start + count * SECTION_SIZE;
  if (end > IMAGE_MAX) return fail(ENOMEM);
  const table = new Uint8Array(count * SECTION_SIZE);
  if (!read(start, table)) return fail(EFAULT);
  const sections = new DataView(table.buffer);
  for (let at = 0; at < table.length; at += SECTION_SIZE) {
    if (sections.getUint32(at + 4, true) === SHT_NOBITS) continue;
    const [offset, size] = [at + 24, at + 32].map((field) => Number(sections.getBigUint64(field, true)));
    end = Math.max(end, offset! + size!);
  }
  return end > IMAGE_MAX ? fail(ENOMEM) : end;
}
