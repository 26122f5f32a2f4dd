import type { GroupId, LogIndex, MemberId, StampMs, Term } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import { FIRST_LEVEL } from '../machines/features.ts';
import {
  type Configuration,
  type ConfigurationMember,
  type Entry,
  EntryKind,
  type EntryKindValue,
  type Message,
  type SnapshotMeta,
} from '../raft/types.ts';
import type { Listeners, PeerMessage, Vitals } from './transport.ts';

/**
 * Peers' frames are positional arrays like clients'. What comes in is checked field by field: a peer of another
 * version or a stray program must not bring a member down.
 */
const PeerFrame = {
  Hello: 0,
  HelloReply: 1,
  Vitals: 2,
  Raft: 3,
  Forward: 4,
  ForwardReply: 5,
  ForwardClosed: 6,
  SnapshotChunk: 7,
  SnapshotAck: 8,
} as const;

const MESSAGE_TYPES = [
  'vote',
  'voteResponse',
  'append',
  'appendResponse',
  'heartbeat',
  'heartbeatResponse',
  'snapshot',
  'timeoutNow',
] as const satisfies readonly Message['type'][];
const TYPE_CODE = new Map<Message['type'], number>(MESSAGE_TYPES.map((type, code) => [type, code]));

type Wire = readonly unknown[];

export function encodeVitals(vitals: Vitals): Wire {
  return [PeerFrame.Vitals, vitals.wallMs, vitals.freeBytes, vitals.reluctant];
}

export function encodePeerMessage(m: PeerMessage): Wire {
  switch (m.kind) {
    case 'raft':
      return encodeRaft(m.group, m.message);
    case 'forward':
      return [PeerFrame.Forward, m.token, m.frame];
    case 'forwardReply':
      return [PeerFrame.ForwardReply, m.token, m.requests, m.frames];
    case 'forwardClosed':
      return [PeerFrame.ForwardClosed, m.token];
    case 'snapshotChunk':
      return [
        PeerFrame.SnapshotChunk,
        m.group,
        m.transfer,
        m.sequence,
        m.term,
        encodeMeta(m.meta),
        m.data,
        m.last,
      ];
    case 'snapshotAck':
      return [PeerFrame.SnapshotAck, m.group, m.transfer, m.sequence, m.done, m.ok];
  }
}

function encodeRaft(group: GroupId, m: Message): Wire {
  const head = [PeerFrame.Raft, group, TYPE_CODE.get(m.type), m.from, m.to, m.term];
  switch (m.type) {
    case 'vote':
      return [...head, m.preVote, m.lastIndex, m.lastTerm, m.transfer];
    case 'voteResponse':
      return [...head, m.preVote, m.granted];
    case 'append':
      return [...head, m.prevIndex, m.prevTerm, m.commit, m.entries.map(encodeEntry)];
    case 'appendResponse':
      return [...head, m.rejected, m.index, m.hintIndex, m.hintTerm];
    case 'heartbeat':
      return [...head, m.commit, m.round];
    case 'heartbeatResponse':
      return [...head, m.round];
    case 'snapshot':
      return [...head, encodeMeta(m.meta)];
    case 'timeoutNow':
      return head;
  }
}

function encodeEntry(e: Entry): Wire {
  return [
    e.index,
    e.term,
    e.kind,
    e.stampMs,
    e.data,
    e.configuration === null ? null : encodeConfiguration(e.configuration),
  ];
}

function encodeConfiguration(c: Configuration): Wire {
  const members = (list: readonly ConfigurationMember[]): Wire => list.map((m) => [m.id, m.ordinal]);
  return [members(c.voters), members(c.learners)];
}

function encodeMeta(meta: SnapshotMeta): Wire {
  return [meta.index, meta.term, meta.stampMs, encodeConfiguration(meta.configuration)];
}

/** Names, addresses and reasons. */
const TEXT_MAX = 1_024;

