import type { LogIndex } from '@synccluster/client/protocol';
import { ReplyKind } from '@synccluster/client/protocol';
import { type Connection, replyError } from './connection.ts';

interface Poll {
  readonly connection: Connection;
  readonly request: number;
  readonly queue: string;
  readonly dueMs: number;
}

/** Requests that wait for a queue to have something ready: kept by the group's leader, never logged. */
export class LongPolls {
  readonly #byQueue = new Map<string, Set<Poll>>();
  #earliestMs = Number.POSITIVE_INFINITY;

  add(connection: Connection, request: number, queue: string, dueMs: number): void {
    let polls = this.#byQueue.get(queue);
    if (polls === undefined) {
      polls = new Set();
      this.#byQueue.set(queue, polls);
    }
    polls.add({ connection, request, queue, dueMs });
    if (dueMs < this.#earliestMs) this.#earliestMs = dueMs;
  }

  wake(queues: ReadonlySet<string>, index: LogIndex): void {
    if (this.#byQueue.size === 0) return;
    for (const queue of queues) {
      const polls = this.#byQueue.get(queue);
      if (polls === undefined) continue;
      this.#byQueue.delete(queue);
      for (const poll of polls) poll.connection.reply([ReplyKind.Ok, poll.request, index, [true]]);
    }
  }

  overdue(nowMs: number, index: LogIndex): void {
    if (nowMs < this.#earliestMs) return;
    this.#earliestMs = Number.POSITIVE_INFINITY;
    this.#sweep((poll) => {
      if (poll.connection.closed) return true;
      if (poll.dueMs > nowMs) {
        this.#earliestMs = Math.min(this.#earliestMs, poll.dueMs);
        return false;
      }
      poll.connection.reply([ReplyKind.Ok, poll.request, index, [false]]);
      return true;
    });
  }

  cancel(connection: Connection, request: number): void {
    this.#sweep((poll) => {
      if (poll.connection !== connection || poll.request !== request) return false;
      replyError(connection, request, 'CANCELLED', 'the wait was cancelled');
      return true;
    });
  }

  dropConnection(connection: Connection): void {
    this.#sweep((poll) => poll.connection === connection);
  }

  leadershipLost(leader: number): void {
    this.#sweep((poll) => {
      replyError(poll.connection, poll.request, 'NOT_LEADER', 'the leader changed', leader);
      return true;
    });
  }

  #sweep(done: (poll: Poll) => boolean): void {
    for (const [queue, polls] of this.#byQueue) {
      for (const poll of polls) if (done(poll)) polls.delete(poll);
      if (polls.size === 0) this.#byQueue.delete(queue);
    }
  }
}
