/**
 * /dev/ksyms: the names of the kernel and of its modules as an ELF image, for nm, readelf, objdump and gdb. It is a regular
 * file, because those read no other. Each description has the image of the moment at which it was opened; modules come and
 * go meanwhile. @source NetBSD ksyms(4)
 */

import { STB_GLOBAL, STB_LOCAL, STT_FUNC } from '../../abi/elf.js';
import { EACCES, EINVAL, ENOENT, ENOTTY, ENXIO, type Err, fail, isErr } from '../../abi/errno.js';
import { O_ACCMODE, O_RDONLY } from '../../abi/fcntl.js';
import { KIOCGSIZE, KIOCGSYMBOL, KIOCGVALUE } from '../../abi/ksyms.js';
import { S_IFREG } from '../../abi/stat.js';
import { SYMBOL_SIZE } from '../../elf/fields.js';
import { type KernelArea, type KernelSymbol, ksymsImage } from '../../elf/ksyms.js';
import { SEGMENTS } from '../../elf/link/layout.js';
import type { Caller } from '../../vfs/caller.js';
import { OpenFile, type UserMemory } from '../../vfs/file.js';
import type { Devfs } from '../../vfs/fs/devfs.js';
import { FramePages } from '../../vfs/fs/frame-pages.js';
import { ALWAYS_READY } from '../../vfs/fs/memory-file.js';
import { MemoryInode } from '../../vfs/fs/memory-fs.js';
import type { Inode } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import type { PageCache } from '../../vfs/page-cache.js';
import { seekTo } from '../../vfs/seek.js';
import type { Kernel } from '../kernel.js';

const NAME = 'ksyms';
const MODE = 0o400;
/** Bytes of a symbol's name in an ioctl, its zero included. */
const SYMBOL_NAME_MAX = 512;
const POINTER_SIZE = 8;

/** Image of the symbols that there are now; null when there are none. */
function makeImage({ drivers, modules }: Kernel): Uint8Array | null {
  const { kernelSymbols } = drivers;
  if (kernelSymbols.length === 0) return null;
  const first = kernelSymbols[0]!;
  const last = kernelSymbols[kernelSymbols.length - 1]!;
  const areas: KernelArea[] = [
    {
      name: '.text',
      address: first.address,
      size: last.address + last.size - first.address,
      write: false,
      execute: true,
    },
  ];
  const symbols: KernelSymbol[] = kernelSymbols.map((symbol) => ({ ...symbol, type: STT_FUNC, binding: STB_GLOBAL }));
  for (const { name, linked } of modules.list()) {
    for (const segment of SEGMENTS) {
      const { address, size } = linked.segments[segment];
      const [write, execute] = [segment === 'data', segment === 'text'];
      if (size > 0) areas.push({ name: `.${segment}.${name}`, address, size, write, execute });
    }
    symbols.push(...linked.symbols);
  }
  return ksymsImage(areas, symbols);
}

/** The image of now, made when somebody wants it. */
class CurrentImage {
  readonly #kernel: Kernel;
  #image: Uint8Array | null = null;
  #generation = -1;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get(): Uint8Array | null {
    const { generation } = this.#kernel.modules;
    if (this.#image === null || this.#generation !== generation) {
      this.#image = makeImage(this.#kernel);
      this.#generation = generation;
    }
    return this.#image;
  }
}

class KsymsInode extends MemoryInode {
  readonly image: CurrentImage;

  constructor(devfs: Devfs, ino: number, image: CurrentImage) {
    super(devfs, ino, S_IFREG | MODE);
    this.image = image;
  }

  override get size(): number {
    return this.image.get()?.length ?? 0;
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    if ((flags & O_ACCMODE) !== O_RDONLY) return fail(EACCES);
    const image = this.image.get();
    return image === null ? fail(ENXIO) : new KsymsFile(this, flags, image);
  }
}

/** What fstat shows of a description: the length is that of its own image. */
class Snapshot extends MemoryInode {
  readonly #length: number;

  constructor(of: KsymsInode, length: number) {
    super(of.memory, of.ino, of.mode);
    this.#length = length;
  }

