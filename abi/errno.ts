/**
 * Error numbers of Linux x86-64, and how the kernel carries them: a negative errno, as `rax` holds it.
 * @source uapi/asm-generic/errno-base.h, errno.h
 */

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const EDEADLK = 35;
export const ENAMETOOLONG = 36;
export const ENOLCK = 37;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENOMSG = 42;
export const EIDRM = 43;
export const ECHRNG = 44;
export const EL2NSYNC = 45;
export const EL3HLT = 46;
export const EL3RST = 47;
export const ELNRNG = 48;
export const EUNATCH = 49;
export const ENOCSI = 50;
export const EL2HLT = 51;
export const EBADE = 52;
export const EBADR = 53;
export const EXFULL = 54;
export const ENOANO = 55;
export const EBADRQC = 56;
export const EBADSLT = 57;
export const EBFONT = 59;
export const ENOSTR = 60;
export const ENODATA = 61;
export const ETIME = 62;
export const ENOSR = 63;
export const ENONET = 64;
export const ENOPKG = 65;
export const EREMOTE = 66;
export const ENOLINK = 67;
export const EADV = 68;
export const ESRMNT = 69;
export const ECOMM = 70;
export const EPROTO = 71;
export const EMULTIHOP = 72;
export const EDOTDOT = 73;
export const EBADMSG = 74;
export const EOVERFLOW = 75;
export const ENOTUNIQ = 76;
export const EBADFD = 77;
export const EREMCHG = 78;
export const ELIBACC = 79;
export const ELIBBAD = 80;
export const ELIBSCN = 81;
export const ELIBMAX = 82;
export const ELIBEXEC = 83;
export const EILSEQ = 84;
export const ERESTART = 85;
export const ESTRPIPE = 86;
export const EUSERS = 87;
export const ENOTSOCK = 88;
export const EDESTADDRREQ = 89;
export const EMSGSIZE = 90;
export const EPROTOTYPE = 91;
export const ENOPROTOOPT = 92;
export const EPROTONOSUPPORT = 93;
export const ESOCKTNOSUPPORT = 94;
export const EOPNOTSUPP = 95;
export const EPFNOSUPPORT = 96;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENETRESET = 102;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ESHUTDOWN = 108;
export const ETOOMANYREFS = 109;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTDOWN = 112;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ESTALE = 116;
export const EUCLEAN = 117;
export const ENOTNAM = 118;
export const ENAVAIL = 119;
export const EISNAM = 120;
export const EREMOTEIO = 121;
export const EDQUOT = 122;
export const ENOMEDIUM = 123;
export const EMEDIUMTYPE = 124;
export const ECANCELED = 125;
export const ENOKEY = 126;
export const EKEYEXPIRED = 127;
export const EKEYREVOKED = 128;
export const EKEYREJECTED = 129;
export const EOWNERDEAD = 130;
export const ENOTRECOVERABLE = 131;
export const ERFKILL = 132;
export const EHWPOISON = 133;
export const EDEADLOCK = EDEADLK;
export const ENOTSUP = EOPNOTSUPP;
export const EWOULDBLOCK = EAGAIN;

/** Kernel-internal results of an interrupted call; never visible to a program. @source linux/errno.h */
export const ERESTARTSYS = 512;
export const ERESTARTNOINTR = 513;
export const ERESTARTNOHAND = 514;
export const ERESTART_RESTARTBLOCK = 516;

declare const errBrand: unique symbol;
/** A failed result: the negative errno that `rax` holds. */
export type Err = number & { readonly [errBrand]: true };
export const fail = (errno: number): Err => -errno as Err;
export const isErr = (result: unknown): result is Err => typeof result === 'number' && result < 0;

