import type { ErrorCode, LockModeName, ReadLevelName } from '@synccluster/client';

/**
 * What clients did and saw, as plain data. The black-box checkers read nothing else, so the same history may come
 * from the simulator or from real processes.
 */

/**
 * A moment in the life of a client. `order` rises with every moment the recorder noted, over all clients: it is the
 * order of real time, exact where milliseconds tie.
 */
export interface Instant {
  readonly order: number;
  /** The world's own time, which no clock of a member or client shows. */
  readonly worldMs: number;
  /** By the client's own clocks. */
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Where in a group's log an answer belongs. */
export interface LogPosition {
  readonly group: number;
  readonly index: number;
  /**
   * The write was sent more than once: the answer may be a stored one, and `index` then only an upper bound of where
   * the write took effect. Always false for reads.
   */
  readonly resent: boolean;
}

export interface DeliveryRecord {
  readonly partition: number;
  readonly message: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
  readonly enqueuedAtMs: number;
  readonly payload: string;
}
interface DepthRecord {
  readonly partition: number;
  readonly ready: number;
  readonly inFlight: number;
  readonly delayed: number;
}
export interface HolderRecord {
  readonly session: number;
  readonly token: number;
  readonly mode: LockModeName;
}

/** Names one delivery of one message. */
interface ReceiptCall {
  readonly queue: string;
  readonly partition: number;
  readonly message: number;
  readonly delivery: number;
}

/** Call and answer by kind of operation. */
interface Calls {
  /** `waitMs` null: for ever; 0: try. Refused with `LOCK_HELD` or `TIMEOUT`: nothing was granted. */
  lockAcquire: {
    call: { readonly name: string; readonly mode: LockModeName; readonly waitMs: number | null };
    answer: { readonly token: number };
  };
  /**
   * An instant: the client looked at a lock that it was granted. `held`: the library said that it holds, by the
   * client's own clocks, so this is a moment at which nobody else may hold against it.
   */
  lockMark: {
    call: { readonly name: string; readonly token: number };
    answer: { readonly held: boolean };
  };
  lockRelease: {
    call: { readonly name: string; readonly token: number };
    answer: Record<never, never>;
  };
  /** An instant: the library told the client that the lock is lost. */
  lockLost: {
    call: { readonly name: string; readonly token: number };
    answer: Record<never, never>;
  };
  lockInspect: {
    call: { readonly name: string };
    answer: { readonly holders: readonly HolderRecord[]; readonly waiters: number };
  };

  queueDeclare: {
    call: { readonly queue: string; readonly partitions: number; readonly visibilityMs: number };
    answer: Record<never, never>;
  };
  queueDelete: { call: { readonly queue: string }; answer: Record<never, never> };
  /** Payloads are unique over a history: they say which message came out. */
  enqueue: {
    call: {
      readonly queue: string;
      readonly key: string | null;
      readonly payload: string;
      readonly delayMs: number;
    };
    answer: { readonly partition: number; readonly message: number };
  };
  /** `visibilityMs` 0: the queue's. */
  receive: {
    call: {
      readonly queue: string;
      readonly max: number;
      readonly waitMs: number;
      readonly visibilityMs: number;
    };
    answer: { readonly deliveries: readonly DeliveryRecord[] };
  };
  ack: { call: ReceiptCall; answer: Record<never, never> };
  nack: { call: ReceiptCall & { readonly delayMs: number }; answer: Record<never, never> };
  extend: { call: ReceiptCall & { readonly visibilityMs: number }; answer: Record<never, never> };
  queueInspect: {
    call: { readonly queue: string };
    answer: { readonly partitions: readonly DepthRecord[] };
  };

  /** Values are unique over a history. `ttlMs` 0: does not expire. */
  cachePut: {
    call: { readonly key: string; readonly value: string; readonly ttlMs: number };
    answer: { readonly version: number };
  };
  /** Absent: version 0 and null. */
  cacheGet: {
    call: { readonly key: string; readonly level: ReadLevelName };
    answer: { readonly version: number; readonly value: string | null };
  };
  cacheDelete: { call: { readonly key: string }; answer: { readonly existed: boolean } };

  /** Instants: what the library told of itself. */
  sessionOpened: {
    call: { readonly group: number; readonly session: number };
    answer: Record<never, never>;
  };
  sessionLost: {
    call: { readonly group: number; readonly session: number };
    answer: Record<never, never>;
  };
  /** Another cluster answers (a forced recovery): what was promised before it may be gone. */
  clusterChanged: { call: { readonly clusterId: string }; answer: Record<never, never> };
}
export type OperationKind = keyof Calls;
export type CallOf<K extends OperationKind> = Calls[K]['call'];
export type AnswerOf<K extends OperationKind> = Calls[K]['answer'];

/**
 * - `ok`: it happened, once, between invocation and completion, with this answer.
 * - `fail`: it did not happen and never will.
 * - `unknown`: it may have happened, may happen at any later time, or never.
 */
export type OutcomeKind = 'ok' | 'fail' | 'unknown';

interface OperationRecord<K extends OperationKind> {
  /** Order of invocation, from 1. */
  readonly id: number;
  readonly client: number;
  readonly kind: K;
  readonly call: CallOf<K>;
  readonly invoked: Instant;
  /** Null: it had not come back when the history ended. */
  readonly completed: Instant | null;
  readonly outcome: OutcomeKind;
  readonly error: ErrorCode | null;
  /** Null unless `ok`. */
  readonly answer: AnswerOf<K> | null;
  /** Null: not known. */
  readonly at: LogPosition | null;
}

/** Distributes over the kinds, so that `kind` tells the members of the union apart. */
export type Operation<K extends OperationKind = OperationKind> = K extends OperationKind
  ? OperationRecord<K>
  : never;

/** An operation that happened, with its answer. */
export type Done<K extends OperationKind> = K extends OperationKind
  ? OperationRecord<K> & { readonly completed: Instant; readonly answer: AnswerOf<K> }
  : never;

export function isKind<K extends OperationKind>(operation: Operation, kind: K): operation is Operation<K> {
  return operation.kind === kind;
}

export function isDone<K extends OperationKind>(
  operation: Operation<K>,
): operation is Operation<K> & Done<K> {
  return operation.outcome === 'ok';
}
