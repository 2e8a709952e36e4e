/** init_module, finit_module, delete_module, and banos_install, the driver interface's own call. */
import {
  EBADF,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOEXEC,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
  type Err,
  ETXTBSY,
  fail,
  isErr,
} from '../../abi/errno.js';
import * as flag from '../../abi/modules.js';
import { installedImageLength } from '../modules/image.js';
import { type LoadOptions, linuxErrno, load } from '../modules/load.js';
import { IMAGE_MAX, readWhole } from '../modules/search.js';
import { unload } from '../modules/unload.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import type { SyscallRows } from './row.js';

/** An object with less is none. @source Linux: sizeof(Elf64_Ehdr) */
const HEADER_SIZE = 64;
/** Bytes of a parameter list, its zero included. */
const PARAMETERS_MAX = 65536;
const KNOWN_FLAGS =
  flag.MODULE_INIT_IGNORE_MODVERSIONS | flag.MODULE_INIT_IGNORE_VERMAGIC | flag.MODULE_INIT_COMPRESSED_FILE;

/** @returns 0 or -EPERM, with the reason in the log */
function mayChangeModules(task: Task): number | Err {
  const { modules } = task.kernel;
  const reason = modules.security.refusal(task);
  if (reason === '') return 0;
  modules.log(task.comm, reason);
  return fail(EPERM);
}

function loadFromLinux(task: Task, image: Uint8Array, parameters: number, flags: number): number {
  const text = task.mm!.readCString(parameters, PARAMETERS_MAX);
  if (isErr(text)) return text === -EFAULT ? text : fail(EINVAL);
  const options: LoadOptions = { flags, parameters: text, mayRepeat: false, answerTo: linuxErrno };
  return load(task.kernel.modules, task, image, options, () => 0);
}

/** @returns a copy of the caller's memory; -ENOMEM, -EFAULT */
function copyImage(task: Task, address: number, length: number): Uint8Array | Err {
  if (length > IMAGE_MAX) return fail(ENOMEM);
  const image = new Uint8Array(length);
  return task.mm!.read(address, image) === 0 ? image : fail(EFAULT);
}

function tooShort(task: Task, length: number): Err {
  task.kernel.modules.log(task.comm, `${length} bytes are no object`);
  return fail(ENOEXEC);
}

function initModule(task: Task, address: number, length: number, parameters: number): number {
  const refused = mayChangeModules(task);
  if (refused !== 0) return refused;
  if (length < 0) return fail(ENOMEM);
  if (length < HEADER_SIZE) return tooShort(task, length);
  const image = copyImage(task, address, length);
  return isErr(image) ? image : loadFromLinux(task, image, parameters, 0);
}

function finitModule(task: Task, fd: number, parameters: number, flags: number): number {
  const refused = mayChangeModules(task);
  if (refused !== 0) return refused;
  const asked = flags | 0;
  if ((asked & ~KNOWN_FLAGS) !== 0) return fail(EINVAL);
  const file = openFile(task, fd);
  if (file === null || !file.readable) return fail(EBADF);
  if ((asked & flag.MODULE_INIT_COMPRESSED_FILE) !== 0) {
    task.kernel.modules.log(task.comm, 'compressed modules are not decompressed here');
    return fail(EOPNOTSUPP);
  }
  if (file.inode.writeCount > 0) return fail(ETXTBSY);
  const image = readWhole(file, IMAGE_MAX);
  if (isErr(image)) return image;
  return image.length < HEADER_SIZE ? tooShort(task, image.length) : loadFromLinux(task, image, parameters, asked);
}

function deleteModule(task: Task, address: number, flags: number): number {
  const refused = mayChangeModules(task);
  if (refused !== 0) return refused;
  const name = task.mm!.readCString(address, flag.MODULE_NAME_LEN);
  if (isErr(name)) return name === -EFAULT ? name : fail(ENOENT);
  return name === '' ? fail(ENOENT) : unload(task.kernel.modules, task, name, flags | 0);
}

/** Upstream's call: the image says itself how long it is, and the same one may be installed again. */
function banosInstall(task: Task, address: number): number {
  const refused = mayChangeModules(task);
  if (refused !== 0) return refused;
  const length = installedImageLength((offset, target) => task.mm!.read(address + offset, target) === 0);
  if (isErr(length)) return length;
  const image = copyImage(task, address, length);
  if (isErr(image)) return image;
  const options: LoadOptions = { flags: 0, parameters: '', mayRepeat: true, answerTo: ({ errno }) => errno };
  return load(task.kernel.modules, task, image, options, ({ index }) => index);
}

export const moduleSyscalls: SyscallRows = {
  175: {
    name: 'init_module',
    fn: initModule,
    support: 'full',
    args: ['address', 'size', 'string'],
  },
  176: { name: 'delete_module', fn: deleteModule, support: 'full', args: ['string', 'moduleFlags'] },
  313: {
    name: 'finit_module',
    fn: finitModule,
    support: 'partial',
    note: 'compressed files: EOPNOTSUPP, as of a kernel that cannot decompress',
    args: ['fd', 'string', 'moduleInitFlags'],
  },
  [flag.SYS_BANOS_INSTALL]: {
    name: 'banos_install',
    fn: banosInstall,
    support: 'full',
    args: ['address'],
  },
};
