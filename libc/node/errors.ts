/** Errors as node:fs has them: those of the kernel under the names of Node's own calls, and those that Node makes up itself. */
import { getSystemErrorMap } from 'node:util';
import { ERRNO_NAMES } from '../../abi/errno.js';
import { type ErrnoError, errnoError } from '../../kernel-core/index.js';
import { shown } from '../calls.js';
import type { NodePath } from './support.js';

export interface NodeError extends ErrnoError {
  /** The second path of calls that have two. */
  dest?: string;
}

/** The running Node's words for an error, by its name: the host's numbers need not be Linux's. */
const WORDS = new Map([...getSystemErrorMap().values()]);

const plain = (path: NodePath): string => (path instanceof URL ? path.pathname : shown(path));

/** @param errno negative */
function nodeError(errno: number, syscall: string, path: NodePath | null, dest: NodePath | null): NodeError {
  const error: NodeError = errnoError(errno, syscall, path === null ? undefined : plain(path));
  let names = path === null ? '' : ` '${plain(path)}'`;
  if (dest !== null) {
    error.dest = plain(dest);
    names += ` -> '${error.dest}'`;
  }
  // Two names of one number on Linux, and Node took the other.
  if (error.code === 'EOPNOTSUPP') error.code = 'ENOTSUP';
  const words = WORDS.get(error.code) ?? ERRNO_NAMES.get(-errno)?.message.toLowerCase() ?? 'unknown error';
  error.message = `${error.code}: ${words}, ${syscall}${names}`;
  return error;
}

/** Runs `action`; an errno that it throws becomes one of Node's call `syscall` on `path` (and `dest`). */
export async function calling<T>(
  syscall: string,
  path: NodePath | null,
  action: () => T | Promise<T>,
  dest: NodePath | null = null,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { errno } = error as Partial<ErrnoError>;
    if (typeof errno !== 'number') throw error;
    throw nodeError(errno, syscall, path, dest);
  }
}

export const hasCode = (error: unknown, code: string): boolean => (error as Partial<ErrnoError>)?.code === code;

/** An error that no call of the kernel gave: `code` is Node's own. */
export const stateError = (code: string, message: string): Error & { code: string } =>
  Object.assign(new Error(message), { code });

/**
 * What Node's copying and removing refuse themselves.
 * @param errno positive, as Node has it here @param message what is wrong, with the names of the files
 * @source nodejs.org/api/errors.html, class SystemError
 */
export function refusal(code: string, errno: number, syscall: string, path: string, message: string): Error {
  const name = ERRNO_NAMES.get(errno)?.name;
  const error = stateError(code, `${syscall} returned ${name} (${message}) ${path}`);
  return Object.assign(error, { name: 'SystemError', errno, syscall, path });
}

/** What an AbortSignal makes of a call. @throws AbortError once `signal` has fired */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

export const abortError = ({ reason }: AbortSignal): Error =>
  Object.assign(new Error('the operation was aborted', { cause: reason }), { name: 'AbortError', code: 'ABORT_ERR' });
