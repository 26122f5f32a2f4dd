import type { LogIndex, MemberId, Ordinal, StampMs, Term } from '@synccluster/client/protocol';
import { Raft } from '../raft.ts';
import type {
  Configuration,
  Entry,
  HardState,
  Message,
  RaftOptions,
  Ready,
  RestoredState,
  SnapshotMeta,
} from '../types.ts';
import { EntryKind } from '../types.ts';
import { Checker } from './checker.ts';

/** A small seeded generator (splitmix32): the same seed gives the same run. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

export const member = (id: number): MemberId => id as MemberId;

export function configurationOf(voters: readonly number[], learners: readonly number[] = []): Configuration {
  const members = (ids: readonly number[]) => ids.map((id) => ({ id: member(id), ordinal: id as Ordinal }));
  return { voters: members(voters), learners: members(learners) };
}

const ONE_BYTE = new Uint8Array(1);

export function entryOf(index: number, term: number, rest: Partial<Entry> = {}): Entry {
  return {
    index: index as LogIndex,
    term: term as Term,
    kind: EntryKind.Commands,
    stampMs: 0 as StampMs,
    data: ONE_BYTE,
    configuration: null,
    ...rest,
  };
}

/** The state of a founded group's members: the configuration is entry 1 of term 1. */
export function founded(configuration: Configuration): RestoredState {
  const entry = entryOf(1, 1, { kind: EntryKind.Configuration, data: new Uint8Array(0), configuration });
  return { hardState: { term: 1 as Term, vote: 0 }, snapshot: null, entries: [entry] };
}

interface Disk {
  hardState: HardState;
  snapshot: SnapshotMeta | null;
  entries: Entry[];
}

/** What one ready gave to the log: durable in order, each whole. */
interface Batch {
  readonly hardState: HardState | null;
  readonly entries: readonly Entry[];
  readonly after: readonly Message[];
  readonly install: SnapshotMeta | null;
}

export interface SimMember {
  readonly id: MemberId;
  raft: Raft;
  readonly disk: Disk;
  batches: Batch[];
  /** The log as handed out, durable or not. */
  log: Entry[];
  applied: SnapshotMeta;
  reads: { round: number; index: number }[];
  down: boolean;
}

/** A snapshot on its way, beside the messages. */
interface Stream {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly meta: SnapshotMeta;
}

const OPTIONS: Omit<RaftOptions, 'id' | 'random'> = {
  electionTicks: 10,
  heartbeatTicks: 2,
  maxInflightMessages: 4,
  maxInflightBytes: 4096,
  maxAppendBytes: 512,
  maxUncommittedBytes: 1 << 20,
};

const NOTHING: SnapshotMeta = {
  index: 0 as LogIndex,
  term: 0 as Term,
  stampMs: 0 as StampMs,
  configuration: { voters: [], learners: [] },
};

function replace(log: Entry[], entries: readonly Entry[]): void {
  const first = entries[0];
  if (first === undefined) return;
  while (log.length > 0 && log[log.length - 1]!.index >= first.index) log.pop();
  log.push(...entries);
}

/**
 * Members, their disks and the messages between them, with nothing happening by itself: the test says which message
 * arrives, which write becomes durable, who ticks. Every step is checked against what Raft promises.
 */
export class Network {
  readonly members = new Map<MemberId, SimMember>();
  messages: Message[] = [];
  streams: Stream[] = [];
  readonly checker: Checker;
  private readonly cut = new Set<MemberId>();
  private readonly random: () => number;
  private readonly overrides: Partial<RaftOptions>;

  constructor(seed: number, overrides: Partial<RaftOptions> = {}) {
    this.random = seeded(seed);
    this.overrides = overrides;
    this.checker = new Checker(this.members);
  }

  /** Founded members 1 … n, all voters. */
  static of(count: number, seed = 1, overrides: Partial<RaftOptions> = {}): Network {
    const network = new Network(seed, overrides);
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    const state = founded(configurationOf(ids));
    for (const id of ids) network.add(id, state);
    return network;
  }

  add(id: number, state: RestoredState): SimMember {
    const disk: Disk = { hardState: state.hardState, snapshot: state.snapshot, entries: [...state.entries] };
    const added: SimMember = {
      id: member(id),
      disk,
      raft: this.start(member(id), disk),
      batches: [],
      log: [...disk.entries],
      applied: disk.snapshot ?? NOTHING,
      reads: [],
      down: false,
    };
    this.members.set(added.id, added);
    return added;
  }

  private start(id: MemberId, disk: Disk): Raft {
    const restored = { hardState: disk.hardState, snapshot: disk.snapshot, entries: [...disk.entries] };
    return new Raft({ ...OPTIONS, random: this.random, ...this.overrides, id }, restored);
  }

  get(id: number): SimMember {
    return this.members.get(member(id))!;
  }
  raft(id: number): Raft {
    return this.get(id).raft;
  }

  // ---- Driving one member

  /** Takes all readies, as a driver does after each call. */
  drain(id: number): void {
    const at = this.get(id);
    if (at.down) return;
    for (let ready = at.raft.takeReady(); ready !== null; ready = at.raft.takeReady()) this.take(at, ready);
    this.checker.check(at);
  }

  private take(at: SimMember, ready: Ready): void {
    replace(at.log, ready.entries);
    at.batches.push({
      hardState: ready.hardState,
      entries: ready.entries,
      after: ready.messagesAfterPersist,
      install: ready.install,
    });
    this.messages.push(...ready.messages);
    for (const entry of ready.committed) {
      this.checker.applied(at, entry);
      at.applied = {
        index: entry.index,
        term: entry.term,
        stampMs: entry.stampMs,
        configuration: entry.configuration ?? at.applied.configuration,
      };
    }
    at.raft.applied(at.applied.index);
    for (const read of ready.reads) {
      this.checker.readServed(at, read);
      at.reads.push(read);
    }
    for (const to of ready.snapshotTo) {
      this.streams.push({ from: at.id, to, term: at.raft.term, meta: at.disk.snapshot! });
    }
  }

