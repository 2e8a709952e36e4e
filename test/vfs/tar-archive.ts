/** Tar archives for tests, header by header, so that they may be as wrong as a test needs them. */
import { Buffer } from 'node:buffer';
import type { TarType } from '../../vfs/fs/tar.js';

/** One header block. Fields are what POSIX calls them. */
export function header(
  fields: Partial<Record<'name' | 'mode' | 'size' | 'type' | 'link' | 'magic' | 'prefix' | 'mtime', string>>,
): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, text: string) => block.write(text, at, 'latin1');
  put(0, fields.name ?? 'f');
  put(100, fields.mode ?? '0000644\0');
  put(108, '0001750\0');
  put(116, '0001751\0');
  put(124, fields.size ?? '00000000000\0');
  put(136, fields.mtime ?? '00000000144\0');
  put(156, fields.type ?? '0');
  put(157, fields.link ?? '');
  put(257, fields.magic ?? 'ustar\x0000');
  put(345, fields.prefix ?? '');
  return seal(block);
}

export function seal(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

export const data = (text: string): Buffer =>
  Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc((512 - (text.length % 512)) % 512)]);
export const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
export const END = Buffer.alloc(1024);

/** A header with data that speaks of the next member. */
export const extension = (type: string, text: string): Buffer =>
  Buffer.concat([header({ name: 'ext', type, size: octal(text.length) }), data(text)]);

export const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length++;
  return `${length}${rest}`;
};

/** A member of `archive`; a name too long for its field gets a pax header. */
export interface Member {
  name: string;
  type?: TarType;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  link?: string;
  device?: [major: number, minor: number];
  content?: string;
}

const FLAGS: Record<TarType, string> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

export function archive(members: Member[]): Buffer {
  const parts: Buffer[] = [];
  for (const {
    name,
    type = 'file',
    mode = 0o644,
    uid = 0,
    gid = 0,
    mtime = 0,
    link,
    device,
    content = '',
  } of members) {
    if (name.length > 100) parts.push(extension('x', record('path', name)));
    const block = header({
      name: name.slice(0, 100),
      type: FLAGS[type],
      mode: `${mode.toString(8).padStart(7, '0')}\0`,
      size: octal(content.length),
      mtime: octal(mtime),
      link,
    });
    block.write(`${uid.toString(8).padStart(7, '0')}\0${gid.toString(8).padStart(7, '0')}\0`, 108);
    if (device !== undefined) {
      block.write(`${device[0].toString(8).padStart(7, '0')}\0${device[1].toString(8).padStart(7, '0')}\0`, 329);
    }
    parts.push(seal(block), data(content));
  }
  return Buffer.concat([...parts, END]);
}
