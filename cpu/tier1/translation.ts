/**
 * What a translated region is once it is code: what is known of its body, its module, and, when it is in place, its number,
 * record and frames (installed.ts).
 */

export type RegionFunction = (room: number) => bigint;

/** What is known of a region's code when its graph is gone. */
export interface RegionBody {
  readonly root: number;
  /** Of a door: the root of the region that it leads into. Its code is a jump to there. */
  readonly doorOf: number | undefined;
  /** Other places at which the region can be entered. */
  readonly doors: readonly number[];
  /** As `Region.size`. */
  readonly size: number;
  /** As `Plan.longest`. */
  readonly longest: number;
  /** Where control may go from it, as far as it is known: places that may be roots of other regions. */
  readonly destinations: ReadonlySet<number>;
  readonly pages: ReadonlySet<number>;
  /** Of its instructions, in ascending order. */
  readonly addresses: Float64Array;
  readonly defaultSse: boolean;
  /** What the profile knew of its instructions, when it was made in another run. */
  readonly sites: readonly SiteFacts[];
}

/** Address of an instruction, the last address of its memory operand, targets of its indirect jump. */
export type SiteFacts = [address: number, lastAddress: number | null, ...targets: number[]];

/** A WebAssembly module whose regions are in place. */
export class RegionModule {
  /** Bytes of WebAssembly. */
  readonly size: number;
  readonly live = new Set<Translation>();
  /** Numbers of flag sources in its code. */
  readonly flagSources: readonly number[];
  /** When a region of it was last seen to be in use. */
  generation = 0;
  /** Roots of regions that newer ones have taken the place of. */
  readonly superseded = new Set<number>();
  /** Gets told when the last region has gone. */
  onGone: (() => void) | undefined;

  constructor(size: number, flagSources: readonly number[]) {
    this.size = size;
    this.flagSources = flagSources;
  }
}

export interface Translation {
  readonly number: number;
  readonly body: RegionBody;
  readonly module: RegionModule;
  readonly func: RegionFunction;
  readonly record: number;
  /** Handler that the record had. */
  readonly handler: number;
  readonly entryFrame: number;
  /** Page number → frame. */
  readonly frames: ReadonlyMap<number, number>;
  /** Regions whose code calls this one directly, and those that this one calls. */
  readonly callers: Set<Translation>;
  readonly callees: Set<Translation>;
  /** Addresses that it leaves to without knowing a region there. */
  readonly unlinked: Set<number>;
  live: boolean;
  /** As it was when somebody last wanted to know. */
  reach: Reach | undefined;
}

/** A region with all that it calls, directly or not. */
export interface Reach {
  /** What this holds for (installed.ts). */
  readonly links: number;
  readonly regions: readonly Translation[];
  /** Their pages, and in the same order the frames that these have to be. */
  readonly pages: readonly number[];
  readonly frames: readonly number[];
}

/** Whether a region has an instruction at an address. */
export function includes({ addresses }: RegionBody, address: number): boolean {
  let low = 0;
  let high = addresses.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (addresses[middle]! < address) low = middle + 1;
    else high = middle;
  }
  return addresses[low] === address;
}
