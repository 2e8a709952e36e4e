/** The file operations that system calls are made of, in one place; each family lives in a file of its own. */
export * from './attributes.js';
export { chdir, chdirPath, chroot } from './chdir.js';
export { linkAt, mkdirAt, mknodAt, readlinkAt, refuseNode, renameAt, rmdirAt, symlinkAt, unlinkAt } from './names.js';
export { openAt } from './open.js';
export { fileString, inodeString, workingDirectory } from './path-string.js';
