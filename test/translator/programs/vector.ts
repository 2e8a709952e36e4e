/** SSE, SSE2, MMX and x87 instructions of generated programs. All keep MXCSR's control bits and leave the x87 stack empty. */
import { ALL_FLAGS, type Context, reg } from './context.js';
import { floatRun } from './floats.js';
import { emitMaybeRisky, memory, riskyMemory } from './memory.js';

type Operation = (c: Context) => void;

const PACKED_INTEGER = (
  'paddb paddw paddd paddq paddsb paddsw paddusb paddusw psubb psubw psubd psubq psubsb psubsw psubusb psubusw pmullw ' +
  'pmaddwd pavgb pavgw pminub pmaxub pminsw pmaxsw pcmpeqb pcmpeqw pcmpeqd pcmpgtb pcmpgtw pcmpgtd pand por pxor pandn ' +
  'pmulhw pmulhuw pmuludq psadbw packsswb packuswb packssdw punpcklbw punpckhbw punpcklwd punpckhwd punpckldq punpckhdq'
).split(' ');
const PACKED = [
  ...PACKED_INTEGER,
  ...(
    'punpcklqdq punpckhqdq unpcklps unpckhps unpcklpd unpckhpd andps orps xorps andnps andpd orpd xorpd andnpd ' +
    'addps addpd mulps mulpd subps subpd divps divpd sqrtps sqrtpd minps minpd maxps maxpd ' +
    'cvtdq2ps cvtpd2ps cvtps2dq cvtpd2dq cvttps2dq cvttpd2dq'
  ).split(' '),
];
const SCALAR = ['add', 'mul', 'sub', 'div', 'sqrt', 'min', 'max'];
const COMPARISONS = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];

const xmm = (c: Context): string => `%xmm${c.r.below(16)}`;

/** Now and then as a place that may fault. */
const place = (c: Context, bytes: number, aligned = false): string =>
  c.r.chance(16) ? riskyMemory(c) : memory(c, bytes, aligned);

const packed: Operation = (c) => {
  const name = c.r.pick(PACKED);
  const operand = c.r.chance(2) ? xmm(c) : place(c, 16, true);
  emitMaybeRisky(c, `${name} ${operand}, ${xmm(c)}`);
};

const scalar: Operation = (c) => {
  const { r } = c;
  const type = r.pick(['ss', 'sd'] as const);
  const operand = (): string => (r.chance(2) ? xmm(c) : place(c, type === 'ss' ? 4 : 8));
  switch (r.below(5)) {
    case 0:
      emitMaybeRisky(c, `${r.pick(['ucomi', 'comi'])}${type} ${operand()}, ${xmm(c)}`);
      c.setFlags(ALL_FLAGS);
      return;
    case 1: {
      const to = r.pick([32, 64] as const);
      emitMaybeRisky(c, `cvt${r.chance(2) ? 't' : ''}${type}2si ${operand()}, ${reg(c.target(), to)}`);
      return;
    }
    case 2: {
      const from = r.pick([32, 64] as const);
      const source = r.chance(2) ? reg(c.source(), from) : memory(c, from / 8);
      c.emit(`cvtsi2${type}${from === 64 ? 'q' : 'l'} ${source}, ${xmm(c)}`);
      return;
    }
    default:
      emitMaybeRisky(c, `${r.pick(SCALAR)}${type} ${operand()}, ${xmm(c)}`);
  }
};

const compare: Operation = (c) => {
  const type = c.r.pick(['ps', 'pd', 'ss', 'sd'] as const);
  const bytes = { ps: 16, pd: 16, ss: 4, sd: 8 }[type];
  const operand = c.r.chance(2) ? xmm(c) : memory(c, bytes, bytes === 16);
  c.emit(`cmp${c.r.pick(COMPARISONS)}${type} ${operand}, ${xmm(c)}`);
};

const ALIGNED = ['movaps', 'movapd', 'movdqa'];
const UNALIGNED = ['movups', 'movupd', 'movdqu'];

const move: Operation = (c) => {
  const { r } = c;
  const aligned = r.chance(2);
  switch (r.below(12)) {
    case 0:
    case 1:
      emitMaybeRisky(c, `${r.pick(aligned ? ALIGNED : UNALIGNED)} ${place(c, 16, aligned)}, ${xmm(c)}`);
      return;
    case 2:
    case 3:
      emitMaybeRisky(c, `${r.pick(aligned ? ALIGNED : UNALIGNED)} ${xmm(c)}, ${place(c, 16, aligned)}`);
      return;
    case 4:
      c.emit(`${r.pick(['movaps', 'movdqa', 'movss', 'movsd', 'movhlps', 'movlhps', 'movq'])} ${xmm(c)}, ${xmm(c)}`);
      return;
    case 5: {
      const [name, bytes] = r.pick([
        ['movss', 4],
        ['movsd', 8],
        ['movq', 8],
        ['movlps', 8],
        ['movhps', 8],
        ['movlpd', 8],
        ['movhpd', 8],
        ['movd', 4],
      ] as const);
      emitMaybeRisky(c, `${name} ${place(c, bytes)}, ${xmm(c)}`);
      return;
    }
    case 6: {
      const [name, bytes] = r.pick([
        ['movss', 4],
        ['movsd', 8],
        ['movq', 8],
        ['movlps', 8],
        ['movhps', 8],
        ['movd', 4],
      ] as const);
      emitMaybeRisky(c, `${name} ${xmm(c)}, ${place(c, bytes)}`);
      return;
    }
    case 7:
      c.emit(r.chance(2) ? `movd ${reg(c.source(), 32)}, ${xmm(c)}` : `movq ${reg(c.source(), 64)}, ${xmm(c)}`);
      return;
    case 8:
      c.emit(r.chance(2) ? `movd ${xmm(c)}, ${reg(c.target(), 32)}` : `movq ${xmm(c)}, ${reg(c.target(), 64)}`);
      return;
    case 9:
      c.emit(`${r.pick(['pmovmskb', 'movmskps', 'movmskpd'])} ${xmm(c)}, ${reg(c.target(), 32)}`);
      return;
    case 10:
      c.emit(`${r.pick(['movntps', 'movntpd', 'movntdq'])} ${xmm(c)}, ${memory(c, 16, true)}`);
      return;
    default:
      c.emit(`${r.pick(['cvtss2sd', 'cvtsd2ss', 'cvtps2pd', 'cvtdq2pd'])} ${xmm(c)}, ${xmm(c)}`);
  }
};

