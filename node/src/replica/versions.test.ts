import { type GroupId, Op } from '@synccluster/client/protocol';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { createMachine, FEATURES, type Features, TooOldError } from '../machines/index.ts';
import type { SnapshotMeta } from '../raft/types.ts';
import { openStorage } from '../storage/openStorage.ts';
import { internal } from './duties.ts';
import type { Member } from './member.ts';
import { MemberService } from './memberService.ts';
import { SnapshotEncoder } from './snapshotCodec.ts';
import { MemberCluster, until } from './testing/memberCluster.ts';

const DATA = 1 as GroupId;
const put = [...internal(Op.CachePut), 'k', new Uint8Array(1), 0] as const;
/** Puts are known from level 2 on, and not to the version before. */
const next: Features = { level: 2, since: new Map([...FEATURES.since, [Op.CachePut, 2]]) };
const previous: Features = {
  level: 1,
  since: new Map([...FEATURES.since].filter(([op]) => op !== Op.CachePut)),
};
const levelOf = (member: Member) => [...member.groups.values()].map(({ machine }) => machine.featureLevel());

const statusOf = (member: Member) =>
  new MemberService({ member, registry: new Registry(), version: '0', exit: () => {} }).status()!;

let cluster: MemberCluster;
afterEach(() => cluster.close());

it('members of two versions serve what both know, and the rest when the last one is updated', async () => {
  cluster = new MemberCluster();
  await cluster.found(3, previous);
  const restart = async (ordinal: number, features: Features): Promise<void> => {
    await cluster.members[ordinal]!.stop();
    await cluster.start(ordinal, features);
    await cluster.ready();
  };
  await restart(0, next);
  await restart(1, next);
  for (const member of cluster.members) {
    await expect(member.call(DATA, put)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  }
  // Back again, for nothing was raised yet.
  await restart(1, previous);
  await restart(1, next);
  await restart(2, next);
  await until('all groups to be raised on all members', () =>
    cluster.members.every((member) => levelOf(member).every((level) => level === 2)),
  );
  for (const member of cluster.members) await member.call(DATA, put);
  for (const member of cluster.members) {
    const { featureLevel, groups } = statusOf(member);
    expect([featureLevel, ...groups.map((group) => group.featureLevel)]).toEqual([2, 2, 2]);
  }

  const tooOld = cluster.members[2]!;
  await tooOld.stop();
  await cluster.start(2, previous);
  await until('the one that is too old to stop', () => cluster.fatal.length > 0);
  expect(cluster.fatal[0]).toBeInstanceOf(TooOldError);
  cluster.fatal.length = 0;
  await cluster.members[2]!.stop();
  await cluster.start(2, next);
  await cluster.ready();
  await cluster.members[2]!.call(DATA, put);
});

it('a volume with a snapshot of a higher level is no damaged one, and stays as it is', async () => {
  cluster = new MemberCluster();
  const storage = await openStorage(cluster.volume(0), {
    segmentBytes: 1024 * 1024,
    reserveBytes: 0,
    onFatal: () => {},
  });
  await storage.adopt('test');
  const { memberId } = storage.identity;
  const configuration = { voters: [{ id: memberId, ordinal: 0 }], learners: [] };
  const meta = { index: 5, term: 2, stampMs: 1, configuration } as unknown as SnapshotMeta;
  const machine = createMachine({ group: DATA, features: next });
  machine.apply([...internal(Op.FeatureLevel), 2], meta.stampMs);
  const writer = await storage.snapshots.create(DATA, meta);
  const chunks = new SnapshotEncoder(machine.freeze());
  for (let chunk = chunks.next(); chunk !== null; chunk = chunks.next()) await writer.write(chunk);
  await writer.commit();
  await storage.close();
  await expect(cluster.start(0, previous)).rejects.toThrow('start a newer version on this volume');
});
