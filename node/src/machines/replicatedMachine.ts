import {
  type Command,
  type GroupId,
  Op,
  PushKind,
  type Query,
  type QueryOp,
  type Seq,
  type SessionId,
  type StampMs,
} from '@synccluster/client/protocol';
import { canonicalHash } from './canonicalHash.ts';
import { type CowTable, Freezer } from './cowMap.ts';
import { FEATURES, type Features, FIRST_LEVEL, serves, TooOldError } from './features.ts';
import { FrozenRecords } from './frozenRecords.ts';
import { InvariantError, invariant } from './invariant.ts';
import { pastLost } from './lostIds.ts';
import type { FrozenState, Machine, MachineOptions, Outcome, PushEvent, SnapshotRecord } from './machine.ts';
import { answer, fail, NOTHING, reply } from './outcome.ts';
import { Section, SNAPSHOT_FORMAT } from './section.ts';
import { type Dequeued, Sessions, type StoredReply } from './sessions.ts';
import { Tokens } from './tokens.ts';

const NO_PUSHES: readonly PushEvent[] = [];

/** What both machines have in common: sessions, exactly-once, feature level, tokens, snapshots. */
export abstract class ReplicatedMachine implements Machine {
  readonly group: GroupId;
  // A restore replaces all of these: a snapshot that is still being read out keeps the old ones to itself.
  protected freezer = new Freezer();
  protected sessionTable = new Sessions(this.freezer);
  protected tokens = new Tokens();
  readonly #features: Features;
  #featureLevel = FIRST_LEVEL;
  #pushes: PushEvent[] = [];

  protected constructor(options: MachineOptions) {
    this.group = options.group;
    this.#features = options.features ?? FEATURES;
  }

  /** Runs a command that has passed the session's checks and is none of those common to both machines. */
  protected abstract execute(command: Command, stampMs: StampMs): Outcome;
  /** Lets everything happen that is due. */
  protected abstract expireDue(stampMs: StampMs): void;
  protected abstract sessionEnded(session: SessionId, stampMs: StampMs): void;
  /** What to keep of an outcome for a resend. */
  protected abstract stored(command: Command, outcome: Outcome): StoredReply;
  /** The reply of a dequeue that was applied before. */
  protected abstract redeliver(dequeued: Dequeued): Outcome;
  /** Few and small: copied when a freeze begins. They come first in a snapshot. */
  protected abstract fixedRecords(): SnapshotRecord[];
  protected abstract tables(): CowTable[];
  protected abstract clear(): void;
  /** False: this machine has no such section. */
  protected abstract restoreRecord(record: SnapshotRecord): boolean;
  protected abstract restored(): void;

  abstract query(query: Query): Outcome | null;
  abstract takeReadyQueues(): ReadonlySet<string>;
  abstract nextDueStampMs(): number;

  featureLevel(): number {
    return this.#featureLevel;
  }

