/** Our terminals against the host's: the same scripts, the same answers. Needs Linux with gcc and /dev/ptmx. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as io from '../../abi/ioctl.js';
import * as t from '../../abi/termios.js';
import { code, IFLAG, LFLAG, OFLAG, print, SCRIPTS, SEE, set, type } from './native-scripts.js';
import { difference, nativeDriver } from './script.js';
import '../support/seeded.js';

const native = nativeDriver();
if (native === null) console.log('SKIP pty/native: no gcc or no pseudo-terminals on this host');

for (const [name, script] of Object.entries(SCRIPTS)) {
  test(name, () => {
    if (native === null) return;
    const found = difference(script);
    assert.ok(found === null, found ?? '');
  });
}

const some = (flags: readonly number[]): fc.Arbitrary<number> =>
  fc.subarray([...flags]).map((chosen) => chosen.reduce((all, flag) => all | flag, 0));
/** Mostly what a person would have, at times anything. */
const near = (usual: number, flags: readonly number[]): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...flags).map((flag) => usual ^ flag) },
    { weight: 1, arbitrary: some(flags) },
    { weight: 1, arbitrary: fc.constant(usual) },
  );

const IFLAGS = [
  t.ISTRIP,
  t.INLCR,
  t.IGNCR,
  t.ICRNL,
  t.IUCLC,
  t.IXON,
  t.IXANY,
  t.IXOFF,
  t.IMAXBEL,
  t.IUTF8,
  t.PARMRK,
  t.IGNBRK,
  t.BRKINT,
  t.INPCK,
];
const OFLAGS = [t.OPOST, t.OLCUC, t.ONLCR, t.OCRNL, t.ONOCR, t.ONLRET, t.XTABS, t.TAB1, t.OFILL];
const LFLAGS = [
  t.ISIG,
  t.ICANON,
  t.ECHO,
  t.ECHOE,
  t.ECHOK,
  t.ECHONL,
  t.NOFLSH,
  t.ECHOCTL,
  t.ECHOPRT,
  t.ECHOKE,
  t.IEXTEN,
  t.EXTPROC,
  t.PENDIN,
  t.FLUSHO,
  t.XCASE,
  t.TOSTOP,
];

const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...'abXY_ 12') },
  { weight: 5, arbitrary: fc.constantFrom('\x7f', '\x17', '\x15', '\t', '\n', '\r', '\x04', '\x16', '\x12') },
  { weight: 2, arbitrary: fc.constantFrom('\x03', '\x1a', '\x13', '\x11', '\x0f', '\b', '\x01', '\x1b') },
  { weight: 2, arbitrary: fc.constantFrom('\xc3\xa9', '\xe2\x82\xac', '\xff', '\x80', '\0', '\xc0', '\xdf') },
);
const text = fc.array(character, { maxLength: 24 }).map((chars) => chars.join(''));

const settings = fc
  .record({
    iflag: near(IFLAG, IFLAGS),
    oflag: near(OFLAG, OFLAGS),
    lflag: near(LFLAG, LFLAGS),
    cc: fc.dictionary(
      fc.constantFrom(...['0', '1', '2', '3', '4', '8', '9', '10', '11', '12', '14', '15', '16'], '5', '6', '6'),
      fc.constantFrom(0, 1, 2, 3, 4, 0x61, 0x58, 0x20, 0x7f, 0xff, 0x0a, 0x0d),
      { maxKeys: 3 },
    ),
    request: fc.constantFrom(io.TCSETS, io.TCSETS, io.TCSETSW, io.TCSETSF),
    end: fc.constantFrom('s', 's', 's', 'm'),
  })
  .map(set);

const command = fc.oneof(
  { weight: 8, arbitrary: text.map(type) },
  { weight: 3, arbitrary: text.map(print) },
  { weight: 5, arbitrary: fc.constantFrom('r m 4096', 'r s 4096', 'r s 3', 'r s 1', 'r m 2') },
  { weight: 3, arbitrary: settings },
  { weight: 2, arbitrary: fc.constant('p') },
  { weight: 1, arbitrary: fc.constantFrom(`i s ${code(io.FIONREAD)} 0`, `i m ${code(io.FIONREAD)} 0`) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 3).map((arg) => `d s ${code(io.TCXONC)} ${arg}`) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 2).map((arg) => `d s ${code(io.TCFLSH)} ${arg}`) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1).map((arg) => `i m ${code(io.TIOCPKT)} ${arg}`) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0, 27).map((number) => `i s ${code(io.TIOCSETD)} ${number}`) },
  { weight: 1, arbitrary: fc.constantFrom('z m 24 80', 'z s 25 80', `i s ${code(io.TIOCSTI)} 98`) },
);

test('random scripts', () => {
  if (native === null) return;
  const numRuns = Number(process.env['PTY_RUNS'] ?? 120);
  const scripts = fc.array(command, { minLength: 1, maxLength: 40 }).map((lines) => [...lines, ...SEE]);
  fc.assert(
    fc.property(scripts, (script) => {
      const found = difference(script);
      assert.ok(found === null, found ?? '');
    }),
    { numRuns, includeErrorInReport: true },
  );
});

test.run();
