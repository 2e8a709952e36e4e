/**
 * Sessions as a person would type them, at a busybox shell whose home is /root. Each script takes a fresh shell and
 * runs the same in Banos and natively in a chroot: what it expects is what Linux does, not what Banos happens to do.
 */
import * as assert from 'uvu/assert';
import type { Session } from './terminal.js';

/** Behind its prompt the line editor asks where the cursor is (terminal.ts); then it reads keys. */
const PROMPT = '~ # \x1b[6n';
export const CTRL = (letter: string): string => String.fromCharCode(letter.charCodeAt(0) & 0x1f);
const UP = '\x1b[A';
const LEFT = '\x1b[D';
const RIGHT = '\x1b[C';
const HOME = '\x1b[H';
const END = '\x1b[F';
const DELETE = '\x1b[3~';
const ENTER = '\r';
const ESC = '\x1b';

/** Types a command and waits for its output; the shell is at its prompt before and after. */
async function run(session: Session, command: string, output: string | RegExp): Promise<RegExpMatchArray> {
  session.type(command + ENTER);
  const match = await session.expect(output);
  await session.expect(PROMPT);
  return match;
}

/**
 * Starts a foreground program and returns when the shell has handed the terminal over: the program's own process says
 * so before it becomes `command`.
 */
async function start(session: Session, command: string): Promise<void> {
  session.type(`sh -c 'echo go""ing; exec ${command}'${ENTER}`);
  await session.expect('going\r\n');
}

const screenShows = (session: Session, text: string): Promise<void> =>
  session.until(`the screen to show ${JSON.stringify(text)}`, (lines) => lines.some((line) => line.includes(text)));

/** The line on which the cursor is. */
const cursorLine = (session: Session): string => session.lines()[session.cursor.y];

async function cursorLineIs(session: Session, text: string): Promise<void> {
  await session.until(`the cursor's line to be ${JSON.stringify(text)}`, () => cursorLine(session) === text);
}

export interface Script {
  readonly name: string;
  run(session: Session): Promise<void>;
}

