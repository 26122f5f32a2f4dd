import {
  asCommand,
  COORDINATION_GROUP,
  type GroupId,
  LIMITS,
  type LogIndex,
  type MemberId,
  Op,
  type Query,
  QueryOp,
  ReadLevel,
  ReplyKind,
  type Request,
  RequestKind,
  refuseCommand,
  type SessionId,
} from '@synccluster/client/protocol';
import { pack, unpack } from '@synccluster/client/wire';
import { type Connection, replyError } from './connection.ts';
import { CATCH_UP_MS, type Group, LONG_POLL_MAX_MS } from './group.ts';

/** What the router needs of the member around it. */
export interface RouterContext {
  group(id: GroupId): Group | undefined;
  stopped(): boolean;
  /** 1 + shards; 0 while unknown. */
  groupCount(): number;
  nowMs(): number;
  /** Sends a client's frame to a member; false when there is no link. */
  forward(
    to: MemberId,
    connection: Connection,
    request: number,
    frame: Uint8Array,
    deduplicated: boolean,
  ): boolean;
  cancelForwarded(connection: Connection, request: number): void;
  /** Counts a cache read that this member answered. */
  cacheRead(hit: boolean): void;
  hello(connection: Connection): void;
  wake(): void;
}

/** Operations that only members propose: a client that sends one is refused. */
const INTERNAL_OPS: ReadonlySet<number> = new Set([
  Op.SessionExpire,
  Op.Expire,
  Op.FeatureLevel,
  Op.Genesis,
  Op.SlotsAssign,
  Op.QueueConfigure,
  Op.RosterChange,
  Op.Recover,
]);

/** Takes requests from connections: answers here, or forwards the frame to the member that leads the group. */
export class Router {
  readonly #context: RouterContext;

  constructor(context: RouterContext) {
    this.#context = context;
  }

  /** `payload`: the frame's bytes, a view that is only valid in this turn. Throws for what is not a request. */
  take(connection: Connection, payload: Uint8Array): void {
    const request = unpack(payload) as Request;
    if (!Array.isArray(request)) throw new TypeError('a request must be a list');
    if (request[0] !== RequestKind.Hello && !Number.isSafeInteger(request[1])) {
      throw new TypeError('a request needs a whole number as its id');
    }
    switch (request[0]) {
      case RequestKind.Hello:
        this.#context.hello(connection);
        return;
      case RequestKind.Write:
        this.#write(connection, request[1], request[2], request[3], payload, true);
        return;
      case RequestKind.Read:
        this.#read(connection, request[1], request[2], request[3], request[4], request[5], payload);
        return;
      case RequestKind.KeepAlive:
        this.#keepAlive(connection, request[1], request[2], request[3], payload);
        return;
      case RequestKind.Cancel:
        this.cancel(connection, request[1]);
        return;
      default:
        throw new TypeError('the kind of request is unknown');
    }
  }

  /** A write of the member's own or of its HTTP listener, packed already. */
  writePacked(connection: Connection, request: number, group: GroupId, command: Uint8Array): void {
    this.#write(connection, request, group, command, null, false);
  }

