import { ADVERTISED_BACKOFF, backoffMs, DIAL_BACKOFF } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import { Directory } from './directory.ts';
import { SyncError } from './errors.ts';
import type { CompiledOptions } from './options.ts';
import type { HelloReply, LeadersReply, PushReply } from './protocol/frames.ts';
import type { GroupId } from './protocol/ids.ts';
import type { Turn } from './turn.ts';

/** While no member answers yet, the next address is tried after this long, whatever became of the last one. */
const NEXT_ADDRESS_MS = 200;

/** Waits until some connection is ready. */
export interface Parked {
  routeReady(): void;
}

export interface RouterListener {
  /** Leaders or connections changed: what sticks to a connection may find a better one. */
  routesChanged(): void;
  pushed(push: PushReply): void;
  clusterChanged(): void;
}

interface Address {
  connection: Connection | null;
  failures: number;
  /** Monotonic; not dialled before. */
  notBeforeMs: number;
}

/**
 * Keeps the connections: one per member, opened when something must go there. A request goes to the group's leader
 * if that is connected, else to any connected member, which forwards; the user's endpoints stay the way back in
 * when no advertised address can be reached.
 */
export class Router implements ConnectionOwner {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly label: string;
  readonly directory = new Directory();

  readonly #options: CompiledOptions;
  readonly #listener: RouterListener;
  readonly #addresses = new Map<string, Address>();
  readonly #parked = new Set<Parked>();
  /** Clusters that were given up for another: a member of one that comes back knows nothing of what happened since. */
  readonly #left = new Set<string>();
  #ready: Connection[] = [];
  #turnTaking = 0;
  #seekTimer: Timer | null = null;
  #lastError: SyncError | null = null;
  #closed = false;

  constructor(options: CompiledOptions, turn: Turn, listener: RouterListener) {
    this.clock = options.clock;
    this.turn = turn;
    this.label = options.label;
    this.#options = options;
    this.#listener = listener;
  }

  /** Why no member could be reached lately. */
  get lastError(): SyncError | null {
    return this.#lastError;
  }

