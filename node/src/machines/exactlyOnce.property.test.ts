import { type Command, LIMITS } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import type { Outcome } from './index.ts';
import { assign, bytes, configure, dequeue, enqueue, numbered, open } from './testing/commands.ts';
import { Random } from './testing/random.ts';
import { data, restored, snapshotOf, World } from './testing/world.ts';

const WRITES = 300;
const WINDOW = 16;

function run(seed: number): void {
  const random = new Random(seed);
  let w: World = data();
  w.ok(assign());
  w.ok(configure('q', 1, [1, 1000]));
  const session = w.number(open());

  const first = new Map<number, Outcome>();
  const onTheWay: { seq: number; command: Command }[] = [];
  let sent = 0;
  let acknowledged = 0;
  const send = (seq: number) => {
    const body = enqueue(session, 'q', 0, [bytes(seq & 255, seq >> 8), 0]);
    onTheWay.push({ seq, command: numbered(body, seq, acknowledged + 1) });
  };

  while (acknowledged < WRITES) {
    if (sent < Math.min(WRITES, acknowledged + WINDOW)) send(++sent);
    // Anything sent may come late, again, in another order, or never.
    if (random.chance(25) || onTheWay.length === 0)
      send(acknowledged + 1 + random.below(sent - acknowledged));
    const at = random.below(onTheWay.length);
    const { seq, command } = onTheWay[at]!;
    if (random.chance(85)) onTheWay.splice(at, 1);
    if (random.chance(20)) continue;

    const outcome = w.run(command);
    const before = first.get(seq);
    if (outcome.ok) {
      expect(before === undefined || JSON.stringify(before) === JSON.stringify(outcome)).toBe(true);
      expect(outcome.value, 'applied in the order of numbers').toEqual([[seq]]);
      first.set(seq, outcome);
    } else if (outcome.code === 'SEQUENCE_GAP') {
      expect(before).toBeUndefined();
      expect(outcome.detail).toBe(first.size + 1);
    } else {
      expect(outcome.code).toBe('OUTCOME_UNKNOWN');
      expect(seq, 'a reply is kept until it was seen').toBeLessThanOrEqual(acknowledged);
    }
    while (first.has(acknowledged + 1) && random.chance(60)) acknowledged++;
    if (seq % 60 === 0) w = new World(restored(snapshotOf(w.machine), 1), w.stampMs);
  }

  const seen: number[] = [];
  for (;;) {
    const batch = w.deliveries(dequeue(0, 'q', LIMITS.batchMessages));
    if (batch.length === 0) break;
    for (const [, , , , payload] of batch) seen.push(payload[0]! + payload[1]! * 256);
  }
  expect(seen).toEqual(Array.from({ length: WRITES }, (_, i) => i + 1));
}

describe('numbered writes that are lost, repeated and reordered on the way', () => {
  it('happen exactly once, in order, with one reply', () => {
    for (let seed = 300; seed < 307; seed++) run(seed);
  });
});
