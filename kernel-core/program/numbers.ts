/** Numbers of the calls that a TypeScript program's life itself makes. @source abi/syscall-numbers.ts */
export const SYS_WRITE = 1;
export const SYS_CLONE = 56;
export const SYS_EXIT = 60;
export const SYS_EXIT_GROUP = 231;
