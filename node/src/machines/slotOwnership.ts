import { type GroupId, groupOfSlot, type Slot } from '@synccluster/client/protocol';
import type { Outcome, SnapshotRecord } from './machine.ts';
import { fail, NOTHING } from './outcome.ts';
import { Section } from './section.ts';

/** Which slots this data group owns, as its log says; none before the first assignment. */
export class SlotOwnership {
  epoch = 0;
  #table: Uint8Array = new Uint8Array(0);
  readonly #group: GroupId;

  constructor(group: GroupId) {
    this.#group = group;
  }

  /** Idempotent by epoch: an older or equal one changes nothing. */
  assign(epoch: number, group: number, table: Uint8Array): Outcome {
    if (group !== this.#group) {
      return fail('INVALID_ARGUMENT', `group must be ${this.#group}, the group this was sent to`);
    }
    if (epoch > this.epoch) {
      this.epoch = epoch;
      this.#table = new Uint8Array(table);
    }
    return NOTHING;
  }

  owns(slot: Slot): boolean {
    return groupOfSlot(this.#table, slot) === this.#group;
  }

  moved(slot: Slot): Outcome {
    const owner = groupOfSlot(this.#table, slot);
    const now = owner === 0 ? 'no group yet' : `group ${owner}`;
    return fail('MOVED', `slot ${slot} belongs to ${now} since epoch ${this.epoch}`, this.epoch);
  }

  record() {
    return [Section.Slots, this.epoch, this.#table] as const;
  }

  restore(record: SnapshotRecord): void {
    const [, epoch, table] = record as ReturnType<SlotOwnership['record']>;
    this.epoch = epoch;
    this.#table = new Uint8Array(table);
  }
}
