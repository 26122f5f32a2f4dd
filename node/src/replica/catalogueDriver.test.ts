import { type Command, type GroupId, Op, type QueueConfig } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { CatalogueDriver } from './catalogueDriver.ts';
import type { Group } from './group.ts';

type Entry = readonly [name: string, generation: number, config: QueueConfig | null];
const CONFIG: QueueConfig = [1, 30_000];

/** Group 0 with a catalogue, and one data group that shows what is said to be applied to it. */
function setup(options: { leader?: boolean; slots?: boolean } = {}) {
  const coordination = {
    isLeader: options.leader ?? true,
    machine: {
      entries: [] as readonly Entry[],
      shards: () => 1,
      slotEpoch: () => 1,
      slotTable: () => new Uint8Array(1),
      catalogue() {
        return this.entries;
      },
    },
  };
  const generations = new Map<string, number>();
  const data = { machine: { ownsSlots: () => options.slots ?? true, queueGenerations: () => generations } };
  const groups = new Map<number, unknown>([
    [0, coordination],
    [1, data],
  ]) as unknown as ReadonlyMap<GroupId, Group>;
  const asked: { group: GroupId; command: Command; done: PromiseWithResolvers<void> }[] = [];
  const driver = new CatalogueDriver(groups, (group, command) => {
    const done = Promise.withResolvers<void>();
    asked.push({ group, command, done });
    return done.promise;
  });
  const settle = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { coordination, generations, asked, driver, settle };
}
const named = (command: Command): unknown[] => [command[0], command[5], command[6]];

describe('CatalogueDriver', () => {
  it('keeps the reply to a declaration until the data groups have the queue', async () => {
    const { coordination, asked, driver, settle } = setup();
    driver.run(0);
    coordination.machine.entries = [['mail', 1, CONFIG]];
    let sent = false;
    driver.hold(1, 0, () => {
      sent = true;
    });
    driver.run(0);
    expect(asked.map((a) => named(a.command))).toEqual([[Op.QueueConfigure, 'mail', 1]]);
    expect(sent).toBe(false);
    asked[0]!.done.resolve();
    await settle();
    driver.run(1);
    expect(sent).toBe(true);
    driver.run(2);
    expect(asked).toHaveLength(1);
  });

  it('tries again while a data group has no leader, and answers the declaration in time all the same', async () => {
    const { coordination, asked, driver, settle } = setup();
    driver.run(0);
    coordination.machine.entries = [['mail', 1, CONFIG]];
    let sent = false;
    driver.hold(1, 0, () => {
      sent = true;
    });
    driver.run(0);
    asked[0]!.done.reject(new Error('no leader'));
    await settle();
    driver.run(99);
    expect(asked).toHaveLength(1);
    driver.run(100);
    expect(asked).toHaveLength(2);
    driver.run(4_999);
    expect(sent).toBe(false);
    driver.run(5_000);
    expect(sent).toBe(true);
  });

  it('drives only the newest of a queue that was deleted and declared again', async () => {
    const { coordination, asked, driver, settle } = setup();
    driver.run(0);
    coordination.machine.entries = [['mail', 1, CONFIG]];
    driver.run(0);
    coordination.machine.entries = [['mail', 3, CONFIG]];
    driver.run(0);
    asked[0]!.done.resolve();
    await settle();
    driver.run(1);
    expect(asked.map((a) => named(a.command))).toEqual([
      [Op.QueueConfigure, 'mail', 1],
      [Op.QueueConfigure, 'mail', 3],
    ]);
  });

  it('starts over as a new leader from what its own replicas show', () => {
    const { coordination, generations, asked, driver } = setup({ leader: false, slots: false });
    generations.set('kept', 1);
    coordination.machine.entries = [
      ['gone', 3, null],
      ['kept', 1, CONFIG],
    ];
    driver.run(0);
    expect(asked).toEqual([]);
    coordination.isLeader = true;
    driver.run(0);
    expect(asked.map((a) => named(a.command).toString())).toEqual([
      [Op.SlotsAssign, 1, 1].toString(),
      [Op.QueueConfigure, 'gone', 3].toString(),
    ]);
  });

  it('looks at no queue in a pass in which nothing changed', () => {
    const { coordination, driver } = setup();
    let looks = 0;
    const entry = new Proxy(['mail', 1, CONFIG] as const, {
      get(target, key): unknown {
        looks += 1;
        return (target as unknown as Record<PropertyKey, unknown>)[key];
      },
    });
    coordination.machine.entries = [entry as Entry];
    driver.run(0);
    const once = looks;
    expect(once).toBeGreaterThan(0);
    for (let pass = 0; pass < 100; pass++) driver.run(pass);
    expect(looks).toBe(once);
  });

  it('does not flood the data groups with a large catalogue', () => {
    const { coordination, asked, driver } = setup();
    coordination.machine.entries = Array.from({ length: 2_000 }, (_, i) => [`q${i}`, i + 1, CONFIG] as const);
    driver.run(0);
    driver.run(0);
    expect(asked).toHaveLength(256);
  });
});
