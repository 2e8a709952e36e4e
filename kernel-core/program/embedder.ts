/**
 * The embedder as a program: its system calls are made by init, the kernel's own process, which runs nothing else. It
 * gets pages for arguments, a directory and descriptors when the first call is made.
 */
import { type Err, isErr } from '../../abi/errno.js';
import { releasePath } from '../../vfs/namei.js';
import { exitTask, releaseMemory } from '../exit.js';
import type { Kernel } from '../kernel.js';
import { AddressSpace } from '../mm/address-space.js';
import { copyFs } from '../unshare.js';
import { Program } from './program.js';

/** @returns the program of init, or -ENOMEM */
export function embedderProgram(kernel: Kernel): Program | Err {
  const task = kernel.init.leader;
  if (task.program !== null) return task.program.program;
  const space = AddressSpace.create(kernel.memory, kernel.init);
  if (isErr(space)) return space;
  task.mm = space;
  task.fs = copyFs(kernel.rootContext);
  const program = new Program(task, null);
  task.program = program.thread;
  return program;
}

/** Gives back what `embedderProgram` made; calls that are under way answer -ESRCH. */
export function endEmbedder(kernel: Kernel): void {
  const task = kernel.init.leader;
  if (task.program === null) return;
  for (const thread of [...kernel.init.threads]) if (thread !== task) exitTask(thread, 0);
  task.wait.abandon();
  task.program.ended();
  task.program = null;
  task.files.unref(task);
  for (const path of [task.fs.root, task.fs.cwd]) releasePath(path);
  task.fs = kernel.rootContext;
  releaseMemory(task);
}
