import type { Logger } from 'pino';

/** What a group has yet to write before its part of the log can go. */
export interface GroupDebt {
  /** Of its newest snapshot: the next is written beside it. */
  readonly snapshotBytes: number;
  /** Logged since that snapshot: by so much the next may be larger. */
  readonly loggedBytes: number;
  /** Accepted and not applied yet. */
  readonly undecidedBytes: number;
}

export interface DiskSpaceOptions {
  /** Free bytes of the volume, the reserve left out of account. */
  readonly measure: () => Promise<number>;
  /** Bytes ever written to the log. */
  readonly logBytes: () => number;
  /** Always left: room for the segment that is being written and the next. */
  readonly marginBytes: number;
  readonly debts: () => Iterable<GroupDebt>;
  /** As other voters told theirs. */
  readonly othersFreeBytes: () => Iterable<number>;
  readonly logger: Logger;
}

const MEASURE_EVERY_MS = 2_000;
/** While space runs low. */
const MEASURE_SOON_MS = 100;
/** A record of a small message takes more in the snapshot than in the log. */
const STATE_PER_LOG = 1.5;

/**
 * Decides what grows from how much is free and what must still be written. Invariant: while nothing but this
 * member fills the volume, every group's next snapshot fits, so the log can always be let go of.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  #measuredBytes = Number.MAX_SAFE_INTEGER;
  #logBytesThen = 0;
  #snapshotBytes = 0;
  #snapshotBytesThen = 0;
  #measuring = false;
  #nextMeasureMs = 0;
  /** What may still be accepted before the next tick. */
  #allowanceBytes = Number.MAX_SAFE_INTEGER;
  #pressed = false;
  #refusing = false;
  /** One snapshot at a time on a member, so that room for the largest is room for any. */
  snapshotRunning = false;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** As last measured, less what was written since. */
  get freeBytes(): number {
    const logged = this.#options.logBytes() - this.#logBytesThen;
    const written = logged + this.#snapshotBytes - this.#snapshotBytesThen;
    return Math.max(0, this.#measuredBytes - written);
  }

  /** Space runs low on this member: a snapshot now lets log go. */
  get pressed(): boolean {
    return this.#pressed;
  }

  /** What grows is refused, as of the last tick. */
  get refusing(): boolean {
    return this.#refusing;
  }

  wroteSnapshot(bytes: number): void {
    this.#snapshotBytes += bytes;
  }

  /** True: refuse it. False: `bytes` are now counted as taken. */
  refuses(bytes: number): boolean {
    // Once for the log, once for the snapshot that takes its place.
    const needed = (1 + STATE_PER_LOG) * bytes;
    if (needed > this.#allowanceBytes) return true;
    this.#allowanceBytes -= needed;
    return false;
  }

  tick(nowMs: number): void {
    const { marginBytes, debts, othersFreeBytes, logger } = this.#options;
    let owed = marginBytes;
    let largest = 0;
    for (const { snapshotBytes, loggedBytes, undecidedBytes } of debts()) {
      // The log goes only when the last group that stands in its oldest segment has its snapshot.
      owed += STATE_PER_LOG * loggedBytes + (1 + STATE_PER_LOG) * undecidedBytes;
      largest = Math.max(largest, snapshotBytes);
    }
    owed += largest;
    const own = this.freeBytes;
    let free = own;
    for (const other of othersFreeBytes()) free = Math.min(free, other);
    this.#allowanceBytes = free - owed;
    // Before anything has to be refused.
    this.#pressed = own < owed + 2 * marginBytes;
    const refusing = this.#allowanceBytes <= 0;
    if (refusing !== this.#refusing) {
      this.#refusing = refusing;
      if (refusing) logger.warn({ freeBytes: free, neededBytes: owed }, 'the disk is nearly full');
      else logger.info({ freeBytes: free, neededBytes: owed }, 'there is room on the disk again');
    }
    const everyMs = own < 4 * owed ? MEASURE_SOON_MS : MEASURE_EVERY_MS;
    if (nowMs >= this.#nextMeasureMs || nowMs + everyMs < this.#nextMeasureMs) {
      this.#nextMeasureMs = nowMs + everyMs;
      void this.measure();
    }
  }

  async measure(): Promise<void> {
    if (this.#measuring) return;
    this.#measuring = true;
    // What is written while it is measured counts twice rather than not at all.
    const logBytes = this.#options.logBytes();
    const snapshotBytes = this.#snapshotBytes;
    try {
      this.#measuredBytes = await this.#options.measure();
      this.#logBytesThen = logBytes;
      this.#snapshotBytesThen = snapshotBytes;
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'free disk space is unknown');
    } finally {
      this.#measuring = false;
    }
  }
}
