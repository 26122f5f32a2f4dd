import {
  type Delivery,
  Op,
  type PartitionDepth,
  QueryOp,
  type Receipt,
  type StampMs,
} from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { ack, assign, configure, dequeue, enqueue, expire, extend, nack } from './testing/commands.ts';
import { Random } from './testing/random.ts';
import { data } from './testing/world.ts';

const STEPS = 800;
const PARTITIONS = 3;
const VISIBILITY_MS = 200;

interface Known {
  readonly payload: Uint8Array;
  state: 'ready' | 'inFlight' | 'delayed';
  delivery: number;
  dueStampMs: number;
}

/** Straight-forward account of one queue: sorted scans where the machine has heaps and rows. */
class Account {
  readonly partitions = Array.from({ length: PARTITIONS }, () => new Map<number, Known>());
  acknowledged = 0;
  enqueued = 0;

  expire(stampMs: number): void {
    for (const messages of this.partitions) {
      for (const known of messages.values()) if (known.dueStampMs <= stampMs) Object.assign(known, READY);
    }
  }

  dueStampMs(): number {
    return Math.min(
      Infinity,
      ...this.partitions.flatMap((m) => [...m.values()].map((known) => known.dueStampMs)),
    );
  }

  firstReady(partition: number): number | undefined {
    const ready = [...this.partitions[partition]!].filter(([, known]) => known.state === 'ready');
    return ready.map(([id]) => id).sort((a, b) => a - b)[0];
  }

  inFlight([partition, id, delivery]: Receipt): Known | null {
    const known = this.partitions[partition]!.get(id);
    return known?.state === 'inFlight' && known.delivery === delivery ? known : null;
  }

  depths(): PartitionDepth[] {
    return this.partitions.flatMap((messages, partition) => {
      const all = [...messages.values()];
      const count = (state: Known['state']) => all.filter((known) => known.state === state).length;
      const size = all.reduce((sum, { payload }) => sum + payload.length, 0);
      return [[partition, count('ready'), count('inFlight'), count('delayed'), size] as const];
    });
  }
}
const READY = { state: 'ready', dueStampMs: Infinity } as const;

function run(seed: number): void {
  const random = new Random(seed);
  const w = data();
  const account = new Account();
  w.ok(assign());
  w.ok(configure('q', 1, [PARTITIONS, VISIBILITY_MS]));
  for (let p = 0; p < PARTITIONS; p++) send(p, [0]);
  const receipts: Receipt[] = [];

  function send(partition: number, delays: number[]): void {
    const messages = delays.map(
      (delayMs) => [new Uint8Array(random.below(20)).fill(random.below(256)), delayMs] as const,
    );
    const [ids] = w.ok(enqueue(0, 'q', partition, ...messages)) as [number[]];
    ids.forEach((id, i) => {
      const [payload, delayMs] = messages[i]!;
      const delayed = { state: 'delayed', dueStampMs: w.stampMs + delayMs } as const;
      account.partitions[partition]!.set(id, { payload, delivery: 0, ...(delayMs > 0 ? delayed : READY) });
    });
    account.enqueued += ids.length;
  }

  function take(): void {
    const max = 1 + random.below(4);
    const visibilityMs = random.pick([0, 100, 300]);
    const taken = w.ok(dequeue(0, 'q', max, visibilityMs))[0] as Delivery[];
    for (const [partition, id, delivery, , payload] of taken) {
      expect(account.firstReady(partition), 'lowest id of the partition first').toBe(id);
      const known = account.partitions[partition]!.get(id)!;
      expect(delivery).toBe(known.delivery + 1);
      expect(payload).toEqual(known.payload);
      const dueStampMs = w.stampMs + (visibilityMs || VISIBILITY_MS);
      Object.assign(known, { state: 'inFlight', delivery, dueStampMs });
      receipts.push([partition, id, delivery]);
    }
    if (taken.length < max) {
      for (let p = 0; p < PARTITIONS; p++)
        expect(account.firstReady(p), 'nothing ready is held back').toBeUndefined();
    }
  }

  function settle(): void {
    const drawn = receipts.splice(random.below(receipts.length), 1 + random.below(3));
    const some = [...new Map(drawn.map((receipt) => [receipt.join('/'), receipt])).values()];
    const good = some.filter((receipt) => account.inFlight(receipt) !== null);
    const stale = some.filter((receipt) => account.inFlight(receipt) === null);
    const choice = random.below(10);
    const delayMs = random.pick([0, 90]);
    const command =
      choice < 6 ? ack('q', ...some) : choice < 8 ? nack('q', delayMs, ...some) : extend('q', 400, ...some);
    expect(w.ok(command)).toEqual([good.length, stale]);
    for (const receipt of good) {
      const known = account.inFlight(receipt)!;
      if (command[0] === Op.QueueAck) {
        account.partitions[receipt[0]]!.delete(receipt[1]);
        account.acknowledged++;
      } else if (command[0] === Op.QueueExtend) {
        known.dueStampMs = w.stampMs + 400;
        receipts.push(receipt);
      } else if (delayMs > 0) {
        Object.assign(known, { state: 'delayed', dueStampMs: w.stampMs + delayMs });
      } else {
        Object.assign(known, READY);
      }
      // An old receipt is tried again now and then: it must be found stale.
      if (random.chance(10)) receipts.push(receipt);
    }
  }

  for (let i = 0; i < STEPS; i++) {
    w.stampMs = (w.stampMs + random.below(25)) as StampMs;
    const choice = random.below(100);
    if (choice < 35) {
      send(
        random.below(PARTITIONS),
        Array.from({ length: 1 + random.below(3) }, () => random.pick([0, 0, 0, 120])),
      );
    } else if (choice < 65) {
      take();
    } else if (choice < 92 && receipts.length > 0) {
      settle();
    } else {
      w.ok(expire());
      account.expire(w.stampMs);
    }
    expect(w.machine.nextDueStampMs(), `seed ${seed} step ${i}`).toBe(account.dueStampMs());
    expect(w.ask([QueryOp.QueueInspect, 'q'])[0], `seed ${seed} step ${i}`).toEqual(account.depths());
  }
  const left = account.partitions.reduce((sum, messages) => sum + messages.size, 0);
  expect(account.acknowledged + left).toBe(account.enqueued);
  expect(account.acknowledged).toBeGreaterThan(0);
}

describe('a queue under random use', () => {
  it('accounts for every message: ready, in flight, delayed or acknowledged, exactly one of them', () => {
    for (let seed = 200; seed < 208; seed++) run(seed);
  });
});
