/** How long an object in memory is, by what its header says: banos_install gets only its address. */
import { EFAULT, EINVAL, ENOMEM, type Err, fail } from '../../abi/errno.js';
import { IMAGE_MAX } from './search.js';

const HEADER_SIZE = 64;
const SECTION_SIZE = 64;
const SHT_NOBITS = 8;
const ELF_MAGIC = 0x464c457f;

/**
 * @param read copies bytes of the image from an offset; false: they are not there
 * @returns bytes up to the end of the last part that the header or the section table name; -EFAULT, -EINVAL, -ENOMEM
 */
export function installedImageLength(read: (offset: number, target: Uint8Array) => boolean): number | Err {
  const header = new Uint8Array(HEADER_SIZE);
  if (!read(0, header)) return fail(EFAULT);
  const view = new DataView(header.buffer);
  if (view.getUint32(0, true) !== ELF_MAGIC) return fail(EINVAL);
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
