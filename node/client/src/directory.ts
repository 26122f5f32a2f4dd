import { SyncError } from './errors.ts';
import type { MemberAddress } from './protocol/frames.ts';
import type { GroupId, Slot } from './protocol/ids.ts';
import { groupOfSlot, slotOf, slotOfPartition } from './protocol/slots.ts';

/** What the members told: who they are, who leads which group, who owns which slot, how far each group was seen. */
export class Directory {
  clusterId = '';
  members: readonly MemberAddress[] = [];
  slotEpoch = 0;
  slotTable: Uint8Array = new Uint8Array(0);
  #leaders: number[] = [];
  /** Highest index seen of each group: reads of level `session` are at least as new. */
  #marks: number[] = [];

  /** Takes over leaders as one member sees them; returns the groups that changed. */
  setLeaders(leaders: readonly number[]): number[] {
    const changed: number[] = [];
    for (let group = 0; group < leaders.length; group++) {
      if (this.setLeader(group, leaders[group]!)) changed.push(group);
    }
    return changed;
  }

  setLeader(group: number, member: number): boolean {
    // "Unknown" from one member does not undo what another one knew.
    if (member === 0 || this.leaderOf(group) === member) return false;
    this.#leaders[group] = member;
    return true;
  }

  /** The leader did not answer as one: ask around until somebody names another. */
  forgetLeader(group: number, member: number): void {
    if (this.leaderOf(group) === member) this.#leaders[group] = 0;
  }

  leaderOf(group: number): number {
    return this.#leaders[group] ?? 0;
  }

  addressOf(member: number): string | null {
    if (member === 0) return null;
    return this.members.find(({ id }) => id === member)?.client ?? null;
  }

  setSlots(epoch: number, table: Uint8Array): void {
    if (table.length === 0 || (epoch < this.slotEpoch && this.slotTable.length > 0)) return;
    this.slotEpoch = epoch;
    this.slotTable = new Uint8Array(table);
  }

  groupOfKey(key: string): GroupId {
    return this.#groupOf(slotOf(key));
  }

  groupOfPartition(queue: string, partition: number): GroupId {
    return this.#groupOf(slotOfPartition(queue, partition));
  }

  #groupOf(slot: Slot): GroupId {
    if (this.slotTable.length === 0) {
      throw new SyncError('UNAVAILABLE', 'the members do not know yet which group owns what');
    }
    return groupOfSlot(this.slotTable, slot);
  }

  saw(group: number, index: number): void {
    if (index > this.markOf(group)) this.#marks[group] = index;
  }

  markOf(group: number): number {
    return this.#marks[group] ?? 0;
  }

  /** Another cluster answers now: nothing of the old one holds. */
  reset(clusterId: string): void {
    this.clusterId = clusterId;
    this.members = [];
    this.slotEpoch = 0;
    this.slotTable = new Uint8Array(0);
    this.#leaders = [];
    this.#marks = [];
  }
}