/** Reads the fields of one frame in order and refuses what does not fit. */
class Fields {
  readonly #list: Wire;
  #at = 0;
  constructor(value: unknown) {
    if (!Array.isArray(value)) throw malformed('a list was expected');
    this.#list = value;
  }
  /** Everything that is counted: ids, indexes, terms, stamps. */
  number<T extends number>(): T {
    const value = this.#list[this.#at++];
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      throw malformed(`field ${this.#at} must be a whole number from 0`);
    return value as T;
  }
  /** A clock may be before 1970. */
  anyNumber(): number {
    const value = this.#list[this.#at++];
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw malformed(`field ${this.#at} must be a number`);
    return value;
  }
  boolean(): boolean {
    const value = this.#list[this.#at++];
    if (typeof value !== 'boolean') throw malformed(`field ${this.#at} must be true or false`);
    return value;
  }
  text(): string {
    const value = this.#list[this.#at++];
    if (typeof value !== 'string' || value.length > TEXT_MAX)
      throw malformed(`field ${this.#at} must be a string of at most ${TEXT_MAX} characters`);
    return value;
  }
  bytes(): Uint8Array {
    const value = this.#list[this.#at++];
    if (!(value instanceof Uint8Array)) throw malformed(`field ${this.#at} must be bytes`);
    return value;
  }
  list(): Wire {
    const value = this.#list[this.#at++];
    if (!Array.isArray(value)) throw malformed(`field ${this.#at} must be a list`);
    return value;
  }
  /** For fields that older versions do not send. */
  get atEnd(): boolean {
    return this.#at >= this.#list.length;
  }
  any(): unknown {
    return this.#list[this.#at++];
  }
}

function malformed(message: string): MemberError {
  return new MemberError('PROTOCOL', `malformed peer frame: ${message}`);
}

export interface PeerHello {
  readonly magic: string;
  readonly version: number;
  readonly clusterId: string;
  readonly from: MemberId;
  readonly fromOrdinal: number;
  readonly to: MemberId;
  readonly listeners: Listeners;
  /** Highest feature level that the sender's version knows. */
  readonly level: number;
}
export type PeerHelloReply =
  | { readonly ok: true; readonly listeners: Listeners; readonly level: number }
  | { readonly ok: false; readonly reason: string };

export function encodeHello(h: PeerHello): Wire {
  const { client, http } = h.listeners;
  const who = [h.magic, h.version, h.clusterId, h.from, h.fromOrdinal, h.to];
  return [PeerFrame.Hello, ...who, client, http, h.level];
}
export function encodeHelloReply(r: PeerHelloReply): Wire {
  return r.ok
    ? [PeerFrame.HelloReply, r.ok, r.listeners.client, r.listeners.http, r.level]
    : [PeerFrame.HelloReply, r.ok, r.reason];
}

export type PeerInput =
  | { readonly kind: 'hello'; readonly hello: PeerHello }
  | { readonly kind: 'helloReply'; readonly reply: PeerHelloReply }
  | { readonly kind: 'vitals'; readonly vitals: Vitals }
  | { readonly kind: 'message'; readonly message: PeerMessage };

/** Throws `PROTOCOL` for anything that is not a well-formed peer frame. */
export function decodePeerFrame(value: unknown): PeerInput {
  const f = new Fields(value);
  const kind = f.number();
  switch (kind) {
    case PeerFrame.Hello:
      return {
        kind: 'hello',
        hello: {
          magic: f.text(),
          version: f.number(),
          clusterId: f.text(),
          from: f.number<MemberId>(),
          fromOrdinal: f.number(),
          to: f.number<MemberId>(),
          listeners: listeners(f),
          level: level(f),
        },
      };
    case PeerFrame.HelloReply: {
      const ok = f.boolean();
      const reply = ok ? { ok, listeners: listeners(f), level: level(f) } : { ok, reason: f.text() };
      return { kind: 'helloReply', reply };
    }
    case PeerFrame.Vitals:
      return {
        kind: 'vitals',
        vitals: { wallMs: f.anyNumber(), freeBytes: f.number(), reluctant: f.boolean() },
      };
    default:
      return { kind: 'message', message: decodeMessage(kind, f) };
  }
}

function listeners(f: Fields): Listeners {
  return { client: f.text(), http: f.atEnd ? '' : f.text() };
}

function level(f: Fields): number {
  return f.atEnd ? FIRST_LEVEL : f.number();
}

