import type { Ordinal } from '@synccluster/client/protocol';
import type { MemberStatus, RosterChangeView } from '../../src/http/memberPort.ts';
import {
  CAUGHT_UP_ENTRIES,
  type GroupStatus,
  isCaughtUp,
  leadersOf,
  quorumWithout,
  type Seen,
} from './clusterView.ts';
import { RemovedForEver } from './removedForEver.ts';
import type { MemberSlot } from './slot.ts';
import type { World } from './world.ts';

const PASS_MS = 500;

export interface OperatorOptions {
  readonly world: World;
  readonly slots: readonly MemberSlot[];
  readonly clusterId: string;
  readonly shards: number;
  readonly note: (line: string) => void;
}

interface Recovery {
  readonly slot: MemberSlot;
  readonly memberId: number;
  /** Id of the new cluster. */
  readonly next: string;
}

/**
 * What the operator does from outside, one step a pass, all of it through the calls that the admin API offers: it
 * founds the cluster once, keeps as many members as are wanted, replaces those whose volume is lost, and takes one
 * voter out at a time, only where every group has a quorum without it.
 */
export class SimOperator {
  readonly #options: OperatorOptions;
  #members: number;
  #founded = false;
  #clusterId: string;
  readonly #removed = new RemovedForEver();
  #recovery: Recovery | null = null;
  #recoveries = 0;
  #stopped = false;
  /** As of the last pass: every wanted member is a ready voter of every group, and nobody else is in any. */
  #settled = false;
  /** What was seen before the last of these says nothing of what is now. */
  #unsettlings = 0;
  #unsettledBy: string | null = 'not founded';

  constructor(options: OperatorOptions, members: number) {
    this.#options = options;
    this.#members = members;
    this.#clusterId = options.clusterId;
  }

  get settled(): boolean {
    return this.#settled;
  }
  get members(): number {
    return this.#members;
  }

  /** People gave the cluster up: what this member has goes on as a new one, and all others are to join that. */
  recoverFrom(slot: MemberSlot): void {
    this.unsettle();
    this.#recoveries += 1;
    const next = `${this.#options.clusterId}-${this.#recoveries}`;
    this.#recovery = { slot, memberId: slot.memberId, next };
    this.#options.note(`recovery from ${slot.host} as cluster ${next}`);
  }

  get recovering(): boolean {
    return this.#recovery !== null;
  }

