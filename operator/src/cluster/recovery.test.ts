import { describe, expect, it } from 'vitest';
import { CONFIG_MAPS, PODS } from '../api/kinds.ts';
import { KubeError } from '../runtime/kube.ts';
import type { Logger } from '../runtime/logger.ts';
import { FakeWorld, NAME, syncCluster } from '../testing/fakeWorld.ts';
import type { Action } from './actions.ts';
import type { MemberIdentity } from './memberApi.ts';
import { MemberCallError } from './memberClient.ts';
import type { ObservedCluster, RecoveryRecord } from './observed.ts';
import { planCluster } from './plan.ts';
import { createClusterReconciler } from './reconciler.ts';
import { planRecovery } from './recovery.ts';
import { clusterStatus } from './status.ts';

const ANNOTATION = 'synccluster.io/recover-from';

/** A member as it shows itself; by default it answers, holds cluster `old`, and hears no leader. */
interface Row {
  /** Default 100 + ordinal. */
  id?: number;
  silent?: boolean;
  /** Kubernetes finds its pod ready. */
  ready?: boolean;
  /** Its node was not heard of lately. */
  cutOff?: boolean;
  terminating?: boolean;
  podless?: boolean;
  empty?: boolean;
  damaged?: boolean;
  clusterId?: string | null;
  /** Of every group. */
  leader?: number;
  /** Default: those of all rows. */
  voters?: number[];
  lastIndex?: number;
  /** Groups it has something of; default 2. */
  groups?: number;
  /** Its version does not tell of groups in its identity. */
  outdated?: boolean;
}
interface Situation {
  rows: Row[];
  annotation?: string;
  handled?: string;
  /** Default `old`. */
  clusterId?: string;
  recovery?: RecoveryRecord | null;
}
const GONE: Row = { id: 900, empty: true, clusterId: null };
const SILENT: Row = { silent: true };
const PENDING = { from: 'old', memberId: 100, ordinal: 0 };

function observe({
  rows,
  annotation,
  handled,
  clusterId = 'old',
  recovery = null,
}: Situation): ObservedCluster {
  const made = syncCluster(
    { members: 3, shards: 1, image: 'img:1' },
    annotation === undefined ? {} : { [ANNOTATION]: annotation },
  );
  const cluster = {
    ...made,
    metadata: { ...made.metadata, uid: 'u' },
    status: handled === undefined ? {} : { lastHandledRecoverFrom: handled },
  };
  const voters = rows.map((_, ordinal) => ({ id: 100 + ordinal, ordinal }));
  const present = rows.map((row, ordinal) => ({ ...row, ordinal })).filter((row) => !row.podless);
  return {
    cluster,
    statefulSet: null,
    identity: { uid: 'i', clusterId, founder: null, recovery },
    pods: present.map(({ ordinal, ready, cutOff, terminating }) => ({
      ordinal,
      name: `db-${ordinal}`,
      uid: `pod-${ordinal}`,
      ip: '10.0.0.1',
      adminPort: 7403,
      ready: ready ?? false,
      containersReady: ready ?? cutOff ?? false,
      cutOff: cutOff ?? false,
      terminating: terminating ?? false,
      templateHash: '',
      stuck: null,
    })),
    claims: [],
    members: present.map((row) => {
      const { ordinal } = row;
      const groups = Array.from({ length: row.empty ? 0 : (row.groups ?? 2) }, (_, group) => ({
        group,
        leader: row.leader ?? 0,
        lastTerm: 3,
        lastIndex: row.lastIndex ?? 50,
        voters: voters.filter(({ id }) => row.voters?.includes(id) ?? true),
      }));
      const identity: MemberIdentity = {
        memberId: row.id ?? 100 + ordinal,
        clusterId: row.clusterId === undefined ? 'old' : row.clusterId,
        empty: row.empty ?? false,
        ordinal,
        version: '1',
        damaged: row.damaged ? 'bad checksum' : null,
        ...(row.outdated ? {} : { groups }),
      };
      return { ordinal, identity: row.silent ? null : identity, status: null };
    }),
    owned: new Map(),
    liveClaims: new Map(),
  };
}

