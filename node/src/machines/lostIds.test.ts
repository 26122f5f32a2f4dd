import { LockMode, WAIT_FOREVER } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { firstIdOf, pastLost } from './lostIds.ts';
import {
  ack,
  acquire,
  assign,
  bytes,
  configure,
  declare,
  dequeue,
  enqueue,
  genesis,
  open,
  recover,
  undeclare,
} from './testing/commands.ts';
import { coordination, data } from './testing/world.ts';

const HELLO = [bytes(1), 0] as const;
const FOR_EVER = 2 ** 32;

describe('a counter', () => {
  it('goes on past what was lost, again with each recovery', () => {
    expect(pastLost(0)).toBe(FOR_EVER);
    expect(pastLost(FOR_EVER - 1)).toBe(FOR_EVER);
    expect(pastLost(FOR_EVER)).toBe(2 * FOR_EVER);
    expect(Number.isSafeInteger(Array.from({ length: 1000 }).reduce<number>(pastLost, 0))).toBe(true);
  });
  it('begins at 1 as long as nothing was recovered', () => {
    expect([1, 2, 1_000_000, FOR_EVER - 1].map(firstIdOf)).toEqual([1, 1, 1, 1]);
    expect(firstIdOf(FOR_EVER + 1)).toBe(FOR_EVER + 1);
  });
});

// The lost quorum may have given out ids that the survivor never heard of: as if this state were older than it is.
describe('after a recovery no id that may have been given out comes again', () => {
  it('in coordination: sessions, waiters, generations of queues', () => {
    const w = coordination();
    w.ok(genesis('lost', 1, 11, 0));
    const holder = w.number(open());
    w.ok(acquire(holder, 'a', LockMode.Exclusive, 0));
    w.number(declare('q', [1, 1000]));
    w.ok(recover('new', 11, 0));
    const session = w.number(open());
    expect(session).toBeGreaterThan(FOR_EVER);
    expect(w.ok(acquire(session, 'a', LockMode.Exclusive, WAIT_FOREVER))[1]).toBeGreaterThan(FOR_EVER);
    expect(w.number(undeclare('q'))).toBeGreaterThan(FOR_EVER);
    // What the survivor had stays as it is.
    expect(w.ok(acquire(holder, 'b', LockMode.Exclusive, 0))[1]).toBe(0);
  });

  it('nor a token, though the survivor has an older state and a slower clock', () => {
    const lost = coordination();
    lost.ok(genesis('lost', 1, 11, 0));
    const holder = lost.number(open());
    lost.stampMs += 60 * 60_000;
    const given = lost.ok(acquire(holder, 'a', LockMode.Exclusive, 0))[0] as number;
    const survivor = coordination();
    survivor.ok(genesis('lost', 1, 11, 0));
    const other = survivor.number(open());
    survivor.ok(recover('new', 11, 0));
    expect(survivor.ok(acquire(other, 'a', LockMode.Exclusive, 0))[0]).toBeGreaterThan(given);
  });
  it('in a data group: sessions, messages of open, unopened and newly declared queues', () => {
    const w = data();
    w.ok(assign());
    w.ok(configure('q', 1, [2, 1000]));
    w.ok(enqueue(0, 'q', 0, HELLO));
    w.ok(recover('new', 11, 0));
    expect(w.number(open())).toBeGreaterThan(FOR_EVER);
    const idOf = (queue: string, partition: number) =>
      (w.ok(enqueue(0, queue, partition, HELLO))[0] as readonly number[])[0];
    expect(idOf('q', 0)).toBeGreaterThanOrEqual(FOR_EVER);
    expect(idOf('q', 1)).toBeGreaterThanOrEqual(FOR_EVER);
    // Declared before in the lost cluster, for all this group knows.
    w.ok(configure('unheard', pastLost(1) + 1, [1, 1000]));
    expect(idOf('unheard', 0)).toBeGreaterThan(FOR_EVER);
    const old = w.deliveries(dequeue(0, 'q', 1))[0]!;
    expect(old[1]).toBe(1);
    expect(w.ok(ack('q', [old[0], old[1], old[2]]))[0]).toBe(1);
    expect(w.ok(ack('q', [1, 1, 1]))[0]).toBe(0);
  });
});
