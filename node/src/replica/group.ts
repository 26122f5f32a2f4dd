import {
  type Command,
  type GroupId,
  LIMITS,
  type LogIndex,
  type MemberId,
  Op,
  type Query,
  QueryOp,
  ReplyKind,
  type StampMs,
  type Term,
} from '@synccluster/client/protocol';
import { packCommand, unpackMany } from '@synccluster/client/wire';
import { createMachine, InvariantError, serves } from '../machines/index.ts';
import type { Machine, Outcome } from '../machines/machine.ts';
import { Raft } from '../raft/index.ts';
import {
  type Configuration,
  type Entry,
  EntryKind,
  type Message,
  type RaftCore,
  type RaftStatus,
  type RestoredState,
  type SnapshotMeta,
} from '../raft/types.ts';
import type { WalRecord } from '../storage/storage.ts';
import { Attachments } from './attachments.ts';
import { type Connection, replyError } from './connection.ts';
import type { GroupContext } from './context.ts';
import type { GroupDebt } from './diskSpace.ts';
import { Leases } from './leases.ts';
import { LongPolls } from './longPolls.ts';
import { Batch, fail, Proposals } from './proposals.ts';
import { Reads } from './reads.ts';
import { readSnapshot } from './snapshotCodec.ts';
import { SnapshotReceiver } from './snapshotReceiver.ts';
import { SnapshotSender } from './snapshotSender.ts';
import { SnapshotTaker } from './snapshotTaker.ts';

/** Commands of one entry; a larger batch becomes several entries. */
const BATCH_BYTES = 1024 * 1024;
/** While the log is busy, commands collect up to here before they are proposed all the same. */
const HOLD_BYTES = 256 * 1024;
/** Proposed and not applied; beyond it requests are refused as overloaded. */
const UNDECIDED_BYTES = 64 * 1024 * 1024;
/** What a waiting command costs in memory beside its bytes, roughly. */
const COMMAND_OVERHEAD_BYTES = 256;
/** Applying goes on in the next pass after this: what came in from peers and clients must not wait for a long log. */
const APPLY_MS = 20;

/** What happens when a log batch is durable. */
export interface AfterPersist {
  readonly group: Group;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly messages: readonly Message[];
  readonly onDurable?: () => void;
}
const NOTHING_APPENDED = { lastIndex: 0 as LogIndex, lastTerm: 0 as Term };

/** One Raft group on this member: turns commands into entries, drives the core, applies, answers. */
export class Group {
  readonly id: GroupId;
  readonly core: RaftCore;
  readonly machine: Machine;
  readonly reads = new Reads();
  readonly leases = new Leases();
  readonly longPolls = new LongPolls();
  readonly attachments = new Attachments();
  readonly #context: GroupContext;
  readonly #proposals = new Proposals();
  /** Committed, not applied yet; `#committedAt` is where to go on. */
  #committed: readonly Entry[] = [];
  #committedAt = 0;
  readonly #taker: SnapshotTaker;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #acknowledging: ((index: LogIndex) => void) | undefined;
  #batch: Batch;
  #applied: LogIndex;
  #appliedTerm: Term;
  #snapshotIndex: LogIndex;
  #stampMs: StampMs;
  /** Of the entry at `#applied`: a snapshot must not carry a configuration that is not committed. */
  #appliedConfiguration: Configuration;
  #configurationApplied: LogIndex;
  #wasLeader = false;
  #ledSinceMs = 0;
  commandsApplied = 0;
  /** Called for each command applied while leading, before its outcome is sent; true keeps the reply back. */
  onLedOutcome: ((command: Command, outcome: Outcome, send: () => void) => boolean) | null = null;

