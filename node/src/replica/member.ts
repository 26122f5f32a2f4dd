import {
  COORDINATION_GROUP,
  type Command,
  type GroupId,
  type HelloReply,
  LIMITS,
  type LogIndex,
  type MemberId,
  Op,
  type Ordinal,
  PROTOCOL_VERSION,
  type Reply,
  ReplyKind,
  RequestKind,
  type StampMs,
  type Term,
} from '@synccluster/client/protocol';
import { pack, packCommand, WireError } from '@synccluster/client/wire';
import type { Logger } from 'pino';
import { MemberError } from '../errors.ts';
import type { CoordinationMachine, DataMachine } from '../machines/index.ts';
import { EMPTY_STATE } from '../raft/index.ts';
import { type Configuration, type Entry, EntryKind, type RestoredState } from '../raft/types.ts';
import type { Storage, WalRecord } from '../storage/storage.ts';
import type { Peer, PeerMessage, Transport, TransportHandler, Vitals } from '../transport/transport.ts';
import { CatalogueDriver } from './catalogueDriver.ts';
import { ClusterClock } from './clusterClock.ts';
import { type Connection, FlushSet } from './connection.ts';
import type { GroupContext, ReplicaTuning } from './context.ts';
import { internal, LeaderDuties } from './duties.ts';
import { Forwarded, RemoteConnections } from './forwarding.ts';
import { type AfterPersist, Group } from './group.ts';
import { LocalConnection } from './localConnection.ts';
import { PeerBook } from './peerBook.ts';
import { Router } from './router.ts';

