import {
  COORDINATION_GROUP,
  type Command,
  type MemberId,
  Op,
  SCHEMA_VERSION,
  type Seq,
  type SessionId,
} from '@synccluster/client/protocol';
import type { RaftStatus } from '../raft/types.ts';
import { bestSuccessor, preferredLeader } from './balance.ts';
import type { GroupContext } from './context.ts';
import { commonLevel, mayJoin } from './featureLevels.ts';
import type { Group } from './group.ts';
import { nextMembershipStep } from './membership.ts';
import { RosterCopy } from './rosterCopy.ts';

const LEASE_SCAN_MS = 250;
const MEMBERSHIP_MS = 50;
const BALANCE_MS = 1_000;
const LEVEL_MS = 1_000;
/** A new leadership is left in peace for so long before it may be moved to the preferred member. */
const SETTLE_MS = 3_000;
/**
 * So long a member has been fit to lead at every look before it is handed a leadership: one that has only just
 * started is slow for its first seconds, and writes wait until it has taken over.
 */
const STEADY_MS = 5_000;
/** A member that keeps losing what it is handed is offered it ever more rarely: each attempt stops writes a moment. */
const OFFER_LAST_MS = 60_000;

/** What only a group's leader does, beside answering: expiry, leases, membership, spreading leaderships. */
export class LeaderDuties {
  readonly #group: Group;
  readonly #context: GroupContext;
  readonly #rosterCopy: RosterCopy;
  #expireAsked = false;
  #nextLeaseScanMs = 0;
  #nextMembershipMs = 0;
  #nextBalanceMs = 0;
  #nextLevelMs = 0;
  #proposedLevel = { term: 0, level: 0 };
  /** Level of each member that was left out of the group for what it does not know, as logged. */
  readonly #leftOut = new Map<MemberId, number>();
  #preferred: MemberId | null = null;
  #preferredSinceMs = 0;
  #offeredMs = Number.NEGATIVE_INFINITY;
  #offerPauseMs = BALANCE_MS;

  constructor(group: Group, context: GroupContext) {
    this.#group = group;
    this.#context = context;
    this.#rosterCopy = new RosterCopy(() => context.askCoordinationIndex());
  }

  /** Called at each tick, after the messages that waited in the sockets were read. */
  tick(reluctant: boolean): void {
    const group = this.#group;
    if (!group.isLeader) {
      this.#expireAsked = false;
      this.#preferred = null;
      return;
    }
    const now = this.#context.nowMs();
    this.#expire();
    if (now >= this.#nextLeaseScanMs) {
      this.#nextLeaseScanMs = now + LEASE_SCAN_MS;
      this.#expireSessions(now);
    }
    if (now >= this.#nextLevelMs) {
      this.#nextLevelMs = now + LEVEL_MS;
      this.#raiseLevel();
    }
    if (now >= this.#nextMembershipMs) {
      this.#nextMembershipMs = now + MEMBERSHIP_MS;
      this.#followRoster(now);
    }
    if (now >= this.#nextBalanceMs) {
      this.#nextBalanceMs = now + BALANCE_MS;
      if (reluctant) this.giveAway();
      else this.#balance(now);
    }
  }

  /** Hands the leadership to the best voter there is; false when there is none. */
  giveAway(): boolean {
    const status = this.#group.status();
    const to = bestSuccessor(status, (id) => this.#context.mayLead(id));
    return to !== null && this.#group.core.transferLeadership(to);
  }

  #expire(): void {
    const group = this.#group;
    if (this.#expireAsked || group.machine.nextDueStampMs() > group.clusterNow()) return;
    // Only a leader that a quorum still follows decides that something is over.
    this.#expireAsked = true;
    group.reads.linearizable((ok) => {
      this.#expireAsked = false;
      if (ok && group.isLeader && group.machine.nextDueStampMs() <= group.clusterNow()) {
        group.submitInternal(internal(Op.Expire));
      }
    });
    this.#context.wake();
  }

  #expireSessions(now: number): void {
    const group = this.#group;
    if (!group.status().committedInTerm) return;
    const over = group.leases.expired(group.machine.sessions(), now);
    group.attachments.retain((session) => group.leases.knows(session));
    if (over.length === 0) return;
    group.reads.linearizable((ok) => {
      if (!ok || !group.isLeader) return;
      // Proposed again at each scan until they are gone: a proposal may be refused, and repeating it does nothing.
      const still = group.leases.condemn(over, now);
      if (still.length > 0) group.submitInternal([...internal(Op.SessionExpire), still] as const);
    });
    this.#context.wake();
  }

