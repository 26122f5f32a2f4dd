import type { Command, GroupId, LogIndex, StampMs } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { createMachine, type FrozenState, type Machine, type SnapshotRecord } from './index.ts';
import { Random } from './testing/random.ts';
import { CoordinationWorkload, DataWorkload } from './testing/workload.ts';
import { ANY_LEVEL, copied, restored } from './testing/world.ts';

const STEPS = 600;

interface Step {
  readonly command: Command;
  readonly stampMs: StampMs;
}

function step(machine: Machine, { command, stampMs }: Step, index: number) {
  const outcome = machine.apply(command, stampMs, index as LogIndex);
  return {
    outcome,
    pushes: machine.takePushes(),
    ready: [...machine.takeReadyQueues()].sort(),
    due: machine.nextDueStampMs(),
  };
}

/** A snapshot being read out of a machine that goes on: what it must contain, and what came since. */
interface Reading {
  readonly frozen: FrozenState;
  readonly digest: number;
  readonly records: SnapshotRecord[];
  readonly since: { step: Step; index: number; result: unknown }[];
}

function run(seed: number, group: number): void {
  const random = new Random(seed);
  const workload = group === 0 ? new CoordinationWorkload(random) : new DataWorkload(random);
  const straight = createMachine({ group: group as GroupId, features: ANY_LEVEL });
  let other: Machine = createMachine({ group: group as GroupId, features: ANY_LEVEL });
  let reading: Reading | null = null;
  let stampMs = 1_700_000_000_000;
  let restores = 0;

  for (let index = 1; index <= STEPS; index++) {
    if (random.chance(60)) stampMs += random.below(60);
    const next: Step = { command: workload.next(), stampMs: stampMs as StampMs };
    const result = step(straight, next, index);
    workload.observe(next.command, result.outcome, result.pushes);
    expect(step(other, next, index), `seed ${seed} step ${index}`).toEqual(result);

    if (reading === null) {
      if (!random.chance(8)) continue;
      reading = { frozen: other.freeze(), digest: other.digest(), records: [], since: [] };
      expect(reading.digest, `seed ${seed} step ${index}`).toBe(straight.digest());
      continue;
    }
    reading.since.push({ step: next, index, result });
    for (let pulls = random.below(6); pulls > 0; pulls--) {
      const record = reading.frozen.next();
      if (record !== null) {
        reading.records.push(copied(record));
        continue;
      }
      reading.frozen.release();
      // From here on the second replica is one that was restored and has caught up.
      other = restored(reading.records, group);
      expect(other.digest(), `seed ${seed} restored at step ${index}`).toBe(reading.digest);
      for (const was of reading.since) {
        expect(step(other, was.step, was.index), `seed ${seed} catching up, step ${was.index}`).toEqual(
          was.result,
        );
      }
      restores++;
      reading = null;
      break;
    }
  }
  expect(other.digest(), `seed ${seed}`).toBe(straight.digest());
  expect(restores).toBeGreaterThan(1);
}

describe('a replica that is frozen, restored and caught up over and over', () => {
  it.each([
    ['coordination', 0],
    ['data', 1],
  ])('%s: answers, pushes and state equal those of one that just applied', (_, group) => {
    for (let seed = 0; seed < 20; seed++) run(seed, group);
  });
});
