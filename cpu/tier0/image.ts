/**
 * The emitted interpreter, ready-made. Emitting takes longer than a shell may take to start, so the build replaces the
 * compiled form of this file by one that holds the bytes (build-image.ts); from source they are emitted at start-up.
 */
export const image: string | undefined = undefined;
