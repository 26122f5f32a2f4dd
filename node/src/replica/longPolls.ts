import type { LogIndex } from '@synccluster/client/protocol';
import { ReplyKind } from '@synccluster/client/protocol';
import { type Connection, replyError } from './connection.ts';

interface Poll {
  readonly connection: Connection;
  readonly request: number;
  readonly queue: string;
  readonly dueMs: number;
}

/** Of one connection in one group; a client needs one a queue. */
const POLLS_MAX = 10_000;

/** Requests that wait for a queue to have something ready: kept by the group's leader, never logged. */
export class LongPolls {
  readonly #byQueue = new Map<string, Set<Poll>>();
  readonly #byConnection = new Map<Connection, Map<number, Poll>>();
  #earliestMs = Number.POSITIVE_INFINITY;

  add(connection: Connection, request: number, queue: string, dueMs: number): void {
    let own = this.#byConnection.get(connection);
    if (own === undefined) {
      own = new Map();
      this.#byConnection.set(connection, own);
    }
    if (own.size >= POLLS_MAX || own.has(request)) {
      replyError(connection, request, 'OVERLOADED', `a connection may wait for ${POLLS_MAX} queues at once`);
      return;
    }
    const poll = { connection, request, queue, dueMs };
    own.set(request, poll);
    const waiting = this.#byQueue.get(queue);
    if (waiting === undefined) this.#byQueue.set(queue, new Set([poll]));
    else waiting.add(poll);
    if (dueMs < this.#earliestMs) this.#earliestMs = dueMs;
  }

  wake(queues: ReadonlySet<string>, index: LogIndex): void {
    if (this.#byQueue.size === 0) return;
    for (const queue of queues) {
      for (const poll of this.#byQueue.get(queue) ?? []) {
        this.#forget(poll);
        poll.connection.reply([ReplyKind.Ok, poll.request, index, [true]]);
      }
    }
  }

  overdue(nowMs: number, index: LogIndex): void {
    if (nowMs < this.#earliestMs) return;
    this.#earliestMs = Number.POSITIVE_INFINITY;
    for (const polls of this.#byQueue.values()) {
      for (const poll of polls) {
        if (poll.dueMs > nowMs) {
          this.#earliestMs = Math.min(this.#earliestMs, poll.dueMs);
          continue;
        }
        this.#forget(poll);
        poll.connection.reply([ReplyKind.Ok, poll.request, index, [false]]);
      }
    }
  }

  cancel(connection: Connection, request: number): void {
    const poll = this.#byConnection.get(connection)?.get(request);
    if (poll === undefined) return;
    this.#forget(poll);
    replyError(connection, request, 'CANCELLED', 'the wait was cancelled');
  }

  dropConnection(connection: Connection): void {
    for (const poll of this.#byConnection.get(connection)?.values() ?? []) this.#forget(poll);
  }

  leadershipLost(leader: number): void {
    for (const polls of this.#byQueue.values()) {
      for (const { connection, request } of polls) {
        replyError(connection, request, 'NOT_LEADER', 'the leader changed', leader);
      }
    }
    this.#byQueue.clear();
    this.#byConnection.clear();
  }

  #forget(poll: Poll): void {
    const waiting = this.#byQueue.get(poll.queue);
    waiting?.delete(poll);
    if (waiting?.size === 0) this.#byQueue.delete(poll.queue);
    const own = this.#byConnection.get(poll.connection);
    own?.delete(poll.request);
    if (own?.size === 0) this.#byConnection.delete(poll.connection);
  }
}
