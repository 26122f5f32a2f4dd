import type { Clock, Timer } from '@synccluster/client/clock';
import {
  COORDINATION_GROUP,
  type Command,
  type GroupId,
  type LogIndex,
  type MemberId,
  Op,
  type Ordinal,
  QueryOp,
  ReadLevel,
} from '@synccluster/client/protocol';
import { packCommand } from '@synccluster/client/wire';
import type { Logger } from 'pino';
import { MemberError } from '../errors.ts';
import { type CoordinationMachine, FEATURES, type Features, TooOldError } from '../machines/index.ts';
import { EMPTY_STATE } from '../raft/index.ts';
import type { Configuration } from '../raft/types.ts';
import type { Storage } from '../storage/storage.ts';
import type { Listeners, Peer, Transport } from '../transport/transport.ts';
import { Belonging } from './belonging.ts';
import { CatalogueDriver } from './catalogueDriver.ts';
import { ClientNews } from './clientNews.ts';
import { ClusterClock } from './clusterClock.ts';
import { type Connection, FlushSet } from './connection.ts';
import type { GroupContext, ReplicaTuning } from './context.ts';
import { DiskSpace } from './diskSpace.ts';
import { internal, LeaderDuties } from './duties.ts';
import { Group } from './group.ts';
import { LocalConnection } from './localConnection.ts';
import { PassLoop } from './passLoop.ts';
import { PeerBook } from './peerBook.ts';
import { PeerMessages } from './peerMessages.ts';
import { groupsNotReady } from './readiness.ts';
import { groupsToOpen } from './recovery.ts';
import { Router } from './router.ts';

export interface MemberOptions {
  readonly ordinal: Ordinal;
  /** As others reach them. */
  readonly listeners: Listeners;
  readonly tuning: ReplicaTuning;
  /** @default this version's */
  readonly features?: Features;
  /** Free disk that is left on any voter, over what must still be written, when what grows is refused. */
  readonly diskMarginBytes: number;
  readonly logger: Logger;
  readonly storage: Storage;
  /** Time and chance of this member. */
  readonly clock: Clock;
  /** Told just before a client is told that its write stands at `index`; for whoever checks that it does. */
  readonly acknowledging?: (group: GroupId, index: LogIndex) => void;
  /** This member is wrong or its disk is: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** How long a member that was asked to give its leaderships away takes none. */
const RELUCTANT_MS = 60_000;
const GROUPS_MAX = 65;
/** For an answer of group 0 to one of the member's own questions. */
const ASK_MS = 1_000;

/** One member: its groups over one log and one link per peer, put together. */
export class Member {
  readonly options: MemberOptions;
  readonly groups = new Map<GroupId, Group>();
  readonly router: Router;
  readonly local: LocalConnection;
  readonly book: PeerBook;
  /** Cache reads answered by this member; not replicated. */
  readonly cacheReads = { hits: 0, misses: 0 };
  /** What the transport tells of peers. */
  readonly peers: PeerMessages;
  readonly #duties = new Map<GroupId, LeaderDuties>();
  readonly #flushes = new FlushSet();
  readonly #clock = new ClusterClock();
  readonly #catalogue: CatalogueDriver;
  readonly #context: GroupContext;
  readonly #belonging: Belonging;
  readonly #news: ClientNews;
  readonly #loop: PassLoop;
  #transport: Transport | null = null;
  readonly #disk: DiskSpace;
  #damage: string | null;
  #reluctantUntilMs = 0;
  #timer: Timer | null = null;
  #lastConnection = 0;
  #stopped = false;

