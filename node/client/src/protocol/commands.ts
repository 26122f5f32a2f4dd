import type { LogIndex, MemberId, Ordinal, Seq, SessionId, Token, WaiterId } from './ids.ts';

/**
 * Commands are what the log holds: a positional array, packed once by whoever issues it, carried and stored
 * as those bytes. Layout: `[op, schemaVersion, session, seq, floor, ...fields]`.
 *
 * - `session` 0 and `seq` 0: not deduplicated (HTTP, internal commands).
 * - `seq` rises by one per (session, group); `floor` is the lowest sequence number whose reply the client has
 *   not seen yet, so stored replies below it can go.
 *
 * Opcodes and positions are frozen once released; a new field is appended and means a new schema version.
 */
export const SCHEMA_VERSION = 1;

export const Op = {
  SessionOpen: 1,
  SessionClose: 2,
  /** Internal: the leader found these registrations silent for their whole TTL. */
  SessionExpire: 3,
  /** Internal: whatever is due at the entry's stamp happens now. */
  Expire: 4,
  /** Internal: raises the group's feature level. */
  FeatureLevel: 5,

  LockAcquire: 10,
  LockRelease: 11,
  LockCancel: 12,
  QueueDeclare: 20,
  QueueDelete: 21,
  /** Internal: first command of group 0. */
  Genesis: 22,
  RosterChange: 23,
  /** Internal, in every group: the state goes on as that of a new cluster with one survivor alone. */
  Recover: 24,

  /** Internal: first command of a data group; the slots it owns. */
  SlotsAssign: 30,
  /** Internal: group 0's leader drives a queue's configuration into the data group. */
  QueueConfigure: 31,
  QueueEnqueue: 32,
  QueueDequeue: 33,
  QueueAck: 34,
  QueueNack: 35,
  QueueExtend: 36,
  CachePut: 40,
  CacheDelete: 41,
} as const;
export type Opcode = (typeof Op)[keyof typeof Op];

type Header<O extends Opcode> = readonly [op: O, version: number, session: SessionId, seq: Seq, floor: Seq];

/** `Shared` holders may be many; `Exclusive` is alone. */
export const LockMode = { Shared: 0, Exclusive: 1 } as const;
export type LockModeValue = (typeof LockMode)[keyof typeof LockMode];

/** Wait without a deadline (the session's life is the bound). */
export const WAIT_FOREVER = -1;

export const RosterTarget = { Learner: 'learner', Voter: 'voter', Removed: 'removed' } as const;
export type RosterTargetValue = (typeof RosterTarget)[keyof typeof RosterTarget];
export type RosterMember = readonly [id: MemberId, ordinal: Ordinal, target: RosterTargetValue];

/** Positional configuration of a queue, the same in the catalogue and in the data groups. */
export type QueueConfig = readonly [partitions: number, visibilityMs: number];

/** A receipt names one delivery of one message: an ack after a redelivery is refused. */
export type Receipt = readonly [partition: number, id: number, delivery: number];
/** A message to enqueue; `delayMs` 0 is at once. */
export type NewMessage = readonly [payload: Uint8Array, delayMs: number];
/** A message as delivered. */
export type Delivery = readonly [
  partition: number,
  id: number,
  delivery: number,
  enqueuedStampMs: number,
  payload: Uint8Array,
];

export type SessionOpen = readonly [...Header<typeof Op.SessionOpen>, ttlMs: number, label: string];
export type SessionClose = readonly [...Header<typeof Op.SessionClose>];
export type SessionExpire = readonly [...Header<typeof Op.SessionExpire>, sessions: readonly SessionId[]];
export type Expire = readonly [...Header<typeof Op.Expire>];
export type FeatureLevel = readonly [...Header<typeof Op.FeatureLevel>, level: number];
/** `waitMs` 0: try; `WAIT_FOREVER`; else the waiter is dropped when the stamp passes. */
export type LockAcquire = readonly [
  ...Header<typeof Op.LockAcquire>,
  name: string,
  mode: LockModeValue,
  waitMs: number,
];
export type LockRelease = readonly [...Header<typeof Op.LockRelease>, name: string, token: Token];
export type LockCancel = readonly [...Header<typeof Op.LockCancel>, waiter: WaiterId];
export type QueueDeclare = readonly [...Header<typeof Op.QueueDeclare>, name: string, config: QueueConfig];
export type QueueDelete = readonly [...Header<typeof Op.QueueDelete>, name: string];
export type Genesis = readonly [
  ...Header<typeof Op.Genesis>,
  clusterId: string,
  shards: number,
  member: MemberId,
  ordinal: Ordinal,
];
export type RosterChange = readonly [
  ...Header<typeof Op.RosterChange>,
  expectedVersion: number,
  changes: readonly RosterMember[],
];
/**
 * Forced recovery. `clusterId` is new; the member is the only voter, and every other id of the roster is removed for
 * ever. In every group ids go on past all that the lost quorum may have given out.
 */
