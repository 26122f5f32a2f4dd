import { join } from 'node:path';
import { MemberError } from '../errors.ts';
import { type FileOps, isFullDisk } from './fileOps.ts';
import type { LiveLog } from './liveLog.ts';
import type { StorageLogger } from './logger.ts';
import type { Reserve } from './reserve.ts';
import type { Wal, WalRecord, WalStats } from './storage.ts';
import { SyncTimes } from './syncTimes.ts';
import { BatchEncoder } from './walCodec.ts';
import type { RecoveredSegment } from './walRecovery.ts';
import { createSegment, segmentName, type WalSegment } from './walSegment.ts';

/** What still waits stays for the next batch: a batch this large takes long enough. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/** Live entries copied forward per batch, so that copying never holds up a batch for long. */
const COPY_BYTES = 1024 * 1024;
const SPARES_MAX = 2;
/** A spare segment is kept while this many more of them would fit on the disk. */
const SPARE_ROOM = 8;

export interface WalOptions {
  readonly ops: FileOps;
  readonly directory: string;
  /** A segment that has reached this size is the last to take one more batch. */
  readonly segmentBytes: number;
  readonly salt: number;
  readonly reserve: Reserve;
  /** The sound part of the log, its last segment not included. */
  readonly older: readonly RecoveredSegment[];
  readonly tail: WalSegment;
  readonly nextBatch: number;
  readonly live: LiveLog;
  readonly onFatal: (error: MemberError) => void;
  /** Runs `work` soon, after what is ready on the event loop has had its turn to queue records. */
  readonly defer: (work: () => void) => void;
  readonly nowNs: () => number;
  /** Resolves after a while: a full disk is tried again then. */
  readonly pause: () => Promise<void>;
  readonly logger: StorageLogger;
}

interface Queued {
  readonly records: readonly WalRecord[];
  readonly durable: () => void;
}

/** Group commit over all groups: one write in flight, everything queued meanwhile is the next one. */
export class FileWal implements Wal {
  readonly stats: WalStats;
  readonly #options: WalOptions;
  readonly #encoder = new BatchEncoder();
  readonly #syncTimes = new SyncTimes();
  readonly #older: RecoveredSegment[];
  readonly #spares: string[] = [];
  #tail: WalSegment;
  #nextBatch: number;
  #queue: Queued[] = [];
  /** Records of the batch that is being written. */
  #inFlight: Queued[] = [];
  #scheduled = false;
  #writing = false;
  #failed = false;
  #closed = false;
  #reclaiming: Promise<void> = Promise.resolve();
  #idle: (() => void)[] = [];
  readonly #counts = { batches: 0, syncs: 0, bytes: 0, entries: 0 };

  constructor(options: WalOptions) {
    this.#options = options;
    this.#older = [...options.older];
    this.#tail = options.tail;
    this.#nextBatch = options.nextBatch;
    const counts = this.#counts;
    const older = this.#older;
    const syncTimes = this.#syncTimes;
    this.stats = {
      get batches() {
        return counts.batches;
      },
      get syncs() {
        return counts.syncs;
      },
      get bytes() {
        return counts.bytes;
      },
      get entries() {
        return counts.entries;
      },
      get segments() {
        return older.length + 1;
      },
      drainSyncNs: () => syncTimes.drain(),
    };
  }

