import type { GroupId, MemberId } from '@synccluster/client/protocol';
import type { DataMachine } from '../machines/index.ts';
import type { Group } from './group.ts';

const LEADER_SILENT_MS = 10_000;

/** Null when the member votes in every group, has replayed its log and heard of each leader lately; else why not. */
export function groupsNotReady(
  groups: ReadonlyMap<GroupId, Group>,
  groupCount: number,
  self: MemberId,
  tickMs: number,
): string | null {
  for (let id = 0 as GroupId; id < groupCount; id = (id + 1) as GroupId) {
    const group = groups.get(id);
    if (group === undefined) return `group ${id} is not known yet`;
    const status = group.status();
    if (!status.configuration.voters.some((m) => m.id === self)) return `not a voter in group ${id}`;
    if (status.silentTicks * tickMs > LEADER_SILENT_MS || (status.leader === 0 && status.commit === 0)) {
      return `no leader of group ${id} was heard of in the last ${LEADER_SILENT_MS / 1000} s`;
    }
    if (id > 0 && !(group.machine as DataMachine).ownsSlots()) return `group ${id} has no slots yet`;
  }
  return null;
}