function brief(action: Action): string {
  if (action.type === 'replaceIdentity') {
    const { from, memberId, ordinal } = action.recovery;
    return `record ${from} ${memberId}/${ordinal} (${action.uid})`;
  }
  if (action.type === 'restoreIdentity') return `restore ${action.clusterId} (${action.uid})`;
  if (action.type === 'recover') {
    return `tell ${action.ordinal} ${action.memberId} ${action.from}→${action.to}`;
  }
  return action.type;
}
/** Actions; else what is waited for; else why nothing is done; else nothing. */
function answer(situation: Situation): string {
  const { actions, progress, blocked } = planRecovery(observe(situation));
  if (actions.length > 0) return actions.map(brief).join();
  return progress?.message ?? blocked?.message ?? 'nothing';
}

describe('a recovery that is asked for', () => {
  const table: [string, Situation, string | RegExp][] = [
    [
      'records a new id when the others lost their volumes',
      { rows: [{}, GONE, { ...GONE, id: 901 }] },
      'record old 100/0 (i)',
    ],
    ['takes those that do not answer for lost', { rows: [{}, SILENT, SILENT] }, 'record old 100/0 (i)'],
    ['takes those without a pod for lost', { rows: [{}, { podless: true }, SILENT] }, 'record old 100/0 (i)'],
    ['takes a damaged member for lost', { rows: [{}, { damaged: true }, SILENT] }, 'record old 100/0 (i)'],
    [
      'goes on from the member that is named',
      { annotation: 'db-2', rows: [SILENT, SILENT, {}] },
      'record old 102/2 (i)',
    ],
    [
      'is refused while every group has a leader that somebody hears',
      { rows: [{ leader: 101 }, SILENT, SILENT] },
      'nothing',
    ],
    [
      'is refused while a quorum answers, if without a leader yet',
      { rows: [{}, {}, SILENT] },
      /not followed: enough members for a quorum/,
    ],
    [
      'is refused while Kubernetes finds the silent ones ready',
      { rows: [{}, { ...SILENT, ready: true }, SILENT] },
      /db-1 stopped, so there may be a quorum/,
    ],
    [
      'is refused while nodes are silent that may run a quorum among themselves',
      { rows: [{}, { ...SILENT, cutOff: true }, { ...SILENT, cutOff: true }] },
      /does not say that db-1, db-2 stopped/,
    ],
    [
      'takes those on silent nodes for lost once their pods are given up',
      { rows: [{}, { ...SILENT, cutOff: true, terminating: true }, SILENT] },
      'record old 100/0 (i)',
    ],
    [
      'is refused when another member has a quorum by its account',
      { rows: [{}, { voters: [101] }, SILENT] },
      /not followed: enough members for a quorum/,
    ],
    [
      'counts the voters of the log, not the pods',
      { rows: [{}, {}, SILENT, SILENT, SILENT] },
      'record old 100/0 (i)',
    ],
    [
      'is refused for a pod that is not',
      { annotation: 'db-7', rows: [{}, SILENT, SILENT] },
      /db-7 is not followed: this cluster has no such pod/,
    ],
    [
      'is refused for another cluster’s pod',
      { annotation: 'other-0', rows: [{}, SILENT, SILENT] },
      /no such pod/,
    ],
    [
      'is refused for a member that does not answer',
      { annotation: 'db-1', rows: [{}, SILENT, SILENT] },
      /it does not answer/,
    ],
    ['is refused for an empty member', { annotation: 'db-1', rows: [{}, GONE, SILENT] }, /it holds no data/],
    [
      'is refused for a damaged member',
      { rows: [{ damaged: true }, SILENT, SILENT] },
      /damaged: bad checksum/,
    ],
    [
      'is refused for another cluster’s data',
      { rows: [{ clusterId: 'x' }, SILENT, {}] },
      /it holds cluster x, not old/,
    ],
    [
      'is refused for a member that lacks a group',
      { rows: [{ groups: 1 }, SILENT, SILENT] },
      /nothing of group 1/,
    ],
    [
      'is refused for a version that does not know how',
      { rows: [{ outdated: true }, SILENT, SILENT] },
      /does not know how/,
    ],
    [
      'says which member has more',
      { rows: [{}, { lastIndex: 60 }, SILENT, SILENT, SILENT] },
      'record old 100/0 (i)',
    ],
    ['acts no more once it was answered', { handled: 'db-0', rows: [{}, SILENT, SILENT] }, 'nothing'],
    [
      'acts again when it was changed',
      { handled: 'db-1', rows: [{}, SILENT, SILENT] },
      'record old 100/0 (i)',
    ],
  ];
  it.each(table)('%s', (_, situation, expected) => {
    const said = answer({ annotation: 'db-0', ...situation });
    if (typeof expected === 'string') expect(said).toBe(expected);
    else expect(said).toMatch(expected);
  });

  it('does nothing without the annotation', () => {
    expect(answer({ rows: [{}, SILENT, SILENT] })).toBe('nothing');
  });

  it('names the member that has more than the one it goes on from', () => {
    const { progress } = planRecovery(
      observe({ annotation: 'db-0', rows: [{}, { lastIndex: 60 }, SILENT, SILENT, SILENT] }),
    );
    expect(progress?.message).toContain('db-1 of the lost cluster answers too and has more');
  });
});

