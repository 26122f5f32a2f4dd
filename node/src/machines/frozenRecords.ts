import type { CowTable, Freezer } from './cowMap.ts';
import type { FrozenState, SnapshotRecord } from './machine.ts';
import { Section } from './section.ts';

/**
 * Reads out a freeze: the small records captured at once, then what has not changed since in each table, then
 * the old values of what has, then a trailer with the count.
 */
export class FrozenRecords implements FrozenState {
  readonly #freezer: Freezer;
  #source: Iterator<SnapshotRecord> | null;
  #count = 0;
  #released = false;

  constructor(freezer: Freezer, fixed: readonly SnapshotRecord[], tables: readonly CowTable[]) {
    freezer.begin();
    this.#freezer = freezer;
    this.#source = this.#walk(fixed, tables);
  }

  next(): SnapshotRecord | null {
    if (this.#source === null) return null;
    const { done, value } = this.#source.next();
    if (done === true) {
      this.#source = null;
      return [Section.End, this.#count];
    }
    this.#count++;
    return value;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#source = null;
    this.#freezer.end();
  }

  *#walk(fixed: readonly SnapshotRecord[], tables: readonly CowTable[]): Iterator<SnapshotRecord> {
    yield* fixed;
    for (const table of tables) yield* table.untouched();
    // Complete by now: every record that stood at the freeze is either emitted or among the saved.
    const saved = this.#freezer.saved;
    while (saved.length > 0) yield saved.pop()!;
  }
}
