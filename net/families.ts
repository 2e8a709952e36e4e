/** Address families by number: who makes the sockets of a family. A family that is not there is one the kernel was built without. */
import { EAFNOSUPPORT, EEXIST, EINVAL, EOPNOTSUPP, type Err, fail } from '../abi/errno.js';
import { AF_MAX, AF_UNSPEC, SOCK_MAX } from '../abi/socket.js';
import type { Socket, SocketCaller } from './socket.js';

export interface AddressFamily {
  /** AF_* number. */
  readonly family: number;
  /** socket(2). @param type SOCK_* without flags @returns -ESOCKTNOSUPPORT, -EPROTONOSUPPORT … */
  create(type: number, protocol: number, caller: SocketCaller): Socket | Err;
  /** socketpair(2); absent: -EOPNOTSUPP, if a single one could be had. */
  createPair?(type: number, protocol: number, caller: SocketCaller): [Socket, Socket] | Err;
}

export class AddressFamilies {
  readonly #families = new Map<number, AddressFamily>();

  /** @returns -EEXIST: the number is taken; -EINVAL: there is no such number */
  register(family: AddressFamily): 0 | Err {
    const { family: number } = family;
    if (!(number > AF_UNSPEC && number < AF_MAX)) return fail(EINVAL);
    if (this.#families.has(number)) return fail(EEXIST);
    this.#families.set(number, family);
    return 0;
  }

  /** Sockets of the family that there are stay. */
  unregister(family: AddressFamily): void {
    if (this.#families.get(family.family) === family) this.#families.delete(family.family);
  }

  create(family: number, type: number, protocol: number, caller: SocketCaller): Socket | Err {
    const found = this.#find(family, type);
    return typeof found === 'number' ? found : found.create(type, protocol, caller);
  }

  createPair(family: number, type: number, protocol: number, caller: SocketCaller): [Socket, Socket] | Err {
    const found = this.#find(family, type);
    if (typeof found === 'number') return found;
    if (found.createPair !== undefined) return found.createPair(type, protocol, caller);
    // What is wrong with the arguments is told before.
    const one = found.create(type, protocol, caller);
    if (typeof one === 'number') return one;
    one.discard();
    return fail(EOPNOTSUPP);
  }

  #find(family: number, type: number): AddressFamily | Err {
    if (family < 0 || family >= AF_MAX) return fail(EAFNOSUPPORT);
    if (type < 0 || type >= SOCK_MAX) return fail(EINVAL);
    return this.#families.get(family) ?? fail(EAFNOSUPPORT);
  }
}