  constructor(options: MemberOptions) {
    this.options = options;
    const { storage, logger, clock, features = FEATURES } = options;
    this.local = new LocalConnection(this.nextConnectionId());
    const { damage } = storage.recovered;
    this.#damage = damage === null ? null : `${damage.file} at byte ${damage.offset}: ${damage.reason}`;
    const self = { id: storage.identity.memberId as MemberId, ordinal: options.ordinal };
    this.book = new PeerBook(self, options.listeners);
    this.#belonging = new Belonging(storage, self);
    this.#disk = new DiskSpace({
      measure: () => storage.freeBytes(),
      logBytes: () => storage.wal.stats.bytes,
      marginBytes: options.diskMarginBytes,
      debts: () => [...this.groups.values()].map((group) => group.diskDebt),
      othersFreeBytes: () => this.#othersFreeBytes(),
      logger,
    });
    this.#context = {
      self,
      logger,
      tuning: options.tuning,
      features,
      snapshots: storage.snapshots,
      clock: this.#clock,
      nowMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      after: (delayMs, run) => clock.after(delayMs, run),
      random: () => clock.random(),
      send: (to, message) => this.#transport?.send(to, message) ?? false,
      wake: () => this.wake(),
      levelOf: (id) => (id === self.id ? features.level : this.book.level(id)),
      mayLead: (id) => this.#isUp(id) && this.book.vitals(id)?.reluctant === false,
      disk: this.#disk,
      roster: () => this.#roster(),
      askCoordinationIndex: () => this.#askCoordinationIndex(),
      isOutOfDataGroups: (id) => this.#isOutOfDataGroups(id),
      acknowledging: options.acknowledging,
      fatal: (error) => this.failed(error),
    };
    this.#catalogue = new CatalogueDriver(this.groups, async (group, command) => {
      try {
        await this.call(group, command);
      } finally {
        this.wake();
      }
    });
    this.#loop = new PassLoop({
      groups: this.groups,
      wal: storage.wal,
      defer: (run) => clock.defer(run),
      afterApply: () => this.#catalogue.run(clock.monotonicMs()),
      flush: () => {
        // Replies to other members' clients leave through the transport.
        this.#flushes.flush();
        this.#transport?.flush();
      },
      onError: (error) => this.failed(error),
    });
    this.#news = new ClientNews({
      groups: this.groups,
      book: this.book,
      self: self.id,
      clusterId: () => this.clusterId,
      coordination: () => this.coordination(),
      groupCount: () => this.groupCount(),
    });
    this.peers = new PeerMessages({
      self,
      listeners: options.listeners,
      level: features.level,
      groups: this.groups,
      book: this.book,
      clock: this.#clock,
      nowMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      nextConnectionId: () => this.nextConnectionId(),
      flushes: this.#flushes,
      logger,
      clusterId: () => this.clusterId,
      freeBytes: () => this.#disk.freeBytes,
      reluctant: () => this.reluctant || this.#stopped,
      deaf: () => this.#stopped || this.damage !== null,
      admit: (clusterId) => this.#admit(clusterId),
      groupFor: (id) => this.#groupFor(id),
      takeRequest: (connection, frame) => this.router.take(connection, frame),
      isUp: (peer) => this.#isUp(peer),
      send: (to, message) => this.#context.send(to, message),
      wake: () => this.wake(),
      fatal: (error) => this.failed(error),
    });
    this.router = new Router({
      group: (id) => this.groups.get(id),
      stopped: () => this.#stopped,
      groupCount: () => this.groupCount(),
      nowMs: () => clock.monotonicMs(),
      forward: (to, connection, request, frame, deduplicated) =>
        this.peers.forward(to, connection, request, frame, deduplicated),
      cancelForwarded: (connection, request) => this.peers.cancelForwarded(connection, request),
      cacheRead: (hit) => {
        if (hit) this.cacheReads.hits += 1;
        else this.cacheReads.misses += 1;
      },
      hello: (connection) => this.#news.hello(connection),
      wake: () => this.wake(),
    });
  }

  get self(): Peer {
    return this.#context.self;
  }
  get clusterId(): string | null {
    return this.#belonging.clusterId;
  }
  /** Highest feature level that this version knows. */
  get featureLevel(): number {
    return this.#context.features.level;
  }
  get damage(): string | null {
    return this.#damage;
  }
  get freeBytes(): number {
    return this.#disk.freeBytes;
  }
  get reluctant(): boolean {
    return this.options.clock.monotonicMs() < this.#reluctantUntilMs;
  }
  /**
   * Group 0's state as this member has applied it; null until that is the state of this member's cluster: before the
   * first command there is none, and after a forced recovery it is that of the lost cluster first.
   */
  coordination(): CoordinationMachine | null {
    const machine = this.#coordination();
    return machine?.clusterId() === this.clusterId ? machine : null;
  }
  #coordination(): CoordinationMachine | null {
    return (this.groups.get(COORDINATION_GROUP)?.machine as CoordinationMachine | undefined) ?? null;
  }
  /** 1 + shards; 0 until group 0's state says so. */
  groupCount(): number {
    const machine = this.coordination();
    return machine === null ? 0 : machine.shards() + 1;
  }

  /** Opens what the log gave back. A damaged member opens nothing: it stays visible and has no vote. */
  async open(): Promise<void> {
    const { storage, logger } = this.options;
    if (storage.recovered.damage !== null) return;
    if (storage.identity.recovering) {
      logger.warn(
        { clusterId: this.clusterId },
        'goes on alone as a new cluster; acknowledged writes that this member never had are lost',
      );
    }
    const groups = await groupsToOpen(storage, this.self);
    try {
      for (const [id, restored] of groups) this.#adopt(await Group.open(id, this.#context, restored));
    } catch (error) {
      // Its volume is sound, and must not be given up.
      if (error instanceof TooOldError) throw error;
      // A snapshot that passed its checksums and still is none: as lost as one that does not.
      logger.error({ err: error }, 'a snapshot cannot be restored');
      this.#damage = error instanceof Error ? error.message : String(error);
      this.groups.clear();
      this.#duties.clear();
    }
  }

  /** Starts the clock once peers can be reached. */
  start(transport: Transport): void {
    this.#transport = transport;
    void this.#disk.measure();
    this.#refreshPeers();
    for (const group of this.groups.values()) {
      const { voters } = group.status().configuration;
      if (voters.length === 1 && voters[0]?.id === this.self.id) group.core.campaign();
    }
    this.#armTick();
    this.wake();
  }

  /** Founds the cluster with this member as the only voter of every group. Idempotent for the same id. */
  async bootstrap(clusterId: string, shards: number): Promise<void> {
    if (this.damage !== null) {
      throw new MemberError('CONFLICT', `this member's volume is damaged: ${this.damage}`);
    }
    const hasGroups = (): boolean => this.groups.size > 0;
    await this.#belonging.found(clusterId, shards, hasGroups, async (groups) => {
      for (const [id, state] of groups) this.#adopt(await Group.open(id, this.#context, state));
      for (const group of this.groups.values()) group.core.campaign();
      this.options.logger.info({ clusterId, shards }, 'founds the cluster');
      this.wake();
    });
  }

  async #admit(clusterId: string): Promise<void> {
    if (this.damage !== null) throw new MemberError('CONFLICT', 'this member is damaged');
    if (await this.#belonging.admit(clusterId)) {
      this.options.logger.info({ clusterId }, 'admitted to the cluster');
    }
  }

  /** A command of this process, sent to whoever leads the group. Rejects with a `MemberError`. */
  call(
    group: GroupId,
    command: Command,
    signal?: AbortSignal,
  ): Promise<{ index: number; value: readonly unknown[] }> {
    const packed = packCommand(command);
    const { id, answer } = this.local.request((request) => {
      this.router.writePacked(this.local, request, group, packed);
    });
    this.abandonOnAbort(id, signal);
    return answer;
  }

  abandonOnAbort(request: number, signal: AbortSignal | undefined): void {
    const abandon = (): void => {
      this.local.abandon(request, new MemberError('CANCELLED', 'the request was cancelled'));
      this.router.cancel(this.local, request);
    };
    if (signal?.aborted) abandon();
    else signal?.addEventListener('abort', abandon, { once: true });
  }

  /** Gives away every leadership; resolves with the groups still led after `waitMs`. */
  async handover(waitMs = 5_000): Promise<GroupId[]> {
    const { clock, tuning } = this.options;
    this.#reluctantUntilMs = clock.monotonicMs() + RELUCTANT_MS;
    const led = (): GroupId[] => [...this.groups.values()].filter((g) => g.isLeader).map((g) => g.id);
    const deadline = clock.monotonicMs() + waitMs;
    while (!this.#stopped && led().length > 0 && clock.monotonicMs() < deadline) {
      let possible = false;
      for (const id of led()) possible = this.#duties.get(id)!.giveAway() || possible;
      this.wake();
      // Nobody to give to: a lone voter keeps what it has.
      if (!possible && led().every((id) => this.groups.get(id)!.status().transferee === 0)) break;
      await new Promise<void>((resolve) => clock.after(tuning.tickMs, resolve));
    }
    return led();
  }

  /** Peers know a connection of this member by it, for as long as their link to this member lasts. */
  nextConnectionId(): number {
    this.#lastConnection += 1;
    return this.#lastConnection;
  }

  clientClosed(connection: Connection): void {
    this.#news.closed(connection);
    for (const group of this.groups.values()) group.dropConnection(connection);
    this.peers.clientClosed(connection);
    this.wake();
  }

  markDirty(connection: Connection): void {
    this.#flushes.add(connection);
    this.wake();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Answers everything that is under way. `beforeRelease` runs when nothing is written any more. */
  async stop(beforeRelease: () => Promise<void> = async () => {}): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#loop.stop();
    this.#timer?.cancel();
    for (const group of this.groups.values()) group.stop();
    this.#flushes.flush();
    this.#transport?.flush();
    await this.#transport?.close();
    // What other members were to answer: their links are gone now.
    this.#flushes.flush();
    await beforeRelease();
    await this.options.storage.close();
  }

  /** Asks for a pass at the end of this turn: all that comes in one turn shares it. */
  wake(): void {
    this.#loop.wake();
  }

  /** After a stall timers fire before the sockets are read: what to do about silence is decided after that. */
  #armTick(): void {
    const { clock, tuning } = this.options;
    this.#timer = clock.after(tuning.tickMs, () => {
      this.#armTick();
      clock.defer(() => this.#tick());
    });
  }

  #tick(): void {
    if (this.#stopped) return;
    try {
      this.#disk.tick(this.options.clock.monotonicMs());
      for (const group of this.groups.values()) group.tick();
      for (const duties of this.#duties.values()) duties.tick(this.reluctant);
      this.#found();
      this.#refreshPeers();
      if (this.#news.tell()) this.#attachWatchers();
      this.wake();
    } catch (error) {
      this.failed(error);
    }
  }

  /** The first command of group 0. The founder may die before it: whoever leads without it repeats it. */
  #found(): void {
    const group = this.groups.get(COORDINATION_GROUP);
    if (group === undefined || !group.isLeader || this.clusterId === null) return;
    if (this.#coordination()?.shards() !== 0 || group.applied < group.status().commit) return;
    group.submitInternal([
      ...internal(Op.Genesis),
      this.clusterId,
      // The founder's log has all groups from the first moment on.
      this.groups.size - 1,
      this.self.id,
      this.self.ordinal,
    ] as const);
  }

  #adopt(group: Group): Group {
    this.groups.set(group.id, group);
    this.#duties.set(group.id, new LeaderDuties(group, this.#context));
    if (group.id === COORDINATION_GROUP) {
      group.onLedOutcome = (command, outcome, send) => {
        if (!outcome.ok || (command[0] !== Op.QueueDeclare && command[0] !== Op.QueueDelete)) return false;
        this.#catalogue.hold(outcome.value[0] as number, this.options.clock.monotonicMs(), send);
        return true;
      };
    }
    return group;
  }

  /** This member is wrong: ends the process, unless it stops anyway. */
  failed(error: unknown): void {
    if (!this.#stopped) this.options.onFatal(error);
  }

  #isUp(peer: MemberId): boolean {
    return this.#transport?.isUp(peer) ?? false;
  }

  #othersFreeBytes(): number[] {
    const voters = this.groups.get(COORDINATION_GROUP)?.status().configuration.voters ?? [];
    return voters.map(({ id }) => this.book.vitals(id)?.freeBytes ?? Number.MAX_SAFE_INTEGER);
  }

  #roster(): ReturnType<GroupContext['roster']> {
    const machine = this.coordination();
    if (machine === null) return null;
    const { members, tombstones } = machine.roster();
    const index = this.groups.get(COORDINATION_GROUP)!.applied;
    return { members, tombstones: new Set(tombstones), index };
  }

  async #askCoordinationIndex(): Promise<LogIndex> {
    const { id, answer } = this.local.request((request) => {
      const query = [QueryOp.ClusterInspect] as const;
      const level = ReadLevel.Linearizable;
      this.router.readLocal(this.local, request, COORDINATION_GROUP, level, 0 as LogIndex, query);
    });
    const overdue = this.options.clock.after(ASK_MS, () => {
      this.local.abandon(id, new MemberError('UNAVAILABLE', 'group 0 did not answer in time'));
    });
    try {
      return (await answer).index as LogIndex;
    } finally {
      overdue.cancel();
    }
  }

  #isOutOfDataGroups(id: MemberId): boolean {
    for (let group = 1; group < this.groupCount(); group++) {
      // One that this member has nothing of says nothing.
      const { voters, learners } = this.groups.get(group as GroupId)?.appliedConfiguration ?? NOBODY;
      if (voters.length === 0 || [...voters, ...learners].some((m) => m.id === id)) return false;
    }
    return true;
  }

  #refreshPeers(): void {
    const configurations = [...this.groups.values()].map((group) => group.status().configuration);
    if (this.book.refresh(configurations, this.#roster())) this.#transport?.setPeers(this.book.peers());
  }

  /** Watchers inside this process must be attached at the new leaders. */
  #attachWatchers(): void {
    for (const group of this.groups.values()) {
      const sessions = this.local.watched(group.id);
      if (sessions.length === 0 || group.leader === 0) continue;
      this.local
        .request((request) => this.router.keepAliveLocal(this.local, request, group.id, sessions))
        .answer.catch(() => {});
    }
  }

  /** A group that this member was not part of begins with an empty log when its leader calls. */
  #groupFor(id: GroupId): Group | null {
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    const count = this.groupCount() || GROUPS_MAX;
    if (this.clusterId === null || !Number.isInteger(id) || id < 0 || id >= count) return null;
    return this.#adopt(Group.empty(id, this.#context, EMPTY_STATE));
  }

  /** For readiness: voter everywhere, replayed, a leader heard of lately. */
  notReadyReason(): string | null {
    if (this.damage !== null) return `the volume is damaged: ${this.damage}`;
    if (this.#stopped) return 'the member stops';
    if (this.clusterId === null) return 'not admitted to a cluster yet';
    const count = this.groupCount();
    if (count === 0) return 'the roster is not known yet';
    return groupsNotReady(this.groups, count, this.self.id, this.options.tuning.tickMs);
  }
}

const NOBODY: Configuration = { voters: [], learners: [] };
