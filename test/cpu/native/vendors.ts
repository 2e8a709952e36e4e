/**
 * Where processors of Intel and AMD differ although both keep to their manuals. Banos does what AMD's do (Zen 4); `onIntel`
 * turns its outcome into what Intel's do, so that the comparison accepts exactly two outcomes, not a range of them.
 * Every difference but the first shows only in the state that a fault leaves behind.
 *
 * 1. A repeated string instruction with 32-bit addresses (67): Intel cuts rcx and the address registers that it owns to
 *    32 bits even when it has not executed a single element; AMD leaves them alone then.
 * 2. A repeated cmps or scas that faults behind its first element: Intel takes the flags back to what they were before
 *    the instruction (SDM vol. 2, REP); AMD leaves those of the last comparison.
 * 3. A call to a non-canonical address: Intel has stored the return address below rsp when it raises #GP.
 * 4. maskmovdqu: Intel touches the upper eight bytes first, so that they name the fault.
 * 5. A store of an MMX register that faults: Intel has set TOP to 0 already.
 *
 * Two more are kept out of the cases (generate.ts): an x87 store that both raises an unmasked exception and cannot reach
 * its memory (Intel reports the first, AMD the second), and an access that runs from the lower half into the hole
 * of non-canonical addresses.
 */
import type { Form } from './generate.js';
import * as n from './native.js';

const SIGBUS = 7;
const SIGSEGV = 11;
const SI_KERNEL = 0x80;
const SEGV_MAPERR = 1;
const TRAP_GP = 13;
const TRAP_PF = 14;
const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_USER = 4;

const RCX = 1;
const RSP = 4;
const RSI = 6;
const RDI = 7;

const ADDRESS_SIZE = 0x67;
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, ADDRESS_SIZE, 0xf0, 0xf2, 0xf3]);

/** Registers that a repetition counts and moves with. */
const OWNED: Readonly<Record<string, readonly number[]>> = {
  movs: [RCX, RSI, RDI],
  stos: [RCX, RDI],
  lods: [RCX],
  cmps: [RCX],
  scas: [RCX],
};

const TOP = 0x3800;

function hasPrefix(input: Buffer, prefix: number): boolean {
  for (let at = n.IN_CODE; PREFIXES.has(input[at]!); at++) if (input[at] === prefix) return true;
  return false;
}

/** Where a fault in the upper half of a maskmovdqu lies: its address; undefined when that half is accessible. */
function faultInUpperHalf(input: Buffer): bigint | undefined {
  const from = input.readBigUInt64LE(n.IN_GPR + 8 * RDI) + 8n;
  for (let at = from; at < from + 8n; at++) {
    const address = BigInt.asUintN(64, at);
    if (address < BigInt(n.DATA) || address >= BigInt(n.DATA + 8192)) return address;
  }
  return undefined;
}

function setWriteFault(out: Buffer, address: bigint): void {
  const canonical = BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
  const kernelHalf = address >> 63n === 1n;
  const err = PF_WRITE | PF_USER | (kernelHalf ? PF_PRESENT : 0);
  out.writeInt32LE(canonical ? SEGV_MAPERR : SI_KERNEL, n.OUT_CODE);
  out.writeBigUInt64LE(canonical ? address : 0n, n.OUT_ADDRESS);
  out.writeBigUInt64LE(canonical ? address : 0n, n.OUT_CR2);
  out.writeBigUInt64LE(BigInt(canonical ? TRAP_PF : TRAP_GP), n.OUT_TRAPNO);
  out.writeBigUInt64LE(BigInt(canonical ? err : 0), n.OUT_ERR);
}

/** Sets TOP to 0. The physical registers stay, so that their numbers relative to TOP rotate. */
function clearTop(out: Buffer): void {
  const status = out.readUInt16LE(n.OUT_FX + 2);
  const top = (status & TOP) >> 11;
  const registers = Buffer.from(out.subarray(n.OUT_FX + 32, n.OUT_FX + 160));
  for (let i = 0; i < 8; i++) registers.copy(out, n.OUT_FX + 32 + 16 * ((i + top) & 7), 16 * i, 16 * i + 16);
  out.writeUInt16LE(status & ~TOP, n.OUT_FX + 2);
}

/** @returns the outcome of the case on Intel's processors, given what it is `here`; undefined when they agree */
export function onIntel({ row, form }: Form, input: Buffer, here: Buffer): Buffer | undefined {
  const { name } = row;
  const signal = here.readUInt32LE(n.OUT_SIGNAL);
  const segv = signal === SIGSEGV;
  const out = Buffer.from(here);
  const owned = row.prefix === 'f2' || row.prefix === 'f3' ? OWNED[name] : undefined;
  if (owned !== undefined) {
    if (hasPrefix(input, ADDRESS_SIZE)) for (const k of owned) out.writeUInt32LE(0, n.OUT_GPR + 8 * k + 4);
    if (segv && /^(cmps|scas)$/.test(name)) out.writeUInt32LE(input.readUInt32LE(n.IN_RFLAGS), n.OUT_RFLAGS);
  } else if (name === 'call' && segv && here.readInt32LE(n.OUT_CODE) === SI_KERNEL) {
    const at = input.readBigUInt64LE(n.IN_GPR + 8 * RSP) - 8n - BigInt(n.BLOCK_AT);
    if (at < 0n || at > BigInt(n.BLOCK - 8)) return undefined;
    out.writeBigUInt64LE(BigInt(n.CODE_AT + input.readUInt32LE(n.IN_LENGTH)), n.OUT_BLOCK + Number(at));
  } else if (name === 'maskmovdqu' && segv) {
    const address = faultInUpperHalf(input);
    if (address !== undefined) setWriteFault(out, address);
  } else if ((segv || signal === SIGBUS) && form === 'm' && row.map === 1 && row.operands[1]?.letter === 'P') {
    clearTop(out);
  }
  return out.equals(here) ? undefined : out;
}
