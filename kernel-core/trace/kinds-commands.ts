/** Calls that are many calls: fcntl, ioctl, prctl, arch_prctl. The command says what the arguments behind it are. */

import * as fcntl from '../../abi/fcntl.js';
import * as ioctl from '../../abi/ioctl.js';
import * as klog from '../../abi/klog.js';
import * as sched from '../../abi/sched.js';
import * as socket from '../../abi/socket.js';
import * as termios from '../../abi/termios.js';
import { type ArgumentFormat, early, filled, pointed } from './call.js';
import { flagText, hex, hex32, type Names, namesOf, pointer, valueText } from './text.js';

/** One command: its name and the kinds of what follows. */
type Command = readonly [name: string, number: number, rest: readonly string[]];

const commands = <T extends object>(constants: T, table: Record<string, readonly string[]>): Command[] =>
  Object.entries(table).map(([name, rest]) => [name, constants[name as keyof T] as number, rest]);

const byNumber = (table: readonly Command[]): ReadonlyMap<number, Command> =>
  new Map(table.map((command) => [command[1] >>> 0, command]));

const FCNTL = byNumber(
  commands(fcntl, {
    F_DUPFD: ['int'],
    F_DUPFD_CLOEXEC: ['int'],
    F_GETFD: [],
    F_SETFD: ['fdFlags'],
    F_GETFL: [],
    F_SETFL: ['statusFlags'],
    F_GETLK: ['flockOut'],
    F_SETLK: ['flockIn'],
    F_SETLKW: ['flockIn'],
    F_OFD_GETLK: ['flockOut'],
    F_OFD_SETLK: ['flockIn'],
    F_OFD_SETLKW: ['flockIn'],
    F_GETOWN: [],
    F_SETOWN: ['int'],
    F_GETOWN_EX: ['ownerOut'],
    F_SETOWN_EX: ['ownerIn'],
    F_GETSIG: [],
    F_SETSIG: ['signal'],
    F_GETPIPE_SZ: [],
    F_SETPIPE_SZ: ['int'],
    F_GETLEASE: [],
    F_SETLEASE: ['int'],
    F_GET_SEALS: [],
    F_ADD_SEALS: ['hex'],
  }),
);

const IOCTL = byNumber(
  commands(
    { ...ioctl, ...socket },
    {
      TCGETS: ['termiosOut'],
      TCGETS2: ['termiosOut'],
      TCSETS: ['termiosIn'],
      TCSETSW: ['termiosIn'],
      TCSETSF: ['termiosIn'],
      TCSETS2: ['termiosIn'],
      TCSETSW2: ['termiosIn'],
      TCSETSF2: ['termiosIn'],
      TCGETA: ['address'],
      TCSETA: ['address'],
      TCSETAW: ['address'],
      TCSETAF: ['address'],
      TCSBRK: ['int'],
      TCSBRKP: ['int'],
      TCXONC: ['flowAction'],
      TCFLSH: ['flushQueue'],
      TIOCEXCL: [],
      TIOCNXCL: [],
      TIOCSCTTY: ['int'],
      TIOCNOTTY: [],
      TIOCGPGRP: ['intOut'],
      TIOCSPGRP: ['intIn'],
      TIOCGSID: ['intOut'],
      TIOCOUTQ: ['intOut'],
      TIOCSTI: ['address'],
      TIOCGWINSZ: ['winsizeOut'],
      TIOCSWINSZ: ['winsizeIn'],
      TIOCGETD: ['intOut'],
      TIOCSETD: ['intIn'],
      TIOCGPTN: ['uintOut'],
      TIOCSPTLCK: ['intIn'],
      TIOCGPTLCK: ['intOut'],
      TIOCGPTPEER: ['hex'],
      TIOCPKT: ['intIn'],
      TIOCGPKT: ['intOut'],
      TIOCSIG: ['signal'],
      TIOCVHANGUP: [],
      NS_GET_NSTYPE: [],
      NS_GET_OWNER_UID: ['address'],
      NS_GET_PARENT: [],
      NS_GET_USERNS: [],
      FIONREAD: ['intOut'],
      FIONBIO: ['intIn'],
      FIOASYNC: ['intIn'],
      FIOCLEX: [],
      FIONCLEX: [],
      FIOQSIZE: ['address'],
      FIGETBSZ: ['address'],
      FICLONE: ['int'],
      FS_IOC_GETFLAGS: ['address'],
      FS_IOC_SETFLAGS: ['address'],
      BLKGETSIZE: ['address'],
      BLKGETSIZE64: ['address'],
      RNDGETENTCNT: ['intOut'],
      FIOSETOWN: ['intIn'],
      SIOCSPGRP: ['intIn'],
      FIOGETOWN: ['intOut'],
      SIOCGPGRP: ['intOut'],
      SIOCATMARK: ['intOut'],
      SIOCGSKNS: ['address'],
    },
  ),
);

