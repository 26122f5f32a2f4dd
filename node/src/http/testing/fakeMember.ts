import {
  type AnswerOf,
  assignSlots,
  COORDINATION_GROUP,
  type Command,
  type ErrorCode,
  type GroupId,
  type LogIndex,
  type MemberAddress,
  type MemberId,
  Op,
  type Ordinal,
  type Push,
  type Query,
  QueryOp,
  type ReadLevelValue,
  type ReplyOf,
  refuseCommand,
  type Seq,
  type SessionId,
  type StampMs,
} from '@synccluster/client/protocol';
import { Registry } from 'prom-client';
import { MemberError } from '../../errors.ts';
import { type CoordinationMachine, createMachine, type Machine, type Outcome } from '../../machines/index.ts';
import type { GroupView, IdentityView, MemberPort, MemberStatus, RosterChangeView } from '../memberPort.ts';

const NO_SESSION = 0 as SessionId;
const NO_SEQ = 0 as Seq;
const MEMBER = 4711;

interface FakeGroup {
  machine: Machine;
  index: number;
  stamp: number;
  timer: NodeJS.Timeout | null;
  /** Long polls of queues. */
  waits: Set<() => void>;
}

/** A member of one, without disk or network: the real machines behind the port that HTTP sees. */
export class FakeMember implements MemberPort {
  readonly registry = new Registry();
  readonly #groups: FakeGroup[] = [];
  readonly #listeners = new Map<SessionId, Set<(push: Push) => void>>();
  readonly #coordination: CoordinationMachine;
  readonly #refusals: { op: number; group: number | null; error: unknown }[] = [];
  readonly written: Command[] = [];
  /** Sessions in the order of their keepalives. */
  readonly keptAlive: SessionId[] = [];
  readonly calls: unknown[][] = [];
  /** False: declared queues stay unknown to the data groups until `configureQueues`. */
  drivesCatalogue = true;
  /** False: pushes are lost, as in a failover. */
  delivers = true;
  admitted = true;
  reason: string | null = null;
  /** Runs before each write is applied. */
  beforeWrite: (command: Command) => Promise<void> | void = () => {};

