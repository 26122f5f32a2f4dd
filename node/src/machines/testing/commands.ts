import {
  assignSlots,
  type Command,
  type LockModeValue,
  type MemberId,
  type NewMessage,
  Op,
  type Ordinal,
  type QueueConfig,
  type Receipt,
  type RosterMember,
  SCHEMA_VERSION,
  type Seq,
  type SessionId,
  type Token,
  type WaiterId,
} from '@synccluster/client/protocol';

const NONE = 0 as SessionId;
const UNNUMBERED = 0 as Seq;

type Body<C> = C extends readonly [infer O, number, SessionId, Seq, Seq, ...infer Fields]
  ? readonly [op: O, ...fields: Fields]
  : never;

/** A command without the header's rest: not deduplicated unless `numbered` puts a number on it. */
function by(session: number, [op, ...fields]: Body<Command>): Command {
  return [op, SCHEMA_VERSION, session as SessionId, UNNUMBERED, UNNUMBERED, ...fields] as unknown as Command;
}

export function numbered(command: Command, seq: number, floor = 1): Command {
  const [op, version, session, , , ...fields] = command;
  return [op, version, session, seq as Seq, floor as Seq, ...fields] as unknown as Command;
}

export const open = (ttlMs = 10_000) => by(NONE, [Op.SessionOpen, ttlMs, 'test']);
export const close = (session: number) => by(session, [Op.SessionClose]);
export const expireSessions = (...ids: number[]) => by(NONE, [Op.SessionExpire, ids as SessionId[]]);
export const expire = () => by(NONE, [Op.Expire]);
export const featureLevel = (level: number) => by(NONE, [Op.FeatureLevel, level]);

export const acquire = (session: number, name: string, mode: LockModeValue, waitMs: number) =>
  by(session, [Op.LockAcquire, name, mode, waitMs]);
export const release = (session: number, name: string, token: number) =>
  by(session, [Op.LockRelease, name, token as Token]);
export const cancel = (session: number, waiter: number) => by(session, [Op.LockCancel, waiter as WaiterId]);

export const declare = (name: string, config: QueueConfig) => by(NONE, [Op.QueueDeclare, name, config]);
export const undeclare = (name: string) => by(NONE, [Op.QueueDelete, name]);
export const genesis = (clusterId: string, shards: number, member: number, ordinal: number) =>
  by(NONE, [Op.Genesis, clusterId, shards, member as MemberId, ordinal as Ordinal]);
export const recover = (clusterId: string, member: number, ordinal: number) =>
  by(NONE, [Op.Recover, clusterId, member as MemberId, ordinal as Ordinal]);
export const rosterChange = (
  version: number,
  ...changes: (readonly [id: number, ordinal: number, target: RosterMember[2]])[]
) => by(NONE, [Op.RosterChange, version, changes as unknown as RosterMember[]]);

/** Group 1 owns every slot unless a table says otherwise. */
export const assign = (epoch = 1, group = 1, table = assignSlots(1)) =>
  by(NONE, [Op.SlotsAssign, epoch, group, table]);
export const configure = (name: string, generation: number, config: QueueConfig | null) =>
  by(NONE, [Op.QueueConfigure, name, generation, config]);
export const enqueue = (session: number, queue: string, partition: number, ...messages: NewMessage[]) =>
  by(session, [Op.QueueEnqueue, queue, partition, messages]);
export const dequeue = (session: number, queue: string, max: number, visibilityMs = 0) =>
  by(session, [Op.QueueDequeue, queue, max, visibilityMs]);
export const ack = (queue: string, ...receipts: Receipt[]) => by(NONE, [Op.QueueAck, queue, receipts]);
export const nack = (queue: string, delayMs: number, ...receipts: Receipt[]) =>
  by(NONE, [Op.QueueNack, queue, receipts, delayMs]);
export const extend = (queue: string, visibilityMs: number, ...receipts: Receipt[]) =>
  by(NONE, [Op.QueueExtend, queue, receipts, visibilityMs]);
export const put = (key: string, value: Uint8Array, ttlMs = 0) => by(NONE, [Op.CachePut, key, value, ttlMs]);
export const remove = (key: string) => by(NONE, [Op.CacheDelete, key]);

export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}
