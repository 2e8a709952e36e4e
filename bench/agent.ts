/**
 * A kernel in a Node process of its own, told by the bench what to do: another Node binary can be measured, memory is that of a
 * kernel alone, and a crash costs one row. Started by banos-engine.ts; one request at a time.
 */
import type { BootOptions, Kernel } from '../kernel-core/index.js';
import { runGuest } from './guest.js';
import { median } from './measure.js';

export type AgentRequest =
  | { kind: 'run'; argv: readonly string[] }
  /** Milliseconds of `busybox true` through spawn: median. */
  | { kind: 'spawn'; argv: readonly string[]; rounds: number }
  /** Starts programs that go on waiting for input. */
  | { kind: 'idle'; argv: readonly string[]; count: number }
  /** Resident set size in bytes, when things have come to rest. */
  | { kind: 'memory' };

const WARM_UP = 50;
const REST_MS = 1500;

/** As installed: the bundle; from source: the sources. */
const ENTRY = import.meta.filename.endsWith('.ts') ? '../kernel-core/index.ts' : '../bundle/banos.js';

async function spawnRate(kernel: Kernel, argv: readonly string[], rounds: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < rounds + WARM_UP; i++) {
    const { ms } = await runGuest(kernel, argv);
    if (i >= WARM_UP) times.push(ms);
  }
  return median(times);
}

async function answer(kernel: Kernel, request: AgentRequest): Promise<unknown> {
  switch (request.kind) {
    case 'run':
      return runGuest(kernel, request.argv);
    case 'spawn':
      return spawnRate(kernel, request.argv, request.rounds);
    case 'idle':
      for (let i = 0; i < request.count; i++) kernel.spawn(request.argv);
      return null;
    case 'memory':
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      return process.memoryUsage.rss();
  }
}

const { boot } = (await import(ENTRY)) as typeof import('../kernel-core/index.js');
const kernel = await boot(JSON.parse(process.argv[2]) as BootOptions);
process.on('message', (request: AgentRequest) => {
  answer(kernel, request).then(
    (value) => process.send!({ value }),
    (error: Error) => process.send!({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send!({ value: process.version });
