import type { GroupId, LogIndex, StampMs, Term } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import { type Entry, EntryKind, type RestoredState } from '../raft/types.ts';
import type { Storage, WalRecord } from '../storage/storage.ts';
import type { Peer } from '../transport/transport.ts';

/**
 * Which cluster this member belongs to: none, until it is told to found one or a peer of one calls it by its id.
 * Both are durable before anybody hears of them, and exclude each other.
 */
export class Belonging {
  readonly #storage: Storage;
  readonly #self: Peer;
  #clusterId: string | null;
  #turn: Promise<void> = Promise.resolve();

  constructor(storage: Storage, self: Peer) {
    this.#storage = storage;
    this.#self = self;
    this.#clusterId = storage.identity.clusterId;
  }

  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** A peer of this cluster knows the member's id. True when that is news. */
  async admit(clusterId: string): Promise<boolean> {
    const known = this.#clusterId === clusterId;
    await this.#oneAtATime(() => this.#join(clusterId));
    return !known;
  }

  /**
   * Makes this member the only voter of every group of a new cluster, in its log, and hands the groups' state to
   * `opened`. Nothing happens if it did that before; refused if it belongs elsewhere.
   */
  found(
    clusterId: string,
    shards: number,
    hasGroups: () => boolean,
    opened: (groups: ReadonlyMap<GroupId, RestoredState>) => Promise<void>,
  ): Promise<void> {
    return this.#oneAtATime(async () => {
      if (hasGroups() && this.#clusterId === clusterId) return;
      if (hasGroups()) throw new MemberError('CONFLICT', 'this member has data already');
      await this.#join(clusterId);
      const groups = foundingGroups(this.#self, shards);
      const records = [...groups].flatMap(([group, { hardState, entries }]): WalRecord[] => [
        { type: 'hardState', group, hardState },
        { type: 'entries', group, entries },
      ]);
      await new Promise<void>((resolve) => this.#storage.wal.write(records, resolve));
      await opened(groups);
    });
  }

  #oneAtATime(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #join(clusterId: string): Promise<void> {
    if (this.#clusterId === clusterId) return;
    if (this.#clusterId !== null) {
      throw new MemberError('CONFLICT', `this member belongs to cluster ${this.#clusterId}`);
    }
    await this.#storage.adopt(clusterId);
    this.#clusterId = clusterId;
  }
}

/** Every group begins with the configuration that has the founder alone. */
function foundingGroups(founder: Peer, shards: number): Map<GroupId, RestoredState> {
  const first: Entry = {
    index: 1 as LogIndex,
    term: 1 as Term,
    kind: EntryKind.Configuration,
    stampMs: 0 as StampMs,
    data: new Uint8Array(0),
    configuration: { voters: [{ id: founder.id, ordinal: founder.ordinal }], learners: [] },
  };
  const state: RestoredState = {
    hardState: { term: 1 as Term, vote: 0 },
    snapshot: null,
    entries: [first],
  };
  return new Map(Array.from({ length: shards + 1 }, (_, group) => [group as GroupId, state]));
}
