import type { GroupId } from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack } from '@synccluster/client/wire';
import { MemberError } from '../errors.ts';
import type { FrozenState, SnapshotRecord } from '../machines/machine.ts';
import type { SnapshotMeta } from '../raft/types.ts';
import { SNAPSHOT_CHUNK_BYTES, type SnapshotStore } from '../storage/storage.ts';

/** A snapshot's content is a stream of length-prefixed records, cut into chunks without regard to their borders. */
const RECORD_BYTES = 16 * 1024 * 1024;

/** Packs records until one chunk or more is full: small steps, so that other work goes on between two chunks. */
export class SnapshotEncoder {
  readonly #frozen: FrozenState;
  readonly #writer = new FrameWriter(RECORD_BYTES);
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(frozen: FrozenState) {
    this.#frozen = frozen;
  }

  /** The next chunk of at most `SNAPSHOT_CHUNK_BYTES`; null at the end. */
  next(): Uint8Array | null {
    if (this.#rest.length < SNAPSHOT_CHUNK_BYTES && !this.#ended) this.#fill();
    if (this.#rest.length === 0) return null;
    const chunk = this.#rest.subarray(0, SNAPSHOT_CHUNK_BYTES);
    this.#rest = this.#rest.subarray(chunk.length);
    return chunk;
  }

  #fill(): void {
    while (this.#rest.length + this.#writer.length < SNAPSHOT_CHUNK_BYTES) {
      const record = this.#frozen.next();
      if (record === null) {
        this.#ended = true;
        break;
      }
      this.#writer.appendValue(record);
    }
    const packed = this.#writer.take();
    if (this.#rest.length === 0) {
      this.#rest = packed;
    } else {
      const joined = new Uint8Array(this.#rest.length + packed.length);
      joined.set(this.#rest);
      joined.set(packed, this.#rest.length);
      this.#rest = joined;
    }
  }
}

/** The records of the group's newest snapshot, which must be the one that `meta` names. */
export async function readSnapshot(
  store: SnapshotStore,
  group: GroupId,
  meta: SnapshotMeta,
): Promise<{ records: SnapshotRecord[]; sizeBytes: number }> {
  await using reader = await store.open(group);
  if (reader === null || reader.meta.index !== meta.index || reader.meta.term !== meta.term) {
    throw new MemberError('DAMAGED', `the snapshot of group ${group} at index ${meta.index} is not there`);
  }
  const decoder = new FrameDecoder({ maxBytes: RECORD_BYTES });
  const records: SnapshotRecord[] = [];
  for await (const chunk of reader.chunks()) {
    // Copied: records keep views of it, and the reader may use its buffer again.
    for (const payload of decoder.push(chunk.slice())) records.push(unpack(payload) as SnapshotRecord);
  }
  if (decoder.buffered > 0) {
    throw new MemberError(
      'DAMAGED',
      `the snapshot of group ${group} at index ${meta.index} ends inside a record`,
    );
  }
  return { records, sizeBytes: reader.sizeBytes };
}
