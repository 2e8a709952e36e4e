/**
 * Puts modules of regions in place: makes their functions, installs these, and notes which region calls which. For modules
 * that have just been emitted and for those of other runs alike.
 */
import { instantiate, type RegionImports } from './emit-module.js';
import type { InstalledRegions } from './installed.js';
import type { RegionBody, RegionModule, Translation } from './translation.js';

export class Linker {
  /** All since the processor was made; bytes of WebAssembly, instructions of the guest. */
  modules = 0;
  moduleBytes = 0;
  regions = 0;
  doors = 0;
  instructions = 0;
  readonly #imports: RegionImports;
  readonly #installed: InstalledRegions;

  constructor(imports: RegionImports, installed: InstalledRegions) {
    this.#imports = imports;
    this.#installed = installed;
  }

  /**
   * Makes a module's functions and installs its regions.
   * @param compiled its code
   * @param bodies doors behind the regions that they lead into
   * @param indices which function each is
   * @param outside regions of other modules that it imports, by root
   */
  link(
    module: RegionModule,
    compiled: WebAssembly.Module,
    bodies: readonly RegionBody[],
    indices: Iterable<number>,
    outside: ReadonlyMap<number, Translation>,
  ): void {
    const installed = this.#installed;
    const imported = new Map([...outside].map(([root, { func }]) => [root, func]));
    const functions = instantiate(compiled, this.#imports, imported, indices);
    this.modules++;
    this.moduleBytes += module.size;
    installed.open(module);
    const made = new Map<number, Translation>();
    for (const [i, body] of bodies.entries()) {
      if (body.doorOf !== undefined && !made.has(body.doorOf)) continue;
      const translation = installed.install(body, module, functions[i]!);
      if (translation === undefined) continue;
      made.set(body.root, translation);
      if (body.doorOf !== undefined) {
        this.doors++;
        continue;
      }
      this.regions++;
      this.instructions += body.size;
    }
    for (const translation of made.values()) {
      for (const address of translation.body.destinations) {
        const target = outside.get(address) ?? made.get(address);
        if (target === undefined) translation.unlinked.add(address);
        else installed.link(translation, target);
      }
    }
    installed.close(module);
  }
}
