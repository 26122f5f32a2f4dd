import {
  type Command,
  type GroupId,
  type LogIndex,
  type MemberId,
  Op,
  type Ordinal,
  type StampMs,
  type Term,
} from '@synccluster/client/protocol';
import { packCommand } from '@synccluster/client/wire';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { FEATURES, InvariantError } from '../machines/index.ts';
import { type Entry, EntryKind } from '../raft/types.ts';
import type { SnapshotStore, WalRecord } from '../storage/storage.ts';
import { ClusterClock } from './clusterClock.ts';
import type { GroupContext } from './context.ts';
import { internal } from './duties.ts';
import { type AfterPersist, Group } from './group.ts';
import { Recorder } from './testing/recorder.ts';

const SELF = { id: 1 as MemberId, ordinal: 0 as Ordinal };
const put = (key: string): Command => [...internal(Op.CachePut), key, new Uint8Array(1), 0];

function entry(index: number, data: Uint8Array): Entry {
  return {
    index: index as LogIndex,
    term: 1 as Term,
    kind: EntryKind.Commands,
    stampMs: 1 as StampMs,
    data,
    configuration: null,
  };
}
const founding: Entry = {
  ...entry(1, new Uint8Array(0)),
  kind: EntryKind.Configuration,
  configuration: { voters: [SELF], learners: [] },
};

/** A lone voter's data group, driven by hand. */
class World {
  now = 1_000;
  /** Added at each look at the clock. */
  stepMs = 0;
  diskFull = false;
  wakes = 0;
  readonly group: Group;

  constructor(entries: readonly Entry[] = [], features = FEATURES) {
    const context: GroupContext = {
      self: SELF,
      logger: pino({ level: 'silent' }),
      tuning: {
        tickMs: 10,
        electionTicks: 20,
        heartbeatTicks: 4,
        snapshotEntries: 1_000_000,
        snapshotBytes: 1 << 30,
        keptEntries: 2_000,
      },
      features,
      levelOf: () => features.level,
      snapshots: {} as SnapshotStore,
      clock: new ClusterClock(),
      nowMs: () => {
        this.now += this.stepMs;
        return this.now;
      },
      wallMs: () => 5_000,
      after: () => ({ cancel: () => {} }),
      random: Math.random,
      send: () => true,
      wake: () => {
        this.wakes += 1;
      },
      mayLead: () => false,
      disk: {
        refuses: () => this.diskFull,
        refusing: false,
        pressed: false,
        snapshotRunning: false,
        wroteSnapshot: () => {},
      },
      roster: () => null,
      askCoordinationIndex: () => Promise.reject(new Error('no group 0 here')),
      isOutOfDataGroups: () => true,
      fatal: (error) => {
        throw error;
      },
    };
    this.group = Group.empty(1 as GroupId, context, {
      hardState: { term: 1 as Term, vote: 0 },
      snapshot: null,
      entries: [founding, ...entries],
    });
    this.group.core.campaign();
  }

  /** One pass; what it writes is durable before the next. */
  pass(): void {
    const records: WalRecord[] = [];
    const after: AfterPersist[] = [];
    this.group.beforeReady(false);
    this.group.takeReady(records, after);
    for (const done of after) this.group.persisted(done);
  }
  lead(): this {
    for (let i = 0; i < 10; i++) this.pass();
    expect(this.group.isLeader).toBe(true);
    return this;
  }
  submit(client: Recorder, request: number, command: Command): void {
    this.group.submit(client, request, packCommand(command), command);
  }
}

