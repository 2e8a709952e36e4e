/**
 * Who may load what. The securelevel only rises, except by init; above 0 modules are neither loaded nor unloaded, but for
 * images that were registered as safe before, by their SHA-256. @source NetBSD secmodel_securelevel(9); Linux modules_disabled
 */
import { CAP_SYS_MODULE } from '../../abi/capability.js';
import { EINVAL, ENOSPC, EPERM, type Err, fail } from '../../abi/errno.js';
import type { Caller } from '../../vfs/caller.js';
import { capable } from '../../vfs/capability.js';
import type { ProcSecurity } from '../../vfs/fs/procfs/settings.js';
import type { Host } from '../host.js';

const LOWEST = -1;
const HIGHEST = 2;
const INIT = 1;
/** Bytes of a digest, in hexadecimal digits. */
const DIGEST_DIGITS = 64;
/** Digests that are kept. */
const DIGESTS_MAX = 4096;

export class ModuleSecurity implements ProcSecurity {
  kptrRestrict = 0;
  readonly #host: Host;
  readonly #safe = new Set<string>();
  #level = 0;
  #isDisabled = false;

  constructor(host: Host) {
    this.#host = host;
  }

  get secureLevel(): number {
    return this.#level;
  }

  /** @returns -EPERM when it would fall and the caller is not init; -EINVAL */
  setSecureLevel(level: number, caller: Caller): number | Err {
    if (!Number.isInteger(level) || level < LOWEST || level > HIGHEST) return fail(EINVAL);
    if (level < this.#level && caller.pid > INIT) return fail(EPERM);
    this.#level = level;
    return 0;
  }

  get modulesDisabled(): boolean {
    return this.#isDisabled;
  }

  disableModules(): void {
    this.#isDisabled = true;
  }

  /** Why `caller` may not load or unload at all; '' when it may. */
  refusal(caller: Caller): string {
    if (!capable(caller.cred, CAP_SYS_MODULE)) return 'only the superuser may load or unload modules';
    return this.#isDisabled ? 'modules are disabled: nobody may load or unload modules' : '';
  }

  /** Whether the securelevel permits to load an image. */
  permits(image: Uint8Array): boolean {
    return this.#level <= 0 || this.#safe.has(digestText(this.#host.digest(image)));
  }

  get permitsUnloading(): boolean {
    return this.#level <= 0 && !this.#isDisabled;
  }

  /** Registered digests, a line each. */
  get safeText(): string {
    return [...this.#safe].map((digest) => `${digest}\n`).join('');
  }

  /**
   * Registers the digest of an image that may be loaded at any securelevel, or forgets it when a minus stands before it.
   * @param line as sha256sum writes it: what follows the digest does not matter
   * @returns 0; -EPERM above securelevel 0; -EINVAL: that is no digest; -ENOSPC: there are too many
   */
  register(line: string): number | Err {
    const match = new RegExp(`^(-?)([0-9a-fA-F]{${DIGEST_DIGITS}})(\\s|$)`).exec(line);
    if (match === null) return fail(EINVAL);
    if (this.#level > 0) return fail(EPERM);
    const digest = match[2]!.toLowerCase();
    if (match[1] === '-') this.#safe.delete(digest);
    else if (this.#safe.size >= DIGESTS_MAX) return fail(ENOSPC);
    else this.#safe.add(digest);
    return 0;
  }
}

const digestText = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
