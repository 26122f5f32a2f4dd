import type { AnswerOf, Push, Query, ReadLevelValue, Replies } from './commands.ts';
import type { ErrorCode } from './errors.ts';
import type { GroupId, LogIndex, MemberId, Ordinal, SessionId } from './ids.ts';

/**
 * A frame is a 4-byte big-endian length and that many bytes of msgpack: one positional array. Requests are
 * pipelined; replies come in any order and carry the request's id (chosen by the client, unique per connection).
 */
export const PROTOCOL_VERSION = 1;
/** First bytes of both hellos, so that a stray HTTP or TLS client is told apart at once. */
export const PROTOCOL_MAGIC = 'synccluster';

export const RequestKind = { Hello: 0, Write: 1, Read: 2, KeepAlive: 3, Cancel: 4 } as const;

export type HelloRequest = readonly [
  kind: typeof RequestKind.Hello,
  magic: string,
  version: number,
  label: string,
];
/** `command` is a packed `Command`, taken over as it is into the log. */
export type WriteRequest = readonly [
  kind: typeof RequestKind.Write,
  request: number,
  group: GroupId,
  command: Uint8Array,
];
/** `mark`: for level `Session`, the highest index of this group that the client has seen. */
export type ReadRequest = readonly [
  kind: typeof RequestKind.Read,
  request: number,
  group: GroupId,
  level: ReadLevelValue,
  mark: LogIndex,
  query: Query,
];
/**
 * Renews these registrations of one group and attaches them to this connection: pushes go where the last
 * keepalive came from. Answered after a quorum confirmed the leader in a round begun after the receipt.
 */
export type KeepAliveRequest = readonly [
  kind: typeof RequestKind.KeepAlive,
  request: number,
  group: GroupId,
  sessions: readonly SessionId[],
];
/** Ends a long poll; its reply is `CANCELLED`. */
export type CancelRequest = readonly [kind: typeof RequestKind.Cancel, request: number];
export type Request = HelloRequest | WriteRequest | ReadRequest | KeepAliveRequest | CancelRequest;

export const ReplyKind = { Hello: 0, Ok: 1, Error: 2, Push: 3, Leaders: 4 } as const;

export interface MemberAddress {
  id: MemberId;
  ordinal: Ordinal;
  /** `host:port` of the client listener, as the member advertises it. */
  client: string;
  /** Of its HTTP listener; missing: it did not say, as a member of an older version. */
  http?: string;
}
/** `leaders[group]` is the member id of the group's leader as this member sees it, 0 if unknown. */
export type HelloReply = readonly [
  kind: typeof ReplyKind.Hello,
  version: number,
  clusterId: string,
  self: MemberId,
  members: readonly MemberAddress[],
  slotEpoch: number,
  slotTable: Uint8Array,
  leaders: readonly number[],
  limits: { frameBytes: number },
];
/** `index`: the group's index that this reply reflects: the client's new mark. */
export type OkReply = readonly [
  kind: typeof ReplyKind.Ok,
  request: number,
  index: LogIndex,
  value: Replies[keyof Replies] | AnswerOf<Query> | readonly unknown[],
];
/** `leader`: hint, 0 if unknown. For SEQUENCE_GAP `detail` is the sequence number expected. */
export type ErrorReply = readonly [
  kind: typeof ReplyKind.Error,
  request: number,
  code: ErrorCode,
  message: string,
  leader: number,
  detail: number,
];
export type PushReply = readonly [
  kind: typeof ReplyKind.Push,
  group: GroupId,
  session: SessionId,
  push: Push,
];
/** Sent unasked when leaders or addresses change: the same fields as in the hello. */
export type LeadersReply = readonly [
  kind: typeof ReplyKind.Leaders,
  members: readonly MemberAddress[],
  leaders: readonly number[],
];
export type Reply = HelloReply | OkReply | ErrorReply | PushReply | LeadersReply;