  constructor(shards = 3) {
    for (let group = 0; group <= shards; group++) {
      const machine = createMachine({ group: group as GroupId });
      this.#groups.push({ machine, index: 0, stamp: 0, timer: null, waits: new Set() });
    }
    this.#coordination = this.#groups[0]?.machine as CoordinationMachine;
    this.#apply(COORDINATION_GROUP, [
      Op.Genesis,
      1,
      NO_SESSION,
      NO_SEQ,
      NO_SEQ,
      'cluster-1',
      shards,
      MEMBER as MemberId,
      0 as Ordinal,
    ]);
    for (let group = 1; group <= shards; group++) {
      this.#apply(group as GroupId, [
        Op.SlotsAssign,
        1,
        NO_SESSION,
        NO_SEQ,
        NO_SEQ,
        this.#coordination.slotEpoch(),
        group,
        assignSlots(shards),
      ]);
    }
  }

  stop(): void {
    for (const group of this.#groups) if (group.timer !== null) clearTimeout(group.timer);
  }

  /** The next write or query of this operation fails with the error, on any group or on one. */
  refuse(op: number, error: ErrorCode | Error, group: number | null = null): void {
    const thrown = typeof error === 'string' ? new MemberError(error, `refused with ${error}`) : error;
    this.#refusals.push({ op, group, error: thrown });
  }

  #throwRefusal(op: number, group: number): void {
    const at = this.#refusals.findIndex(
      (refusal) => refusal.op === op && (refusal.group === null || refusal.group === group),
    );
    if (at >= 0) throw this.#refusals.splice(at, 1)[0]?.error;
  }

  configureQueues(): void {
    for (const [name, generation, config] of this.#coordination.catalogue()) {
      for (let group = 1; group < this.#groups.length; group++) {
        this.#apply(group as GroupId, [
          Op.QueueConfigure,
          1,
          NO_SESSION,
          NO_SEQ,
          NO_SEQ,
          name,
          generation,
          config,
        ]);
      }
    }
  }

  expireSession(session: SessionId): void {
    this.#apply(COORDINATION_GROUP, [Op.SessionExpire, 1, NO_SESSION, NO_SEQ, NO_SEQ, [session]]);
  }

  #group(group: GroupId): FakeGroup {
    const found = this.#groups[group];
    if (found === undefined) throw new MemberError('UNAVAILABLE', `there is no group ${group}`);
    return found;
  }

  #apply(group: GroupId, command: Command): Outcome {
    const state = this.#group(group);
    state.index++;
    state.stamp = Math.max(state.stamp, Date.now());
    const outcome = state.machine.apply(command, state.stamp as StampMs, state.index as LogIndex);
    for (const { session, push } of state.machine.takePushes()) {
      if (!this.delivers) continue;
      for (const listener of this.#listeners.get(session) ?? []) listener(push);
    }
    if (state.machine.takeReadyQueues().size > 0) for (const wake of [...state.waits]) wake();
    this.#scheduleExpiry(group, state);
    return outcome;
  }

  #scheduleExpiry(group: GroupId, state: FakeGroup): void {
    if (state.timer !== null) clearTimeout(state.timer);
    state.timer = null;
    const due = state.machine.nextDueStampMs();
    if (due === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(Math.max(0, due - Date.now()), 60_000);
    state.timer = setTimeout(() => {
      this.#apply(group, [Op.Expire, 1, NO_SESSION, NO_SEQ, NO_SEQ]);
    }, ms);
  }

  async write<C extends Command>(
    group: GroupId,
    command: C,
  ): Promise<{ index: LogIndex; value: ReplyOf<C> }> {
    this.#throwRefusal(command[0], group);
    const refusal = refuseCommand(command);
    if (refusal !== null) throw new MemberError(refusal.code, refusal.message);
    await this.beforeWrite(command);
    this.written.push(command);
    const outcome = this.#apply(group, command);
    if (this.drivesCatalogue && (command[0] === Op.QueueDeclare || command[0] === Op.QueueDelete)) {
      this.configureQueues();
    }
    return { index: this.#group(group).index as LogIndex, value: outcomeValue(outcome) as ReplyOf<C> };
  }

  async read<Q extends Query>(
    group: GroupId,
    query: Q,
    _level: ReadLevelValue,
    mark: LogIndex,
    signal?: AbortSignal,
  ): Promise<{ index: LogIndex; value: AnswerOf<Q> }> {
    this.#throwRefusal(query[0], group);
    const state = this.#group(group);
    if (mark > state.index) throw new MemberError('TIMEOUT', 'this member is too far behind');
    if (query[0] === QueryOp.QueueWait) {
      const ready = await this.#waitForQueue(state, query, signal);
      return { index: state.index as LogIndex, value: [ready] as unknown as AnswerOf<Q> };
    }
    const outcome = state.machine.query(query);
    if (outcome === null) throw new MemberError('UNSUPPORTED', 'not of this group');
    return { index: state.index as LogIndex, value: outcomeValue(outcome) as unknown as AnswerOf<Q> };
  }

  #waitForQueue(
    state: FakeGroup,
    query: Extract<Query, readonly [typeof QueryOp.QueueWait, ...unknown[]]>,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const finish = (ready: boolean): void => {
        clearTimeout(timer);
        state.waits.delete(look);
        signal?.removeEventListener('abort', cancel);
        resolve(ready);
      };
      const look = (): void => {
        const outcome = state.machine.query(query);
        if (outcome === null || !outcome.ok || outcome.value[0] === true) finish(true);
      };
      const cancel = (): void => {
        finish(false);
        reject(new MemberError('CANCELLED', 'the wait was cancelled'));
      };
      const timer = setTimeout(() => finish(false), query[2]);
      state.waits.add(look);
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted === true) cancel();
      else look();
    });
  }

  /** Long polls that wait now. */
  get waiting(): number {
    return this.#groups.reduce((sum, { waits }) => sum + waits.size, 0);
  }

  get watched(): number {
    return [...this.#listeners.values()].reduce((sum, listeners) => sum + listeners.size, 0);
  }

  async keepAlive(group: GroupId, sessions: readonly SessionId[]): Promise<void> {
    for (const session of sessions) {
      const outcome = this.#group(group).machine.query([QueryOp.SessionInspect, session]);
      if (outcome?.ok !== true || outcome.value[0] !== true) {
        throw new MemberError('SESSION_EXPIRED', `session ${session} expired or never existed`);
      }
      this.keptAlive.push(session);
    }
  }

  async watchSession(
    group: GroupId,
    session: SessionId,
    listener: (push: Push) => void,
  ): Promise<() => void> {
    await this.keepAlive(group, [session]);
    const listeners = this.#listeners.get(session) ?? new Set();
    this.#listeners.set(session, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  slotTable(): Uint8Array | null {
    return this.#coordination.slotTable();
  }

  clusterId(): string | null {
    return this.admitted ? this.#coordination.clusterId() : null;
  }

  identity(): IdentityView {
    return {
      memberId: MEMBER,
      clusterId: this.clusterId(),
      empty: false,
      ordinal: 0,
      version: '0.1.0',
      damaged: null,
      groups: [],
    };
  }

  status(): MemberStatus | null {
    if (!this.admitted) return null;
    const groups = this.#groups.map((state, group): GroupView => {
      const member = { id: MEMBER, ordinal: 0 };
      return {
        group,
        role: 'leader',
        membership: 'voter',
        term: 1,
        leader: MEMBER,
        commit: state.index,
        applied: state.index,
        lastIndex: state.index,
        configuration: { voters: [member], learners: [] },
        configurationCommitted: true,
        featureLevel: 1,
        progress: [],
      };
    });
    return {
      memberId: MEMBER,
      ordinal: 0,
      clusterId: 'cluster-1',
      version: '0.1.0',
      ready: this.reason === null,
      notReadyReason: this.reason,
      freeBytes: 1e9,
      featureLevel: 1,
      groups,
      roster: { version: 1, members: [{ memberId: MEMBER, ordinal: 0, target: 'voter' }], tombstones: [] },
    };
  }

  addresses(): readonly MemberAddress[] {
    return [
      { id: MEMBER as MemberId, ordinal: 0 as Ordinal, client: 'member-0:7400', http: 'member-0:7402' },
    ];
  }

  notReadyReason(): string | null {
    return this.reason;
  }

  async bootstrap(clusterId: string, shards: number): Promise<void> {
    this.calls.push(['bootstrap', clusterId, shards]);
    if (clusterId !== 'cluster-1') throw new MemberError('CONFLICT', 'the volume has another cluster');
  }

  async changeRoster(expectedVersion: number, changes: readonly RosterChangeView[]): Promise<number> {
    this.calls.push(['roster', expectedVersion, changes]);
    if (expectedVersion !== 1) throw new MemberError('CONFLICT', 'the roster has version 1');
    return 2;
  }

  async handover(): Promise<number[]> {
    this.calls.push(['handover']);
    return [0, 2];
  }

  async transfer(group: GroupId, to: number): Promise<boolean> {
    this.calls.push(['transfer', group, to]);
    if (group !== COORDINATION_GROUP) throw new MemberError('NOT_LEADER', 'another member leads');
    return true;
  }

  async reset(memberId: number): Promise<void> {
    this.calls.push(['reset', memberId]);
    if (memberId !== MEMBER) throw new MemberError('CONFLICT', 'that is another member');
  }

  async recover(memberId: number, clusterId: string, newClusterId: string): Promise<void> {
    this.calls.push(['recover', memberId, clusterId, newClusterId]);
    if (memberId !== MEMBER) throw new MemberError('CONFLICT', 'that is another member');
  }
}

function outcomeValue(outcome: Outcome): readonly unknown[] {
  if (outcome.ok) return outcome.value;
  throw new MemberError(outcome.code, outcome.message, { detail: outcome.detail });
}
