import { assignSlots, LIMITS, QueryOp, slotOfPartition } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { ack, assign, bytes, configure, dequeue, enqueue, expire, extend, nack } from './testing/commands.ts';
import { data } from './testing/world.ts';

function world(partitions = 1, visibilityMs = 1000) {
  const w = data();
  w.ok(assign());
  w.ok(configure('q', 1, [partitions, visibilityMs]));
  const take = (max = 1, visible = 0) =>
    w.deliveries(dequeue(0, 'q', max, visible)).map(([p, id, n]) => [p, id, n]);
  const depths = () => w.ask([QueryOp.QueueInspect, 'q'])[0];
  const fill = (partition: number, count: number, delayMs = 0) =>
    w.ok(
      enqueue(0, 'q', partition, ...Array.from({ length: count }, (_, i) => [bytes(i), delayMs] as const)),
    )[0];
  return { w, take, depths, fill };
}

describe('enqueue', () => {
  it('gives ids from 1 without gaps in each partition', () => {
    const { fill } = world(2);
    expect(fill(0, 2)).toEqual([1, 2]);
    expect(fill(1, 1)).toEqual([1]);
    expect(fill(0, 1)).toEqual([3]);
  });

  it('refuses an unknown queue, a partition beyond the last and a slot of another group', () => {
    const { w } = world(2);
    expect(w.code(enqueue(0, 'other', 0, [bytes(), 0]))).toBe('NOT_FOUND');
    expect(w.code(enqueue(0, 'q', 2, [bytes(), 0]))).toBe('INVALID_ARGUMENT');
    const table = assignSlots(1);
    table[slotOfPartition('q', 1)] = 2;
    w.ok(assign(2, 1, table));
    expect(w.run(enqueue(0, 'q', 1, [bytes(), 0]))).toMatchObject({ code: 'MOVED', detail: 2 });
    expect(w.ok(enqueue(0, 'q', 0, [bytes(), 0]))).toEqual([[1]]);
  });

  it('tells which queues got something ready, once', () => {
    const { w, fill } = world();
    fill(0, 1, 50);
    expect([...w.machine.takeReadyQueues()]).toEqual([]);
    fill(0, 1);
    expect([...w.machine.takeReadyQueues()]).toEqual(['q']);
    expect([...w.machine.takeReadyQueues()]).toEqual([]);
    w.stampMs += 50;
    w.ok(expire());
    expect([...w.machine.takeReadyQueues()]).toEqual(['q']);
    expect(w.ask([QueryOp.QueueWait, 'q', 0])).toEqual([true]);
  });
});

describe('slots', () => {
  it('are taken from newer epochs only, and only by the group that is meant', () => {
    const w = data();
    expect(w.machine.ownsSlots()).toBe(false);
    expect(w.code(assign(1, 2))).toBe('INVALID_ARGUMENT');
    w.ok(configure('q', 1, [1, 1000]));
    expect(w.code(enqueue(0, 'q', 0, [bytes(), 0]))).toBe('MOVED');
    w.ok(assign(5));
    expect(w.machine.ownsSlots()).toBe(true);
    w.ok(assign(5, 1, assignSlots(1).fill(2)));
    w.ok(assign(4, 1, assignSlots(1).fill(2)));
    expect(w.ok(enqueue(0, 'q', 0, [bytes(), 0]))).toEqual([[1]]);
    expect(w.machine.slotEpoch()).toBe(5);
  });
});

describe('dequeue', () => {
  it('ends with the message that makes it too large for a frame, and leaves the rest ready', () => {
    const { w, take, depths } = world();
    for (let i = 0; i < 5; i++) w.ok(enqueue(0, 'q', 0, [new Uint8Array(LIMITS.valueBytes), 0]));
    expect(take(5)).toHaveLength(LIMITS.deliveryBytes / LIMITS.valueBytes);
    expect(depths()).toMatchObject([[0, 3, 2, 0, 5 * LIMITS.valueBytes]]);
  });

  it('delivers in the order of ids, up to max, with the payload', () => {
    const { w, fill } = world();
    fill(0, 3);
    expect(w.deliveries(dequeue(0, 'q', 2))).toEqual([
      [0, 1, 1, w.stampMs, bytes(0)],
      [0, 2, 1, w.stampMs, bytes(1)],
    ]);
    expect(w.deliveries(dequeue(0, 'q', 9))).toEqual([[0, 3, 1, w.stampMs, bytes(2)]]);
    expect(w.deliveries(dequeue(0, 'q', 9))).toEqual([]);
  });

  it('begins each time at another partition, and goes on to the next when one is empty', () => {
    const { take, fill } = world(4);
    fill(1, 3);
    fill(3, 3);
    expect([take(), take(), take()].flat()).toEqual([
      [1, 1, 1],
      [3, 1, 1],
      [1, 2, 1],
    ]);
    expect(take(9)).toEqual([
      [3, 2, 1],
      [3, 3, 1],
      [1, 3, 1],
    ]);
  });

  it('brings a message back at its place when its visibility is over, and then refuses the old receipt', () => {
    const { w, take, fill } = world();
    fill(0, 3);
    take(2);
    w.stampMs += 999;
    w.ok(expire());
    expect(take()).toEqual([[0, 3, 1]]);
    w.stampMs += 1;
    expect(w.machine.nextDueStampMs()).toBe(w.stampMs);
    w.ok(expire());
    fill(0, 1);
    expect(w.ok(ack('q', [0, 1, 1]))).toEqual([0, [[0, 1, 1]]]);
    expect(take(3)).toEqual([
      [0, 1, 2],
      [0, 2, 2],
      [0, 4, 1],
    ]);
    expect(w.ok(ack('q', [0, 1, 1], [0, 1, 2]))).toEqual([1, [[0, 1, 1]]]);
  });

  it('honours a visibility of its own', () => {
    const { w, take, fill } = world();
    fill(0, 1);
    take(1, 5000);
    expect(w.machine.nextDueStampMs()).toBe(w.stampMs + 5000);
  });
});