  private constructor(id: GroupId, context: GroupContext, machine: Machine, restored: RestoredState) {
    this.id = id;
    this.#context = context;
    this.machine = machine;
    this.#applied = restored.snapshot?.index ?? (0 as LogIndex);
    this.#appliedTerm = restored.snapshot?.term ?? (0 as Term);
    this.#snapshotIndex = this.#applied;
    this.#stampMs = restored.snapshot?.stampMs ?? (0 as StampMs);
    this.#appliedConfiguration = restored.snapshot?.configuration ?? { voters: [], learners: [] };
    this.#configurationApplied = this.#applied;
    const { tuning, acknowledging } = context;
    this.#acknowledging = acknowledging && ((index) => acknowledging(id, index));
    this.#batch = new Batch(this.#acknowledging);
    this.core = new Raft(
      {
        id: context.self.id,
        electionTicks: tuning.electionTicks,
        heartbeatTicks: tuning.heartbeatTicks,
        maxInflightMessages: 256,
        maxInflightBytes: 16 * 1024 * 1024,
        maxAppendBytes: 1024 * 1024,
        maxUncommittedBytes: UNDECIDED_BYTES,
        random: context.random,
      },
      restored,
    );
    this.#taker = new SnapshotTaker(this, context);
    this.#sender = new SnapshotSender(this, context);
    this.#receiver = new SnapshotReceiver(this, context);
  }

  /** Restores the state from the group's snapshot, if it has one. Throws `DAMAGED` when that cannot be read. */
  static async open(id: GroupId, context: GroupContext, restored: RestoredState): Promise<Group> {
    const machine = createMachine({ group: id, features: context.features });
    const group = new Group(id, context, machine, restored);
    if (restored.snapshot !== null) {
      const { records, sizeBytes } = await readSnapshot(context.snapshots, id, restored.snapshot);
      machine.restore(records);
      group.#taker.installed(sizeBytes);
    }
    return group;
  }

  /** A group this member was not part of until now. */
  static empty(id: GroupId, context: GroupContext, state: RestoredState): Group {
    return new Group(id, context, createMachine({ group: id, features: context.features }), state);
  }

  get isLeader(): boolean {
    return this.core.role === 'leader';
  }
  get leader(): MemberId | 0 {
    return this.core.leader;
  }
  get applied(): LogIndex {
    return this.#applied;
  }
  get appliedTerm(): Term {
    return this.#appliedTerm;
  }
  /** Index of the newest snapshot that the log is compacted to. */
  get snapshotIndex(): LogIndex {
    return this.#snapshotIndex;
  }
  get stampMs(): StampMs {
    return this.#stampMs;
  }
  get appliedConfiguration(): Configuration {
    return this.#appliedConfiguration;
  }
  get configurationApplied(): LogIndex {
    return this.#configurationApplied;
  }
  /** Monotonic; meaningful while leading. */
  get ledSinceMs(): number {
    return this.#ledSinceMs;
  }
  /** A snapshot is on its way into the place of log and state. */
  get installing(): boolean {
    return this.core.installing;
  }
  status(): RaftStatus {
    return this.core.status();
  }

  // ---- requests ----------------------------------------------------------------------------------------

