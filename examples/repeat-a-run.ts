/** Two runs from one seed are the same run: clock, random numbers, process order, every system call. */
import { boot } from 'banos';

async function record(seed: number): Promise<string> {
  const lines: string[] = [];
  const kernel = await boot({ seed, trace: (line) => lines.push(line) });
  const shell = kernel.spawn(['sh', '-c', 'sleep 3600 & date; head -c 4 /dev/urandom | od; kill $!; wait']);
  shell.stdin!.end();
  shell.stdout!.resume();
  await shell.closed;
  await kernel.shutdown();
  return lines.join('');
}

const [first, again, other] = [await record(1), await record(1), await record(2)];
console.log(first === again, first === other);
