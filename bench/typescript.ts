/** The rows of TypeScript programs: ping-pong.ts, in each Node; what they are compared with is node:net in the same Node. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { addRow, type Bench, failed, progress } from './bench.js';

const SCRIPT = join(import.meta.dirname, 'ping-pong.js');

/** What ping-pong.ts prints: nanoseconds per round. */
interface PingPong {
  node: number;
  banos: number;
  kernelNet: number;
}

const ROWS = [
  {
    group: 'typescript',
    name: 'TypeScript to ELF round trip',
    what: 'a byte over a unix socket and back, by promises; "native" is node:net with both ends in one process',
    unit: 'ns',
    goal: '<= 0.2x',
    figure: ({ banos }: PingPong) => banos,
  },
  {
    group: 'typescript',
    name: 'kernel.net round trip',
    what: 'a byte over a unix socket and back, both ends streams of kernel.net; "native" is node:net, the same',
    unit: 'ns',
    goal: '',
    figure: ({ kernelNet }: PingPong) => kernelNet,
  },
] as const;

export function measureTypeScript(bench: Bench, nodes: readonly string[]): void {
  const rows = ROWS.filter((row) => bench.wanted(row));
  if (rows.length === 0) return;
  progress(`typescript: ${rows.map(({ name }) => name).join(', ')}`);
  const measured = nodes.map((node, index) => {
    try {
      const output = execFileSync(node, [SCRIPT, '2000', bench.quick ? '30' : '100'], { encoding: 'utf8' });
      return JSON.parse(output) as PingPong;
    } catch (error) {
      for (const row of rows) failed(bench, row, bench.results.engines[index]!, error);
      return null;
    }
  });
  // The first Node's own figure stands for all.
  const native = measured.find((one) => one !== null)?.node ?? null;
  for (const { figure, ...head } of rows) {
    addRow(bench, { ...head, native, qemu: null, banos: measured.map((one) => (one === null ? null : figure(one))) });
  }
}
