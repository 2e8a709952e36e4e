/** Terminals through the libc. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c, cfgetispeed, cfgetospeed, cfmakeraw, cfsetispeed, cfsetospeed } from '../../libc/index.js';
import { bootTestKernel, type Context, failure, inside, leave, text } from './support.js';

const test = suite<Context>('libc: terminals');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

test('posix_openpt has unlocked the slave; grantpt and unlockpt have nothing left to do', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const master = libc.posix_openpt(c.O_RDWR | c.O_NOCTTY);
    const name = libc.ptsname(master);
    const slave = await libc.open(name, c.O_RDWR | c.O_NOCTTY);
    libc.grantpt(master);
    libc.unlockpt(master);
    const buffer = new Uint8Array(20);
    const length = libc.ptsname_r(master, buffer);
    const [file] = libc.pipe();
    return [
      [name.startsWith('/dev/pts/'), text(buffer, length) === name, libc.ttyname(slave) === name],
      [libc.isatty(master), libc.isatty(slave), libc.isatty(file), libc.isatty(99)],
      [
        (await failure(() => libc.ptsname_r(master, new Uint8Array(4)))).code,
        (await failure(() => libc.grantpt(file))).code,
      ],
      [(await failure(() => libc.ttyname(file))).code, (await failure(() => libc.unlockpt(99))).code],
    ];
  });
  assert.equal(seen, [
    [true, true, true],
    [true, true, false, false],
    ['ERANGE', 'ENOTTY'],
    ['ENOTTY', 'EBADF'],
  ]);
});

test('O_NOCTTY: the leader of a session without a terminal opens one that does not become its own', async ({
  kernel,
}) => {
  const seen = await inside(kernel, async (libc) => {
    if (libc.getsid(0) !== libc.getpid()) libc.setsid();
    const name = libc.ptsname(libc.posix_openpt(c.O_RDWR | c.O_NOCTTY));
    const refused = async (): Promise<unknown> => (await failure(() => libc.open('/dev/tty', c.O_RDWR))).code;
    const before = [await refused()];
    const slave = await libc.open(name, c.O_RDWR | c.O_NOCTTY | c.O_NONBLOCK);
    before.push(await refused(), ((await libc.fcntl(slave, c.F_GETFL)) & c.O_NOCTTY) === 0);
    await libc.open(name, c.O_RDWR);
    return [...before, libc.isatty(await libc.open('/dev/tty', c.O_RDWR))];
  });
  assert.equal(seen, ['ENXIO', 'ENXIO', true, true]);
});

test('a line, its echo, raw mode, and back', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const { master, slave } = libc.openpty();
    const buffer = new Uint8Array(100);
    const read = async (fd: number): Promise<string> => text(buffer, await libc.read(fd, buffer));
    const results: unknown[] = [];
    const line = libc.read(slave, new Uint8Array(1));
    await libc.write(master, 'x');
    await libc.write(master, '\x7fab\r');
    results.push(await line, await read(master), await read(slave));
    const cooked = libc.tcgetattr(slave);
    const raw = { ...cooked, c_cc: cooked.c_cc.slice() };
    cfmakeraw(raw);
    await libc.tcsetattr(slave, c.TCSAFLUSH, raw);
    await libc.write(master, 'k\r');
    results.push(await read(slave), libc.tcgetattr(slave).c_cc[c.VMIN]);
    await libc.tcsetattr(slave, c.TCSANOW, cooked);
    assert.equal(libc.tcgetattr(slave), cooked);
    return results;
  });
  assert.equal(seen, [1, 'x\b \bab\r\n', 'b\n', 'k\r', 1]);
});

test('tcdrain and TCSADRAIN wait until output has been read; tcflow stops it', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const { master, slave } = libc.openpty();
    const order: string[] = [];
    await libc.tcflow(slave, c.TCOOFF);
    const write = libc.write(slave, 'text').then(() => order.push('written'));
    await libc.usleep(1000);
    order.push('on');
    await libc.tcflow(slave, c.TCOON);
    await write;
    await libc.tcdrain(slave);
    await libc.tcsendbreak(slave);
    await libc.write(master, 'typed\r');
    await libc.tcflush(slave, c.TCIFLUSH);
    const [ready] = [await libc.poll([{ fd: slave, events: c.POLLIN }], 0)];
    order.push(String(ready));
    return order;
  });
  assert.equal(seen, ['on', 'written', '0']);
});

test('forkpty: a session of its own, with the terminal; size; foreground group', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const { pid, master } = await libc.forkpty(
      async (child) => {
        const [group, size] = [child.tcgetpgrp(0), child.tcgetwinsize(1)];
        const own = child.getpid();
        await child.tcsetpgrp(0, own);
        await child.write(
          1,
          `${group === own} ${child.getsid() === own} ${child.tcgetsid(0) === own} ${size.ws_col}x${size.ws_row}\n`,
        );
        await child.execvp('sh', ['sh', '-c', 'tty; read line; echo got $line; exit 5']);
      },
      null,
      { ws_row: 33, ws_col: 44 },
    );
    let output = '';
    const buffer = new Uint8Array(200);
    const until = async (what: string): Promise<void> => {
      while (!output.includes(what)) output += text(buffer, await libc.read(master, buffer));
    };
    await until('/dev/pts/');
    await libc.write(master, 'hello\r');
    await until('got hello\r\n');
    const { status } = await libc.waitpid(pid);
    const end = await failure(() => libc.read(master, buffer));
    return [output.split('\r\n')[0], /\/dev\/pts\/\d+\r\n/.test(output), status >> 8, end.code];
  });
  assert.equal(seen, ['true true true 44x33', true, 5, 'EIO']);
});

test('speeds', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const { slave } = libc.openpty();
    const termios = libc.tcgetattr(slave);
    const before = [cfgetospeed(termios), cfgetispeed(termios)];
    cfsetospeed(termios, c.B9600);
    await libc.tcsetattr(slave, c.TCSANOW, termios);
    const after = libc.tcgetattr(slave);
    const wrong = await failure(() => cfsetispeed(termios, 9600 << 8));
    return [...before, cfgetospeed(after), cfgetispeed(after), wrong.code];
  });
  assert.equal(seen, [c.B38400, c.B38400, c.B9600, c.B9600, 'EINVAL']);
});

test('a background process that writes with TOSTOP is stopped; SIGTTOU for tcsetattr', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const { pid, master } = await libc.forkpty(async (leader) => {
      const child = await leader.fork(async (background) => {
        background.setpgid(0, 0);
        await background.tcsetattr(0, c.TCSANOW, background.tcgetattr(0));
        return 6;
      });
      const stopped = await leader.waitpid(child, c.WUNTRACED);
      await leader.tcsetpgrp(0, child);
      await leader.kill(child, c.SIGCONT);
      const ended = await leader.waitpid(child);
      await leader.write(1, `${stopped.status} ${ended.status}\n`);
    });
    const buffer = new Uint8Array(100);
    let output = '';
    while (!output.includes('\n')) output += text(buffer, await libc.read(master, buffer));
    await libc.waitpid(pid);
    return output;
  });
  assert.is(seen, `${(c.SIGTTOU << 8) | 0x7f} ${6 << 8}\r\n`);
});

test.run();
