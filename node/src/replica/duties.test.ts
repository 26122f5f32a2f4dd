import {
  type GroupId,
  type LogIndex,
  type MemberId,
  type Ordinal,
  RosterTarget,
} from '@synccluster/client/protocol';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Configuration } from '../raft/types.ts';
import { Attachments } from './attachments.ts';
import type { GroupContext } from './context.ts';
import { LeaderDuties } from './duties.ts';
import type { Group } from './group.ts';
import { Leases } from './leases.ts';

const HOUR_MS = 3_600_000;

/** Member 1 leads group 0, which member 0 by its ordinal should lead. */
function setup(rest: Partial<GroupContext> = {}) {
  const voters = [
    { id: 7, ordinal: 0 },
    { id: 1, ordinal: 1 },
  ];
  const world = { now: 0, offers: [] as number[], changes: [] as Configuration[], committedInTerm: false };
  const group = {
    id: 0 as GroupId,
    isLeader: true,
    ledSinceMs: 0,
    clusterNow: () => 0,
    machine: { nextDueStampMs: () => Number.POSITIVE_INFINITY, sessions: () => [] },
    status: () => ({
      id: 1,
      term: 5,
      transferee: 0,
      committedInTerm: world.committedInTerm,
      configuration: { voters, learners: [] },
      progress: [{ id: 7, match: 5, next: 6, state: 'replicate', active: true }],
      lastIndex: 5,
    }),
    core: {
      transferLeadership: (_to: MemberId) => {
        world.offers.push(world.now);
        return true;
      },
      proposeConfiguration: (_stampMs: number, configuration: Configuration) => {
        world.changes.push(configuration);
        return 6;
      },
    },
    leases: new Leases(),
    attachments: new Attachments(),
  };
  const context = {
    nowMs: () => world.now,
    roster: () => null,
    mayLead: () => true,
    wake: () => {},
    logger: pino({ level: 'silent' }),
    ...rest,
  } as unknown as GroupContext;
  return { world, duties: new LeaderDuties(group as unknown as Group, context) };
}

describe('the balance of leaderships', () => {
  it('is offered soon, and ever more rarely to a member that does not take or keep it', () => {
    const { world, duties } = setup();
    for (; world.now < HOUR_MS; world.now += 250) duties.tick(false);
    expect(world.offers[0]).toBeLessThan(10_000);
    const pauses = world.offers.slice(1).map((at, i) => at - world.offers[i]!);
    expect(pauses[0]).toBeLessThan(5_000);
    for (const [i, pause] of pauses.slice(1).entries()) expect(pause).toBeGreaterThanOrEqual(pauses[i]!);
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(60_000);
  });

  it('is not offered to a member that has only just come back', () => {
    const backMs = 20_000;
    const { world, duties } = setup({ mayLead: () => world.now >= backMs });
    for (; world.now < HOUR_MS; world.now += 250) duties.tick(false);
    expect(world.offers[0]).toBeGreaterThanOrEqual(backMs + 5_000);
    expect(world.offers[0]).toBeLessThan(backMs + 10_000);
  });

  it('gives everything away, again and again, when the member is about to go', () => {
    const { world, duties } = setup();
    for (; world.now < 10_000; world.now += 250) duties.tick(true);
    expect(world.offers.length).toBeGreaterThanOrEqual(10);
  });
});

describe('the roster', () => {
  it('is not followed while this copy of it may be of before a member was removed', async () => {
    const removed = [9 as MemberId, 2 as Ordinal, RosterTarget.Voter] as const;
    let index = 40 as LogIndex;
    const { world, duties } = setup({
      // A copy of before member 9 was removed from roster and group.
      roster: () => ({ members: [removed], tombstones: new Set(), index }),
      askCoordinationIndex: async () => 41 as LogIndex,
    });
    world.committedInTerm = true;
    for (; world.now < 5_000; world.now += 50) {
      duties.tick(false);
      await Promise.resolve();
    }
    expect(world.changes).toEqual([]);
    index = 41 as LogIndex;
    duties.tick(false);
    expect(world.changes).toHaveLength(1);
  });
});
