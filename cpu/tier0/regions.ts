/**
 * The interpreter's side of translated code: handlers that stand in records where a region begins, and single
 * instructions on behalf of a region. The table of the module has, behind the handlers, MAX_REGIONS times `enter` (the
 * handler number of a record tells which region) and then as many regions, which TypeScript fills in.
 */
import { CONTROL_BITS, CONTROL_DEFAULT } from '../ir/builder.js';
import { R_OP } from '../record.js';
import { FUEL, MXCSR, PAGE_MASK, PAGE_VA, RESYNC, RIP, TLB, TLB_HASH, VALIDITY } from '../state.js';
import {
  D_DEFAULT_SSE,
  D_FLAGS,
  D_HANDLER,
  D_LEAST,
  D_ROOT,
  DESCRIPTOR_SIZE,
  DESCRIPTORS,
  HINT_MASK,
  HINT_SHIFT,
  HINTS,
  KIND_MASK,
  KIND_RECORD,
  KIND_ROOM,
  MAX_REGIONS,
  NEXT_RECORD,
  REFUSALS,
  REST,
  RETURNS,
  STACK_ROOM,
  STOP_KIND,
  TRANSLATED,
  UNWIND,
} from '../tier1/layout.js';
import type { Code } from '../wasm/code.js';
import { knownRecord } from './jumps.js';

const DESCRIPTOR_SHIFT = Math.log2(DESCRIPTOR_SIZE);

function loadState(c: Code, name: string, address: number): void {
  c.i32(0);
  c.memory(name, address);
}

/** Counts in the i64 at a state address and, when there is one, what an i32 local holds × 8. */
function increment(c: Code, address: number, index = -1): void {
  const pushIndex = (): void => {
    if (index < 0) {
      c.i32(0);
      return;
    }
    c.get(index);
    c.i32(3);
    c.op('i32.shl');
  };
  pushIndex();
  pushIndex();
  c.memory('i64.load', address);
  c.i64(1);
  c.op('i64.add');
  c.memory('i64.store', address);
}

/** Pushes the address of the descriptor of the region whose number is in a local. */
function descriptor(c: Code, region: number): void {
  c.get(region);
  c.i32(DESCRIPTOR_SHIFT);
  c.op('i32.shl');
  loadState(c, 'i32.load', DESCRIPTORS);
  c.op('i32.add');
}

/** Pushes whether the active address space is not known to have the code of the region whose number is in a local. */
function pushInvalid(c: Code, region: number): void {
  loadState(c, 'i32.load', TLB);
  c.get(region);
  c.op('i32.add');
  c.memory('i32.load8_u', VALIDITY);
  c.op('i32.eqz');
}

/** Calls the region whose number is in a local; its room is on the stack. */
function callRegion(c: Code, region: number, { first, regionType }: { first: number; regionType: number }): void {
  c.get(region);
  c.i32(first + MAX_REGIONS);
  c.op('i32.add');
  c.callIndirect(regionType);
}

/** (record) → next record, 0 to leave: what the record says, once. */
export function stepFunction(c: Code, handlerType: number): void {
  c.get(0);
  c.get(0);
  c.memory('i32.load16_u', R_OP);
  c.callIndirect(handlerType);
}

/** (record, handler) → next record, 0 to leave: one instruction, all steps of a repeated one that follow at once. */
export function repeatFunction(c: Code, handlerType: number): void {
  const again = c.loop();
  const next = c.local('i32');
  c.get(0);
  c.get(1);
  c.callIndirect(handlerType);
  c.tee(next);
  c.get(0);
  c.op('i32.eq');
  loadState(c, 'i32.load', RESYNC);
  c.op('i32.eqz');
  c.op('i32.and');
  c.brIf(again);
  c.end();
  c.get(next);
}

/**
 * (record) → next record, 0 to leave: enters the region that begins here if that is possible now, else executes the
 * instruction.
 * @param first handler number of region 0
 */
