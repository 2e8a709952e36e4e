/**
 * Data movement: mov and its extensions, lea, the stack, exchanges, conditional moves and sets, flag transfers.
 * @source Intel SDM vol. 2
 */
import { TRAP_GP } from '../exits.js';
import { FLAG_DF, FLAG_NT, FLAGS_FIXED, FLAGS_OTHER } from '../flags.js';
import type { Helper } from '../helpers.js';
import type { Builder } from '../ir/builder.js';
import { CC_NAMES, type IntSize, type Value } from '../ir/ir.js';
import { R_IMM } from '../record.js';
import { AUX, CF, DF, OTHER_FLAGS, RAX, RBP, RBX, RES, RSP } from '../state.js';
import { type Row, row } from './row.js';

type Semantics = (b: Builder) => void;

const LOAD = '32r 64r 32bd 64bd 32bis 64bis';
const move: Semantics = (b) => b.write(0, b.read(1));

/** Operand 1 extended to the size of operand 0. */
function extend(signed: boolean): Semantics {
  return (b) => {
    const from = b.sizeOf(1);
    const narrow = signed ? b.readSigned(1) : b.read(1);
    b.write(0, b.size === 64 ? b.widen(narrow, from, signed) : narrow);
  };
}

function exchange(b: Builder): void {
  const x = b.modify(0);
  const y = b.read(1);
  b.write(1, x);
  b.write(0, y);
}

function exchangeAdd(b: Builder): void {
  const x = b.modify(0);
  const y = b.read(1);
  const res = b.bin('add', x, y);
  b.write(1, x);
  b.write(0, res);
  b.flags('add', { a: x, b: y, res });
}

/** Writes memory in either case, as the hardware does; the accumulator only when they differ. */
function compareExchange(b: Builder): void {
  const x = b.modify(0);
  const accumulator = b.gpr(0);
  const source = b.read(1);
  const equal = b.bin('eq', accumulator, x);
  const res = b.bin('sub', accumulator, x);
  if (b.isMemory(0)) {
    b.write(0, b.select(source, x, equal));
    b.if(b.eqz(equal), () => b.setGpr(0, x));
  } else {
    b.if(
      equal,
      () => b.write(0, source),
      () => b.setGpr(0, x),
    );
  }
  b.flags('sub', { a: accumulator, b: x, res });
}

/** cmpxchg8b and 16b: rdx:rax against memory, rcx:rbx into it; only ZF changes. */
function compareExchangePair(size: IntSize): Semantics {
  return (b) => {
    const bytes = size / 8;
    const pa = b.probe(b.effectiveAddress(), { size: bytes * 2, write: true, aligned: size === 64 });
    const load = size === 64 ? 'i64.load' : 'i32.load';
    const store = size === 64 ? 'i64.store' : 'i32.store';
    const low = b.loadAt(pa, load);
    const high = b.loadAt(pa, load, bytes);
    const equal = b.bin('and', b.bin('eq', low, b.gpr(0, size)), b.bin('eq', high, b.gpr(2, size)));
    const word = flagsWord(b);
    b.storeAt(pa, store, b.select(b.get(RBX, load), low, equal));
    b.storeAt(pa, store, b.select(b.gpr(1, size), high, equal), bytes);
    b.if(b.eqz(equal), () => {
      b.setGpr(0, low, size);
      b.setGpr(2, high, size);
    });
    const zero = b.bin('shl', equal, b.i32(6));
    setFlagsWord(b, b.bin('or', b.bin('and', word, b.i32(~0x40)), zero));
  };
}

/** rflags as an i32 without the fixed bits: arithmetic flags, DF and the others. */
export function flagsWord(b: Builder): Value {
  const at = (value: Value, bit: number): Value => b.bin('shl', value, b.i32(bit));
  const half = b.bin('and', b.wrap(b.get(AUX, 'i64.load')), b.i32(0x10));
  return [
    b.carry(),
    at(b.cond(10), 2),
    at(b.cond(4), 6),
    at(b.cond(8), 7),
    at(b.cond(0), 11),
    at(b.get(DF, 'i32.load'), 10),
    b.get(OTHER_FLAGS, 'i32.load'),
  ].reduce((word, part) => b.bin('or', word, part), half);
}

