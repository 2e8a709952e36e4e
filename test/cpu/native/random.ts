/** Seeded random numbers and the operand values that find bugs. */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** 32 random bits, int32. @source Marsaglia, Xorshift RNGs (2003), with a multiplicative output step */
  word(): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s;
    return Math.imul(s, 0x9e3779b1) ^ (s >>> 15);
  }

  /** 0 … n − 1 */
  below(n: number): number {
    return (this.word() >>> 0) % n;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  big64(): bigint {
    return (BigInt(this.word() >>> 0) << 32n) | BigInt(this.word() >>> 0);
  }

  /** An integer of 64 bits: often at an edge of some operand size. */
  integer(): bigint {
    switch (this.below(8)) {
      case 0:
        return this.pick(EDGES);
      case 1:
        return BigInt.asUintN(64, 1n << BigInt(this.below(64)));
      case 2:
        return BigInt.asUintN(64, (1n << BigInt(this.below(64))) - 1n);
      case 3:
        return BigInt.asUintN(64, -(1n << BigInt(this.below(64))));
      case 4:
        return BigInt(this.below(256));
      case 5:
        return BigInt.asUintN(64, -BigInt(this.below(256)));
      default:
        return this.big64();
    }
  }

  /** Bits of a binary32 or binary64 number, all classes. */
  float(bits: 32 | 64): bigint {
    const fraction = bits === 32 ? 23n : 52n;
    const top = bits === 32 ? 0xffn : 0x7ffn;
    const bias = bits === 32 ? 127n : 1023n;
    const sign = BigInt(this.below(2)) << BigInt(bits - 1);
    const mask = (1n << fraction) - 1n;
    let m = this.big64() & mask;
    switch (this.below(12)) {
      case 0:
        return sign;
      case 1:
        return sign | (top << fraction);
      case 2: // quiet NaN
        return sign | (top << fraction) | m | (1n << (fraction - 1n));
      case 3: // signalling NaN
        return sign | (top << fraction) | (m & (mask >> 1n)) | 1n;
      case 4: // denormal
        return sign | (m >> BigInt(this.below(Number(fraction))));
      case 5: // near the smallest normal numbers
        return sign | (BigInt(1 + this.below(4)) << fraction) | m;
      case 6: // near overflow
        return sign | ((top - 1n - BigInt(this.below(3))) << fraction) | (this.chance(2) ? m : mask);
      case 7: // small integers and halves
        return this.ofNumber(bits, (this.below(4001) - 2000) / 2);
      case 8: // around the limits of integers
        return this.ofNumber(
          bits,
          (this.chance(2) ? -1 : 1) * (2 ** this.pick([15, 16, 31, 32, 52, 63, 64]) + this.below(5) - 2),
        );
      case 9: // few significand bits, middle exponents
        m &= ~(mask >> BigInt(1 + this.below(8)));
        return sign | ((bias + BigInt(this.below(41) - 20)) << fraction) | m;
      case 10:
        return sign | ((bias + BigInt(this.below(141) - 70)) << fraction) | m;
      default:
        return this.big64() & ((1n << BigInt(bits)) - 1n);
    }
  }

  ofNumber(bits: 32 | 64, value: number): bigint {
    const view = new DataView(new ArrayBuffer(8));
    if (bits === 32) {
      view.setFloat32(0, value);
      return BigInt(view.getUint32(0));
    }
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  }

  /** An 80-bit number: [significand, sign and exponent], all classes including the unsupported ones. */
  extended(): [bigint, number] {
    const sign = this.below(2) << 15;
    const m = this.big64();
    const top = 1n << 63n;
    switch (this.below(16)) {
      case 0:
        return [0n, sign];
      case 1:
        return [top, sign | 0x7fff];
      case 2:
        return [m | (3n << 62n), sign | 0x7fff];
      case 3:
        return [(m & (top - 1n) & ~(1n << 62n)) | top | 1n, sign | 0x7fff];
      case 4:
        return [(m & (top - 1n)) >> BigInt(this.below(63)), sign];
      case 5: // pseudo-denormal, or unsupported
        return this.chance(2) ? [m | top, sign] : [m & (top - 1n), sign | (1 + this.below(0x7fff))];
      case 6:
        return [m | top, sign | (1 + this.below(3))];
      case 7:
        return [this.chance(2) ? m | top : (1n << 64n) - 1n, sign | (0x7ffe - this.below(3))];
      case 8: {
        const n = BigInt(1 + this.below(4000));
        const shift = 63 - (n.toString(2).length - 1);
        return [n << BigInt(shift), sign | (16383 + 62 - shift)];
      }
      case 9: // integers around the limits of destinations
        {
          const e = this.pick([15, 16, 31, 32, 53, 59, 60, 62, 63, 64]);
          return [
            this.chance(2) ? top : BigInt.asUintN(64, -1n << BigInt(this.below(12))),
            sign | (16383 + e - this.below(2)),
          ];
        }
      case 10:
        return [
          (m | top) & (-1n << BigInt(40 + this.below(24))) & ((1n << 64n) - 1n),
          sign | (16383 + this.below(41) - 20),
        ];
      case 11:
      case 12:
        return [m | top, sign | (16383 + this.below(141) - 70)];
      case 13:
        return [m | top, sign | (16383 - this.below(80))];
      case 14: // around the ranges of the narrower formats
        return [
          m | top,
          sign | (16383 + this.pick([-1075, -1023, -1022, 1023, 1024, -150, -127, -126, 127, 128]) + this.below(3) - 1),
        ];
      default:
        return [m | top, sign | (1 + this.below(0x7ffe))];
    }
  }
}

const EDGES = [
  0n,
  1n,
  0xffffffffffffffffn,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x7fffffffffffffffn,
  0x8000000000000000n,
];