const PRCTL = byNumber(
  commands(sched, {
    PR_SET_PDEATHSIG: ['signal'],
    PR_GET_PDEATHSIG: ['signalOut'],
    PR_GET_DUMPABLE: [],
    PR_SET_DUMPABLE: ['int'],
    PR_GET_KEEPCAPS: [],
    PR_SET_KEEPCAPS: ['int'],
    PR_SET_NAME: ['string'],
    PR_GET_NAME: ['stringOut'],
    PR_CAPBSET_READ: ['int'],
    PR_CAPBSET_DROP: ['int'],
    PR_GET_SECUREBITS: [],
    PR_GET_TIMERSLACK: [],
    PR_SET_TIMERSLACK: ['ulong'],
    PR_SET_NO_NEW_PRIVS: ['ulong', 'ulong', 'ulong', 'ulong'],
    PR_GET_NO_NEW_PRIVS: ['ulong', 'ulong', 'ulong', 'ulong'],
    PR_SET_CHILD_SUBREAPER: ['ulong'],
    PR_GET_CHILD_SUBREAPER: ['intOut'],
  }),
);

const ARCH_PRCTL = byNumber(
  commands(sched, {
    ARCH_SET_GS: ['address'],
    ARCH_SET_FS: ['address'],
    ARCH_GET_FS: ['addressOut'],
    ARCH_GET_GS: ['addressOut'],
  }),
);

const SYSLOG = byNumber(
  commands(klog, {
    SYSLOG_ACTION_CLOSE: [],
    SYSLOG_ACTION_OPEN: [],
    SYSLOG_ACTION_READ: ['bufOut', 'int'],
    SYSLOG_ACTION_READ_ALL: ['bufOut', 'int'],
    SYSLOG_ACTION_READ_CLEAR: ['bufOut', 'int'],
    SYSLOG_ACTION_CLEAR: [],
    SYSLOG_ACTION_CONSOLE_OFF: [],
    SYSLOG_ACTION_CONSOLE_ON: [],
    SYSLOG_ACTION_CONSOLE_LEVEL: ['address', 'consoleLevel'],
    SYSLOG_ACTION_SIZE_UNREAD: [],
    SYSLOG_ACTION_SIZE_BUFFER: [],
  }),
);

/** One more than the level that is still shown. */
const CONSOLE_LEVELS = 'EMERG ALERT CRIT ERR WARNING NOTICE INFO DEBUG DEBUG+1'.split(' ');

/** An argument that selects a command. */
const command = (
  table: ReadonlyMap<number, Command>,
  unknown: (value: number) => string,
  unknownRest: readonly string[],
): ArgumentFormat => ({
  text: (_call, value) => table.get(value >>> 0)?.[0] ?? unknown(value >>> 0),
  rest: (_call, value) => table.get(value >>> 0)?.[2] ?? unknownRest,
});

/** `_IOC(_IOC_READ, 0x54, 0x2a, 0x2c)`: direction, type, number, size. @source uapi/asm-generic/ioctl.h */
const DIRECTIONS = ['_IOC_NONE', '_IOC_WRITE', '_IOC_READ', '_IOC_READ|_IOC_WRITE'];
const ioctlNumberText = (value: number): string =>
  `_IOC(${DIRECTIONS[value >>> 30]}, ${hex((value >>> 8) & 0xff)}, ${hex(value & 0xff)}, ${hex((value >>> 16) & 0x3fff)})`;

// Terminal modes.

