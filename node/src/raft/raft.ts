import type { LogIndex, MemberId, StampMs, Term } from '@synccluster/client/protocol';
import { Ballot } from './ballot.ts';
import { isVoter } from './configuration.ts';
import { Follower } from './follower.ts';
import { assert } from './invariant.ts';
import { Leadership } from './leadership.ts';
import { isWellFormed, RaftLog } from './log.ts';
import { Outbox } from './outbox.ts';
import { ReadRounds } from './readIndex.ts';
import type {
  AppendRequest,
  Configuration,
  Message,
  ProposeRefusal,
  RaftCore,
  RaftOptions,
  RaftStatus,
  Ready,
  RestoredState,
  Role,
  SnapshotMeta,
  TimeoutNow,
  VoteRequest,
  VoteResponse,
} from './types.ts';

/** A member that holds nothing of the group: it votes and takes entries, and never campaigns. */
export const EMPTY_STATE: RestoredState = {
  hardState: { term: 0 as Term, vote: 0 },
  snapshot: null,
  entries: [],
};

function checkOptions(options: RaftOptions): void {
  const whole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
  assert(whole(options.id, 1), 'a member id is a whole number above 0');
  assert(whole(options.heartbeatTicks, 1), 'heartbeatTicks is a whole number above 0');
  assert(whole(options.electionTicks, options.heartbeatTicks + 1), 'electionTicks is above heartbeatTicks');
  assert(whole(options.maxInflightMessages, 1), 'maxInflightMessages is a whole number above 0');
  assert(options.maxInflightBytes > 0 && options.maxAppendBytes > 0, 'windows are above 0 bytes');
  assert(options.maxUncommittedBytes > 0, 'maxUncommittedBytes is above 0');
}

/**
 * One group's consensus on one member (Raft, with the thesis' pre-vote §9.6, leader lease §4.2.3, check-quorum
 * §6.2, ReadIndex §6.4, leadership transfer §3.10, single-server changes §4.1 and learners §4.2.1).
 *
 * What it needs of its driver:
 *
 * - Batches (the hard state and entries of one ready) become durable in the order of their readies. A ready without
 *   either is a batch too: it is durable when all before it are, and only then may its `messagesAfterPersist` go.
 * - `persisted` is called once for every ready that had entries, in order, with the index and term of its last
 *   entry. Further reports, and ones of batches that were replaced meanwhile, do no harm.
 * - Messages whose `to` is this member's own id are given back to `step` when their batch is durable, like any other
 *   of `messagesAfterPersist`: that is how a candidate's vote for itself counts only once it is durable.
 * - While a snapshot of `Ready.install` is under way nothing else of this group needs to wait; appends are refused
 *   until `snapshotInstalled`, and the member does not campaign.
 */
export class Raft implements RaftCore {
  private readonly options: RaftOptions;
  private readonly id: MemberId;
  private readonly log: RaftLog;
  private readonly outbox = new Outbox();
  private readonly rounds = new ReadRounds();
  private readonly ballot: Ballot;
  private readonly follower: Follower;
  private currentRole: Role = 'follower';
  private currentLeader: MemberId | 0 = 0;
  /** Non-null exactly while `role` is leader. */
  private leadership: Leadership | null = null;
  private electionTicks = 0;
  private electionTimeoutTicks = 0;
  private silentTicks = 0;

  constructor(options: RaftOptions, restored: RestoredState) {
    checkOptions(options);
    this.options = options;
    this.id = options.id;
    this.log = new RaftLog(restored);
    this.ballot = new Ballot(this.id, restored.hardState, this.log, this.outbox);
    this.follower = new Follower(this.id, this.log, this.outbox);
    this.resetElectionTimer();
  }

  get role(): Role {
    return this.currentRole;
  }
  get term(): Term {
    return this.ballot.term;
  }
  get leader(): MemberId | 0 {
    return this.currentLeader;
  }
  get installing(): boolean {
    return this.follower.installing;
  }

  // ---- Roles

  private resetElectionTimer(): void {
    const { electionTicks, random } = this.options;
    this.electionTicks = 0;
    this.electionTimeoutTicks = electionTicks + Math.floor(random() * electionTicks);
  }

  /**
   * A learner waits to be asked. One whose removal is not known to be committed still campaigns, without counting
   * its own vote (thesis §4.2.2): of two voters the one to be removed may alone hold the entry that says so, and
   * then neither the other, whose log is shorter, nor anyone else could win.
   */
  private get mayCampaign(): boolean {
    return !this.installing && this.log.configurations.mayBeVoter(this.id, this.log.commit);
  }

