import {
  type AnswerOf,
  COORDINATION_GROUP,
  type Command,
  type GroupId,
  type LogIndex,
  type MemberAddress,
  type MemberId,
  Op,
  type Ordinal,
  type Push,
  type Query,
  type ReadLevelValue,
  type ReplyOf,
  type SessionId,
} from '@synccluster/client/protocol';
import type { Registry } from 'prom-client';
import { MemberError } from '../errors.ts';
import type {
  GroupView,
  IdentityView,
  MemberPort,
  MemberStatus,
  RosterChangeView,
} from '../http/memberPort.ts';
import { internal } from './duties.ts';
import type { Group } from './group.ts';
import type { Member } from './member.ts';
import { whyNoSurvivor } from './recovery.ts';

/** Longer than an election, so that a request made during one still finds the new leader. */
const RETRY_FOR_MS = 5_000;
const RETRY_PAUSE_MS = 50;

/** The member as its HTTP listeners see it. */
export class MemberService implements MemberPort {
  readonly registry: Registry;
  readonly #member: Member;
  readonly #version: string;
  readonly #exit: () => void;

  /** `exit`: ends the process soon with code 0, for a reset. */
  constructor(options: { member: Member; registry: Registry; version: string; exit: () => void }) {
    this.#member = options.member;
    this.registry = options.registry;
    this.#version = options.version;
    this.#exit = options.exit;
  }

  identity(): IdentityView {
    const member = this.#member;
    return {
      memberId: member.self.id,
      clusterId: member.clusterId,
      empty: member.groups.size === 0 && member.damage === null,
      ordinal: member.self.ordinal,
      version: this.#version,
      damaged: member.damage,
      groups: byId(member).map((group) => {
        const { leader, lastTerm, lastIndex, configuration } = group.status();
        const voters = configuration.voters.map(({ id, ordinal }) => ({ id, ordinal }));
        return { group: group.id, leader, lastTerm, lastIndex, voters };
      }),
    };
  }

  status(): MemberStatus | null {
    const member = this.#member;
    const machine = member.coordination();
    if (member.clusterId === null || machine === null) return null;
    const reason = member.notReadyReason();
    const { version, members, tombstones } = machine.roster();
    return {
      memberId: member.self.id,
      ordinal: member.self.ordinal,
      clusterId: member.clusterId,
      version: this.#version,
      ready: reason === null,
      notReadyReason: reason,
      freeBytes: member.freeBytes,
      featureLevel: member.featureLevel,
      groups: byId(member).map((group) => viewGroup(group, member.self.id)),
      roster: {
        version,
        members: members.map(([memberId, ordinal, target]) => ({ memberId, ordinal, target })),
        tombstones: [...tombstones],
      },
    };
  }

  addresses(): readonly MemberAddress[] {
    return this.#member.book.addresses();
  }

  notReadyReason(): string | null {
    return this.#member.notReadyReason();
  }

  async write<C extends Command>(
    group: GroupId,
    command: C,
    signal?: AbortSignal,
  ): Promise<{ index: LogIndex; value: ReplyOf<C> }> {
    const { index, value } = await retrying(
      this.#member,
      () => this.#member.call(group, command, signal),
      signal,
    );
    return { index: index as LogIndex, value: value as ReplyOf<C> };
  }

  async read<Q extends Query>(
    group: GroupId,
    query: Q,
    level: ReadLevelValue,
    mark: LogIndex,
    signal?: AbortSignal,
  ): Promise<{ index: LogIndex; value: AnswerOf<Q> }> {
    const member = this.#member;
    const { index, value } = await retrying(
      member,
      () => {
        const { id, answer } = member.local.request((request) => {
          member.router.readLocal(member.local, request, group, level, mark, query);
        });
        member.abandonOnAbort(id, signal);
        return answer;
      },
      signal,
    );
    return { index: index as LogIndex, value: value as AnswerOf<Q> };
  }

  async keepAlive(group: GroupId, sessions: readonly SessionId[]): Promise<void> {
    const member = this.#member;
    const { value } = await retrying(
      member,
      () =>
        member.local.request((request) =>
          member.router.keepAliveLocal(member.local, request, group, sessions),
        ).answer,
    );
    const unknown = value[0] as readonly SessionId[];
    if (unknown.length > 0) {
      throw new MemberError('SESSION_EXPIRED', `session ${unknown.join(', ')} is unknown or has expired`);
    }
  }

