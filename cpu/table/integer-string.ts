/**
 * String instructions. One execution of a record is one step and counts as one instruction: an element, or with a
 * repetition upwards as many as lie in one page of each operand (tier0/bulk.ts). Between the steps of a repetition
 * registers are exact and the slice may end.
 * @source Intel SDM vol. 2
 */
import type { Builder } from '../ir/builder.js';
import type { IntSize, Value } from '../ir/ir.js';
import { DF, RAX, RCX, RDI, RSI } from '../state.js';
import { type MandatoryPrefix, type Row, row } from './row.js';

type Kind = 'movs' | 'stos' | 'lods' | 'cmps' | 'scas';

const LOAD = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' } as const;
const STORE = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' } as const;

/** Cuts an address or a count to the address size. */
function addressMask(b: Builder): (x: Value) => Value {
  const mask = b.select(b.i64(0xffffffffn), b.i64(-1), b.address32());
  return (x) => b.bin('and', x, mask);
}

function stringStep(kind: Kind, size: IntSize, repeat: MandatoryPrefix): (b: Builder) => void {
  return (b) => {
    const bytes = size / 8;
    const cut = addressMask(b);
    const repeated = repeat !== 'any';
    let count = cut(b.get(RCX, 'i64.load'));
    let source = cut(b.get(RSI, 'i64.load'));
    let target = cut(b.get(RDI, 'i64.load'));
    if (repeated) {
      b.done(b.eqz(count));
      if (kind === 'movs' || kind === 'stos') bulk(b, kind, bytes, source, target, count);
      if (kind === 'cmps' || kind === 'scas') {
        const skipped = skip(b, kind, size, source, target, count, repeat === 'f3');
        const distance = b.bin('mul', skipped, b.i64(bytes));
        count = b.bin('sub', count, skipped);
        source = b.bin('add', source, distance);
        target = b.bin('add', target, distance);
      }
    }
    const from = (address: Value, write = false): Value => b.probe(address, { size: bytes, write, aligned: false });
    const readSource = (): Value => b.loadAt(from(b.bin('add', source, b.segmentBase())), LOAD[size]);
    let x: Value | undefined;
    let y: Value | undefined;
    switch (kind) {
      case 'movs': {
        const v = readSource();
        b.storeAt(from(target, true), STORE[size], v);
        break;
      }
      case 'stos':
        b.storeAt(from(target, true), STORE[size], b.get(RAX, LOAD[size]));
        break;
      case 'lods':
        b.setGpr(0, readSource(), size);
        break;
      case 'cmps':
        // The processor touches the rdi side first: its fault is the one reported when both are bad.
        y = b.loadAt(from(target), LOAD[size]);
        x = readSource();
        break;
      case 'scas':
        x = b.get(RAX, LOAD[size]);
        y = b.loadAt(from(target), LOAD[size]);
        break;
    }
    const step = b.select(b.i64(-bytes), b.i64(bytes), b.get(DF, 'i32.load'));
    if (kind !== 'stos' && kind !== 'scas') b.set(RSI, 'i64.store', cut(b.bin('add', source, step)));
    if (kind !== 'lods') b.set(RDI, 'i64.store', cut(b.bin('add', target, step)));
    if (x !== undefined) b.flags('sub', { a: x, b: y!, res: b.bin('sub', x, y!), size });
    if (!repeated) return;
    const left = b.bin('sub', count, b.i64(1));
    b.set(RCX, 'i64.store', left);
    let more = b.bin('ne', left, b.i64(0));
    if (x !== undefined) more = b.bin('and', more, b.bin(repeat === 'f3' ? 'eq' : 'ne', x, y!));
    b.again(more);
  };
}

/** i32: addresses of 64 bits, upwards. */
function isForward(b: Builder): Value {
  return b.eqz(b.bin('or', b.address32(), b.get(DF, 'i32.load')));
}

/** How many elements of a comparison (i64) can be passed over before one that decides, or the last one of a page. */
function skip(
  b: Builder,
  kind: 'cmps' | 'scas',
  size: IntSize,
  source: Value,
  target: Value,
  count: Value,
  whileEqual: boolean,
): Value {
  const byte = { size: 1, write: false, aligned: false };
  const second = b.probe(target, byte);
  const first = kind === 'scas' ? b.i32(RAX) : b.probe(b.bin('add', source, b.segmentBase()), byte);
  const step = b.i32(kind === 'scas' ? 0 : size / 8);
  const args = [isForward(b), first, step, second, count, b.i32(whileEqual ? 1 : 0)];
  return b.widen(b.call(`bulkCompare${size}`, args, 'i32'), 32, false);
}

/** As many elements as fit in the pages. */
function bulk(b: Builder, kind: 'movs' | 'stos', bytes: number, source: Value, target: Value, count: Value): void {
  const forward = isForward(b);
  const byte = { size: 1, aligned: false };
  const from = b.bin('add', source, b.segmentBase());
  const read = kind === 'movs' ? b.probe(from, { ...byte, write: false }) : b.i32(0);
  const written = b.probe(target, { ...byte, write: true });
  const moved = b.select(
    b.call(
      kind === 'movs' ? 'bulkMove' : 'bulkStore',
      [b.select(b.i32(bytes), b.i32(0), forward), read, written, count],
      'i32',
    ),
    b.i32(0),
    forward,
  );
  b.again(b.bin('and', b.bin('ne', moved, b.i32(0)), b.op('i64.ne', [b.get(RCX, 'i64.load'), b.i64(0)])));
  b.done(moved);
}

const PREFIXES: readonly MandatoryPrefix[] = ['any', 'f3', 'f2'];
const STRINGS: readonly [kind: Kind, opcode: number][] = [
  ['movs', 0xa4],
  ['cmps', 0xa6],
  ['stos', 0xaa],
  ['lods', 0xac],
  ['scas', 0xae],
];

export const strings: readonly Row[] = STRINGS.flatMap(([kind, opcode]) =>
  PREFIXES.flatMap((prefix) => {
    const encoding = (code: number): string => `${prefix === 'any' ? '' : `${prefix} `}${code.toString(16)}`;
    return [
      row(encoding(opcode), kind, 'Ab', (b) => stringStep(kind, 8, prefix)(b)),
      row(encoding(opcode + 1), kind, 'Av', (b) => stringStep(kind, b.size, prefix)(b)),
    ];
  }),
);