export const SCRIPTS: readonly Script[] = [
  {
    name: 'prompt, echo and the exit status',
    async run(session) {
      await session.expect(PROMPT);
      await run(session, 'echo one two', '\r\none two\r\n');
      assert.ok(session.lines().includes('~ # echo one two'), 'what is typed is echoed behind the prompt');
      await run(session, 'false; echo status=$?', 'status=1');
      await run(session, 'tty | cut -c1-5; [ -t 0 ] && echo terminal', 'terminal');
      session.type(`exit 7${ENTER}`);
      assert.is(await session.ended(), 7);
    },
  },
  {
    name: 'line editing: arrows, Home, End, Delete, Backspace, words and the whole line',
    async run(session) {
      await session.expect(PROMPT);
      session.type(`echo acd${LEFT}${LEFT}b`);
      await cursorLineIs(session, '~ # echo abcd');
      session.type(`${END}ef${HOME}${RIGHT}${RIGHT}${RIGHT}${RIGHT}${RIGHT}${DELETE}`);
      await cursorLineIs(session, '~ # echo bcdef');
      session.type(`${END}x\x7f${ENTER}`);
      await session.expect('\r\nbcdef\r\n');
      await session.expect(PROMPT);
      session.type(`echo wrong words${CTRL('W')}right${CTRL('A')}${CTRL('K')}`);
      await cursorLineIs(session, '~ #');
      session.type(`junk${CTRL('U')}echo clean${CTRL('B')}${CTRL('B')}${CTRL('F')}X${ENTER}`);
      await session.expect('\r\ncleaXn\r\n');
    },
  },
  {
    name: 'history: arrows and editing an earlier line',
    async run(session) {
      await session.expect(PROMPT);
      await run(session, 'echo first', '\r\nfirst\r\n');
      await run(session, 'echo second', '\r\nsecond\r\n');
      session.type(UP + UP);
      await cursorLineIs(session, '~ # echo first');
      session.type(`${UP}\x1b[B\x1b[B`);
      await cursorLineIs(session, '~ #');
      session.type(`${UP} again${ENTER}`);
      await session.expect('\r\nsecond again\r\n');
    },
  },
  {
    name: 'Tab completes commands and file names',
    async run(session) {
      await session.expect(PROMPT);
      await run(session, 'mkdir -p t && cd t && touch unique-name pair-one pair-two; cd', '\r\n');
      session.type('cat t/uni\t');
      await cursorLineIs(session, '~ # cat t/unique-name');
      session.type(`${CTRL('U')}ls t/pa\t`);
      await cursorLineIs(session, '~ # ls t/pair-');
      session.type('\t');
      await screenShows(session, 'pair-one');
      session.type(`${CTRL('U')}sha512\t`);
      await cursorLineIs(session, '~ # sha512sum');
      session.type(CTRL('U'));
      await run(session, 'echo done', '\r\ndone\r\n');
    },
  },
  {
    name: 'Ctrl-C ends the foreground program and clears a half-typed line',
    async run(session) {
      await session.expect(PROMPT);
      await start(session, 'sleep 1000');
      session.type(CTRL('C'));
      await session.expect('^C');
      await session.expect(PROMPT);
      await run(session, 'echo status=$?', 'status=130');
      session.type(`echo never${CTRL('C')}`);
      await session.expect(PROMPT);
      await run(session, 'echo after', '\r\nafter\r\n');
      await start(session, 'cat');
      session.type('half a li');
      await session.expect('half a li');
      session.type(CTRL('C'));
      await session.expect(PROMPT);
      await run(session, 'while true; do :; done & echo started', 'started');
      await run(session, 'kill %1; wait; echo gone', 'gone');
    },
  },
  {
    name: 'Ctrl-Z, jobs, fg, bg',
    async run(session) {
      await session.expect(PROMPT);
      await start(session, 'tee kept');
      // Ctrl-Z throws away what was typed and not read yet: the program's own copy of the line says that it has it.
      session.type(`line one${ENTER}`);
      await session.expect('line one\r\nline one\r\n');
      session.type(CTRL('Z'));
      await session.expect(/Stopped\s+sh -c/);
      await session.expect(PROMPT);
      await run(session, 'jobs', /\[1\]\+\s+Stopped\s+sh -c/);
      session.type(`fg${ENTER}`);
      await session.expect('exec tee kept"\r\n');
      session.type(`line two${ENTER}${CTRL('D')}`);
      await session.expect(PROMPT);
      await run(session, 'cat kept', 'line one\r\nline two\r\n');
      await start(session, 'sleep 1000');
      session.type(CTRL('Z'));
      await session.expect(/Stopped\s+sh -c/);
      await session.expect(PROMPT);
      await run(session, 'bg', /\[1\] sh -c/);
      await run(session, 'jobs', /\[1\]\+\s+Running\s+sh -c/);
      await run(session, 'kill %1; wait; jobs; echo end', 'end');
      session.type(`cat &${ENTER}`);
      await session.expect(PROMPT);
      // The shell tells of the stop before the next prompt after it happened.
      for (let told = false; !told; ) {
        session.type(ENTER);
        told = (await session.expect(/\r\n(?:[^\r\n]*(tty input)[^\r\n]*\r\n)?~ # .\[6n/))[1] !== undefined;
      }
      await run(session, 'kill -9 %1; wait; echo over', 'over');
    },
  },
  {
    name: 'Ctrl-D ends input, and the shell at an empty line',
    async run(session) {
      await session.expect(PROMPT);
      await start(session, 'wc -c');
      session.type(`abc${ENTER}de${CTRL('D')}${CTRL('D')}`);
      await session.expect('6\r\n');
      await session.expect(PROMPT);
      session.type(CTRL('D'));
      assert.is(await session.ended(), 0);
    },
  },
  {
    name: 'Ctrl-S stops output and Ctrl-Q lets it go on',
    async run(session) {
      await session.expect(PROMPT);
      await start(session, 'cat');
      session.type(`before${ENTER}`);
      await session.expect('before\r\nbefore\r\n');
      session.type(`${CTRL('S')}held${ENTER}${CTRL('Q')}`);
      await session.expect('held\r\n');
      await session.expect('held\r\n');
      session.type(CTRL('D'));
      await session.expect(PROMPT);
      // A writer is held back, not killed: everything arrives, in order.
      session.type(`i=0; while [ $i -lt 3000 ]; do echo n$i; i=$((i+1)); done; echo all$i${ENTER}`);
      await session.expect('n100\r\n');
      session.type(CTRL('S'));
      session.type(CTRL('Q'));
      await session.expect('n2999\r\nall3000\r\n');
      await session.expect(PROMPT);
    },
  },
  {
    name: 'stty reads and sets the terminal',
    async run(session) {
      await session.expect(PROMPT);
      session.type(`stty -a${ENTER}`);
      await session.expect('speed 38400 baud; rows 24; columns 80;');
      await session.expect('intr = ^C; quit = ^\\; erase = ^?; kill = ^U; eof = ^D;');
      await session.expect('isig icanon iexten echo echoe echok');
      await session.expect(PROMPT);
      await run(session, 'stty intr ^G; stty -a | head -2', 'intr = ^G');
      await start(session, 'cat');
      session.type(CTRL('G'));
      await session.expect(PROMPT);
      await run(session, 'echo status=$?; stty intr ^C', 'status=130');
      await run(session, 'stty size', '24 80');
      await run(session, 'stty rows 10 cols 33; stty size; stty rows 24 cols 80', '10 33');
      session.type(`stty -echo; echo go""ing; read secret; stty echo; echo got $secret${ENTER}`);
      await session.expect('going\r\n');
      session.type(`hidden${ENTER}`);
      await session.expect('got hidden\r\n');
      assert.not.ok(
        session.lines().some((line) => line === 'hidden'),
        'typed without echo',
      );
    },
  },
  {
    name: 'vi on a file, resized while it runs',
    async run(session) {
      await session.expect(PROMPT);
      await run(session, 'seq 1 60 > numbers', '\r\n');
      session.type(`vi numbers${ENTER}`);
      await session.until('vi to fill the screen', (lines) => lines[0] === '1' && lines[22] === '23');
      await screenShows(session, '- numbers 1/60 1%');
      session.type('ddOtop line\x1b');
      await session.until('the edit', (lines) => lines[0] === 'top line' && lines[1] === '2');
      session.type('/42\r');
      await session.until('the search', (lines) => lines[session.cursor.y] === '42');
      session.resize(60, 12);
      await session.until(
        'vi to follow the new size',
        (lines) => lines.length === 12 && /numbers.*42\/60/.test(lines[11]),
      );
      await session.until("the cursor's line to be shown", (lines) => lines.includes('42'));
      session.type('A is found');
      await screenShows(session, '42 is found');
      // An escape that more follows at once is the start of a function key.
      session.type(ESC);
      await screenShows(session, '- numbers [Modified] 42/60');
      session.type(`:s/found/here/${ENTER}`);
      await screenShows(session, '42 is here');
      session.resize(100, 30);
      await session.until('vi to fill the larger screen', (lines) => lines.length === 30 && lines[28] !== '');
      session.type(`:wq${ENTER}`);
      await session.expect(PROMPT);
      await run(session, "sed -n '1p;42p' numbers; wc -l numbers", 'top line\r\n42 is here\r\n60 numbers\r\n');
      await run(session, 'stty size; stty -a | grep -c "[^-]icanon"', '30 100\r\n1\r\n');
    },
  },
  {
    name: 'less pages, searches and leaves',
    async run(session) {
      await session.expect(PROMPT);
      await run(session, 'seq 1 200 > many', '\r\n');
      session.type(`less many${ENTER}`);
      await session.until('the first page', (lines) => lines[0] === '1' && lines[22] === '23');
      session.type(' ');
      await session.until('the second page', (lines) => lines[0] === '24');
      session.type(`/150${ENTER}`);
      await session.until('the match', (lines) => lines[0] === '150');
      session.type('G');
      await session.until('the end', (lines) => lines.includes('200') && lines[23].startsWith('(END)'));
      session.type('g');
      await session.until('the start', (lines) => lines[0] === '1');
      session.type('q');
      await session.expect(PROMPT);
      await run(session, 'seq 1 100 | less -m | cat | tail -1', '100');
    },
  },
  {
    name: 'top refreshes and leaves',
    async run(session) {
      await session.expect(PROMPT);
      session.type(`top -d 1${ENTER}`);
      await session.until(
        'the table',
        (lines) =>
          /^Mem: +\d+K used/.test(lines[0]) &&
          /PID +PPID +USER +STAT/.test(lines[3]) &&
          /\btop -d 1/.test(lines.join('\n')),
      );
      await session.until('CPU and load lines', (lines) => /^CPU: /.test(lines[1]) && /^Load average: /.test(lines[2]));
      await session.expect(/Mem: /);
      await session.expect(/Mem: /);
      session.type('q');
      await session.expect(PROMPT);
      await run(session, 'echo back', '\r\nback\r\n');
    },
  },
  {
    name: 'a pasted line of 10 kB',
    async run(session) {
      await session.expect(PROMPT);
      const words = Array.from({ length: 1250 }, (_, i) => `w${String(i).padStart(5, '0')} `).join('');
      session.type(
        `stty -icanon -echo; echo go""ing; dd bs=1 count=${words.length} 2> err | wc; stty icanon echo${ENTER}`,
      );
      await session.expect('going\r\n');
      session.type(words);
      await session.expect(/ 0 +1250 +8750\r\n/);
      await session.expect(PROMPT);
      // To a program in canonical mode: a line holds 4095 bytes and the newline; the terminal keeps no more of it.
      await start(session, 'wc -c');
      session.type(words + ENTER + CTRL('D'));
      await session.expect('\r\n4096\r\n');
      await session.expect(PROMPT);
      // To the shell's line editor, whose buffer takes 1023 bytes of it.
      session.type(`echo ${words}${CTRL('U')}echo in""tact${ENTER}`);
      await session.expect('\r\nintact\r\n');
    },
  },
  {
    name: 'colours, UTF-8 and erasing wide characters',
    async run(session) {
      await session.expect(PROMPT);
      await run(session, "printf '\\033[31mred\\033[0m \\303\\251\\n'", 'red\x1b[0m é');
      await start(session, 'cat');
      session.type(`xé\x7fy${ENTER}`);
      await session.expect('\r\nxy\r\n');
      session.type(CTRL('D'));
      await session.expect(PROMPT);
    },
  },
];
