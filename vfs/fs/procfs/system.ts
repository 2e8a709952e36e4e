/** The files of /proc that are about the whole system. Formats as of Linux 6.18. @source fs/proc/*.c, compared with a host */
import { CAP_SYSLOG } from '../../../abi/capability.js';
import { ENOENT, fail } from '../../../abi/errno.js';
import { capable } from '../../capability.js';
import { hundredths, kib, ticks } from './format.js';
import { directory, file, link, type Reader, type Row } from './row.js';
import type { ProcCpuInfo, ProcCpuTimes, ProcMemoryInfo, ProcSource, ProcSystem, ProcTtyDriver } from './source.js';
import { SETTINGS_ROW } from './sysctl.js';

/** Size of the vmalloc area of x86-64, in KiB. */
const VMALLOC_TOTAL = 34_359_738_367;
const HUGE_PAGE_KIB = 2048;
const PAGE_SIZE = 4096;
const SOFTIRQS = 'HI TIMER NET_TX NET_RX BLOCK IRQ_POLL TASKLET SCHED HRTIMER RCU'.split(' ');

/** Without swap, huge pages and a slab allocator their lines are 0; pages are not sorted by age. */
function meminfo(m: ProcMemoryInfo): string {
  const rows: [string, number][] = [
    ['MemTotal', m.total],
    ['MemFree', m.free],
    ['MemAvailable', m.available],
    ['Buffers', 0],
    ['Cached', m.cached],
    ['SwapCached', 0],
    ['Active', m.anonymous + m.cached - m.shared],
    ['Inactive', m.shared],
    ['Active(anon)', m.anonymous],
    ['Inactive(anon)', m.shared],
    ['Active(file)', m.cached - m.shared],
    ['Inactive(file)', 0],
    ['Unevictable', m.locked],
    ['Mlocked', m.locked],
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['Dirty', m.dirty],
    ['Writeback', 0],
    ['AnonPages', m.anonymous],
    ['Mapped', m.mapped],
    ['Shmem', m.shared],
    ['KReclaimable', 0],
    ['Slab', 0],
    ['SReclaimable', 0],
    ['SUnreclaim', 0],
    ['KernelStack', m.kernelStacks],
    ['PageTables', m.pageTables],
    ['SecPageTables', 0],
    ['NFS_Unstable', 0],
    ['Bounce', 0],
    ['WritebackTmp', 0],
    ['CommitLimit', m.commitLimit],
    ['Committed_AS', m.committed],
    ['VmallocTotal', VMALLOC_TOTAL * 1024],
    ['VmallocUsed', 0],
    ['VmallocChunk', 0],
    ['Percpu', 0],
  ];
  const amount = (name: string, value: number): string => `${`${name}:`.padEnd(16)}${String(value).padStart(8)}`;
  let text = '';
  for (const [name, bytes] of rows) text += `${amount(name, kib(bytes))} kB\n`;
  for (const name of ['Total', 'Free', 'Rsvd', 'Surp']) text += `${amount(`HugePages_${name}`, 0)}\n`;
  text += `${amount('Hugepagesize', HUGE_PAGE_KIB)} kB\n${amount('Hugetlb', 0)} kB\n`;
  return `${text}${amount('DirectMap4k', kib(m.total))} kB\n`;
}

/** Counts of pages, of kibibytes for kernel stacks; without disks and swap nothing goes to or comes from one. */
function vmstat(m: ProcMemoryInfo): string {
  const rows: [string, number][] = [
    ['nr_free_pages', m.free / PAGE_SIZE],
    ['nr_mlock', m.locked / PAGE_SIZE],
    ['nr_inactive_anon', m.shared / PAGE_SIZE],
    ['nr_active_anon', m.anonymous / PAGE_SIZE],
    ['nr_inactive_file', 0],
    ['nr_active_file', (m.cached - m.shared) / PAGE_SIZE],
    ['nr_unevictable', m.locked / PAGE_SIZE],
    ['nr_anon_pages', m.anonymous / PAGE_SIZE],
    ['nr_mapped', m.mapped / PAGE_SIZE],
    ['nr_file_pages', m.cached / PAGE_SIZE],
    ['nr_dirty', m.dirty / PAGE_SIZE],
    ['nr_writeback', 0],
    ['nr_shmem', m.shared / PAGE_SIZE],
    ['nr_kernel_stack', kib(m.kernelStacks)],
    ['nr_page_table_pages', m.pageTables / PAGE_SIZE],
    ['pgpgin', 0],
    ['pgpgout', 0],
    ['pswpin', 0],
    ['pswpout', 0],
  ];
  return rows.map(([name, value]) => `${name} ${Math.floor(value)}\n`).join('');
}