  async watchSession(
    group: GroupId,
    session: SessionId,
    listener: (push: Push) => void,
  ): Promise<() => void> {
    const stop = this.#member.local.watch(group, session, listener);
    try {
      await this.keepAlive(group, [session]);
      return stop;
    } catch (error) {
      stop();
      throw error;
    }
  }

  slotTable(): Uint8Array | null {
    return this.#member.coordination()?.slotTable() ?? null;
  }

  clusterId(): string | null {
    return this.#member.clusterId;
  }

  bootstrap(clusterId: string, shards: number): Promise<void> {
    return this.#member.bootstrap(clusterId, shards);
  }

  async changeRoster(expectedVersion: number, changes: readonly RosterChangeView[]): Promise<number> {
    const { value } = await this.#member.call(COORDINATION_GROUP, [
      ...internal(Op.RosterChange),
      expectedVersion,
      changes.map((c) => [c.memberId as MemberId, c.ordinal as Ordinal, c.target] as const),
    ]);
    return value[0] as number;
  }

  handover(): Promise<number[]> {
    return this.#member.handover();
  }

  async transfer(group: GroupId, to: number): Promise<boolean> {
    const found = this.#member.groups.get(group);
    if (found === undefined) throw new MemberError('NOT_FOUND', `there is no group ${group}`);
    if (!found.isLeader) {
      throw new MemberError('NOT_LEADER', 'this member does not lead the group', { leader: found.leader });
    }
    const accepted = found.core.transferLeadership(to as MemberId);
    this.#member.wake();
    return accepted;
  }

  async reset(memberId: number): Promise<void> {
    this.#checkName(memberId);
    try {
      await this.#member.stop(() => this.#member.options.storage.setAside());
    } finally {
      // Set aside or not, this process is over: the next start tells which.
      this.#exit();
    }
  }

  async recover(memberId: number, clusterId: string, newClusterId: string): Promise<void> {
    const member = this.#member;
    this.#checkName(memberId);
    if (member.clusterId === newClusterId) return;
    if (member.clusterId !== clusterId) {
      throw new MemberError(
        'CONFLICT',
        `this member belongs to cluster ${member.clusterId}, not ${clusterId}`,
      );
    }
    if (member.damage !== null) {
      throw new MemberError('CONFLICT', `this member's volume is damaged: ${member.damage}`);
    }
    const reason = whyNoSurvivor(member.groups, member.groupCount());
    if (reason !== null) throw new MemberError('CONFLICT', reason);
    if (member.stopped) throw new MemberError('UNAVAILABLE', 'the member stops');
    try {
      await member.stop(() => member.options.storage.startRecovery(newClusterId));
    } finally {
      // Recorded or not, this process is over: the next start goes on from what the volume says.
      this.#exit();
    }
  }

  #checkName(memberId: number): void {
    const { id } = this.#member.self;
    if (memberId !== id) throw new MemberError('CONFLICT', `this is member ${id}, not ${memberId}`);
  }
}

function byId(member: Member): Group[] {
  return [...member.groups.values()].sort((a, b) => a.id - b.id);
}

/** Tries again what certainly did not happen, while an election is going on. */
async function retrying<T>(member: Member, attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const { clock } = member.options;
  const deadline = clock.monotonicMs() + RETRY_FOR_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const passing =
        error instanceof MemberError && (error.code === 'NOT_LEADER' || error.code === 'UNAVAILABLE');
      if (!passing || member.stopped || signal?.aborted || clock.monotonicMs() > deadline) throw error;
      await new Promise<void>((resolve) => clock.after(RETRY_PAUSE_MS, resolve));
    }
  }
}

function viewGroup(group: Group, self: MemberId): GroupView {
  const status = group.status();
  const { voters, learners } = status.configuration;
  const within = (list: readonly { id: MemberId }[]): boolean => list.some((m) => m.id === self);
  return {
    group: group.id,
    role: status.role,
    membership: within(voters) ? 'voter' : within(learners) ? 'learner' : 'none',
    term: status.term,
    leader: status.leader,
    commit: status.commit,
    applied: group.applied,
    lastIndex: status.lastIndex,
    configuration: {
      voters: voters.map(({ id, ordinal }) => ({ id, ordinal })),
      learners: learners.map(({ id, ordinal }) => ({ id, ordinal })),
    },
    configurationCommitted: status.configurationIndex <= status.commit,
    featureLevel: group.machine.featureLevel(),
    progress: status.progress.map(({ id, match, active }) => ({ id, match, active })),
  };
}
