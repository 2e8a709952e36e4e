/** Signal sets of 64 signals, in two words: bit n-1 is signal n. */
import { SIGKILL, SIGSTOP } from '../../abi/signal.js';

export class SigSet {
  lo = 0;
  hi = 0;

  has(signal: number): boolean {
    return signal <= 32 ? (this.lo & (1 << (signal - 1))) !== 0 : (this.hi & (1 << (signal - 33))) !== 0;
  }

  add(signal: number): void {
    if (signal <= 32) this.lo |= 1 << (signal - 1);
    else this.hi |= 1 << (signal - 33);
  }

  delete(signal: number): void {
    if (signal <= 32) this.lo &= ~(1 << (signal - 1));
    else this.hi &= ~(1 << (signal - 33));
  }

  set(lo: number, hi: number): void {
    this.lo = lo | 0;
    this.hi = hi | 0;
  }

  copy(other: SigSet): void {
    this.lo = other.lo;
    this.hi = other.hi;
  }

  union(other: SigSet): void {
    this.lo |= other.lo;
    this.hi |= other.hi;
  }

  subtract(other: SigSet): void {
    this.lo &= ~other.lo;
    this.hi &= ~other.hi;
  }

  /** SIGKILL and SIGSTOP can be neither blocked nor caught. */
  clearUnblockable(): void {
    this.delete(SIGKILL);
    this.delete(SIGSTOP);
  }

  get isEmpty(): boolean {
    return (this.lo | this.hi) === 0;
  }

  /** Is a signal in this set that is not in `mask`? */
  intersectsOutside(mask: SigSet): boolean {
    return (this.lo & ~mask.lo) !== 0 || (this.hi & ~mask.hi) !== 0;
  }
}
