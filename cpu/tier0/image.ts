/**
 * The emitted interpreter, ready-made. Emitting takes longer than a shell may take to start, so the build replaces the
 * compiled form of this file by one that holds what `makeImage` returns (tools/build.mjs); from source it is emitted at
 * start-up.
 */
export interface InterpreterImage {
  /** The module, base64. */
  module: string;
  /** A `Numbering` as JSON: parsed faster than as source. */
  numbering: string;
  /** Stands for all of the engine as it was built: a digest, in hexadecimal. */
  identity: string;
}

export const image: InterpreterImage | undefined = undefined;