  private write(at: SimMember, batch: Batch): void {
    if (batch.hardState !== null) at.disk.hardState = batch.hardState;
    replace(at.disk.entries, batch.entries);
    if (batch.install !== null) {
      at.disk.snapshot = batch.install;
      at.disk.entries = [];
    }
  }

  /** The oldest write becomes durable and is reported. */
  syncOne(id: number): boolean {
    const at = this.get(id);
    const batch = at.down ? undefined : at.batches.shift();
    if (batch === undefined) return false;
    this.write(at, batch);
    const last = batch.entries[batch.entries.length - 1];
    if (last !== undefined) at.raft.persisted(last.index, last.term);
    if (batch.install !== null) {
      at.applied = batch.install;
      at.log = [];
      at.raft.snapshotInstalled(batch.install);
    }
    for (const message of batch.after) {
      if (message.to === at.id) at.raft.step(message);
      else this.messages.push(message);
    }
    this.drain(id);
    return true;
  }

  sync(id: number): void {
    while (this.syncOne(id));
  }

  tick(id: number, times = 1): void {
    for (let i = 0; i < times; i += 1) {
      if (this.get(id).down) return;
      this.raft(id).tick();
      this.drain(id);
    }
  }

  propose(id: number, data: Uint8Array = new Uint8Array(8), stampMs = 0): LogIndex | string {
    const result = this.raft(id).propose(stampMs as StampMs, data);
    this.drain(id);
    return result;
  }

  change(id: number, configuration: Configuration): LogIndex | string {
    const result = this.raft(id).proposeConfiguration(0 as StampMs, configuration);
    this.drain(id);
    return result;
  }

  read(id: number): number | null {
    const at = this.get(id);
    const round = at.raft.readIndex();
    if (round !== null) this.checker.readAsked(at, round);
    return round;
  }

  /** Snapshots what is applied; keeps `behind` entries for slow peers. */
  compact(id: number, behind = 0): void {
    const at = this.get(id);
    const meta = at.applied;
    if (at.down || meta.index === 0 || meta.index <= (at.disk.snapshot?.index ?? 0)) return;
    at.disk.snapshot = meta;
    at.disk.entries = at.disk.entries.filter((entry) => entry.index > meta.index);
    at.raft.compact(meta, Math.max(1, meta.index + 1 - behind) as LogIndex);
    this.drain(id);
  }

  /** Loses what is not durable; `keep` of the writes under way made it to the disk without a report. */
  crash(id: number, keep = 0): void {
    const at = this.get(id);
    for (const batch of at.batches.slice(0, keep)) this.write(at, batch);
    at.batches = [];
    at.down = true;
    at.reads = [];
    this.checker.crashed(at);
  }

  restart(id: number): void {
    const at = this.get(id);
    at.down = false;
    at.raft = this.start(at.id, at.disk);
    at.log = [...at.disk.entries];
    at.applied = at.disk.snapshot ?? NOTHING;
    this.drain(id);
  }

  // ---- Moving messages

  isolate(...ids: number[]): void {
    for (const id of ids) this.cut.add(member(id));
  }
  heal(): void {
    this.cut.clear();
  }

  private reaches(from: MemberId, to: MemberId): boolean {
    return !this.cut.has(from) && !this.cut.has(to) && this.members.get(to)?.down === false;
  }

  deliver(message: Message): void {
    if (!this.reaches(message.from, message.to)) return;
    this.members.get(message.to)!.raft.step(message);
    this.drain(message.to);
  }

  deliverStream(stream: Stream): void {
    const ok = this.reaches(stream.from, stream.to);
    if (ok) {
      const { from, to, term, meta } = stream;
      this.deliver({ type: 'snapshot', from, to, term, meta });
    }
    const sender = this.members.get(stream.from)!;
    if (sender.down) return;
    sender.raft.snapshotReported(stream.to, ok);
    this.drain(stream.from);
  }

  /** Writes become durable and messages arrive, in order, until nothing is under way. */
  settle(): void {
    for (let round = 0; ; round += 1) {
      if (round > 10_000) throw new Error('the network does not come to rest');
      for (const id of this.members.keys()) this.sync(id);
      const messages = this.messages;
      const streams = this.streams;
      this.messages = [];
      this.streams = [];
      for (const message of messages) this.deliver(message);
      for (const stream of streams) this.deliverStream(stream);
      const busy = [...this.members.values()].some((at) => !at.down && at.batches.length > 0);
      if (!busy && this.messages.length === 0 && this.streams.length === 0) return;
    }
  }

  /** Time passes for all, with everything arriving between ticks. */
  run(ticks: number): void {
    for (let i = 0; i < ticks; i += 1) {
      for (const id of this.members.keys()) this.tick(id);
      this.settle();
    }
  }

  elect(id: number): void {
    this.raft(id).campaign();
    this.drain(id);
    this.settle();
    if (this.raft(id).role !== 'leader') throw new Error(`member ${id} was not elected`);
  }

  leader(): SimMember | null {
    let found: SimMember | null = null;
    for (const at of this.members.values()) {
      if (at.down || at.raft.role !== 'leader') continue;
      if (found === null || at.raft.term > found.raft.term) found = at;
    }
    return found;
  }
}
