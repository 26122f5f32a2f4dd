import type { LogIndex } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import type { RaftCore } from '../raft/types.ts';
import { Reads } from './reads.ts';

const at = (n: number): LogIndex => n as LogIndex;

/** Only what `startRound` looks at. */
function leader(round: number | null): RaftCore {
  return { role: 'leader', readIndex: () => round } as unknown as RaftCore;
}

describe('Reads', () => {
  it('serves all that asked in one turn with one round, when its index is applied', () => {
    const reads = new Reads();
    const done: string[] = [];
    reads.linearizable((ok) => done.push(`a ${ok}`));
    reads.linearizable((ok) => done.push(`b ${ok}`));
    reads.startRound(leader(1));
    reads.confirmed(1, at(7));
    reads.applied(at(6));
    expect(done).toEqual([]);
    reads.applied(at(7));
    expect(done).toEqual(['a true', 'b true']);
  });

  it('does not let a read join a round that began before it', () => {
    const reads = new Reads();
    const done: string[] = [];
    reads.linearizable(() => done.push('first'));
    reads.startRound(leader(1));
    reads.linearizable(() => done.push('second'));
    reads.startRound(leader(2));
    reads.confirmed(1, at(7));
    reads.applied(at(9));
    expect(done).toEqual(['first']);
    reads.confirmed(2, at(9));
    reads.applied(at(9));
    expect(done).toEqual(['first', 'second']);
  });

  it('keeps reads waiting while a new leader has not committed in its term', () => {
    const reads = new Reads();
    const done: boolean[] = [];
    reads.linearizable((ok) => done.push(ok));
    reads.startRound(leader(null));
    expect(reads.asking).toBe(true);
    expect(done).toEqual([]);
  });

  it('fails what depended on the leadership, and only that, when it is lost', () => {
    const reads = new Reads();
    const done: string[] = [];
    reads.linearizable((ok) => done.push(`round ${ok}`));
    reads.startRound(leader(1));
    reads.linearizable((ok) => done.push(`asked ${ok}`));
    reads.atIndex(at(5), 100, (ok) => done.push(`session ${ok}`));
    reads.leadershipLost();
    expect(done.sort()).toEqual(['asked false', 'round false']);
    reads.applied(at(5));
    expect(done).toContain('session true');
  });

  it('gives up a read that waited too long for this member to catch up', () => {
    const reads = new Reads();
    const done: boolean[] = [];
    reads.atIndex(at(5), 100, (ok) => done.push(ok));
    reads.overdue(99);
    expect(done).toEqual([]);
    reads.overdue(100);
    expect(done).toEqual([false]);
  });
});
