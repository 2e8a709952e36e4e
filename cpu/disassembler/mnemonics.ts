/**
 * Mnemonics and operands where the instruction table's row says less than assembly text does: rows that stand for several
 * mnemonics, implied operands that are written, sizes that differ by form. Everything else is the row's name and its
 * operands in order.
 */
import { gprName } from '../ir/text.js';
import { FS_BASE, GS_BASE } from '../state.js';
import { type Instruction, SELECTORS } from './instruction.js';

/** Mnemonic and operands, without prefixes. */
export type Spelled = readonly [mnemonic: string, ...operands: string[]];
type Spelling = (i: Instruction) => Spelled;

const named =
  (mnemonic: string | ((i: Instruction) => string)): Spelling =>
  (i) => [typeof mnemonic === 'string' ? mnemonic : mnemonic(i), ...i.operands()];
const alone =
  (mnemonic: string): Spelling =>
  () => [mnemonic];
const bySize =
  (b: string, w: string, q: string): Spelling =>
  ({ decoded }) => [decoded.size === 16 ? b : decoded.size === 32 ? w : q];

const accumulator = ({ decoded }: Instruction): string => gprName(0, decoded.size);
const sized = (bits: number): string =>
  ({ 8: 'BYTE PTR ', 16: 'WORD PTR ', 32: 'DWORD PTR ', 64: 'QWORD PTR ' })[bits]!;

/** The string instructions' memory operands, which no ModRM byte names. */
function source({ decoded }: Instruction): string {
  const index = gprName(6, decoded.address32 ? 32 : 64);
  const { segment } = decoded;
  return `${sized(decoded.size)}${segmentName(segment)}:[${index}]`;
}
function destination({ decoded }: Instruction): string {
  return `${sized(decoded.size)}es:[${gprName(7, decoded.address32 ? 32 : 64)}]`;
}
function segmentName(segment: number): string {
  return segment === FS_BASE ? 'fs' : segment === GS_BASE ? 'gs' : 'ds';
}

const PREFETCHES = ['prefetchnta', 'prefetcht0', 'prefetcht1', 'prefetcht2'];
const field = (i: Instruction): number => (i.modrm >> 3) & 7;

function hintNop(i: Instruction): Spelled {
  const { opcode } = i.row;
  if (opcode === 0x18 && i.isMemory && field(i) < 4) return [PREFETCHES[field(i)]!, i.memory(8)];
  if (opcode === 0x1e && i.repeat === 0xf3 && i.modrm === 0xfa) return ['endbr64'];
  if (opcode === 0x1e && i.repeat === 0xf3 && i.modrm === 0xfb) return ['endbr32'];
  return ['nop', i.operand(0)];
}

