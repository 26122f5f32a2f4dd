import { randomInt } from 'node:crypto';

/** Every member listens on the same ports, each on an address of its own, as pods do. */
export const PORTS = { client: 7400, peer: 7401, admin: 7403 } as const;

const ORDINALS_MAX = 8;

/**
 * One run's loopback addresses. A member is reached by others only through proxies: peer `j` is, to member `i`, the
 * address of the directed link i → j; clients reach a member by the address of its door, which is what it advertises.
 */
export class Addresses {
  readonly #prefix: string;

  /** `second`, `third`: the middle bytes of all addresses; random, so that runs on one machine do not meet. */
  constructor(second = randomInt(64, 250), third = randomInt(1, 250)) {
    this.#prefix = `127.${second}.${third}.`;
  }

  member(ordinal: number): string {
    return this.#at(10, ordinal);
  }
  door(ordinal: number): string {
    return this.#at(30, ordinal);
  }
  link(from: number, to: number): string {
    return this.#at(100 + from * ORDINALS_MAX, to);
  }

  #at(base: number, ordinal: number): string {
    if (ordinal < 0 || ordinal >= ORDINALS_MAX) throw new RangeError(`no address for ordinal ${ordinal}`);
    return `${this.#prefix}${base + ordinal}`;
  }
}

/** What members call peer `ordinal`; `{ordinal}` gives the template. Never in any DNS: hosts files lead to links. */
export function peerName(ordinal: number | '{ordinal}'): string {
  return `member-${ordinal}.chaos.invalid`;
}
