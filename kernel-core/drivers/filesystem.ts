/**
 * A mounted file system of a driver (drivers/include/banos/fs.h). Types are in fs-types.ts, inodes in fs-inode.ts and
 * fs-directory.ts, open files in fs-file.ts, structures in fs-layout.ts.
 *
 * A mounted one holds its module. When the module goes by force, the file system stays mounted, its operations answer -EIO,
 * and it can be unmounted as any other. What goes to the driver and comes back lies in one block of its heap: no operation
 * that uses it sleeps, so that one is enough.
 */
import { EIO, ENODEV, ENOMEM, EOPNOTSUPP, type Err, fail, isErr } from '../../abi/errno.js';
import { KERN_ERR, LOG_KERN } from '../../abi/klog.js';
import { MS_RDONLY } from '../../abi/mount.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.js';
import { NAME_MAX } from '../../vfs/dentry.js';
import { FileSystem, type FsStatistics } from '../../vfs/filesystem.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Kernel } from '../kernel.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { DriverDirectory } from './fs-directory.js';
import { DriverFileInode, type DriverInode, DriverNode, DriverSymlink } from './fs-inode.js';
import {
  asError,
  type DriverAttributes,
  FS,
  type FsOperation,
  type FsOperations,
  INODE,
  isNumber,
  makeAttributes,
  readAttributes,
  STATFS,
  writeAttributes,
} from './fs-layout.js';
import type { DriverFsType } from './fs-types.js';
import type { Owned } from './owner.js';

/** BANOS_FS_VOLATILE. */
const FLAG_VOLATILE = 1;

// The block of a mounted one: struct banos_fs, and room for what operations get.
const NAME = 256;
const NEW_NAME = 512;
const ATTRIBUTES = 768;
const OTHER = 1024;
const TEXT = 4096;
const SECOND_TEXT = 8192;
const BLOCK_SIZE = 12288;

export class DriverFileSystem extends FileSystem implements Owned {
  override readonly root: DriverInode;
  readonly kernel: Kernel;
  readonly driverType: DriverFsType;
  /** Of its struct banos_fs. */
  readonly address: number;
  /** The module went by force. */
  isOrphaned = false;
  /** What the operation that was made last says of a file. */
  readonly attributes = makeAttributes();
  readonly #inodes = new Map<number, DriverInode>();
  /** It has a root directory. */
  readonly #isUsable: boolean;

  /** Lets the driver mount one. @returns what it refuses with; -ENOMEM, -ENODEV, -EIO */
  static mount(type: DriverFsType, source: string, options: string, readOnly: boolean): DriverFileSystem | Err {
    const { kernel, owner, operations } = type;
    if (owner.isClosing) return fail(ENODEV);
    const { heap, space, runner } = kernel.drivers;
    const address = heap.alloc(owner, BLOCK_SIZE, 0);
    if (address === 0) return fail(ENOMEM);
    space.fill(address, 0, BLOCK_SIZE);
    space.writeU32(address, FS.bytes);
    space.writeU32(address + FS.flags, readOnly ? MS_RDONLY : 0);
    putText(kernel, address + TEXT, source);
    putText(kernel, address + SECOND_TEXT, options);
    space.writeI64(address + FS.source, address + TEXT);
    space.writeI64(address + FS.options, address + SECOND_TEXT);
    const result = runner.invokeAtomic(owner, kernel.caller, operations.mount!, address);
    space.writeI64(address + FS.source, 0);
    space.writeI64(address + FS.options, 0);
    if (result !== 0) {
      heap.free(address);
      return asError(result);
    }
    return DriverFileSystem.#made(type, address);
  }

  static #made(type: DriverFsType, address: number): DriverFileSystem | Err {
    const { kernel, operations, owner } = type;
    const { heap, space, runner } = kernel.drivers;
    const fs = new DriverFileSystem(type, address, space.readI64(address + FS.root));
    if (fs.#isUsable) return fs;
    fs.complain('no root directory');
    fs.forgetInode(fs.root);
    fs.#leave();
    if (operations.unmount !== null) runner.invokeAtomic(owner, kernel.caller, operations.unmount, address);
    heap.free(address);
    return fail(EIO);
  }

