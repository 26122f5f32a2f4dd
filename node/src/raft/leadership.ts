import type { LogIndex, MemberId, StampMs, Term } from '@synccluster/client/protocol';
import { isOneChange, isVoter } from './configuration.ts';
import { Inflight } from './inflight.ts';
import { assert } from './invariant.ts';
import type { RaftLog } from './log.ts';
import { entryBytes, makeEntry } from './log.ts';
import type { Outbox } from './outbox.ts';
import { PeerProgress } from './progress.ts';
import { majorityValue, quorumSize } from './quorum.ts';
import type { ReadRounds } from './readIndex.ts';
import type {
  AppendResponse,
  Configuration,
  HeartbeatResponse,
  Progress,
  ProposeRefusal,
  RaftOptions,
} from './types.ts';
import { EntryKind } from './types.ts';

const NO_DATA = new Uint8Array(0);
const NOBODY: readonly MemberId[] = [];

/**
 * All that exists only while this member leads, in one term: dropping the object is what losing leadership forgets.
 *
 * Nothing is sent where it arises: calls change state, and `flush`, once per ready, sends what follows from it. So
 * a thousand proposals between two readies leave in as few appends as their size allows.
 */
export class Leadership {
  private readonly peers = new Map<MemberId, PeerProgress>();
  /** 0: leadership is not being handed over. */
  transferee: MemberId | 0 = 0;
  private transferTicks = 0;
  private toldTransferee = false;
  private tick = 0;
  private heartbeatTicks = 0;
  private heartbeatDue = true;
  private uncommittedBytes: number;
  private snapshotTo: MemberId[] = [];
  private readonly term: Term;
  private readonly log: RaftLog;
  private readonly outbox: Outbox;
  private readonly rounds: ReadRounds;
  private readonly options: RaftOptions;
  private readonly matchOf = (id: MemberId): number =>
    // A leader's own copy counts when it is durable, like everyone else's (thesis §10.2.1).
    id === this.options.id ? this.log.durable : (this.peers.get(id)?.match ?? 0);
  private readonly roundOf = (id: MemberId): number =>
    id === this.options.id ? this.rounds.started : (this.peers.get(id)?.round ?? 0);

  constructor(term: Term, log: RaftLog, outbox: Outbox, rounds: ReadRounds, options: RaftOptions) {
    this.term = term;
    this.log = log;
    this.outbox = outbox;
    this.rounds = rounds;
    this.options = options;
    this.uncommittedBytes = log.bytesBetween(log.commit, log.last);
    this.followConfiguration();
    // Raft §8: until an entry of the own term is committed, the commit index may be behind the true one.
    this.append(log.lastStampMs, EntryKind.Empty, NO_DATA, null);
  }

  get committedInTerm(): boolean {
    return this.log.termAt(this.log.commit) === this.term;
  }

  // ---- Proposals

  private append(
    stampMs: number,
    kind: (typeof EntryKind)[keyof typeof EntryKind],
    data: Uint8Array,
    configuration: Configuration | null,
  ): LogIndex {
    // A new leader's clock may be behind the one that stamped the last entry.
    const stamp = Math.max(stampMs, this.log.lastStampMs);
    const entry = makeEntry(this.log.last + 1, this.term, stamp, { kind, data, configuration });
    this.uncommittedBytes += entryBytes(entry);
    this.log.append(entry);
    return entry.index;
  }

  propose(stampMs: StampMs, data: Uint8Array): LogIndex | ProposeRefusal {
    if (!Number.isSafeInteger(stampMs) || stampMs < 0) return 'invalid';
    if (this.transferee !== 0) return 'transferring';
    // With nothing under way one entry is let through, however large: else it could never be.
    const idle = this.log.commit === this.log.last;
    if (!idle && this.uncommittedBytes + data.length > this.options.maxUncommittedBytes) return 'overloaded';
    return this.append(stampMs, EntryKind.Commands, data, null);
  }

