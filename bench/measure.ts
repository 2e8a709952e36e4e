/** Repeating, taking the middle, finding the moment of full speed. */
import { spawn } from 'node:child_process';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of `times` runs; `once` returns what it measured. One run before them does not count. */
export async function repeat(times: number, once: () => Promise<number>): Promise<number> {
  await once();
  const values: number[] = [];
  for (let i = 0; i < times; i++) values.push(await once());
  return median(values);
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Runs a program of the host to its end. @returns its standard output */
export function runHost(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(output);
      else reject(new Error(`${file} ${args.join(' ')}: ${signal ?? `exit status ${status}`}`));
    });
  });
}

const SPEED = 0.9;
/** Of the rounds, how many may be faster than what counts as the best: a lucky round is no peak. */
const LUCKY = 0.1;

/**
 * Milliseconds from the start of main() until a round runs at 90 % of the best rate.
 * @param trace a line per round: nanoseconds since the start at its end, nanoseconds that it took
 */
export function timeToPeak(trace: string): number {
  const rounds = trace
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const sorted = rounds.map(([, time]) => time).sort((a, b) => a - b);
  const best = sorted[Math.floor(sorted.length * LUCKY)];
  const [end, time] = rounds.find(([, time]) => time * SPEED <= best)!;
  return (end - time) / 1e6;
}
