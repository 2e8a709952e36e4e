/** What the processor says it is: a baseline x86-64 with CMPXCHG16B and LAHF. @source Intel SDM vol. 2, CPUID */

const MAX_BASIC = 1;
const MAX_EXTENDED = 0x80000008;
/** glibc looks at the features of no processor whose maker it does not know, and then finds the machine too old. */
export const CPU_VENDOR = 'AuthenticAMD';
export const CPU_BRAND = 'Banos virtual processor';
/** What the feature bits below are called in /proc/cpuinfo. */
export const CPU_FLAGS = 'fpu tsc msr cx8 cmov clflush mmx fxsr sse sse2 syscall nx lm cx16 lahf_lm';
const BRAND = CPU_BRAND.padEnd(48, '\0');
/** fpu tsc msr cx8 cmov clflush mmx fxsr sse sse2 */
const FEATURES_EDX =
  (1 << 0) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 15) | (1 << 19) | (1 << 23) | (1 << 24) | (1 << 25) | (1 << 26);
/** cx16 */
const FEATURES_ECX = 1 << 13;
/** syscall nx lm over the features that AMD repeats */
const EXTENDED_EDX =
  (1 << 0) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 11) | (1 << 15) | (1 << 20) | (1 << 23) | (1 << 24) | (1 << 29);
/** lahf in 64-bit mode */
const EXTENDED_ECX = 1 << 0;
/** family 15, model 6, stepping 1 */
const SIGNATURE = 0x00000f61;
const CLFLUSH_LINE_8 = 8 << 8;
/** Data and instructions: 32 KiB, 8 ways, lines of 64 bytes. @source AMD APM vol. 3, Fn8000_0005 */
const L1_CACHE = (32 << 24) | (8 << 16) | (1 << 8) | 64;
/** 512 KiB, 8 ways. C libraries size their copying loops by it. @source Fn8000_0006 */
const L2_CACHE = (512 << 16) | (6 << 12) | (1 << 8) | 64;
/** 8 MiB (in units of 512 KiB), 16 ways. */
const L3_CACHE = (16 << 18) | (8 << 12) | (1 << 8) | 64;
const ADDRESS_BITS = (48 << 8) | 32;

function text(source: string, at: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= source.charCodeAt(at + i) << (8 * i);
  return word >>> 0;
}

/** @param out eax, ebx, ecx, edx */
export function defaultCpuid(leaf: number, _subleaf: number, out: Uint32Array): void {
  out.fill(0);
  switch (leaf) {
    case 0:
      out.set([MAX_BASIC, text(CPU_VENDOR, 0), text(CPU_VENDOR, 8), text(CPU_VENDOR, 4)]);
      break;
    case 1:
      out.set([SIGNATURE, CLFLUSH_LINE_8, FEATURES_ECX, FEATURES_EDX]);
      break;
    case 0x80000000:
      out.set([MAX_EXTENDED, text(CPU_VENDOR, 0), text(CPU_VENDOR, 8), text(CPU_VENDOR, 4)]);
      break;
    case 0x80000001:
      out.set([SIGNATURE, 0, EXTENDED_ECX, EXTENDED_EDX]);
      break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      for (let i = 0; i < 4; i++) out[i] = text(BRAND, (leaf - 0x80000002) * 16 + i * 4);
      break;
    case 0x80000005:
      out.set([0, 0, L1_CACHE, L1_CACHE]);
      break;
    case 0x80000006:
      out.set([0, 0, L2_CACHE, L3_CACHE]);
      break;
    case 0x80000008:
      out[0] = ADDRESS_BITS;
      break;
    default:
  }
}
