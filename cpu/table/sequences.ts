/**
 * Neighbours that the interpreter executes with one dispatch: the most frequent sequences of what compilers make of C.
 * Forms are named by encoding and form as `hot` of row.ts names them, `d` for dead flags, a fused jump behind. The
 * beginning of a sequence must be a sequence that stands before it.
 */
const PUSH = '50 64r';
const POP = '58 64r';
const MOV64 = '89 64r';
const MOV32 = '89 32r';
const LOAD64 = '8b 64bd';
const LOAD32 = '8b 32bd';
const STORE64 = '89 64bd';
const MOV_IMM = 'b8 32r';
const CALL = 'e8 32far';
const RET = 'c3 32r';

export const SEQUENCES: readonly (readonly string[])[] = [
  [PUSH, PUSH],
  [PUSH, PUSH, PUSH],
  [PUSH, MOV64],
  [PUSH, PUSH, MOV64],
  [POP, POP],
  [POP, POP, POP],
  [POP, POP, POP, POP],
  [POP, RET],
  [POP, POP, RET],
  [POP, POP, POP, RET],
  [MOV64, PUSH],
  [MOV64, PUSH, MOV64],
  [MOV64, POP],
  [MOV64, MOV64],
  [MOV64, MOV64, CALL],
  [MOV64, CALL],
  [MOV64, 'e8 32near'],
  [MOV64, 'eb 8near'],
  [MOV64, LOAD64],
  [MOV64, MOV32],
  [MOV64, 'ff /0 64r'],
  [MOV32, MOV64],
  [MOV32, MOV32],
  [LOAD64, LOAD64],
  [LOAD64, MOV64],
  [LOAD64, STORE64],
  [LOAD32, LOAD32],
  [STORE64, STORE64],
  [MOV_IMM, CALL],
  [MOV_IMM, MOV64],
  [MOV_IMM, MOV_IMM],
  ['83 /0 64r', POP],
  ['ff /0 64r', '80 /7 8bd je'],
  ['ff /0 64r', '80 /7 8bd jne'],
  ['8a 8bd', '84 8r je'],
  ['8a 8bd', '84 8r jne'],
];