/** Sets the arithmetic flags from a word with rflags layout (see writeFlags in flags.ts for the encoding). */
function setFlagsWord(b: Builder, word: Value): void {
  const bit = (n: number): Value => b.bin('and', b.bin('shr_u', word, b.i32(n)), b.i32(1));
  const zero = bit(6);
  const carry = bit(0);
  const flip = b.bin('shl', b.bin('xor', zero, bit(2)), b.i32(8));
  const low = b.bin('or', b.bin('and', word, b.i32(0x10)), flip);
  const high = b.bin('or', b.bin('shl', b.bin('xor', carry, bit(11)), b.i32(31)), b.bin('shl', bit(7), b.i32(30)));
  b.set(RES, 'i64.store', b.widen(b.eqz(zero), 32, false));
  b.set(AUX, 'i32.store', low);
  b.set(AUX + 4, 'i32.store', high);
  b.set(CF, 'i32.store', carry);
}

function pushFlags(b: Builder): void {
  const word = b.bin('or', flagsWord(b), b.i32(FLAGS_FIXED));
  b.push(b.size === 64 ? b.widen(word, 32, false) : word, b.size);
}

function popFlags(b: Builder): void {
  const word = b.wrap(b.top(b.size));
  b.adjustStack(b.i64(b.size / 8));
  const changes = b.size === 16 ? FLAG_NT : FLAGS_OTHER;
  const kept = b.bin('and', b.get(OTHER_FLAGS, 'i32.load'), b.i32(~changes));
  b.set(OTHER_FLAGS, 'i32.store', b.bin('or', kept, b.bin('and', word, b.i32(changes))));
  b.set(DF, 'i32.store', b.op('i32.ne', [b.bin('and', word, b.i32(FLAG_DF)), b.i32(0)]));
  setFlagsWord(b, word);
}

function storeAh(b: Builder): void {
  const ah = b.get(RAX + 1, 'i32.load8_u');
  const overflow = b.bin('shl', b.cond(0), b.i32(11));
  setFlagsWord(b, b.bin('or', b.bin('and', ah, b.i32(0xd5)), overflow));
}

/** The address is computed with rsp already moved, which matters for an rsp-based operand. */
function popMemory(b: Builder): void {
  const bytes = b.size / 8;
  const v = b.top(b.size);
  const old = b.get(RSP, 'i64.load');
  if (!b.isMemory(0)) {
    b.set(RSP, 'i64.store', b.bin('add', old, b.i64(bytes)));
    b.write(0, v);
    return;
  }
  const pa = b.probe(b.bin('add', b.effectiveAddress(), b.select(b.i64(bytes), b.i64(0), b.stackBase())), {
    size: bytes,
    write: true,
    aligned: false,
  });
  b.storeAt(pa, b.size === 64 ? 'i64.store' : 'i32.store16', v);
  b.set(RSP, 'i64.store', b.bin('add', old, b.i64(bytes)));
}

function leave(b: Builder): void {
  const rbp = b.get(RBP, 'i64.load');
  const pa = b.probe(rbp, { size: b.size / 8, write: false, aligned: false, stack: true });
  const saved = b.loadAt(pa, b.size === 64 ? 'i64.load' : 'i32.load16_u');
  b.set(RSP, 'i64.store', b.bin('add', rbp, b.i64(b.size / 8)));
  b.setGpr(5, saved);
}

/**
 * enter: pushes rbp, for a nesting level above 0 also the frame pointers of the outer levels and the new one, then makes
 * room for locals. As on the hardware, what was pushed before a fault stays written.
 */
function enter(bytes: number): Helper {
  return (cpu, record) => {
    const { memory } = cpu;
    const room = memory.view.getUint16(record + R_IMM, true);
    const level = memory.u8[record + R_IMM + 2]! & 31;
    const number = (at: number): number =>
      memory.view.getInt32(at + 4, true) * 2 ** 32 + memory.view.getUint32(at, true);
    const frame = number(RSP) - bytes;
    const outer = number(RBP);
    const pushes = level === 0 ? 1 : level + 1;
    const frameBytes = new DataView(new ArrayBuffer(8));
    frameBytes.setUint32(0, frame % 2 ** 32, true);
    frameBytes.setInt32(4, Math.floor(frame / 2 ** 32), true);
    for (let i = 0; i < pushes; i++) {
      let from = RBP;
      if (i > 0 && i < level) from = cpu.access(record, outer - i * bytes, bytes, false);
      if (from === 0) return false;
      const value =
        i > 0 && i === level ? new Uint8Array(frameBytes.buffer, 0, bytes) : memory.u8.slice(from, from + bytes);
      const to = cpu.access(record, frame - i * bytes, bytes, true);
      if (to === 0) return false;
      memory.u8.set(value, to);
      cpu.commit();
    }
    memory.u8.set(new Uint8Array(frameBytes.buffer, 0, bytes), RBP);
    const top = frame - (pushes - 1) * bytes - room;
    memory.view.setUint32(RSP, top % 2 ** 32, true);
    memory.view.setInt32(RSP + 4, Math.floor(top / 2 ** 32), true);
    return true;
  };
}
const enterBySize: Partial<Record<IntSize, Helper>> = { 16: enter(2), 64: enter(8) };