  proposeConfiguration(stampMs: StampMs, configuration: Configuration): LogIndex | ProposeRefusal {
    if (!Number.isSafeInteger(stampMs) || stampMs < 0) return 'invalid';
    if (this.transferee !== 0) return 'transferring';
    const { configurations, commit } = this.log;
    // Without an entry of the own term, two leaders in a row could each change one voter of the same configuration
    // and commit with majorities that do not meet (the correction to thesis §4.1).
    if (configurations.currentIndex > commit || !this.committedInTerm) return 'changePending';
    if (!isOneChange(configurations.current, configuration)) return 'invalid';
    const index = this.append(stampMs, EntryKind.Configuration, NO_DATA, configuration);
    this.followConfiguration();
    // The rest of a smaller quorum may have confirmed already.
    this.confirmReads();
    return index;
  }

  /** Peers follow the configuration in force; one that was promoted or demoted keeps its progress. */
  private followConfiguration(): void {
    const { voters, learners } = this.log.configurations.current;
    const present = new Set<MemberId>();
    for (const { id } of [...voters, ...learners]) {
      present.add(id);
      if (id === this.options.id || this.peers.has(id)) continue;
      const { maxInflightMessages, maxInflightBytes } = this.options;
      const inflight = new Inflight(maxInflightMessages, maxInflightBytes);
      // A new peer has an election timeout to be heard of before it counts as silent.
      this.peers.set(id, new PeerProgress(id, this.log.last + 1, this.tick, inflight));
    }
    for (const id of this.peers.keys()) if (!present.has(id)) this.peers.delete(id);
  }

  // ---- Time

  /** False: no quorum was heard of for an election timeout, so a newer leader may be at work (thesis §6.2). */
  onTick(): boolean {
    this.tick += 1;
    this.heartbeatTicks += 1;
    if (this.heartbeatTicks >= this.options.heartbeatTicks) this.heartbeatDue = true;
    if (this.transferee !== 0) {
      this.transferTicks += 1;
      if (this.transferTicks >= this.options.electionTicks) this.transferee = 0;
    }
    const { voters } = this.log.configurations.current;
    let heard = 0;
    for (const { id } of voters) if (this.isActive(id)) heard += 1;
    return heard >= quorumSize(voters.length);
  }

  private isActive(id: MemberId): boolean {
    if (id === this.options.id) return true;
    const peer = this.peers.get(id);
    return peer !== undefined && this.tick - peer.heardTick < this.options.electionTicks;
  }

  // ---- Answers

  private heard(from: MemberId): PeerProgress | undefined {
    const peer = this.peers.get(from);
    if (peer !== undefined) peer.heardTick = this.tick;
    return peer;
  }

  onAppendResponse(message: AppendResponse): void {
    const peer = this.heard(message.from);
    // Nobody can have stored in this term what was not sent in it.
    if (peer === undefined || message.index > this.log.last) return;
    if (message.rejected) {
      const { hintIndex, hintTerm } = message;
      peer.rejected(message.index, this.log.findConflictByTerm(hintIndex, hintTerm).index);
    } else if (peer.accepted(message.index, this.log.first)) {
      this.advanceCommit();
    }
  }

  onHeartbeatResponse(message: HeartbeatResponse): void {
    const peer = this.heard(message.from);
    if (peer === undefined || message.round > this.rounds.started) return;
    peer.heartbeatAnswered(this.tick, this.options.heartbeatTicks);
    if (message.round > peer.round) {
      peer.round = message.round;
      this.confirmReads();
    }
  }

  snapshotReported(to: MemberId, ok: boolean): void {
    this.peers.get(to)?.snapshotReported(ok);
  }

  /** After anything that may have made more entries durable on a quorum. */
  advanceCommit(): void {
    const stored = majorityValue(this.log.configurations.current.voters, this.matchOf);
    // Raft §5.4.2: an entry of an earlier term is committed by one of the own term, never by counting.
    if (stored <= this.log.commit || this.log.termAt(stored) !== this.term) return;
    this.uncommittedBytes -= this.log.bytesBetween(this.log.commit, stored);
    this.log.commitTo(stored);
    assert(this.uncommittedBytes >= 0, 'more was committed than had been appended');
  }

  // ---- Reads and handing over

  askRead(): number | null {
    return this.committedInTerm ? this.rounds.ask() : null;
  }

  private confirmReads(): void {
    if (!this.rounds.pending) return;
    this.rounds.confirm(majorityValue(this.log.configurations.current.voters, this.roundOf));
  }