export interface MemberOptions {
  readonly ordinal: Ordinal;
  /** `host:port` of the client listener as others reach it. */
  readonly clientAddress: string;
  readonly tuning: ReplicaTuning;
  /** Below this much free disk on any voter, what grows is refused. */
  readonly diskReserveBytes: number;
  readonly logger: Logger;
  readonly storage: Storage;
  /** This member is wrong or its disk is: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** How long a member that was asked to give its leaderships away takes none. */
const RELUCTANT_MS = 60_000;
const FREE_BYTES_EVERY_MS = 2_000;
const GROUPS_MAX = 65;

/** One member: its groups over one log and one link per peer, and the loop that drives them. */
export class Member implements TransportHandler {
  readonly options: MemberOptions;
  readonly groups = new Map<GroupId, Group>();
  readonly router: Router;
  readonly local = new LocalConnection();
  readonly book: PeerBook;
  /** Cache reads answered by this member; not replicated. */
  readonly cacheReads = { hits: 0, misses: 0 };
  readonly #duties = new Map<GroupId, LeaderDuties>();
  readonly #flushes = new FlushSet();
  readonly #forwarded = new Forwarded();
  readonly #remotes: RemoteConnections;
  readonly #clock = new ClusterClock();
  readonly #catalogue: CatalogueDriver;
  readonly #context: GroupContext;
  /** Client connections that said hello: told when leaders or addresses change. */
  readonly #clients = new Set<Connection>();
  #told = '';
  #transport: Transport | null = null;
  #clusterId: string | null;
  /** Founding and being admitted exclude each other and themselves. */
  #joining: Promise<void> = Promise.resolve();
  #freeBytes = Number.MAX_SAFE_INTEGER;
  /** As of the last tick: asked for each write. */
  #diskFull = false;
  #damage: string | null;
  #nextFreeBytesMs = 0;
  #reluctantUntilMs = 0;
  #passAsked = false;
  /** What waits for each log batch in flight, oldest first. */
  readonly #writing: AfterPersist[][] = [];
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: MemberOptions) {
    this.options = options;
    const { storage, logger } = options;
    this.#clusterId = storage.identity.clusterId;
    const { damage } = storage.recovered;
    this.#damage = damage === null ? null : `${damage.file} at byte ${damage.offset}: ${damage.reason}`;
    const self = { id: storage.identity.memberId as MemberId, ordinal: options.ordinal };
    this.book = new PeerBook(self, options.clientAddress);
    this.#remotes = new RemoteConnections(this.#flushes, (to, message) => this.#context.send(to, message));
    this.#context = {
      self,
      logger,
      tuning: options.tuning,
      snapshots: storage.snapshots,
      clock: this.#clock,
      nowMs: () => performance.now(),
      wallMs: () => Date.now(),
      send: (to, message) => this.#transport?.send(to, message) ?? false,
      wake: () => this.wake(),
      mayLead: (id) => this.#isUp(id) && this.book.vitals(id)?.reluctant === false,
      diskNearlyFull: () => this.#diskFull,
      roster: () => this.#roster(),
      isOutOfDataGroups: (id) => this.#isOutOfDataGroups(id),
      fatal: (error) => this.#fatal(error),
    };
    this.#catalogue = new CatalogueDriver(this.groups, async (group, command) => {
      try {
        await this.call(group, command);
      } finally {
        this.wake();
      }
    });
    this.router = new Router({
      group: (id) => this.groups.get(id),
      stopped: () => this.#stopped,
      groupCount: () => this.groupCount(),
      nowMs: () => performance.now(),
      forward: (to, connection, request, frame, deduplicated) => {
        // Without its link to this member there would be no answer.
        const sent =
          this.#isUp(to) && this.#context.send(to, { kind: 'forward', token: connection.id, frame });
        if (sent) this.#forwarded.add(to, connection, request, deduplicated);
        this.wake();
        return sent;
      },
      cancelForwarded: (connection, request) => this.#cancelForwarded(connection, request),
      cacheRead: (hit) => {
        if (hit) this.cacheReads.hits += 1;
        else this.cacheReads.misses += 1;
      },
      hello: (connection) => this.#hello(connection),
      wake: () => this.wake(),
    });
  }

  get self(): Peer {
    return this.#context.self;
  }
  get clusterId(): string | null {
    return this.#clusterId;
  }
  get damage(): string | null {
    return this.#damage;
  }
  get freeBytes(): number {
    return this.#freeBytes;
  }
  get reluctant(): boolean {
    return performance.now() < this.#reluctantUntilMs;
  }
  /** Group 0's state as this member has applied it; null until the cluster's first command is. */
  coordination(): CoordinationMachine | null {
    const machine = this.groups.get(COORDINATION_GROUP)?.machine as CoordinationMachine | undefined;
    return machine === undefined || machine.shards() === 0 ? null : machine;
  }
  /** 1 + shards; 0 until group 0's state says so. */
  groupCount(): number {
    const machine = this.coordination();
    return machine === null ? 0 : machine.shards() + 1;
  }

  /** Opens what the log gave back. A damaged member opens nothing: it stays visible and has no vote. */
  async open(): Promise<void> {
    const { recovered } = this.options.storage;
    if (recovered.damage !== null) return;
    try {
      for (const [id, restored] of recovered.groups)
        this.#adopt(await Group.open(id, this.#context, restored));
    } catch (error) {
      // A snapshot that passed its checksums and still is none: as lost as one that does not.
      this.options.logger.error({ err: error }, 'a snapshot cannot be restored');
      this.#damage = error instanceof Error ? error.message : String(error);
      this.groups.clear();
      this.#duties.clear();
    }
  }

  /** Starts the clock once peers can be reached. */
  start(transport: Transport): void {
    this.#transport = transport;
    void this.#refreshFreeBytes();
    this.#refreshPeers();
    for (const group of this.groups.values()) {
      const { voters } = group.status().configuration;
      if (voters.length === 1 && voters[0]?.id === this.self.id) group.core.campaign();
    }
    // After a stall timers fire before the sockets are read: what to do about silence is decided after that.
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), this.options.tuning.tickMs);
    this.wake();
  }

  /** Founds the cluster with this member as the only voter of every group. Idempotent for the same id. */
  bootstrap(clusterId: string, shards: number): Promise<void> {
    return this.#oneAtATime(() => this.#bootstrap(clusterId, shards));
  }

  async #bootstrap(clusterId: string, shards: number): Promise<void> {
    if (this.damage !== null)
      throw new MemberError('CONFLICT', `this member's volume is damaged: ${this.damage}`);
    if (this.#clusterId !== null && this.#clusterId !== clusterId) {
      throw new MemberError('CONFLICT', `this member belongs to cluster ${this.#clusterId}`);
    }
    if (this.groups.size > 0) {
      if (this.#clusterId === clusterId) return;
      throw new MemberError('CONFLICT', 'this member has data already');
    }
    await this.#join(clusterId);
    const founding: Entry = {
      index: 1 as LogIndex,
      term: 1 as Term,
      kind: EntryKind.Configuration,
      stampMs: 0 as StampMs,
      data: new Uint8Array(0),
      configuration: { voters: [{ id: this.self.id, ordinal: this.self.ordinal }], learners: [] },
    };
    const restored: RestoredState = {
      hardState: { term: 1 as Term, vote: 0 },
      snapshot: null,
      entries: [founding],
    };
    const records: WalRecord[] = [];
    for (let group = 0 as GroupId; group <= shards; group = (group + 1) as GroupId) {
      records.push({ type: 'hardState', group, hardState: restored.hardState });
      records.push({ type: 'entries', group, entries: restored.entries });
    }
    await new Promise<void>((resolve) => this.options.storage.wal.write(records, resolve));
    for (let group = 0 as GroupId; group <= shards; group = (group + 1) as GroupId) {
      this.#adopt(await Group.open(group, this.#context, restored));
    }
    for (const group of this.groups.values()) group.core.campaign();
    this.#founding = { clusterId, shards };
    this.options.logger.info({ clusterId, shards }, 'founds the cluster');
    this.wake();
  }
  #founding: { clusterId: string; shards: number } | null = null;

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
    this.#reluctantUntilMs = performance.now() + RELUCTANT_MS;
    const led = (): GroupId[] => [...this.groups.values()].filter((g) => g.isLeader).map((g) => g.id);
    const deadline = performance.now() + waitMs;
    while (!this.#stopped && led().length > 0 && performance.now() < deadline) {
      let possible = false;
      for (const id of led()) possible = this.#duties.get(id)!.giveAway() || possible;
      this.wake();
      // Nobody to give to: a lone voter keeps what it has.
      if (!possible && led().every((id) => this.groups.get(id)!.status().transferee === 0)) break;
      await new Promise((resolve) => setTimeout(resolve, this.options.tuning.tickMs));
    }
    return led();
  }

  clientClosed(connection: Connection): void {
    this.#clients.delete(connection);
    for (const group of this.groups.values()) group.dropConnection(connection);
    for (const peer of this.#forwarded.drop(connection)) {
      this.#transport?.send(peer, { kind: 'forwardClosed', token: connection.id });
    }
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
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const group of this.groups.values()) group.stop();
    this.#flushes.flush();
    this.#transport?.flush();
    await this.#transport?.close();
    // What other members were to answer: their links are gone now.
    this.#flushes.flush();
    await beforeRelease();
    await this.options.storage.close();
  }

  // ---- the loop ----------------------------------------------------------------------------------------

  /** Asks for a pass at the end of this turn: all that comes in one turn shares it. */
  wake(): void {
    if (this.#passAsked || this.#stopped) return;
    this.#passAsked = true;
    setImmediate(() => this.#pass());
  }

  #pass(): void {
    this.#passAsked = false;
    if (this.#stopped) return;
    try {
      const logBusy = this.#writing.length > 0;
      const records: WalRecord[] = [];
      const after: AfterPersist[] = [];
      for (const group of this.groups.values()) group.beforeReady(logBusy);
      for (const group of this.groups.values()) group.takeReady(records, after);
      if (records.length > 0) this.#write(records, after);
      else if (after.length > 0) this.#promiseBehindWrites(after);
      this.#catalogue.run(performance.now());
      // Replies to other members' clients leave through the transport.
      this.#flushes.flush();
      this.#transport?.flush();
    } catch (error) {
      this.#fatal(error);
    }
  }

  #write(records: WalRecord[], after: AfterPersist[]): void {
    this.#writing.push(after);
    this.options.storage.wal.write(records, () => {
      this.#writing.shift();
      this.#persisted(after);
    });
  }

  /** Nothing new to write, but what is promised must be durable: behind the last write, or at once. */
  #promiseBehindWrites(after: AfterPersist[]): void {
    const last = this.#writing.at(-1);
    if (last === undefined) this.#persisted(after);
    else last.push(...after);
  }

  #persisted(after: readonly AfterPersist[]): void {
    if (this.#stopped) return;
    try {
      for (const done of after) done.group.persisted(done);
      this.wake();
    } catch (error) {
      this.#fatal(error);
    }
  }

  #tick(): void {
    if (this.#stopped) return;
    try {
      const now = performance.now();
      this.#diskFull = this.#isDiskNearlyFull();
      for (const group of this.groups.values()) group.tick();
      for (const duties of this.#duties.values()) duties.tick(this.reluctant);
      this.#found();
      this.#refreshPeers();
      this.#tellClients();
      if (now >= this.#nextFreeBytesMs) {
        this.#nextFreeBytesMs = now + FREE_BYTES_EVERY_MS;
        void this.#refreshFreeBytes();
      }
      this.wake();
    } catch (error) {
      this.#fatal(error);
    }
  }

  /** The first command of group 0. The founder may die before it: whoever leads without it repeats it. */
  #found(): void {
    const group = this.groups.get(COORDINATION_GROUP);
    if (group === undefined || !group.isLeader || this.#clusterId === null) return;
    if (this.coordination() !== null || group.applied < group.status().commit) return;
    const shards = this.#founding?.shards ?? this.groups.size - 1;
    group.submitInternal([
      ...internal(Op.Genesis),
      this.#clusterId,
      shards,
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
        this.#catalogue.hold(outcome.value[0] as number, performance.now(), send);
        return true;
      };
    }
    return group;
  }

  /** This member is wrong: ends the process, unless it stops anyway. */
  failed(error: unknown): void {
    this.#fatal(error);
  }

  #fatal(error: unknown): void {
    if (this.#stopped) return;
    this.options.onFatal(error);
  }

  #oneAtATime(work: () => Promise<void>): Promise<void> {
    const done = this.#joining.then(work);
    this.#joining = done.catch(() => {});
    return done;
  }

  async #join(clusterId: string): Promise<void> {
    if (this.#clusterId === clusterId) return;
    if (this.#clusterId !== null)
      throw new MemberError('CONFLICT', `this member belongs to cluster ${this.#clusterId}`);
    await this.options.storage.adopt(clusterId);
    this.#clusterId = clusterId;
  }

  #isUp(peer: MemberId): boolean {
    return this.#transport?.isUp(peer) ?? false;
  }

  #isDiskNearlyFull(): boolean {
    const { diskReserveBytes } = this.options;
    if (this.#freeBytes < diskReserveBytes) return true;
    const voters = this.groups.get(COORDINATION_GROUP)?.status().configuration.voters ?? [];
    return voters.some(
      ({ id }) => (this.book.vitals(id)?.freeBytes ?? Number.MAX_SAFE_INTEGER) < diskReserveBytes,
    );
  }

  async #refreshFreeBytes(): Promise<void> {
    try {
      this.#freeBytes = await this.options.storage.freeBytes();
    } catch (error) {
      this.options.logger.warn({ err: error }, 'free disk space is unknown');
    }
  }

  #roster(): ReturnType<GroupContext['roster']> {
    const machine = this.coordination();
    if (machine === null) return null;
    const { members, tombstones } = machine.roster();
    return { members, tombstones: new Set(tombstones) };
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

  // ---- clients -----------------------------------------------------------------------------------------

  #leaders(): MemberId[] {
    const leaders: MemberId[] = [];
    const count = Math.max(this.groupCount(), this.groups.size);
    for (let id = 0; id < count; id++) {
      leaders.push((this.groups.get(id as GroupId)?.leader ?? 0) as MemberId);
    }
    return leaders;
  }

  #hello(connection: Connection): void {
    const machine = this.coordination();
    if (this.#clusterId === null || machine === null) {
      connection.reply([
        ReplyKind.Error,
        0,
        'UNAVAILABLE',
        'this member does not belong to a cluster yet',
        0,
        0,
      ]);
      return;
    }
    const hello: HelloReply = [
      ReplyKind.Hello,
      PROTOCOL_VERSION,
      this.#clusterId,
      this.self.id,
      this.book.addresses(),
      machine.slotEpoch(),
      machine.slotTable(),
      this.#leaders(),
      { frameBytes: LIMITS.frameBytes },
    ];
    connection.reply(hello);
    if (!connection.forwarded) this.#clients.add(connection);
  }

  #tellClients(): void {
    const leaders = this.#leaders();
    const members = this.book.addresses();
    const state = JSON.stringify([leaders, members]);
    if (state === this.#told) return;
    this.#told = state;
    const news: Reply = [ReplyKind.Leaders, members, leaders];
    for (const connection of this.#clients) connection.reply(news);
    // Watchers inside this process must be attached at the new leader.
    for (const group of this.groups.values()) {
      const sessions = this.local.watched(group.id);
      if (sessions.length === 0 || group.leader === 0) continue;
      this.local
        .request((request) => this.router.keepAliveLocal(this.local, request, group.id, sessions))
        .answer.catch(() => {});
    }
  }

  #cancelForwarded(connection: Connection, request: number): void {
    const peers = this.#forwarded.peersOf(connection);
    for (const peer of peers) {
      this.#transport?.send(peer, { kind: 'forward', token: connection.id, frame: cancelFrame(request) });
    }
    if (peers.length > 0) this.wake();
  }

  // ---- peers (TransportHandler) ------------------------------------------------------------------------

  identity(): { id: MemberId; ordinal: Ordinal; clusterId: string | null } {
    return { ...this.self, clusterId: this.#clusterId };
  }

  vitals(): Vitals {
    return { wallMs: Date.now(), freeBytes: this.#freeBytes, reluctant: this.reluctant || this.#stopped };
  }

  clientAddress(): string {
    return this.options.clientAddress;
  }

  admit(clusterId: string): Promise<void> {
    return this.#oneAtATime(async () => {
      if (this.damage !== null) throw new MemberError('CONFLICT', 'this member is damaged');
      if (this.#clusterId === clusterId) return;
      await this.#join(clusterId);
      this.options.logger.info({ clusterId }, 'admitted to the cluster');
    });
  }

  onVitals(from: MemberId, vitals: Vitals): void {
    this.book.setVitals(from, vitals);
    this.#clock.observe(from, vitals.wallMs, performance.now());
  }

  onHello(peer: Peer, clientAddress: string): void {
    this.book.met(peer, clientAddress);
  }

  onLink(peer: MemberId, up: boolean): void {
    if (up) {
      this.#remotes.linkUp(peer);
    } else {
      this.#forwarded.linkLost(peer);
      for (const group of this.groups.values()) group.snapshotSender.linkLost(peer);
    }
    this.wake();
  }

  onCallerLost(peer: MemberId): void {
    this.#forwarded.linkLost(peer);
    for (const closed of this.#remotes.closePeer(peer)) {
      for (const group of this.groups.values()) group.dropConnection(closed);
    }
    this.wake();
  }

  onMessage(from: MemberId, message: PeerMessage): void {
    if (this.#stopped || this.damage !== null) return;
    try {
      this.#take(from, message);
    } catch (error) {
      // What a peer sent cannot be read: its link ends, and nothing else.
      if (error instanceof WireError) throw error;
      this.#fatal(error);
    }
    this.wake();
  }

  #take(from: MemberId, message: PeerMessage): void {
    switch (message.kind) {
      case 'raft':
        if (message.message.from !== from || message.message.to !== this.self.id) return;
        this.#groupFor(message.group)?.core.step(message.message);
        return;
      case 'forward':
        this.#takeForwarded(from, message.token, message.frame);
        return;
      case 'forwardReply':
        this.#forwarded.answered(from, message.token, message.requests, message.frames);
        return;
      case 'forwardClosed': {
        const closed = this.#remotes.close(from, message.token);
        if (closed !== null) for (const group of this.groups.values()) group.dropConnection(closed);
        return;
      }
      case 'snapshotChunk':
        this.#groupFor(message.group)?.snapshotReceiver.take(from, message);
        return;
      case 'snapshotAck':
        this.groups
          .get(message.group)
          ?.snapshotSender.acked(from, message.transfer, message.sequence, message.done, message.ok);
        return;
    }
  }

  #takeForwarded(from: MemberId, token: number, frame: Uint8Array): void {
    try {
      this.router.take(this.#remotes.get(from, token), frame);
    } catch (error) {
      if (isInvariant(error)) throw error;
      // The peer passes on what its client sent: that client's fault, not the peer's.
      this.options.logger.warn({ err: error, from }, 'a forwarded request was malformed');
    }
  }

  /** A group that this member was not part of begins with an empty log when its leader calls. */
  #groupFor(id: GroupId): Group | null {
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    const count = this.groupCount() || GROUPS_MAX;
    if (this.#clusterId === null || !Number.isInteger(id) || id < 0 || id >= count) return null;
    return this.#adopt(Group.empty(id, this.#context, EMPTY_STATE));
  }

  /** For readiness: voter everywhere, replayed, a leader heard of lately. */
  notReadyReason(): string | null {
    if (this.damage !== null) return `the volume is damaged: ${this.damage}`;
    if (this.#stopped) return 'the member stops';
    if (this.#clusterId === null) return 'not admitted to a cluster yet';
    const count = this.groupCount();
    if (count === 0) return 'the roster is not known yet';
    for (let id = 0; id < count; id++) {
      const group = this.groups.get(id as GroupId);
      if (group === undefined) return `group ${id} is not known yet`;
      const reason = groupNotReady(group, this.self.id, this.options.tuning.tickMs);
      if (reason !== null) return reason;
      if (id > 0 && !(group.machine as DataMachine).ownsSlots()) return `group ${id} has no slots yet`;
    }
    return null;
  }
}

const NOBODY: Configuration = { voters: [], learners: [] };
const LEADER_SILENT_MS = 10_000;

function groupNotReady(group: Group, self: MemberId, tickMs: number): string | null {
  const status = group.status();
  if (!status.configuration.voters.some((m) => m.id === self)) return `not a voter in group ${group.id}`;
  if (status.silentTicks * tickMs > LEADER_SILENT_MS || (status.leader === 0 && status.commit === 0)) {
    return `no leader of group ${group.id} was heard of in the last ${LEADER_SILENT_MS / 1000} s`;
  }
  return null;
}

/** A core found its own state impossible, whatever the input was that brought it to light. */
export function isInvariant(error: unknown): boolean {
  return error instanceof Error && error.name === 'InvariantError';
}

function cancelFrame(request: number): Uint8Array {
  return pack([RequestKind.Cancel, request]);
}
