import type { LogIndex, MemberId, Term } from '@synccluster/client/protocol';
import { assert } from './invariant.ts';
import type { RaftLog } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Tally } from './quorum.ts';
import { tallyVotes } from './quorum.ts';
import type { HardState, VoteRequest, VoteResponse } from './types.ts';

/** Term and vote of this member, and the votes it gathers. */
export class Ballot {
  term: Term;
  private vote: MemberId | 0;
  private handed: HardState;
  private readonly votes = new Map<MemberId, boolean>();
  private readonly id: MemberId;
  private readonly log: RaftLog;
  private readonly outbox: Outbox;

  constructor(id: MemberId, hardState: HardState, log: RaftLog, outbox: Outbox) {
    this.id = id;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.handed = hardState;
    this.log = log;
    this.outbox = outbox;
  }

  /** A term comes with a vote not yet given. */
  enter(term: Term): void {
    assert(term >= this.term, 'a term was to fall');
    this.votes.clear();
    if (term === this.term) return;
    this.term = term;
    this.vote = 0;
  }

  /** When it changed since the last call. */
  takeHardState(): HardState | null {
    if (this.term === this.handed.term && this.vote === this.handed.vote) return null;
    this.handed = { term: this.term, vote: this.vote };
    return this.handed;
  }

  askForPreVotes(): void {
    // Promises nothing, so the own one counts at once.
    this.votes.set(this.id, true);
    this.request(true, false);
  }

  askForVotes(transfer: boolean): void {
    assert(this.vote === 0, 'a candidate has voted before');
    this.vote = this.id;
    // The own vote comes back as a message when it is durable: counted at once, a crash could let this member
    // vote for another in the term it leads.
    this.outbox.sendAfterPersist({
      type: 'voteResponse',
      from: this.id,
      to: this.id,
      term: this.term,
      preVote: false,
      granted: true,
    });
    this.request(false, transfer);
  }

  private request(preVote: boolean, transfer: boolean): void {
    for (const { id } of this.log.configurations.current.voters) {
      if (id === this.id) continue;
      const request: VoteRequest = {
        type: 'vote',
        from: this.id,
        to: id,
        term: (preVote ? this.term + 1 : this.term) as Term,
        preVote,
        lastIndex: this.log.last as LogIndex,
        lastTerm: this.log.lastTerm as Term,
        transfer,
      };
      if (preVote) this.outbox.send(request);
      else this.outbox.sendAfterPersist(request);
    }
  }

  /** The first answer of a member stands. */
  count(from: MemberId, granted: boolean): void {
    if (!this.votes.has(from)) this.votes.set(from, granted);
  }

  get tally(): Tally {
    return tallyVotes(this.log.configurations.current.voters, this.votes);
  }

  /**
   * Decides a request and answers it; true: this member's vote of the term was given.
   *
   * Everyone votes who is asked, by the same rule, whatever its own configuration says: a learner just promoted may
   * not have the entry that says so, and without its vote the candidate that has it could find no quorum. It is safe,
   * for the candidate counts only voters of its own configuration, and a vote promises the same whoever gives it:
   * one per term, durable, and only for a log at least as good. A member that never heard of the group promises no
   * less than any other.
   */
  decide(request: VoteRequest, leader: MemberId | 0): boolean {
    const free = request.preVote
      ? request.term > this.term
      : this.vote === request.from || (this.vote === 0 && leader === 0);
    const granted = free && this.log.isUpToDate(request.lastIndex, request.lastTerm);
    if (!granted) {
      this.refuse(request);
      return false;
    }
    if (!request.preVote) this.vote = request.from;
    this.answer(request, true, request.term);
    return !request.preVote;
  }

  /** With the own term, so that one left behind catches up. */
  refuse(request: VoteRequest): void {
    this.answer(request, false, this.term);
  }

  private answer(request: VoteRequest, granted: boolean, term: Term): void {
    const { from, preVote } = request;
    const answer: VoteResponse = { type: 'voteResponse', from: this.id, to: from, term, preVote, granted };
    if (granted && !preVote) this.outbox.sendAfterPersist(answer);
    else this.outbox.send(answer);
  }
}
