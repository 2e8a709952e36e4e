/**
 * When the translator gets its turn beside the interpreter: a look at what tier 0 is doing after so many instructions in it,
 * and work as long as there is some. There is no translator until there was a reason for one.
 */
import type { Translator } from './translator.js';
import type { TranslatorOptions } from './translator-options.js';

/** While code is being translated, the translator gets its turn after so many instructions. */
const WORKING_PIECE = 100_000;
/** The same when programs have been too short for that. */
const HURRIED_PIECE = 10_000;

export class TranslatorTurns {
  /** Undefined as long as there was no reason to translate. */
  translator: Translator | undefined;
  readonly #options: TranslatorOptions | null;
  readonly #make: () => Translator;
  /** Instructions that tier 0 executed since the last look. */
  #interpreted = 0;
  #isLooking = false;

  /** @param options null: nothing is to be translated */
  constructor(options: TranslatorOptions | null, make: () => Translator) {
    this.#options = options;
    this.#make = make;
  }

  /** Nanoseconds that went into translation. */
  get time(): number {
    return this.translator?.time ?? 0;
  }

  ensure(): Translator {
    this.translator ??= this.#make();
    return this.translator;
  }

  /**
   * Works, if there is work.
   * @param left instructions that are to run
   * @param isBrief they are a run inside of another, which mostly is over soon: what is to be done for others is for theirs
   * @returns how many of them to run before the next turn
   */
  take(left: number, isBrief: boolean): number {
    if (this.#options === null) return left;
    if (!this.#isLooking && (!isBrief || this.translator?.worksHere)) this.translator?.work();
    const interval = this.#interval();
    const untilLook = interval - this.#interpreted;
    const look = untilLook > 0 ? untilLook : interval;
    if (this.translator?.isBusy !== true) return Math.min(left, look);
    return Math.min(left, look, this.translator.isHurried ? HURRIED_PIECE : WORKING_PIECE);
  }

  /** So many instructions ran in tier 0. */
  count(instructions: number): void {
    this.#interpreted += instructions;
  }

  /** Whether it is time for a look; a look runs code itself, in which there is none. */
  get isDue(): boolean {
    return this.#options !== null && this.#interpreted >= this.#interval() && !this.#isLooking;
  }

  /** @returns the record to go on at, 0 when the run loop has to be left */
  look(record: number): number {
    this.#interpreted = 0;
    this.#isLooking = true;
    const next = this.ensure().look(record);
    this.#isLooking = false;
    return next;
  }

  #interval(): number {
    return this.translator?.interval ?? this.#options!.interval;
  }
}
