/** /proc/kallsyms: names of the kernel's functions and of everything in modules. @source Linux kernel/kallsyms.c */
import { STB_GLOBAL, STB_WEAK, STT_FUNC } from '../../abi/elf.js';
import type { LinkedSymbol } from '../../elf/link/link.js';
import { printable } from '../../elf/link/refusal.js';
import { file, type Row } from '../../vfs/fs/procfs/index.js';
import type { ProcSource } from '../../vfs/fs/procfs/source.js';
import { addressText, seesAddresses } from '../../vfs/fs/procfs/system.js';
import type { Kernel } from '../kernel.js';
import type { Module } from './module.js';

/** The letter that nm(1) shows: capital for what others can use. */
function letterOf({ sections }: Module['linked'], { type, binding, section }: LinkedSymbol): string {
  if (binding === STB_WEAK) return type === STT_FUNC ? 'W' : 'V';
  const home = sections.find(({ name }) => name === section);
  const letter =
    section === ''
      ? 'a'
      : home?.execute
        ? 't'
        : section === 'COMMON' || section.startsWith('.bss')
          ? 'b'
          : home?.write
            ? 'd'
            : 'r';
  return binding === STB_GLOBAL ? letter.toUpperCase() : letter;
}

export const kallsyms = ({ drivers, modules }: Kernel): Row<ProcSource> =>
  file('kallsyms', (_source, reader) => {
    const isShown = seesAddresses(reader);
    const address = (value: number): string => addressText(isShown ? value : 0);
    let text = '';
    for (const symbol of drivers.kernelSymbols) text += `${address(symbol.address)} T ${symbol.name}\n`;
    for (const { name, linked } of modules.list().reverse()) {
      for (const symbol of linked.symbols) {
        text += `${address(symbol.address)} ${letterOf(linked, symbol)} ${printable(symbol.name)}\t[${name}]\n`;
      }
    }
    return text;
  });
