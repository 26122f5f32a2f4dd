import {
  type Command,
  type GroupId,
  type LogIndex,
  type MemberId,
  Op,
  type Ordinal,
  RosterTarget,
} from '@synccluster/client/protocol';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { FEATURES } from '../machines/index.ts';
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
  const world = {
    now: 0,
    offers: [] as number[],
    changes: [] as Configuration[],
    committedInTerm: false,
    learners: [] as { id: number; ordinal: number }[],
    commands: [] as Command[],
    level: 1,
    applied: 5,
  };
  const group = {
    id: 0 as GroupId,
    isLeader: true,
    ledSinceMs: 0,
    clusterNow: () => 0,
    get applied() {
      return world.applied;
    },
    machine: {
      nextDueStampMs: () => Number.POSITIVE_INFINITY,
      sessions: () => [],
      featureLevel: () => world.level,
    },
    submitInternal: (command: Command) => world.commands.push(command),
    status: () => ({
      id: 1,
      term: 5,
      transferee: 0,
      committedInTerm: world.committedInTerm,
      configuration: { voters, learners: world.learners },
      commit: 5,
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
    features: { ...FEATURES, level: 2 },
    levelOf: () => 1,
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

describe('the feature level', () => {
  /** Voters are 7 and 1, the leader itself, and 9 is a learner, if there is one. */
  const LEARNER = { id: 9, ordinal: 2 };
  it.each([
    { what: 'is raised when every voter knows more', levels: { 7: 2, 1: 2 }, raisedTo: 2 },
    { what: 'is raised to what all of them know', levels: { 7: 3, 1: 2 }, raisedTo: 2 },
    { what: 'is not raised above what the leader knows', levels: { 7: 3, 1: 3 }, raisedTo: 2 },
    { what: 'waits for a voter that knows less', levels: { 7: 1, 1: 2 }, raisedTo: null },
    {
      what: 'waits for a learner that knows less',
      levels: { 7: 2, 1: 2, 9: 1 },
      learner: true,
      raisedTo: null,
    },
    {
      what: 'is raised when learners know more too',
      levels: { 7: 2, 1: 2, 9: 2 },
      learner: true,
      raisedTo: 2,
    },
    { what: 'is not raised to what it is already', levels: { 7: 2, 1: 2 }, level: 2, raisedTo: null },
    { what: 'is never lowered', levels: { 7: 1, 1: 2 }, level: 2, raisedTo: null },
    {
      what: 'is not raised before a commit in the term',
      levels: { 7: 2, 1: 2 },
      early: true,
      raisedTo: null,
    },
  ] as {
    what: string;
    levels: Record<number, number>;
    learner?: boolean;
    level?: number;
    early?: boolean;
    raisedTo: number | null;
  }[])('$what', ({ levels, learner, level, early, raisedTo }) => {
    const { world, duties } = setup({ levelOf: (id) => levels[id]! });
    world.committedInTerm = early !== true;
    world.level = level ?? 1;
    if (learner === true) world.learners.push(LEARNER);
    duties.tick(false);
    const raises = world.commands.map((command) => [command[0], command[5]]);
    expect(raises).toEqual(raisedTo === null ? [] : [[Op.FeatureLevel, raisedTo]]);
  });

  it('is asked for again while the group has not come to it', () => {
    const { world, duties } = setup({ levelOf: () => 2 });
    world.committedInTerm = true;
    for (; world.now < 10_000; world.now += 50) duties.tick(false);
    expect(world.commands.length).toBeGreaterThan(3);
    world.commands.length = 0;
    world.level = 2;
    for (; world.now < 20_000; world.now += 50) duties.tick(false);
    expect(world.commands).toEqual([]);
  });

  it.each([
    { what: 'lets a member in that knows as much as its group', knows: 1, level: 1, joins: true },
    { what: 'lets a member in that knows all that its leader does', knows: 2, level: 2, joins: true },
    { what: 'keeps a member out that knows less than its group', knows: 1, level: 2, joins: false },
    { what: 'keeps a member out while a raise is on its way', knows: 1, level: 1, all: 2, joins: false },
    {
      what: 'keeps a member out while a raise may not be applied',
      knows: 1,
      level: 1,
      applied: 4,
      joins: false,
    },
    { what: 'lets one in that knows all, applied or not', knows: 2, level: 1, applied: 4, joins: true },
  ])('$what', async ({ knows, level, joins, all = 1, applied = 5 }) => {
    const joining = [9 as MemberId, 2 as Ordinal, RosterTarget.Voter] as const;
    const { world, duties } = setup({
      levelOf: (id) => (id === 9 ? knows : all),
      roster: () => ({ members: [joining], tombstones: new Set(), index: 41 as LogIndex }),
      askCoordinationIndex: async () => 41 as LogIndex,
    });
    world.committedInTerm = true;
    world.level = level;
    world.applied = applied;
    for (; world.now < 5_000; world.now += 50) {
      duties.tick(false);
      await Promise.resolve();
    }
    expect(world.changes.length > 0).toBe(joins);
  });

  it('says once of each member that it is left out', async () => {
    const warned: number[] = [];
    const logger = { warn: ({ member }: { member: number }) => warned.push(member), info: () => {} };
    const { world, duties } = setup({
      levelOf: () => 1,
      roster: () => ({
        members: [9, 10].map((id) => [id as MemberId, (id - 7) as Ordinal, RosterTarget.Voter] as const),
        tombstones: new Set(),
        index: 41 as LogIndex,
      }),
      askCoordinationIndex: async () => 41 as LogIndex,
      logger: logger as unknown as GroupContext['logger'],
    });
    world.committedInTerm = true;
    world.level = 2;
    for (; world.now < 5_000; world.now += 50) {
      duties.tick(false);
      await Promise.resolve();
    }
    expect(warned).toEqual([9, 10]);
  });
});
