/** Drives an interactive program as a person would: waits for what the screen shows, types, presses Ctrl-C. */
import { boot } from 'banos';

const kernel = await boot();
const env = { PATH: '/bin:/usr/bin', PS1: 'ready> ', TERM: 'dumb' };
const { pty, exit } = kernel.spawn(['sh'], { pty: { cols: 80, rows: 24 }, env });

let screen = '';
const shown: { text: string; resolve: () => void }[] = [];
pty!.onData((data) => {
  screen += data;
  while (shown.length > 0 && screen.includes(shown[0].text)) shown.shift()!.resolve();
});
const seen = (text: string): Promise<void> =>
  new Promise((resolve) => {
    if (screen.includes(text)) resolve();
    else shown.push({ text, resolve });
  });
const type = (keys: string): void => {
  screen = '';
  pty!.write(keys);
};

await seen('ready> ');
type('cat\r');
await seen('cat\r\n');
type('hello\r');
await seen('hello\r\n');
type('\x03');
await seen('ready> ');
type('exit 7\r');
console.log(await exit);
await kernel.shutdown();
