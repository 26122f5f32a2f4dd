import type { GroupId } from '@synccluster/client/protocol';
import type { RestoredState, SnapshotMeta } from '../raft/types.ts';
import type { SnapshotScan } from './snapshotStore.ts';
import type { Damage, WalRecord } from './storage.ts';
import type { RecoveredLog } from './walRecovery.ts';
import type { ReplayedGroup } from './walReplay.ts';

interface RestoredGroup {
  readonly state: RestoredState;
  /** Segment of each entry. */
  readonly segments: readonly number[];
}

export interface Restored {
  readonly groups: ReadonlyMap<GroupId, RestoredGroup>;
  /** What the log has yet to be told before it agrees with `groups`. */
  readonly records: readonly WalRecord[];
  readonly damage: Damage | null;
}

const NOTHING: ReplayedGroup = {
  state: { hardState: { term: 0 as SnapshotMeta['term'], vote: 0 }, snapshot: null, entries: [] },
  segments: [],
  gap: null,
};

/**
 * Brings log and snapshots together. A snapshot is synced before the log names it, so after a crash the store
 * may have a newer one than the log knows, never an older one.
 */
export function restoreGroups(log: RecoveredLog, snapshots: SnapshotScan): Restored {
  const groups = new Map<GroupId, RestoredGroup>();
  const records: WalRecord[] = [];
  let damage: Damage | null = null;
  for (const group of new Set([...log.groups.keys(), ...snapshots.newest.keys()])) {
    const logged = log.groups.get(group) ?? NOTHING;
    const named = logged.state.snapshot;
    const stored = snapshots.newest.get(group)?.meta ?? null;
    if (stored !== null && (named === null || stored.index > named.index)) {
      groups.set(group, adopt(group, logged, stored, records));
      continue;
    }
    groups.set(group, logged);
    if (named !== null && (stored === null || stored.index < named.index || stored.term !== named.term)) {
      damage ??= {
        file: `snapshots/${group}-${named.index}-${named.term}.snapshot`,
        offset: 0,
        reason: `the log names this snapshot of group ${group}, but it is not there`,
      };
    }
  }
  return { groups, records, damage };
}

/** A crash came between the snapshot and its record in the log: what would have been logged is done now. */
function adopt(
  group: GroupId,
  logged: ReplayedGroup,
  stored: SnapshotMeta,
  records: WalRecord[],
): RestoredGroup {
  const { entries } = logged.state;
  const at = stored.index - (entries[0]?.index ?? 0);
  let { hardState } = logged.state;
  if (hardState.term < stored.term) {
    // It came from a leader of a later term, in which this member, by its own log, has not voted.
    hardState = { term: stored.term, vote: 0 };
    records.push({ type: 'hardState', group, hardState });
  }
  if (entries[at]?.term === stored.term) {
    const keepFrom = (stored.index + 1) as SnapshotMeta['index'];
    records.push({ type: 'compact', group, meta: stored, keepFrom });
    const state = { hardState, snapshot: stored, entries: entries.slice(at + 1) };
    return { state, segments: logged.segments.slice(at + 1) };
  }
  // The log ends below it or disagrees with it: then it was received, and replaces the whole (Raft §7).
  records.push({ type: 'reset', group, meta: stored });
  return { state: { hardState, snapshot: stored, entries: [] }, segments: [] };
}
