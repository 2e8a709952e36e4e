/**
 * Integer instructions of generated programs. Each emits one instruction, with what it needs in front, and says what becomes
 * of the flags. @source Intel SDM vol. 2 and AMD APM vol. 3 for flags that are left undefined
 */
import {
  AF,
  ALL_FLAGS,
  CF,
  type Context,
  EXTENTS,
  highByte,
  OF,
  PF,
  RAX,
  RCX,
  RDI,
  RDX,
  RSI,
  reg,
  SF,
  SIZES,
  type Size,
  SUFFIX,
  ZF,
} from './context.js';
import { emitMaybeRisky, loadAddress, memory, riskyMemory } from './memory.js';

type Operation = (c: Context) => void;

const CONDITIONS: readonly [name: string, reads: number][] = [
  ['o', OF],
  ['no', OF],
  ['b', CF],
  ['ae', CF],
  ['e', ZF],
  ['ne', ZF],
  ['be', CF | ZF],
  ['a', CF | ZF],
  ['s', SF],
  ['ns', SF],
  ['p', PF],
  ['np', PF],
  ['l', SF | OF],
  ['ge', SF | OF],
  ['le', ZF | SF | OF],
  ['g', ZF | SF | OF],
];

/** A condition whose flags have values; makes one when there is none. */
export function condition(c: Context): string {
  const possible = CONDITIONS.filter(([, reads]) => c.has(reads));
  if (possible.length > 0) return c.r.pick(possible)[0];
  c.fixFlags();
  return condition(c);
}

const size = (c: Context): Size => c.r.pick(SIZES);
const wide = (c: Context): Size => c.r.pick([16, 32, 64]);

const LOCKABLE = /^(add|or|adc|sbb|and|sub|xor|inc|dec|neg|not)$/;

/** Memory for a destination: now and then with a lock, now and then one that may fault. */
function onMemory(c: Context, name: string, s: Size, source: string): void {
  const { r } = c;
  // Locked accesses over a cache line are throttled by some hosts.
  const lock = LOCKABLE.test(name) && r.chance(6);
  const operand = !lock && r.chance(14) ? riskyMemory(c) : memory(c, s / 8, lock);
  emitMaybeRisky(c, `${lock ? 'lock ' : ''}${name}${SUFFIX[s]} ${source}${operand}`);
}

const ALU: Record<string, [reads: number, defines: number, undefined_: number]> = {
  add: [0, ALL_FLAGS, 0],
  or: [0, ALL_FLAGS & ~AF, AF],
  adc: [CF, ALL_FLAGS, 0],
  sbb: [CF, ALL_FLAGS, 0],
  and: [0, ALL_FLAGS & ~AF, AF],
  sub: [0, ALL_FLAGS, 0],
  xor: [0, ALL_FLAGS & ~AF, AF],
  cmp: [0, ALL_FLAGS, 0],
  test: [0, ALL_FLAGS & ~AF, AF],
};
const ALU_NAMES = Object.keys(ALU);

const alu: Operation = (c) => {
  const { r } = c;
  let name = r.pick(ALU_NAMES);
  if (!c.has(ALU[name]![0])) name = 'add';
  const [, defines, lost] = ALU[name]!;
  const s = size(c);
  const x = SUFFIX[s];
  const target = c.target();
  const written = name === 'cmp' || name === 'test' ? c.source() : target;
  switch (r.below(name === 'test' ? 4 : 6)) {
    case 0:
      c.emit(`${name}${x} ${c.immediate(s)}, ${reg(written, s)}`);
      break;
    case 1: // high bytes
      c.emit(`${name}b ${r.chance(2) ? highByte(r.below(4)) : reg(r.below(4), 8)}, ${byteTarget(c)}`);
      break;
    case 2:
      onMemory(c, name, s, `${reg(c.source(), s)}, `);
      break;
    case 3:
      onMemory(c, name, s, `${c.immediate(s)}, `);
      break;
    case 4: {
      const operand = r.chance(14) ? riskyMemory(c) : memory(c, s / 8);
      emitMaybeRisky(c, `${name}${x} ${operand}, ${reg(c.target(), s)}`);
      break;
    }
    default:
      c.emit(`${name}${x} ${reg(r.chance(6) ? written : c.source(), s)}, ${reg(written, s)}`);
  }
  c.setFlags(defines, lost);
};

