import type { LogIndex, MemberId, Term } from '@synccluster/client/protocol';
import { assert } from './invariant.ts';
import type { RaftLog } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { AppendRequest, Heartbeat, SnapshotArrived, SnapshotMeta } from './types.ts';

/** Takes what the leader of the present term sends; each message's term is this member's own by now. */
export class Follower {
  private readonly id: MemberId;
  private readonly log: RaftLog;
  private readonly outbox: Outbox;
  private awaited: SnapshotMeta | null = null;
  private announced = false;

  constructor(id: MemberId, log: RaftLog, outbox: Outbox) {
    this.id = id;
    this.log = log;
    this.outbox = outbox;
  }

  /** A snapshot is taking the place of the log: until it has, log and commit index stand still. */
  get installing(): boolean {
    return this.awaited !== null;
  }

  onAppend(message: AppendRequest): void {
    const { prevIndex, prevTerm, entries } = message;
    if (this.installing) return;
    if (prevIndex < this.log.commit) {
      // Committed here, so the leader has it too; all of it was handed out to be written before this answer.
      this.accept(message.from, message.term, this.log.commit);
      return;
    }
    if (this.log.termAt(prevIndex) === prevTerm) {
      this.log.merge(entries);
      const last = prevIndex + entries.length;
      // Behind `last` there may be entries of an older leader, which this one has not vouched for.
      this.log.commitTo(Math.min(message.commit, last));
      this.accept(message.from, message.term, last);
      return;
    }
    assert(prevIndex > this.log.commit, 'a leader contradicts a committed entry');
    const hint = this.log.findConflictByTerm(prevIndex, prevTerm);
    this.outbox.send({
      type: 'appendResponse',
      from: this.id,
      to: message.from,
      term: message.term,
      rejected: true,
      index: prevIndex,
      hintIndex: hint.index as LogIndex,
      hintTerm: hint.term as Term,
    });
  }

  onHeartbeat(message: Heartbeat): void {
    if (!this.installing) this.log.commitTo(message.commit);
    this.outbox.send({
      type: 'heartbeatResponse',
      from: this.id,
      to: message.from,
      term: message.term,
      round: message.round,
    });
  }

  onSnapshot(message: SnapshotArrived): void {
    const { meta } = message;
    if (this.installing) return;
    if (meta.index <= this.log.commit) {
      this.accept(message.from, message.term, this.log.commit);
    } else if (this.log.termAt(meta.index) === meta.term) {
      // The log agrees up to there: what the snapshot proves committed needs no installing.
      this.log.commitTo(meta.index);
      this.accept(message.from, message.term, meta.index);
    } else {
      // The log stays until the snapshot is durable in its place: a crash in between finds one or the other whole.
      this.awaited = meta;
      this.announced = false;
    }
  }

  /** The snapshot to install, once. */
  takeInstall(): SnapshotMeta | null {
    if (this.announced) return null;
    this.announced = this.awaited !== null;
    return this.awaited;
  }

  installed(meta: SnapshotMeta, leader: MemberId | 0, term: Term): void {
    const { awaited } = this;
    assert(
      awaited !== null && awaited.index === meta.index && awaited.term === meta.term,
      'a snapshot was installed that was not asked for',
    );
    this.awaited = null;
    this.announced = false;
    this.log.reset(meta);
    if (leader !== 0) this.accept(leader, term, meta.index);
  }

  /** Tells the leader that the log agrees up to `index`, once it is durable. */
  private accept(to: MemberId, term: Term, index: number): void {
    this.outbox.sendAfterPersist({
      type: 'appendResponse',
      from: this.id,
      to,
      term,
      rejected: false,
      index: index as LogIndex,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    });
  }
}