export type Recover = readonly [
  ...Header<typeof Op.Recover>,
  clusterId: string,
  member: MemberId,
  ordinal: Ordinal,
];
/** `table[slot]` is the group that owns the slot: `SLOT_COUNT` bytes, the same bytes in every data group. */
export type SlotsAssign = readonly [
  ...Header<typeof Op.SlotsAssign>,
  epoch: number,
  group: number,
  table: Uint8Array,
];
/** Idempotent by generation: an older or equal one changes nothing. `config` null: the queue was deleted. */
export type QueueConfigure = readonly [
  ...Header<typeof Op.QueueConfigure>,
  name: string,
  generation: number,
  config: QueueConfig | null,
];
export type QueueEnqueue = readonly [
  ...Header<typeof Op.QueueEnqueue>,
  queue: string,
  partition: number,
  messages: readonly NewMessage[],
];
/** Takes up to `max` ready messages from the queue's partitions in this group. `visibilityMs` 0: the queue's. */
export type QueueDequeue = readonly [
  ...Header<typeof Op.QueueDequeue>,
  queue: string,
  max: number,
  visibilityMs: number,
];
export type QueueAck = readonly [...Header<typeof Op.QueueAck>, queue: string, receipts: readonly Receipt[]];
export type QueueNack = readonly [
  ...Header<typeof Op.QueueNack>,
  queue: string,
  receipts: readonly Receipt[],
  delayMs: number,
];
export type QueueExtend = readonly [
  ...Header<typeof Op.QueueExtend>,
  queue: string,
  receipts: readonly Receipt[],
  visibilityMs: number,
];
/** `ttlMs` 0: does not expire. */
export type CachePut = readonly [
  ...Header<typeof Op.CachePut>,
  key: string,
  value: Uint8Array,
  ttlMs: number,
];
export type CacheDelete = readonly [...Header<typeof Op.CacheDelete>, key: string];

export type CoordinationCommand =
  | SessionOpen
  | SessionClose
  | SessionExpire
  | Expire
  | FeatureLevel
  | LockAcquire
  | LockRelease
  | LockCancel
  | QueueDeclare
  | QueueDelete
  | Genesis
  | RosterChange
  | Recover;
export type DataCommand =
  | Recover
  | SessionOpen
  | SessionClose
  | SessionExpire
  | Expire
  | FeatureLevel
  | SlotsAssign
  | QueueConfigure
  | QueueEnqueue
  | QueueDequeue
  | QueueAck
  | QueueNack
  | QueueExtend
  | CachePut
  | CacheDelete;
export type Command = CoordinationCommand | DataCommand;

/** What apply answers, by opcode. */
export interface Replies {
  [Op.SessionOpen]: readonly [session: SessionId];
  [Op.SessionClose]: readonly [];
  [Op.SessionExpire]: readonly [];
  [Op.Expire]: readonly [];
  [Op.FeatureLevel]: readonly [level: number];
  /** Granted: the fencing token and waiter 0. Queued: token 0 and the waiter; the grant follows as a push. */
  [Op.LockAcquire]: readonly [token: Token, waiter: WaiterId];
  [Op.LockRelease]: readonly [];
  /** `token` > 0: it had been granted already, and is held: the caller decides whether to release it. */
  [Op.LockCancel]: readonly [token: Token];
  [Op.QueueDeclare]: readonly [generation: number];
  [Op.QueueDelete]: readonly [generation: number];
  [Op.Genesis]: readonly [];
  [Op.RosterChange]: readonly [version: number];
  [Op.Recover]: readonly [version: number];
  [Op.SlotsAssign]: readonly [];
  [Op.QueueConfigure]: readonly [];
  [Op.QueueEnqueue]: readonly [ids: readonly number[]];
  [Op.QueueDequeue]: readonly [messages: readonly Delivery[]];
  /** How many receipts were good; the stale ones are listed. */
  [Op.QueueAck]: readonly [done: number, stale: readonly Receipt[]];
  [Op.QueueNack]: readonly [done: number, stale: readonly Receipt[]];
  [Op.QueueExtend]: readonly [done: number, stale: readonly Receipt[]];
  [Op.CachePut]: readonly [version: Token];
  [Op.CacheDelete]: readonly [existed: boolean];
}
export type ReplyOf<C extends Command> = C extends readonly [infer O extends Opcode, ...unknown[]]
  ? Replies[O]
  : never;