describe('a group', () => {
  it('applies a long log bit by bit, and asks to go on', () => {
    const world = new World([2, 3, 4, 5, 6].map((index) => entry(index, packCommand(put(`k${index}`)))));
    world.stepMs = 50;
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      world.wakes = 0;
      const before = world.group.applied;
      world.pass();
      const { applied } = world.group;
      expect(applied - before).toBeLessThanOrEqual(1);
      if (applied > before && applied < world.group.status().commit) expect(world.wakes).toBeGreaterThan(0);
      seen.add(applied);
    }
    // Those five, the founding one and the leader's own.
    expect([...seen]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('takes an entry that does not decode for nothing, as every member will', () => {
    const world = new World([entry(2, new Uint8Array([0xc1])), entry(3, packCommand(put('k')))]).lead();
    expect(world.group.applied).toBe(4);
    expect(world.group.commandsApplied).toBe(1);
  });

  it('answers no write before it is durable', () => {
    const world = new World().lead();
    const client = new Recorder();
    world.submit(client, 1, put('k'));
    const records: WalRecord[] = [];
    const after: AfterPersist[] = [];
    world.group.beforeReady(false);
    world.group.takeReady(records, after);
    expect(records.map((record) => record.type)).toEqual(['entries']);
    world.group.takeReady([], []);
    expect(client.replies).toEqual([]);
    for (const done of after) world.group.persisted(done);
    world.pass();
    expect(client.replies).toHaveLength(1);
  });

  it('with a full disk refuses what grows and takes what frees', () => {
    const world = new World().lead();
    const client = new Recorder();
    world.diskFull = true;
    world.submit(client, 1, put('k'));
    world.submit(client, 2, [...internal(Op.QueueEnqueue), 'mail', 0, [[new Uint8Array(1), 0]]]);
    world.submit(client, 3, [...internal(Op.CacheDelete), 'k']);
    world.submit(client, 4, [...internal(Op.QueueAck), 'mail', [[0, 1, 1]]]);
    world.pass();
    world.pass();
    expect([client.outcome(1), client.outcome(2)]).toEqual(['DISK_FULL', 'DISK_FULL']);
    for (const request of [3, 4]) {
      expect(client.outcome(request)).toBeDefined();
      expect(client.outcome(request)).not.toBe('DISK_FULL');
    }
  });

  describe('of a level below an operation', () => {
    /** Puts are known from level 2 on. */
    const features = { level: 2, since: new Map([...FEATURES.since, [Op.CachePut, 2]]) };
    const raise = [...internal(Op.FeatureLevel), 2] as const;

    it('refuses it with UNSUPPORTED and proposes nothing, until the level has risen', () => {
      const world = new World([], features).lead();
      const client = new Recorder();
      const { lastIndex } = world.group.status();
      world.submit(client, 1, put('k'));
      world.pass();
      world.pass();
      expect(client.outcome(1)).toBe('UNSUPPORTED');
      expect(world.group.status().lastIndex).toBe(lastIndex);
      world.group.submitInternal(raise);
      world.pass();
      world.pass();
      expect(world.group.machine.featureLevel()).toBe(2);
      world.submit(client, 2, put('k'));
      world.pass();
      world.pass();
      expect(client.outcome(2)).toBe('MOVED');
      expect(world.group.status().lastIndex).toBe(lastIndex + 2);
    });

    it('refuses it for good only after all that was committed before is applied', () => {
      const world = new World([entry(2, packCommand(raise))], features);
      world.pass();
      expect(world.group.isLeader).toBe(true);
      expect(world.group.machine.featureLevel()).toBe(1);
      const client = new Recorder();
      world.submit(client, 1, put('k'));
      for (let i = 0; i < 10; i++) world.pass();
      expect(client.outcome(1)).toBe('UNAVAILABLE');
      world.submit(client, 2, put('k'));
      world.pass();
      world.pass();
      expect(client.outcome(2)).toBe('MOVED');
    });

    it('never proposes it of its own', () => {
      const world = new World([], features).lead();
      expect(() => world.group.submitInternal(put('k'))).toThrow(InvariantError);
    });

    it('stops where its log has it and this version does not know it', () => {
      const older = { level: 1, since: new Map([...FEATURES.since].filter(([op]) => op !== Op.CachePut)) };
      expect(() => new World([entry(2, packCommand(put('k')))], older).lead()).toThrow(InvariantError);
      expect(() => new World([entry(2, packCommand(raise))], older).lead()).toThrow('start a newer version');
    });
  });

  it('bounds the memory of undecided writes, small ones too', () => {
    const world = new World().lead();
    const client = new Recorder();
    const command = put('k');
    const packed = packCommand(command);
    for (let n = 0; n < 300_000; n++) world.group.submit(client, n, packed, command);
    expect(client.outcome(299_999)).toBe('OVERLOADED');
    expect(client.replies.length).toBeGreaterThan(40_000);
    // Room again once they are decided.
    for (let i = 0; i < 100; i++) world.pass();
    world.submit(client, 300_000, put('k'));
    world.pass();
    world.pass();
    expect(client.outcome(300_000)).not.toBe('OVERLOADED');
  });
});
