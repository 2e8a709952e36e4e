/** Series and constants in fixed point on BigInt with P fraction bits, for x87's transcendental functions. */

import { isqrt } from './float.js';
import { bitLength } from './rounding.js';

export const P = 256n;
export const ONE = 1n << P;

function atanhInverse(n: bigint, bits: bigint): bigint {
  let term = (1n << bits) / n;
  let sum = term;
  for (let k = 3n; term !== 0n; k += 2n) {
    term /= n * n;
    sum += term / k;
  }
  return sum;
}

function atanInverse(n: bigint, bits: bigint): bigint {
  let term = (1n << bits) / n;
  let sum = term;
  let negative = true;
  for (let k = 3n; term !== 0n; k += 2n) {
    term /= n * n;
    sum += negative ? -(term / k) : term / k;
    negative = !negative;
  }
  return sum;
}

let piCache = 0n;
let ln2Cache = 0n;

/** π with P fraction bits. */
export function pi(): bigint {
  // Machin's formula; 32 guard bits.
  if (piCache === 0n) piCache = (16n * atanInverse(5n, P + 32n) - 4n * atanInverse(239n, P + 32n)) >> 32n;
  return piCache;
}

export function ln2(): bigint {
  if (ln2Cache === 0n) {
    const b = P + 32n;
    ln2Cache = (18n * atanhInverse(26n, b) - 2n * atanhInverse(4801n, b) + 8n * atanhInverse(8749n, b)) >> 32n;
  }
  return ln2Cache;
}

export function sinSeries(x: bigint): bigint {
  const xx = (x * x) >> P;
  let term = x;
  let sum = x;
  for (let k = 2n; term !== 0n; k += 2n) {
    term = -((term * xx) >> P) / (k * (k + 1n));
    sum += term;
  }
  return sum;
}

export function cosSeries(x: bigint): bigint {
  const xx = (x * x) >> P;
  let term = ONE;
  let sum = ONE;
  for (let k = 1n; term !== 0n; k += 2n) {
    term = -((term * xx) >> P) / (k * (k + 1n));
    sum += term;
  }
  return sum;
}

export function expSeries(y: bigint): bigint {
  let term = ONE;
  let sum = ONE;
  for (let k = 1n; term !== 0n && term !== -1n; k++) {
    term = ((term * y) >> P) / k;
    sum += term;
  }
  return sum;
}

/** Arc tangent of 0 <= t <= 1, P fraction bits. */
export function atanFixed(t: bigint): bigint {
  // atan t = 2 atan(t / (1 + √(1 + t²))): three halvings bring t below 0.1.
  let doublings = 0n;
  while (t > ONE / 10n) {
    t = (t << P) / (ONE + isqrt((ONE << P) + t * t));
    doublings++;
  }
  const tt = (t * t) >> P;
  let power = t;
  let sum = t;
  for (let k = 3n; power !== 0n; k += 2n) {
    power = -((power * tt) >> P);
    sum += power / k;
  }
  return sum << doublings;
}

/** Binary logarithm of v > 0 (P fraction bits), P fraction bits, signed. */
export function log2Fixed(v: bigint): bigint {
  let e = bitLength(v) - 257;
  let m = e >= 0 ? v >> BigInt(e) : v << BigInt(-e);
  if (m > (ONE * 3n) / 2n) {
    e++;
    // The bit lost is below the precision, and none is lost when e was not above 0.
    m = e > 0 ? v >> BigInt(e) : v << BigInt(-e);
  }
  const z = ((m - ONE) << P) / (m + ONE);
  const zz = (z * z) >> P;
  let power = z;
  let sum = z;
  for (let k = 3n; power !== 0n && power !== -1n; k += 2n) {
    power = (power * zz) >> P;
    sum += power / k;
  }
  return (BigInt(e) << P) + (sum << (P + 1n)) / ln2();
}
