interface Write {
  readonly index: number;
  readonly term: number;
  /** What of it still counts once it is durable: lowered when later writes replace its tail. */
  usable: number;
}

/**
 * Batches of entries on their way to disk, oldest first; they become durable in that order.
 *
 * A report names only (index, term), and that is not unique: entry (5, term 1) may be written, replaced by
 * (5, term 2) and written again while the first report is under way. Taking the first report for the third write
 * would acknowledge an entry that a crash between the second and the third loses. So a report is matched with the
 * oldest write only, and what was replaced since no longer counts.
 */
export class WriteQueue {
  private readonly writes: Write[] = [];

  push(index: number, term: number): void {
    this.writes.push({ index, term, usable: index });
  }

  /** Entries from `index` on are being replaced. */
  truncateFrom(index: number): void {
    for (const write of this.writes) if (write.usable >= index) write.usable = index - 1;
  }

  /** The index up to which the log is durable by this report; 0 when it is not about the oldest write. */
  complete(index: number, term: number): number {
    const oldest = this.writes[0];
    if (oldest === undefined || oldest.index !== index || oldest.term !== term) return 0;
    this.writes.shift();
    return oldest.usable;
  }

  clear(): void {
    this.writes.length = 0;
  }
}
