/** Exceptions at the npm boundary, shaped as Node's own: `code`, `errno`, `syscall`, `path`. */
import { ERRNO_NAMES } from '../abi/errno.js';

export interface ErrnoError extends Error {
  /** Name: 'ENOENT'. */
  code: string;
  /** Negative, as Node has it. */
  errno: number;
  syscall: string;
  path?: string;
}

/** @param result a negative errno */
export function errnoError(result: number, syscall: string, path?: string): ErrnoError {
  const known = ERRNO_NAMES.get(-result);
  const code = known?.name ?? `E${-result}`;
  const message = (known?.message ?? 'unknown error').toLowerCase();
  const error = new Error(`${code}: ${message}, ${syscall}${path === undefined ? '' : ` '${path}'`}`) as ErrnoError;
  error.code = code;
  error.errno = result;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}