/** Instructions that user mode may not execute share rows. */
const PRIVILEGED: Record<string, Spelling> = {
  f4: alone('hlt'),
  fa: alone('cli'),
  fb: alone('sti'),
  cf: (i) => [i.rex & 8 ? 'iretq' : i.operand16 > 0 ? 'iretw' : 'iret'],
  '0f 06': alone('clts'),
  '0f 07': (i) => [i.rex & 8 ? 'sysretq' : 'sysretd'],
  '0f 08': alone('invd'),
  '0f 09': alone('wbinvd'),
  '0f 30': alone('wrmsr'),
  '0f 32': alone('rdmsr'),
  '0f 33': alone('rdpmc'),
  '0f 35': (i) => [i.rex & 8 ? 'sysexitq' : 'sysexitd'],
  cb: (i) => [i.rex & 8 ? 'retfq' : i.operand16 > 0 ? 'retfw' : 'retf'],
  ca: (i) => [i.rex & 8 ? 'retfq' : i.operand16 > 0 ? 'retfw' : 'retf', i.operand(0)],
  '0f 20': (i) => ['mov', i.operand(0), `cr${number(i)}`],
  '0f 21': (i) => ['mov', i.operand(0), `dr${number(i)}`],
  '0f 22': (i) => ['mov', `cr${number(i)}`, i.operand(0)],
  '0f 23': (i) => ['mov', `dr${number(i)}`, i.operand(0)],
  '0f 01 /2': (i) => ['lgdt', i.memory()],
  '0f 01 /3': (i) => ['lidt', i.memory()],
  '0f 01 /6': (i) => ['lmsw', i.memory(16)],
  '0f 01 /7': (i) => ['invlpg', i.memory(8)],
};
/** in, out, ins, outs by opcode: the port is dx or a byte; without a 16-bit form in the table, 66 tells. */
for (const [code, way, immediate] of [
  [0xe4, 'in', true],
  [0xe6, 'out', true],
  [0xec, 'in', false],
  [0xee, 'out', false],
  [0x6c, 'ins', false],
  [0x6e, 'outs', false],
] as const) {
  for (const wide of [0, 1]) {
    PRIVILEGED[(code + wide).toString(16)] = (i) => {
      const bits = wide === 0 ? 8 : i.operand16 > 0 ? 16 : 32;
      const port = immediate ? i.operand(0) : 'dx';
      const address = i.decoded.address32 ? 32 : 64;
      if (way === 'ins') return ['ins', `${sized(bits)}es:[${gprName(7, address)}]`, port];
      if (way === 'outs') {
        return ['outs', port, `${sized(bits)}${segmentName(i.decoded.segment)}:[${gprName(6, address)}]`];
      }
      return way === 'in' ? ['in', gprName(0, bits), port] : ['out', port, gprName(0, bits)];
    };
  }
}

/** Number of the register in modrm.reg. */
const number = (i: Instruction): number => field(i) | ((i.rex & 4) << 1);

const COMPARISONS = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];

/** cmpps and kin: the first eight relations have mnemonics. */
const compareVector: Spelling = (i) => {
  const relation = COMPARISONS[i.decoded.immediateLow & 0xff];
  const operands = i.operands();
  if (relation === undefined) return [i.row.name, ...operands];
  return [`cmp${relation}${i.row.name.slice(3)}`, operands[0]!, operands[1]!];
};

/** The destination is shown as wide as REX.W says, which changes nothing. */
const toGeneral: Spelling = (i) => [i.row.name, i.operand(0, i.rex & 8 ? 64 : 32), i.operand(1)];

/** Stack operations with operand size 16 that no operand shows. */
const narrowed: Spelling = (i) => {
  const silent = i.decoded.size === 16 && (i.row.operands.length === 0 || i.decoded.hasImmediate);
  return [silent ? `${i.row.name}w` : i.row.name, ...i.operands()];
};

const BY_NAME: Record<string, Spelling> = {
  privileged: (i) => PRIVILEGED[i.row.encoding]!(i),
  'movd/movq': named(({ decoded }) => (decoded.size === 64 ? 'movq' : 'movd')),
  'movlps/movhlps': named((i) => (i.isMemory ? 'movlps' : 'movhlps')),
  'movhps/movlhps': named((i) => (i.isMemory ? 'movhps' : 'movlhps')),
  cbw: bySize('cbw', 'cwde', 'cdqe'),
  cwd: bySize('cwd', 'cdq', 'cqo'),
  movs: (i) => ['movs', destination(i), source(i)],
  cmps: (i) => ['cmps', source(i), destination(i)],
  stos: (i) => ['stos', destination(i), accumulator(i)],
  lods: (i) => ['lods', accumulator(i), source(i)],
  scas: (i) => ['scas', accumulator(i), destination(i)],
  cmpps: compareVector,
  cmppd: compareVector,
  cmpss: compareVector,
  cmpsd: compareVector,
  lfence: alone('lfence'),
  mfence: alone('mfence'),
  sfence: alone('sfence'),
  cmpxchg8b: (i) => (i.decoded.size === 64 ? ['cmpxchg16b', `OWORD PTR ${i.memory()}`] : ['cmpxchg8b', i.memory(64)]),
  xlat: (i) => ['xlat', `BYTE PTR ${segmentName(i.decoded.segment)}:[${gprName(3, i.decoded.address32 ? 32 : 64)}]`],
  jrcxz: named(({ decoded }) => (decoded.address32 ? 'jecxz' : 'jrcxz')),
  fxsave: (i) => [i.rex & 8 ? 'fxsave64' : 'fxsave', i.memory()],
  fxrstor: (i) => [i.rex & 8 ? 'fxrstor64' : 'fxrstor', i.memory()],
  pushf: (i) => [i.decoded.size === 16 ? 'pushfw' : 'pushf'],
  popf: (i) => [i.decoded.size === 16 ? 'popfw' : 'popf'],
  movmskps: toGeneral,
  movmskpd: toGeneral,
  pmovmskb: toGeneral,
  pinsrw: (i) => ['pinsrw', i.operand(0), i.operand(1, i.isMemory ? 16 : 32), i.operand(2)],
  push: narrowed,
  enter: narrowed,
  leave: narrowed,
};