function conditionalRows(): Row[] {
  return CC_NAMES.flatMap((cc, code) => [
    row(
      `0f ${(0x40 + code).toString(16)}`,
      `cmov${cc}`,
      'Gv,Ev',
      (b) => b.write(0, b.select(b.read(1), b.read(0), b.cond(code))),
      {
        hot: '32r 64r',
      },
    ),
    row(`0f ${(0x90 + code).toString(16)}`, `set${cc}`, 'Eb', (b) => b.write(0, b.cond(code)), {
      hot: cc === 'e' || cc === 'ne' ? '8r 8bd' : '8r',
    }),
  ]);
}

function byteSwap(b: Builder): void {
  const x = b.read(0);
  if (b.size !== 64) {
    // The 16-bit form is undefined; processors write zero.
    const swapped = b.bin(
      'or',
      b.bin('rotl', b.bin('and', x, b.i32(0x00ff00ff)), b.i32(24)),
      b.bin('and', b.bin('rotl', x, b.i32(8)), b.i32(0x00ff00ff)),
    );
    b.write(0, b.size === 32 ? swapped : b.i32(0));
    return;
  }
  const pairs = (v: Value, mask: bigint, shift: number): Value =>
    b.bin(
      'or',
      b.bin('and', b.bin('shr_u', v, b.i64(shift)), b.i64(mask)),
      b.bin('shl', b.bin('and', v, b.i64(mask)), b.i64(shift)),
    );
  b.write(0, b.bin('rotl', pairs(pairs(x, 0x00ff00ff00ff00ffn, 8), 0x0000ffff0000ffffn, 16), b.i64(32)));
}

/** al from [rbx + al]; a prefix chooses the segment. */
function translateByte(b: Builder): void {
  const offset = b.bin('add', b.get(RBX, 'i64.load'), b.widen(b.gpr(0, 8), 8, false));
  const mask = b.select(b.i64(0xffffffffn), b.i64(-1), b.address32());
  const pa = b.probe(b.bin('add', b.bin('and', offset, mask), b.segmentBase()), {
    size: 1,
    write: false,
    aligned: false,
  });
  b.setGpr(0, b.loadAt(pa, 'i32.load8_u'), 8);
}

const convertUp: Semantics = (b) => {
  const half = (b.size / 2) as IntSize;
  const low = b.signExtend(b.gpr(0, half), half);
  b.setGpr(0, b.size === 64 ? b.widen(low, half, true) : low);
};

const convertAcross: Semantics = (b) => b.setGpr(2, b.bin('shr_s', b.signExtend(b.gpr(0), b.size), b.int(b.size - 1)));

/** Without segment registers to load: selectors read as Linux sets them (cs 33, ss 2b, the others 0). */
const SELECTORS = [0, 0x33, 0x2b, 0, 0, 0];

function storeSelector(index: number): Semantics {
  return (b) => {
    const selector = b.i32(SELECTORS[index]!);
    if (!b.isMemory(0)) b.write(0, b.size === 64 ? b.widen(selector, 32, false) : selector);
    else b.storeAt(b.probe(b.effectiveAddress(), { size: 2, write: true, aligned: false }), 'i32.store16', selector);
  };
}

/** Loads of null and of the flat user selectors change nothing in 64-bit mode; others fault. */
const loadSelector: Helper = (cpu, _record, pa) => {
  const selector = cpu.memory.view.getUint16(pa, true);
  if (selector <= 3 || selector === 0x2b) return true;
  cpu.raise(TRAP_GP);
  return false;
};

