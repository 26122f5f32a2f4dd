import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { pass, startProcess } from './testing.ts';
import { World } from './world.ts';

describe('chance', () => {
  it('is the same for the same seed and label, and another for any other', () => {
    const draw = (seed: number, label: string): number[] => {
      const random = new Random(seed, label);
      return Array.from({ length: 20 }, () => random.uint32());
    };
    expect(draw(7, 'a')).toEqual(draw(7, 'a'));
    expect(draw(7, 'a')).not.toEqual(draw(7, 'b'));
    expect(draw(7, 'a')).not.toEqual(draw(8, 'a'));
  });

  it('fills its ranges evenly', () => {
    const random = new Random(1);
    const counts = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 20_000; i++) counts[random.below(10)]! += 1;
    for (const count of counts) expect(count).toBeGreaterThan(1_800);
    for (let i = 0; i < 1_000; i++) {
      const x = random.logBetween(1, 100);
      expect(x).toBeGreaterThanOrEqual(1);
      expect(x).toBeLessThan(100);
    }
  });
});

describe('the world', () => {
  it('lets events happen by time, and those of one moment in the order they were planned', async () => {
    const world = new World(1);
    const seen: string[] = [];
    const random = new Random(3);
    const planned = Array.from({ length: 200 }, (_, i) => ({ at: random.below(20), i }));
    for (const { at, i } of planned) world.at(at, () => seen.push(`${at} ${i}`));
    await pass(world, 100);
    const expected = [...planned].sort((a, b) => a.at - b.at || a.i - b.i).map(({ at, i }) => `${at} ${i}`);
    expect(seen).toEqual(expected);
  });

  it('runs every promise reaction of an event before the next event', async () => {
    const world = new World(1);
    const seen: string[] = [];
    world.at(1, () => {
      void (async () => {
        for (let i = 0; i < 50; i++) await null;
        seen.push(`reaction at ${world.nowMs}`);
      })();
    });
    world.at(1, () => seen.push('next event'));
    await pass(world, 5);
    expect(seen).toEqual(['reaction at 1', 'next event']);
  });

  it('ends with what went wrong in an event', async () => {
    const world = new World(1);
    world.at(1, () => {
      throw new Error('broken');
    });
    await expect(pass(world, 5)).rejects.toThrow('broken');
  });
});

describe('a process', () => {
  it('that stood still fires its timers before it reads what waits, and then what it deferred', async () => {
    const world = new World(1);
    const { process } = startProcess(world);
    const seen: string[] = [];
    process.after(10, () => seen.push('timer'));
    process.pause();
    world.at(5, () => process.deliver('deferred', () => seen.push('deferred')));
    world.at(6, () => process.deliver('io', () => seen.push('io')));
    await pass(world, 20);
    expect(seen).toEqual([]);
    process.resume();
    await pass(world, 1);
    expect(seen).toEqual(['timer', 'io', 'deferred']);
  });

  it('does not fire a timer that was cancelled while it was overdue', async () => {
    const world = new World(1);
    const { process } = startProcess(world);
    const seen: string[] = [];
    process.after(1, () => later.cancel());
    const later = process.after(2, () => seen.push('fired'));
    process.pause();
    await pass(world, 20);
    process.resume();
    await pass(world, 20);
    expect(seen).toEqual([]);
  });

  it('dies between two effects, and nothing it does afterwards counts', async () => {
    const world = new World(1);
    const { process, deaths } = startProcess(world);
    process.dieAfterEffects(2);
    const effects: boolean[] = [];
    process.deliver('io', () => {
      for (let i = 0; i < 4; i++) effects.push(process.effect());
    });
    process.after(1, () => effects.push(true));
    await pass(world, 10);
    expect(effects).toEqual([true, true, false, false]);
    expect(deaths).toEqual(['killed between two effects']);
  });

  it('has clocks of its own', async () => {
    const world = new World(1);
    const { process } = startProcess(world);
    const before = { monotonicMs: process.monotonicMs(), wallMs: process.wallMs() };
    await pass(world, 1_000);
    process.shiftWall(-5_000);
    expect(process.monotonicMs() - before.monotonicMs).toBeCloseTo(1_000);
    expect(process.wallMs() - before.wallMs).toBe(-4_000);
  });
});
