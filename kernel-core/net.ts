/** What the kernel has of networking: the families of addresses, and the limits that /proc/sys/net shows. */
import { AddressFamilies } from '../net/families.js';
import { defaultSettings, type NetSettings } from '../net/options.js';
import { UnixDomain } from '../net/unix/domain.js';
import type { OpenFile } from '../vfs/file.js';
import type { VfsEnv } from '../vfs/filesystem.js';
import type { Host } from './host.js';

export class Network {
  readonly settings: NetSettings = defaultSettings();
  readonly families = new AddressFamilies();
  readonly unix: UnixDomain;

  /** @param urgent tells the owner of a description that urgent data has come */
  constructor(vfs: VfsEnv, host: Host, urgent: (file: OpenFile) => void) {
    this.unix = new UnixDomain({ vfs, urgent, random: (target) => host.random(target) }, this.settings);
    this.families.register(this.unix);
  }

  dispose(): void {
    this.unix.dispose();
  }
}