/** al, cl, dl, ah, ch, dh: with bl and bh when rbx may be written. */
function byteTarget(c: Context): string {
  const k = c.r.pick([0, 1, 2, 3].filter((n) => c.canWrite(n)));
  return c.r.chance(2) ? highByte(k) : reg(k, 8);
}

const unary: Operation = (c) => {
  const name = c.r.pick(['inc', 'dec', 'neg', 'not', 'inc', 'dec']);
  const s = size(c);
  if (c.r.chance(3)) onMemory(c, name, s, '');
  else c.emit(`${name}${SUFFIX[s]} ${c.r.chance(8) && s === 8 ? byteTarget(c) : reg(c.target(), s)}`);
  if (name === 'neg') c.setFlags(ALL_FLAGS);
  else if (name !== 'not') c.setFlags(ALL_FLAGS & ~CF);
};

const move: Operation = (c) => {
  const { r } = c;
  const s = size(c);
  const x = SUFFIX[s];
  switch (r.below(10)) {
    case 0:
      c.emit(`mov${x} ${c.immediate(s)}, ${reg(c.target(), s)}`);
      return;
    case 1:
      c.emit(`mov${x} ${reg(c.source(), s)}, ${reg(c.target(), s)}`);
      return;
    case 2:
      c.emit(`movb ${r.chance(2) ? highByte(r.below(4)) : reg(r.below(4), 8)}, ${byteTarget(c)}`);
      return;
    case 3:
    case 4:
      onMemory(c, 'mov', s, `${reg(c.source(), s)}, `);
      return;
    case 5:
      onMemory(c, 'mov', s, `${c.immediate(s)}, `);
      return;
    case 6: {
      const from = r.pick([8, 16, 32] as const);
      const to = from === 32 ? 64 : r.pick([32, 64] as const);
      const signed = from === 32 || r.chance(2);
      const operand = r.chance(2) ? reg(c.source(), from) : memory(c, from / 8);
      const name = from === 32 ? 'movslq' : `mov${signed ? 's' : 'z'}${SUFFIX[from]}${SUFFIX[to]}`;
      emitMaybeRisky(c, `${name} ${operand}, ${reg(c.target(), to)}`);
      return;
    }
    case 7: {
      const index = c.source();
      const operand = `${r.word() >> r.below(32)}(${reg(c.source(), 64)},${reg(index === 4 ? 0 : index, 64)},${r.pick([1, 2, 4, 8])})`;
      const to = wide(c);
      c.emit(`lea${SUFFIX[to]} ${operand}, ${reg(c.target(), to)}`);
      return;
    }
    case 8:
      if (s === 64 || s === 32) c.emit(`movnti ${reg(c.source(), s)}, ${memory(c, s / 8)}`);
      else c.emit(`movabsq $${BigInt.asIntN(64, r.integer())}, ${reg(c.target(), 64)}`);
      return;
    default: {
      const operand = r.chance(12) ? riskyMemory(c) : memory(c, s / 8);
      emitMaybeRisky(c, `mov${x} ${operand}, ${reg(c.target(), s)}`);
    }
  }
};

