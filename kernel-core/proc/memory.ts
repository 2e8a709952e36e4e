/** An address space as procfs shows it. */
import { PTE_WRITE } from '../../cpu/index.js';
import type { ProcMemory, ProcRegion, ProcRegionUsage } from '../../vfs/fs/procfs/source.js';
import { Vdso } from '../exec/vdso.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE } from '../mm/layout.js';
import {
  VM_DONTDUMP,
  VM_DONTFORK,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_WIPEONFORK,
  type Vma,
} from '../mm/vma.js';

const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [VM_MAYREAD, 'mr'],
  [VM_MAYWRITE, 'mw'],
  [VM_MAYEXEC, 'me'],
  [VM_GROWSDOWN, 'gd'],
  [VM_LOCKED, 'lo'],
  [VM_DONTFORK, 'dc'],
  [VM_WIPEONFORK, 'wf'],
  [VM_DONTDUMP, 'dd'],
  [VM_NORESERVE, 'nr'],
];

/** A vma as a region; made anew for each listing. */
class Region implements ProcRegion {
  readonly vma: Vma;
  readonly name: string;

  constructor(vma: Vma, name: string) {
    this.vma = vma;
    this.name = name;
  }

  get start(): number {
    return this.vma.start;
  }
  get end(): number {
    return this.vma.end;
  }
  get prot(): number {
    return this.vma.prot;
  }
  get shared(): boolean {
    return this.vma.isShared;
  }
  get offset(): number {
    return this.vma.offset;
  }
  get file() {
    return this.vma.file;
  }
  get flagLetters(): string {
    return FLAG_LETTERS.filter(([bit]) => (this.vma.flags & bit) !== 0)
      .map(([, letters]) => letters)
      .join(' ');
  }
}

export function procMemory(mm: AddressSpace): ProcMemory {
  const { figures, program } = mm;
  const bytes = (pages: number): number => pages * PAGE_SIZE;
  const kinds = residentByKind(mm);
  return {
    size: bytes(figures.total),
    peakSize: bytes(figures.peakTotal),
    locked: bytes(figures.locked),
    rss: bytes(figures.resident),
    peakRss: bytes(figures.peakResident),
    rssAnonymous: bytes(kinds.anonymous),
    rssFile: bytes(kinds.file),
    rssShared: bytes(kinds.shared),
    data: bytes(figures.data),
    stack: bytes(figures.stack),
    text: program.endCode - program.startCode,
    library: Math.max(0, bytes(figures.text) - (program.endCode - program.startCode)),
    pageTables: bytes(Math.ceil(figures.resident / 512)),
    startCode: program.startCode,
    endCode: program.endCode,
    startData: program.startData,
    endData: program.endData,
    startBreak: program.startBreak,
    startStack: program.startStack,
    argStart: program.argStart,
    argEnd: program.argEnd,
    envStart: program.envStart,
    envEnd: program.envEnd,
    auxv: mm.auxv,
    user: mm,
    regions: () => mm.vmas().map((vma) => new Region(vma, regionName(mm, vma))),
    usage: (region) => regionUsage(mm, region),
  };
}

function regionName(mm: AddressSpace, vma: Vma): string {
  const { startBreak, break: end, startStack } = mm.program;
  if (vma.shared !== null) return '/dev/zero (deleted)';
  if (vma.cache instanceof Vdso) return '[vdso]';
  if (vma.start < end && vma.end > startBreak && vma.start >= startBreak) return '[heap]';
  return vma.growsDown && vma.start <= startStack && vma.end >= startStack ? '[stack]' : '';
}

function residentByKind(mm: AddressSpace): { anonymous: number; file: number; shared: number } {
  const kinds = { anonymous: 0, file: 0, shared: 0 };
  for (const vma of mm.vmas()) {
    mm.pageTable.forEach(vma.start / PAGE_SIZE, vma.end / PAGE_SIZE, (_vpn, frame) => {
      if (frame === mm.zeroFrame) return;
      if (vma.shared !== null) kinds.shared++;
      else if (vma.cache !== null && mm.memory.refs(frame) > 1) kinds.file++;
      else kinds.anonymous++;
    });
  }
  return kinds;
}

function regionUsage(mm: AddressSpace, region: ProcRegion): ProcRegionUsage {
  const usage = {
    rss: 0,
    pss: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    anonymous: 0,
    locked: 0,
  };
  mm.pageTable.forEach(region.start / PAGE_SIZE, region.end / PAGE_SIZE, (_vpn, frame, prot) => {
    if (frame === mm.zeroFrame) return;
    const sharers = Math.max(1, mm.memory.refs(frame) - (region.file === null ? 0 : 1));
    const dirty = (prot & PTE_WRITE) !== 0 || region.file === null;
    usage.rss += PAGE_SIZE;
    usage.pss += Math.floor(PAGE_SIZE / sharers);
    if (sharers > 1) usage[dirty ? 'sharedDirty' : 'sharedClean'] += PAGE_SIZE;
    else usage[dirty ? 'privateDirty' : 'privateClean'] += PAGE_SIZE;
    if (region.file === null) usage.anonymous += PAGE_SIZE;
  });
  return usage;
}
