import { join } from 'node:path';
import { type FileOps, isFullDisk, type OpenFile } from './fileOps.ts';

/** Files grow by this many bytes of written zeros, so that most syncs have no metadata to write. */
const GROWTH_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(GROWTH_BYTES);

const NAME = /^(\d{10})\.wal$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(10, '0')}.wal`;
}

/** The number in a segment's file name, or null for any other file. */
export function segmentNumber(name: string): number | null {
  const match = NAME.exec(name);
  return match === null ? null : Number(match[1]);
}

/** The segment that is being written to, from the first byte behind its last batch. */
export class WalSegment {
  readonly number: number;
  /** Lies over an earlier segment's bytes instead of zeros. */
  readonly recycled: boolean;
  readonly #file: OpenFile;
  readonly #growthBytes: number;
  #position: number;
  #allocated: number;

  constructor(
    file: OpenFile,
    init: { number: number; recycled: boolean; position: number; allocated: number; segmentBytes: number },
  ) {
    this.#file = file;
    this.number = init.number;
    this.recycled = init.recycled;
    this.#position = init.position;
    this.#allocated = init.allocated;
    this.#growthBytes = Math.min(GROWTH_BYTES, init.segmentBytes);
  }

  get position(): number {
    return this.#position;
  }

  /** Writes one batch, durable when it resolves. The position stays when it fails. */
  async append(buffers: Uint8Array[], bytes: number): Promise<void> {
    const end = this.#position + bytes;
    if (end <= this.#allocated) {
      await this.#file.writeSynced(buffers, this.#position);
    } else {
      let zeros = this.#growthBytes - (end % this.#growthBytes);
      try {
        await this.#file.writeSynced([...buffers, ZEROS.subarray(0, zeros)], this.#position);
      } catch (error) {
        if (!isFullDisk(error)) throw error;
        // There may be room for the batch alone.
        zeros = 0;
        await this.#file.writeSynced(buffers, this.#position);
      }
      this.#allocated = end + zeros;
    }
    this.#position = end;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * Puts an empty segment into the directory, durably: over `spare`, a segment that is needed no more, or anew.
 * What `spare` still holds bears another segment's number and passes no checksum here.
 */
export async function createSegment(
  ops: FileOps,
  directory: string,
  number: number,
  segmentBytes: number,
  spare: string | null,
): Promise<WalSegment> {
  const path = join(directory, segmentName(number));
  if (spare === null) {
    const created = await ops.open(path, 'create');
    await created.close();
  } else {
    await ops.rename(join(directory, spare), path);
  }
  await ops.syncDirectory(directory);
  const file = await ops.open(path, 'log');
  const allocated = await file.size();
  return new WalSegment(file, { number, recycled: spare !== null, position: 0, allocated, segmentBytes });
}

/**
 * Copies the sound part of the last segment into a new file and syncs it before anything builds on it: after a
 * failed sync the page cache may show bytes that the disk never got.
 */
export async function renewSegment(
  ops: FileOps,
  directory: string,
  number: number,
  sound: Uint8Array,
  segmentBytes: number,
): Promise<WalSegment> {
  const path = join(directory, segmentName(number));
  const temporary = `${path}.tmp`;
  try {
    const copy = await ops.open(temporary, 'create');
    try {
      await copy.write([sound], 0);
      await copy.sync();
    } finally {
      await copy.close();
    }
  } catch (error) {
    if (!isFullDisk(error)) throw error;
    await ops.remove(temporary);
    return await rewriteSegment(ops, path, number, sound, segmentBytes);
  }
  await ops.rename(temporary, path);
  await ops.syncDirectory(directory);
  const file = await ops.open(path, 'log');
  const init = { number, recycled: false, position: sound.length, allocated: sound.length, segmentBytes };
  return new WalSegment(file, init);
}

/**
 * Where there is no room for a copy: the same bytes are written over themselves, which makes them dirty and so
 * has the disk get them whatever a failed sync left out, and what is behind them becomes zeros. Takes no space.
 * A crash in between leaves what was there or what is being written, and those agree up to the sound end.
 */
async function rewriteSegment(
  ops: FileOps,
  path: string,
  number: number,
  sound: Uint8Array,
  segmentBytes: number,
): Promise<WalSegment> {
  const file = await ops.open(path, 'log');
  try {
    const allocated = Math.max(sound.length, await file.size());
    await file.writeSynced([sound], 0);
    for (let at = sound.length; at < allocated; at += ZEROS.length) {
      await file.writeSynced([ZEROS.subarray(0, Math.min(ZEROS.length, allocated - at))], at);
    }
    return new WalSegment(file, { number, recycled: false, position: sound.length, allocated, segmentBytes });
  } catch (error) {
    await file.close();
    throw error;
  }
}
