/** The embedder serves a unix socket with the shape of node:net; a program inside uses it. Files by kernel.fs. */
import { boot, constants as c } from 'banos';

const kernel = await boot();
const server = kernel.net.createServer((socket) => {
  socket.on('data', (data) => socket.end(`${String(data).trim()} and back\n`));
});
server.listen('/run/service');

kernel.installProgram('/bin/client', async (libc) => {
  const fd = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
  await libc.connect(fd, '/run/service');
  await libc.send(fd, 'there');
  const buffer = new Uint8Array(100);
  await libc.write(1, buffer.subarray(0, await libc.recv(fd, buffer)));
});
const shell = kernel.spawn(['sh', '-c', 'client >/tmp/answer']);
await shell.exit;
console.log(await kernel.fs.readFile('/tmp/answer', 'utf8'));
server.close();
await kernel.shutdown();