describe('a recovery whose new id is recorded', () => {
  const table: [string, Situation, string | RegExp][] = [
    ['tells the survivor', { rows: [{}, SILENT, SILENT] }, 'tell 0 100 old→new'],
    ['waits for the survivor to answer', { rows: [SILENT, SILENT, SILENT] }, 'waiting for db-0 to answer'],
    [
      'goes on when the annotation was removed',
      { annotation: '', rows: [{}, SILENT, SILENT] },
      'tell 0 100 old→new',
    ],
    [
      'waits for the survivor to lead',
      { rows: [{ clusterId: 'new', voters: [100] }, SILENT, SILENT] },
      'waiting for db-0 to lead cluster new alone',
    ],
    [
      'is over when the survivor leads',
      { rows: [{ clusterId: 'new', voters: [100], leader: 100 }, SILENT, SILENT] },
      'nothing',
    ],
    [
      'is given up when the lost quorum has come back',
      { rows: [{ leader: 101 }, {}, SILENT] },
      'restore old (i)',
    ],
    [
      'is not given up while the survivor is silent, for it may have been told before the quorum came back',
      { rows: [SILENT, { leader: 101 }, { leader: 101 }] },
      /cluster old is led again, but db-0 may have been told already to go on as cluster new/,
    ],
    [
      'is not given up for a member that is named later either',
      { annotation: 'db-1', rows: [SILENT, { leader: 101 }, { leader: 101 }] },
      /waiting for it to answer/,
    ],
    [
      'is not given up after the new cluster has worked and the annotation went',
      { annotation: '', rows: [SILENT, { leader: 101 }, { leader: 101 }] },
      /waiting for it to answer/,
    ],
    [
      'is given up for the quorum that came back when the survivor lost its volume',
      { rows: [GONE, { leader: 101 }, { leader: 101 }] },
      'restore old (i)',
    ],
    ['waits when the lost quorum may come back', { rows: [{}, {}, SILENT] }, /may be coming back/],
    [
      'turns to another member when the annotation does',
      { annotation: 'db-1', rows: [GONE, {}, SILENT] },
      'record old 101/1 (i)',
    ],
    [
      'keeps to the survivor while another that is named does not answer',
      { annotation: 'db-1', rows: [{}, SILENT, SILENT] },
      'tell 0 100 old→new',
    ],
    [
      'says so when the survivor lost its volume',
      { rows: [GONE, {}, SILENT] },
      /the data of db-0.* is gone; name another/,
    ],
    ['leaves it to founding when nobody has data', { rows: [GONE, GONE, GONE] }, 'nothing'],
  ];
  it.each(table)('%s', (_, situation, expected) => {
    const said = answer({ annotation: 'db-0', clusterId: 'new', recovery: PENDING, ...situation });
    if (typeof expected === 'string') expect(said).toBe(expected);
    else expect(said).toMatch(expected);
  });

  it('is history once the cluster has worked: a later outage is one like any other', () => {
    const later = { clusterId: 'new', recovery: PENDING, annotation: 'db-0', handled: 'db-0' };
    expect(answer({ ...later, rows: [SILENT, SILENT, SILENT] })).toBe('nothing');
    const reasons = planCluster(observe({ ...later, rows: [GONE, GONE, GONE] })).blocked.map((b) => b.reason);
    expect(reasons).toContain('DataLost');
  });
});

