/** How somebody who looks (`--dump-code`) gets to see what the translator emits. */

/** Where the code of an instruction begins. */
export interface SourceMark {
  /** Bytes of the function body so far. */
  offset: number;
  /** Signed. */
  address: number;
}

/** The function that a region became. */
export interface TranslatedRegion {
  /** Address that it is entered at; signed. */
  root: number;
  /** Body of the function: `Code.view()`. */
  code: Uint8Array;
  marks: readonly SourceMark[];
  /** Names of its locals, and of the functions that it can call, by index. */
  locals: ReadonlyMap<number, string>;
  functions: ReadonlyMap<number, string>;
}

export type RegionWatcher = (region: TranslatedRegion) => void;