  private become(role: Role, term: Term, leader: MemberId | 0): void {
    this.ballot.enter(term);
    this.currentRole = role;
    this.currentLeader = leader;
    if (this.leadership !== null) {
      this.leadership = null;
      this.rounds.drop();
    }
    this.resetElectionTimer();
  }

  private becomeFollower(term: Term, leader: MemberId | 0): void {
    this.become('follower', term, leader);
  }

  /** Asks whether a campaign could be won before it disturbs anyone's term (thesis §9.6). */
  private becomePreCandidate(): void {
    this.become('preCandidate', this.ballot.term, 0);
    this.ballot.askForPreVotes();
    if (this.ballot.tally === 'won') this.becomeCandidate(false);
  }

  private becomeCandidate(transfer: boolean): void {
    this.become('candidate', (this.ballot.term + 1) as Term, 0);
    this.ballot.askForVotes(transfer);
  }

  private becomeLeader(): void {
    assert(this.currentRole === 'candidate', 'only a candidate can be elected');
    this.become('leader', this.ballot.term, this.id);
    this.silentTicks = 0;
    this.leadership = new Leadership(this.ballot.term, this.log, this.outbox, this.rounds, this.options);
  }

  campaign(): void {
    if (this.currentRole !== 'leader' && this.mayCampaign) this.becomePreCandidate();
  }

  tick(): void {
    if (this.leadership !== null) {
      if (this.leadership.onTick()) return;
      this.becomeFollower(this.ballot.term, 0);
      this.silentTicks = this.options.electionTicks;
      return;
    }
    this.silentTicks += 1;
    this.electionTicks += 1;
    if (this.electionTicks >= this.electionTimeoutTicks) {
      if (this.mayCampaign) this.becomePreCandidate();
      else this.resetElectionTimer();
    }
  }

  // ---- Messages

  step(message: Message): void {
    if (message.to !== this.id) return;
    if (message.from === this.id) {
      if (message.type === 'voteResponse' && message.term === this.ballot.term) this.onVoteResponse(message);
      return;
    }
    if (message.term > this.ballot.term) {
      if (!this.enterTerm(message)) return;
    } else if (message.term < this.ballot.term) {
      this.onStale(message);
      return;
    }
    switch (message.type) {
      case 'vote':
        this.onVote(message);
        break;
      case 'voteResponse':
        this.onVoteResponse(message);
        break;
      case 'append':
        this.onAppend(message);
        break;
      case 'heartbeat':
        this.followLeader(message.from);
        this.follower.onHeartbeat(message);
        break;
      case 'snapshot':
        this.followLeader(message.from);
        this.follower.onSnapshot(message);
        break;
      case 'appendResponse':
        this.leadership?.onAppendResponse(message);
        this.leaveIfRemoved();
        break;
      case 'heartbeatResponse':
        this.leadership?.onHeartbeatResponse(message);
        break;
      case 'timeoutNow':
        this.onTimeoutNow(message);
        break;
    }
  }

  /** Whether a message of a later term is to be handled. */
  private enterTerm(message: Message): boolean {
    if (message.type === 'vote') {
      // A member cut off, or removed and not aware of it, must not unseat a leader that a quorum hears
      // (thesis §4.2.3). A leader always counts as heard: without a quorum it steps down by itself.
      const leaderLives =
        this.currentRole === 'leader' ||
        (this.currentLeader !== 0 && this.silentTicks < this.options.electionTicks);
      if (leaderLives && !message.transfer) return false;
      if (!message.preVote) this.becomeFollower(message.term, 0);
    } else if (message.type === 'voteResponse' && message.preVote && message.granted) {
      // Carries the term that was asked about, which nobody has entered.
    } else {
      this.becomeFollower(message.term, 0);
    }
    return true;
  }

  /** A word back where silence would leave the sender stuck in its old term for good. */
  private onStale(message: Message): void {
    const { from } = message;
    if (message.type === 'vote') {
      this.ballot.refuse(message);
    } else if (message.type === 'append' || message.type === 'heartbeat' || message.type === 'snapshot') {
      this.outbox.send({
        type: 'heartbeatResponse',
        from: this.id,
        to: from,
        term: this.ballot.term,
        round: 0,
      });
    }
  }

  private onVote(message: VoteRequest): void {
    if (this.ballot.decide(message, this.currentLeader)) this.resetElectionTimer();
  }

  private onVoteResponse(message: VoteResponse): void {
    if (this.currentRole !== (message.preVote ? 'preCandidate' : 'candidate')) return;
    const asked = message.preVote && message.granted ? this.ballot.term + 1 : this.ballot.term;
    if (message.term !== asked) return;
    this.ballot.count(message.from, message.granted);
    const { tally } = this.ballot;
    if (tally === 'lost') this.becomeFollower(this.ballot.term, 0);
    else if (tally === 'won' && message.preVote) this.becomeCandidate(false);
    else if (tally === 'won') this.becomeLeader();
  }