function decodeMessage(kind: number, f: Fields): PeerMessage {
  switch (kind) {
    case PeerFrame.Raft:
      return { kind: 'raft', group: f.number<GroupId>(), message: decodeRaft(f) };
    case PeerFrame.Forward:
      return { kind: 'forward', token: f.number(), frame: f.bytes() };
    case PeerFrame.ForwardReply:
      return {
        kind: 'forwardReply',
        token: f.number(),
        requests: f.list().map(asRequest),
        frames: f.bytes(),
      };
    case PeerFrame.ForwardClosed:
      return { kind: 'forwardClosed', token: f.number() };
    case PeerFrame.SnapshotChunk:
      return {
        kind: 'snapshotChunk',
        group: f.number<GroupId>(),
        transfer: f.number(),
        sequence: f.number(),
        term: f.number(),
        meta: decodeMeta(f.list()),
        data: f.bytes(),
        last: f.boolean(),
      };
    case PeerFrame.SnapshotAck:
      return {
        kind: 'snapshotAck',
        group: f.number<GroupId>(),
        transfer: f.number(),
        sequence: f.number(),
        done: f.boolean(),
        ok: f.boolean(),
      };
    default:
      throw malformed(`kind ${kind} is unknown`);
  }
}

function decodeRaft(f: Fields): Message {
  const code = f.number();
  const type = MESSAGE_TYPES[code];
  const from = f.number<MemberId>();
  const to = f.number<MemberId>();
  const term = f.number<Term>();
  switch (type) {
    case 'vote':
      return {
        type,
        from,
        to,
        term,
        preVote: f.boolean(),
        lastIndex: f.number<LogIndex>(),
        lastTerm: f.number<Term>(),
        transfer: f.boolean(),
      };
    case 'voteResponse':
      return { type, from, to, term, preVote: f.boolean(), granted: f.boolean() };
    case 'append':
      return {
        type,
        from,
        to,
        term,
        prevIndex: f.number<LogIndex>(),
        prevTerm: f.number<Term>(),
        commit: f.number<LogIndex>(),
        entries: f.list().map(decodeEntry),
      };
    case 'appendResponse':
      return {
        type,
        from,
        to,
        term,
        rejected: f.boolean(),
        index: f.number<LogIndex>(),
        hintIndex: f.number<LogIndex>(),
        hintTerm: f.number<Term>(),
      };
    case 'heartbeat':
      return { type, from, to, term, commit: f.number<LogIndex>(), round: f.number() };
    case 'heartbeatResponse':
      return { type, from, to, term, round: f.number() };
    case 'snapshot':
      return { type, from, to, term, meta: decodeMeta(f.list()) };
    case 'timeoutNow':
      return { type, from, to, term };
    default:
      throw malformed(`message type ${code} is unknown`);
  }
}

function decodeEntry(value: unknown): Entry {
  const f = new Fields(value);
  const index = f.number<LogIndex>();
  const term = f.number<Term>();
  const kind = f.number<EntryKindValue>();
  if (kind > EntryKind.Configuration) throw malformed(`an entry of kind ${kind} is unknown`);
  const stampMs = f.number<StampMs>();
  // Copied out: an entry lives until it is compacted and must not keep the whole received chunk alive.
  const data = Uint8Array.prototype.slice.call(f.bytes());
  const configuration = f.any();
  return {
    index,
    term,
    kind,
    stampMs,
    data,
    configuration: configuration === null ? null : decodeConfiguration(configuration),
  };
}

function asRequest(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw malformed('a request has a whole number as its id');
  return value as number;
}

function decodeConfiguration(value: unknown): Configuration {
  const f = new Fields(value);
  const members = (list: Wire): ConfigurationMember[] =>
    list.map((item) => {
      const m = new Fields(item);
      return { id: m.number(), ordinal: m.number() };
    });
  return { voters: members(f.list()), learners: members(f.list()) };
}

function decodeMeta(value: unknown): SnapshotMeta {
  const f = new Fields(value);
  return {
    index: f.number(),
    term: f.number(),
    stampMs: f.number(),
    configuration: decodeConfiguration(f.list()),
  };
}