  async #recover({ slot, memberId, next }: Recovery): Promise<void> {
    const identity = await this.#call(slot, (service) => service.identity());
    if (identity.clusterId === next) {
      this.#clusterId = next;
      this.#recovery = null;
      return;
    }
    await this.#call(slot, (service) => service.recover(memberId, this.#clusterId, next));
  }

  scale(members: number): void {
    this.#members = members;
    this.unsettle();
    this.#options.note(`${members} members are wanted`);
  }

  /** Something was broken: nothing counts as settled before the next look. */
  unsettle(): void {
    this.#unsettlings += 1;
    this.#settled = false;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    const { world, note } = this.#options;
    while (!this.#stopped) {
      try {
        await this.#pass();
      } catch (error) {
        note(`operator: ${error instanceof Error ? error.message : String(error)}`);
      }
      await world.sleep(PASS_MS);
    }
  }

  async #pass(): Promise<void> {
    const { slots, shards, note } = this.#options;
    const clusterId = this.#clusterId;
    for (const slot of slots) if (slot.ordinal < this.#members && !slot.wanted) slot.want();
    if (this.#recovery !== null) return this.#recover(this.#recovery);
    const unsettlings = this.#unsettlings;
    const seen = await this.#look();
    if (!this.#founded) {
      const first = seen.find(({ slot }) => slot.ordinal === 0);
      if (first === undefined) return;
      if (first.identity.empty) await this.#call(first.slot, (s) => s.bootstrap(clusterId, shards));
      else if (first.status !== null && first.status.roster.version > 0) this.#founded = true;
      return;
    }
    const leaders = leadersOf(seen, shards + 1);
    const keeper = leaders[0];
    if (keeper === undefined || leaders.length < shards + 1) {
      this.#judge(`group ${leaders.length} has no leader`);
      return;
    }
    const { roster } = keeper.status;
    const forgotten = this.#removed.look(clusterId, roster);
    if (forgotten !== null) {
      this.#options.world.fail(new Error(`the roster forgot that member ${forgotten} was removed`));
    }
    const groups = leaders.map(({ group }) => group);
    const configured = groups.flatMap(({ configuration: { voters, learners } }) => [...voters, ...learners]);
    const spent = new Set([
      ...roster.tombstones,
      ...roster.members.filter(({ target }) => target === 'removed').map(({ memberId }) => memberId),
    ]);
    const current = roster.members.filter(({ target }) => target !== 'removed');
    const inGroups = (id: number): boolean => configured.some((member) => member.id === id);

    for (const { slot, identity } of seen) {
      const foreign = identity.clusterId !== null && identity.clusterId !== clusterId;
      // Its identity cannot be read, so it answers under a passing id.
      const nameless =
        identity.damaged !== null &&
        !current.some((m) => m.memberId === identity.memberId || m.ordinal === slot.ordinal);
      if (!(spent.has(identity.memberId) || foreign || nameless) || inGroups(identity.memberId)) continue;
      if (slot.ordinal >= this.#members) continue;
      note(`${slot.host} is to set the volume of member ${identity.memberId} aside`);
      slot.spoilt = true;
      await this.#call(slot, (s) => s.reset(identity.memberId));
    }
    // One that is out of everything is not started again; its volume stays.
    for (const slot of slots) {
      const above = slot.wanted && slot.ordinal >= this.#members;
      if (above && !inGroups(slot.memberId) && !current.some((m) => m.ordinal === slot.ordinal))
        slot.unwant();
    }
    const changes = this.#changes(seen, roster.members, current, spent, groups, configured);
    if (changes.length > 0) {
      this.#settled = false;
      note(
        `roster ${roster.version}: ${changes.map((c) => `${c.ordinal} ${c.memberId} ${c.target}`).join(', ')}`,
      );
      await this.#call(keeper.slot, (s) => s.changeRoster(roster.version, changes));
      return;
    }
    if (unsettlings === this.#unsettlings) this.#judge(this.#whyUnsettled(seen, current.length, groups));
  }

  /** Null: every wanted member is a ready voter of every group, and nobody else is in any. */
  #whyUnsettled(seen: readonly Seen[], current: number, groups: readonly GroupStatus[]): string | null {
    const wanted = seen.filter(({ slot }) => slot.ordinal < this.#members);
    if (wanted.length < this.#members) return `${wanted.length} of ${this.#members} members answer`;
    const unready = wanted.find(({ status }) => status?.ready !== true);
    if (unready !== undefined) return `${unready.slot.host} is not ready: ${unready.status?.notReadyReason}`;
    if (current !== this.#members) return `the roster has ${current} members`;
    const ids = wanted.map(({ identity }) => identity.memberId);
    for (const { group, configuration, configurationCommitted, progress, commit } of groups) {
      const { voters, learners } = configuration;
      const strange = voters.some(({ id }) => !ids.includes(id));
      if (!configurationCommitted || learners.length > 0 || voters.length !== this.#members || strange) {
        return `the configuration of group ${group} is not as wanted`;
      }
      const behind = progress.find(({ match, active }) => !active || match + CAUGHT_UP_ENTRIES < commit);
      if (behind !== undefined) return `member ${behind.id} is behind in group ${group}`;
    }
    return null;
  }

  #judge(reason: string | null): void {
    this.#settled = reason === null;
    if (reason === this.#unsettledBy) return;
    this.#unsettledBy = reason;
    this.#options.note(reason === null ? 'settled' : `unsettled: ${reason}`);
  }

  /** At most one kind of change at a time; none while somebody who was removed is still in a group. */
  #changes(
    seen: readonly Seen[],
    known: MemberStatus['roster']['members'],
    current: MemberStatus['roster']['members'],
    spent: ReadonlySet<number>,
    groups: readonly GroupStatus[],
    configured: readonly { id: number; ordinal: number }[],
  ): RosterChangeView[] {
    if (configured.some(({ id }) => spent.has(id))) return [];
    const removed = ({ memberId, ordinal }: { memberId: number; ordinal: number }): RosterChangeView => ({
      memberId,
      ordinal,
      target: 'removed',
    });
    const isLost = (entry: { memberId: number; ordinal: number }): boolean => {
      const identity = seen.find(({ slot }) => slot.ordinal === entry.ordinal)?.identity;
      if (identity === undefined) return false;
      const foreign = identity.clusterId !== null && identity.clusterId !== this.#clusterId;
      return identity.memberId !== entry.memberId || identity.damaged !== null || foreign;
    };
    const stray = current.filter(
      (entry) =>
        entry.target === 'learner' &&
        !groups.some(({ configuration }) => configuration.voters.some(({ id }) => id === entry.memberId)) &&
        (entry.ordinal >= this.#members || isLost(entry)),
    );
    if (stray.length > 0) return stray.map(removed);
    const lost = current.find(
      (entry) => entry.ordinal < this.#members && isLost(entry) && quorumWithout(groups, entry.memberId),
    );
    if (lost !== undefined) return [removed(lost)];
    const joining = seen.filter(
      ({ slot: { ordinal }, identity: { memberId, damaged } }) =>
        ordinal < this.#members &&
        damaged === null &&
        !spent.has(memberId) &&
        !known.some((entry) => entry.memberId === memberId) &&
        !current.some((entry) => entry.ordinal === ordinal) &&
        !configured.some((member) => member.ordinal === ordinal),
    );
    if (joining.length > 0) {
      return joining.map(({ slot: { ordinal }, identity: { memberId } }) => ({
        memberId,
        ordinal: ordinal as Ordinal,
        target: 'learner',
      }));
    }
    const ready = current.filter(
      ({ memberId, target }) => target === 'learner' && groups.every((group) => isCaughtUp(group, memberId)),
    );
    if (ready.length > 0) return ready.map((entry) => ({ ...entry, target: 'voter' as const }));
    const surplus = current
      .filter((entry) => entry.ordinal >= this.#members && quorumWithout(groups, entry.memberId))
      .sort((a, b) => b.ordinal - a.ordinal)[0];
    return surplus === undefined ? [] : [removed(surplus)];
  }

  async #look(): Promise<Seen[]> {
    const answers = await Promise.all(
      this.#options.slots.map(async (slot): Promise<Seen | null> => {
        try {
          return await this.#call(slot, (service) => ({
            slot,
            identity: service.identity(),
            status: service.status(),
          }));
        } catch {
          return null;
        }
      }),
    );
    return answers.filter((answer) => answer !== null);
  }

  /** As over HTTP: to a member that runs, answered or given up after a while. */
  #call<T>(
    slot: MemberSlot,
    work: (service: NonNullable<MemberSlot['running']>['service']) => T | Promise<T>,
  ): Promise<T> {
    const { running, process } = slot;
    if (running === null || process === null) return Promise.reject(new Error(`${slot.host} is down`));
    const overdue = new Promise<never>((_, reject) => {
      this.#options.world.after(5_000, () => reject(new Error(`${slot.host} does not answer`)));
    });
    return Promise.race([process.call(() => work(running.service)), overdue]);
  }
}