const shuffle: Operation = (c) => {
  const { r } = c;
  const imm = r.below(256);
  switch (r.below(6)) {
    case 0:
      c.emit(`${r.pick(['pshufd', 'pshuflw', 'pshufhw', 'shufps', 'shufpd'])} $${imm}, ${xmm(c)}, ${xmm(c)}`);
      return;
    case 1:
      c.emit(`pshufd $${imm}, ${memory(c, 16, true)}, ${xmm(c)}`);
      return;
    case 2:
      c.emit(`pinsrw $${imm}, ${r.chance(2) ? reg(c.source(), 32) : memory(c, 2)}, ${xmm(c)}`);
      return;
    case 3:
      c.emit(`pextrw $${imm}, ${xmm(c)}, ${reg(c.target(), 32)}`);
      return;
    case 4:
      c.emit(`${r.pick(['pslldq', 'psrldq'])} $${r.below(18)}, ${xmm(c)}`);
      return;
    default: {
      const name = r.pick(['psllw', 'pslld', 'psllq', 'psrlw', 'psrld', 'psrlq', 'psraw', 'psrad']);
      c.emit(`${name} ${r.chance(2) ? `$${r.below(70)}` : xmm(c)}, ${xmm(c)}`);
    }
  }
};

const mmx: Operation = (c) => {
  const { r } = c;
  const names = PACKED_INTEGER.filter((name) => !/^(punpckl)/.test(name));
  c.emit(`movq ${memory(c, 8)}, %mm${r.below(8)}`);
  for (let i = r.below(4); i >= 0; i--) {
    const operand = r.chance(2) ? `%mm${r.below(8)}` : memory(c, 8);
    c.emit(`${r.pick(names)} ${operand}, %mm${r.below(8)}`);
  }
  c.emit(r.chance(2) ? `movq %mm${r.below(8)}, ${memory(c, 8)}` : `movq2dq %mm${r.below(8)}, ${xmm(c)}`);
  c.emit('emms');
};

const X87_LOADS = [
  ['flds', 4],
  ['fldl', 8],
  ['fldt', 10],
  ['fildl', 4],
  ['fildq', 8],
] as const;
const X87_STORES = [
  ['fstps', 4],
  ['fstpl', 8],
  ['fstpt', 10],
  ['fistpl', 4],
  ['fistpq', 8],
] as const;

const x87: Operation = (c) => {
  const { r } = c;
  const onMemory = (list: readonly (readonly [string, number])[]): void => {
    const [name, bytes] = r.pick(list);
    c.emit(`${name} ${memory(c, bytes)}`);
  };
  for (let i = 0; i < 2; i++) {
    if (r.chance(4)) c.emit(r.pick(['fld1', 'fldpi', 'fldz']));
    else onMemory(X87_LOADS);
  }
  for (let i = r.below(4); i >= 0; i--) {
    switch (r.below(5)) {
      case 0:
        c.emit(`${r.pick(['fadd', 'fmul', 'fsub', 'fdiv', 'fsubr', 'fdivr'])} %st(1), %st`);
        break;
      case 1:
        c.emit(`${r.pick(['fadd', 'fmul', 'fsub', 'fdiv'])}${r.pick(['s', 'l'])} ${memory(c, 8)}`);
        break;
      case 2:
        c.emit(r.pick(['fchs', 'fabs', 'frndint', 'fsqrt', 'fxch %st(1)']));
        break;
      case 3:
        c.emit('fucomi %st(1), %st');
        c.setFlags(ALL_FLAGS);
        break;
      default:
        // C1 and the exceptions are exact, too.
        c.emit('fnstsw %ax');
    }
  }
  c.emit(r.pick(['faddp', 'fmulp', 'fdivp']));
  onMemory(X87_STORES);
  if (r.chance(4)) c.emit('fnclex');
};

/** Other rounding modes, flush to zero: the slow ways of SSE arithmetic. The words lie behind the programs. */
const control: Operation = (c) => {
  c.emit(`ldmxcsr control+${4 * c.r.below(8)}(%rip)`);
  for (let i = c.r.below(4); i >= 0; i--) c.r.pick([packed, scalar])(c);
  c.emit('ldmxcsr control(%rip)');
};
/** Values for `control`; the first is the default. */
export const CONTROL_WORDS = [0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9f80, 0x1fc0, 0xffc0, 0x1fbf];

export const VECTOR: readonly [weight: number, Operation][] = [
  [10, packed],
  [10, scalar],
  [2, compare],
  [14, move],
  [5, shuffle],
  [1, mmx],
  [1, x87],
  [1, control],
  [3, floatRun],
];
