import { type GroupId, type LogIndex, type MemberId, Op, type Term } from '@synccluster/client/protocol';
import { packCommand } from '@synccluster/client/wire';
import { type Configuration, type Entry, EntryKind, type RestoredState } from '../raft/types.ts';
import type { Storage, WalRecord } from '../storage/storage.ts';
import type { Peer } from '../transport/transport.ts';
import { internal } from './duties.ts';

/*
 * Forced recovery from one survivor of a lost quorum. First the volume's identity is changed: a new cluster id, and
 * that the log has yet to follow; from then on no peer of the lost cluster passes the hello. The next start gives the
 * log of every group the command that makes its state the new cluster's and a configuration of this member alone, and
 * only then lets groups open.
 */

/** What a member knows of a group when it is asked whether it may be the survivor. */
export interface SurvivingGroup {
  readonly id: GroupId;
  readonly leader: MemberId | 0;
  status(): { readonly lastIndex: LogIndex };
}

/** Why this member is no survivor to go on from; null: it is. `groupCount` 0: its applied state does not say. */
export function whyNoSurvivor(
  groups: ReadonlyMap<GroupId, SurvivingGroup>,
  groupCount: number,
): string | null {
  if (groups.size === 0) return 'this member holds no data';
  for (let id = 0; id < Math.max(groupCount, groups.size); id++) {
    const group = groups.get(id as GroupId);
    if (group === undefined || group.status().lastIndex === 0)
      return `this member has nothing of group ${id}`;
  }
  // Whoever asks may be cut off from the others: they are not, as far as this member hears.
  if ([...groups.values()].every((group) => group.leader !== 0)) {
    return 'every group has a leader, so no quorum is lost';
  }
  return null;
}

/** The groups as they are to be opened: those of the log, once a recovery that was begun has been brought to its end. */
export async function groupsToOpen(
  storage: Storage,
  self: Peer,
): Promise<ReadonlyMap<GroupId, RestoredState>> {
  const { groups } = storage.recovered;
  const { recovering, clusterId } = storage.identity;
  if (!recovering || clusterId === null) return groups;
  const command = packCommand([...internal(Op.Recover), clusterId, self.id, self.ordinal] as const);
  const alone = new Map([...groups].map(([id, state]) => [id, aloneIn(state, self, command)]));
  const records = [...alone].flatMap(([group, { hardState, entries }]): WalRecord[] =>
    alone.get(group) === groups.get(group)
      ? []
      : [
          { type: 'hardState', group, hardState },
          { type: 'entries', group, entries: entries.slice(-2) },
        ],
  );
  // One batch: all groups or none. The flag goes after it, so a crash between the two does it over, to no effect.
  if (records.length > 0) await new Promise<void>((resolve) => storage.wal.write(records, resolve));
  await storage.endRecovery();
  return alone;
}

/**
 * The log goes on with the command that makes the state the new cluster's and with a configuration of this member
 * alone, in a term above all that this member has heard of; the lost quorum may have used it too, but the new cluster's
 * id keeps the two apart. Whatever stands before is kept, committed or not: the votes that
 * could tell are gone.
 */
function aloneIn(state: RestoredState, self: Peer, command: Uint8Array): RestoredState {
  const [beforeLast, last] = state.entries.slice(-2);
  const done = beforeLast !== undefined && sameBytes(beforeLast.data, command);
  if (done && isAlone(last?.configuration ?? null, self)) return state;
  const before = state.entries.at(-1) ?? state.snapshot;
  const index = before?.index ?? 0;
  const term = (Math.max(state.hardState.term, before?.term ?? 0) + 1) as Term;
  const stampMs = before?.stampMs ?? (0 as Entry['stampMs']);
  const recovered: Entry = {
    index: (index + 1) as LogIndex,
    term,
    kind: EntryKind.Commands,
    stampMs,
    data: command,
    configuration: null,
  };
  const configuration: Entry = {
    index: (index + 2) as LogIndex,
    term,
    kind: EntryKind.Configuration,
    stampMs,
    data: new Uint8Array(0),
    configuration: { voters: [{ id: self.id, ordinal: self.ordinal }], learners: [] },
  };
  return {
    hardState: { term, vote: self.id },
    snapshot: state.snapshot,
    entries: [...state.entries, recovered, configuration],
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function isAlone(configuration: Configuration | null, self: Peer): boolean {
  return (
    configuration !== null &&
    configuration.learners.length === 0 &&
    configuration.voters.length === 1 &&
    configuration.voters[0]?.id === self.id
  );
}
