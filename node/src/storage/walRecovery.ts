import { join } from 'node:path';
import type { GroupId } from '@synccluster/client/protocol';
import type { FileOps } from './fileOps.ts';
import type { Damage } from './storage.ts';
import { BATCH_ALIGNMENT, type BatchHeader, peekHeader, readHeader, readRecords } from './walCodec.ts';
import { LogReplay, type ReplayedGroup } from './walReplay.ts';
import { segmentName, segmentNumber } from './walSegment.ts';

export interface RecoveredSegment {
  readonly number: number;
  /** Up to the end of its last sound batch. */
  readonly bytes: number;
}

export interface RecoveredLog {
  readonly groups: ReadonlyMap<GroupId, ReplayedGroup>;
  /** Those with a sound batch, in order. */
  readonly segments: readonly RecoveredSegment[];
  /** Sound part of the last one. */
  readonly tail: Uint8Array;
  /** Files of segments that never got a batch. */
  readonly unused: readonly string[];
  readonly nextBatch: number;
  /** Null: no sound batch was found. */
  readonly salt: number | null;
  readonly tornBytes: number;
  readonly damage: Damage | null;
}

/** Where reading stopped: behind the last sound batch of a segment. */
interface Stop {
  readonly file: string;
  readonly offset: number;
  readonly tornBytes: number;
}

/**
 * Reads a log without changing anything. It ends behind the last sound batch; what lies there is torn, for
 * batch n+1 is written only after n is synced, so a crash can spoil the last batch alone. A sound batch further
 * on proves that it was no crash: that is damage.
 */
class Recovery {
  readonly #replay = new LogReplay();
  readonly #segments: RecoveredSegment[] = [];
  #tail: Buffer = Buffer.alloc(0);
  #nextBatch = 1;
  #salt: number | null = null;
  #stop: Stop | null = null;
  #damage: Damage | null = null;

  /** False: the log cannot go on in a later segment. */
  segment(number: number, file: string, contents: Buffer): boolean {
    const first = this.#sound(contents, 0, number);
    if (this.#segments.length === 0) {
      if (first !== null) {
        this.#nextBatch = first.batch;
        this.#salt = first.salt;
      }
    } else if (number !== (this.#segments.at(-1)?.number ?? 0) + 1) {
      return this.#missing(number, file, contents);
    }
    if (first === null || first.batch !== this.#nextBatch || !first.opening) {
      const torn = this.#tornBytes(contents, 0, number, true) + (this.#stop?.tornBytes ?? 0);
      this.#stop = { file, offset: 0, ...this.#stop, tornBytes: torn };
      this.#lookAhead(number, contents, 0);
      return false;
    }
    const end = this.#batches(number, file, contents);
    if (end > 0) {
      this.#segments.push({ number, bytes: end });
      this.#tail = contents.subarray(0, end);
    }
    if (this.#damage !== null) return false;
    this.#stop = { file, offset: end, tornBytes: this.#tornBytes(contents, end, number, first.recycled) };
    this.#lookAhead(number, contents, end);
    return this.#damage === null;
  }

  /** A segment behind the one where the log ended: only its having a sound batch is of interest. */
  beyond(number: number, contents: Buffer): void {
    this.#lookAhead(number, contents, 0);
  }

  get damage(): Damage | null {
    return this.#damage;
  }

  #batches(number: number, file: string, contents: Buffer): number {
    let position = 0;
    for (;;) {
      const header = this.#sound(contents, position, number);
      if (header === null || header.batch !== this.#nextBatch) return position;
      try {
        for (const record of readRecords(contents.subarray(position, position + header.bytes))) {
          this.#replay.apply(record, number);
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#damage = { file, offset: position, reason };
        return position;
      }
      position += header.bytes;
      this.#nextBatch++;
    }
  }

  #sound(contents: Buffer, position: number, segment: number): BatchHeader | null {
    // The cheap look first: most places are zeros or another segment's.
    const claimed = peekHeader(contents, position);
    if (claimed === null || claimed.segment !== segment) return null;
    if (this.#salt !== null && claimed.salt !== this.#salt) return null;
    return readHeader(contents, position);
  }

  #lookAhead(number: number, contents: Buffer, from: number): void {
    const stop = this.#stop;
    if (stop === null || this.#damage !== null) return;
    for (let at = from; at < contents.length; at += BATCH_ALIGNMENT) {
      const header = this.#sound(contents, at, number);
      if (header !== null && header.batch >= this.#nextBatch) {
        const reason = `batch ${this.#nextBatch} is bad or missing, but batch ${header.batch} follows it`;
        this.#damage = { file: stop.file, offset: stop.offset, reason };
        return;
      }
    }
  }

  #missing(number: number, file: string, contents: Buffer): boolean {
    const expected = (this.#segments.at(-1)?.number ?? 0) + 1;
    this.#lookAhead(number, contents, 0);
    if (this.#damage !== null) {
      this.#damage = { file, offset: 0, reason: `segment ${segmentName(expected)} before it is missing` };
    }
    return false;
  }

  #tornBytes(contents: Buffer, end: number, number: number, recycled: boolean): number {
    const header = peekHeader(contents, end);
    if (header !== null && header.segment === number && header.batch === this.#nextBatch) {
      return Math.min(header.bytes, contents.length - end);
    }
    // A recycled file holds old bytes here, which tell nothing; a fresh one holds zeros unless a batch was cut.
    if (recycled) return 0;
    let last = contents.length;
    while (last > end && contents[last - 1] === 0) last--;
    return last - end;
  }

  finish(unused: readonly string[]): RecoveredLog {
    const groups = this.#replay.finish();
    let damage = this.#damage;
    for (const [group, { gap }] of groups) {
      if (gap === null || damage !== null) continue;
      const file = segmentName(this.#segments[0]?.number ?? 0);
      damage = { file, offset: 0, reason: `entry ${gap} of group ${group} is missing` };
    }
    return {
      groups,
      segments: this.#segments,
      tail: this.#tail,
      unused,
      nextBatch: this.#nextBatch,
      salt: this.#salt,
      tornBytes: damage === null ? (this.#stop?.tornBytes ?? 0) : 0,
      damage,
    };
  }
}

async function readFile(ops: FileOps, path: string): Promise<Buffer> {
  const file = await ops.open(path, 'read');
  try {
    const contents = Buffer.allocUnsafeSlow(await file.size());
    return contents.subarray(0, await file.read(contents, 0));
  } finally {
    await file.close();
  }
}

export async function recoverLog(ops: FileOps, directory: string): Promise<RecoveredLog> {
  const numbers = (await ops.list(directory))
    .map(segmentNumber)
    .filter((number) => number !== null)
    .sort((a, b) => a - b);
  const recovery = new Recovery();
  const unused: string[] = [];
  let ended = false;
  for (const number of numbers) {
    const name = segmentName(number);
    const contents = await readFile(ops, join(directory, name));
    if (ended) recovery.beyond(number, contents);
    else ended = !recovery.segment(number, name, contents);
    if (ended) unused.push(name);
  }
  return recovery.finish(unused);
}