  transfer(to: MemberId): boolean {
    if (to === this.options.id || !isVoter(this.log.configurations.current, to)) return false;
    if (!this.isActive(to)) return false;
    if (this.transferee === to) return true;
    this.transferee = to;
    this.transferTicks = 0;
    this.toldTransferee = false;
    return true;
  }

  /**
   * This member's removal is committed. Before it leaves, everyone learns of that commit, and the most caught-up
   * voter campaigns at once, instead of all waiting for a timeout.
   */
  retire(): void {
    let successor: PeerProgress | null = null;
    for (const peer of this.peers.values()) {
      if (peer.state === 'replicate') this.sendAppend(peer, true);
      if (!isVoter(this.log.configurations.current, peer.id)) continue;
      if (successor === null || peer.match > successor.match) successor = peer;
    }
    if (successor !== null) this.sendTimeoutNow(successor.id);
  }

  // ---- Sending

  flush(): void {
    if (this.rounds.begin(this.log.commit)) {
      this.heartbeatDue = true;
      // The only voter needs nobody's word.
      this.confirmReads();
    }
    if (this.heartbeatDue) {
      this.heartbeatDue = false;
      this.heartbeatTicks = 0;
      for (const peer of this.peers.values()) this.sendHeartbeat(peer);
    }
    for (const peer of this.peers.values()) this.replicate(peer);
    if (this.transferee !== 0 && !this.toldTransferee) {
      if (this.peers.get(this.transferee)?.match === this.log.last) {
        this.toldTransferee = true;
        this.sendTimeoutNow(this.transferee);
      }
    }
  }

  takeSnapshotTo(): readonly MemberId[] {
    if (this.snapshotTo.length === 0) return NOBODY;
    const named = this.snapshotTo;
    this.snapshotTo = [];
    return named;
  }

  private replicate(peer: PeerProgress): void {
    while (peer.state === 'replicate' && peer.next <= this.log.last && !peer.inflight.full) {
      if (!this.sendAppend(peer, false)) return;
    }
    if (peer.state === 'probe' && !peer.paused) {
      this.sendAppend(peer, false);
    } else if (peer.state === 'replicate') {
      const news = Math.min(this.log.commit, peer.next - 1);
      if (peer.poke || peer.sentCommit < news) this.sendAppend(peer, true);
    }
  }

  /** False: the entries are compacted away, and a snapshot is called for instead. */
  private sendAppend(peer: PeerProgress, empty: boolean): boolean {
    const prevIndex = peer.next - 1;
    const prevTerm = this.log.termAt(prevIndex);
    if (prevTerm === null) {
      // Streaming to a peer that does not even answer heartbeats would be in vain.
      if (this.isActive(peer.id)) {
        peer.needsSnapshot(this.log.snapshotIndex);
        this.snapshotTo.push(peer.id);
      }
      return false;
    }
    const entries = empty ? [] : this.log.slice(peer.next, this.options.maxAppendBytes);
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    this.outbox.send({
      type: 'append',
      from: this.options.id,
      to: peer.id,
      term: this.term,
      prevIndex: prevIndex as LogIndex,
      prevTerm: prevTerm as Term,
      commit: this.log.commit as LogIndex,
      entries,
    });
    peer.sent(prevIndex + entries.length, bytes, this.log.commit);
    return true;
  }

  private sendHeartbeat(peer: PeerProgress): void {
    this.outbox.send({
      type: 'heartbeat',
      from: this.options.id,
      to: peer.id,
      term: this.term,
      commit: Math.min(peer.match, this.log.commit) as LogIndex,
      round: this.rounds.started,
    });
  }

  private sendTimeoutNow(to: MemberId): void {
    this.outbox.send({ type: 'timeoutNow', from: this.options.id, to, term: this.term });
  }

  /** The own log included, as everyone else's: durable entries match. */
  progress(): Progress[] {
    const own: Progress = {
      id: this.options.id,
      match: this.log.durable as LogIndex,
      next: (this.log.last + 1) as LogIndex,
      state: 'replicate',
      active: true,
    };
    return [own, ...[...this.peers.values()].map((peer) => peer.status(this.isActive(peer.id)))];
  }
}
