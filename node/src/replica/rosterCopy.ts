import type { LogIndex, Term } from '@synccluster/client/protocol';

/** An unanswered question is asked again after this. */
const AGAIN_MS = 1_000;

/**
 * Whether this member's copy of the roster may be acted upon by the leader of a group. A member that has just
 * restarted, or that group 0's leader does not reach, may lead a group and have an old copy: by that it would take
 * back in whom the group has removed for ever. So each leadership begins with asking group 0, linearizably, how far
 * its log has come. The removals in the group's own log were proposed after their tombstones were committed, hence
 * below that index.
 */
export class RosterCopy {
  readonly #ask: () => Promise<LogIndex>;
  #term = 0 as Term;
  /** From here on the copy is good for the present term. */
  #from: LogIndex | null = null;
  #askedMs = Number.NEGATIVE_INFINITY;

  /** `ask`: group 0's index now, or later. */
  constructor(ask: () => Promise<LogIndex>) {
    this.#ask = ask;
  }

  /** Call when an entry of `term`, which this member leads, is committed. `appliedIndex`: of group 0, here. */
  isCurrent(term: Term, appliedIndex: LogIndex, nowMs: number): boolean {
    if (term !== this.#term) {
      this.#term = term;
      this.#from = null;
      this.#askedMs = Number.NEGATIVE_INFINITY;
    }
    if (this.#from !== null) return appliedIndex >= this.#from;
    if (nowMs - this.#askedMs >= AGAIN_MS) {
      this.#askedMs = nowMs;
      this.#ask().then(
        (index) => {
          if (term === this.#term) this.#from = index;
        },
        () => {},
      );
    }
    return false;
  }
}
