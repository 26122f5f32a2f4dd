import { invariant } from './invariant.ts';
import type { SnapshotRecord } from './machine.ts';

export interface CowRecord {
  /** The freeze that this record needs nothing more from: it is newer, was emitted or had its old value saved. */
  epoch: number;
}

/** One freeze at a time over all tables of a machine. */
export class Freezer {
  epoch = 0;
  active = false;
  /** Old values of records that changed before the freeze emitted them. */
  saved: SnapshotRecord[] = [];

  begin(): void {
    invariant(!this.active, 'only one freeze at a time');
    this.epoch++;
    this.active = true;
  }

  end(): void {
    this.active = false;
    this.saved = [];
  }
}

export interface CowTable {
  /** All records as they are now. */
  encoded(): IterableIterator<SnapshotRecord>;
  /** Records that have not changed since the freeze began and were not emitted yet; each once. */
  untouched(): IterableIterator<SnapshotRecord>;
}

/**
 * Map whose state at the moment of a freeze can be read out while it goes on changing. A record is changed in
 * place, but only through `edit`, which keeps its encoded old value if a freeze still needs it: outside a
 * freeze nothing is copied, and during one a record is copied at its first change only.
 *
 * `encode` must not keep references to what may change later.
 */
export class CowMap<K, R extends CowRecord> implements CowTable {
  readonly #map = new Map<K, R>();
  readonly #freezer: Freezer;
  readonly #encode: (record: Readonly<R>) => SnapshotRecord;

  constructor(freezer: Freezer, encode: (record: Readonly<R>) => SnapshotRecord) {
    this.#freezer = freezer;
    this.#encode = encode;
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: K): Readonly<R> | undefined {
    return this.#map.get(key);
  }

  /** In no order that may matter. */
  values(): IterableIterator<Readonly<R>> {
    return this.#map.values();
  }

  add(key: K, record: R): void {
    const size = this.#map.size;
    record.epoch = this.#freezer.epoch;
    this.#map.set(key, record);
    invariant(this.#map.size === size + 1, 'a record is added under a new key');
  }

  /** The record, free to be changed until the next freeze. */
  edit(record: Readonly<R>): R {
    const freezer = this.#freezer;
    if (freezer.active && record.epoch !== freezer.epoch) this.#save(record);
    return record as R;
  }

  delete(key: K, record: Readonly<R>): void {
    this.edit(record);
    invariant(this.#map.delete(key), 'a record is deleted once');
  }

  *encoded(): IterableIterator<SnapshotRecord> {
    for (const record of this.#map.values()) yield this.#encode(record);
  }

  *untouched(): IterableIterator<SnapshotRecord> {
    // A map's iterator stands changes under it: what was deleted has been saved, what is new has this epoch.
    for (const record of this.#map.values()) {
      if (record.epoch === this.#freezer.epoch) continue;
      record.epoch = this.#freezer.epoch;
      yield this.#encode(record);
    }
  }

  #save(record: Readonly<R>): void {
    this.#freezer.saved.push(this.#encode(record));
    (record as R).epoch = this.#freezer.epoch;
  }
}
