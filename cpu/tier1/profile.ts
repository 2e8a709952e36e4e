/**
 * What tier 0 learns about hot code: now and then some hundred instructions are executed one at a time, and for each
 * place it is noted how often it came, where its jumps went and which addresses it accessed. Counted in instructions, not in
 * time, so that two runs of one thing learn the same.
 */
import type { Instruction } from './region.js';

/** How many different targets of an indirect jump are kept. */
const MAX_TARGETS = 128;

/** One instruction as the profile saw it. */
export class Site {
  readonly instruction: Instruction;
  /** Where its code was. */
  readonly frame: number;
  /** Times that it was executed; half of what it was before the last round, and so on. */
  count = 0;
  round = 0;
  /** Times that it was executed by tier 0, ever, as far as the looks tell. */
  heat = 0;
  /** Calls that came here. */
  entries = 0;
  /** Jumps back to here. */
  loops = 0;
  /** Times that control came here from a region. */
  arrivals = 0;
  /** Times that it was left to the region around it. */
  skips = 0;
  /** Where indirect jumps and calls went, with how often. */
  targets: Map<number, number> | undefined;
  /** Last address of the memory operand; NaN before. */
  lastAddress = Number.NaN;
  /** Checks together with other accesses that failed. */
  groupMisses = 0;

  constructor(instruction: Instruction, frame: number) {
    this.instruction = instruction;
    this.frame = frame;
  }

  reached(target: number): void {
    this.targets ??= new Map();
    const known = this.targets.get(target);
    if (known !== undefined || this.targets.size < MAX_TARGETS) this.targets.set(target, (known ?? 0) + 1);
  }
}

export class Profile {
  /** By virtual address. */
  readonly sites = new Map<number, Site>();
  /** Sum of the counts of all sites, and number of the round of translation. */
  total = 0;
  round = 0;
  /** Instructions that one which is noted stands for. */
  scale = 1;
  /** Places that calls, jumps back or regions led to since they were last looked at. */
  readonly fresh = new Set<number>();

  /** Notes an execution. */
  count(site: Site): void {
    if (site.round !== this.round) {
      site.count >>= Math.min(31, this.round - site.round);
      site.round = this.round;
    }
    site.count++;
    site.heat += this.scale;
    this.total++;
  }

  /** How often a site was executed lately. */
  weight(site: Site): number {
    return site.count >> Math.min(31, this.round - site.round);
  }

  endRound(): void {
    this.round++;
    this.total >>= 1;
  }

  clear(): void {
    this.sites.clear();
    this.fresh.clear();
  }
}
