import {
  type GroupId,
  type LogIndex,
  type MemberId,
  Op,
  type Ordinal,
  type Term,
} from '@synccluster/client/protocol';
import { unpackMany } from '@synccluster/client/wire';
import { describe, expect, it } from 'vitest';
import type { RestoredState } from '../raft/types.ts';
import type { Storage } from '../storage/storage.ts';
import { CrashingDisk } from '../storage/testing/crashingDisk.ts';
import {
  compactRecord,
  entriesRecord,
  G0,
  G1,
  G2,
  metaAt,
  openFiles,
  takeSnapshot,
  written,
} from '../storage/testing/storageFixture.ts';
import { internal } from './duties.ts';
import { groupsToOpen, whyNoSurvivor } from './recovery.ts';

const ORDINAL = 1 as Ordinal;
const self = (storage: Storage) => ({ id: storage.identity.memberId as MemberId, ordinal: ORDINAL });

/** A volume of the lost cluster: a plain log, a log behind a snapshot, and a snapshot with nothing behind it. */
async function fill(storage: Storage): Promise<void> {
  await storage.adopt('lost');
  await written(storage, {
    type: 'hardState',
    group: G0,
    hardState: { term: 9 as Term, vote: 5 as MemberId },
  });
  await written(storage, entriesRecord(G0, 1, 3, 4));
  await written(storage, { type: 'hardState', group: G1, hardState: { term: 2 as Term, vote: 0 } });
  await written(storage, entriesRecord(G1, 1, 4, 2), entriesRecord(G2, 1, 2));
  await takeSnapshot(storage, G1, metaAt(2, 2), 'two');
  await takeSnapshot(storage, G2, metaAt(2), 'two');
  await written(storage, compactRecord(G1, 2, 2), compactRecord(G2, 2));
}

/** `index/term` of each entry; the voters where one is a configuration. */
function brief({ hardState, snapshot, entries }: RestoredState): string {
  const log = entries.map(({ index, term, configuration }) =>
    configuration === null ? `${index}/${term}` : `${index}/${term}=${configuration.voters.map((v) => v.id)}`,
  );
  return `term ${hardState.term} vote ${hardState.vote} after ${snapshot?.index ?? 0}: ${log.join(' ')}`;
}
const briefs = (groups: ReadonlyMap<GroupId, RestoredState>) =>
  [...groups].sort(([a], [b]) => a - b).map(([, state]) => brief(state));
const recovered = (id: number) => [
  `term 10 vote ${id} after 0: 1/4 2/4 3/4 4/10 5/10=${id}`,
  `term 3 vote ${id} after 2: 3/2 4/2 5/3 6/3=${id}`,
  `term 2 vote ${id} after 2: 3/2 4/2=${id}`,
];

describe('the groups of a volume', () => {
  it('are opened as they are when nothing is to be recovered', async () => {
    const { ops } = new CrashingDisk(() => 0);
    await using opened = await openFiles('/volume', { ops });
    await fill(opened.storage);
    await opened.storage.close();
    const again = await openFiles('/volume', { ops });
    expect(await groupsToOpen(again.storage, self(again.storage))).toBe(again.storage.recovered.groups);
    await again.storage.close();
  });

  it('keep all they have, and stamps that never fall, before the configuration of the survivor alone', async () => {
    const { ops } = new CrashingDisk(() => 0);
    const first = await openFiles('/volume', { ops });
    await fill(first.storage);
    await first.storage.startRecovery('new');
    await first.storage.close();
    const { storage } = await openFiles('/volume', { ops });
    const groups = await groupsToOpen(storage, self(storage));
    expect(briefs(groups)).toEqual(recovered(storage.identity.memberId));
    for (const { snapshot, entries } of groups.values()) {
      const last = entries.at(-1)!;
      expect(last.configuration).toEqual({ voters: [self(storage)], learners: [] });
      const [command] = unpackMany(entries.at(-2)!.data);
      const { id, ordinal } = self(storage);
      expect(command).toEqual([...internal(Op.Recover), 'new', id, ordinal]);
      const stamps = [(entries.at(-3) ?? snapshot)?.stampMs, entries.at(-2)?.stampMs, last.stampMs];
      expect(new Set(stamps).size).toBe(1);
    }
    expect(storage.identity).toMatchObject({ clusterId: 'new', recovering: false });
    await storage.close();
  });
});

// All of an unsynced write and of unsynced names is kept, or none of it.
describe.each([
  ['everything', 0],
  ['nothing', 1],
])('a crash that leaves %s unsynced behind', (_, draw) => {
  it('between any two steps of a recovery is made good by the next start', async () => {
    let steps = 0;
    let begun = 0;
    for (; ; steps++) {
      const disk = new CrashingDisk(() => draw);
      const first = await openFiles('/volume', { ops: disk.ops });
      await fill(first.storage);
      disk.stopAfter(steps);
      const done = (async () => {
        await first.storage.startRecovery('new');
        await first.storage.close();
        const second = await openFiles('/volume', { ops: disk.ops });
        await groupsToOpen(second.storage, self(second.storage));
        await second.storage.close();
        return true;
      })();
      const stopped = (async () => {
        while (!disk.stopped) await new Promise((resolve) => setImmediate(resolve));
        return false;
      })();
      if (await Promise.race([done, stopped])) break;
      const after = disk.afterCrash();
      let { storage } = await openFiles('/volume', { ops: after.ops });
      expect(storage.recovered.damage).toBeNull();
      const { memberId, clusterId } = storage.identity;
      if (clusterId === 'lost') {
        // Whoever asked was not answered before the crash, and asks again.
        await storage.startRecovery('new');
        await storage.close();
        ({ storage } = await openFiles('/volume', { ops: after.ops }));
      } else {
        begun++;
      }
      const groups = await groupsToOpen(storage, self(storage));
      expect(briefs(groups), `step ${steps}`).toEqual(recovered(memberId));
      await storage.close();
      await using last = await openFiles('/volume', { ops: after.ops });
      expect(last.storage.identity).toEqual({ memberId, clusterId: 'new', recovering: false });
      expect(briefs(last.storage.recovered.groups), `step ${steps}`).toEqual(recovered(memberId));
    }
    expect(steps).toBeGreaterThan(10);
    expect(begun).toBeGreaterThan(5);
  });
});

describe('a survivor', () => {
  const group = (id: number, leader = 0, lastIndex = 7) =>
    [
      id as GroupId,
      {
        id: id as GroupId,
        leader: leader as MemberId,
        status: () => ({ lastIndex: lastIndex as LogIndex }),
      },
    ] as const;
  it.each([
    ['holds data of every group', [group(0), group(1)], 2, null],
    ['may not have applied anything since its start', [group(0), group(1)], 0, null],
    ['may still hear a leader of some group', [group(0, 5), group(1)], 2, null],
    ['is none without data', [], 0, 'no data'],
    ['is none that lacks a group', [group(0), group(2)], 3, 'group 1'],
    ['is none that was to join a group and has nothing of it', [group(0), group(1, 0, 0)], 2, 'group 1'],
    ['is not asked for while every group is led', [group(0, 5), group(1, 6)], 2, 'every group has a leader'],
  ] as const)('%s', (_, groups, count, reason) => {
    const answer = whyNoSurvivor(new Map(groups), count);
    if (reason === null) expect(answer).toBeNull();
    else expect(answer).toContain(reason);
  });
});