  #group(connection: Connection, request: number, id: GroupId): Group | null {
    if (this.#context.stopped()) {
      replyError(connection, request, 'UNAVAILABLE', 'the member stops');
      return null;
    }
    const group = this.#context.group(id);
    if (group !== undefined) return group;
    const count = this.#context.groupCount();
    if (count > 0 && !(Number.isInteger(id) && id >= 0 && id < count)) {
      replyError(connection, request, 'INVALID_ARGUMENT', `group must be from 0 to ${count - 1}`);
    } else {
      replyError(connection, request, 'UNAVAILABLE', 'this member does not belong to a cluster yet');
    }
    return null;
  }

  #write(
    connection: Connection,
    request: number,
    id: GroupId,
    packed: Uint8Array,
    frame: Uint8Array | null,
    fromOutside: boolean,
  ): void {
    if (!(packed instanceof Uint8Array)) {
      replyError(connection, request, 'INVALID_ARGUMENT', 'command must be bytes');
      return;
    }
    if (packed.length > LIMITS.commandBytes) {
      replyError(connection, request, 'TOO_LARGE', `a command may have ${LIMITS.commandBytes} bytes`);
      return;
    }
    const group = this.#group(connection, request, id);
    if (group === null) return;
    if (!group.isLeader) {
      if (fromOutside && !connection.forwarded && isInternal(packed)) {
        replyError(connection, request, 'UNSUPPORTED', 'this operation is for members only');
        return;
      }
      this.#forward(
        connection,
        request,
        group,
        frame ?? pack([RequestKind.Write, request, id, packed]),
        packed,
      );
      return;
    }
    const value = decode(packed);
    const refusal = refuseCommand(value) ?? refuseGroup(value, id, fromOutside && !connection.forwarded);
    if (refusal !== null) {
      replyError(connection, request, refusal.code, refusal.message);
      return;
    }
    group.submit(connection, request, packed, asCommand(value));
  }

  #read(
    connection: Connection,
    request: number,
    id: GroupId,
    level: number,
    mark: LogIndex,
    query: Query,
    frame: Uint8Array | null,
  ): void {
    const problem = refuseQuery(query, id, level, mark);
    if (problem !== null) {
      replyError(connection, request, 'INVALID_ARGUMENT', problem);
      return;
    }
    const group = this.#group(connection, request, id);
    if (group === null) return;
    if (query[0] === QueryOp.QueueWait || level === ReadLevel.Linearizable) {
      if (!group.isLeader) {
        this.#forward(connection, request, group, frame ?? packRead(request, id, level, mark, query), null);
      } else if (level === ReadLevel.Linearizable) {
        this.#answerConfirmed(group, connection, request, query);
      } else {
        const bounded = query[0] === QueryOp.QueueWait ? boundWait(query) : query;
        // That there is no such queue may come of what this leader has not applied yet, or does not hear any more.
        if (group.machine.query(bounded)?.ok === false) {
          this.#answerConfirmed(group, connection, request, bounded);
        } else {
          this.#answer(group, connection, request, bounded);
        }
      }
      return;
    }
    if (level === ReadLevel.Any || mark <= group.applied) {
      this.#answer(group, connection, request, query);
      return;
    }
    const copy =
      group.isLeader || connection.forwarded
        ? null
        : (frame ?? packRead(request, id, level, mark, query)).slice();
    group.reads.atIndex(mark, this.#context.nowMs() + CATCH_UP_MS, (ok) => {
      if (ok) this.#answer(group, connection, request, query);
      else if (copy !== null) this.#forward(connection, request, group, copy, null);
      else replyError(connection, request, 'UNAVAILABLE', 'this member has not caught up', group.leader);
    });
  }

  /** By the state after everything that was committed before the request. */
  #answerConfirmed(group: Group, connection: Connection, request: number, query: Query): void {
    group.reads.linearizable((ok) => {
      if (ok) this.#answer(group, connection, request, query);
      else replyError(connection, request, 'NOT_LEADER', 'the leader changed', group.leader);
    });
    this.#context.wake();
  }

  #answer(group: Group, connection: Connection, request: number, query: Query): void {
    if (query[0] !== QueryOp.CacheGet) {
      group.answer(connection, request, query);
      return;
    }
    const outcome = group.machine.query(query);
    if (outcome === null || !outcome.ok) {
      group.answer(connection, request, query);
      return;
    }
    const expires = outcome.value[2] as number;
    // Its time has come by this member's log; the entry that removes it is on its way.
    const hit = outcome.value[1] !== null && (expires === 0 || expires > group.stampMs);
    this.#context.cacheRead(hit);
    connection.reply([ReplyKind.Ok, request, group.applied, hit ? outcome.value : ABSENT]);
  }

  #keepAlive(
    connection: Connection,
    request: number,
    id: GroupId,
    sessions: readonly SessionId[],
    frame: Uint8Array | null,
  ): void {
    if (
      !Array.isArray(sessions) ||
      sessions.length > SESSIONS_MAX ||
      !sessions.every((s) => Number.isSafeInteger(s) && s > 0)
    ) {
      const message = `sessions must be a list of at most ${SESSIONS_MAX} whole numbers`;
      replyError(connection, request, 'INVALID_ARGUMENT', message);
      return;
    }
    const group = this.#group(connection, request, id);
    if (group === null) return;
    if (!group.isLeader) {
      const bytes = frame ?? pack([RequestKind.KeepAlive, request, id, sessions]);
      this.#forward(connection, request, group, bytes, null);
      return;
    }
    const receivedMs = this.#context.nowMs();
    for (const session of sessions) {
      if (ttlOf(group, session) > 0) group.attachments.attach(session, connection);
    }
    group.reads.linearizable((ok) => {
      if (!ok) {
        replyError(connection, request, 'NOT_LEADER', 'the leader changed', group.leader);
        return;
      }
      const unknown: SessionId[] = [];
      for (const session of sessions) {
        const ttlMs = ttlOf(group, session);
        if (ttlMs > 0 && group.leases.renew(session, ttlMs, receivedMs)) {
          group.attachments.attach(session, connection);
        } else {
          unknown.push(session);
        }
      }
      connection.reply([ReplyKind.Ok, request, group.applied, [unknown]]);
    });
    this.#context.wake();
  }

  /** Ends a long poll, here or where it was forwarded to. */
  cancel(connection: Connection, request: number): void {
    this.#context.cancelForwarded(connection, request);
    for (let id = 0; id < this.#context.groupCount(); id++) {
      this.#context.group(id as GroupId)?.longPolls.cancel(connection, request);
    }
  }

  /** For callers in this process. */
  readLocal(
    connection: Connection,
    request: number,
    id: GroupId,
    level: number,
    mark: LogIndex,
    query: Query,
  ): void {
    this.#read(connection, request, id, level, mark, query, null);
  }
  keepAliveLocal(connection: Connection, request: number, id: GroupId, sessions: readonly SessionId[]): void {
    this.#keepAlive(connection, request, id, sessions, null);
  }

  #forward(
    connection: Connection,
    request: number,
    group: Group,
    frame: Uint8Array,
    packed: Uint8Array | null,
  ): void {
    const leader = group.leader;
    if (leader === 0) {
      replyError(connection, request, 'UNAVAILABLE', 'no leader is known: an election is going on');
      return;
    }
    if (connection.forwarded) {
      replyError(connection, request, 'NOT_LEADER', 'this member does not lead the group', leader);
      return;
    }
    // A read can always be asked again; a write only if the group knows it by its sequence number.
    const deduplicated = packed === null || isDeduplicated(packed);
    if (!this.#context.forward(leader, connection, request, frame, deduplicated)) {
      replyError(connection, request, 'UNAVAILABLE', 'the leader cannot be reached from this member', leader);
    }
  }
}

