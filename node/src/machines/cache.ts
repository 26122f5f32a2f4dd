import { type StampMs, slotOf, type Token } from '@synccluster/client/protocol';
import { BytePool } from './bytePool.ts';
import { CowMap, type CowRecord, type Freezer } from './cowMap.ts';
import { type Due, DueHeap } from './expiry.ts';
import type { Outcome, SnapshotRecord } from './machine.ts';
import { answer, reply } from './outcome.ts';
import { Section } from './section.ts';
import type { SlotOwnership } from './slotOwnership.ts';
import type { Tokens } from './tokens.ts';

interface CacheEntry extends CowRecord, Due {
  readonly key: string;
  value: Uint8Array;
  version: Token;
}

const ABSENT = answer<'CacheGet'>([0 as Token, null, 0]);

/** Cache entries of the slots that this data group owns. */
export class Cache {
  readonly entries: CowMap<string, CacheEntry>;
  readonly #slots: SlotOwnership;
  readonly #tokens: Tokens;
  readonly #pool = new BytePool();
  readonly #dues = new DueHeap<CacheEntry>((entry) => entry.version);

  constructor(freezer: Freezer, slots: SlotOwnership, tokens: Tokens) {
    this.entries = new CowMap<string, CacheEntry>(freezer, encodeEntry);
    this.#slots = slots;
    this.#tokens = tokens;
  }

  nextDueStampMs(): number {
    return this.#dues.nextDueStampMs();
  }

  put(key: string, value: Uint8Array, ttlMs: number, stampMs: StampMs): Outcome {
    const slot = slotOf(key);
    if (!this.#slots.owns(slot)) return this.#slots.moved(slot);
    const version = this.#tokens.next(stampMs);
    const dueStampMs = ttlMs > 0 ? stampMs + ttlMs : Infinity;
    const kept = this.#pool.keep(value);
    const known = this.entries.get(key);
    if (known === undefined) {
      const entry: CacheEntry = { epoch: 0, heapIndex: -1, dueStampMs, key, value: kept, version };
      this.entries.add(key, entry);
      this.#dues.schedule(entry);
    } else {
      const entry = this.entries.edit(known);
      entry.value = kept;
      entry.version = version;
      entry.dueStampMs = dueStampMs;
      this.#dues.schedule(entry);
    }
    return reply<'CachePut'>([version]);
  }

  /** One of which the time has come is gone: reads say so from its stamp on, before its end is logged. */
  delete(key: string, stampMs: StampMs): Outcome {
    const slot = slotOf(key);
    if (!this.#slots.owns(slot)) return this.#slots.moved(slot);
    const entry = this.entries.get(key);
    if (entry === undefined) return reply<'CacheDelete'>([false]);
    this.#dues.cancel(entry);
    this.entries.delete(key, entry);
    return reply<'CacheDelete'>([entry.dueStampMs > stampMs]);
  }

  /** Also an entry whose time is over, until the log says so: the member compares it with its own time. */
  get(key: string): Outcome {
    const slot = slotOf(key);
    if (!this.#slots.owns(slot)) return this.#slots.moved(slot);
    const entry = this.entries.get(key);
    if (entry === undefined) return ABSENT;
    return answer<'CacheGet'>([
      entry.version,
      entry.value,
      entry.dueStampMs === Infinity ? 0 : entry.dueStampMs,
    ]);
  }

  expireDue(stampMs: StampMs): void {
    for (;;) {
      const entry = this.#dues.popDue(stampMs);
      if (entry === null) return;
      this.entries.delete(entry.key, entry);
    }
  }

  restore(record: SnapshotRecord): void {
    const [, key, version, due, value] = record as ReturnType<typeof encodeEntry>;
    const entry: CacheEntry = {
      epoch: 0,
      heapIndex: -1,
      dueStampMs: due === 0 ? Infinity : due,
      key,
      value: this.#pool.keep(value),
      version,
    };
    this.entries.add(key, entry);
    this.#dues.schedule(entry);
  }
}

function encodeEntry(entry: Readonly<CacheEntry>) {
  const due = entry.dueStampMs === Infinity ? 0 : entry.dueStampMs;
  return [Section.CacheEntry, entry.key, entry.version, due, entry.value] as const;
}
