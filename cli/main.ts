/** The `banos` command. */
import { Command } from 'commander';
import { VERSION } from '../kernel-core/index.js';
import {
  EXIT_BANOS_FAILED,
  normaliseStrace,
  parseAddress,
  parseCacheLimit,
  parseEnv,
  parseMemory,
  parseMount,
  parsePort,
  parseSeed,
  parseUser,
  type RunOptions,
} from './options.js';
import { run } from './run.js';

const DEFAULT_MEMORY = 1024;

const withRunOptions = (command: Command): Command =>
  command
    .option(
      '--rootfs <dir|tar>',
      'root file system: a directory or a tar or tar.gz file, never written to (default: the embedded busybox)',
    )
    .option('--mount <host:guest[:ro]>', 'show a host directory inside; repeatable', parseMount, [])
    .option(
      '--env <name=value>',
      'set an environment variable; NAME alone takes the value it has here; repeatable',
      parseEnv,
      {},
    )
    .option('--cwd <dir>', 'working directory inside')
    .option('--user <uid[:gid]>', 'run as this user (default 0:0)', parseUser)
    .option('--strace [file]', 'trace system calls to standard error, or with --strace=FILE to a file')
    .option('--seed <n>', 'deterministic run: virtual clock and seeded random numbers', parseSeed)
    .option('--memory <MiB>', 'memory of the machine', parseMemory, DEFAULT_MEMORY)
    .option('--no-translator', 'interpret programs only; they do the same, slower')
    .option('--kernel-log', 'show on standard error what the kernel says, as a console would (dmesg -n sets the level)')
    .option(
      '--gdb <port>',
      'serve gdb on this port of loopback (0: any); `run` waits for it with its program',
      parsePort,
    )
    .option('--crash-dump <file>', 'write a core file of the kernel, for gdb, when a driver crashes first')
    .option('--stats', 'at the end, tell on standard error what the processor did')
    .option('--code-cache <dir>', 'keep translated code of programs in this directory, for a fast start the next time')
    .option(
      '--code-cache-limit <MiB>',
      'size of that directory; the oldest files go first (default 64)',
      parseCacheLimit,
    )
    .option(
      '--dump-code <address>',
      'show on standard error the code there: assembly, intermediate form, WebAssembly; hexadecimal, repeatable',
      parseAddress,
      [],
    );

const program = new Command('banos')
  .description('A Linux inside one Node process: runs unmodified x86-64 Linux programs')
  .version(VERSION)
  .enablePositionalOptions()
  .showHelpAfterError('(try banos --help)')
  // Help and --version end the command, too, with status 0.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_BANOS_FAILED));

withRunOptions(program.command('shell'))
  .description('a busybox shell; on a terminal an interactive one, else it reads commands from standard input')
  .action(async (options: RunOptions) => {
    const tty = process.stdin.isTTY === true && process.stdout.isTTY === true;
    const home = options.cwd ?? '/root';
    finish(
      await run(['sh'], { ...options, isShell: true, tty, cwd: options.rootfs === undefined ? home : options.cwd }),
    );
  });

withRunOptions(program.command('run'))
  .description('run a program')
  .usage('[options] [--] PROGRAM [ARG...]')
  .option('-t, --tty', 'give the program a terminal, bridged to this one')
  .argument('<program>', 'path of the program inside, or a name to look up in PATH')
  .argument('[args...]')
  .passThroughOptions()
  .action(async (name: string, args: string[], options: RunOptions) => {
    if (options.tty && !(process.stdin.isTTY && process.stdout.isTTY)) {
      process.stderr.write(
        'banos: -t needs a terminal on standard input and output; leave it out for pipes and files\n',
      );
      process.exitCode = EXIT_BANOS_FAILED;
      return;
    }
    finish(await run([name, ...args], options));
  });

/** Ends the process once what was written is out. */
function finish(status: number): void {
  process.exitCode = status;
  // Open handles of the host (a terminal being read, say) must not hold the exit up.
  const streams = [process.stdout, process.stderr];
  let open = streams.length;
  for (const stream of streams) {
    stream.write('', () => {
      if (--open === 0) process.exit(status);
    });
  }
}

// Not awaited here: the bundle is a script.
void program.parseAsync(normaliseStrace(process.argv.slice(2)), { from: 'user' });