const ABSENT = [0, null, 0] as const;
/** Of one keepalive. */
const SESSIONS_MAX = 10_000;

/** 0: this member knows of no such session. */
function ttlOf(group: Group, session: SessionId): number {
  const state = group.machine.query([QueryOp.SessionInspect, session]);
  return state?.ok && state.value[0] === true ? (state.value[2] as number) : 0;
}

function decode(packed: Uint8Array): unknown {
  try {
    return unpack(packed);
  } catch {
    return null;
  }
}

function isDeduplicated(packed: Uint8Array): boolean {
  const value = decode(packed);
  return Array.isArray(value) && typeof value[3] === 'number' && value[3] > 0;
}

function isInternal(packed: Uint8Array): boolean {
  const value = decode(packed);
  return Array.isArray(value) && INTERNAL_OPS.has(value[0] as number);
}

function refuseGroup(
  value: unknown,
  group: GroupId,
  fromClient: boolean,
): { code: 'INVALID_ARGUMENT' | 'UNSUPPORTED'; message: string } | null {
  const op = (value as readonly number[])[0]!;
  if (fromClient && INTERNAL_OPS.has(op)) {
    return { code: 'UNSUPPORTED', message: `operation ${op} is for members only` };
  }
  const coordination = op >= Op.LockAcquire && op < Op.SlotsAssign;
  const data = op >= Op.SlotsAssign;
  if ((coordination && group !== COORDINATION_GROUP) || (data && group === COORDINATION_GROUP)) {
    return { code: 'INVALID_ARGUMENT', message: `operation ${op} is not for group ${group}` };
  }
  return null;
}

function refuseQuery(query: Query, group: GroupId, level: number, mark: number): string | null {
  if (!Array.isArray(query)) return 'query must be a list';
  if (level !== ReadLevel.Any && level !== ReadLevel.Session && level !== ReadLevel.Linearizable) {
    return 'level must be 0, 1 or 2';
  }
  if (!Number.isSafeInteger(mark) || mark < 0) return 'mark must be a whole number from 0';
  const [op, first, second]: readonly unknown[] = query;
  const named = typeof first === 'string' && first.length > 0;
  const coordination = group === COORDINATION_GROUP;
  switch (op) {
    case QueryOp.LockInspect:
      return coordination && named ? null : 'a lock is asked for by its name in group 0';
    case QueryOp.LockWaiters:
      return coordination && Number.isSafeInteger(first) && Array.isArray(second)
        ? null
        : 'waiters are asked for by session and ids in group 0';
    case QueryOp.QueueInspect:
      return !coordination && named ? null : 'a queue is asked for by its name in a data group';
    case QueryOp.QueueWait:
      return !coordination && named && Number.isSafeInteger(second) && (second as number) >= 0
        ? null
        : 'a wait needs a queue and waitMs of at least 0 in a data group';
    case QueryOp.CacheGet:
      return !coordination && named ? null : 'a cache entry is asked for by its key in a data group';
    case QueryOp.ClusterInspect:
      return coordination ? null : 'the cluster is asked for in group 0';
    case QueryOp.SessionInspect:
      return Number.isSafeInteger(first) ? null : 'a session is asked for by its id';
    default:
      return `query ${String(op)} is unknown`;
  }
}

function boundWait(query: Extract<Query, readonly [typeof QueryOp.QueueWait, ...unknown[]]>): Query {
  return [query[0], query[1], Math.min(query[2], LONG_POLL_MAX_MS)];
}

function packRead(request: number, id: GroupId, level: number, mark: LogIndex, query: Query): Uint8Array {
  return pack([RequestKind.Read, request, id, level, mark, query]);
}