export function enterFunction(
  c: Code,
  parts: { first: number; lookup: number; handlerType: number; regionType: number; validate: number; stopped: number },
): void {
  const { first, lookup, handlerType, validate, stopped } = parts;
  const region = c.local('i32');
  const at = c.local('i32');
  const rest = c.local('i32');
  const target = c.local('i64');
  const record = c.local('i32');
  const handler = c.local('i32');
  const kind = c.local('i32');
  c.get(0);
  c.memory('i32.load16_u', R_OP);
  c.i32(first);
  c.op('i32.sub');
  c.set(region);
  descriptor(c, region);
  c.set(at);

  const refused = c.block();
  loadState(c, 'i64.load', PAGE_VA);
  c.get(at);
  c.memory('i64.load', D_ROOT);
  c.i64(PAGE_MASK);
  c.op('i64.and');
  c.op('i64.ne');
  c.brIf(refused);
  loadState(c, 'i32.load', FUEL);
  c.get(0);
  c.op('i32.sub');
  c.tee(rest);
  c.get(at);
  c.memory('i32.load', D_LEAST);
  c.op('i32.le_s');
  c.brIf(refused);
  requireControl(c, at, refused);
  pushInvalid(c, region);
  c.if();
  c.get(region);
  c.call(validate);
  c.op('i32.eqz');
  c.brIf(refused);
  c.end();

  c.i32(0);
  c.get(rest);
  c.memory('i32.store', REST);
  loadState(c, 'i32.load', STACK_ROOM);
  callRegion(c, region, parts);
  c.set(target);

  const stoppedHere = c.block();
  c.get(target);
  c.i64(UNWIND);
  c.op('i64.eq');
  c.if();
  loadState(c, 'i32.load', STOP_KIND);
  c.i32(KIND_ROOM);
  c.op('i32.ne');
  c.brIf(stoppedHere);
  loadState(c, 'i64.load', RIP);
  c.set(target);
  c.end();
  // Control went to an address: on at its record.
  increment(c, RETURNS);
  account(c, rest, () => loadState(c, 'i32.load', REST));
  c.i32(0);
  c.get(target);
  c.memory('i64.store', RIP);
  goOn(c, lookup, target, record);
  c.get(record);
  c.return();
  c.end();

  loadState(c, 'i32.load', STOP_KIND);
  c.i32(KIND_MASK);
  c.op('i32.and');
  c.tee(kind);
  increment(c, RETURNS, kind);
  c.i32(KIND_RECORD);
  c.op('i32.eq');
  c.if();
  loadState(c, 'i32.load', NEXT_RECORD);
  c.tee(record);
  c.if();
  account(c, rest, () => {
    loadState(c, 'i32.load', FUEL);
    c.get(record);
    c.op('i32.sub');
  });
  c.end();
  c.get(record);
  c.return();
  c.end();

  account(c, rest, () => loadState(c, 'i32.load', REST));
  c.call(stopped);
  loadState(c, 'i64.load', RIP);
  c.set(target);
  goOn(c, lookup, target, record);
  c.get(record);
  c.get(record);
  c.memory('i32.load16_u', R_OP);
  c.set(handler);
  // The instruction may be the first one of a region: then what tier 0 has for it.
  c.get(handler);
  c.i32(first);
  c.op('i32.sub');
  c.tee(region);
  c.i32(MAX_REGIONS);
  c.op('i32.lt_u');
  c.if();
  descriptor(c, region);
  c.memory('i32.load16_u', D_HANDLER);
  c.set(handler);
  c.end();
  c.get(handler);
  c.callIndirect(handlerType);
  c.return();
  c.end();

  increment(c, REFUSALS);
  c.get(0);
  c.get(at);
  c.memory('i32.load16_u', D_HANDLER);
  c.callIndirect(handlerType);
}