export const moves: readonly Row[] = [
  row('88', 'mov', 'Eb,Gb', move, { hot: '8r 8bd 8bis' }),
  row('89', 'mov', 'Ev,Gv', move, { hot: `${LOAD} 16bd 16bis` }),
  row('8a', 'mov', 'Gb,Eb', move, { hot: '8r 8bd 8bis' }),
  row('8b', 'mov', 'Gv,Ev', move, { hot: LOAD }),
  row('a0', 'mov', 'Ab,Ob', move),
  row('a1', 'mov', 'Av,Ov', move),
  row('a2', 'mov', 'Ob,Ab', move),
  row('a3', 'mov', 'Ov,Av', move),
  row('b0', 'mov', 'Zb,Ib', move, { hot: '8r' }),
  row('b8', 'mov', 'Zv,Iv', move, { hot: '32r 64r' }),
  row('c6 /0', 'mov', 'Eb,Ib', move, { hot: '8bd 8bis' }),
  row('c7 /0', 'mov', 'Ev,Iz', move, { hot: '32r 64r 32bd 64bd 16bd' }),
  ...SELECTORS.map((_, index) => row(`8c /${index}`, 'mov', 'Ev', storeSelector(index))),
  ...[0, 2, 3, 4, 5].map((index) =>
    row(`8e /${index}`, 'mov', 'Ew', (b) => b.helper(loadSelector, b.addressOf(0, 2, false, false))),
  ),
  row(
    '63',
    'movsxd',
    'Gv,Ed',
    (b) => {
      const low = b.read(1);
      b.write(0, b.size === 64 ? b.widen(low, 32, true) : low);
    },
    { hot: '64r 64bd 64bis' },
  ),
  row('0f b6', 'movzx', 'Gv,Eb', extend(false), { hot: '32r 64r 32bd 32bis' }),
  row('0f b7', 'movzx', 'Gv,Ew', extend(false), { hot: '32r 32bd 32bis' }),
  row('0f be', 'movsx', 'Gv,Eb', extend(true), { hot: '32r 64r 32bd 64bd 32bis' }),
  row('0f bf', 'movsx', 'Gv,Ew', extend(true), { hot: '32r 64r 32bd 32bis' }),
  row(
    '8d',
    'lea',
    'Gv,Mt',
    (b) => {
      const address = b.effectiveAddress();
      b.write(0, b.size === 64 ? address : b.wrap(address));
    },
    { hot: '32bd 64bd 32bis 64bis', noSegment: true },
  ),
  row('50', 'push', 'Zv', (b) => b.push(b.read(0), b.size), { d64: true, hot: '64r' }),
  row(
    '58',
    'pop',
    'Zv',
    (b) => {
      const v = b.top(b.size);
      b.adjustStack(b.i64(b.size / 8));
      b.write(0, v);
    },
    { d64: true, hot: '64r' },
  ),
  row('68', 'push', 'Iz', (b) => b.push(b.read(0), b.size), { d64: true, hot: '64r' }),
  row('6a', 'push', 'Ibs', (b) => b.push(b.read(0), b.size), { d64: true, hot: '64r' }),
  row('ff /6', 'push', 'Ev', (b) => b.push(b.read(0), b.size), { d64: true, hot: '64bd' }),
  row('8f /0', 'pop', 'Ev', popMemory, { d64: true }),
  row('0f a0', 'push', '', (b) => b.push(b.int(0), b.size), { d64: true }),
  row('0f a8', 'push', '', (b) => b.push(b.int(0), b.size), { d64: true }),
  row('9c', 'pushf', '', pushFlags, { d64: true, readsFlags: true }),
  row('9d', 'popf', '', popFlags, { d64: true }),
  row('9e', 'sahf', '', storeAh),
  row(
    '9f',
    'lahf',
    '',
    (b) => b.set(RAX + 1, 'i32.store8', b.bin('or', b.bin('and', flagsWord(b), b.i32(0xd5)), b.i32(2))),
    {
      readsFlags: true,
    },
  ),
  row('c8', 'enter', 'Iwb', (b) => b.helper(enterBySize[b.size]!), { d64: true }),
  row('c9', 'leave', '', leave, { d64: true, hot: '64r' }),
  row('86', 'xchg', 'Eb,Gb', exchange, { lock: true }),
  row('87', 'xchg', 'Ev,Gv', exchange, { lock: true, hot: '32r 64r' }),
  row('90', 'nop', '', () => undefined, { hot: '32r', rexB: 0 }),
  row('90', 'xchg', 'Av,Zv', exchange),
  row('0f c0', 'xadd', 'Eb,Gb', exchangeAdd, { lock: true }),
  row('0f c1', 'xadd', 'Ev,Gv', exchangeAdd, { lock: true }),
  row('0f b0', 'cmpxchg', 'Eb,Gb', compareExchange, { lock: true }),
  row('0f b1', 'cmpxchg', 'Ev,Gv', compareExchange, { lock: true }),
  row('0f c7 /1', 'cmpxchg8b', 'My', (b) => compareExchangePair(b.size)(b), { lock: true, readsFlags: true }),
  row('0f c8', 'bswap', 'Zv', byteSwap, { hot: '32r 64r' }),
  row('0f c3', 'movnti', 'My,Gy', move),
  row('d7', 'xlat', '', translateByte),
  row('98', 'cbw', 'Av', convertUp, { hot: '32r 64r' }),
  row('99', 'cwd', 'Av', convertAcross, { hot: '32r 64r' }),
  ...conditionalRows(),
];