  /** Takes a validated command for the next entry. Call only on the leader. */
  submit(connection: Connection | null, request: number, packed: Uint8Array, command: Command): void {
    const op = command[0];
    if (!this.#serves(op)) {
      if (connection === null) throw new InvariantError(`operation ${op} is above the level of its group`);
      this.#refuseByLevel(connection, request, op);
      return;
    }
    if (connection !== null && growsStorage(command) && this.#context.disk.refuses(packed.length)) {
      replyError(
        connection,
        request,
        'DISK_FULL',
        'the disk of a member is nearly full: only what frees space is accepted until it is cleared',
      );
      return;
    }
    const undecided = this.#proposals.commands + this.#batch.commands.length;
    const undecidedBytes =
      this.#proposals.sizeBytes + this.#batch.sizeBytes + undecided * COMMAND_OVERHEAD_BYTES;
    if (connection !== null && undecidedBytes > UNDECIDED_BYTES) {
      replyError(connection, request, 'OVERLOADED', 'too many writes are waiting for a quorum');
      return;
    }
    if (this.#batch.sizeBytes > 0 && this.#batch.sizeBytes + packed.length > BATCH_BYTES) this.#propose();
    this.#batch.add(connection, request, packed, command);
    this.#context.wake();
  }

  /** Nothing else is proposed: some member might not know what to do with it. */
  #serves(op: number): boolean {
    return serves(this.#context.features, this.machine.featureLevel(), op);
  }

  /** A refusal is final: so it goes by all that is committed and by a quorum, as a linearizable read does. */
  #refuseByLevel(connection: Connection, request: number, op: number): void {
    this.reads.linearizable((ok) => {
      if (!ok) replyError(connection, request, 'NOT_LEADER', 'the leader changed', this.leader);
      else if (this.#serves(op)) replyError(connection, request, 'UNAVAILABLE', 'the level has just risen');
      else {
        const level = `feature level ${this.machine.featureLevel()} of group ${this.id}`;
        const message = `operation ${op} is not served at ${level}: all members must know it first`;
        replyError(connection, request, 'UNSUPPORTED', message);
      }
    });
    this.#context.wake();
  }

  /** A command of the member's own: nobody waits for its outcome. */
  submitInternal(command: Command): void {
    this.submit(null, 0, packCommand(command), command);
  }

  dropConnection(connection: Connection): void {
    this.longPolls.dropConnection(connection);
    this.attachments.drop(connection);
  }

  /** Answers from applied state; long polls stay until something is ready. */
  answer(connection: Connection, request: number, query: Query): void {
    if (query[0] === QueryOp.QueueWait) {
      const outcome = this.machine.query(query);
      if (outcome?.ok && outcome.value[0] === false && query[2] > 0) {
        this.longPolls.add(connection, request, query[1], this.#context.nowMs() + query[2]);
        return;
      }
    }
    const outcome = this.machine.query(query);
    if (outcome === null) {
      replyError(connection, request, 'INVALID_ARGUMENT', `group ${this.id} does not answer this query`);
    } else if (outcome.ok) {
      connection.reply([ReplyKind.Ok, request, this.#applied, outcome.value]);
    } else {
      replyError(connection, request, outcome.code, outcome.message, this.leader, outcome.detail);
    }
  }

  // ---- driving -----------------------------------------------------------------------------------------

  clusterNow(): StampMs {
    const { clock, self } = this.#context;
    const wallMs = this.#context.wallMs();
    const nowMs = this.#context.nowMs();
    clock.observe(self.id, wallMs, nowMs);
    return clock.now(this.core.status().configuration.voters, nowMs);
  }

  /** First part of a pass. `logBusy`: a write is in flight, so what comes now may as well share the next one. */
  beforeReady(logBusy: boolean): void {
    if (this.#batch.sizeBytes > 0 && (!logBusy || this.#batch.sizeBytes >= HOLD_BYTES)) this.#propose();
    this.reads.startRound(this.core);
  }

  /** Second part of a pass: takes the core's work, adds what is to be written, sends what may go. */
  takeReady(records: WalRecord[], after: AfterPersist[]): void {
    if (this.#compacted !== null) {
      records.push(this.#compacted);
      this.#compacted = null;
    }
    for (let ready = this.core.takeReady(); ready !== null; ready = this.core.takeReady()) {
      if (ready.hardState !== null) {
        records.push({ type: 'hardState', group: this.id, hardState: ready.hardState });
      }
      const last = ready.entries.at(-1);
      if (last !== undefined) records.push({ type: 'entries', group: this.id, entries: ready.entries });
      for (const message of ready.messages) this.#send(message);
      if (last !== undefined || ready.messagesAfterPersist.length > 0) {
        after.push({
          group: this,
          lastIndex: last?.index ?? (0 as LogIndex),
          lastTerm: last?.term ?? (0 as Term),
          messages: ready.messagesAfterPersist,
        });
      }
      if (ready.committed.length > 0) this.#append(ready.committed);
      for (const read of ready.reads) this.reads.confirmed(read.round, read.index);
      for (const peer of ready.snapshotTo) this.#sender.start(peer);
      // Until it is done, what the core gives out holds no entries.
      if (ready.install !== null) this.#install(ready.install, records, after);
    }
    this.#apply();
    this.reads.applied(this.#applied);
    this.#noticeLeadership();
  }

  /** The log batch is durable: promises may leave now. */
  persisted(done: AfterPersist): void {
    done.onDurable?.();
    if (done.lastIndex > 0) this.core.persisted(done.lastIndex, done.lastTerm);
    for (const message of done.messages) {
      if (message.to === this.#context.self.id) this.core.step(message);
      else this.#send(message);
    }
  }

  tick(): void {
    this.core.tick();
    const now = this.#context.nowMs();
    this.reads.overdue(now);
    this.longPolls.overdue(now, this.#applied);
    this.#proposals.overdue(now);
    // Also when nothing is applied: one that did not fit is tried again.
    this.#taker.maybeStart();
  }

  /** What is still to be written for this group. */
  get diskDebt(): GroupDebt {
    return {
      snapshotBytes: this.#taker.lastSizeBytes,
      loggedBytes: this.#taker.loggedBytes,
      undecidedBytes: this.#proposals.sizeBytes + this.#batch.sizeBytes,
    };
  }

  get snapshotSender(): SnapshotSender {
    return this.#sender;
  }
  get snapshotReceiver(): SnapshotReceiver {
    return this.#receiver;
  }

  /** A local snapshot is synced: the log before `keepFrom` may go. */
  compact(meta: SnapshotMeta, keepFrom: LogIndex): void {
    this.core.compact(meta, keepFrom);
    this.#snapshotIndex = meta.index;
    this.#compacted = { type: 'compact', group: this.id, meta, keepFrom };
    this.#context.wake();
  }
  #compacted: WalRecord | null = null;

  stop(): void {
    this.#proposals.abandon();
    fail(this.#batch, () => ['UNAVAILABLE', 'the member stops']);
    this.#batch = new Batch(this.#acknowledging);
    this.longPolls.leadershipLost(0);
    this.reads.abandon();
  }

  #send(message: Message): void {
    this.#context.send(message.to, { kind: 'raft', group: this.id, message });
  }

  #propose(): void {
    const batch = this.#batch;
    this.#batch = new Batch(this.#acknowledging);
    if (this.core.role !== 'leader') {
      fail(batch, () => ['NOT_LEADER', 'this member does not lead the group'], this.leader);
      return;
    }
    const index = this.core.propose(this.clusterNow(), batch.data());
    if (typeof index === 'number') {
      batch.term = this.core.term;
      this.#proposals.add(index, batch);
    } else if (index === 'overloaded') {
      fail(batch, () => ['OVERLOADED', 'too many writes are waiting for a quorum']);
    } else {
      fail(batch, () => ['NOT_LEADER', 'leadership is being handed over'], 0);
    }
  }

  #append(entries: readonly Entry[]): void {
    const left = this.#committed.length - this.#committedAt;
    this.#committed = left === 0 ? entries : [...this.#committed.slice(this.#committedAt), ...entries];
    this.#committedAt = 0;
  }

  #apply(): void {
    if (this.#committedAt === this.#committed.length) return;
    const untilMs = this.#context.nowMs() + APPLY_MS;
    do {
      const entry = this.#committed[this.#committedAt++]!;
      if (entry.index !== this.#applied + 1) {
        throw new Error(`group ${this.id}: entry ${entry.index} follows ${this.#applied}`);
      }
      this.#stampMs = entry.stampMs;
      if (entry.kind === EntryKind.Commands) this.#applyCommands(entry);
      else if (entry.configuration !== null) {
        this.#appliedConfiguration = entry.configuration;
        this.#configurationApplied = entry.index;
      }
      this.#applied = entry.index;
      this.#appliedTerm = entry.term;
      this.#taker.applied(entry);
    } while (this.#committedAt < this.#committed.length && this.#context.nowMs() < untilMs);
    if (this.#committedAt < this.#committed.length) this.#context.wake();
    else this.#forgetCommitted();
    this.core.applied(this.#applied);
    this.#deliver();
    this.#taker.maybeStart();
  }

  #forgetCommitted(): void {
    this.#committed = [];
    this.#committedAt = 0;
  }

  #applyCommands(entry: Entry): void {
    const batch = this.#proposals.take(entry.index, entry.term);
    const commands = batch?.commands ?? this.#unpack(entry);
    this.commandsApplied += commands.length;
    for (let slot = 0; slot < commands.length; slot++) {
      const command = commands[slot]!;
      const outcome = this.machine.apply(command, entry.stampMs, entry.index);
      if (batch === null) continue;
      if (
        this.onLedOutcome?.(command, outcome, () => batch.answer(slot, outcome, entry.index, this.leader)) !==
        true
      ) {
        batch.answer(slot, outcome, entry.index, this.leader);
      }
    }
  }

  /** No leader proposes what does not decode; should it be there all the same, it is nothing, on every member. */
  #unpack(entry: Entry): Command[] {
    try {
      return unpackMany(entry.data) as Command[];
    } catch (error) {
      this.#context.logger.error({ err: error, group: this.id, index: entry.index }, 'an entry is malformed');
      return [];
    }
  }

  /** Every member empties the machine's events; only the leader tells anybody. */
  #deliver(): void {
    const pushes = this.machine.takePushes();
    const ready = this.machine.takeReadyQueues();
    if (!this.isLeader) return;
    for (const { session, push } of pushes) {
      this.attachments.get(session)?.reply([ReplyKind.Push, this.id, session, push]);
    }
    this.longPolls.wake(ready, this.#applied);
  }

  #noticeLeadership(): void {
    const leads = this.core.role === 'leader';
    if (leads === this.#wasLeader) {
      if (!leads && this.reads.asking) this.reads.leadershipLost();
      return;
    }
    this.#wasLeader = leads;
    this.leases.clear();
    if (leads) {
      this.#ledSinceMs = this.#context.nowMs();
      this.#context.logger.info({ group: this.id, term: this.core.term }, 'leads the group');
    } else {
      this.#context.logger.info({ group: this.id, term: this.core.term }, 'no longer leads the group');
      this.#proposals.leadershipLost(this.leader, this.#context.nowMs());
      this.reads.leadershipLost();
      this.longPolls.leadershipLost(this.leader);
      this.attachments.clear();
      this.#sender.cancelAll();
    }
  }

  /** A streamed snapshot takes the place of log and state. */
  #install(meta: SnapshotMeta, records: WalRecord[], after: AfterPersist[]): void {
    // From here on a snapshot of the old state is out of date, one half written included.
    this.#snapshotIndex = meta.index;
    this.#compacted = null;
    this.#forgetCommitted();
    this.#proposals.abandon();
    records.push({ type: 'reset', group: this.id, meta });
    const durable = Promise.withResolvers<void>();
    after.push({ ...NOTHING_APPENDED, group: this, messages: [], onDurable: durable.resolve });
    Promise.all([durable.promise, readSnapshot(this.#context.snapshots, this.id, meta)])
      .then(([, { records, sizeBytes }]) => {
        this.machine.restore(records);
        this.machine.takePushes();
        this.machine.takeReadyQueues();
        this.#applied = meta.index;
        this.#appliedTerm = meta.term;
        this.#stampMs = meta.stampMs;
        this.#appliedConfiguration = meta.configuration;
        this.#configurationApplied = meta.index;
        this.core.snapshotInstalled(meta);
        this.#taker.installed(sizeBytes);
        this.reads.applied(this.#applied);
        this.#context.logger.info({ group: this.id, index: meta.index }, 'snapshot installed');
        this.#context.wake();
      })
      .catch((error: unknown) => this.#context.fatal(error));
  }
}

function growsStorage(command: Command): boolean {
  const op = command[0];
  return op === Op.QueueEnqueue || op === Op.CachePut || op === Op.QueueDeclare;
}

/** How long a session read waits for this member to catch up before it goes to the leader. */
export const CATCH_UP_MS = 50;
/** Bound of a long poll, whatever the request says. */
export const LONG_POLL_MAX_MS = LIMITS.longPollMaxMs;
