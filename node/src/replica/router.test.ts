import {
  type GroupId,
  type LogIndex,
  QueryOp,
  ReadLevel,
  ReplyKind,
  RequestKind,
} from '@synccluster/client/protocol';
import { pack } from '@synccluster/client/wire';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../machines/index.ts';
import type { Connection } from './connection.ts';
import type { Group } from './group.ts';
import { Router, type RouterContext } from './router.ts';

const GROUP = 1 as GroupId;
const WAIT = pack([
  RequestKind.Read,
  7,
  GROUP,
  ReadLevel.Session,
  0 as LogIndex,
  [QueryOp.QueueWait, 'q', 0],
]);
const ABSENT: Outcome = { ok: false, code: 'NOT_FOUND', message: 'no queue', detail: 0 };
const READY: Outcome = { ok: true, value: [true] };

function setup() {
  const replies: unknown[] = [];
  const state = { found: ABSENT };
  /** Reads that wait for a quorum round and for what was committed before. */
  const rounds: ((ok: boolean) => void)[] = [];
  const group = {
    id: GROUP,
    isLeader: true,
    leader: 1,
    applied: 5,
    machine: { query: () => state.found },
    reads: { linearizable: (done: (ok: boolean) => void) => rounds.push(done) },
    answer: () => replies.push(state.found.ok ? state.found.value : state.found.code),
  };
  const context = {
    group: () => group as unknown as Group,
    groupCount: () => 2,
    stopped: () => false,
    wake: () => {},
  };
  const router = new Router(context as unknown as RouterContext);
  const connection = {
    forwarded: false,
    reply: (reply: readonly unknown[]) => replies.push(reply[0] === ReplyKind.Error ? reply[2] : reply),
  };
  return { router, connection: connection as unknown as Connection, replies, state, rounds };
}

describe('a wait for messages', () => {
  it('is answered at once where the queue is', () => {
    const { router, connection, replies, state } = setup();
    state.found = READY;
    router.take(connection, WAIT);
    expect(replies).toEqual([[true]]);
  });

  it('is told of no queue only by a leader that has applied what was committed before', () => {
    const { router, connection, replies, state, rounds } = setup();
    router.take(connection, WAIT);
    expect(replies).toEqual([]);
    // The declaration was in the log that a new leader had yet to apply.
    state.found = READY;
    rounds[0]?.(true);
    expect(replies).toEqual([[true]]);
  });

  it('is told so when that is the truth, and of another leader when there is one', () => {
    const { router, connection, replies, rounds } = setup();
    router.take(connection, WAIT);
    router.take(connection, WAIT);
    rounds[0]?.(true);
    rounds[1]?.(false);
    expect(replies).toHaveLength(2);
    expect(replies[0]).toBe('NOT_FOUND');
    expect(replies[1]).not.toBe('NOT_FOUND');
  });
});
