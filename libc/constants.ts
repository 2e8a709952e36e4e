/** The numbers that C programs get from their headers. */
export * from '../abi/errno.js';
export * from '../abi/event-files.js';
export * from '../abi/eventpoll.js';
export * from '../abi/fcntl.js';
export * from '../abi/inotify.js';
export * from '../abi/ioctl.js';
export * from '../abi/mount.js';
export * from '../abi/poll.js';
export * from '../abi/resource.js';
export * from '../abi/signal.js';
export * from '../abi/socket.js';
export * from '../abi/stat.js';
export * from '../abi/termios.js';
// Both headers have them, with the same values.
export {
  TCIFLUSH,
  TCIOFF,
  TCIOFLUSH,
  TCION,
  TCOFLUSH,
  TCOOFF,
  TCOON,
  TCSADRAIN,
  TCSAFLUSH,
  TCSANOW,
} from '../abi/termios.js';
export * from '../abi/time.js';
export * from '../abi/wait.js';
