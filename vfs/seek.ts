/** lseek(2) for files with a length. @source Linux fs/read_write.c generic_file_llseek_size */
import { EINVAL, ENXIO, EOVERFLOW, type Err, fail } from '../abi/errno.js';
import { SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from '../abi/fcntl.js';
import { MAX_FILE_SIZE } from './attributes.js';

/**
 * @param size length of the file in bytes
 * @param current offset for SEEK_CUR
 * @returns the new offset, or -EINVAL, -ENXIO, -EOVERFLOW; a file without holes is all data
 */
export function seekTo(offset: number, whence: number, size: number, current: number): number | Err {
  switch (whence) {
    case SEEK_SET:
      return checked(offset);
    case SEEK_CUR:
      return checked(current + offset);
    case SEEK_END:
      return checked(size + offset);
    case SEEK_DATA:
      return offset < 0 || offset >= size ? fail(ENXIO) : offset;
    case SEEK_HOLE:
      return offset < 0 || offset >= size ? fail(ENXIO) : size;
    default:
      return fail(EINVAL);
  }
}

const checked = (position: number): number | Err =>
  position < 0 ? fail(EINVAL) : position > MAX_FILE_SIZE ? fail(EOVERFLOW) : position;