  write(records: readonly WalRecord[], durable: () => void): void {
    if (this.#closed) throw new Error('the log is closed');
    if (this.#failed) return;
    this.#queue.push({ records, durable });
    this.#schedule();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#writing || this.#scheduled) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#reclaiming;
    await this.#tail.close();
  }

  #schedule(): void {
    if (this.#writing || this.#scheduled) return;
    this.#scheduled = true;
    this.#options.defer(() => {
      this.#scheduled = false;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#writing = true;
    let write: Promise<void> | null = null;
    try {
      if (this.#queue.length > 0) write = this.#writeBatch();
      while (write !== null) {
        await write;
        if (this.#failed) break;
        const done = this.#inFlight;
        this.#reclaim();
        // The next batch is on its way to the disk while the callers of this one are told.
        write = this.#queue.length > 0 ? this.#writeBatch() : null;
        for (const { durable } of done) durable();
      }
    } catch (error) {
      this.#fail(error);
      // A caller's error can leave a write under way: the file must not be closed beneath it.
      await write?.catch(() => {});
    }
    this.#writing = false;
    if (this.#queue.length > 0) {
      this.#schedule();
    } else {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #writeBatch(): Promise<void> {
    if (this.#tail.position >= this.#options.segmentBytes) await this.#roll();
    const { live, nowNs, salt } = this.#options;
    const tail = this.#tail;
    const encoder = this.#encoder;
    encoder.begin();
    const opening = tail.position === 0;
    if (opening) for (const record of live.openings()) encoder.add(record);
    this.#takeQueue();
    this.#copyForward();
    const buffers = encoder.finish({
      salt,
      segment: tail.number,
      batch: this.#nextBatch,
      opening,
      recycled: tail.recycled,
    });
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const started = nowNs();
    await this.#whenThereIsRoom(() => tail.append(buffers, bytes));
    this.#syncTimes.add(nowNs() - started);
    this.#nextBatch++;
    this.#counts.batches++;
    this.#counts.syncs++;
    this.#counts.bytes += bytes;
    this.#counts.entries += encoder.entries;
  }

  /**
   * Does `work`, which may be done again after it failed for want of space: at the same place, so what a failed
   * attempt left is written over. With the reserve gone too the log waits; nothing is durable, and nobody is told
   * anything, until there is room.
   */
  async #whenThereIsRoom<T>(work: () => Promise<T>): Promise<T> {
    const { reserve, pause, logger } = this.#options;
    for (let waited = false; ; waited = true) {
      try {
        return await reserve.spend(work);
      } catch (error) {
        if (!isFullDisk(error) || this.#closed) throw error;
        if (!waited) logger.warn({ error }, 'the disk is full: the log waits for room');
        await pause();
      }
    }
  }

  #takeQueue(): void {
    const { live } = this.#options;
    const queue = this.#queue;
    let taken = 0;
    while (taken < queue.length && (taken === 0 || this.#encoder.bytes < BATCH_BYTES_MAX)) {
      for (const record of (queue[taken] as Queued).records) {
        live.apply(record, this.#tail.number);
        this.#encoder.add(record);
      }
      taken++;
    }
    this.#inFlight = taken === queue.length ? queue : queue.slice(0, taken);
    this.#queue = taken === queue.length ? [] : queue.slice(taken);
  }

  /**
   * Segments go oldest first, so one idle group's few entries in the oldest would hold all: they are copied into
   * the newest once more than half of the log is dead weight, which bounds both the disk it takes and what is
   * written twice.
   */
  #copyForward(): void {
    const { live, segmentBytes } = this.#options;
    const oldest = this.#older[0];
    if (oldest === undefined) return;
    let written = this.#tail.position;
    for (const segment of this.#older) written += segment.bytes;
    if (written <= 2 * live.bytes + 2 * segmentBytes) return;
    for (const record of live.move(oldest.number, this.#tail.number, COPY_BYTES)) this.#encoder.add(record);
  }

  async #roll(): Promise<void> {
    const { directory, ops, segmentBytes } = this.#options;
    const full = this.#tail;
    const number = full.number + 1;
    const spare = this.#spares.pop() ?? null;
    this.#tail = await this.#whenThereIsRoom(() =>
      createSegment(ops, directory, number, segmentBytes, spare),
    );
    this.#older.push({ number: full.number, bytes: full.position });
    await full.close();
  }

  /**
   * Lets go of the oldest segments in which nothing lives. Called when the batch that made them superfluous is
   * durable. Each is gone for good before the next: a hole in the numbers would be damage.
   */
  #reclaim(): void {
    const dead: number[] = [];
    for (let oldest = this.#older[0]; oldest !== undefined; oldest = this.#older[0]) {
      if (this.#options.live.livesIn(oldest.number)) break;
      dead.push(oldest.number);
      this.#older.shift();
    }
    if (dead.length === 0) return;
    this.#reclaiming = this.#reclaiming
      .then(() => this.#release(dead))
      .catch((error: unknown) => this.#fail(error));
  }

  async #release(dead: readonly number[]): Promise<void> {
    const { directory, ops, reserve, segmentBytes } = this.#options;
    const roomy = (await ops.freeBytes(directory)) > SPARE_ROOM * segmentBytes;
    for (const number of dead) {
      if (this.#failed) return;
      const name = segmentName(number);
      const spare = `${name}.tmp`;
      const kept = roomy && this.#spares.length < SPARES_MAX;
      if (kept) await ops.rename(join(directory, name), join(directory, spare));
      else await ops.remove(join(directory, name));
      await ops.syncDirectory(directory);
      if (kept) this.#spares.push(spare);
    }
    await reserve.ensure();
  }

  /** Nothing is durable, and nobody is told anything, after the first failure. */
  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#queue = [];
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.onFatal(
      new MemberError('DISK_FAILED', `writing the log failed: ${reason}`, { cause: error }),
    );
  }
}
