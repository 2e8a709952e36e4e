/** Emits the beginning of a region's function: where it is entered, whether there is time and room for it, registers into locals. */
import { RIP } from '../state.js';
import type { Code } from '../wasm/code.js';
import { ROOM } from './calls.js';
import { DOOR, KIND_ROOM, REST, STOP_KIND, UNWIND } from './layout.js';
import type { Plan } from './plan.js';
import type { Registers } from './registers.js';
import type { WaysOut } from './ways-out.js';

/**
 * @param least what has to be left of the slice
 * @returns local that is not 0 when the region was entered at a door; −1 when it has none
 */
export function emitEntry(
  code: Code,
  { region, blocks }: Plan,
  registers: Registers,
  out: WaysOut,
  least: number,
): number {
  const hasDoors = region.doors.length > 0;
  const viaDoor = hasDoors ? whichDoor(code, region.root, out) : -1;
  code.i32(0);
  code.memory('i32.load', REST);
  code.tee(out.rest);
  code.i32(least);
  code.op('i32.le_s');
  code.rarely();
  if (hasDoors) code.get(out.rip);
  else code.i64(region.root);
  code.return();
  code.end();
  code.get(ROOM);
  code.i32(0);
  code.op('i32.lt_s');
  code.rarely();
  // Were it only refused, each caller would go on from there with what room it has left: one call at a time.
  code.i32(0);
  code.i32(KIND_ROOM);
  code.memory('i32.store', STOP_KIND);
  code.i32(0);
  if (hasDoors) code.get(out.rip);
  else code.i64(region.root);
  code.memory('i64.store', RIP);
  code.i64(UNWIND);
  code.return();
  code.end();
  registers.load(blocks[0]!.liveIn);
  return viaDoor;
}

/** rip = where the region is entered. */
function whichDoor(code: Code, root: number, out: WaysOut): number {
  const viaDoor = code.local('i32');
  code.i32(0);
  code.memory('i64.load', DOOR);
  code.tee(out.rip);
  code.op('i64.eqz');
  code.if();
  code.i64(root);
  code.set(out.rip);
  code.else();
  code.i32(1);
  code.set(viaDoor);
  code.i32(0);
  code.i64(0);
  code.memory('i64.store', DOOR);
  code.end();
  return viaDoor;
}
