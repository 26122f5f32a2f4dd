import { createMachine, type Machine, type Outcome } from '../../../src/machines/index.ts';
import {
  asCommand,
  assignSlots,
  type Command,
  type ErrorCode,
  type GroupId,
  type LogIndex,
  type MemberId,
  Op,
  type Ordinal,
  PROTOCOL_MAGIC,
  type Query,
  QueryOp,
  type Reply,
  ReplyKind,
  type Request,
  RequestKind,
  type SessionId,
  type StampMs,
} from '../protocol/index.ts';
import { refuseCommand } from '../protocol/validate.ts';
import type { Link, LinkHandlers, Transport } from '../transport.ts';
import { FrameDecoder, FrameWriter, unpack } from '../wire/index.ts';
import type { VirtualClock } from './virtualClock.ts';

/** What a test lets happen to a request. `lose`: it never arrives; `mute`: it is applied and the reply is lost. */
export type Fate = 'normal' | 'lose' | 'mute' | readonly [code: ErrorCode, leader?: number, detail?: number];

export interface SeenWrite {
  readonly member: number;
  readonly group: number;
  readonly command: Command;
}

interface Poll {
  readonly link: FakeLink;
  readonly request: number;
  readonly group: number;
  readonly query: Query;
}

/**
 * A cluster in memory that speaks the frames: the state machines are the real ones, replication is perfect, and
 * everything in between goes wrong as the test says.
 */
export class FakeCluster implements Transport {
  readonly clock: VirtualClock;
  readonly shards: number;
  readonly members: readonly { readonly id: number; readonly address: string }[];
  clusterId = 'test-cluster';
  /** Leader of each group; 0: none. */
  readonly leaders: number[];
  readonly machines: Machine[] = [];
  readonly #index: number[] = [];
  /** Members that refuse connections. */
  readonly down = new Set<number>();
  /** Advertised addresses cannot be reached; only `endpoint` can, and it leads to this member. */
  behindBalancer: number | null = null;
  readonly writes: SeenWrite[] = [];
  /** Number of chunks that came from the client, by member. */
  chunks = 0;
  dials: string[] = [];
  keepAlives: { member: number; group: number; sessions: readonly number[] }[] = [];
  onWrite: (write: SeenWrite) => Fate = () => 'normal';
  onRead: (group: number, query: Query) => Fate = () => 'normal';
  onKeepAlive: (group: number, member: number) => Fate = () => 'normal';
  /** `mute`: the connection never stands, and nothing tells so. */
  onDial: (member: number) => 'normal' | 'mute' = () => 'normal';
  /** False: a member that does not lead answers NOT_LEADER with a hint. */
  forwarding = true;
  /** False: the catalogue's configuration does not reach the data groups by itself. */
  configuring = true;
  pushing = true;
  /** How long a member's replies are on their way. */
  latencyMs: (member: number) => number = () => 0;
  readonly #links = new Set<FakeLink>();
  readonly #attached = new Map<string, FakeLink>();
  #polls: Poll[] = [];

  constructor(clock: VirtualClock, members = 3, shards = 3) {
    this.clock = clock;
    this.shards = shards;
    this.members = Array.from({ length: members }, (_, i) => ({ id: 101 + i, address: `member-${i}:7400` }));
    this.leaders = Array.from({ length: shards + 1 }, (_, g) => 101 + (g % members));
    const header = [1, 0, 0, 0] as unknown as [1, SessionId, never, never];
    for (let group = 0; group <= shards; group++) {
      this.machines.push(createMachine({ group: group as GroupId }));
      this.#index.push(0);
      this.apply(
        group,
        group === 0
          ? ([Op.Genesis, ...header, this.clusterId, shards, 101 as MemberId, 0 as Ordinal] as Command)
          : ([Op.SlotsAssign, ...header, 1, group, assignSlots(shards)] as Command),
      );
    }
  }

  get endpoints(): string[] {
    return this.members.map(({ address }) => address);
  }

  /** Commands of one kind that the members saw, resends included. */
  seen(op: number): SeenWrite[] {
    return this.writes.filter(({ command }) => command[0] === op);
  }

  apply(group: number, command: Command): Outcome {
    const machine = this.machines[group]!;
    const index = ++this.#index[group]!;
    const outcome = machine.apply(command, Math.floor(this.clock.wallMs()) as StampMs, index as LogIndex);
    for (const { session, push } of machine.takePushes()) {
      const link = this.#attached.get(`${group}/${session}`);
      if (this.pushing) link?.reply([ReplyKind.Push, group as GroupId, session, push]);
    }
    for (const queue of machine.takeReadyQueues()) this.#wake(group, queue);
    const changes = command[0] === Op.QueueDeclare || command[0] === Op.QueueDelete;
    if (changes && this.configuring) this.configure();
    return outcome;
  }

