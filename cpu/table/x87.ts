/**
 * x87 in the instruction table: one row per row of x87/table.ts, all executed by helpers, and fxsave and fxrstor.
 */
import { TRAP_GP, TRAP_MF } from '../exits.js';
import { readFlags, writeFlags } from '../flags.js';
import type { Helper, HelperContext } from '../helpers.js';
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { R_A } from '../record.js';
import { FDP, FIP, GPR, PAGE_SIZE, RAX, SCRATCH_XMM, TEMP0 } from '../state.js';
import {
  FXSAVE_WRITTEN,
  restoreFx,
  runX87Row,
  saveFx,
  X87_MF,
  X87_SET_AX,
  X87_SET_FLAGS,
  X87_TABLE,
  type X87Row,
  x87Of,
  x87OperandBytes,
} from '../x87/index.js';
import { type Row, row } from './row.js';
import { checkMmx as checkPending } from './sse-common.js';
import { FAST_FORMS } from './x87-fast.js';

const FLAGS_OF_COMPARE = 0x8d5;

/** Executes a row on the operand at `at` (byte address in the memory). @returns false: #MF was raised */
function execute(cpu: HelperContext, source: X87Row, modrm: number, at: number): boolean {
  const { memory } = cpu;
  const unit = x87Of(memory);
  if (source.readsFlags) unit.flags = readFlags(memory);
  const outcome = runX87Row(unit, source, modrm, at);
  if (outcome === X87_MF) {
    cpu.raise(TRAP_MF);
    return false;
  }
  if (outcome === X87_SET_FLAGS) writeFlags(memory, (readFlags(memory) & ~FLAGS_OF_COMPARE) | unit.flags);
  else if (outcome === X87_SET_AX) memory.view.setUint16(RAX, unit.ax, true);
  return true;
}

/** Executes by the fast form, where there is one, or by the helper, and notes the instruction's address. */
function perform(b: Builder, source: X87Row, modrm: number, helper: Helper, pa?: Value): void {
  const key = `${hex(source.opcode)} ${source.count > 0 ? hex(modrm) : `/${source.modrm}`}`;
  const fast = FAST_FORMS.get(key);
  if (fast === undefined) b.helper(helper, pa);
  else {
    if (pa === undefined) checkPending(b);
    fast(b, pa, ((source.opcode & 7) << 8) | modrm, () => b.helper(helper, pa));
  }
  noteInstruction(b, source);
}

function noteInstruction(b: Builder, source: X87Row): void {
  if (source.control !== true) b.set(FIP, 'i64.store', b.instructionAddress());
}

/**
 * An operand that may be too wide for the run loop's bounce area: its first byte is probed, and the first byte of its
 * second page when it has one, whose physical address goes to TEMP0.
 */
function wideOperand(b: Builder, bytes: number, write: boolean, helper: Helper): void {
  const ea = b.effectiveAddress();
  const first = b.probe(ea, { size: 1, write, aligned: false });
  const lastPage = b.bin('and', b.bin('add', ea, b.i64(bytes - 1)), b.i64(-PAGE_SIZE));
  const crosses = b.bin('ne', b.bin('and', ea, b.i64(-PAGE_SIZE)), lastPage);
  const second = b.probe(b.select(lastPage, ea, crosses), { size: 1, write, aligned: false });
  b.set(TEMP0, 'i32.store', second);
  b.helper(helper, first);
}

/** Where such an operand is put together: 512 bytes of the processor's own frames. */
const BOUNCE = SCRATCH_XMM + 0x100;

/** Runs `action` on a wide operand of `bytes` bytes at `pa`, or on a copy when a page boundary cuts it. */
function withWide(
  cpu: HelperContext,
  pa: number,
  bytes: number,
  write: boolean,
  action: (at: number) => boolean,
): boolean {
  const { u8, i32 } = cpu.memory;
  const first = pa >>> 0;
  const head = PAGE_SIZE - (first & (PAGE_SIZE - 1));
  if (head >= bytes) return action(first);
  const second = i32[TEMP0 >> 2]! >>> 0;
  u8.copyWithin(BOUNCE, first, first + head);
  u8.copyWithin(BOUNCE + head, second, second + bytes - head);
  if (!action(BOUNCE)) return false;
  if (write) {
    u8.copyWithin(first, BOUNCE, BOUNCE + head);
    u8.copyWithin(second, BOUNCE + head, BOUNCE + bytes);
  }
  return true;
}