describe('receipts', () => {
  it('are good past the deadline until the log says it passed', () => {
    const { w, take, fill } = world();
    fill(0, 1);
    take();
    w.stampMs += 60_000;
    expect(w.ok(ack('q', [0, 1, 1]))).toEqual([1, []]);
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
  });

  it('are listed when stale: unknown partition, id or delivery, not in flight, named twice', () => {
    const { w, take, fill } = world(2);
    fill(0, 2);
    take();
    const stale = [
      [1, 1, 1],
      [0, 9, 1],
      [0, 1, 2],
      [0, 2, 1],
      [0, 1, 1],
    ] as const;
    expect(w.ok(ack('q', [0, 1, 1], ...stale))).toEqual([1, stale]);
    expect(w.code(ack('none', [0, 1, 1]))).toBe('NOT_FOUND');
  });

  it('can give back at once or with a delay', () => {
    const { w, take, depths, fill } = world();
    fill(0, 3);
    take(2);
    w.ok(nack('q', 0, [0, 2, 1]));
    w.ok(nack('q', 70, [0, 1, 1]));
    expect(depths()).toEqual([[0, 2, 0, 1, 3]]);
    expect(take(9)).toEqual([
      [0, 2, 2],
      [0, 3, 1],
    ]);
    w.stampMs += 70;
    w.ok(expire());
    expect(take()).toEqual([[0, 1, 2]]);
  });

  it('can extend the visibility', () => {
    const { w, take, depths, fill } = world();
    fill(0, 1);
    take();
    w.stampMs += 900;
    expect(w.ok(extend('q', 1000, [0, 1, 1]))).toEqual([1, []]);
    w.stampMs += 999;
    w.ok(expire());
    expect(depths()).toEqual([[0, 0, 1, 0, 1]]);
    w.stampMs += 1;
    w.ok(expire());
    expect(depths()).toEqual([[0, 1, 0, 0, 1]]);
  });
});

describe('configuration', () => {
  it('is idempotent by generation; null removes the queue, its messages and what they were due for', () => {
    const { w, take, fill } = world();
    fill(0, 2);
    fill(0, 1, 500);
    take();
    w.ok(configure('q', 1, [9, 9000]));
    w.ok(configure('q', 1, null));
    expect(take()).toEqual([[0, 2, 1]]);
    w.ok(configure('q', 2, null));
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
    for (const command of [dequeue(0, 'q', 1), ack('q', [0, 1, 1]), enqueue(0, 'q', 0, [bytes(), 0])]) {
      expect(w.code(command)).toBe('NOT_FOUND');
    }
    expect(w.machine.query([QueryOp.QueueInspect, 'q'])).toMatchObject({ code: 'NOT_FOUND' });
    w.ok(configure('q', 1, [1, 1000]));
    expect(w.code(dequeue(0, 'q', 1))).toBe('NOT_FOUND');
    expect([...w.machine.queueGenerations()]).toEqual([['q', 2]]);
  });

  it('never lets a receipt of a deleted queue meet a message of its successor', () => {
    const { w, take, fill } = world(2);
    fill(1, 3);
    take();
    // The deletion itself may have been skipped: only the newest generation is driven in.
    w.ok(configure('q', 5, [2, 1000]));
    expect(take(9)).toEqual([]);
    expect(fill(1, 1)).toEqual([4]);
    take();
    expect(w.ok(ack('q', [1, 1, 1]))).toEqual([0, [[1, 1, 1]]]);
    w.ok(configure('q', 6, null));
    w.ok(configure('q', 7, [1, 1000]));
    expect(fill(0, 1)).toEqual([5]);
  });
});
