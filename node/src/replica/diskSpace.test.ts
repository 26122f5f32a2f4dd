import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { DiskSpace, type GroupDebt } from './diskSpace.ts';

const MIB = 1024 * 1024;
const NOTHING: GroupDebt = { snapshotBytes: 0, loggedBytes: 0, undecidedBytes: 0 };

function setup() {
  const world = {
    free: 1_000 * MIB,
    logged: 0,
    debts: [NOTHING] as GroupDebt[],
    others: [] as number[],
    measured: 0,
  };
  const disk = new DiskSpace({
    measure: async () => {
      world.measured += 1;
      return world.free;
    },
    logBytes: () => world.logged,
    marginBytes: 10 * MIB,
    debts: () => world.debts,
    othersFreeBytes: () => world.others,
    logger: pino({ level: 'silent' }),
  });
  return { world, disk };
}

describe('DiskSpace', () => {
  it('leaves room for the margin, the largest snapshot beside its forerunner, and what the log holds', async () => {
    const { world, disk } = setup();
    world.debts = [
      { snapshotBytes: 100 * MIB, loggedBytes: 20 * MIB, undecidedBytes: 0 },
      { snapshotBytes: 50 * MIB, loggedBytes: 20 * MIB, undecidedBytes: 4 * MIB },
    ];
    // 10 + 100 + 1.5 * 40 + 2.5 * 4
    world.free = 181 * MIB;
    await disk.measure();
    disk.tick(0);
    expect(disk.refuses(1_000)).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    world.free = 179 * MIB;
    await disk.measure();
    disk.tick(1);
    expect(disk.refuses(1_000)).toBe(true);
  });

  it('counts what is accepted between two ticks', async () => {
    const { world, disk } = setup();
    world.free = 20 * MIB;
    await disk.measure();
    disk.tick(0);
    let accepted = 0;
    while (!disk.refuses(100_000)) accepted += 1;
    expect(accepted).toBe(Math.floor((10 * MIB) / 250_000));
  });

  it('subtracts what was written since it was measured', async () => {
    const { world, disk } = setup();
    await disk.measure();
    world.logged = 900 * MIB;
    disk.wroteSnapshot(95 * MIB);
    expect(disk.freeBytes).toBe(5 * MIB);
    disk.tick(0);
    expect(disk.refuses(1)).toBe(true);
    await disk.measure();
    expect(disk.freeBytes).toBe(1_000 * MIB);
  });

  it('measures more often while little is left', async () => {
    const { world, disk } = setup();
    const measuredOver = async (fromMs: number): Promise<number> => {
      const before = world.measured;
      for (let ms = fromMs; ms < fromMs + 4_000; ms += 25) {
        disk.tick(ms);
        await Promise.resolve();
        await Promise.resolve();
      }
      return world.measured - before;
    };
    expect(await measuredOver(0)).toBe(2);
    world.free = 15 * MIB;
    await disk.measure();
    expect(await measuredOver(4_000)).toBeGreaterThan(30);
    expect(disk.pressed).toBe(true);
  });

  it('refuses for another voter whose disk is full, and takes no snapshot for it', async () => {
    const { world, disk } = setup();
    await disk.measure();
    world.others = [500 * MIB, 9 * MIB];
    disk.tick(0);
    expect([disk.refuses(1), disk.pressed]).toEqual([true, false]);
  });
});
