import type { LogIndex } from '@synccluster/client/protocol';
import type { Entry, SnapshotMeta } from '../raft/types.ts';
import type { GroupContext } from './context.ts';
import type { Group } from './group.ts';
import { SnapshotEncoder } from './snapshotCodec.ts';

/** What stays in memory behind a snapshot, so that a follower a little behind needs no snapshot. */
const KEEP_ENTRIES = 2_000;
const KEEP_BYTES = 4 * 1024 * 1024;

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
    if (this.#recent.length > 4 * KEEP_ENTRIES) this.#recent = this.#recent.slice(-KEEP_ENTRIES);
  }

  installed(): void {
    this.#entries = 0;
    this.#bytes = 0;
    this.#recent = [];
  }

  maybeStart(): void {
    const { snapshotEntries, snapshotBytes } = this.#context.tuning;
    if (this.#running) return;
    if (this.#entries < snapshotEntries && this.#bytes < Math.max(snapshotBytes, this.#lastSizeBytes)) return;
    this.#running = true;
    this.#take()
      .catch((error: unknown) => this.#context.fatal(error))
      .finally(() => {
        this.#running = false;
      });
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
    for (let at = this.#recent.length - 1; at >= 0 && kept < KEEP_ENTRIES; at--) {
      bytes += this.#recent[at]!;
      if (bytes > KEEP_BYTES) break;
      kept += 1;
    }
    return kept;
  }
}