const exchange: Operation = (c) => {
  const { r } = c;
  const s = size(c);
  const x = SUFFIX[s];
  const target = c.target();
  const locked = r.chance(2);
  switch (r.below(6)) {
    case 0:
      c.emit(`xchg${x} ${reg(target, s)}, ${reg(c.target(), s)}`);
      return;
    case 1:
      c.emit(`xchg${x} ${reg(target, s)}, ${memory(c, s / 8, true, [target])}`);
      return;
    case 2:
      if (r.chance(2)) c.emit(`xadd${x} ${reg(target, s)}, ${reg(c.target(), s)}`);
      else c.emit(`${locked ? 'lock ' : ''}xadd${x} ${reg(target, s)}, ${memory(c, s / 8, locked, [target])}`);
      c.setFlags(ALL_FLAGS);
      return;
    case 3:
      if (r.chance(2)) c.emit(`cmpxchg${x} ${reg(c.source(), s)}, ${reg(target, s)}`);
      else c.emit(`${locked ? 'lock ' : ''}cmpxchg${x} ${reg(c.source(), s)}, ${memory(c, s / 8, locked, [RAX])}`);
      c.setFlags(ALL_FLAGS);
      return;
    case 4:
      c.emit(`cmpxchg8b ${memory(c, 8, false)}`);
      c.setFlags(ZF);
      return;
    default:
      c.emit(`bswap ${reg(target, r.pick([32, 64]))}`);
  }
};

const onFlags: Operation = (c) => {
  const { r } = c;
  const s = wide(c);
  switch (r.below(10)) {
    case 0:
    case 1:
      if (r.chance(3)) c.emit(`set${condition(c)} ${memory(c, 1)}`);
      else c.emit(`set${condition(c)} ${r.chance(6) ? byteTarget(c) : reg(c.target(), 8)}`);
      return;
    case 2:
    case 3: {
      // In front of the operand: it may have to emit something that writes a register.
      const cc = condition(c);
      const operand = r.chance(2) ? reg(c.source(), s) : memory(c, s / 8);
      emitMaybeRisky(c, `cmov${cc}${SUFFIX[s]} ${operand}, ${reg(c.target(), s)}`);
      return;
    }
    case 4:
      if (!c.has(CF)) return;
      c.emit(`${r.pick(['adc', 'sbb'])}${SUFFIX[s]} ${reg(c.source(), s)}, ${reg(c.target(), s)}`);
      c.setFlags(ALL_FLAGS);
      return;
    case 5: {
      // What has no value goes; the and leaves AF without one.
      c.emit('lahf');
      const lost = c.undefined & 0xff;
      if (lost === 0) return;
      c.emit(`andb $${((~lost & 0xff) << 24) >> 24}, %ah`);
      c.setFlags(ALL_FLAGS, AF);
      return;
    }
    case 6:
      c.emit('sahf');
      c.setFlags(CF | PF | AF | ZF | SF);
      return;
    case 7:
      c.emit('pushfq', `andq $${~c.undefined & 0xffff & ~0x300}, (%rsp)`);
      c.emit(`pop ${reg(c.target(), 64)}`);
      c.setFlags(ALL_FLAGS, AF);
      return;
    case 8: {
      // Any flags at all, and DF as it was: clear.
      c.emit(`push ${reg(c.source(), 64)}`, 'andq $0x8d5, (%rsp)', 'orq $0x202, (%rsp)', 'popfq');
      c.setFlags(ALL_FLAGS);
      return;
    }
    default: {
      const name = r.pick(['clc', 'stc', 'cmc']);
      if (name === 'cmc' && !c.has(CF)) return;
      c.emit(name);
      c.setFlags(CF);
    }
  }
};

const shift: Operation = (c) => {
  const { r } = c;
  const name = r.pick(['shl', 'shr', 'sar', 'rol', 'ror', 'rcl', 'rcr']);
  if (name.startsWith('rc') && !c.has(CF)) return;
  const s = size(c);
  const rotate = name.startsWith('r');
  const before = c.undefined;
  const operand = r.chance(4) ? memory(c, s / 8, false, [RCX]) : reg(c.target(), s);
  const how = r.below(3);
  if (how === 0) {
    c.emit(`${name}${SUFFIX[s]} %cl, ${operand}`);
    // The count may be 0, or more than the operand has bits.
    c.undefined = before | OF | (rotate ? 0 : AF | (s < 32 ? CF : 0));
    return;
  }
  const count = how === 1 ? 1 : 1 + r.below(s - 1);
  c.emit(`${name}${SUFFIX[s]} $${count}, ${operand}`);
  if (rotate) c.setFlags(count === 1 ? CF | OF : CF, count === 1 ? 0 : OF);
  else c.setFlags(ALL_FLAGS, count === 1 ? AF : AF | OF);
};

