/**
 * Streams of a `FileHandle`. Bytes come from a descriptor of the guest; everything else (windows, marks, events) is done
 * by node:fs's own streams, which take other calls than the host's for what they read and write.
 */
import * as host from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import { stateError } from './errors.js';
import type { FileHandle } from './file-handle.js';

/** What is asked for of a stream. @source nodejs.org/api/fs.html, filehandle.createReadStream */
export interface ReadStreamOptions {
  encoding?: BufferEncoding | null;
  autoClose?: boolean;
  emitClose?: boolean;
  /** Bytes, the last one included. */
  start?: number;
  end?: number;
  highWaterMark?: number;
  signal?: AbortSignal | null;
}

export interface WriteStreamOptions {
  encoding?: BufferEncoding | null;
  autoClose?: boolean;
  emitClose?: boolean;
  start?: number;
  highWaterMark?: number;
  signal?: AbortSignal | null;
}

/** @param error null: it went well @param count bytes @param buffer what was read into, or written */
type Done = (error: Error | null, count?: number, buffer?: Buffer) => void;

/** Shown for descriptor 0, which Node's streams take for none, and would never close. The calls do not look at it. */
const STAND_IN = 0x7fffffff;
/** Bytes that a web stream fetches at once. */
const WEB_CHUNK = 16384;

/** Hands what a promise becomes to a callback; what that throws is uncaught, as it is with node:fs. */
function tell(promise: Promise<number | undefined>, done: Done, buffer?: Buffer): void {
  promise.then(
    (count) => process.nextTick(done, null, count, buffer),
    (error) => process.nextTick(done, error),
  );
}

type Position = number | undefined;

/** The calls that streams of Node make, on `file`. @param release when the stream needs the file no longer */
function callsOn(file: FileHandle, release: () => Promise<void>) {
  const read = async (to: Buffer, at: number, size: number, from: Position) =>
    (await file.read(to, at, size, from)).bytesRead;
  const write = async (from: Buffer, at: number, size: number, to: Position) =>
    (await file.write(from, at, size, to)).bytesWritten;
  const writev = async (from: Buffer[], to: Position) => (await file.writev(from, to)).bytesWritten;
  return {
    read: (_fd: number, buffer: Buffer, at: number, size: number, position: Position, done: Done) =>
      tell(read(buffer, at, size, position), done, buffer),
    write: (_fd: number, buffer: Buffer, at: number, size: number, position: Position, done: Done) =>
      tell(write(buffer, at, size, position), done, buffer),
    writev: (_fd: number, buffers: Buffer[], position: Position, done: Done) => tell(writev(buffers, position), done),
    close: (_fd: number, done: Done) => tell(release() as Promise<undefined>, done),
  };
}

/** Keeps the descriptor of a file open. @param closed called when the file is closed by its user @returns what lets go of it */
export type Hold = (closed: () => void) => () => void;

export function readStreamOn(file: FileHandle, hold: Hold, options: ReadStreamOptions): host.ReadStream {
  return streamOn(file, hold, (own) => host.createReadStream('', { ...options, ...own } as never));
}

export function writeStreamOn(file: FileHandle, hold: Hold, options: WriteStreamOptions): host.WriteStream {
  return streamOn(file, hold, (own) => host.createWriteStream('', { ...options, ...own } as never));
}

/** A stream that ends when the file is closed. @param make may refuse its options: then nothing keeps the descriptor */
function streamOn<T extends host.ReadStream | host.WriteStream>(
  file: FileHandle,
  hold: Hold,
  make: (own: { fd: number; fs: object }) => T,
): T {
  if (file.fd < 0) throw stateError('EBADF', 'the file is closed');
  let stream: T | null = null;
  const release = hold(() => stream?.close());
  const fs = callsOn(file, () => {
    release();
    return file.close();
  });
  try {
    stream = make({ fd: file.fd || STAND_IN, fs });
    return stream;
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * It ends when the file is closed.
 * @param type 'bytes': chunks are Uint8Arrays and readers may bring their own buffers; otherwise they are ArrayBuffers
 */
export function webStreamOn(file: FileHandle, type: 'bytes' | undefined, hold: Hold): ReadableStream {
  let isOver = false;
  let finish: () => void;
  const closed = (): void => {
    end();
    finish();
  };
  const release = hold(closed);
  /** Nobody reads any more. */
  const end = (): void => {
    isOver = true;
    release();
  };
  const start = (controller: { close(): void }): void => {
    finish = () => controller.close();
  };
  /** @returns bytes, none at the end */
  const fill = async (bytes: Uint8Array): Promise<number> => {
    try {
      const { bytesRead } = await file.read(bytes, 0, bytes.byteLength);
      if (isOver) return 0;
      if (bytesRead === 0) closed();
      return bytesRead;
    } catch (error) {
      if (isOver) return 0;
      end();
      throw error;
    }
  };
  if (type === 'bytes') {
    return new ReadableStream({
      type,
      start,
      autoAllocateChunkSize: WEB_CHUNK,
      pull: async ({ byobRequest }) => {
        if (byobRequest === null) return;
        byobRequest.respond(await fill(byobRequest.view as Uint8Array));
      },
      cancel: end,
    });
  }
  return new ReadableStream<ArrayBuffer>({
    start,
    pull: async (controller) => {
      const bytes = new Uint8Array(WEB_CHUNK);
      const count = await fill(bytes);
      if (count > 0) controller.enqueue(bytes.buffer.slice(0, count));
    },
    cancel: end,
  });
}
