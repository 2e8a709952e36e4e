/**
 * Jumps of function mode: from an address to its record, with the accounting of the slice. See runtime.ts for FUEL.
 */
import { EXIT_SLICE } from '../exits.js';
import { R_DISP, R_TARGET, RECORD_SIZE } from '../record.js';
import { EXIT_REASON, FUEL, PAGE_SIZE, PAGE_VA, RESYNC, RIP, SLOW_EA, SLOW_PC, TLB, TLB_EXEC } from '../state.js';
import type { Code } from '../wasm/code.js';
import { tlbOffset } from './frame.js';

/**
 * Sets two locals to the record and the page (i64) of the address in parameter 0, as far as the instruction TLB and the
 * decoded code of that page know; branches to a label when they do not.
 */
export function knownRecord(c: Code, record: number, page: number, unknown: number): void {
  c.i32(0);
  c.memory('i32.load', TLB);
  tlbOffset(c, 0);
  c.op('i32.add');
  c.tee(record);
  c.memory('i64.load', TLB_EXEC);
  c.get(0);
  c.i64(-PAGE_SIZE);
  c.op('i64.and');
  c.tee(page);
  c.op('i64.ne');
  c.brIf(unknown);
  c.get(record);
  c.memory('i32.load', TLB_EXEC + 8);
  c.get(0);
  c.op('i32.wrap_i64');
  c.i32(PAGE_SIZE - 1);
  c.op('i32.and');
  c.i32(2);
  c.op('i32.shl');
  c.op('i32.add');
  c.memory('i32.load', 0);
  c.tee(record);
  c.op('i32.eqz');
  c.brIf(unknown);
}

/** (address) → record or 0; sets PAGE_VA */
export function lookUp(c: Code, fetch: number): void {
  const record = c.local('i32');
  const page = c.local('i64');
  const unknown = c.block();
  knownRecord(c, record, page, unknown);
  c.i32(0);
  c.get(page);
  c.memory('i64.store', PAGE_VA);
  c.get(record);
  c.return();
  c.end();
  c.i32(0);
  c.get(0);
  c.memory('i64.store', SLOW_EA);
  c.call(fetch);
}

/** FUEL += to − from, without counting an instruction. `from` and `to` are locals. */
export function moveFuel(c: Code, to: number, from: number): void {
  c.i32(0);
  c.i32(0);
  c.memory('i32.load', FUEL);
  c.get(to);
  c.op('i32.add');
  c.get(from);
  c.op('i32.sub');
  c.memory('i32.store', FUEL);
}

/** Ends the slice when local `rest` is not positive: leaves with `record` as the place to go on. */
function endSlice(c: Code, rest: number, record: number): void {
  c.get(rest);
  c.i32(0);
  c.op('i32.le_s');
  c.if();
  c.i32(0);
  c.i32(EXIT_SLICE);
  c.memory('i32.store', EXIT_REASON);
  c.i32(0);
  c.get(record);
  c.memory('i32.store', SLOW_PC);
  c.i32(0);
  c.return();
  c.end();
}

/** rest = FUEL − (pc + 32) */
function restBehind(c: Code, rest: number): void {
  c.i32(0);
  c.memory('i32.load', FUEL);
  c.get(0);
  c.op('i32.sub');
  c.i32(RECORD_SIZE);
  c.op('i32.sub');
  c.set(rest);
}

/** (pc, target record) → record or 0 */
export function takeJump(c: Code): void {
  const rest = c.local('i32');
  restBehind(c, rest);
  storeFuel(c, () => {
    c.get(rest);
    c.get(1);
    c.op('i32.add');
  });
  endSlice(c, rest, 1);
  c.get(1);
}

function storeFuel(c: Code, amount: () => void): void {
  c.i32(0);
  amount();
  c.memory('i32.store', FUEL);
}

function storeRip(c: Code, address: () => void): void {
  c.i32(0);
  address();
  c.memory('i64.store', RIP);
}

/** (pc, address) → record or 0 */
export function goTo(c: Code, lookup: number): void {
  const rest = c.local('i32');
  const target = c.local('i32');
  restBehind(c, rest);
  storeFuel(c, () => c.get(rest));
  storeRip(c, () => c.get(1));
  c.get(1);
  c.call(lookup);
  c.tee(target);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  storeFuel(c, () => {
    c.get(rest);
    c.get(target);
    c.op('i32.add');
  });
  endSlice(c, rest, target);
  c.get(target);
}

function directTarget(c: Code): void {
  c.i32(0);
  c.memory('i64.load', PAGE_VA);
  c.get(0);
  c.memory('i64.load32_s', R_DISP);
  c.op('i64.add');
}

/** (pc) → record or 0: a direct jump within the page; remembers the target's record. */
export function jumpNear(c: Code, lookup: number, taken: number): void {
  const rest = c.local('i32');
  const target = c.local('i32');
  c.get(0);
  c.memory('i32.load', R_TARGET);
  c.tee(target);
  c.op('i32.eqz');
  c.if();
  restBehind(c, rest);
  storeFuel(c, () => c.get(rest));
  storeRip(c, () => directTarget(c));
  c.i32(0);
  c.memory('i64.load', RIP);
  c.call(lookup);
  c.tee(target);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  // The look-up may have dropped this record (RESYNC says so): then it must not be written to.
  c.i32(0);
  c.memory('i32.load', RESYNC);
  c.op('i32.eqz');
  c.if();
  c.get(0);
  c.get(target);
  c.memory('i32.store', R_TARGET);
  c.end();
  storeFuel(c, () => {
    c.get(rest);
    c.get(0);
    c.op('i32.add');
    c.i32(RECORD_SIZE);
    c.op('i32.add');
  });
  c.end();
  c.get(0);
  c.get(target);
  c.call(taken);
}

/** (pc) → record or 0: falls through into another page; no instruction. */
export function goOnAt(c: Code, lookup: number): void {
  const target = c.local('i32');
  storeFuel(c, () => {
    c.i32(0);
    c.memory('i32.load', FUEL);
    c.get(0);
    c.op('i32.sub');
  });
  storeRip(c, () => directTarget(c));
  c.i32(0);
  c.memory('i64.load', RIP);
  c.call(lookup);
  c.tee(target);
  c.if();
  storeFuel(c, () => {
    c.i32(0);
    c.memory('i32.load', FUEL);
    c.get(target);
    c.op('i32.add');
  });
  c.end();
  c.get(target);
}
