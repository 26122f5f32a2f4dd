import { expect, it } from 'vitest';
import { FEATURES } from '../../src/machines/index.ts';
import { VOLUME } from './disk.ts';
import { SimNetwork } from './network.ts';
import { MemberSlot } from './slot.ts';
import { pass, settled } from './testing.ts';
import { World } from './world.ts';

const HOUR_MS = 3_600_000;

function setUp() {
  const world = new World(1);
  const notes: string[] = [];
  const slot = new MemberSlot({
    ordinal: 0,
    world,
    random: world.random.split('slot'),
    network: new SimNetwork(world, world.random.split('network'), {
      minMs: 1,
      maxMs: 2,
      retransmitChance: 0,
      splitChance: 0,
    }),
    clock: { rate: 1, wallOffsetMs: 0, turnMs: 0 },
    diskPlan: { capacityBytes: 100_000_000, ioMs: 0.1, syncMinMs: 1, syncMaxMs: 2 },
    tuning: {
      tickMs: 50,
      electionTicks: 10,
      heartbeatTicks: 3,
      segmentBytes: 64 * 1024,
      snapshotEntries: 100,
      snapshotBytes: 100_000,
      keptEntries: 10,
      hashEvery: 25,
    },
    features: FEATURES,
    messageFaults: {
      loss: 0,
      duplication: 0,
      reordering: 0,
      reorderedByMs: 1,
      struck: { loss: 0, duplication: 0, reordering: 0 },
    },
    show: () => {},
    durableOf: () => 0,
    onVolume: () => {},
    currentCluster: () => 'c',
    onRecovered: () => {},
    note: (line) => notes.push(line),
    restartMs: [10, 20],
  });
  return { world, slot, notes };
}

it('a machine keeps the wrong time of its wall clock, whatever runs on it', async () => {
  const { world, slot } = setUp();
  const startMs = 1_753_000_000_000;
  // Before anything runs there, while something does, and after that was killed.
  slot.shiftWall(HOUR_MS);
  slot.want();
  await pass(world, 1_000);
  const first = slot.process!;
  expect(first.wallMs() - startMs - world.nowMs).toBeCloseTo(HOUR_MS, -1);
  slot.shiftWall(-3 * HOUR_MS);
  expect(first.wallMs() - startMs - world.nowMs).toBeCloseTo(-2 * HOUR_MS, -1);
  slot.kill('killed');
  await pass(world, 1_000);
  expect(slot.process).not.toBe(first);
  expect(slot.process!.wallMs() - startMs - world.nowMs).toBeCloseTo(-2 * HOUR_MS, -1);
});

it('a member may end because of its disk, and not of itself because its disk has failed once', async () => {
  const { world, slot, notes } = setUp();
  slot.want();
  await pass(world, 1_000);
  const error = await readFailure(world, slot);
  slot.running!.member.options.onFatal(new Error('cannot go on', { cause: error }));
  await pass(world, 1_000);
  expect(notes).toContain('member-0 ended: fatal: cannot go on');

  // It is there again, and lives on with an error of its disk.
  await readFailure(world, slot);
  slot.running!.member.options.onFatal(new Error('not of the disk'));
  await expect(pass(world, 1_000)).rejects.toThrow('not of the disk');
});

async function readFailure(world: World, slot: MemberSlot): Promise<unknown> {
  slot.disk.failNext.read = 1;
  const ops = slot.disk.mount(slot.process!);
  const file = await settled(world, ops.open(`${VOLUME}/identity.json`, 'read'));
  const read = file.read(new Uint8Array(1), 0).catch((error: unknown) => error);
  const error = await settled(world, read);
  expect(error).toMatchObject({ code: 'EIO' });
  return error;
}
