import { crc32 } from 'node:zlib';
import type { GroupId } from '@synccluster/client/protocol';
import type { Entry, HardState, SnapshotMeta } from '../raft/types.ts';
import type { WalRecord } from './storage.ts';
import { ENTRY_FIXED_BYTES, FieldReader, FieldWriter } from './walFields.ts';

/** What stands in the log: what the driver hands in, and what the log adds so that old segments can go. */
export type LogRecord =
  | WalRecord
  /** A group's state where a segment begins: what older segments said of it is not needed any more. */
  | {
      readonly type: 'opening';
      readonly group: GroupId;
      readonly hardState: HardState;
      readonly snapshot: SnapshotMeta | null;
    }
  /** Entries that still live, copied from the oldest segment: unlike `entries` they displace nothing. */
  | { readonly type: 'copied'; readonly group: GroupId; readonly entries: readonly Entry[] };

/**
 * Batches begin and end on this boundary, padded with zeros: no two share a page or a sector, so writing one can
 * never spoil a durable neighbour, whole pages need no read before they are written, and a scan for later
 * batches has few places to look at.
 */
export const BATCH_ALIGNMENT = 4096;
const BATCH_HEADER_BYTES = 32;
const MAGIC = 0x4c415753;
const VERSION = 1;
const FLAG_OPENING = 0x100;
const FLAG_RECYCLED = 0x200;

/** Payloads from here on are written from where they lie; smaller ones are cheaper copied than as an iovec. */
const REFERENCE_BYTES = 16 * 1024;
/** One writev takes 1024 buffers (IOV_MAX); two go with each referenced payload. */
const REFERENCES_MAX = 500;
const ARENA_BYTES = 256 * 1024;
/** An arena that one large batch blew up is not kept. */
const ARENA_KEPT_BYTES = 4 * 1024 * 1024;

const TYPE = { end: 0, entries: 1, hardState: 2, compact: 3, reset: 4, opening: 5, copied: 6 } as const;

export interface BatchHeader {
  /** Drawn at random for each log and never told to clients: bytes they choose cannot pass for a batch. */
  readonly salt: number;
  readonly segment: number;
  readonly batch: number;
  /** Header, records and padding. */
  readonly bytes: number;
  readonly opening: boolean;
  readonly recycled: boolean;
}

/** Forms one batch at a time. What `finish` gave back is valid until the next `begin`. */
export class BatchEncoder {
  readonly #fields = new FieldWriter(ARENA_BYTES);
  #references: Uint8Array[] = [];
  #cuts: number[] = [];
  #referencedBytes = 0;
  entries = 0;

  begin(): void {
    this.#fields.restart(BATCH_HEADER_BYTES, ARENA_KEPT_BYTES, ARENA_BYTES);
    this.#references = [];
    this.#cuts = [];
    this.#referencedBytes = 0;
    this.entries = 0;
  }

  /** Of what was added since `begin`, header included, padding not. */
  get bytes(): number {
    return this.#fields.length + this.#referencedBytes;
  }

  add(record: LogRecord): void {
    const fields = this.#fields;
    fields.u8(TYPE[record.type]);
    fields.u32(record.group);
    switch (record.type) {
      case 'entries':
      case 'copied':
        this.#addEntries(record.entries);
        break;
      case 'hardState':
        fields.hardState(record.hardState);
        break;
      case 'compact':
        fields.f64(record.keepFrom);
        fields.meta(record.meta);
        break;
      case 'reset':
        fields.meta(record.meta);
        break;
      case 'opening':
        fields.hardState(record.hardState);
        fields.u8(record.snapshot === null ? 0 : 1);
        if (record.snapshot !== null) fields.meta(record.snapshot);
        break;
    }
  }

