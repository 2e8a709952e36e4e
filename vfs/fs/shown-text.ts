/** What files of procfs and sysfs show. */
import type { Err } from '../../abi/errno.js';

/** Text (latin1), bytes, or why there is none. */
export type ShownText = string | Uint8Array | Err;

export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