  /** All connections, also those that are still being opened. */
  get connections(): Connection[] {
    return [...this.#addresses.values()].flatMap(({ connection }) => connection ?? []);
  }

  /**
   * A ready connection for requests of `group`, or null: then `park` and be woken. `avoid` has just refused and is
   * taken only if it is the only one.
   */
  route(group: GroupId, avoid: Connection | null = null): Connection | null {
    const leader = this.directory.leaderOf(group);
    if (leader !== 0) {
      const direct = this.#connectionTo(leader);
      if (direct !== null && direct !== avoid) return direct;
      if (direct === null) {
        const address = this.directory.addressOf(leader);
        if (address !== null) this.#dial(address);
      }
    }
    const ready = this.#ready;
    if (ready.length === 0) {
      this.#seek();
      return null;
    }
    // Without a known leader, and after a refusal, ask around; else stay with one, so that order is kept.
    if (avoid !== null || leader === 0) this.#turnTaking++;
    for (let i = 0; i < ready.length; i++) {
      const candidate = ready[(this.#turnTaking + i) % ready.length]!;
      if (candidate !== avoid) return candidate;
    }
    return ready[0]!;
  }

  /** True if `connection` is ready and no better one is for this group; one to the leader is opened if need be. */
  isBest(connection: Connection, group: GroupId): boolean {
    if (!connection.ready) return false;
    const leader = this.directory.leaderOf(group);
    if (leader === 0 || connection.member === leader) return true;
    if (this.#connectionTo(leader) !== null) return false;
    const address = this.directory.addressOf(leader);
    if (address !== null) this.#dial(address);
    return true;
  }

  /** A ready connection beside one that seems silent; while there is none, one is opened. */
  besides(silent: Connection): Connection | null {
    const other = this.#ready.find((ready) => ready !== silent);
    if (other !== undefined) return other;
    const known = this.directory.members.map(({ client }) => client);
    [...known, ...this.#options.endpoints].some((address) => this.#dial(address));
    return null;
  }

  park(waiter: Parked): void {
    this.#parked.add(waiter);
    this.#seek();
  }

  unpark(waiter: Parked): void {
    this.#parked.delete(waiter);
  }

  /** What a refusal says about the leader. */
  learn(group: GroupId, hint: number, from: Connection | null): void {
    if (hint !== 0) {
      if (this.directory.setLeader(group, hint)) this.#leaderChanged(group, hint);
    } else if (from !== null) {
      this.directory.forgetLeader(group, from.member);
    }
  }

  close(error: SyncError): void {
    this.#closed = true;
    this.#seekTimer?.cancel();
    this.#seekTimer = null;
    this.#parked.clear();
    for (const connection of this.connections) connection.close(error);
  }

  hello(connection: Connection, hello: HelloReply): void {
    const [, , clusterId, member, members, slotEpoch, slotTable, leaders] = hello;
    if (clusterId !== this.directory.clusterId) {
      if (this.#left.has(clusterId)) {
        throw new SyncError(
          'UNAVAILABLE',
          `${connection.address} belongs to cluster ${clusterId}, which was given up`,
        );
      }
      if (this.directory.clusterId !== '') {
        if (this.#ready.length > 0) {
          throw new SyncError('PROTOCOL', `${connection.address} belongs to another cluster (${clusterId})`);
        }
        // One that was left behind by a recovery by force has no quorum: it would hold on to whoever believes it.
        if (leaders.every((leader) => leader === 0)) {
          const text = `${connection.address} belongs to another cluster (${clusterId}), which nobody leads`;
          throw new SyncError('UNAVAILABLE', text);
        }
        this.#left.add(this.directory.clusterId);
        this.#listener.clusterChanged();
        this.#options.onEvent({ type: 'clusterChanged', clusterId });
      }
      this.directory.reset(clusterId);
    }
    if (this.#connectionTo(member) !== null) {
      // A load balancer led to a member that is connected already.
      this.#address(connection.address).failures = 0;
      throw new SyncError('UNAVAILABLE', `member ${member} is connected already`);
    }
    connection.ready = true;
    this.#ready.push(connection);
    this.#address(connection.address).failures = 0;
    this.#lastError = null;
    this.directory.setSlots(slotEpoch, slotTable);
    this.#options.onEvent({ type: 'connected', address: connection.address, member });
    this.#learnAll(members, leaders);
    const parked = [...this.#parked];
    this.#parked.clear();
    for (const waiter of parked) waiter.routeReady();
    this.#listener.routesChanged();
  }

  leaders(_connection: Connection, reply: LeadersReply): void {
    if (this.#learnAll(reply[1], reply[2])) this.#listener.routesChanged();
  }

  pushed(push: PushReply): void {
    this.#listener.pushed(push);
  }

  saw(group: number, index: number): void {
    this.directory.saw(group, index);
  }

  closed(connection: Connection, error: SyncError): void {
    const address = this.#address(connection.address);
    address.connection = null;
    const own = this.#options.endpoints.includes(connection.address);
    const delay = backoffMs(this.clock, address.failures, own ? DIAL_BACKOFF : ADVERTISED_BACKOFF);
    address.failures++;
    address.notBeforeMs = this.clock.monotonicMs() + delay;
    this.#ready = this.#ready.filter((other) => other !== connection);
    this.#lastError = error;
    if (this.#closed) return;
    this.#options.onEvent({ type: 'disconnected', address: connection.address, error });
    if (this.#ready.length === 0 && this.#parked.size > 0) this.#seek();
  }

  #learnAll(members: LeadersReply[1], leaders: LeadersReply[2]): boolean {
    if (members.length > 0) this.directory.members = members;
    const changed = this.directory.setLeaders(leaders);
    for (const group of changed) this.#leaderChanged(group, leaders[group]!);
    return changed.length > 0;
  }

  #leaderChanged(group: number, member: number): void {
    this.#options.onEvent({ type: 'leaderChanged', group, member });
  }

  #connectionTo(member: number): Connection | null {
    if (member === 0) return null;
    for (const connection of this.#ready) if (connection.member === member) return connection;
    return null;
  }

  #address(address: string): Address {
    let state = this.#addresses.get(address);
    if (state === undefined) {
      state = { connection: null, failures: 0, notBeforeMs: 0 };
      this.#addresses.set(address, state);
    }
    return state;
  }

  #dial(address: string): boolean {
    const state = this.#address(address);
    if (this.#closed || state.connection !== null || this.clock.monotonicMs() < state.notBeforeMs)
      return false;
    try {
      state.connection = new Connection(this, this.#options.transport, address);
      return true;
    } catch (error) {
      // An advertised address that is none: as unreachable as one that does not answer.
      state.failures++;
      state.notBeforeMs = this.clock.monotonicMs() + DIAL_BACKOFF.maxMs;
      this.#lastError = new SyncError('UNAVAILABLE', `cannot connect to ${address}`, { cause: error });
      return false;
    }
  }

  /** Dials addresses one after the other while nothing is ready and somebody waits. */
  #seek(): void {
    if (this.#closed || this.#seekTimer !== null || this.#ready.length > 0) return;
    const endpoints = this.#options.endpoints;
    const known = this.directory.members.map(({ client }) => client);
    const addresses = [...new Set([...endpoints, ...known])];
    const first = Math.floor(this.clock.random() * endpoints.length);
    for (let i = 0; i < addresses.length; i++) {
      // Only the user's endpoints are shuffled: they come before what was advertised.
      const at = i < endpoints.length ? (first + i) % endpoints.length : i;
      if (this.#dial(addresses[at]!)) break;
    }
    this.#seekTimer = this.clock.after(this.#untilNextDial(addresses), () => {
      this.#seekTimer = null;
      if (this.#parked.size > 0) this.#seek();
    });
  }

  #untilNextDial(addresses: readonly string[]): number {
    const now = this.clock.monotonicMs();
    let next = Number.POSITIVE_INFINITY;
    for (const address of addresses) {
      const state = this.#address(address);
      if (state.connection === null) next = Math.min(next, state.notBeforeMs - now);
    }
    // All are being dialled, or none may be dialled yet.
    return Math.min(NEXT_ADDRESS_MS, Math.max(next, 10));
  }
}
