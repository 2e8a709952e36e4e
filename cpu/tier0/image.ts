/**
 * The emitted interpreter, ready-made. Emitting takes longer than a shell may take to start, so the build replaces the
 * compiled form of this file by one that holds the bytes (tools/build.mjs); from source they are emitted at start-up.
 */
export interface InterpreterImage {
  /** The module, base64. */
  module: string;
  /** `HandlerSet.flagUses`. */
  flagUses: string;
}

export const image: InterpreterImage | undefined = undefined;
