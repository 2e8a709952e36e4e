/** The row of TypeScript programs: ping-pong.ts, in each Node; what it is compared with is node:net in the same Node. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { addRow, type Bench, failed, progress } from './bench.js';

const SCRIPT = join(import.meta.dirname, 'ping-pong.js');

export function measureTypeScript(bench: Bench, nodes: readonly string[]): void {
  const head = {
    group: 'typescript',
    name: 'TypeScript to ELF round trip',
    what: 'a byte over a unix socket and back, by promises; "native" is node:net with both ends in one process',
    unit: 'ns',
    goal: '<= 0.2x',
  } as const;
  if (!bench.wanted(head)) return;
  progress(`${head.group}: ${head.name}`);
  let native: number | null = null;
  const banos = nodes.map((node, index) => {
    try {
      const output = execFileSync(node, [SCRIPT, '20000', bench.quick ? '3' : '10'], { encoding: 'utf8' });
      const measured = JSON.parse(output) as { node: number; banos: number };
      // The first Node's own figure stands for all.
      native ??= measured.node;
      return measured.banos;
    } catch (error) {
      failed(bench, head, bench.results.engines[index]!, error);
      return null;
    }
  });
  addRow(bench, { ...head, native, qemu: null, banos });
}