/** Memory form: probes the operand, executes, then notes its address. */
function memoryRow(source: X87Row): Row {
  const { name, opcode, modrm: field, bytes } = source;
  const modrm = field << 3;
  const write = source.access === 'w';
  const helper: Helper = (cpu, _record, pa) => execute(cpu, source, modrm, pa);
  return row(`${hex(opcode)} /${field}`, name, 'Mt', (b) => {
    if (!source.noWait) checkPending(b);
    perform(b, source, modrm, helper, b.probe(b.effectiveAddress(), { size: bytes, write, aligned: false }));
    if (source.control !== true) b.set(FDP, 'i64.store', b.effectiveAddress());
  });
}

/** fldenv, fnstenv, frstor, fnsave: two layouts, and too wide for the run loop's bounce area. */
function imageRow(source: X87Row): Row {
  const { name, opcode, modrm: field } = source;
  const write = source.access === 'w';
  const helperFor = (operand16: boolean): Helper => {
    const bytes = x87OperandBytes(source, operand16);
    return (cpu, _record, pa) =>
      withWide(cpu, pa, bytes, write, (at) => {
        x87Of(cpu.memory).operand16 = operand16;
        return execute(cpu, source, field << 3, at);
      });
  };
  const narrow = helperFor(true);
  const wide = helperFor(false);
  return row(`${hex(opcode)} /${field}`, name, 'Mv', (b) => {
    if (!source.noWait) checkPending(b);
    const operand16 = b.size === 16;
    wideOperand(b, x87OperandBytes(source, operand16), write, operand16 ? narrow : wide);
    noteInstruction(b, source);
  });
}

function registerRow(source: X87Row): Row {
  const { name, opcode, modrm: first, count } = source;
  const field = (first >> 3) & 7;
  const options = { readsFlags: source.readsFlags === true };
  if (count === 1) {
    const helper: Helper = (cpu) => execute(cpu, source, first, 0);
    return row(`${hex(opcode)} /${field} rm=${first & 7}`, name, '', (b) => perform(b, source, first, helper), options);
  }
  // ST(i) has the number of the general register that the record names.
  const helper: Helper = (cpu, record) => {
    const i = ((cpu.memory.view.getUint16(record + R_A, true) - GPR) >> 3) & 7;
    return execute(cpu, source, first + i, 0);
  };
  return row(`${hex(opcode)} /${field}`, name, 'Rq', (b) => perform(b, source, first, helper), options);
}

const hex = (byte: number): string => byte.toString(16);

const IMAGE_BYTES = 512;

const fxsave: Helper = (cpu, _record, pa) =>
  withWide(cpu, pa, FXSAVE_WRITTEN, true, (at) => {
    saveFx(cpu.memory, cpu.memory.u8, at);
    return true;
  });

const fxrstor: Helper = (cpu, _record, pa) =>
  withWide(cpu, pa, FXSAVE_WRITTEN, false, (at) => {
    if (restoreFx(cpu.memory, cpu.memory.u8, at)) return true;
    cpu.raise(TRAP_GP);
    return false;
  });

function fxRow(field: number, name: string, helper: Helper, write: boolean): Row {
  return row(`np 0f ae /${field}`, name, 'Mt', (b) => {
    const ea = b.effectiveAddress();
    b.trapIf(b.bin('and', b.wrap(ea), b.i32(15)), TRAP_GP);
    // The processor looks at the far end of the image first.
    b.probe(b.bin('add', ea, b.i64(IMAGE_BYTES - 1)), { size: 1, write, aligned: false });
    wideOperand(b, FXSAVE_WRITTEN, write, helper);
  });
}

export const x87Rows: readonly Row[] = [
  ...X87_TABLE.flatMap((source) => {
    if (source.opcode === 0x9b) return [row('9b', 'fwait', '', (b) => b.helper((cpu) => execute(cpu, source, 0, 0)))];
    if (source.count > 0) return [registerRow(source)];
    return [source.bytes >= 28 ? imageRow(source) : memoryRow(source)];
  }),
  fxRow(0, 'fxsave', fxsave, true),
  fxRow(1, 'fxrstor', fxrstor, false),
];