const cpuLine = (name: string, t: ProcCpuTimes): string =>
  `${name} ${ticks(t.user)} ${ticks(t.nice)} ${ticks(t.system)} ${ticks(t.idle)} 0 0 0 0 0 0\n`;

function stat({ system: s }: ProcSource): string {
  const times = s.cpuTimes;
  const sum = { user: 0, nice: 0, system: 0, idle: 0 };
  for (const one of times) {
    sum.user += one.user;
    sum.nice += one.nice;
    sum.system += one.system;
    sum.idle += one.idle;
  }
  // Two blanks: the name is padded to the width of `cpu` and a digit.
  let text = cpuLine('cpu ', sum);
  for (let i = 0; i < times.length; i++) text += cpuLine(`cpu${i}`, times[i]);
  text += `intr ${s.interrupts}\nctxt ${s.contextSwitches}\nbtime ${s.bootTime}\nprocesses ${s.forks}\n`;
  text += `procs_running ${s.runningTasks}\nprocs_blocked ${s.blockedTasks}\n`;
  return `${text}softirq 0${' 0'.repeat(SOFTIRQS.length)}\n`;
}

const average = (load: number): string =>
  `${Math.floor(load)}.${String(Math.floor((load % 1) * 100)).padStart(2, '0')}`;

function loadavg({ system: s }: ProcSource): string {
  return `${s.loadAverages.map(average).join(' ')} ${s.runningTasks}/${s.taskCount} ${s.lastPid}\n`;
}

function uptime({ system: s }: ProcSource): string {
  let idle = 0;
  for (const one of s.cpuTimes) idle += one.idle;
  return `${hundredths(s.uptime)} ${hundredths(idle)}\n`;
}

function cpuinfo({ system: { cpuInfo } }: ProcSource): string {
  const count = cpuInfo.length;
  const one = (c: ProcCpuInfo, i: number): string => {
    const lines: [string, string | number | null][] = [
      ['processor', i],
      ['vendor_id', c.vendor],
      ['cpu family', c.family],
      ['model', c.model],
      ['model name', c.modelName],
      ['stepping', c.stepping],
      ['cpu MHz', c.mhz.toFixed(3)],
      ['cache size', `${c.cacheKb} KB`],
      ['physical id', 0],
      ['siblings', count],
      ['core id', i],
      ['cpu cores', count],
      ['apicid', i],
      ['initial apicid', i],
      ['fpu', 'yes'],
      ['fpu_exception', 'yes'],
      ['cpuid level', 13],
      ['wp', 'yes'],
      ['flags', c.flags],
      ['bugs', ''],
      ['bogomips', (c.mhz * 2).toFixed(2)],
      ['clflush size', 64],
      ['cache_alignment', 64],
      ['address sizes', `${c.physicalBits} bits physical, ${c.virtualBits} bits virtual`],
      ['power management', null],
    ];
    // One tab, or two where the name is shorter than a tab stop's worth.
    const line = ([name, value]: [string, string | number | null]): string =>
      value === null ? `${name}:` : `${name}${name.length < 8 ? '\t\t' : '\t'}: ${value}`;
    return `${lines.map(line).join('\n')}\n\n`;
  };
  return cpuInfo.map(one).join('');
}

function ttyDriver(d: ProcTtyDriver): string {
  const [first, last] = d.minors;
  const numbers = first === last ? `${first}`.padStart(7) : `${first}-${last}`;
  return `${d.name.padEnd(20)} ${d.node.padEnd(13)} ${`${d.major}`.padStart(3)} ${numbers} ${d.type}\n`;
}

