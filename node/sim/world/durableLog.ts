import type { LogRecord } from '../../src/storage/walCodec.ts';
import { readHeader, readRecords } from '../../src/storage/walCodec.ts';
import type { Inode } from './inode.ts';

export interface DurableGroup {
  /** Of the last entry; 0: none. */
  readonly index: number;
  readonly term: number;
  readonly vote: number;
}

/**
 * What a power failure at this moment would leave of a member's log. It is read from the medium, batch by batch as
 * they get there, with the product's own codec: what the member believes does not come into it.
 */
export class DurableLog {
  readonly #groups = new Map<number, DurableGroup>();
  #tail: { inode: Inode; position: number } | null = null;
  #nextBatch = 1;
  #salt = 0;
  /** Told of what has just become durable. */
  onEntries: (group: number, index: number) => void = () => {};
  onHardState: (group: number, term: number, vote: number) => void = () => {};

  /** Nobody is told any more. */
  detach(): void {
    this.onEntries = () => {};
    this.onHardState = () => {};
  }

  group(id: number): DurableGroup {
    return this.#groups.get(id) ?? { index: 0, term: 0, vote: 0 };
  }

  /** Where sound batches end that have a successor: what lies before can be damaged without passing for torn. */
  get tail(): { readonly inode: Inode; readonly position: number } | null {
    return this.#tail;
  }

  /** More of a log file is on the medium. `isLinked`: a name of it is, too. */
  synced(inode: Inode, isLinked: () => boolean): void {
    let position = this.#tail?.inode === inode ? this.#tail.position : 0;
    const medium = inode.medium;
    for (;;) {
      const header = readHeader(medium, position);
      if (header !== null && header.salt !== this.#salt && header.batch === 1) this.#begin(header.salt);
      if (header === null || header.batch > this.#nextBatch) return;
      if (header.batch === this.#nextBatch) {
        if (position === 0 && !isLinked()) return;
        for (const record of readRecords(medium.subarray(position, position + header.bytes))) {
          this.#apply(record);
        }
        this.#nextBatch += 1;
      } else if (position > 0 && this.#tail?.inode === inode) return;
      position += header.bytes;
      if (header.batch + 1 === this.#nextBatch) this.#tail = { inode, position };
    }
  }

  /** The volume was set aside, and this is another member's log. */
  #begin(salt: number): void {
    this.#salt = salt;
    this.#groups.clear();
    this.#tail = null;
    this.#nextBatch = 1;
  }

  #apply(record: LogRecord): void {
    const before = this.group(record.group);
    switch (record.type) {
      case 'entries': {
        const last = record.entries.at(-1);
        if (last === undefined) return;
        this.#groups.set(record.group, { ...before, index: last.index });
        this.onEntries(record.group, last.index);
        return;
      }
      case 'hardState':
      case 'opening': {
        const { term, vote } = record.hardState;
        this.#groups.set(record.group, { ...before, term, vote });
        if (term !== before.term || vote !== before.vote) this.onHardState(record.group, term, vote);
        return;
      }
      case 'reset':
        this.#groups.set(record.group, { ...before, index: record.meta.index });
        return;
      default:
        return;
    }
  }
}