const IFLAGS = namesOf(
  termios,
  'IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8',
);
const OFLAGS = namesOf(termios, 'OPOST OLCUC ONLCR OCRNL ONOCR ONLRET OFILL OFDEL');
const CFLAGS = namesOf(termios, 'CSTOPB CREAD PARENB PARODD HUPCL CLOCAL CMSPAR CRTSCTS');
const LFLAGS = namesOf(
  termios,
  'ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH IEXTEN ECHOCTL ECHOPRT ECHOKE FLUSHO PENDIN TOSTOP EXTPROC',
);
const SIZES = namesOf(termios, 'CS5 CS6 CS7 CS8');
const SPEEDS = namesOf(
  termios,
  'B0 B50 B75 B110 B134 B150 B200 B300 B600 B1200 B1800 B2400 B4800 B9600 B19200 B38400 B57600 B115200 B230400 B460800 B500000 B576000 B921600 B1000000 B1152000 B1500000 B2000000 B2500000 B3000000 B3500000 B4000000 BOTHER',
);
/** Delays: mask, then names by value. */
const DELAYS: readonly (readonly [number, Names])[] = [
  [termios.NLDLY, namesOf(termios, 'NL0 NL1')],
  [termios.CRDLY, namesOf(termios, 'CR0 CR1 CR2 CR3')],
  [termios.TABDLY, namesOf(termios, 'TAB0 TAB1 TAB2 TAB3')],
  [termios.BSDLY, namesOf(termios, 'BS0 BS1')],
  [termios.VTDLY, namesOf(termios, 'VT0 VT1')],
  [termios.FFDLY, namesOf(termios, 'FF0 FF1')],
];

const join = (...parts: string[]): string => parts.filter((part) => part !== '0').join('|');

function termiosText(view: DataView): string {
  const [iflag, oflag, cflag, lflag] = [0, 4, 8, 12].map((offset) => view.getUint32(offset, true));
  let delayed = 0;
  const delays = DELAYS.map(([mask, names]) => {
    delayed |= mask;
    return valueText(oflag & mask, names, '???');
  });
  const speed = valueText(cflag & termios.CBAUD, SPEEDS, 'B???');
  const size = valueText(cflag & termios.CSIZE, SIZES, 'CS???');
  const control = flagText(cflag & ~(termios.CBAUD | termios.CSIZE | termios.CIBAUD), CFLAGS, '???');
  return (
    `{c_iflag=${flagText(iflag, IFLAGS, '???')}, ` +
    `c_oflag=${join(...delays, flagText(oflag & ~delayed, OFLAGS, '???'))}, ` +
    `c_cflag=${join(speed, size, control)}, c_lflag=${flagText(lflag, LFLAGS, '???')}, ...}`
  );
}

/** struct winsize: four u16. */
function winsizeText(view: DataView): string {
  const [row, col, x, y] = [0, 2, 4, 6].map((offset) => view.getUint16(offset, true));
  return `{ws_row=${row}, ws_col=${col}, ws_xpixel=${x}, ws_ypixel=${y}}`;
}

/** The part of struct termios that is shown: four flag words. */
const TERMIOS_FLAGS = 16;

export const COMMAND_KINDS = {
  fcntlCommand: command(FCNTL, (value) => `${hex32(value)} /* F_??? */`, ['hex']),
  fcntlArgument: early((_call, value) => hex(value)),
  ioctlRequest: command(IOCTL, ioctlNumberText, ['address']),
  ioctlArgument: early((_call, value) => pointer(value)),
  prctlOption: command(PRCTL, (value) => `${hex32(value)} /* PR_??? */`, ['hex', 'hex', 'hex', 'hex']),
  archPrctlOption: command(ARCH_PRCTL, (value) => `${hex32(value)} /* ARCH_??? */`, ['hex']),
  syslogAction: {
    text: (_call, value) => `${value | 0} /* ${SYSLOG.get(value >>> 0)?.[0] ?? 'SYSLOG_ACTION_???'} */`,
    rest: (_call, value) => SYSLOG.get(value >>> 0)?.[2] ?? ['address', 'int'],
  },
  syslogArgument: early((_call, value) => pointer(value)),
  consoleLevel: early((_call, value) => `${value | 0} /* LOGLEVEL_${CONSOLE_LEVELS[value | 0] ?? '???'} */`),
  termiosIn: pointed(TERMIOS_FLAGS, termiosText),
  termiosOut: filled(TERMIOS_FLAGS, termiosText),
  winsizeIn: pointed(8, winsizeText),
  winsizeOut: filled(8, winsizeText),
  flowAction: early((_call, value) => valueText(value, namesOf(termios, 'TCOOFF TCOON TCIOFF TCION'), 'TC???')),
  flushQueue: early((_call, value) => valueText(value, namesOf(termios, 'TCIFLUSH TCOFLUSH TCIOFLUSH'), 'TC???')),
} satisfies Record<string, ArgumentFormat>;