const doubleShift: Operation = (c) => {
  const s = c.r.pick([32, 64] as const);
  const name = c.r.pick(['shld', 'shrd']);
  const before = c.undefined;
  const operand = c.r.chance(3) ? memory(c, s / 8, false, [RCX]) : reg(c.target(), s);
  if (c.r.chance(3)) {
    c.emit(`${name}${SUFFIX[s]} %cl, ${reg(c.source(), s)}, ${operand}`);
    c.undefined = before | OF | AF;
    return;
  }
  const count = 1 + c.r.below(s - 1);
  c.emit(`${name}${SUFFIX[s]} $${count}, ${reg(c.source(), s)}, ${operand}`);
  c.setFlags(ALL_FLAGS, count === 1 ? AF : AF | OF);
};

const bits: Operation = (c) => {
  const { r } = c;
  const s = wide(c);
  const x = SUFFIX[s];
  if (r.chance(3)) {
    c.emit(
      `${r.pick(['bsf', 'bsr'])}${x} ${r.chance(2) ? reg(c.source(), s) : memory(c, s / 8)}, ${reg(c.target(), s)}`,
    );
    c.setFlags(ALL_FLAGS, ALL_FLAGS & ~ZF);
    return;
  }
  const name = r.pick(['bt', 'bts', 'btr', 'btc']);
  if (r.chance(3)) c.emit(`${name}${x} $${r.below(256) - 128}, ${memory(c, s / 8)}`);
  else c.emit(`${name}${x} ${r.chance(2) ? reg(c.source(), s) : `$${r.below(s)}`}, ${reg(c.target(), s)}`);
  c.setFlags(CF, ALL_FLAGS & ~(CF | ZF));
};

const multiply: Operation = (c) => {
  const { r } = c;
  const s = size(c);
  const x = SUFFIX[s];
  const w = wide(c);
  switch (r.below(4)) {
    case 0:
      c.emit(`${r.pick(['mul', 'imul'])}${x} ${r.chance(2) ? reg(c.source(), s) : memory(c, s / 8)}`);
      break;
    case 1:
      c.emit(
        `imul${SUFFIX[w]} ${c.immediate(w)}, ${r.chance(2) ? reg(c.source(), w) : memory(c, w / 8)}, ${reg(c.target(), w)}`,
      );
      break;
    default:
      c.emit(`imul${SUFFIX[w]} ${r.chance(2) ? reg(c.source(), w) : memory(c, w / 8)}, ${reg(c.target(), w)}`);
  }
  c.setFlags(CF | OF, ALL_FLAGS & ~(CF | OF));
};

const divide: Operation = (c) => {
  const { r } = c;
  const s = size(c);
  const x = SUFFIX[s];
  const signed = r.chance(2);
  const divisor = c.target(RAX, RDX);
  if (s === 8) c.emit(`${signed ? 'movsbw' : 'movzbw'} %al, %ax`);
  else if (signed) c.emit({ 16: 'cwtd', 32: 'cltd', 64: 'cqto' }[s]);
  else c.emit('movl $0, %edx');
  const before = c.undefined;
  const instruction = `${signed ? 'idiv' : 'div'}${x} ${reg(divisor, s)}`;
  if (!signed && r.chance(2)) {
    c.emit(`or${x} $1, ${reg(divisor, s)}`, instruction);
  } else if (r.chance(4)) {
    c.guarded(`${signed ? 'idiv' : 'div'}${x} ${memory(c, s / 8, false, [RAX, RDX])}`);
  } else c.guarded(instruction);
  c.undefined = before | ALL_FLAGS;
};

