import { randomInt } from 'node:crypto';

/** Every member listens on the same ports, each on an address of its own, as pods do. */
export const PORTS = { client: 7400, peer: 7401, admin: 7403 } as const;

const ORDINALS_MAX = 8;
/** Clients of one house have doors of their own to all members, so that they can be cut off apart from others. */
export const HOUSES = 2;
const DOORS = 30;

/**
 * One run's loopback addresses. A member is reached by others only through proxies: peer `j` is, to member `i`, the
 * address of the directed link i → j. Clients reach a member by its door in the house that they are in; what members
 * advertise are their doors in house 0.
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
  door(ordinal: number, house = 0): string {
    if (house < 0 || house >= HOUSES) throw new RangeError(`there is no house ${house}`);
    return this.#at(DOORS + house * ORDINALS_MAX, ordinal);
  }
  /** The same member's door (`host:port`) in this house. */
  doorIn(house: number, address: string): string {
    const last = Number(/^[\d.]+\.(\d+):/.exec(address)?.[1]) - DOORS;
    if (!(last >= 0 && last < HOUSES * ORDINALS_MAX)) throw new RangeError(`${address} is no member's door`);
    return `${this.door(last % ORDINALS_MAX, house)}:${PORTS.client}`;
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
