/** A TypeScript function as a program of the guest, in a pipeline between programs in machine code. */
import { text } from 'node:stream/consumers';
import { boot } from 'banos';

const kernel = await boot();
kernel.installProgram('/usr/bin/shout', async (libc, argv) => {
  const buffer = new Uint8Array(4096);
  for (let n = await libc.read(0, buffer); n > 0; n = await libc.read(0, buffer)) {
    await libc.write(1, new TextDecoder().decode(buffer.subarray(0, n)).toUpperCase());
  }
  await libc.write(1, `${argv[1]}, says process ${libc.getpid()} in ${libc.getcwd()}\n`);
  return 3;
});
const shell = kernel.spawn(['sh', '-c', 'cd /tmp; echo hello | shout bye; echo $?']);
shell.stdin!.end();
console.log(await text(shell.stdout!));
await kernel.shutdown();
