import { backoffMs } from './backoff.ts';
import type { Timer } from './clock.ts';
import type { Connection } from './connection.ts';
import { cancelled, SyncError } from './errors.ts';
import type { Pending, Refused } from './pending.ts';
import type { Query, ReadLevelValue } from './protocol/commands.ts';
import { ERROR_CODES } from './protocol/errors.ts';
import type { GroupId } from './protocol/ids.ts';
import type { Parked, Router } from './router.ts';

/** What read operations share. */
export interface Reads {
  readonly router: Router;
  /** Operations outside of any connection's table: waiting for a route or for their next attempt. */
  readonly idle: Set<ReadOp>;
}

/** One query, repeated until it is answered or its deadline passes. */
export abstract class ReadOp implements Pending, Parked {
  readonly group: GroupId;
  /** Log index that the answer reflects. */
  protected index = 0;
  readonly #level: ReadLevelValue;
  readonly #query: Query;
  /** Monotonic. */
  readonly #deadlineMs: number;
  readonly #reads: Reads;
  #connection: Connection | null = null;
  #request = 0;
  #failures = 0;
  #retry: Timer | null = null;
  #lastRefusal: Refused | null = null;
  #done = false;
  #signal: AbortSignal | null = null;

  constructor(reads: Reads, group: GroupId, level: ReadLevelValue, query: Query, deadlineMs: number) {
    this.#reads = reads;
    this.group = group;
    this.#level = level;
    this.#query = query;
    this.#deadlineMs = deadlineMs;
  }

  protected abstract answered(value: readonly unknown[]): void;
  protected abstract failed(error: SyncError): void;

  start(signal?: AbortSignal): void {
    if (signal !== undefined) {
      if (signal.aborted) {
        this.fail(cancelled(signal));
        return;
      }
      this.#signal = signal;
      signal.addEventListener('abort', this.#aborted);
    }
    this.#send(null);
  }

  replied(index: number, value: readonly unknown[]): void {
    if (!this.#finish()) return;
    this.index = index;
    try {
      this.answered(value);
    } catch (error) {
      this.failed(new SyncError('PROTOCOL', 'the answer has an unknown shape', { cause: error }));
    }
  }

  refused(refused: Refused): void {
    const from = this.#connection;
    this.#connection = null;
    if (ERROR_CODES[refused.code].retry === 'no' || refused.code === 'MOVED') {
      this.fail(new SyncError(refused.code, refused.message));
      return;
    }
    this.#lastRefusal = refused;
    this.#reads.router.learn(this.group, refused.leader, from);
    // A hint is followed at once, the first time.
    if (refused.leader !== 0 && this.#failures++ === 0) {
      this.#send(from);
      return;
    }
    this.#reads.idle.add(this);
    this.#retry = this.#reads.router.clock.after(
      backoffMs(this.#reads.router.clock, this.#failures++),
      () => {
        this.#retry = null;
        this.#send(from);
      },
    );
  }

  disconnected(): void {
    this.#connection = null;
    this.#send(null);
  }

  routeReady(): void {
    this.#send(null);
  }

  overdue(nowMs: number): boolean {
    if (nowMs < this.#deadlineMs) return false;
    const why = this.#lastRefusal ?? this.#reads.router.lastError;
    const text = why === null ? 'no answer came in time' : `no answer came in time; last: ${why.message}`;
    this.fail(new SyncError('TIMEOUT', text));
    return true;
  }

  /** Ends it for the caller; a member that works on it is told to stop. */
  fail(error: SyncError): void {
    const connection = this.#connection;
    if (!this.#finish()) return;
    connection?.cancel(this.#request);
    this.failed(error);
  }

  readonly #aborted = (): void => {
    this.fail(cancelled(this.#signal!));
  };

  #send(avoid: Connection | null): void {
    if (this.#done) return;
    const { router, idle } = this.#reads;
    const connection = router.route(this.group, avoid);
    if (connection === null) {
      idle.add(this);
      router.park(this);
      return;
    }
    idle.delete(this);
    this.#connection = connection;
    try {
      const mark = router.directory.markOf(this.group);
      this.#request = connection.read(this.group, this.#level, mark, this.#query, this, 0);
    } catch (error) {
      this.#connection = null;
      this.fail(error instanceof SyncError ? error : new SyncError('INVALID_ARGUMENT', String(error)));
    }
  }

  #finish(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#connection = null;
    if (this.#retry !== null) this.#retry.cancel();
    if (this.#reads.idle.delete(this)) this.#reads.router.unpark(this);
    this.#signal?.removeEventListener('abort', this.#aborted);
    return true;
  }
}