  /** Drives the catalogue into the data groups. */
  configure(): void {
    const inspected = this.machines[0]!.query([QueryOp.ClusterInspect]);
    if (inspected?.ok !== true) throw new Error('no catalogue');
    for (const [name, generation, config] of inspected.value[6] as [string, number, never][]) {
      for (let group = 1; group <= this.shards; group++) {
        this.apply(group, [Op.QueueConfigure, 1, 0, 0, 0, name, generation, config] as unknown as Command);
      }
    }
  }

  /** Lets whatever is due happen: waits that end, messages that come back. */
  expire(group: number): void {
    this.apply(group, [Op.Expire, 1, 0, 0, 0] as unknown as Command);
  }

  expireSession(group: number, session: number): void {
    this.apply(group, [Op.SessionExpire, 1, 0, 0, 0, [session]] as unknown as Command);
  }

  /** Another leader: it does not know where to push, and ends the long polls of the old one. */
  lead(group: number, member: number, announce = true): void {
    this.leaders[group] = member;
    for (const key of [...this.#attached.keys()]) {
      if (key.startsWith(`${group}/`)) this.#attached.delete(key);
    }
    const polls = this.#polls.filter((poll) => poll.group === group);
    this.#polls = this.#polls.filter((poll) => poll.group !== group);
    for (const { link, request } of polls) link.error(request, 'NOT_LEADER', member);
    if (announce) {
      for (const link of this.#links) link.reply([ReplyKind.Leaders, this.#addresses(), [...this.leaders]]);
    }
  }

  /** Breaks every connection to a member, or to all. */
  cut(member?: number): void {
    for (const link of [...this.#links]) {
      if (member === undefined || link.member === member) link.drop();
    }
  }

  get openLinks(): number {
    return this.#links.size;
  }

  dial(address: string, handlers: LinkHandlers): Link {
    this.dials.push(address);
    const target =
      this.behindBalancer === null
        ? this.members.find((member) => member.address === address)?.id
        : address === 'balancer:7400'
          ? this.behindBalancer
          : undefined;
    const link = new FakeLink(this, target ?? 0, handlers);
    this.clock.defer(() => {
      if (target !== undefined && this.onDial(target) === 'mute') return;
      if (target === undefined || this.down.has(target)) link.refuse();
      else if (link.open()) this.#links.add(link);
    });
    return link;
  }

  closed(link: FakeLink): void {
    this.#links.delete(link);
    this.#polls = this.#polls.filter((poll) => poll.link !== link);
    for (const [key, attached] of this.#attached) if (attached === link) this.#attached.delete(key);
  }

  take(link: FakeLink, request: Request): void {
    if (request[0] === RequestKind.Hello) {
      if (request[1] !== PROTOCOL_MAGIC) throw new Error('no hello');
      link.reply([
        ReplyKind.Hello,
        1,
        this.clusterId,
        link.member as MemberId,
        this.#addresses(),
        1,
        assignSlots(this.shards),
        [...this.leaders],
        { frameBytes: 4 * 1024 * 1024 },
      ]);
    } else if (request[0] === RequestKind.Cancel) {
      this.#polls = this.#polls.filter((poll) => poll.link !== link || poll.request !== request[1]);
    } else if (request[0] === RequestKind.Write) {
      this.#write(link, request[1], request[2], request[3]);
    } else if (request[0] === RequestKind.KeepAlive) {
      this.#keepAlive(link, request[1], request[2], request[3]);
    } else {
      this.#read(link, request[1], request[2], request[5]);
    }
  }

  #addresses() {
    return this.members.map(({ id, address }, ordinal) => ({
      id: id as MemberId,
      ordinal: ordinal as Ordinal,
      client: address,
    }));
  }

  /** False: answered already, for nobody who may answer is there. */
  #serves(link: FakeLink, request: number, group: number, fate: Fate): boolean {
    if (fate === 'lose') return false;
    if (typeof fate !== 'string') {
      link.error(request, fate[0], fate[1] ?? 0, fate[2] ?? 0);
      return false;
    }
    const leader = this.leaders[group]!;
    if (leader === link.member) return true;
    if (leader === 0 || this.down.has(leader)) link.error(request, 'UNAVAILABLE');
    else if (!this.forwarding) link.error(request, 'NOT_LEADER', leader);
    else return true;
    return false;
  }

  #write(link: FakeLink, request: number, group: GroupId, packed: Uint8Array): void {
    const value = unpack(packed);
    const refusal = refuseCommand(value);
    const command = asCommand(value);
    const write = { member: link.member, group, command };
    this.writes.push(write);
    const fate = this.onWrite(write);
    if (!this.#serves(link, request, group, fate)) return;
    if (refusal !== null) {
      link.error(request, refusal.code);
      return;
    }
    const outcome = this.apply(group, command);
    if (fate !== 'mute') this.#answer(link, request, group, outcome);
  }

  #keepAlive(link: FakeLink, request: number, group: GroupId, sessions: readonly SessionId[]): void {
    this.keepAlives.push({ member: link.member, group, sessions });
    if (!this.#serves(link, request, group, this.onKeepAlive(group, link.member))) return;
    const known = new Set([...this.machines[group]!.sessions()].map(([session]) => session));
    const unknown = sessions.filter((session) => !known.has(session));
    for (const session of sessions) if (known.has(session)) this.#attached.set(`${group}/${session}`, link);
    this.#answer(link, request, group, { ok: true, value: [unknown] });
  }

  #read(link: FakeLink, request: number, group: GroupId, query: Query): void {
    const fate = this.onRead(group, query);
    if (!this.#serves(link, request, group, fate)) return;
    let outcome = this.machines[group]!.query(query)!;
    if (query[0] === QueryOp.ClusterInspect && outcome.ok) {
      outcome = { ok: true, value: [this.clusterId, ...outcome.value.slice(1)] };
    }
    if (query[0] === QueryOp.QueueWait && outcome.ok && outcome.value[0] === false && query[2] > 0) {
      const poll = { link, request, group, query };
      this.#polls.push(poll);
      this.clock.after(query[2], () => {
        if (!this.#polls.includes(poll)) return;
        this.#polls = this.#polls.filter((other) => other !== poll);
        this.#answer(link, request, group, outcome);
      });
      return;
    }
    if (fate !== 'mute') this.#answer(link, request, group, outcome);
  }

  #wake(group: number, queue: string): void {
    const woken = this.#polls.filter((poll) => poll.group === group && poll.query[1] === queue);
    this.#polls = this.#polls.filter((poll) => !woken.includes(poll));
    for (const { link, request } of woken) this.#answer(link, request, group, { ok: true, value: [true] });
  }

  #answer(link: FakeLink, request: number, group: number, outcome: Outcome): void {
    if (outcome.ok) link.reply([ReplyKind.Ok, request, this.#index[group] as LogIndex, outcome.value]);
    else link.error(request, outcome.code, 0, outcome.detail, outcome.message);
  }
}

class FakeLink implements Link {
  readonly member: number;
  readonly #cluster: FakeCluster;
  readonly #handlers: LinkHandlers;
  readonly #decoder = new FrameDecoder();
  readonly #writer = new FrameWriter(4 * 1024 * 1024);
  #state: 'new' | 'open' | 'closed' = 'new';
  #flushing = false;

  constructor(cluster: FakeCluster, member: number, handlers: LinkHandlers) {
    this.#cluster = cluster;
    this.member = member;
    this.#handlers = handlers;
  }

  open(): boolean {
    if (this.#state !== 'new') return false;
    this.#state = 'open';
    this.#handlers.opened();
    return true;
  }

  refuse(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#handlers.closed(new Error('connection refused'));
  }

  /** Cut from outside: what was on its way is lost. */
  drop(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cluster.closed(this);
    this.#cluster.clock.defer(() => this.#handlers.closed(null));
  }

  write(bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    this.#cluster.chunks++;
    const chunk = bytes.slice();
    this.#cluster.clock.defer(() => {
      if (this.#state !== 'open') return;
      for (const payload of this.#decoder.push(chunk)) {
        this.#cluster.take(this, unpack(payload) as Request);
      }
    });
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cluster.closed(this);
  }

  reply(reply: Reply): void {
    if (this.#state !== 'open') return;
    this.#writer.appendValue(reply);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#cluster.clock.defer(() => {
      this.#flushing = false;
      const chunk = this.#writer.take().slice();
      const deliver = (): void => {
        if (this.#state === 'open') this.#handlers.data(chunk);
      };
      const latencyMs = this.#cluster.latencyMs(this.member);
      if (latencyMs === 0) deliver();
      else this.#cluster.clock.after(latencyMs, deliver);
    });
  }

  error(request: number, code: ErrorCode, leader = 0, detail = 0, message = `scripted ${code}`): void {
    this.reply([ReplyKind.Error, request, code, message, leader, detail]);
  }
}
