import type { GroupId } from '@synccluster/client/protocol';
import type { Wal, WalRecord } from '../storage/storage.ts';
import type { AfterPersist, Group } from './group.ts';

export interface PassLoopOptions {
  readonly groups: ReadonlyMap<GroupId, Group>;
  readonly wal: Wal;
  /** Runs it at the end of this turn of the event loop. */
  readonly defer: (run: () => void) => void;
  /** Work that follows from what was applied. */
  readonly afterApply: () => void;
  /** Everything queued for clients and peers leaves: one write each. */
  readonly flush: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * The loop that drives the groups: all that comes in one turn of the event loop shares one pass, all that a pass
 * wants written shares one log batch, and what depends on a batch leaves when that is durable.
 */
export class PassLoop {
  readonly #options: PassLoopOptions;
  /** What waits for each log batch in flight, oldest first. */
  readonly #writing: AfterPersist[][] = [];
  #asked = false;
  #stopped = false;

  constructor(options: PassLoopOptions) {
    this.#options = options;
  }

  /** Asks for a pass at the end of this turn. */
  wake(): void {
    if (this.#asked || this.#stopped) return;
    this.#asked = true;
    this.#options.defer(this.#pass);
  }

  stop(): void {
    this.#stopped = true;
  }

  readonly #pass = (): void => {
    this.#asked = false;
    if (this.#stopped) return;
    const { groups, afterApply, flush, onError } = this.#options;
    try {
      const logBusy = this.#writing.length > 0;
      const records: WalRecord[] = [];
      const after: AfterPersist[] = [];
      for (const group of groups.values()) group.beforeReady(logBusy);
      for (const group of groups.values()) group.takeReady(records, after);
      if (records.length > 0) this.#write(records, after);
      else if (after.length > 0) this.#promiseBehindWrites(after);
      afterApply();
      flush();
    } catch (error) {
      onError(error);
    }
  };

  #write(records: WalRecord[], after: AfterPersist[]): void {
    this.#writing.push(after);
    this.#options.wal.write(records, () => {
      this.#writing.shift();
      this.#persisted(after);
    });
  }

  /** Nothing new to write, but what is promised must be durable: behind the last write, or at once. */
  #promiseBehindWrites(after: AfterPersist[]): void {
    const last = this.#writing.at(-1);
    if (last === undefined) this.#persisted(after);
    else last.push(...after);
  }

  #persisted(after: readonly AfterPersist[]): void {
    if (this.#stopped) return;
    try {
      for (const done of after) done.group.persisted(done);
      this.wake();
    } catch (error) {
      this.#options.onError(error);
    }
  }
}