describe('the status', () => {
  const conditions = (situation: Situation) => {
    const observed = observe(situation);
    const status = clusterStatus(observed, planCluster(observed), '2026-01-01T00:00:00Z');
    return new Map(status.conditions?.map((condition) => [condition.type, condition]));
  };

  it('names the way out of a lost quorum, and whom there is to go on from', () => {
    const all = conditions({ rows: [{}, { silent: true }, {}, SILENT, SILENT] });
    expect(all.get('Available')).toMatchObject({ status: 'False', reason: 'NoLeader' });
    expect(all.get('Available')?.message).toContain(`${ANNOTATION}=db-0 or db-2`);
  });

  it('names it not while a quorum is about to elect', () => {
    const all = conditions({ rows: [{}, {}, SILENT] });
    expect(all.get('Available')).toMatchObject({ status: 'False', reason: 'NoLeader' });
    expect(all.get('Available')?.message).not.toContain(ANNOTATION);
  });

  it('says that a recovery goes on, or why it does not', () => {
    const going = conditions({ annotation: 'db-0', rows: [{}, SILENT, SILENT] });
    expect([going.get('Available'), going.get('Progressing'), going.get('Degraded')]).toMatchObject([
      { status: 'False', reason: 'Recovering' },
      { status: 'True', reason: 'Recovering' },
      { status: 'True', reason: 'Recovering' },
    ]);
    const refused = conditions({ annotation: 'db-1', rows: [{}, SILENT, SILENT] });
    expect([refused.get('Available'), refused.get('Degraded')]).toMatchObject([
      { status: 'False', reason: 'RecoveryBlocked' },
      { status: 'True', reason: 'RecoveryBlocked' },
    ]);
  });
});

// ---- carried out ---------------------------------------------------------------------------------------

const silent: Logger = { info() {}, warn() {}, error() {}, child: () => silent };
class Died extends Error {}
let ids = 0;

async function pass(world: FakeWorld): Promise<void> {
  const reconcile = createClusterReconciler({
    kube: world.kube,
    client: world.client,
    logger: silent,
    newClusterId: () => `cluster-${++ids}`,
    now: () => new Date(0),
    secondLookMs: 0,
  });
  try {
    await reconcile(world.key);
  } catch (error) {
    const expected = error instanceof Died || error instanceof KubeError || error instanceof MemberCallError;
    if (!expected) throw error;
  }
}
async function until(world: FakeWorld, done: () => boolean): Promise<void> {
  for (let round = 0; round < 300; round++) {
    await pass(world);
    world.step();
    if (done()) return;
  }
  throw new Error(`not reached: ${JSON.stringify(world.cluster.status)}`);
}
async function rounds(world: FakeWorld, count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    await pass(world);
    world.step();
  }
}
const settled = (world: FakeWorld) => () =>
  world.condition('Progressing')?.reason === 'Settled' &&
  world.condition('Available')?.status === 'True' &&
  world.cluster.status?.readyReplicas === 3 &&
  world.voterOrdinals.every((voters) => voters.join() === '0,1,2');
const unavailable = (world: FakeWorld) => () => world.condition('Available')?.reason === 'NoLeader';
function annotate(world: FakeWorld, value: string | null): void {
  const annotations = value === null ? {} : { [ANNOTATION]: value };
  world.kube.put({ ...world.cluster, metadata: { ...world.cluster.metadata, annotations } });
}
const record = (world: FakeWorld) =>
  world.kube.peek(CONFIG_MAPS, { namespace: 'test', name: `${NAME}-identity` })?.data;
const told = (world: FakeWorld, reason: string) =>
  world.kube.events.filter((event) => event.reason === reason).length;

