import type { LogIndex } from '@synccluster/client/protocol';
import type { Entry, SnapshotMeta } from '../raft/types.ts';
import { isFullDisk } from '../storage/fileOps.ts';
import type { GroupContext } from './context.ts';
import type { Group } from './group.ts';
import { SnapshotEncoder } from './snapshotCodec.ts';

/** What stays in memory behind a snapshot takes no more than this, however few entries. */
const KEEP_BYTES = 4 * 1024 * 1024;
/** Pause after a snapshot for which there was no room; doubled up to the longest. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Those taken because space runs low leave the disk to the log for so many times as long as the last one took. */
const PRESSED_PAUSE = 10;
/** While writes are refused: what was deleted since is room only when the next snapshot is there. */
const REFUSING_PAUSE = 2;

/**
 * Takes a group's snapshot when its log has grown enough: frozen at once, then written chunk by chunk between
 * other work.
 */
export class SnapshotTaker {
  readonly #group: Group;
  readonly #context: GroupContext;
  #entries = 0;
  #bytes = 0;
  /** The log may grow to the size of the last snapshot before the next, so writing stays at most doubled. */
  #lastSizeBytes = 0;
  #running = false;
  /** Logged between the last snapshot and the one that is being taken. */
  #takingBytes = 0;
  #retryMs = RETRY_MS;
  #notBeforeMs = 0;
  #endedMs = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  /** Sizes of the entries applied last, the newest at the end. */
  #recent: number[] = [];

  constructor(group: Group, context: GroupContext) {
    this.#group = group;
    this.#context = context;
  }

  applied(entry: Entry): void {
    this.#entries += 1;
    this.#bytes += entry.data.length;
    this.#recent.push(entry.data.length);
    const { keptEntries } = this.#context.tuning;
    if (this.#recent.length > 4 * keptEntries) this.#recent = this.#recent.slice(-keptEntries);
  }

  get lastSizeBytes(): number {
    return this.#lastSizeBytes;
  }
  /** Since the last snapshot that is in place. */
  get loggedBytes(): number {
    return this.#bytes + this.#takingBytes;
  }

  /** The group's newest snapshot is one of this size that was not taken here, or not in this process. */
  installed(sizeBytes: number): void {
    this.#lastSizeBytes = sizeBytes;
    this.#entries = 0;
    this.#bytes = 0;
    this.#recent = [];
  }

  maybeStart(): void {
    if (this.#running || this.#entries === 0 || !this.#isDue()) return;
    const { disk, nowMs } = this.#context;
    if (disk.snapshotRunning) return;
    const startedMs = nowMs();
    if (startedMs < this.#notBeforeMs) return;
    this.#running = true;
    disk.snapshotRunning = true;
    const entries = this.#entries;
    const bytes = this.#bytes;
    this.#takingBytes = bytes;
    this.#take()
      .then(() => {
        this.#retryMs = RETRY_MS;
        this.#endedMs = nowMs();
        this.#tookMs = this.#endedMs - startedMs;
      })
      .catch((error: unknown) => {
        if (!isFullDisk(error)) {
          this.#context.fatal(error);
          return;
        }
        // The log still has it all: nothing is lost but time.
        this.#entries += entries;
        this.#bytes += bytes;
        this.#notBeforeMs = nowMs() + this.#retryMs;
        this.#context.logger.warn(
          { group: this.#group.id, retryMs: this.#retryMs },
          'no room on the disk for a snapshot: given up for now',
        );
        this.#retryMs = Math.min(RETRY_MAX_MS, 2 * this.#retryMs);
      })
      .finally(() => {
        this.#running = false;
        this.#takingBytes = 0;
        disk.snapshotRunning = false;
      });
  }

  #isDue(): boolean {
    const { tuning, disk, nowMs } = this.#context;
    if (this.#entries >= tuning.snapshotEntries) return true;
    if (this.#bytes >= Math.max(tuning.snapshotBytes, this.#lastSizeBytes)) return true;
    if (!disk.pressed) return false;
    const pauseMs = Math.max(RETRY_MS, this.#tookMs * (disk.refusing ? REFUSING_PAUSE : PRESSED_PAUSE));
    return nowMs() >= this.#endedMs + pauseMs;
  }

  async #take(): Promise<void> {
    const group = this.#group;
    const meta: SnapshotMeta = {
      index: group.applied,
      term: group.appliedTerm,
      stampMs: group.stampMs,
      configuration: group.appliedConfiguration,
    };
    this.#entries = 0;
    this.#bytes = 0;
    const kept = this.#keptEntries();
    const frozen = group.machine.freeze();
    let sizeBytes = 0;
    try {
      const encoder = new SnapshotEncoder(frozen);
      const writer = await this.#context.snapshots.create(group.id, meta);
      try {
        for (let chunk = encoder.next(); chunk !== null; chunk = encoder.next()) {
          sizeBytes += chunk.length;
          await writer.write(chunk);
          this.#context.disk.wroteSnapshot(chunk.length);
        }
        // A snapshot streamed from the leader has overtaken this one.
        if (group.snapshotIndex >= meta.index) {
          await writer.abort();
          return;
        }
        await writer.commit();
        if (group.snapshotIndex >= meta.index) return;
      } catch (error) {
        await writer.abort().catch(() => {});
        throw error;
      }
    } finally {
      frozen.release();
    }
    this.#lastSizeBytes = sizeBytes;
    group.compact(meta, (meta.index + 1 - kept) as LogIndex);
    this.#context.logger.info({ group: group.id, index: meta.index, sizeBytes }, 'snapshot taken');
  }

  /** How many of the entries before now stay in memory. */
  #keptEntries(): number {
    let kept = 0;
    let bytes = 0;
    for (let at = this.#recent.length - 1; at >= 0 && kept < this.#context.tuning.keptEntries; at--) {
      bytes += this.#recent[at]!;
      if (bytes > KEEP_BYTES) break;
      kept += 1;
    }
    return kept;
  }
}