/** Queries are answered from applied state and never logged: `[op, ...fields]`. */
export const QueryOp = {
  LockInspect: 60,
  /** What became of these waiters: read after a failover, when a push may have been lost. */
  LockWaiters: 61,
  QueueInspect: 62,
  /** Long poll: answers when the queue has something ready in this group, or at the deadline. */
  QueueWait: 63,
  CacheGet: 64,
  /** Catalogue, roster, slot table: what a client needs to route. Group 0. */
  ClusterInspect: 65,
  /** Expected sequence number and state of a registration. */
  SessionInspect: 66,
} as const;
export type Query =
  | readonly [op: typeof QueryOp.LockInspect, name: string]
  | readonly [op: typeof QueryOp.LockWaiters, session: SessionId, waiters: readonly WaiterId[]]
  | readonly [op: typeof QueryOp.QueueInspect, queue: string]
  | readonly [op: typeof QueryOp.QueueWait, queue: string, waitMs: number]
  | readonly [op: typeof QueryOp.CacheGet, key: string]
  | readonly [op: typeof QueryOp.ClusterInspect]
  | readonly [op: typeof QueryOp.SessionInspect, session: SessionId];

export type LockHolder = readonly [session: SessionId, token: Token, mode: LockModeValue];
export type LockWaiter = readonly [
  session: SessionId,
  waiter: WaiterId,
  mode: LockModeValue,
  dueStampMs: number,
];
/** `token` > 0: granted; 0: still waiting; -1: gone (timed out, cancelled or released). */
export type WaiterState = readonly [waiter: WaiterId, token: number];
export type PartitionDepth = readonly [
  partition: number,
  ready: number,
  inFlight: number,
  delayed: number,
  sizeBytes: number,
];

export interface Answers {
  [QueryOp.LockInspect]: readonly [holders: readonly LockHolder[], waiters: readonly LockWaiter[]];
  [QueryOp.LockWaiters]: readonly [states: readonly WaiterState[]];
  [QueryOp.QueueInspect]: readonly [partitions: readonly PartitionDepth[]];
  [QueryOp.QueueWait]: readonly [ready: boolean];
  /** Absent: version 0 and null. */
  [QueryOp.CacheGet]: readonly [version: Token, value: Uint8Array | null, expiresStampMs: number];
  [QueryOp.ClusterInspect]: readonly [
    clusterId: string,
    slotEpoch: number,
    slotTable: Uint8Array,
    rosterVersion: number,
    roster: readonly RosterMember[],
    tombstones: readonly MemberId[],
    queues: readonly (readonly [name: string, generation: number, config: QueueConfig | null])[],
  ];
  [QueryOp.SessionInspect]: readonly [exists: boolean, nextSeq: Seq, ttlMs: number];
}
export type AnswerOf<Q extends Query> = Q extends readonly [infer O extends keyof Answers, ...unknown[]]
  ? Answers[O]
  : never;

/** How fresh a query's answer must be. */
export const ReadLevel = {
  /** Whatever this member has applied. */
  Any: 0,
  /** At least what the client has seen of this group (its mark). */
  Session: 1,
  /** Everything acknowledged to anybody before the query was sent: one ReadIndex round. */
  Linearizable: 2,
} as const;
export type ReadLevelValue = (typeof ReadLevel)[keyof typeof ReadLevel];

/** Events that apply produces for the client that owns a session; pushed by the group's leader. */
export const PushKind = { LockGranted: 1, LockWaitEnded: 2, SessionExpired: 3 } as const;
export type Push =
  | readonly [kind: typeof PushKind.LockGranted, waiter: WaiterId, token: Token]
  /** The wait's deadline passed. */
  | readonly [kind: typeof PushKind.LockWaitEnded, waiter: WaiterId]
  | readonly [kind: typeof PushKind.SessionExpired];

/** How far a client has seen a group; meaningless under another cluster id. */
export interface Mark {
  clusterId: string;
  index: LogIndex;
}
