/**
 * Code of other runs and for other runs: between the regions in place and the translation cache (cache.ts), which knows files
 * and pages only. A module that comes from there gets the numbers of this run before it is linked (relocation.ts).
 */
import type { TranslationCache } from './cache.js';
import { relocate, type StoredModule } from './cache-format.js';
import type { Chooser } from './chooser.js';
import type { CodeReader } from './code-reader.js';
import type { EmittedModule } from './emit-module.js';
import type { InstalledRegions } from './installed.js';
import type { Linker } from './linker.js';
import type { Profile } from './profile.js';
import type { SiteWindows } from './site-windows.js';
import type { StaleFlags } from './stale-flags.js';
import { type RegionBody, RegionModule, type SiteFacts, type Translation } from './translation.js';

export interface KeptCodeParts {
  cache: TranslationCache;
  reader: CodeReader;
  profile: Profile;
  chooser: Chooser;
  installed: InstalledRegions;
  windows: SiteWindows;
  stale: StaleFlags;
  linker: Linker;
}

export class KeptCode {
  readonly #cache: TranslationCache;
  readonly #reader: CodeReader;
  readonly #profile: Profile;
  readonly #chooser: Chooser;
  readonly #installed: InstalledRegions;
  readonly #windows: SiteWindows;
  readonly #stale: StaleFlags;
  readonly #linker: Linker;

  constructor(parts: KeptCodeParts) {
    this.#cache = parts.cache;
    this.#reader = parts.reader;
    this.#profile = parts.profile;
    this.#chooser = parts.chooser;
    this.#installed = parts.installed;
    this.#windows = parts.windows;
    this.#stale = parts.stale;
    this.#linker = parts.linker;
  }

  /** Installs some of what is there. @returns whether anything was done */
  install(): boolean {
    return this.#cache.install(
      (page) => this.#reader.frame(page),
      (stored) => this.#installStored(stored),
    );
  }

  /** Keeps a module that was emitted in this run. @param bodies its regions, in order */
  keep(module: RegionModule, bodies: readonly RegionBody[], emitted: EmittedModule): void {
    const { bytes, imports, places, slots } = emitted;
    this.#cache.keep(module, (pages) => {
      const regions = bodies.map((body, index) => this.#describe(body, index));
      return { regions, pages, imports, slots: [...slots], places, bytes };
    });
  }

  /** @returns undefined: not now; null: never */
  #installStored(stored: StoredModule): RegionModule | undefined | null {
    const installed = this.#installed;
    const missing = stored.regions.filter(({ root }) => installed.find(root) === undefined);
    const roots = new Set(missing.map(({ root }) => root));
    const regions = missing.filter(({ doorOf }) => doorOf === undefined || roots.has(doorOf));
    if (regions.length === 0) return null;
    installed.makeRoom(stored.bytes.length, regions.length);
    const outside = new Map<number, Translation>();
    for (const root of stored.imports) {
      const translation = installed.find(root);
      if (translation === undefined) return undefined;
      outside.set(root, translation);
    }
    const slots = this.#windows.assign(stored.slots);
    if (slots === undefined) return undefined;
    const flagSources = new Set<number>();
    const bytes = relocate(stored, {
      record: (address) => installed.recordAt(address),
      flagSource: (source) => {
        const number = this.#stale.number(source);
        flagSources.add(number);
        return number;
      },
      slots,
    });
    if (bytes === undefined) return undefined;
    const module = new RegionModule(bytes.length, [...flagSources]);
    const bodies = regions.map(bodyOfStored);
    try {
      this.#linker.link(
        module,
        new WebAssembly.Module(bytes),
        bodies,
        regions.map(({ index }) => index),
        outside,
      );
    } catch {
      // Whole by its digest, but not ours.
      return null;
    }
    for (const { root, version } of regions) this.#chooser.inherit(root, version);
    return module;
  }

  #describe(body: RegionBody, index: number): StoredModule['regions'][number] {
    const { root, pages, destinations, addresses } = body;
    const sites: SiteFacts[] = [];
    for (const address of addresses) {
      const site = this.#profile.sites.get(address);
      if (site === undefined || (Number.isNaN(site.lastAddress) && site.targets === undefined)) continue;
      sites.push([address, Number.isNaN(site.lastAddress) ? null : site.lastAddress, ...(site.targets?.keys() ?? [])]);
    }
    return {
      ...body,
      index,
      pages: [...pages],
      destinations: [...destinations],
      addresses: [...addresses],
      sites,
      version: this.#chooser.version(root),
    };
  }
}

function bodyOfStored(stored: StoredModule['regions'][number]): RegionBody {
  const { index: _index, version: _version, pages, destinations, addresses, ...same } = stored;
  return {
    ...same,
    pages: new Set(pages),
    destinations: new Set(destinations),
    addresses: Float64Array.from(addresses),
  };
}
