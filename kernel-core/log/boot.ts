/** What the kernel says of itself while it boots. */
import { KERN_INFO, KERN_NOTICE, LOG_KERN } from '../../abi/klog.js';
import { CPU_BRAND } from '../../cpu/index.js';
import type { Kernel } from '../kernel.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { KERNEL_BUILDER, KERNEL_COMMAND_LINE, KERNEL_RELEASE, KERNEL_VERSION } from '../syscalls/system.js';

const kib = (frames: number): number => (frames * PAGE_SIZE) / 1024;

/** The machine. First of all. */
export function logBoot(kernel: Kernel): void {
  const { log, memory } = kernel;
  log.write(KERN_NOTICE, LOG_KERN, `Linux version ${KERNEL_RELEASE} ${KERNEL_BUILDER} ${KERNEL_VERSION}`);
  log.write(KERN_INFO, LOG_KERN, `Command line: ${KERNEL_COMMAND_LINE}`);
  const available = `${kib(memory.freeFrames)}K/${kib(memory.limitFrames)}K`;
  log.write(KERN_INFO, LOG_KERN, `Memory: ${available} available`);
  log.write(KERN_INFO, LOG_KERN, `CPU0: ${CPU_BRAND}`);
}

/** File systems, once all are there. */
export function logMounts({ log, namespace, processes }: Kernel): void {
  log.write(KERN_INFO, LOG_KERN, `Processes: at most ${processes.taskLimit}`);
  const [root, ...others] = namespace.list();
  log.write(KERN_INFO, LOG_KERN, `VFS: Mounted root (${root.fs.type} filesystem)${root.readOnly ? ' readonly' : ''}.`);
  for (const { fs } of others) log.write(KERN_INFO, LOG_KERN, `${fs.type}: mounted`);
}
