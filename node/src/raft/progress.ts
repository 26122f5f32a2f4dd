import type { LogIndex, MemberId } from '@synccluster/client/protocol';
import type { Inflight } from './inflight.ts';
import { assert } from './invariant.ts';
import type { Progress } from './types.ts';

/**
 * What a leader knows of one peer's log.
 *
 * - `probe`: where the logs agree is not known; one append at a time, until one is accepted.
 * - `replicate`: it is known; appends are sent ahead of their answers, as far as the window lets.
 * - `snapshot`: the next entry is compacted away; nothing is sent until the snapshot is there.
 *
 * `match` < `next` always, and `match` never falls: it was acknowledged as durable in this term.
 */
export class PeerProgress {
  readonly id: MemberId;
  match = 0;
  next: number;
  state: Progress['state'] = 'probe';
  /** Tick of the leader's clock at which the peer was last heard of. */
  heardTick: number;
  /** Highest ReadIndex round the peer has confirmed. */
  round = 0;
  /** Commit index the peer knows if nothing was lost on the way. */
  sentCommit = 0;
  /** Probe: an append is under way, or the peer has to be heard of first. */
  paused = false;
  /** Replicate: unanswered for a while; an empty append finds out whether messages were lost. */
  poke = false;
  readonly inflight: Inflight;
  /** Snapshot: index of the one being sent, at least. */
  private pendingSnapshot = 0;
  private nudgedTick = 0;
  private matchWhenNudged = 0;

  constructor(id: MemberId, next: number, tick: number, inflight: Inflight) {
    this.id = id;
    this.next = next;
    this.heardTick = tick;
    this.inflight = inflight;
  }

  private enter(state: Progress['state'], next: number): void {
    assert(next > this.match, 'a peer was to be sent what it has acknowledged');
    this.state = state;
    this.next = next;
    this.paused = false;
    this.poke = false;
    this.pendingSnapshot = 0;
    this.inflight.reset();
    this.sentCommit = 0;
  }

  /** An append was built that ends at `last`. */
  sent(last: number, bytes: number, commit: number): void {
    if (this.state === 'probe') this.paused = true;
    else if (last >= this.next) {
      this.inflight.add(last, bytes);
      this.next = last + 1;
    }
    this.poke = false;
    this.sentCommit = Math.max(this.sentCommit, Math.min(commit, last));
  }

  /** The peer's log is durable and agrees up to `index`; `first` is the first entry the leader still has. */
  accepted(index: number, first: number): boolean {
    const advanced = index > this.match;
    if (advanced) this.match = index;
    // An answer may come after a return to probing: what is acknowledged need not be sent again.
    this.next = Math.max(this.next, this.match + 1);
    if (this.state === 'replicate') {
      this.inflight.freeTo(index);
    } else if (index === this.match && this.match + 1 >= first) {
      // In state `snapshot` this also ends one that proved needless.
      this.enter('replicate', this.match + 1);
    } else {
      this.paused = false;
    }
    return advanced;
  }

  /**
   * The peer has no agreeing entry at `rejected`. `agreeing` is the last index at which the logs can agree. Answers
   * to appends that were overtaken by events say nothing new and change nothing.
   */
  rejected(rejected: number, agreeing: number): void {
    if (this.state === 'snapshot' || rejected <= this.match) return;
    if (this.state === 'probe' && rejected !== this.next - 1) return;
    if (rejected >= this.next) return;
    // Below `rejected` in any case, so each probe is nearer than the last.
    this.enter('probe', Math.max(this.match + 1, Math.min(rejected, agreeing + 1)));
  }

  needsSnapshot(index: number): void {
    this.enter('snapshot', this.next);
    this.pendingSnapshot = index;
  }

  snapshotReported(ok: boolean): void {
    if (this.state !== 'snapshot') return;
    const next = ok ? Math.max(this.match, this.pendingSnapshot) + 1 : this.match + 1;
    this.enter('probe', next);
    // The next step waits for a word of the peer: else a snapshot that fails at once would be retried at once.
    this.paused = true;
  }

  /**
   * The peer lives. At most once per `intervalTicks`, what may have been lost is tried again: read rounds bring
   * such answers far more often than messages are lost.
   */
  heartbeatAnswered(tick: number, intervalTicks: number): void {
    if (tick - this.nudgedTick < intervalTicks) return;
    this.nudgedTick = tick;
    if (this.state === 'probe') this.paused = false;
    else if (this.state === 'replicate' && this.match < this.next - 1) {
      if (this.match === this.matchWhenNudged) this.poke = true;
      this.matchWhenNudged = this.match;
    }
  }

  status(active: boolean): Progress {
    return {
      id: this.id,
      match: this.match as LogIndex,
      next: this.next as LogIndex,
      state: this.state,
      active,
    };
  }
}