  #addEntries(entries: readonly Entry[]): void {
    const fields = this.#fields;
    fields.u32(entries.length);
    fields.f64(entries[0]?.index ?? 0);
    for (const entry of entries) {
      const data = entry.data;
      fields.entryHeader(entry);
      if (entry.configuration !== null) fields.configuration(entry.configuration);
      if (data.length >= REFERENCE_BYTES && this.#references.length < REFERENCES_MAX) {
        this.#cuts.push(fields.length);
        this.#references.push(data);
        this.#referencedBytes += data.length;
      } else {
        fields.bytes(data);
      }
    }
    this.entries += entries.length;
  }

  /** Pads, numbers and seals the batch: the buffers to write one behind the other. */
  finish(header: Omit<BatchHeader, 'bytes'>): Uint8Array[] {
    const fields = this.#fields;
    const unpadded = this.bytes;
    const bytes = Math.ceil(unpadded / BATCH_ALIGNMENT) * BATCH_ALIGNMENT;
    fields.zeros(bytes - unpadded);
    const arena = fields.written();
    arena.writeUInt32LE(MAGIC, 0);
    arena.writeUInt32LE(header.salt, 4);
    arena.writeUInt32LE(header.segment, 8);
    arena.writeDoubleLE(header.batch, 12);
    arena.writeUInt32LE(bytes, 20);
    arena.writeUInt32LE(
      VERSION | (header.opening ? FLAG_OPENING : 0) | (header.recycled ? FLAG_RECYCLED : 0),
      24,
    );
    const buffers: Uint8Array[] = [];
    let from = 0;
    for (const [i, reference] of this.#references.entries()) {
      const cut = this.#cuts[i] as number;
      if (cut > from) buffers.push(arena.subarray(from, cut));
      buffers.push(reference);
      from = cut;
    }
    if (arena.length > from) buffers.push(arena.subarray(from));
    arena.writeUInt32LE(seal(buffers), 28);
    return buffers;
  }
}

/** Over all but the checksum itself, so segment and batch number are its seed. */
function seal(buffers: readonly Uint8Array[]): number {
  const first = buffers[0] as Uint8Array;
  let crc = crc32(first.subarray(0, BATCH_HEADER_BYTES - 4));
  crc = crc32(first.subarray(BATCH_HEADER_BYTES), crc);
  for (let i = 1; i < buffers.length; i++) crc = crc32(buffers[i] as Uint8Array, crc);
  return crc;
}

/** What the header at `position` claims, before its checksum is looked at; null where it cannot be one. */
export function peekHeader(file: Buffer, position: number): BatchHeader | null {
  if (position + BATCH_HEADER_BYTES > file.length || file.readUInt32LE(position) !== MAGIC) return null;
  const bytes = file.readUInt32LE(position + 20);
  const flags = file.readUInt32LE(position + 24);
  if (bytes < BATCH_ALIGNMENT || bytes % BATCH_ALIGNMENT !== 0) return null;
  return {
    salt: file.readUInt32LE(position + 4),
    segment: file.readUInt32LE(position + 8),
    batch: file.readDoubleLE(position + 12),
    bytes,
    opening: (flags & FLAG_OPENING) !== 0,
    recycled: (flags & FLAG_RECYCLED) !== 0,
  };
}

/** The header of the batch at `position`, if it is whole and sound. */
export function readHeader(file: Buffer, position: number): BatchHeader | null {
  const header = peekHeader(file, position);
  if (header === null || position + header.bytes > file.length) return null;
  const crc = seal([file.subarray(position, position + header.bytes)]);
  return crc === file.readUInt32LE(position + BATCH_HEADER_BYTES - 4) ? header : null;
}

/** The records of a sound batch. Throws when they make no sense: another version's, or a fault of this one. */
export function* readRecords(batch: Buffer): Generator<LogRecord> {
  const version = batch.readUInt32LE(24) & 0xff;
  if (version !== VERSION) throw new RangeError(`batch of format ${version}, this is format ${VERSION}`);
  const fields = new FieldReader(batch, BATCH_HEADER_BYTES);
  while (!fields.atEnd) {
    const type = fields.u8();
    if (type === TYPE.end) return;
    const group = fields.u32() as GroupId;
    switch (type) {
      case TYPE.entries:
      case TYPE.copied:
        yield { type: type === TYPE.entries ? 'entries' : 'copied', group, entries: fields.entries() };
        break;
      case TYPE.hardState:
        yield { type: 'hardState', group, hardState: fields.hardState() };
        break;
      case TYPE.compact: {
        const keepFrom = fields.f64() as SnapshotMeta['index'];
        yield { type: 'compact', group, keepFrom, meta: fields.meta() };
        break;
      }
      case TYPE.reset:
        yield { type: 'reset', group, meta: fields.meta() };
        break;
      case TYPE.opening: {
        const hardState = fields.hardState();
        yield { type: 'opening', group, hardState, snapshot: fields.u8() === 0 ? null : fields.meta() };
        break;
      }
      default:
        throw new RangeError(`record of unknown type ${type}`);
    }
  }
}

/** What an entry takes in the log, to the byte but for configurations. */
export function entryBytes(entry: Entry): number {
  return ENTRY_FIXED_BYTES + entry.data.length;
}
