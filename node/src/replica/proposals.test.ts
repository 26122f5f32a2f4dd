import {
  type Command,
  type LogIndex,
  Op,
  type Reply,
  type Seq,
  type SessionId,
  type Term,
} from '@synccluster/client/protocol';
import { packCommand, unpackMany } from '@synccluster/client/wire';
import { describe, expect, it } from 'vitest';
import type { Connection } from './connection.ts';
import { Batch, Proposals } from './proposals.ts';

class Recorder implements Connection {
  readonly id = 1;
  readonly forwarded = false;
  readonly closed = false;
  readonly replies: Reply[] = [];
  reply(reply: Reply): void {
    this.replies.push(reply);
  }
  replyFrames(): void {}
  flush(): void {}
}

const put = (seq: number): Command =>
  [
    Op.CachePut,
    1,
    (seq > 0 ? 7 : 0) as SessionId,
    seq as Seq,
    seq as Seq,
    'k',
    new Uint8Array(2),
    0,
  ] as const;

function batchOf(connection: Connection, ...seqs: number[]): Batch {
  const batch = new Batch();
  for (const [slot, seq] of seqs.entries())
    batch.add(connection, 100 + slot, packCommand(put(seq)), put(seq));
  batch.term = 3 as Term;
  return batch;
}
const codes = (r: Recorder): unknown[] => r.replies.map((reply) => [reply[1], reply[2]]);

describe('Batch', () => {
  it('becomes one entry whose data unpacks to the commands in order', () => {
    const data = batchOf(new Recorder(), 1, 2, 3).data();
    expect(unpackMany(data)).toEqual([put(1), put(2), put(3)].map((c) => [...c]));
  });
});

describe('Proposals', () => {
  it('gives a batch back to the entry of its own term only', () => {
    const r = new Recorder();
    const proposals = new Proposals();
    const kept = batchOf(r, 1);
    proposals.add(5 as LogIndex, kept);
    expect(proposals.take(5 as LogIndex, 3 as Term)).toBe(kept);
    expect(proposals.sizeBytes).toBe(0);
    proposals.add(6 as LogIndex, batchOf(r, 2, 0));
    expect(proposals.take(6 as LogIndex, 4 as Term)).toBeNull();
    expect(codes(r)).toEqual([
      [100, 'UNAVAILABLE'],
      [101, 'UNAVAILABLE'],
    ]);
  });

  it('when the leadership is lost: frees deduplicated writes to be sent again, keeps the others waiting', () => {
    const r = new Recorder();
    const proposals = new Proposals();
    const batch = batchOf(r, 1, 0);
    proposals.add(5 as LogIndex, batch);
    proposals.leadershipLost(9, 1_000);
    expect(codes(r)).toEqual([[100, 'NOT_LEADER']]);
    proposals.overdue(5_999);
    expect(r.replies).toHaveLength(1);
    // The entry survived after all: the waiting one gets its real outcome, the other is not answered twice.
    const taken = proposals.take(5 as LogIndex, 3 as Term);
    taken?.answer(0, { ok: true, value: [1] }, 5 as LogIndex, 9);
    taken?.answer(1, { ok: true, value: [2] }, 5 as LogIndex, 9);
    expect(codes(r)).toEqual([
      [100, 'NOT_LEADER'],
      [101, 5],
    ]);
  });

  it('says OUTCOME_UNKNOWN for a write without sequence number that stays undecided', () => {
    const r = new Recorder();
    const proposals = new Proposals();
    proposals.add(5 as LogIndex, batchOf(r, 0));
    proposals.leadershipLost(0, 1_000);
    proposals.overdue(6_000);
    expect(codes(r)).toEqual([[100, 'OUTCOME_UNKNOWN']]);
  });
});
