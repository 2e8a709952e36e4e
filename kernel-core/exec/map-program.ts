/** Maps the segments of a planned program into a new address space. @source fs/binfmt_elf.c elf_load, elf_map, load_elf_interp */
import { EFAULT, EINVAL, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import type { ProgramPlan, Segment } from '../../elf/program.js';
import type { OpenFile } from '../../vfs/file.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE, PIE_BASE, pageCeil, pageFloor, USER_END } from '../mm/layout.js';

const isBad = (address: number): boolean => !(address >= 0 && address < USER_END);
const inPage = (address: number): number => address - pageFloor(address);

/** Maps the program itself. @returns its load bias in bytes */
export function mapProgram(space: AddressSpace, file: OpenFile, plan: ProgramPlan): number | Err {
  let bias = 0;
  const [first] = plan.segments;
  if (first === undefined) return 0;
  for (const segment of plan.segments) {
    let flags = MAP_PRIVATE | MAP_FIXED;
    let span = 0;
    if (segment === first) {
      flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
      if (plan.isRelocatable) {
        if (plan.span === 0) return fail(EINVAL);
        span = plan.span;
        const base = chooseBase(space, file, plan, segment);
        if (isErr(base)) return base;
        if (isPlacedByMmap(plan)) flags = MAP_PRIVATE;
        bias = pageFloor(base - segment.address);
      }
    }
    const mapped = mapSegment(space, file, bias + segment.address, segment, flags, span);
    if (isErr(mapped)) return mapped;
    if (isBad(mapped)) return fail(EINVAL);
    if (segment === first && plan.isRelocatable) bias += mapped - pageFloor(bias + segment.address);
    if (!fitsUserSpace(segment, segment.address)) return fail(EINVAL);
    noteLayout(space, plan, segment, bias);
  }
  return bias;
}

const isPlacedByMmap = (plan: ProgramPlan): boolean => plan.interpreter === null && plan.alignment === PAGE_SIZE;

/** Where a position-independent program goes: programs with an interpreter at a fixed place, others where mmap puts them. */
function chooseBase(space: AddressSpace, file: OpenFile, plan: ProgramPlan, first: Segment): number | Err {
  const align = (address: number): number => address - (address % plan.alignment);
  if (plan.interpreter !== null) return align(PIE_BASE);
  if (isPlacedByMmap(plan)) return 0;
  const probe = mapSegment(space, file, 0, first, MAP_PRIVATE, plan.span);
  if (isErr(probe) || isBad(probe)) return isErr(probe) ? probe : fail(EINVAL);
  space.unmap(probe, plan.span);
  return align(probe);
}

/** Maps an interpreter away from the program. @returns its load bias in bytes */
export function mapInterpreter(
  space: AddressSpace,
  file: OpenFile,
  plan: ProgramPlan,
  programBias: number,
): number | Err {
  if (plan.span === 0 || !plan.isRunnable) return fail(EINVAL);
  let bias = 0;
  let isPlaced = false;
  let { span } = plan;
  for (const segment of plan.segments) {
    let flags = MAP_PRIVATE;
    if (!plan.isRelocatable || isPlaced) flags |= MAP_FIXED;
    else if (programBias !== 0) bias = -segment.address;
    const mapped = mapSegment(space, file, bias + segment.address, segment, flags, span);
    span = 0;
    if (isErr(mapped)) return mapped;
    if (isBad(mapped)) return fail(EINVAL);
    if (!isPlaced && plan.isRelocatable) {
      bias = mapped - pageFloor(segment.address);
      isPlaced = true;
    }
    if (!fitsUserSpace(segment, bias + segment.address)) return fail(ENOMEM);
  }
  return bias;
}

const fitsUserSpace = (segment: Segment, address: number): boolean =>
  !isBad(address) && segment.fileSize <= segment.memorySize && segment.memorySize <= USER_END - address;

/**
 * One segment: file pages, zeros to the end of the last of them, fresh pages for the rest.
 * @param span when not 0, that much room is sought for the whole program, of which this is the first segment
 * @returns the address of the segment's first page
 */
function mapSegment(
  space: AddressSpace,
  file: OpenFile,
  address: number,
  segment: Segment,
  flags: number,
  span: number,
): number | Err {
  const { fileSize, memorySize, prot } = segment;
  const skew = inPage(segment.address);
  let start = pageFloor(address);
  if (fileSize > 0) {
    const mapped = mapFilePart(space, file, start, segment, flags, span);
    if (isErr(mapped)) return mapped;
    start = mapped;
  }
  if (memorySize <= fileSize) return start;
  const zeroStart = start + skew + fileSize;
  const zeroPages = fileSize > 0 ? pageCeil(zeroStart) : start;
  const size = pageCeil(start + skew + memorySize) - zeroPages;
  if (size > 0) {
    const rights = PROT_READ | PROT_WRITE | (prot & PROT_EXEC);
    const zeros = space.map(zeroPages, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, null, 0);
    if (isErr(zeros)) return zeros;
  }
  // Last, so that the page that is written to finds room for all of data and bss.
  if (fileSize > 0 && isErr(clear(space, zeroStart, zeroPages)) && (prot & PROT_WRITE) !== 0) {
    return fail(space.outOfMemory ? ENOMEM : EFAULT);
  }
  return start;
}

function mapFilePart(
  space: AddressSpace,
  file: OpenFile,
  start: number,
  segment: Segment,
  flags: number,
  span: number,
): number | Err {
  const skew = inPage(segment.address);
  const size = pageCeil(segment.fileSize + skew);
  const offset = segment.offset - skew;
  if (span === 0) return space.map(start, size, segment.prot, flags, file, offset);
  const room = pageCeil(span);
  const mapped = space.map(start, room, segment.prot, flags, file, offset);
  if (!isErr(mapped) && room > size) space.unmap(mapped + size, room - size);
  return mapped;
}

const ZEROS = new Uint8Array(PAGE_SIZE);

const clear = (space: AddressSpace, start: number, end: number): number | Err =>
  space.write(start, ZEROS.subarray(0, end - start));

/** Start and end of code and data, and the break. */
function noteLayout(space: AddressSpace, plan: ProgramPlan, segment: Segment, bias: number): void {
  const { program } = space;
  const isFirst = segment === plan.segments[0];
  const start = segment.address + bias;
  const fileEnd = start + segment.fileSize;
  if ((segment.prot & PROT_EXEC) !== 0) {
    program.startCode = program.startCode === 0 ? start : Math.min(program.startCode, start);
    program.endCode = Math.max(program.endCode, fileEnd);
  }
  program.startData = isFirst ? start : Math.max(program.startData, start);
  program.endData = isFirst ? fileEnd : Math.max(program.endData, fileEnd);
  program.startBreak = Math.max(isFirst ? 0 : program.startBreak, start + segment.memorySize);
}
