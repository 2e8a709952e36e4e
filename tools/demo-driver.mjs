/**
 * A driver from its C source to its end: compiled, loaded, talked through by a busybox shell and a TypeScript program,
 * found by nm, unloaded.
 *
 *   npm run demo:driver
 */
// @ts-check
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { boot, constants } from '../dist/libc/index.js';

const ROOT = join(import.meta.dirname, '..');
const SOURCE = 'drivers/examples/message.c';
/** What a program of the host needs to run inside. */
const HOST_FOLDERS = ['/usr', '/lib', '/lib64'].filter((folder) => existsSync(folder));

const directory = mkdtempSync(join(tmpdir(), 'banos-demo-'));
try {
  process.exitCode = await demonstrate();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** @returns {Promise<number>} exit status */
async function demonstrate() {
  const compile = ['-O2', '-ffreestanding', '-Idrivers/include', '-c', '-o', join(directory, 'message.o'), SOURCE];
  console.log(`$ gcc -O2 -ffreestanding -Idrivers/include -c -o message.o ${SOURCE}`);
  const { status, error, stderr } = spawnSync('gcc', compile, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) {
    console.error(error?.message ?? stderr);
    return 1;
  }
  const kernel = await boot({
    mounts: [directory, ...HOST_FOLDERS].map((host, i) => ({
      host,
      guest: i === 0 ? '/drivers' : `/host${host}`,
      readOnly: true,
    })),
  });

  /** Runs a command in busybox's shell, and shows it. @param {string} command */
  const shell = async (command) => {
    console.log(`# ${command}`);
    const child = kernel.spawn(['sh', '-c', `{ ${command}\n} 2>&1`]);
    child.stdin?.end();
    process.stdout.write(await text(/** @type {NodeJS.ReadableStream} */ (child.stdout)));
    const { code } = await child.exit;
    if (code !== 0) process.exitCode = 1;
    return code;
  };

  // Reads lines from one minor as epoll says that there are some, and answers them on another.
  kernel.installProgram('/bin/shout', async (libc) => {
    const { O_RDONLY, O_WRONLY, O_NONBLOCK, EPOLL_CTL_ADD, EPOLLIN } = constants;
    const input = await libc.open('/dev/message0', O_RDONLY | O_NONBLOCK);
    const output = await libc.open('/dev/message1', O_WRONLY);
    const set = libc.epoll_create1();
    libc.epoll_ctl(set, EPOLL_CTL_ADD, input, { events: EPOLLIN, data: 0 });
    const buffer = new Uint8Array(256);
    for (let heard = ''; !heard.endsWith('bye\n'); ) {
      await libc.epoll_wait(set, 1, -1);
      heard = new TextDecoder().decode(buffer.subarray(0, await libc.read(input, buffer)));
      await libc.write(output, `TypeScript heard: ${heard.toUpperCase()}`);
    }
    return 0;
  });

  await shell('insmod /drivers/message.o; lsmod; ls -l /dev/message*');
  await shell(
    'shout & for word in hello "how are you" bye; do echo "$word" > /dev/message0; head -n 1 /dev/message1; done; wait',
  );
  // The host's own nm, inside.
  if (existsSync('/usr/bin/nm')) {
    await shell('mkdir /host/dev; mount -o bind /dev /host/dev');
    await shell('chroot /host nm /dev/ksyms | grep -e message_ -e banos_chrdev');
  } else console.log('(nm is not installed)');
  await shell('cat /sys/module/message/refcnt; rmmod message; lsmod; ls /dev/message*; true');
  await kernel.shutdown();
  return Number(process.exitCode ?? 0);
}
