/** Reads a relocatable object of whatever format. First step of the linker: see object.ts. */
import { EINVAL } from '../../abi/errno.js';
import { hasElfMagic, viewOf } from '../fields.js';
import { hasAoutMagic, parseAoutObject } from './aout.js';
import { parseElfObject } from './elf-object.js';
import type { RelocatableObject } from './object.js';
import { Refusal } from './refusal.js';

/** @param image kept and read as long as the object is in use; not written */
export function parseObject(image: Uint8Array): RelocatableObject | Refusal {
  const view = viewOf(image);
  if (hasElfMagic(view)) return parseElfObject(image);
  if (hasAoutMagic(view)) return parseAoutObject(image);
  return new Refusal(EINVAL, `${image.length} bytes are neither an ELF nor an a.out object`);
}