  private onTimeoutNow(message: TimeoutNow): void {
    if (this.currentRole !== 'follower' || this.currentLeader !== message.from || !this.mayCampaign) return;
    this.becomeCandidate(true);
  }

  /** The sender leads the present term. */
  private followLeader(from: MemberId): void {
    assert(this.currentRole !== 'leader', 'two members lead the same term');
    assert(this.currentLeader === 0 || this.currentLeader === from, 'two members lead the same term');
    if (this.currentRole !== 'follower') this.becomeFollower(this.ballot.term, from);
    this.currentLeader = from;
    this.silentTicks = 0;
    this.electionTicks = 0;
  }

  private onAppend(message: AppendRequest): void {
    if (!isWellFormed(message)) return;
    this.followLeader(message.from);
    this.follower.onAppend(message);
  }

  // ---- The leader's own calls

  /** A leader that was removed goes on, without counting itself, until that is committed (thesis §4.2.2). */
  private leaveIfRemoved(): void {
    const { configurations, commit } = this.log;
    if (this.leadership === null || configurations.currentIndex > commit) return;
    if (isVoter(configurations.current, this.id)) return;
    this.leadership.retire();
    this.becomeFollower(this.ballot.term, 0);
  }

  propose(stampMs: StampMs, data: Uint8Array): LogIndex | ProposeRefusal {
    return this.leadership === null ? 'notLeader' : this.leadership.propose(stampMs, data);
  }

  proposeConfiguration(stampMs: StampMs, configuration: Configuration): LogIndex | ProposeRefusal {
    if (this.leadership === null) return 'notLeader';
    return this.leadership.proposeConfiguration(stampMs, configuration);
  }

  readIndex(): number | null {
    return this.leadership === null ? null : this.leadership.askRead();
  }

  transferLeadership(to: MemberId): boolean {
    return this.leadership?.transfer(to) ?? false;
  }

  // ---- Reports of the driver

  persisted(index: LogIndex, term: Term): void {
    if (!this.log.persisted(index, term) || this.leadership === null) return;
    this.leadership.advanceCommit();
    this.leaveIfRemoved();
  }

  applied(index: LogIndex): void {
    this.log.appliedTo(index);
  }

  compact(meta: SnapshotMeta, keepFrom: LogIndex): void {
    this.log.compact(meta, keepFrom);
  }

  snapshotReported(to: MemberId, ok: boolean): void {
    this.leadership?.snapshotReported(to, ok);
  }

  snapshotInstalled(meta: SnapshotMeta): void {
    this.follower.installed(meta, this.currentLeader, this.ballot.term);
    this.resetElectionTimer();
  }

  // ---- Out

  takeReady(): Ready | null {
    this.leadership?.flush();
    const ready: Ready = {
      hardState: this.ballot.takeHardState(),
      entries: this.log.takeUnstable(),
      messages: this.outbox.takeNow(),
      messagesAfterPersist: this.outbox.takeAfterPersist(),
      // What is committed below a snapshot on its way in is part of it.
      committed: this.follower.installing ? [] : this.log.takeCommitted(),
      reads: this.rounds.takeReleased(),
      snapshotTo: this.leadership?.takeSnapshotTo() ?? [],
      install: this.follower.takeInstall(),
    };
    const empty =
      ready.hardState === null &&
      ready.install === null &&
      ready.entries.length === 0 &&
      ready.messages.length === 0 &&
      ready.messagesAfterPersist.length === 0 &&
      ready.committed.length === 0 &&
      ready.reads.length === 0 &&
      ready.snapshotTo.length === 0;
    return empty ? null : ready;
  }

  status(): RaftStatus {
    const { log } = this;
    return {
      id: this.id,
      role: this.currentRole,
      term: this.ballot.term,
      leader: this.currentLeader,
      commit: log.commit as LogIndex,
      durable: log.durable as LogIndex,
      applied: log.applied as LogIndex,
      firstIndex: log.first as LogIndex,
      lastIndex: log.last as LogIndex,
      lastTerm: log.lastTerm as Term,
      configuration: log.configurations.current,
      configurationIndex: log.configurations.currentIndex as LogIndex,
      committedInTerm: this.leadership?.committedInTerm ?? false,
      transferee: this.leadership?.transferee ?? 0,
      progress: this.leadership?.progress() ?? [],
      silentTicks: this.leadership === null ? this.silentTicks : 0,
    };
  }
}