const pushName = (i: Instruction): string => (i.decoded.size === 16 ? 'pushw' : 'push');

/** Operand size that the prefixes ask for, of rows with one size. */
const registerSize = (i: Instruction): number => (i.rex & 8 ? 64 : i.operand16 > 0 ? 16 : 32);

const BY_ENCODING: Record<string, Spelling> = {
  '90': (i) =>
    i.row.name === 'nop' ? (i.operand16 > 0 ? ['xchg', 'ax', 'ax'] : ['nop']) : ['xchg', ...i.operands().reverse()],
  b8: named(({ decoded }) => (decoded.size === 64 ? 'movabs' : 'mov')),
  '0f a0': (i) => [pushName(i), 'fs'],
  '0f a8': (i) => [pushName(i), 'gs'],
  '0f 0d': (i) => [field(i) === 1 ? 'prefetchw' : field(i) === 2 ? 'prefetchwt1' : 'prefetch', i.memory(8)],
};
for (const code of ['a0', 'a1', 'a2', 'a3']) BY_ENCODING[code] = named('movabs');
for (let code = 0x18; code <= 0x1f; code++) BY_ENCODING[`0f ${code.toString(16)}`] = hintNop;
for (const [i, selector] of SELECTORS.entries()) {
  BY_ENCODING[`8c /${i}`] = (x) => ['mov', x.operand(0, x.isMemory ? 16 : undefined), selector];
  BY_ENCODING[`8e /${i}`] = (x) => ['mov', selector, x.operand(0, x.isMemory ? 16 : registerSize(x))];
}

const X87_SIZES: Record<string, number> = { f32: 32, f64: 64, f80: 80, i16: 16, i32: 32, i64: 64, m16: 16 };
const X87_MEMORY: Record<string, number> = { fbld: 80, fbstp: 80, fldcw: 16, fnstcw: 16 };

/** Rows of the x87 table: `fadd f32`, `fadd st0, sti`, `fld sti (alias)`. */
function x87(i: Instruction): Spelled {
  const [mnemonic, ...rest] = i.row.name.replace(' (alias)', '').split(' ');
  const name = mnemonic!;
  if (i.row.sizes.length > 1 && i.decoded.size === 16) return [`${name}w`, i.memory()];
  if (i.isMemory) return [name, i.memory(X87_SIZES[rest[0] ?? ''] ?? X87_MEMORY[name] ?? 0)];
  const st = `st(${i.modrm & 7})`;
  const operands = rest
    .map((word) => word.replace(',', ''))
    .map((word) => (word === 'sti' ? st : word === 'st0' ? 'st' : word));
  if (operands.length === 1 && operands[0] === st && /^f(u?com)i/.test(name)) return [name, 'st', st];
  return [name, ...operands];
}

export function spell(i: Instruction): Spelled {
  const { row } = i;
  if (row.map === 0 && row.opcode >= 0xd8 && row.opcode <= 0xdf) return x87(i);
  const spelling = BY_ENCODING[row.encoding] ?? BY_NAME[row.name];
  return spelling === undefined ? [row.name, ...i.operands()] : spelling(i);
}