async function founded(): Promise<FakeWorld> {
  const world = new FakeWorld();
  world.createCluster({ members: 3, shards: 1 });
  await until(world, settled(world));
  return world;
}
/** `how` two of three go. */
async function lose(world: FakeWorld, how: 'volumes' | 'nodes'): Promise<void> {
  for (const ordinal of [0, 2]) {
    if (how === 'volumes') world.loseVolume(ordinal);
    else world.down.add(ordinal);
  }
  await until(world, unavailable(world));
}
/** Recovers from pod 1; nodes that were down come back on the way. */
async function recoverFrom1(world: FakeWorld, how: 'volumes' | 'nodes'): Promise<void> {
  annotate(world, 'db-1');
  if (how === 'nodes') {
    await until(world, () => world.recoveries > 0 && world.condition('Available')?.status === 'True');
    world.down.clear();
  }
  await until(world, settled(world));
}

describe.each(['volumes', 'nodes'] as const)('a cluster that lost the %s of two of three', (how) => {
  it('goes on from the one that is named, and takes the others in again under new ids', async () => {
    const world = await founded();
    const [first, , third] = world.roster.members.map(({ memberId }) => memberId);
    const survivor = world.volumeOf(1)?.memberId ?? 0;
    const lost = world.clusterId;
    await lose(world, how);
    await recoverFrom1(world, how);
    expect(world.recoveries).toBe(1);
    expect(world.foundings).toBe(1);
    expect(world.clusterId).not.toBe(lost);
    expect(record(world)).toEqual({
      clusterId: world.clusterId,
      recoveredFrom: lost,
      survivor: String(survivor),
      survivorOrdinal: '1',
    });
    expect(world.roster.tombstones).toEqual(expect.arrayContaining([first, third]));
    for (const ordinal of [0, 1, 2]) expect(world.volumeOf(ordinal)?.clusterId).toBe(world.clusterId);
    expect(world.volumeOf(1)?.memberId).toBe(survivor);
    for (const reason of ['RecoveryRecorded', 'SurvivorTold', 'Recovered'])
      expect(told(world, reason)).toBe(1);
  });

  it('gets there, once and under one new id, wherever the operator dies', async () => {
    const rehearsal = await founded();
    await lose(rehearsal, how);
    let total = 0;
    const count = (what: string) => {
      if (what !== 'updateStatus') total++;
    };
    rehearsal.kube.onWrite = count;
    rehearsal.onCall = count;
    await recoverFrom1(rehearsal, how);
    expect(total).toBeGreaterThan(4);
    for (let victim = 1; victim <= total; victim++) {
      const world = await founded();
      await lose(world, how);
      let seen = 0;
      const dies = (what: string) => {
        if (what !== 'updateStatus' && ++seen === victim) throw new Died();
      };
      world.kube.onWrite = dies;
      world.onCall = dies;
      await recoverFrom1(world, how);
      expect(world.recoveries).toBe(1);
      expect(record(world)?.['clusterId']).toBe(world.clusterId);
    }
  });
});

describe('the annotation', () => {
  it('that is left acts no more; removed and set again it does', async () => {
    const world = await founded();
    await lose(world, 'nodes');
    await recoverFrom1(world, 'nodes');
    expect(world.cluster.status?.lastHandledRecoverFrom).toBe('db-1');
    await lose(world, 'nodes');
    await rounds(world, 20);
    expect(world.recoveries).toBe(1);
    expect(world.condition('Available')).toMatchObject({
      status: 'False',
      reason: 'NoLeader',
      message: expect.stringContaining('was answered before: remove it first'),
    });
    annotate(world, null);
    await pass(world);
    expect(world.cluster.status?.lastHandledRecoverFrom).toBeUndefined();
    await recoverFrom1(world, 'nodes');
    expect(world.recoveries).toBe(2);
  });

  it('on a cluster that works is answered by a warning, and does not act later', async () => {
    const world = await founded();
    annotate(world, 'db-1');
    await rounds(world, 5);
    expect(told(world, 'RecoveryNotNeeded')).toBe(1);
    expect(world.condition('Progressing')?.reason).toBe('Settled');
    await lose(world, 'nodes');
    await rounds(world, 20);
    expect(world.recoveries).toBe(0);
    expect(record(world)?.['recoveredFrom']).toBeUndefined();
  });

  it('that is longer than a pod’s name is refused, and the status is told all the same', async () => {
    const world = await founded();
    await lose(world, 'nodes');
    annotate(world, 'x'.repeat(1000));
    await rounds(world, 3);
    expect(world.condition('Available')?.reason).toBe('RecoveryBlocked');
    world.down.clear();
    await until(world, settled(world));
    expect(world.cluster.status?.lastHandledRecoverFrom).toHaveLength(253);
  });
});

