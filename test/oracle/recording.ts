/** The recorded native results (recorded.json), which stand in for the native run where there is no chroot. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from './commands.js';

/** A stream as text where it is UTF-8, else as base64; long ones by length and hash would hide what differs. */
type Stream = string | { base64: string };

export interface RecordedResult {
  stdout: Stream;
  stderr: Stream;
  status: number;
}

export interface Recording {
  applets: string[];
  results: Record<string, RecordedResult>;
}

/** In the source tree, also when the compiled copy of this file runs. */
export const recordingPath = join(
  import.meta.dirname.replace(/([\\/])dist([\\/]test[\\/]oracle)$/, '$1test/oracle'),
  'recorded.json',
);

export function readRecording(): Recording {
  return JSON.parse(readFileSync(recordingPath, 'utf8'));
}

function encodeStream(bytes: string): Stream {
  const buffer = Buffer.from(bytes, 'latin1');
  const text = buffer.toString('utf8');
  return Buffer.from(text, 'utf8').equals(buffer) ? text : { base64: buffer.toString('base64') };
}

function decodeStream(stream: Stream): string {
  const buffer = typeof stream === 'string' ? Buffer.from(stream, 'utf8') : Buffer.from(stream.base64, 'base64');
  return buffer.toString('latin1');
}

export function encode(result: Result): RecordedResult {
  return { stdout: encodeStream(result.stdout), stderr: encodeStream(result.stderr), status: result.status };
}

export function decode(result: RecordedResult): Result {
  return { stdout: decodeStream(result.stdout), stderr: decodeStream(result.stderr), status: result.status };
}