  override get size(): number {
    return this.#length;
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override open(): Err {
    return fail(ENXIO);
  }
}

class KsymsFile extends OpenFile {
  readonly #image: Uint8Array;
  readonly #snapshot: Snapshot;
  #pages: FramePages | null = null;

  constructor(inode: KsymsInode, flags: number, image: Uint8Array) {
    super(inode, flags);
    this.#image = image;
    this.#snapshot = new Snapshot(inode, image.length);
  }

  override get node(): Inode {
    return this.#snapshot;
  }

  override get seekable(): boolean {
    return true;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = seekTo(offset, whence, this.#image.length, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override read(to: IoIter, position: number, _caller: Caller): number | Err {
    return position >= this.#image.length ? 0 : to.put(this.#image, position, this.#image.length);
  }

  override mapping(): PageCache | Err {
    const image = this.#image;
    this.#pages ??= new FramePages(this.inode.fs.env.frames, image.length, (page, offset) =>
      page.set(image.subarray(offset, offset + page.length)),
    );
    return this.#pages;
  }

  override ioctl(request: number, argument: number, user: UserMemory, _caller: Caller): number | Err {
    switch (request >>> 0) {
      case KIOCGSIZE: {
        const size = new Uint8Array(4);
        new DataView(size.buffer).setInt32(0, this.#image.length, true);
        return user.write(argument, size);
      }
      case KIOCGVALUE: {
        const symbol = this.#find(argument, user);
        return isErr(symbol) ? symbol : user.write(argument + POINTER_SIZE, symbol.subarray(8, 16));
      }
      case KIOCGSYMBOL: {
        const symbol = this.#find(argument, user);
        return isErr(symbol) ? symbol : user.write(argument + POINTER_SIZE, symbol);
      }
      default:
        return fail(ENOTTY);
    }
  }

  /** The symbol whose name the structure at `argument` points to, as it stands in the image. @returns -EFAULT, -EINVAL, -ENOENT */
  #find(argument: number, user: UserMemory): Uint8Array | Err {
    const pointer = new Uint8Array(POINTER_SIZE);
    const failed = user.read(argument, pointer);
    if (isErr(failed)) return failed;
    const name = readName(Number(new DataView(pointer.buffer).getBigInt64(0, true)), user);
    return typeof name === 'string' ? findSymbol(this.#image, name) : name;
  }

  protected override release(): void {
    this.#pages?.release();
    super.release();
  }
}

function readName(address: number, user: UserMemory): string | Err {
  const byte = new Uint8Array(1);
  let name = '';
  for (let i = 0; i < SYMBOL_NAME_MAX; i++) {
    const failed = user.read(address + i, byte);
    if (isErr(failed)) return failed;
    if (byte[0] === 0) return name;
    name += String.fromCharCode(byte[0]!);
  }
  return fail(EINVAL);
}

/** Its Elf64_Sym; of several with that name a global one. @returns -ENOENT */
function findSymbol(image: Uint8Array, name: string): Uint8Array | Err {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const header = (index: number, field: number): number =>
    Number(view.getBigUint64(Number(view.getBigUint64(0x28, true)) + index * 64 + field, true));
  // The image is our own: .symtab is section 1, .strtab section 2.
  const [start, size, strings] = [header(1, 24), header(1, 32), header(2, 24)];
  const wanted = Buffer.from(`${name}\0`, 'latin1');
  let found: Uint8Array | null = null;
  for (let at = start + SYMBOL_SIZE; at < start + size; at += SYMBOL_SIZE) {
    const text = strings + view.getUint32(at, true);
    if (wanted.compare(image, text, text + wanted.length) !== 0) continue;
    found = image.subarray(at, at + SYMBOL_SIZE);
    if (view.getUint8(at + 4) >>> 4 !== STB_LOCAL) break;
  }
  return found ?? fail(ENOENT);
}

/** Makes the file in /dev. */
export function installKsyms(kernel: Kernel, devfs: Devfs): void {
  const ino = devfs.takeInode();
  if (isErr(ino)) throw new Error('/dev/ksyms cannot be made');
  const inode = new KsymsInode(devfs, ino, new CurrentImage(kernel));
  inode.setLinks(0);
  devfs.root.link(NAME, inode);
}