const lineDiscipline = ({ name, number }: ProcSystem['lineDisciplines'][number]): string =>
  `${name.padEnd(10)} ${`${number}`.padStart(2)}\n`;

/** Whether who reads may see addresses of the kernel; others see zeros. @source Linux kernel/ksyms_common.c kallsyms_show_value */
export const seesAddresses = ({ caller, source }: Reader): boolean =>
  capable(caller.cred, CAP_SYSLOG) && source.system.security.kptrRestrict < 2;

/** A signed address as 16 hexadecimal digits. */
export const addressText = (address: number): string =>
  BigInt.asUintN(64, BigInt(address)).toString(16).padStart(16, '0');

function modules({ system }: ProcSource, reader: Reader): string {
  const isShown = seesAddresses(reader);
  let text = '';
  for (const m of system.modules) {
    const users = m.users.length === 0 ? '-' : `${m.users.join(',')},`;
    const taints = m.taints === '' ? '' : ` (${m.taints})`;
    const address = addressText(isShown ? m.address : 0);
    text += `${m.name} ${m.size} ${m.references} ${users} ${m.state} 0x${address}${taints}\n`;
  }
  return text;
}

/** One column of counters for each processor. */
const columns = (count: number, cell: (cpu: number) => string): string =>
  Array.from({ length: count }, (_, i) => cell(i)).join('');

/** There is no interrupt controller: what is left is the two lines that are always there. */
function interrupts({ system }: ProcSource): string {
  const header = ' '.repeat(11) + columns(system.cpuTimes.length, (cpu) => `CPU${cpu}`.padEnd(11));
  return `${header}\nERR: ${'0'.padStart(10)}\nMIS: ${'0'.padStart(10)}\n`;
}

/** Work that interrupts would leave for later is done at once here. */
function softirqs({ system }: ProcSource): string {
  const count = system.cpuTimes.length;
  const header = ' '.repeat(20) + columns(count, (cpu) => `CPU${cpu}`.padEnd(11));
  return `${header}\n${SOFTIRQS.map((name) => `${name.padStart(12)}:${columns(count, () => '0'.padStart(11))}\n`).join('')}`;
}

const devices = (reader: Reader): string =>
  `Character devices:\n${reader.devices.map((d) => `${`${d.major}`.padStart(3)} ${d.name}\n`).join('')}\nBlock devices:\n`;

export const SYSTEM_ROWS: readonly Row<ProcSource>[] = [
  file('cmdline', ({ system }) => `${system.commandLine}\n`),
  file('cpuinfo', cpuinfo),
  file('devices', (_source, reader) => devices(reader)),
  file('diskstats', () => ''),
  file('filesystems', ({ system }) =>
    system.fileSystems.map(({ name, needsDevice }) => `${needsDevice ? '' : 'nodev'}\t${name}\n`).join(''),
  ),
  file('interrupts', interrupts),
  file('loadavg', loadavg),
  file('meminfo', ({ system }) => meminfo(system.memory)),
  file('modules', modules),
  link('mounts', () => 'self/mounts'),
  link('net', () => 'self/net'),
  file('partitions', () => ''),
  link('self', (source, { caller }) => {
    const task = source.taskOf(caller);
    return task === null ? fail(ENOENT) : `${task.tgid}`;
  }),
  file('softirqs', softirqs),
  file('stat', stat),
  file('swaps', () => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'),
  SETTINGS_ROW,
  link('thread-self', (source, { caller }) => {
    const task = source.taskOf(caller);
    return task === null ? fail(ENOENT) : `${task.tgid}/task/${task.tid}`;
  }),
  directory('tty', [
    file('drivers', ({ system }) => system.ttyDrivers.map(ttyDriver).join('')),
    file('ldiscs', ({ system }) => system.lineDisciplines.map(lineDiscipline).join('')),
  ]),
  file('uptime', uptime),
  file('version', ({ system: s }) => `${s.ostype} version ${s.release} ${s.builder} ${s.buildVersion}\n`),
  file('vmstat', ({ system }) => vmstat(system.memory)),
];