describe('a recovery that is recorded and not told yet', () => {
  async function recorded(): Promise<FakeWorld> {
    const world = await founded();
    await lose(world, 'nodes');
    world.onCall = (what) => {
      if (what === 'recover') throw new Died();
    };
    annotate(world, 'db-1');
    await until(world, () => record(world)?.['recoveredFrom'] !== undefined);
    return world;
  }

  it('goes on with the same new id', async () => {
    const world = await recorded();
    const chosen = record(world)?.['clusterId'];
    await rounds(world, 5);
    world.onCall = () => {};
    await until(world, () => world.recoveries > 0);
    expect([world.clusterId, record(world)?.['clusterId']]).toEqual([chosen, chosen]);
  });

  it('is given up when the quorum comes back: nothing is lost then', async () => {
    const world = await recorded();
    const { clusterId, roster } = world;
    world.onCall = () => {};
    world.down.clear();
    // The members elect before the operator looks again.
    world.step();
    world.step();
    await until(world, settled(world));
    expect(world.recoveries).toBe(0);
    expect(record(world)).toEqual({ clusterId });
    expect(world.roster).toEqual(roster);
    expect(told(world, 'RecoveryAbandoned')).toBe(1);
  });
});

describe('a survivor that was told and is silent when the lost quorum comes back', () => {
  it('is waited for, and all go on as the new cluster', async () => {
    const world = await founded();
    const lost = world.clusterId;
    await lose(world, 'nodes');
    annotate(world, 'db-1');
    await until(world, () => world.recoveries > 0);
    world.down.add(1);
    world.down.delete(0);
    world.down.delete(2);
    await rounds(world, 20);
    expect(world.lost.get(lost ?? '')?.every((group) => group.leader !== 0)).toBe(true);
    expect(world.condition('Available')).toMatchObject({ status: 'False', reason: 'Recovering' });
    expect(record(world)?.['clusterId']).toBe(world.clusterId);
    world.down.clear();
    await until(world, settled(world));
    expect(told(world, 'RecoveryAbandoned')).toBe(0);
    expect(world.clusterId).not.toBe(lost);
    expect(record(world)?.['clusterId']).toBe(world.clusterId);
    for (const ordinal of [0, 1, 2]) expect(world.volumeOf(ordinal)?.clusterId).toBe(world.clusterId);
  });
});

it('a voter that comes back with the data of another cluster is taken in anew, under a new id', async () => {
  const world = await founded();
  const volume = world.volumeOf(2);
  const id = volume?.memberId ?? 0;
  Object.assign(volume ?? {}, { clusterId: 'elsewhere' });
  await pass(world);
  expect(world.cluster.status?.readyReplicas).toBe(2);
  expect(world.condition('Degraded')).toMatchObject({ status: 'True', reason: 'MemberUnavailable' });
  await until(world, () => world.volumeOf(2)?.memberId !== id && settled(world)());
  expect(world.roster.tombstones).toContain(id);
  expect(world.volumeOf(2)?.clusterId).toBe(world.clusterId);
});

it('a silent pod that waits for a readiness gate may run, and is not given up', async () => {
  const world = await founded();
  await lose(world, 'nodes');
  for (const ordinal of [0, 2]) {
    const pod = world.kube.peek(PODS, { namespace: 'test', name: `db-${ordinal}` })!;
    const conditions = [
      { type: 'Ready', status: 'False' },
      { type: 'ContainersReady', status: 'True' },
    ];
    const readinessGates = [{ conditionType: 'example.com/registered' }];
    world.kube.put({
      ...pod,
      spec: { ...pod.spec, readinessGates },
      status: { ...pod.status, conditions },
    });
  }
  annotate(world, 'db-1');
  await rounds(world, 5);
  expect(world.condition('Available')).toMatchObject({
    reason: 'RecoveryBlocked',
    message: expect.stringContaining('does not say that db-0, db-2 stopped'),
  });
});
