import type { LogIndex } from '@synccluster/client/protocol';
import type { RaftCore } from '../raft/types.ts';

/** Called once: true when the read may be served from applied state now. */
export type ReadDone = (ok: boolean) => void;

interface AtIndex {
  readonly index: LogIndex;
  readonly done: ReadDone;
  /** Monotonic; `Infinity` for confirmed rounds, which end with the leadership. */
  readonly dueMs: number;
}

/** Reads on their way: waiting for a leadership round, then for an index to be applied. */
export class Reads {
  #asked: ReadDone[] = [];
  #rounds: { readonly round: number; readonly waiting: ReadDone[] }[] = [];
  #atIndex: AtIndex[] = [];

  /** Wants everything acknowledged before this call: one round serves all that asked in the same turn. */
  linearizable(done: ReadDone): void {
    this.#asked.push(done);
  }

  atIndex(index: LogIndex, dueMs: number, done: ReadDone): void {
    this.#atIndex.push({ index, done, dueMs });
  }

  get asking(): boolean {
    return this.#asked.length > 0;
  }

  /** Starts one round for all that asked. A leader that has not committed in its term keeps them waiting. */
  startRound(core: RaftCore): void {
    if (this.#asked.length === 0) return;
    if (core.role !== 'leader') {
      this.#fail(this.#asked.splice(0));
      return;
    }
    const round = core.readIndex();
    if (round === null) return;
    this.#rounds.push({ round, waiting: this.#asked });
    this.#asked = [];
  }

  confirmed(round: number, index: LogIndex): void {
    while (this.#rounds.length > 0 && this.#rounds[0]!.round <= round) {
      for (const done of this.#rounds.shift()!.waiting) {
        this.#atIndex.push({ index, done, dueMs: Number.POSITIVE_INFINITY });
      }
    }
  }

  applied(index: LogIndex): void {
    if (this.#atIndex.length === 0) return;
    const waiting = this.#atIndex;
    this.#atIndex = [];
    for (const read of waiting) {
      if (read.index <= index) read.done(true);
      else this.#atIndex.push(read);
    }
  }

  /** Gives up those that waited long enough for this member to catch up. */
  overdue(nowMs: number): void {
    if (this.#atIndex.length === 0) return;
    const waiting = this.#atIndex;
    this.#atIndex = [];
    for (const read of waiting) {
      if (read.dueMs <= nowMs) read.done(false);
      else this.#atIndex.push(read);
    }
  }

  /** No longer leader: what a round was to confirm is void. */
  leadershipLost(): void {
    const asked = this.#asked.splice(0);
    const rounds = this.#rounds.splice(0);
    const confirmed = this.#atIndex.filter((r) => r.dueMs === Number.POSITIVE_INFINITY);
    this.#atIndex = this.#atIndex.filter((r) => r.dueMs !== Number.POSITIVE_INFINITY);
    this.#fail(asked);
    for (const { waiting } of rounds) this.#fail(waiting);
    this.#fail(confirmed.map((r) => r.done));
  }

  /** The member stops. */
  abandon(): void {
    this.leadershipLost();
    this.#fail(this.#atIndex.splice(0).map((read) => read.done));
  }

  #fail(reads: readonly ReadDone[]): void {
    for (const done of reads) done(false);
  }
}