  /**
   * All members go on to what all of them know by now. The configuration is the one that stands before the entry in
   * the log: a member that comes after it is let in only if it knows the level too.
   */
  #raiseLevel(): void {
    const group = this.#group;
    const { committedInTerm, transferee, configuration, term } = group.status();
    if (!committedInTerm || transferee !== 0) return;
    const { features, levelOf } = this.#context;
    // Its own too, though it may be out of the configuration already.
    const level = Math.min(features.level, commonLevel(configuration, levelOf));
    if (level <= group.machine.featureLevel()) return;
    this.#proposedLevel = { term, level };
    this.#context.logger.info({ group: group.id, level }, 'all members know a higher feature level');
    group.submitInternal([...internal(Op.FeatureLevel), level] as const);
  }

  #mayJoin(id: MemberId, { term, commit }: RaftStatus): boolean {
    const group = this.#group;
    const level = this.#context.levelOf(id);
    const may = mayJoin({
      level,
      ownLevel: this.#context.features.level,
      groupLevel: group.machine.featureLevel(),
      proposedLevel: this.#proposedLevel.term === term ? this.#proposedLevel.level : 0,
      caughtUp: group.applied >= commit,
    });
    if (may) {
      this.#leftOut.delete(id);
    } else if (this.#leftOut.get(id) !== level) {
      this.#leftOut.set(id, level);
      this.#context.logger.warn(
        { group: group.id, member: id, level },
        'not let in: it must be updated first',
      );
    }
    return may;
  }

  #followRoster(now: number): void {
    const group = this.#group;
    const roster = this.#context.roster();
    if (roster === null) return;
    const status = group.status();
    if (!status.committedInTerm || status.transferee !== 0) return;
    if (!this.#rosterCopy.isCurrent(status.term, roster.index, now)) return;
    const step = nextMembershipStep({
      self: status.id,
      configuration: status.configuration,
      roster: roster.members,
      tombstones: roster.tombstones,
      progress: status.progress,
      lastIndex: status.lastIndex,
      mayJoin: (id) => this.#mayJoin(id, status),
      mayRemove: (id) => group.id !== COORDINATION_GROUP || this.#context.isOutOfDataGroups(id),
    });
    if (step === null) return;
    if (step.kind === 'handover') {
      this.giveAway();
      return;
    }
    const index = group.core.proposeConfiguration(group.clusterNow(), step.configuration);
    if (typeof index === 'number') {
      this.#context.logger.info({ group: group.id, index, change: step.what }, 'changes the configuration');
      this.#context.wake();
    }
  }

  #balance(now: number): void {
    const group = this.#group;
    const to = preferredLeader(group.id, group.status(), (id) => this.#context.mayLead(id));
    if (to !== this.#preferred) this.#preferredSinceMs = now;
    this.#preferred = to;
    if (now - group.ledSinceMs < SETTLE_MS || now - this.#preferredSinceMs < STEADY_MS) return;
    if (now - this.#offeredMs < this.#offerPauseMs) return;
    if (to !== null && group.core.transferLeadership(to)) {
      const lately = now - this.#offeredMs < 2 * OFFER_LAST_MS;
      this.#offerPauseMs = lately ? Math.min(OFFER_LAST_MS, 2 * this.#offerPauseMs) : BALANCE_MS;
      this.#offeredMs = now;
      this.#context.logger.debug({ group: group.id, to }, 'hands the leadership to the preferred member');
      this.#context.wake();
    }
  }
}

/** Header of a command of the member's own. */
export function internal<O extends Command[0]>(op: O): readonly [O, number, SessionId, Seq, Seq] {
  return [op, SCHEMA_VERSION, 0 as SessionId, 0 as Seq, 0 as Seq];
}