  private constructor(type: DriverFsType, address: number, rootNumber: number) {
    const { kernel, owner } = type;
    super(kernel.vfsEnv, type.name, kernel.fileSystemTypes.nextDevice());
    this.kernel = kernel;
    this.driverType = type;
    this.address = address;
    owner.holds++;
    type.mounted++;
    owner.add(this);
    const { attributes } = this;
    attributes.ino = rootNumber;
    attributes.mode = S_IFDIR;
    attributes.links = 1;
    this.root = new DriverDirectory(this, attributes);
    const { root } = this;
    this.#inodes.set(rootNumber, root);
    this.#isUsable = isNumber(rootNumber) && root.address !== 0 && !isErr(root.refresh());
  }

  get volatileNames(): boolean {
    return (this.driverType.flags & FLAG_VOLATILE) !== 0;
  }

  get operations(): FsOperations {
    return this.driverType.operations;
  }

  /** Where names, attributes and texts for operations lie. */
  get attributesAt(): number {
    return this.address + ATTRIBUTES;
  }

  get otherAt(): number {
    return this.address + OTHER;
  }

  get textAt(): number {
    return this.address + TEXT;
  }

  /** Bytes of text that there is room for. */
  get textSize(): number {
    return PAGE_SIZE;
  }

  /** Puts a name, or the second one, where operations find it. @returns its address */
  putName(name: string, isSecond = false): number {
    const at = this.address + (isSecond ? NEW_NAME : NAME);
    putText(this.kernel, at, name.slice(0, NAME_MAX));
    return at;
  }

  putTarget(target: string): number {
    putText(this.kernel, this.textAt, target);
    return this.textAt;
  }

  /**
   * An operation that does not sleep.
   * @returns what the driver answers; -EOPNOTSUPP when it cannot; -EIO when it failed or is gone
   */
  call(operation: FsOperation, a = 0, b = 0, c = 0): number {
    if (this.isOrphaned) return fail(EIO);
    const fn = this.operations[operation];
    if (fn === null) return fail(EOPNOTSUPP);
    const { kernel, driverType } = this;
    return kernel.drivers.runner.invokeAtomic(driverType.owner, kernel.caller, fn, a, b, c);
  }

  /** As `call`, of one that moves bytes of an inode. */
  move(operation: 'read' | 'write', inode: number, iter: IoIter, position: number): number {
    if (this.isOrphaned) return fail(EIO);
    const fn = this.operations[operation];
    if (fn === null) return fail(EOPNOTSUPP);
    const { kernel, driverType } = this;
    return kernel.drivers.runner.moveAtomic(driverType.owner, kernel.caller, fn.address, inode, iter, position);
  }

  /** As `call`, of an operation that answers 0 or an error. */
  callForStatus(operation: FsOperation, a = 0, b = 0, c = 0): number | Err {
    const result = this.call(operation, a, b, c);
    return result === 0 ? 0 : asError(result);
  }

  /**
   * As `callForStatus`, of an operation that gets attributes and fills in those of a file.
   * @param given what it gets; `attributes` has afterwards what it answers
   */
  callForAttributes(operation: FsOperation, a: number, b: number, given: DriverAttributes | null): number | Err {
    const { space } = this.kernel.drivers;
    if (this.isOrphaned) return fail(EIO);
    writeAttributes(space, this.attributesAt, given ?? EMPTY);
    const result =
      operation === 'getattr'
        ? this.callForStatus(operation, a, this.attributesAt)
        : this.callForStatus(operation, a, b, this.attributesAt);
    if (isErr(result)) return result;
    const read = readAttributes(space, this.attributesAt, this.attributes);
    return isErr(read) ? this.complain(`${operation} answers attributes that no file has`) : 0;
  }

  /** The inode that `attributes` speak of. @returns -EIO when they contradict what is known of it, -ENOMEM */
  inodeFound(): DriverInode | Err {
    const { attributes } = this;
    const known = this.#inodes.get(attributes.ino);
    if (known !== undefined) {
      if ((known.mode & S_IFMT) !== (attributes.mode & S_IFMT) || known.nlink === 0) {
        return this.complain(`file ${attributes.ino} has become another one`);
      }
      known.take(attributes);
      return known;
    }
    if (attributes.links === 0) return this.complain(`file ${attributes.ino} has a name but no link`);
    const inode = this.#makeInode(attributes);
    if (inode.address === 0) return fail(ENOMEM);
    this.#inodes.set(attributes.ino, inode);
    return inode;
  }