/**
 * (address, back, room) → address: goes on at an address, from region to region, until control comes to `back`, to a place
 * without a region that can be entered now, or a region stops. For calls inside of regions: what the callee leaves to does
 * not unwind the caller as long as it is translated.
 */
export function onwardFunction(c: Code, parts: { first: number; regionType: number }): void {
  const { first } = parts;
  const entry = c.local('i32');
  const region = c.local('i32');
  const at = c.local('i32');
  const page = c.local('i64');
  const out = c.block();
  const next = c.loop();
  c.get(0);
  c.get(1);
  c.op('i64.eq');
  c.brIf(out);
  c.get(2);
  c.i32(0);
  c.op('i32.lt_s');
  c.brIf(out);
  hinted(c, region);
  pushIsElsewhere(c, region, at);
  c.if();
  // Two roots may share a hint: the record knows.
  knownRecord(c, entry, page, out);
  c.get(entry);
  c.memory('i32.load16_u', R_OP);
  c.i32(first);
  c.op('i32.sub');
  c.tee(region);
  c.i32(MAX_REGIONS);
  c.op('i32.ge_u');
  c.brIf(out);
  pushIsElsewhere(c, region, at);
  c.brIf(out);
  c.end();
  loadState(c, 'i32.load', REST);
  c.get(at);
  c.memory('i32.load', D_LEAST);
  c.op('i32.le_s');
  c.brIf(out);
  requireControl(c, at, out);
  pushInvalid(c, region);
  c.brIf(out);
  c.get(2);
  callRegion(c, region, parts);
  c.set(0);
  c.br(next);
  c.end();
  c.end();
  c.get(0);
}

/** Sets a local to the region that may begin at the address in parameter 0. */
function hinted(c: Code, region: number): void {
  c.get(0);
  c.op('i32.wrap_i64');
  c.i32(TLB_HASH);
  c.op('i32.mul');
  c.i32(HINT_SHIFT);
  c.op('i32.shr_u');
  c.i32(HINT_MASK);
  c.op('i32.and');
  loadState(c, 'i32.load', HINTS);
  c.op('i32.add');
  c.memory('i32.load16_u', 0);
  c.set(region);
}

/** Sets a local to the descriptor of a region; pushes whether it does not begin at the address in parameter 0. */
function pushIsElsewhere(c: Code, region: number, at: number): void {
  descriptor(c, region);
  c.tee(at);
  c.memory('i64.load', D_ROOT);
  c.get(0);
  c.op('i64.ne');
}

/** Branches to a label when the region of a descriptor wants other control bits in MXCSR than there are. */
function requireControl(c: Code, at: number, refused: number): void {
  c.get(at);
  c.memory('i32.load16_u', D_FLAGS);
  c.i32(D_DEFAULT_SSE);
  c.op('i32.and');
  c.if();
  loadState(c, 'i32.load', MXCSR);
  c.i32(CONTROL_BITS);
  c.op('i32.and');
  c.i32(CONTROL_DEFAULT);
  c.op('i32.ne');
  c.brIf(refused);
  c.end();
}

/** TRANSLATED += before − after */
function account(c: Code, before: number, after: () => void): void {
  c.i32(0);
  loadState(c, 'i64.load', TRANSLATED);
  c.get(before);
  after();
  c.op('i32.sub');
  c.op('i64.extend_i32_s');
  c.op('i64.add');
  c.memory('i64.store', TRANSLATED);
}

/** record = that of the address in `target`, FUEL set for it; returns 0 from the function when there is none. */
function goOn(c: Code, lookup: number, target: number, record: number): void {
  c.i32(0);
  loadState(c, 'i32.load', REST);
  c.memory('i32.store', FUEL);
  c.get(target);
  c.call(lookup);
  c.tee(record);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  c.i32(0);
  loadState(c, 'i32.load', REST);
  c.get(record);
  c.op('i32.add');
  c.memory('i32.store', FUEL);
}
