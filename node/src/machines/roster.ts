import {
  assignSlots,
  type MemberId,
  type Ordinal,
  type RosterMember,
  RosterTarget,
  type RosterTargetValue,
  SLOT_COUNT,
} from '@synccluster/client/protocol';
import type { Outcome, SnapshotRecord } from './machine.ts';
import { fail, NOTHING, reply } from './outcome.ts';
import { Section } from './section.ts';

export interface RosterView {
  /** 0: the cluster has not been founded. */
  readonly version: number;
  /** By id. */
  readonly members: readonly RosterMember[];
  /** Removed for ever, by id. */
  readonly tombstones: readonly MemberId[];
}

const NO_ROSTER: RosterView = { version: 0, members: [], tombstones: [] };

/** What the cluster is and who is meant to be in it. Views are replaced whole, never changed. */
export class Cluster {
  clusterId = '';
  shards = 0;
  slotEpoch = 0;
  slotTable: Uint8Array = new Uint8Array(SLOT_COUNT);
  roster: RosterView = NO_ROSTER;

  genesis(clusterId: string, shards: number, member: MemberId, ordinal: Ordinal): Outcome {
    if (this.roster.version > 0) return fail('CONFLICT', `cluster ${this.clusterId} is already founded`);
    this.clusterId = clusterId;
    this.shards = shards;
    this.slotEpoch = 1;
    this.slotTable = assignSlots(shards);
    this.roster = { version: 1, members: [[member, ordinal, RosterTarget.Voter]], tombstones: [] };
    return NOTHING;
  }

  /** All of the changes or none. */
  change(expectedVersion: number, changes: readonly RosterMember[]): Outcome {
    const { version, members, tombstones } = this.roster;
    if (version === 0) return fail('CONFLICT', 'the cluster is not founded yet');
    if (expectedVersion !== version) {
      return fail('CONFLICT', `the roster has version ${version}, not ${expectedVersion}`, version);
    }
    const next = new Map(members.map((member) => [member[0], member]));
    const removed = new Set(tombstones);
    const named = new Set<MemberId>();
    for (const change of changes) {
      const [id, , target] = change;
      if (named.has(id)) return fail('INVALID_ARGUMENT', `member ${id} is named twice`);
      named.add(id);
      if (removed.has(id)) return fail('CONFLICT', `member ${id} was removed and never comes back`, version);
      if (target !== RosterTarget.Removed) {
        next.set(id, change);
      } else if (next.delete(id)) {
        removed.add(id);
      } else {
        return fail('NOT_FOUND', `member ${id} is not in the roster`);
      }
    }
    const problem = contradiction(next.values());
    if (problem !== null) return fail('CONFLICT', problem, version);
    this.roster = {
      version: version + 1,
      members: [...next.values()].sort((a, b) => a[0] - b[0]),
      tombstones: [...removed].sort((a, b) => a - b),
    };
    return reply<'RosterChange'>([version + 1]);
  }

  /**
   * One survivor goes on alone under a new id. Everybody else the roster knew is removed for ever: what they hold
   * belongs to the cluster that is given up. The survivor itself may have been removed from that one.
   */
  recover(clusterId: string, survivor: MemberId, ordinal: Ordinal): Outcome {
    const { version, members, tombstones } = this.roster;
    if (version === 0) return fail('CONFLICT', 'the cluster is not founded yet');
    if (this.clusterId === clusterId)
      return fail('CONFLICT', `this is cluster ${clusterId} already`, version);
    const removed = new Set([...tombstones, ...members.map(([id]) => id)]);
    removed.delete(survivor);
    this.clusterId = clusterId;
    this.roster = {
      version: version + 1,
      members: [[survivor, ordinal, RosterTarget.Voter]],
      tombstones: [...removed].sort((a, b) => a - b),
    };
    return reply<'Recover'>([version + 1]);
  }

  record() {
    const { version, members, tombstones } = this.roster;
    return [
      Section.Cluster,
      this.clusterId,
      this.shards,
      this.slotEpoch,
      this.slotTable,
      version,
      members,
      tombstones,
    ] as const;
  }

  restore(record: SnapshotRecord): void {
    const [, clusterId, shards, slotEpoch, slotTable, version, members, tombstones] = record as ReturnType<
      Cluster['record']
    >;
    this.clusterId = clusterId;
    this.shards = shards;
    this.slotEpoch = slotEpoch;
    this.slotTable = new Uint8Array(slotTable);
    this.roster = { version, members, tombstones };
  }
}

function contradiction(members: Iterable<RosterMember>): string | null {
  const byOrdinal = new Map<Ordinal, MemberId>();
  const targets = new Set<RosterTargetValue>();
  for (const [id, ordinal, target] of members) {
    const other = byOrdinal.get(ordinal);
    if (other !== undefined) return `ordinal ${ordinal} cannot have members ${other} and ${id} at once`;
    byOrdinal.set(ordinal, id);
    targets.add(target);
  }
  return targets.has(RosterTarget.Voter) ? null : 'a cluster keeps at least one voter';
}