/** C name and `strerror` text by number, for messages and traces. */
export const ERRNO_NAMES: ReadonlyMap<number, { name: string; message: string }> = new Map([
  [1, { name: 'EPERM', message: 'Operation not permitted' }],
  [2, { name: 'ENOENT', message: 'No such file or directory' }],
  [3, { name: 'ESRCH', message: 'No such process' }],
  [4, { name: 'EINTR', message: 'Interrupted system call' }],
  [5, { name: 'EIO', message: 'Input/output error' }],
  [6, { name: 'ENXIO', message: 'No such device or address' }],
  [7, { name: 'E2BIG', message: 'Argument list too long' }],
  [8, { name: 'ENOEXEC', message: 'Exec format error' }],
  [9, { name: 'EBADF', message: 'Bad file descriptor' }],
  [10, { name: 'ECHILD', message: 'No child processes' }],
  [11, { name: 'EAGAIN', message: 'Resource temporarily unavailable' }],
  [12, { name: 'ENOMEM', message: 'Cannot allocate memory' }],
  [13, { name: 'EACCES', message: 'Permission denied' }],
  [14, { name: 'EFAULT', message: 'Bad address' }],
  [15, { name: 'ENOTBLK', message: 'Block device required' }],
  [16, { name: 'EBUSY', message: 'Device or resource busy' }],
  [17, { name: 'EEXIST', message: 'File exists' }],
  [18, { name: 'EXDEV', message: 'Invalid cross-device link' }],
  [19, { name: 'ENODEV', message: 'No such device' }],
  [20, { name: 'ENOTDIR', message: 'Not a directory' }],
  [21, { name: 'EISDIR', message: 'Is a directory' }],
  [22, { name: 'EINVAL', message: 'Invalid argument' }],
  [23, { name: 'ENFILE', message: 'Too many open files in system' }],
  [24, { name: 'EMFILE', message: 'Too many open files' }],
  [25, { name: 'ENOTTY', message: 'Inappropriate ioctl for device' }],
  [26, { name: 'ETXTBSY', message: 'Text file busy' }],
  [27, { name: 'EFBIG', message: 'File too large' }],
  [28, { name: 'ENOSPC', message: 'No space left on device' }],
  [29, { name: 'ESPIPE', message: 'Illegal seek' }],
  [30, { name: 'EROFS', message: 'Read-only file system' }],
  [31, { name: 'EMLINK', message: 'Too many links' }],
  [32, { name: 'EPIPE', message: 'Broken pipe' }],
  [33, { name: 'EDOM', message: 'Numerical argument out of domain' }],
  [34, { name: 'ERANGE', message: 'Numerical result out of range' }],
  [35, { name: 'EDEADLK', message: 'Resource deadlock avoided' }],
  [36, { name: 'ENAMETOOLONG', message: 'File name too long' }],
  [37, { name: 'ENOLCK', message: 'No locks available' }],
  [38, { name: 'ENOSYS', message: 'Function not implemented' }],
  [39, { name: 'ENOTEMPTY', message: 'Directory not empty' }],
  [40, { name: 'ELOOP', message: 'Too many levels of symbolic links' }],
  [42, { name: 'ENOMSG', message: 'No message of desired type' }],
  [43, { name: 'EIDRM', message: 'Identifier removed' }],
  [44, { name: 'ECHRNG', message: 'Channel number out of range' }],
  [45, { name: 'EL2NSYNC', message: 'Level 2 not synchronized' }],
  [46, { name: 'EL3HLT', message: 'Level 3 halted' }],
  [47, { name: 'EL3RST', message: 'Level 3 reset' }],
  [48, { name: 'ELNRNG', message: 'Link number out of range' }],
  [49, { name: 'EUNATCH', message: 'Protocol driver not attached' }],
  [50, { name: 'ENOCSI', message: 'No CSI structure available' }],
  [51, { name: 'EL2HLT', message: 'Level 2 halted' }],
  [52, { name: 'EBADE', message: 'Invalid exchange' }],
  [53, { name: 'EBADR', message: 'Invalid request descriptor' }],
  [54, { name: 'EXFULL', message: 'Exchange full' }],
  [55, { name: 'ENOANO', message: 'No anode' }],
  [56, { name: 'EBADRQC', message: 'Invalid request code' }],
  [57, { name: 'EBADSLT', message: 'Invalid slot' }],
  [59, { name: 'EBFONT', message: 'Bad font file format' }],
  [60, { name: 'ENOSTR', message: 'Device not a stream' }],
  [61, { name: 'ENODATA', message: 'No data available' }],
  [62, { name: 'ETIME', message: 'Timer expired' }],
  [63, { name: 'ENOSR', message: 'Out of streams resources' }],
  [64, { name: 'ENONET', message: 'Machine is not on the network' }],
  [65, { name: 'ENOPKG', message: 'Package not installed' }],
  [66, { name: 'EREMOTE', message: 'Object is remote' }],
  [67, { name: 'ENOLINK', message: 'Link has been severed' }],
  [68, { name: 'EADV', message: 'Advertise error' }],
  [69, { name: 'ESRMNT', message: 'Srmount error' }],
  [70, { name: 'ECOMM', message: 'Communication error on send' }],
  [71, { name: 'EPROTO', message: 'Protocol error' }],
  [72, { name: 'EMULTIHOP', message: 'Multihop attempted' }],
  [73, { name: 'EDOTDOT', message: 'RFS specific error' }],
  [74, { name: 'EBADMSG', message: 'Bad message' }],
  [75, { name: 'EOVERFLOW', message: 'Value too large for defined data type' }],
  [76, { name: 'ENOTUNIQ', message: 'Name not unique on network' }],
  [77, { name: 'EBADFD', message: 'File descriptor in bad state' }],
  [78, { name: 'EREMCHG', message: 'Remote address changed' }],
  [79, { name: 'ELIBACC', message: 'Can not access a needed shared library' }],
  [80, { name: 'ELIBBAD', message: 'Accessing a corrupted shared library' }],
  [81, { name: 'ELIBSCN', message: '.lib section in a.out corrupted' }],
  [82, { name: 'ELIBMAX', message: 'Attempting to link in too many shared libraries' }],
  [83, { name: 'ELIBEXEC', message: 'Cannot exec a shared library directly' }],
  [84, { name: 'EILSEQ', message: 'Invalid or incomplete multibyte or wide character' }],
  [85, { name: 'ERESTART', message: 'Interrupted system call should be restarted' }],
  [86, { name: 'ESTRPIPE', message: 'Streams pipe error' }],
  [87, { name: 'EUSERS', message: 'Too many users' }],
  [88, { name: 'ENOTSOCK', message: 'Socket operation on non-socket' }],
  [89, { name: 'EDESTADDRREQ', message: 'Destination address required' }],
  [90, { name: 'EMSGSIZE', message: 'Message too long' }],
  [91, { name: 'EPROTOTYPE', message: 'Protocol wrong type for socket' }],
  [92, { name: 'ENOPROTOOPT', message: 'Protocol not available' }],
  [93, { name: 'EPROTONOSUPPORT', message: 'Protocol not supported' }],
  [94, { name: 'ESOCKTNOSUPPORT', message: 'Socket type not supported' }],
  [95, { name: 'EOPNOTSUPP', message: 'Operation not supported' }],
  [96, { name: 'EPFNOSUPPORT', message: 'Protocol family not supported' }],
  [97, { name: 'EAFNOSUPPORT', message: 'Address family not supported by protocol' }],
  [98, { name: 'EADDRINUSE', message: 'Address already in use' }],
  [99, { name: 'EADDRNOTAVAIL', message: 'Cannot assign requested address' }],
  [100, { name: 'ENETDOWN', message: 'Network is down' }],
  [101, { name: 'ENETUNREACH', message: 'Network is unreachable' }],
  [102, { name: 'ENETRESET', message: 'Network dropped connection on reset' }],
  [103, { name: 'ECONNABORTED', message: 'Software caused connection abort' }],
  [104, { name: 'ECONNRESET', message: 'Connection reset by peer' }],
  [105, { name: 'ENOBUFS', message: 'No buffer space available' }],
  [106, { name: 'EISCONN', message: 'Transport endpoint is already connected' }],
  [107, { name: 'ENOTCONN', message: 'Transport endpoint is not connected' }],
  [108, { name: 'ESHUTDOWN', message: 'Cannot send after transport endpoint shutdown' }],
  [109, { name: 'ETOOMANYREFS', message: 'Too many references: cannot splice' }],
  [110, { name: 'ETIMEDOUT', message: 'Connection timed out' }],
  [111, { name: 'ECONNREFUSED', message: 'Connection refused' }],
  [112, { name: 'EHOSTDOWN', message: 'Host is down' }],
  [113, { name: 'EHOSTUNREACH', message: 'No route to host' }],
  [114, { name: 'EALREADY', message: 'Operation already in progress' }],
  [115, { name: 'EINPROGRESS', message: 'Operation now in progress' }],
  [116, { name: 'ESTALE', message: 'Stale file handle' }],
  [117, { name: 'EUCLEAN', message: 'Structure needs cleaning' }],
  [118, { name: 'ENOTNAM', message: 'Not a XENIX named type file' }],
  [119, { name: 'ENAVAIL', message: 'No XENIX semaphores available' }],
  [120, { name: 'EISNAM', message: 'Is a named type file' }],
  [121, { name: 'EREMOTEIO', message: 'Remote I/O error' }],
  [122, { name: 'EDQUOT', message: 'Disk quota exceeded' }],
  [123, { name: 'ENOMEDIUM', message: 'No medium found' }],
  [124, { name: 'EMEDIUMTYPE', message: 'Wrong medium type' }],
  [125, { name: 'ECANCELED', message: 'Operation canceled' }],
  [126, { name: 'ENOKEY', message: 'Required key not available' }],
  [127, { name: 'EKEYEXPIRED', message: 'Key has expired' }],
  [128, { name: 'EKEYREVOKED', message: 'Key has been revoked' }],
  [129, { name: 'EKEYREJECTED', message: 'Key was rejected by service' }],
  [130, { name: 'EOWNERDEAD', message: 'Owner died' }],
  [131, { name: 'ENOTRECOVERABLE', message: 'State not recoverable' }],
  [132, { name: 'ERFKILL', message: 'Operation not possible due to RF-kill' }],
  [133, { name: 'EHWPOISON', message: 'Memory page has hardware error' }],
]);
