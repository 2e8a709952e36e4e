/**
 * Memory operands of generated programs: through pointers that walk, with indexes, absolute, relative to rip, to rsp and
 * to gs, with 32-bit addresses, unaligned and over page boundaries; and those that may fault.
 */
import { type Context, EXTENTS, type Extent, GS_OFFSET, READ_ONLY, reg } from './context.js';

/** Offset of an access of `bytes` in [low, high] of an extent; often at a page boundary. */
function offsetIn(c: Context, low: number, high: number, bytes: number, aligned: boolean): number {
  let offset = low + c.r.below(high - low + 1);
  if (c.r.chance(5)) {
    const boundary = (offset & -4096) + (c.r.chance(2) ? 4096 : 0);
    offset = boundary - c.r.below(bytes + 2);
  } else if (c.r.chance(2)) offset &= -bytes;
  offset = Math.max(low, Math.min(high, offset));
  if (aligned) {
    offset &= -bytes;
    if (offset < low) offset += bytes;
  }
  return offset;
}

export const addressOf = ({ at, symbol }: Extent, offset: number): string =>
  symbol === undefined ? `0x${(at + BigInt(offset)).toString(16)}` : `${symbol}+${offset}`;

/** Loads an address into a register. */
export function loadAddress(c: Context, k: number, extent: Extent, offset: number): void {
  const address = addressOf(extent, offset);
  if (extent.symbol !== undefined)
    c.emit(c.r.chance(2) ? `leaq ${address}(%rip), ${reg(k, 64)}` : `movl $${address}, ${reg(k, 32)}`);
  else if (extent.at < 1n << 31n) c.emit(`movl $${address}, ${reg(k, 32)}`);
  else c.emit(`movabsq $${address}, ${reg(k, 64)}`);
}

/** An index of 0…255 in a register that is not a role. Flags stay. */
function makeIndex(c: Context, not: readonly number[]): number {
  const index = c.target(...not);
  const size = c.r.pick([8, 8, 8, 16] as const);
  if (size === 16) c.emit(`movzbw ${reg(index, 8)}, ${reg(index, 16)}`, `movzwq ${reg(index, 16)}, ${reg(index, 64)}`);
  else c.emit(`movzbl ${reg(c.source(), 8)}, ${reg(index, 32)}`);
  return index;
}

/**
 * An operand that never faults. May emit instructions that leave the flags alone.
 * @param not registers that the emitted instructions must not write
 */
export function memory(c: Context, bytes: number, aligned = false, not: readonly number[] = []): string {
  const { r } = c;
  const usable = c.pointers.filter(({ low, high, extent }) => high - low + bytes <= extent.size);
  if (!aligned && usable.length > 0 && !r.chance(3)) {
    const { register, low, high, extent } = r.pick(usable);
    const base = reg(register, 64);
    // The displacement d keeps low + d ≥ 0 and high + d + bytes ≤ size.
    const least = Math.max(-low, -400);
    const most = Math.min(extent.size - bytes - high, 400);
    const scale = r.pick([1, 2, 4, 8]);
    if (most - 255 * scale >= least && r.chance(2)) {
      const index = makeIndex(c, [...not, register]);
      return `${offsetIn(c, least, most - 255 * scale, bytes, false)}(${base},${reg(index, 64)},${scale})`;
    }
    const d = r.chance(2) && least <= 0 && most >= 0 ? 0 : least + r.below(most - least + 1);
    return `${d === 0 ? '' : d}(${base})`;
  }
  switch (r.below(8)) {
    case 0: // the red zone; rsp may not be aligned
      if (aligned) break;
      return `${-128 + r.below(129 - bytes)}(%rsp)`;
    case 1:
      if (aligned || c.frame < bytes) break;
      return `${c.pushed + r.below(c.frame - bytes + 1)}(%rsp)`;
    case 2:
      return `bss+${offsetIn(c, 0, 8192 - bytes, bytes, aligned)}(%rip)`;
    case 3:
      return `bss+${offsetIn(c, 0, 8192 - bytes, bytes, aligned)}`;
    case 4: {
      if (aligned) break;
      const index = makeIndex(c, not);
      return `bss+${offsetIn(c, 0, 8192 - bytes - 2040, bytes, false)}(,${reg(index, 64)},8)`;
    }
    case 5:
      return `%gs:${offsetIn(c, 0, 0x4000 - bytes, bytes, aligned) - GS_OFFSET}`;
    default:
      break;
  }
  const extent = r.pick(EXTENTS);
  const pointer = c.target(...not);
  const offset = offsetIn(c, 0, extent.size - bytes, bytes, aligned);
  const displacement = r.chance(2) ? 0 : r.below(2000) - 1000;
  const tail = displacement === 0 ? '' : displacement;
  if (extent.symbol === undefined && extent.at + BigInt(offset + bytes) <= 1n << 32n && r.chance(6)) {
    // A 32-bit address; the upper half of the register is anything.
    const value = extent.at + BigInt(offset - displacement) + (BigInt(r.below(32768)) << 40n);
    c.emit(`movabsq $0x${value.toString(16)}, ${reg(pointer, 64)}`);
    return `${tail}(${reg(pointer, 32)})`;
  }
  loadAddress(c, pointer, extent, offset - displacement);
  return `${tail}(${reg(pointer, 64)})`;
}

const RISKY = '!';

/** Emits an instruction, under guard if its operand is riskyMemory's. */
export function emitMaybeRisky(c: Context, instruction: string): void {
  if (instruction.includes(RISKY)) c.guarded(instruction.replace(RISKY, ''));
  else c.emit(instruction);
}

/** An operand that may fault, for emitMaybeRisky: over the end of an extent, on a page that cannot be written, at a wild address. */
export function riskyMemory(c: Context, not: readonly number[] = []): string {
  const { r } = c;
  const pointer = c.target(...not);
  switch (r.below(8)) {
    case 0:
      loadAddress(c, pointer, { at: READ_ONLY, size: 8192 }, r.below(8000));
      break;
    case 1:
      c.emit(`movabsq $${r.pick(WILD)}, ${reg(pointer, 64)}`);
      break;
    default: {
      const extent = r.pick(FENCED);
      const index = makeIndex(c, [...not, pointer]);
      const scale = r.pick([1, 2, 4]);
      loadAddress(c, pointer, extent, r.chance(3) ? -r.below(200) : extent.size - r.below(256 * scale));
      return `${RISKY}(${reg(pointer, 64)},${reg(index, 64)},${scale})`;
    }
  }
  return `${RISKY}(${reg(pointer, 64)})`;
}

const WILD = ['0x800000000000', '0xffff7fffffffffff', '0x1000', '0', '0xffffffff80000000'];
/** Extents that end in pages without rights, or in nothing. */
const FENCED = EXTENTS.slice(0, 4);