  apply(command: Command, stampMs: StampMs): Outcome {
    const op = command[0];
    if (!serves(this.#features, this.#featureLevel, op)) {
      invariant(this.#features.since.has(op), `the log of group ${this.group} has unknown operation ${op}`);
      // Whoever knows it gives the same answer. No leader proposes it.
      return fail('UNSUPPORTED', `operation ${op} is above feature level ${this.#featureLevel}`);
    }
    const id = command[2];
    if (id === 0) return this.#run(command, stampMs);
    const session = this.sessionTable.get(id);
    if (session === undefined) return fail('SESSION_EXPIRED', `session ${id} does not exist (any more)`);
    const seq = command[3];
    if (seq === 0) return this.#run(command, stampMs);

    const before = this.sessionTable.answered(session, seq);
    if (before !== null) return before.ok === null ? this.redeliver(before) : before;
    const outcome = this.#run(command, stampMs);
    // The command may have ended its own session.
    if (this.sessionTable.get(id) === session) {
      this.sessionTable.store(session, seq, command[4], this.stored(command, outcome));
    }
    return outcome;
  }

  #run(command: Command, stampMs: StampMs): Outcome {
    switch (command[0]) {
      case Op.SessionOpen:
        return reply<'SessionOpen'>([this.sessionTable.open(command[5], command[6])]);
      case Op.SessionClose:
        if (command[2] === 0) return fail('INVALID_ARGUMENT', 'session must name the session to close');
        if (this.sessionTable.end(command[2])) this.sessionEnded(command[2], stampMs);
        return NOTHING;
      case Op.SessionExpire:
        for (const id of command[5]) {
          // The loss is told before the grants that follow from it.
          if (!this.sessionTable.end(id)) continue;
          this.push({ session: id, push: [PushKind.SessionExpired] });
          this.sessionEnded(id, stampMs);
        }
        return NOTHING;
      case Op.Expire:
        this.expireDue(stampMs);
        return NOTHING;
      case Op.FeatureLevel:
        this.#raise(command[5]);
        return reply<'FeatureLevel'>([this.#featureLevel]);
      case Op.Recover: {
        const outcome = this.execute(command, stampMs);
        if (!outcome.ok) return outcome;
        this.sessionTable.lastId = pastLost(this.sessionTable.lastId);
        this.tokens.recovered();
        return outcome;
      }
      default:
        return this.execute(command, stampMs);
    }
  }

  #raise(level: number): void {
    if (level > this.#features.level) throw new TooOldError(this.group, level, this.#features);
    this.#featureLevel = Math.max(this.#featureLevel, level);
  }

  protected unsupported(command: Command): Outcome {
    return fail('UNSUPPORTED', `group ${this.group} does not know operation ${command[0]}`);
  }

  protected inspectSession(
    query: Extract<Query, readonly [typeof QueryOp.SessionInspect, SessionId]>,
  ): Outcome {
    const session = this.sessionTable.get(query[1]);
    return session === undefined
      ? answer<'SessionInspect'>([false, 0 as Seq, 0])
      : answer<'SessionInspect'>([true, (session.last + 1) as Seq, session.ttlMs]);
  }

  protected push(event: PushEvent): void {
    this.#pushes.push(event);
  }

  takePushes(): readonly PushEvent[] {
    if (this.#pushes.length === 0) return NO_PUSHES;
    const taken = this.#pushes;
    this.#pushes = [];
    return taken;
  }

  sessions(): Iterable<readonly [session: SessionId, ttlMs: number]> {
    return this.sessionTable.registrations();
  }

  freeze(): FrozenState {
    return new FrozenRecords(this.freezer, this.#fixedRecords(), this.tables());
  }

  restore(records: Iterable<SnapshotRecord>): void {
    this.#clear();
    try {
      this.#restore(records);
    } catch (error) {
      this.#clear();
      throw error;
    }
  }

  #restore(records: Iterable<SnapshotRecord>): void {
    let count = 0;
    let ended = false;
    for (const record of records) {
      invariant(!ended, 'nothing follows the end of a snapshot');
      invariant((count === 0) === (record[0] === Section.Header), 'a snapshot begins with its one header');
      if (record[0] === Section.End) {
        invariant(record[1] === count, `a snapshot of ${String(record[1])} records came with ${count}`);
        ended = true;
        continue;
      }
      count++;
      if (record[0] === Section.Header) this.#restoreHeader(record);
      else if (record[0] === Section.Session) this.sessionTable.restore(record);
      else if (!this.restoreRecord(record)) {
        throw new InvariantError(`a snapshot of group ${this.group} has no section ${String(record[0])}`);
      }
    }
    invariant(ended, `a snapshot stopped after ${count} records`);
    this.restored();
  }

  digest(): number {
    let sum = 0;
    for (const record of this.#fixedRecords()) sum = (sum + canonicalHash(record)) | 0;
    for (const table of this.tables()) {
      for (const record of table.encoded()) sum = (sum + canonicalHash(record)) | 0;
    }
    return sum >>> 0;
  }

  #fixedRecords(): SnapshotRecord[] {
    return [this.#header(), ...this.fixedRecords()];
  }

  #header() {
    return [
      Section.Header,
      SNAPSHOT_FORMAT,
      this.group,
      this.#featureLevel,
      this.sessionTable.lastId,
      this.tokens.last,
      this.tokens.ahead,
    ] as const;
  }

  #restoreHeader(record: SnapshotRecord): void {
    const [, format, group, featureLevel, lastSession, lastToken, ahead] = record as readonly number[];
    invariant(format === SNAPSHOT_FORMAT, `snapshot format ${format} is unknown`);
    invariant(group === this.group, `a snapshot of group ${group} does not fit group ${this.group}`);
    this.#raise(featureLevel!);
    this.sessionTable.lastId = lastSession!;
    this.tokens.last = lastToken!;
    this.tokens.ahead = ahead!;
  }

  #clear(): void {
    this.freezer = new Freezer();
    this.sessionTable = new Sessions(this.freezer);
    this.tokens = new Tokens();
    this.#featureLevel = FIRST_LEVEL;
    this.#pushes = [];
    this.clear();
  }
}