const convert: Operation = (c) => c.emit(c.r.pick(['cbtw', 'cwtl', 'cltq', 'cwtd', 'cltd', 'cqto', 'nop', 'pause']));

const stack: Operation = (c) => {
  const { r } = c;
  switch (r.below(6)) {
    case 0:
      c.emit(`push ${reg(c.source(), 64)}`, `pop ${reg(c.target(), 64)}`);
      return;
    case 1:
      c.emit(`pushq ${memory(c, 8)}`, `popq ${reg(c.target(), 64)}`);
      return;
    case 2: // rsp moves before a pop's address is formed: only operands without rsp
      c.emit(`pushq $${r.word()}`, `popq bss+${r.below(8184)}(%rip)`);
      return;
    case 3:
      c.emit(`push ${reg(c.source(), 16)}`, `pop ${reg(c.target(), 16)}`);
      return;
    case 4: {
      // A return that nobody called for.
      const next = c.label();
      const k = c.target();
      c.emit(`leaq ${next}(%rip), ${reg(k, 64)}`, `push ${reg(k, 64)}`, 'ret');
      c.place(next);
      return;
    }
    default: {
      // A call that nobody returns from.
      const next = c.label();
      c.emit(`call ${next}`);
      c.place(next);
      c.emit(`pop ${reg(c.target(), 64)}`);
    }
  }
};

/** String instructions, repeated and not, up and down, over page boundaries, and over the end of an extent. */
const string: Operation = (c) => {
  const { r } = c;
  const name = r.pick(['movs', 'stos', 'lods', 'cmps', 'scas']);
  const s = size(c);
  const bytes = s / 8;
  const compares = name === 'cmps' || name === 'scas';
  const prefix = r.chance(5) ? '' : compares ? r.pick(['repe ', 'repne ']) : 'rep ';
  const down = r.chance(5);
  const source = r.pick(EXTENTS);
  const target = r.chance(3) ? source : r.pick(EXTENTS);
  const most = Math.min(r.chance(4) ? 200 : 30, 4096 / bytes);
  const offset = (size_: number): number => {
    const room = most * bytes;
    const at = r.below(size_ - 2 * room) + room;
    return r.chance(3) ? Math.min(size_ - 2 * room, Math.max(room, (at & -4096) + 4096 - r.below(room))) : at;
  };
  const risky =
    !down &&
    prefix !== '' &&
    target.symbol === undefined &&
    target.at !== 0x20000000n &&
    target.at !== 0x30000000n &&
    r.chance(8);
  loadAddress(c, RSI, source, offset(source.size));
  loadAddress(c, RDI, target, risky ? target.size - r.below(most * bytes) : offset(target.size));
  if (prefix !== '') {
    if (r.chance(2)) c.emit(`movl $${r.chance(4) ? 0 : r.below(most)}, %ecx`);
    else {
      c.emit(`movzbl ${reg(c.source(), 8)}, %ecx`, `andl $${most >= 128 ? 127 : 15}, %ecx`);
      c.setFlags(ALL_FLAGS, AF);
    }
  }
  const before = c.undefined;
  if (down) c.emit('std');
  const instruction = `${prefix}${name}${SUFFIX[s]}`;
  // Flags of a comparison that faulted half-way differ between vendors.
  if (risky) c.guarded(instruction, compares ? 0 : ALL_FLAGS & ~c.undefined);
  else c.emit(instruction);
  c.cost += 8 * c.times;
  if (down) c.emit('cld');
  if (!compares) return;
  c.setFlags(ALL_FLAGS);
  // Without an element nothing is compared.
  c.undefined |= before;
  if (risky) c.undefined |= ALL_FLAGS;
};

export const INTEGER: readonly [weight: number, Operation][] = [
  [30, alu],
  [8, unary],
  [24, move],
  [4, exchange],
  [12, onFlags],
  [9, shift],
  [2, doubleShift],
  [4, bits],
  [5, multiply],
  [2, divide],
  [2, convert],
  [3, stack],
  [2, string],
];