  #makeInode(attributes: DriverAttributes): DriverInode {
    switch (attributes.mode & S_IFMT) {
      case S_IFDIR:
        return new DriverDirectory(this, attributes);
      case S_IFREG:
        return new DriverFileInode(this, attributes);
      case S_IFLNK:
        return new DriverSymlink(this, attributes);
      default:
        return new DriverNode(this, attributes);
    }
  }

  /** Nobody uses it any more. */
  forgetInode(inode: DriverInode): void {
    if (this.#inodes.get(inode.ino) === inode) this.#inodes.delete(inode.ino);
    this.releaseInode(inode);
  }

  /** Makes the struct banos_inode of a file. @returns its address, 0 when there is no memory */
  allocInode(ino: number, data: number): number {
    const { drivers } = this.kernel;
    const address = this.isOrphaned ? 0 : drivers.heap.alloc(this.driverType.owner, INODE.bytes, 0);
    if (address === 0) return 0;
    const { space } = drivers;
    space.fill(address, 0, INODE.bytes);
    space.writeU32(address, INODE.bytes);
    space.writeI64(address + INODE.fs, this.address);
    space.writeI64(address + INODE.ino, ino);
    space.writeI64(address + INODE.data, data);
    return address;
  }

  releaseInode(inode: DriverInode): void {
    const { address } = inode;
    if (address === 0 || this.isOrphaned) return;
    if (this.operations.evict !== null) this.call('evict', address);
    inode.address = 0;
    const { drivers } = this.kernel;
    drivers.fsInodes.delete(address);
    if (!this.isOrphaned && drivers.heap.free(address) !== null) this.complain('overwrote memory behind an inode');
  }

  /** The driver answered what cannot be. @returns -EIO */
  complain(text: string): Err {
    this.kernel.log.write(KERN_ERR, LOG_KERN, `${this.type} (${this.driverType.owner.name}): ${text}`);
    return fail(EIO);
  }

  override statfs(): FsStatistics {
    const none = { type: 0, blockSize: PAGE_SIZE, blocks: 0, blocksFree: 0, files: 0, filesFree: 0 };
    const { space } = this.kernel.drivers;
    if (this.isOrphaned || this.operations.statfs === null) return { ...none, nameLength: NAME_MAX };
    const at = this.otherAt;
    space.fill(at, 0, STATFS.bytes);
    space.writeU32(at, STATFS.bytes);
    if (isErr(this.callForStatus('statfs', this.address, at))) return { ...none, nameLength: NAME_MAX };
    const number = (offset: number): number => Math.max(0, space.readI64(at + offset));
    return {
      type: space.readU32(at + 4),
      blockSize: number(8),
      blocks: number(16),
      blocksFree: number(24),
      files: number(32),
      filesFree: number(40),
      nameLength: Math.min(space.readU32(at + 48), NAME_MAX),
    };
  }

  override sync(): number | Err {
    let result: number | Err = 0;
    for (const inode of this.#inodes.values()) {
      const error = inode.writeBack();
      if (isErr(error)) result = error;
    }
    return result;
  }

  override dispose(): void {
    for (const inode of [...this.#inodes.values()]) inode.evict();
    if (this.isOrphaned) return;
    const { drivers } = this.kernel;
    const { driverType, address } = this;
    const { owner, operations } = driverType;
    const done = (): void => {
      if (this.isOrphaned) return;
      if (drivers.heap.free(address) !== null) this.complain('overwrote memory behind its file system');
      this.#leave();
    };
    if (operations.unmount === null) done();
    else drivers.callDetached(owner, operations.unmount.address, [address], done);
  }

  /** Of the owner: the module goes by force, and everything in its heap with it. */
  release(): void {
    this.isOrphaned = true;
    for (const inode of this.#inodes.values()) {
      this.kernel.drivers.fsInodes.delete(inode.address);
      inode.address = 0;
    }
  }

  #leave(): void {
    const { owner } = this.driverType;
    owner.holds--;
    this.driverType.mounted--;
    owner.remove(this);
  }
}

const EMPTY = makeAttributes();

function putText(kernel: Kernel, address: number, text: string): void {
  kernel.drivers.space.write(address, Buffer.from(`${text.slice(0, PAGE_SIZE - 1)}\0`, 'latin1'));
}
