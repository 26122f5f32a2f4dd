import { crc32 } from 'node:zlib';
import type { GroupId } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import type { SnapshotMeta } from '../raft/types.ts';
import type { FileOps, OpenFile } from './fileOps.ts';
import type { Reserve } from './reserve.ts';
import { SNAPSHOT_CHUNK_BYTES } from './storage.ts';
import { FieldReader, FieldWriter } from './walFields.ts';

/*
 * header: magic 4, version 4, length of meta 4, meta, crc 4
 * chunk:  length 4, crc 4, bytes
 * end:    END 4, number of chunks 8, bytes in them 8, crc 4
 * Each checksum goes on from the one before, so chunks can be neither swapped nor left out.
 */
const MAGIC = 0x50534353;
const VERSION = 1;
const END = 0xffffffff;
const TRAILER_BYTES = 24;
/** A header is the meta of at most some dozens of members. */
const META_BYTES_MAX = 1024 * 1024;
/** Dirty pages are handed to the disk in such portions, lest one large sync stall the log beside it. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;
const CHECK_EVERY_BYTES = 512 * 1024;

export interface SnapshotHeader {
  readonly group: GroupId;
  readonly meta: SnapshotMeta;
}

/** Writes one snapshot file from its header to its trailer. */
export class SnapshotFileWriter {
  readonly #file: OpenFile;
  readonly #reserve: Reserve;
  readonly #checkRoom: () => Promise<void>;
  #position = 0;
  #synced = 0;
  #checked = Number.NEGATIVE_INFINITY;
  #crc = 0;
  #chunks = 0;
  #bytes = 0;

  /** `checkRoom` rejects with ENOSPC where going on would leave the log too little. */
  constructor(file: OpenFile, reserve: Reserve, checkRoom: () => Promise<void>) {
    this.#file = file;
    this.#reserve = reserve;
    this.#checkRoom = checkRoom;
  }

  async begin(header: SnapshotHeader): Promise<void> {
    const fields = new FieldWriter(256);
    fields.u32(MAGIC);
    fields.u32(VERSION);
    fields.u32(0);
    const before = fields.length;
    fields.u32(header.group);
    fields.meta(header.meta);
    fields.written().writeUInt32LE(fields.length - before, 8);
    this.#crc = crc32(fields.written());
    fields.u32(this.#crc);
    await this.#put([fields.written()]);
  }

  async chunk(bytes: Uint8Array): Promise<void> {
    if (bytes.length > SNAPSHOT_CHUNK_BYTES) {
      throw new RangeError(`a chunk of ${bytes.length} bytes, more than ${SNAPSHOT_CHUNK_BYTES}`);
    }
    if (bytes.length === 0) return;
    const frame = Buffer.allocUnsafe(8);
    frame.writeUInt32LE(bytes.length, 0);
    this.#crc = crc32(bytes, crc32(frame.subarray(0, 4), this.#crc));
    frame.writeUInt32LE(this.#crc, 4);
    this.#chunks++;
    this.#bytes += bytes.length;
    await this.#put([frame, bytes]);
    if (this.#position - this.#synced >= SYNC_EVERY_BYTES) {
      await this.#file.sync();
      this.#synced = this.#position;
    }
  }

  async end(): Promise<void> {
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeUInt32LE(END, 0);
    trailer.writeDoubleLE(this.#chunks, 4);
    trailer.writeDoubleLE(this.#bytes, 12);
    trailer.writeUInt32LE(crc32(trailer.subarray(0, 20), this.#crc), 20);
    await this.#put([trailer]);
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #put(buffers: Uint8Array[]): Promise<void> {
    await this.#reserve.spend(async () => {
      if (this.#position - this.#checked >= CHECK_EVERY_BYTES) {
        await this.#checkRoom();
        this.#checked = this.#position;
      }
      await this.#file.write(buffers, this.#position);
    });
    for (const buffer of buffers) this.#position += buffer.length;
  }
}

/** Reads one snapshot file; every method throws `DAMAGED` where a checksum fails. */
export class SnapshotFileReader {
  readonly header: SnapshotHeader;
  /** Of all chunks together. */
  readonly sizeBytes: number;
  readonly #file: OpenFile;
  readonly #name: string;
  readonly #start: number;
  readonly #startCrc: number;
  readonly #chunks: number;

  private constructor(
    file: OpenFile,
    name: string,
    parts: { header: SnapshotHeader; start: number; crc: number; chunks: number; bytes: number },
  ) {
    this.#file = file;
    this.#name = name;
    this.header = parts.header;
    this.sizeBytes = parts.bytes;
    this.#start = parts.start;
    this.#startCrc = parts.crc;
    this.#chunks = parts.chunks;
  }

  static async open(ops: FileOps, path: string, name: string): Promise<SnapshotFileReader> {
    const file = await ops.open(path, 'read');
    try {
      const size = await file.size();
      const head = await take(file, name, 0, 12);
      const metaBytes = head.readUInt32LE(8);
      if (head.readUInt32LE(0) !== MAGIC || head.readUInt32LE(4) !== VERSION) {
        throw damaged(name, 0, 'it does not begin like a snapshot of this version');
      }
      if (metaBytes > META_BYTES_MAX) throw damaged(name, 8, 'its header is too long');
      const start = 12 + metaBytes + 4;
      const whole = await take(file, name, 0, start);
      const crc = crc32(whole.subarray(0, start - 4));
      if (crc !== whole.readUInt32LE(start - 4)) throw damaged(name, 0, 'its header fails its checksum');
      const fields = new FieldReader(whole.subarray(0, start - 4), 12);
      const header = { group: fields.u32() as GroupId, meta: fields.meta() };
      if (size < start + TRAILER_BYTES) throw damaged(name, size, 'it ends early');
      const trailer = await take(file, name, size - TRAILER_BYTES, TRAILER_BYTES);
      if (trailer.readUInt32LE(0) !== END) throw damaged(name, size - TRAILER_BYTES, 'it has no end');
      const chunks = trailer.readDoubleLE(4);
      const bytes = trailer.readDoubleLE(12);
      if (start + chunks * 8 + bytes + TRAILER_BYTES !== size) {
        throw damaged(name, size - TRAILER_BYTES, 'its length is not what its end says');
      }
      return new SnapshotFileReader(file, name, { header, start, crc, chunks, bytes });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    let position = this.#start;
    let crc = this.#startCrc;
    for (let i = 0; i < this.#chunks; i++) {
      const frame = await take(this.#file, this.#name, position, 8);
      const length = frame.readUInt32LE(0);
      if (length > SNAPSHOT_CHUNK_BYTES) throw damaged(this.#name, position, 'a chunk is too long');
      const bytes = await take(this.#file, this.#name, position + 8, length);
      crc = crc32(bytes, crc32(frame.subarray(0, 4), crc));
      if (crc !== frame.readUInt32LE(4)) throw damaged(this.#name, position, 'a chunk fails its checksum');
      position += 8 + length;
      yield bytes;
    }
    const trailer = await take(this.#file, this.#name, position, TRAILER_BYTES);
    if (crc32(trailer.subarray(0, 20), crc) !== trailer.readUInt32LE(20)) {
      throw damaged(this.#name, position, 'its end fails its checksum');
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function take(file: OpenFile, name: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  if ((await file.read(bytes, position)) < length) throw damaged(name, position, 'it ends early');
  return bytes;
}

function damaged(name: string, offset: number, reason: string): MemberError {
  return new MemberError('DAMAGED', `snapshot ${name} is damaged at byte ${offset}: ${reason}`);
}
