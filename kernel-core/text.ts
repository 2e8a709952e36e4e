/**
 * Text at the npm boundary. Inside the kernel a string that names a file, an argument or an environment entry holds
 * one byte per character (latin1); outside it is Unicode.
 */

/** The bytes of a kernel string. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Unicode to one character per UTF-8 byte. */
export const toKernelText = (text: string): string => Buffer.from(encoder.encode(text)).toString('latin1');

/** One character per byte to Unicode; bytes that are not UTF-8 become U+FFFD. */
export const fromKernelText = (text: string): string => decoder.decode(latin1Bytes(text));
