/** /proc/banos: what drivers have put into the kernel, as text. Linux has no such directory. */
import { directory, file, type Row } from '../../vfs/fs/procfs/row.js';
import type { ProcSource } from '../../vfs/fs/procfs/source.js';
import type { Drivers } from './drivers.js';

export const procBanos = (drivers: Drivers): Row<ProcSource> =>
  directory('banos', [
    file('families', () => drivers.families.describe()),
    file('ldiscs', () => drivers.disciplines.describe()),
    file('probes', () => drivers.syscallProbes.describe() + drivers.probes.describe()),
    file('scheduler', () => drivers.schedulers.describe(), {
      mode: 0o644,
      write: (_source, text) => drivers.schedulers.choose(text),
    }),
    file('syscalls', () => drivers.syscalls.describe()),
  ]);
