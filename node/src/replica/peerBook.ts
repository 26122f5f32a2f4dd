import type { MemberAddress, MemberId, RosterMember } from '@synccluster/client/protocol';
import { FIRST_LEVEL } from '../machines/features.ts';
import type { Configuration } from '../raft/types.ts';
import type { Listeners, Peer, Vitals } from '../transport/transport.ts';

/** More than a cluster has members, even while each is being replaced. */
const CALLERS_MAX = 16;

interface RosterView {
  readonly members: readonly RosterMember[];
  readonly tombstones: ReadonlySet<MemberId>;
}

/** Who else there is: from the groups' configurations, the roster, and who said hello. */
export class PeerBook {
  readonly #self: Peer;
  readonly #own: Listeners;
  readonly #vitals = new Map<MemberId, Vitals>();
  /** Of those that are linked. */
  readonly #levels = new Map<MemberId, number>();
  /** As their members advertise them. */
  readonly #listeners = new Map<MemberId, Listeners>();
  /** Peers that called: a new learner knows nobody else until its log has a configuration. */
  readonly #callers = new Map<MemberId, Peer>();
  #peers: readonly Peer[] = [];
  #key = '';

  constructor(self: Peer, own: Listeners) {
    this.#self = self;
    this.#own = own;
  }

  vitals(id: MemberId): Vitals | undefined {
    return this.#vitals.get(id);
  }

  setVitals(id: MemberId, vitals: Vitals): void {
    this.#vitals.set(id, vitals);
  }

  /**
   * Highest feature level that the peer's version knows, as it said over the links there are: it may come back as
   * another version. One that did not say knows the first.
   */
  level(id: MemberId): number {
    return this.#levels.get(id) ?? FIRST_LEVEL;
  }

  linkLost(id: MemberId): void {
    this.#levels.delete(id);
  }

  met(peer: Peer, listeners: Listeners, level: number): void {
    this.#levels.set(peer.id, level);
    // The latest callers come last.
    this.#callers.delete(peer.id);
    this.#callers.set(peer.id, peer);
    this.#listeners.set(peer.id, listeners);
    for (const id of this.#callers.keys()) {
      if (this.#callers.size <= CALLERS_MAX) break;
      this.#callers.delete(id);
      if (this.#peers.some((known) => known.id === id)) continue;
      this.#listeners.delete(id);
      this.#levels.delete(id);
    }
  }

  peers(): readonly Peer[] {
    return this.#peers;
  }

  /** True when the set of peers changed. */
  refresh(configurations: readonly Configuration[], roster: RosterView | null): boolean {
    const peers = new Map<MemberId, Peer>();
    for (const { id, ordinal } of this.#callers.values()) peers.set(id, { id, ordinal });
    for (const [id, ordinal] of roster?.members ?? []) peers.set(id, { id, ordinal });
    // A removed one leaves with its last group; until then it must hear of its removal.
    for (const id of roster?.tombstones ?? []) peers.delete(id);
    for (const { voters, learners } of configurations) {
      for (const { id, ordinal } of [...voters, ...learners]) peers.set(id, { id, ordinal });
    }
    peers.delete(this.#self.id);
    const next = [...peers.values()].sort((a, b) => a.id - b.id);
    const key = next.map((p) => `${p.id}@${p.ordinal}`).join();
    if (key === this.#key) return false;
    this.#key = key;
    this.#peers = next;
    for (const id of this.#vitals.keys()) if (!peers.has(id)) this.#vitals.delete(id);
    for (const id of this.#listeners.keys()) if (!peers.has(id)) this.#listeners.delete(id);
    for (const id of this.#levels.keys()) if (!peers.has(id)) this.#levels.delete(id);
    for (const id of this.#callers.keys()) if (roster?.tombstones.has(id)) this.#callers.delete(id);
    return true;
  }

  /** For clients: members whose address is known. */
  addresses(): MemberAddress[] {
    const all: MemberAddress[] = [address(this.#self, this.#own)];
    for (const peer of this.#peers) {
      const listeners = this.#listeners.get(peer.id);
      if (listeners !== undefined) all.push(address(peer, listeners));
    }
    return all.sort((a, b) => a.ordinal - b.ordinal);
  }
}

function address({ id, ordinal }: Peer, { client, http }: Listeners): MemberAddress {
  return http === '' ? { id, ordinal, client } : { id, ordinal, client, http };
}
