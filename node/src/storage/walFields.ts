import type { LogIndex, MemberId, Ordinal, StampMs, Term } from '@synccluster/client/protocol';
import type {
  Configuration,
  ConfigurationMember,
  Entry,
  EntryKindValue,
  HardState,
  SnapshotMeta,
} from '../raft/types.ts';

/** term 8, stamp 8, kind 1, configuration follows 1, length of data 4. */
export const ENTRY_FIXED_BYTES = 22;
const EMPTY = new Uint8Array(0);

/** Little-endian fields appended to an arena that grows. Numbers above 32 bits are doubles: exact to 2^53. */
export class FieldWriter {
  #arena: Buffer;
  #view: DataView;
  #length = 0;

  constructor(bytes: number) {
    this.#arena = Buffer.allocUnsafeSlow(bytes);
    this.#view = viewOf(this.#arena);
  }

  restart(from: number, keptBytes: number, freshBytes: number): void {
    if (this.#arena.length > keptBytes) this.#use(Buffer.allocUnsafeSlow(freshBytes));
    this.#length = from;
  }

  get length(): number {
    return this.#length;
  }

  /** Shares the arena. */
  written(): Buffer {
    return this.#arena.subarray(0, this.#length);
  }

  #use(arena: Buffer): void {
    this.#arena = arena;
    this.#view = viewOf(arena);
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    const needed = at + bytes;
    if (needed > this.#arena.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#arena.length * 2));
      this.#arena.copy(larger, 0, 0, at);
      this.#use(larger);
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#arena.set(value, at);
  }

  zeros(count: number): void {
    const at = this.#reserve(count);
    this.#arena.fill(0, at, at + count);
  }

  entryHeader(entry: Entry): void {
    const at = this.#reserve(ENTRY_FIXED_BYTES);
    const view = this.#view;
    view.setFloat64(at, entry.term, true);
    view.setFloat64(at + 8, entry.stampMs, true);
    view.setUint8(at + 16, entry.kind);
    view.setUint8(at + 17, entry.configuration === null ? 0 : 1);
    view.setUint32(at + 18, entry.data.length, true);
  }

  hardState(value: HardState): void {
    this.f64(value.term);
    this.f64(value.vote);
  }

  meta(value: SnapshotMeta): void {
    this.f64(value.index);
    this.f64(value.term);
    this.f64(value.stampMs);
    this.configuration(value.configuration);
  }

  configuration(value: Configuration): void {
    for (const members of [value.voters, value.learners]) {
      this.u32(members.length);
      for (const member of members) {
        this.f64(member.id);
        this.u32(member.ordinal);
      }
    }
  }
}

/** Reads what a `FieldWriter` wrote; throws a RangeError behind the end. */
export class FieldReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Buffer, from: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#at = from;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) throw new RangeError('record goes past its end');
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  hardState(): HardState {
    return { term: this.f64() as Term, vote: this.f64() as MemberId | 0 };
  }

  meta(): SnapshotMeta {
    return {
      index: this.f64() as LogIndex,
      term: this.f64() as Term,
      stampMs: this.f64() as StampMs,
      configuration: this.configuration(),
    };
  }

  configuration(): Configuration {
    return { voters: this.#members(), learners: this.#members() };
  }

  #members(): ConfigurationMember[] {
    const members: ConfigurationMember[] = [];
    for (let count = this.u32(); count > 0; count--) {
      members.push({ id: this.f64() as MemberId, ordinal: this.u32() as Ordinal });
    }
    return members;
  }

  entries(): Entry[] {
    const entries: Entry[] = [];
    const count = this.u32();
    const first = this.f64();
    for (let i = 0; i < count; i++) {
      const at = this.#take(ENTRY_FIXED_BYTES);
      const view = this.#view;
      const configuration = view.getUint8(at + 17) === 0 ? null : this.configuration();
      const length = view.getUint32(at + 18, true);
      const data = this.#take(length);
      entries.push({
        index: (first + i) as LogIndex,
        term: view.getFloat64(at, true) as Term,
        stampMs: view.getFloat64(at + 8, true) as StampMs,
        kind: view.getUint8(at + 16) as EntryKindValue,
        // Copied: a view would keep the whole segment in memory for as long as one entry of it lives.
        data: length === 0 ? EMPTY : Buffer.from(this.#bytes.subarray(data, data + length)),
        configuration,
      });
    }
    return entries;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
