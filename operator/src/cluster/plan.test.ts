import { describe, expect, it } from 'vitest';
import type { StatefulSet } from '../api/kinds.ts';
import { templateHash } from '../desired/statefulSet.ts';
import { syncCluster } from '../testing/fakeWorld.ts';
import type { Action } from './actions.ts';
import type { GroupStatus, MemberIdentity, MemberStatus, RosterTarget } from './memberApi.ts';
import type { ObservedCluster, ObservedPod } from './observed.ts';
import { planCluster } from './plan.ts';
import { clusterStatus } from './status.ts';

/** One member of a table row: what its volume, the groups and the roster say of it. */
interface Row {
  /** Default 100 + ordinal. */
  id?: number;
  /** Default: the id. What the roster has at this ordinal; null: nothing. */
  rosterId?: number | null;
  target?: RosterTarget;
  as?: 'leader' | 'voter' | 'learner' | 'none';
  /** Entries behind the leader. */
  lag?: number;
  /** The leaders are so new that this member has not answered them yet. */
  unheard?: boolean;
  silent?: boolean;
  empty?: boolean;
  clusterId?: string | null;
  damaged?: string;
  podless?: boolean;
  unready?: boolean;
  cutOff?: boolean;
  terminating?: boolean;
  oldTemplate?: boolean;
  stuck?: string;
  /** Its own log has not told it yet that it is a voter. */
  unaware?: boolean;
}
interface World {
  members?: number;
  spec?: object;
  annotations?: Record<string, string>;
  replicas?: number;
  identity?: { founder: number | null } | null;
  tombstones?: number[];
  uncommitted?: boolean;
  rows: Row[];
  /** Claims beside those of the rows, by ordinal. */
  claims?: number[];
}
const IMAGE = 'img:1';

function observe(world: World): ObservedCluster {
  const made = syncCluster(
    { members: world.members ?? 3, shards: 1, image: IMAGE, ...world.spec },
    world.annotations,
  );
  const cluster = { ...made, metadata: { ...made.metadata, uid: 'u', generation: 4, resourceVersion: '9' } };
  const rows = world.rows.map((row, ordinal) => {
    const id = row.id ?? 100 + ordinal;
    return { as: 'voter' as const, target: 'voter' as RosterTarget, ...row, ordinal, id };
  });
  const configured = rows
    .filter((row) => row.as !== 'none')
    .map((row) => ({ ...row, id: row.rosterId ?? row.id }));
  const place = ({ id, ordinal }: { id: number; ordinal: number }) => ({ id, ordinal });
  const configuration = {
    voters: configured.filter((row) => row.as !== 'learner').map(place),
    learners: configured.filter((row) => row.as === 'learner').map(place),
  };
  const roster = {
    version: 7,
    members: rows
      .filter((row) => row.rosterId !== null)
      .map((row) => ({ memberId: row.rosterId ?? row.id, ordinal: row.ordinal, target: row.target })),
    tombstones: world.tombstones ?? [],
  };
  const gone = (row: Row) =>
    row.silent === true || row.podless === true || row.empty === true || row.damaged !== undefined;
  const isForeign = (row: Row) => (row.clusterId ?? 'c') !== 'c';
  const leader = rows.find((row) => row.as === 'leader' && !gone(row));
  const clusterIdOf = (row: Row) => (row.clusterId !== undefined ? row.clusterId : row.empty ? null : 'c');
  const status = (row: (typeof rows)[number]): MemberStatus => {
    const clusterId = clusterIdOf(row) ?? 'c';
    const group = (number: number): GroupStatus => ({
      group: number,
      // Whoever is of another cluster leads that one alone.
      role: row === leader || isForeign(row) ? 'leader' : 'follower',
      membership: row.as === 'learner' || row.unaware ? 'learner' : row.as === 'none' ? 'none' : 'voter',
      term: 1,
      leader: leader?.id ?? 0,
      commit: 1000 - (row.lag ?? 0),
      applied: 1000 - (row.lag ?? 0),
      lastIndex: 1000 - (row.lag ?? 0),
      configuration,
      configurationCommitted: world.uncommitted !== true,
      progress:
        row === leader
          ? configured.map((other) => ({
              id: other.id,
              match: other.unheard === true ? 0 : 1000 - (other.lag ?? 0),
              active: !gone(other) && !isForeign(other),
            }))
          : [],
    });
    const ready = row.unready !== true && row.as !== 'learner' && row.as !== 'none';
    return {
      memberId: row.id,
      ordinal: row.ordinal,
      clusterId,
      version: '1',
      ready,
      notReadyReason: ready ? null : 'not yet',
      freeBytes: 1,
      groups: [group(0), group(1)],
      roster,
    };
  };
  const identityOf = (row: (typeof rows)[number]): MemberIdentity => ({
    memberId: row.id,
    clusterId: clusterIdOf(row),
    empty: row.empty ?? false,
    ordinal: row.ordinal,
    version: '1',
    damaged: row.damaged ?? null,
  });
  const answering = rows.filter((row) => !row.silent && !row.podless);
  const hash = templateHash(cluster, IMAGE);
  const present = rows.filter((row) => !row.podless);
  const claim = (ordinal: number) => ({
    ordinal,
    name: `data-db-${ordinal}`,
    uid: `claim-${ordinal}`,
    bound: true,
    terminating: false,
  });
  const observed: ObservedCluster = {
    cluster,
    statefulSet: null,
    identity:
      world.identity === null
        ? null
        : { uid: 'i', clusterId: 'c', founder: world.identity?.founder ?? 100, recovery: null },
    pods: present.map(
      (row): ObservedPod => ({
        ordinal: row.ordinal,
        name: `db-${row.ordinal}`,
        uid: `pod-${row.ordinal}`,
        ip: '10.0.0.1',
        adminPort: 7403,
        ready: !row.unready && !row.stuck && !row.cutOff && row.as !== 'learner' && !gone(row),
        containersReady: !row.unready && !row.stuck && !gone(row),
        cutOff: row.cutOff ?? false,
        terminating: row.terminating ?? false,
        templateHash: row.oldTemplate ? 'old' : hash,
        stuck: row.stuck ?? null,
      }),
    ),
    claims: [...rows.map((row) => claim(row.ordinal)), ...(world.claims ?? []).map(claim)],
    members: present.map((row) => ({
      ordinal: row.ordinal,
      identity: answering.includes(row) ? identityOf(row) : null,
      status:
        answering.includes(row) && clusterIdOf(row) !== null && !row.empty && row.damaged === undefined
          ? status(row)
          : null,
    })),
    owned: new Map(),
    liveClaims: new Map(),
  };
  return asApplied(observed, world.replicas ?? rows.length);
}
/** As things stand after this operator has applied what it wants. */
function asApplied(observed: ObservedCluster, replicas: number): ObservedCluster {
  const objects = planCluster(observed).actions.flatMap((action) =>
    action.type === 'apply' ? [action.object] : [],
  );
  const set = objects.find((object): object is StatefulSet => object.kind === 'StatefulSet');
  if (set === undefined) throw new Error('no StatefulSet applied');
  return {
    ...observed,
    owned: new Map(objects.map((object) => [`${object.kind}/${object.metadata.name}`, object])),
    statefulSet: {
      ...set,
      metadata: { ...set.metadata, resourceVersion: '5', generation: 1 },
      spec: { ...set.spec, replicas },
    },
  };
}

/** Steps in a word or two; objects that are merely kept as they are wanted are left out. */
function steps(world: World): string[] {
  return planCluster(observe(world)).actions.flatMap((action) => brief(action));
}
function brief(action: Action): string[] {
  switch (action.type) {
    case 'apply':
      return [];
    case 'delete':
      return [`delete ${action.name} (${action.uid})`];
    case 'scale':
      return [`scale ${action.from}→${action.replicas} @${action.resourceVersion}`];
    case 'createIdentity':
      return [action.adopt === null ? `identity for ${action.founder}` : `adopt ${action.adopt}`];
    case 'discardIdentity':
      return [`discard ${action.clusterId} (${action.uid})`];
    case 'replaceIdentity':
      return [`replace ${action.recovery.from} by ${action.recovery.memberId} (${action.uid})`];
    case 'restoreIdentity':
      return [`restore ${action.clusterId} (${action.uid})`];
    case 'recover':
      return [`recover ${action.ordinal} ${action.memberId} ${action.from}→${action.to}`];
    case 'bootstrap':
      return [`bootstrap ${action.ordinal} ${action.clusterId} ${action.shards}`];
    case 'changeRoster':
      return [
        `roster@${action.expectedVersion} ${action.changes.map((c) => `${c.memberId}/${c.ordinal}=${c.target}`).join(' ')}`,
      ];
    case 'handover':
      return [`handover ${action.ordinal}`];
    case 'reset':
      return [`reset ${action.ordinal} ${action.memberId}`];
    case 'deletePod':
      return [`restart ${action.name} (${action.uid})`];
  }
}
const blockedBy = (world: World) => planCluster(observe(world)).blocked.map(({ reason }) => reason);
const waitsFor = (world: World) => planCluster(observe(world)).progress?.reason ?? null;
const settledRows = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => (i === 0 ? { as: 'leader' } : {}));
const EMPTY: Row = { empty: true, as: 'none', rosterId: null };

describe('a settled cluster', () => {
  it.each([1, 3, 5])('of %i needs nothing', (members) => {
    expect(steps({ members, rows: settledRows(members) })).toEqual([]);
    expect(blockedBy({ members, rows: settledRows(members) })).toEqual([]);
    expect(waitsFor({ members, rows: settledRows(members) })).toBeNull();
  });
});

describe('founding', () => {
  const table: [string, World, string[], string[]][] = [
    [
      'records an identity with the founder',
      { identity: null, rows: [EMPTY, EMPTY, EMPTY] },
      ['identity for 100'],
      [],
    ],
    [
      'begins with member 0 alone when others are not there',
      { identity: null, replicas: 3, rows: [EMPTY] },
      ['identity for 100'],
      [],
    ],
    [
      'waits for a volume that cannot be asked',
      { identity: null, rows: [EMPTY, EMPTY, { ...EMPTY, silent: true }] },
      [],
      ['WaitingForVolumes'],
    ],
    [
      'brings up the pod of a volume left over beyond the members, to ask it',
      { identity: null, rows: [EMPTY, EMPTY, EMPTY], claims: [4] },
      ['scale 3→5 @5'],
      ['WaitingForVolumes'],
    ],
    ['adopts what it finds', { identity: null, rows: [{ as: 'leader' }, EMPTY, {}] }, ['adopt c'], []],
    [
      'refuses to choose between clusters',
      { identity: null, rows: [{ as: 'leader' }, { clusterId: 'd' }, EMPTY] },
      [],
      ['ConflictingData'],
    ],
    ['founds on the volume it recorded', { rows: [EMPTY, EMPTY, EMPTY] }, ['bootstrap 0 c 1'], []],
    [
      'founds although another member is silent',
      { rows: [EMPTY, EMPTY, { ...EMPTY, silent: true }] },
      ['bootstrap 0 c 1'],
      [],
    ],
    [
      'founds again when the founder died after it took the id',
      { rows: [{ ...EMPTY, clusterId: 'c' }, EMPTY, EMPTY] },
      ['bootstrap 0 c 1'],
      [],
    ],
    [
      'founds nothing once the recorded volume is gone',
      { identity: { founder: 55 }, rows: [EMPTY, EMPTY, EMPTY] },
      [],
      ['DataLost'],
    ],
    [
      'founds nothing while a volume is silent',
      { identity: { founder: 55 }, rows: [EMPTY, EMPTY, { ...EMPTY, silent: true }] },
      [],
      ['MembersUnreachable'],
    ],
    [
      'founds nothing beside foreign data',
      { identity: { founder: 55 }, rows: [EMPTY, { ...EMPTY, empty: false, clusterId: 'd' }, EMPTY] },
      [],
      ['ForeignData'],
    ],
    [
      'starts anew when the annotation names the lost cluster',
      {
        identity: { founder: 55 },
        annotations: { 'synccluster.io/start-anew': 'c' },
        rows: [EMPTY, EMPTY, EMPTY],
      },
      ['discard c (i)'],
      [],
    ],
    [
      'starts anew although volumes of members scaled away were kept',
      {
        identity: { founder: 55 },
        annotations: { 'synccluster.io/start-anew': 'c' },
        rows: [EMPTY, EMPTY, EMPTY],
        claims: [3, 4],
      },
      ['discard c (i)'],
      [],
    ],
    [
      'does not start anew for another lost cluster',
      {
        identity: { founder: 55 },
        annotations: { 'synccluster.io/start-anew': 'b' },
        rows: [EMPTY, EMPTY, EMPTY],
      },
      [],
      ['DataLost'],
    ],
    [
      'starts anew by itself what was in memory',
      { identity: { founder: 55 }, spec: { storage: { medium: 'Memory' } }, rows: [EMPTY, EMPTY, EMPTY] },
      ['discard c (i)'],
      [],
    ],
    [
      'never founds what a majority has lost',
      { rows: [{}, { id: 900, rosterId: 101, empty: true }, { id: 901, rosterId: 102, empty: true }] },
      [],
      ['NoLeader'],
    ],
  ];
  it.each(table)('%s', (_what, world, expected, reasons) => {
    expect(steps(world)).toEqual(expected);
    expect(blockedBy(world)).toEqual(reasons);
  });
});

describe('growing', () => {
  const joined: Row = { as: 'learner', target: 'learner' };
  const table: [string, World, string[]][] = [
    ['raises replicas first', { members: 5, rows: settledRows(3) }, ['scale 3→5 @5']],
    [
      'lets all that report join as learners at once',
      { members: 5, rows: [...settledRows(3), EMPTY, EMPTY] },
      ['roster@7 103/3=learner 104/4=learner'],
    ],
    [
      'lets one join although the other is silent',
      { members: 5, rows: [...settledRows(3), EMPTY, { ...EMPTY, silent: true }] },
      ['roster@7 103/3=learner'],
    ],
    [
      'waits for a learner that is behind',
      { members: 5, rows: [...settledRows(3), joined, { ...joined, lag: 500 }] },
      [],
    ],
    [
      'promotes all once all are caught up',
      { members: 5, rows: [...settledRows(3), joined, joined] },
      ['roster@7 103/3=voter 104/4=voter'],
    ],
    [
      'promotes only as many as keep the voters odd',
      { members: 5, rows: [{ as: 'leader' }, joined, joined, joined, { ...EMPTY, silent: true }] },
      ['roster@7 101/1=voter 102/2=voter'],
    ],
    [
      'waits for the groups to follow the roster',
      { members: 5, rows: [...settledRows(3), { as: 'learner' }, { as: 'learner' }] },
      [],
    ],
    [
      'sets a kept volume with a removed id aside',
      { members: 5, tombstones: [103], rows: [...settledRows(3), { as: 'none', rosterId: null }, EMPTY] },
      ['reset 3 103', 'roster@7 104/4=learner'],
    ],
    [
      'sets a foreign volume aside',
      { members: 5, rows: [...settledRows(3), { as: 'none', rosterId: null, clusterId: 'd' }, EMPTY] },
      ['reset 3 103', 'roster@7 104/4=learner'],
    ],
    [
      'drops a learner whose volume was replaced',
      { members: 5, rows: [...settledRows(3), { ...joined, id: 900, rosterId: 103, empty: true }, joined] },
      ['roster@7 103/3=removed'],
    ],
  ];
  it.each(table)('%s', (_what, world, expected) => {
    expect(steps(world)).toEqual(expected);
  });
});

describe('shrinking', () => {
  const rows = settledRows(5);
  const table: [string, World, string[], string[]][] = [
    [
      'removes all that leave by one change',
      { members: 3, rows },
      ['roster@7 103/3=removed 104/4=removed'],
      [],
    ],
    [
      'moves leaderships first',
      { members: 3, rows: [{}, {}, {}, {}, { as: 'leader' }] },
      ['handover 3', 'handover 4'],
      [],
    ],
    [
      'begins with the one that is silent, alone',
      { members: 3, rows: [...settledRows(4), { silent: true }] },
      ['roster@7 104/4=removed'],
      [],
    ],
    [
      'begins with the one whose volume is gone, alone',
      { members: 1, rows: [{ as: 'leader' }, {}, { id: 900, rosterId: 102, empty: true }] },
      ['roster@7 102/2=removed'],
      [],
    ],
    [
      'begins with the one that is behind',
      { members: 3, rows: [...settledRows(3), { lag: 500 }, {}] },
      ['roster@7 103/3=removed'],
      [],
    ],
    [
      'takes no member for behind that a new leader has merely not heard yet',
      { members: 3, rows: [...settledRows(3), { unheard: true }, {}] },
      ['roster@7 103/3=removed 104/4=removed'],
      [],
    ],
    [
      'nor one that stays',
      { members: 3, rows: [{ as: 'leader' }, { unheard: true }, {}, {}, {}] },
      ['roster@7 103/3=removed 104/4=removed'],
      [],
    ],
    [
      'is refused while one that stays is silent',
      { members: 3, rows: [{ as: 'leader' }, { silent: true }, {}, {}, {}] },
      [],
      ['ScaleDownBlocked'],
    ],
    [
      'is refused while one that stays is behind',
      { members: 3, rows: [{ as: 'leader' }, {}, { lag: 500 }, {}, {}] },
      [],
      ['ScaleDownBlocked'],
    ],
    [
      'waits until they are out of every group',
      {
        members: 3,
        tombstones: [103, 104],
        rows: [...settledRows(3), { rosterId: null }, { rosterId: null }],
      },
      [],
      [],
    ],
    [
      'lowers replicas once they are',
      {
        members: 3,
        tombstones: [103, 104],
        rows: [...settledRows(3), { rosterId: null, as: 'none' }, { rosterId: null, as: 'none' }],
      },
      ['scale 5→3 @5'],
      [],
    ],
    [
      'drops learners that are not wanted any more',
      { members: 3, rows: [...settledRows(3), { as: 'learner', target: 'learner' }] },
      ['roster@7 103/3=removed'],
      [],
    ],
    ['keeps claims', { members: 3, claims: [3], rows: settledRows(3) }, [], []],
    [
      'deletes claims by uid when it is to',
      {
        members: 3,
        claims: [3],
        spec: { storage: { retention: { whenScaled: 'Delete' } } },
        rows: settledRows(3),
      },
      ['delete data-db-3 (claim-3)'],
      [],
    ],
  ];
  it.each(table)('%s', (_what, world, expected, reasons) => {
    expect(steps(world)).toEqual(expected);
    expect(blockedBy(world)).toEqual(reasons);
  });
  it('never lowers replicas below an ordinal that is in a group, whoever asked for fewer', () => {
    expect(steps({ members: 3, replicas: 3, rows: settledRows(5) })[0]).toBe('scale 3→5 @5');
  });
  it('never lowers replicas while some group has no leader', () => {
    expect(steps({ members: 3, replicas: 7, rows: [{}, {}, {}] })).toEqual([]);
  });
  it('waits to lower replicas while a configuration may still be taken back', () => {
    const left: Row = { rosterId: null, as: 'none' };
    const world = { members: 1, uncommitted: true, rows: [{ as: 'leader' as const }, left, left] };
    expect(steps(world)).toEqual([]);
    expect(waitsFor(world)).toBe('ScalingDown');
  });
  it('waits for the pods that were scaled away to end', () => {
    const leaving: Row = { rosterId: null, as: 'none', terminating: true };
    expect(waitsFor({ members: 1, replicas: 1, rows: [{ as: 'leader' }, leaving, leaving] })).toBe(
      'ScalingDown',
    );
  });
});

describe('repair', () => {
  const replaced: Row = { id: 900, rosterId: 102, empty: true };
  const table: [string, World, string[], string[]][] = [
    [
      'removes the old id of a volume that is new',
      { rows: [{ as: 'leader' }, {}, replaced] },
      ['roster@7 102/2=removed'],
      [],
    ],
    [
      'waits until the old id is out of every group',
      { tombstones: [102], rows: [{ as: 'leader' }, {}, { rosterId: null, silent: true }] },
      [],
      [],
    ],
    [
      'lets the new id join then',
      { tombstones: [102], rows: [{ as: 'leader' }, {}, { ...EMPTY, id: 900 }] },
      ['roster@7 900/2=learner'],
      [],
    ],
    [
      'does nothing for a member that is merely away',
      { rows: [{ as: 'leader' }, {}, { silent: true }] },
      [],
      [],
    ],
    [
      'removes a voter that has come back with the data of another cluster',
      { rows: [{ as: 'leader' }, {}, { clusterId: 'd' }] },
      ['roster@7 102/2=removed'],
      [],
    ],
    [
      'sets what it came back with aside once it is out of every group',
      { rows: [{ as: 'leader' }, {}, { clusterId: 'd', rosterId: null, as: 'none' }], tombstones: [102] },
      ['reset 2 102'],
      [],
    ],
    [
      'removes a damaged member',
      { rows: [{ as: 'leader' }, {}, { damaged: 'bad checksum' }] },
      ['roster@7 102/2=removed'],
      [],
    ],
    [
      'sets it aside once it is out',
      {
        tombstones: [102],
        rows: [{ as: 'leader' }, {}, { damaged: 'bad checksum', rosterId: null, as: 'none' }],
      },
      ['reset 2 102'],
      [],
    ],
    [
      'sets a volume aside whose identity cannot be read, so that it answers under a passing id',
      {
        tombstones: [102],
        rows: [
          { as: 'leader' },
          {},
          { id: 900, clusterId: null, damaged: 'no identity', rosterId: null, as: 'none' },
        ],
      },
      ['reset 2 900'],
      [],
    ],
    [
      'leaves that one alone while the member it was is still counted on',
      {
        rows: [
          { as: 'leader' },
          { silent: true },
          { id: 900, rosterId: 102, clusterId: null, damaged: 'no identity' },
        ],
      },
      [],
      ['RepairBlocked'],
    ],
    [
      'is refused without a quorum of the others',
      { rows: [{ as: 'leader' }, { silent: true }, replaced] },
      [],
      ['RepairBlocked'],
    ],
    [
      'takes one lost member at a time',
      {
        members: 5,
        rows: [
          { as: 'leader' },
          {},
          {},
          { ...replaced, id: 901, rosterId: 103 },
          { ...replaced, rosterId: 104 },
        ],
      },
      ['roster@7 103/3=removed'],
      [],
    ],
  ];
  it.each(table)('%s', (_what, world, expected, reasons) => {
    expect(steps(world)).toEqual(expected);
    expect(blockedBy(world)).toEqual(reasons);
  });
});

describe('restarting', () => {
  const old: Row = { oldTemplate: true };
  const leading: Row = { ...old, as: 'leader' };
  const table: [string, World, string[]][] = [
    ['begins with the highest that does not lead', { rows: [leading, old, old] }, ['restart db-2 (pod-2)']],
    ['waits for the one that was restarted', { rows: [leading, old, { unready: true }] }, []],
    ['ends with the leader, which hands over first', { rows: [leading, {}, {}] }, ['handover 0']],
    ['restarts it once it leads no more', { rows: [old, { as: 'leader' }, {}] }, ['restart db-0 (pod-0)']],
    ['restarts a lone member without more ado', { members: 1, rows: [leading] }, ['restart db-0 (pod-0)']],
    [
      'replaces the one that is unwell when it is the only one',
      { rows: [{ as: 'leader' }, {}, { ...old, unready: true }] },
      ['restart db-2 (pod-2)'],
    ],
    ['touches none while another is unwell', { rows: [{ as: 'leader' }, { unready: true }, old] }, []],
    [
      'replaces pods that cannot run, whatever else is wrong',
      { rows: [{ as: 'leader' }, { silent: true }, { ...old, stuck: 'CrashLoopBackOff', silent: true }] },
      ['restart db-2 (pod-2)'],
    ],
    [
      'waits while the membership changes',
      {
        members: 5,
        rows: [
          { as: 'leader' },
          old,
          old,
          { as: 'learner', target: 'learner', lag: 500 },
          { as: 'learner', target: 'learner', lag: 500 },
        ],
      },
      [],
    ],
    ['leaves a pod that is going alone', { rows: [{ as: 'leader' }, {}, { ...old, terminating: true }] }, []],
  ];
  it.each(table)('%s', (_what, world, expected) => {
    expect(steps(world)).toEqual(expected);
  });

  const applied = (world: World, image: string) => {
    const observed = observe(world);
    const cluster = { ...observed.cluster, spec: { ...observed.cluster.spec, image } };
    const plan = planCluster({ ...observed, cluster });
    const set = plan.actions.find(
      (action) => action.type === 'apply' && action.object.kind === 'StatefulSet',
    );
    const object = set?.type === 'apply' ? (set.object as StatefulSet) : null;
    return {
      image: object?.spec.template.spec.containers[0]?.image,
      version: object?.metadata.resourceVersion,
      plan,
    };
  };
  it('writes a new template only when every member is healthy, and on the version it has read', () => {
    expect(applied({ rows: settledRows(3) }, 'img:2')).toMatchObject({ image: 'img:2', version: '5' });
    const waiting = applied({ rows: [{ as: 'leader' }, {}, { silent: true }] }, 'img:2');
    expect(waiting.image).toBeUndefined();
    expect(waiting.plan.blocked.map(({ reason }) => reason)).toEqual(['RestartBlocked']);
  });
  it('is under way from the moment of the edit until no pod has the old template', () => {
    expect(applied({ rows: settledRows(3) }, 'img:2').plan.progress?.reason).toBe('Applying');
    const observed = observe({ rows: [leading, old, old] });
    const { statefulSet } = observed;
    if (statefulSet === null) throw new Error('no StatefulSet');
    const unseen = { ...statefulSet, status: { observedGeneration: 0 } };
    const plan = planCluster({ ...observed, statefulSet: unseen });
    expect(plan.actions).toEqual([]);
    expect(plan.progress?.reason).toBe('Restarting');
  });
  it('may mend a template that pods cannot run with', () => {
    const rows: Row[] = [{ as: 'leader' }, {}, { stuck: 'ImagePullBackOff', silent: true }];
    expect(applied({ rows }, 'img:2').image).toBe('img:2');
  });
});

describe('the status', () => {
  const conditions = (world: World) => {
    const observed = observe(world);
    const status = clusterStatus(observed, planCluster(observed), '2030-01-01T00:00:00.000Z');
    const told = Object.fromEntries(
      (status.conditions ?? []).map(({ type, status: is, reason }) => [type, `${is} ${reason}`]),
    );
    return { ...told, status };
  };
  const table: [string, World, string, string, string][] = [
    ['settled', { rows: settledRows(3) }, 'True AllGroupsLed', 'False Settled', 'False AllMembersHealthy'],
    [
      'a member away',
      { rows: [{ as: 'leader' }, {}, { silent: true }] },
      'True AllGroupsLed',
      'True WaitingForMembers',
      'True MemberUnavailable',
    ],
    [
      'a member that leads another cluster alone',
      { rows: [{ as: 'leader' }, {}, { clusterId: 'd' }] },
      'True AllGroupsLed',
      'True Repairing',
      'True MemberUnavailable',
    ],
    [
      'nobody ready but a member of another cluster',
      { rows: [{ as: 'leader', unready: true }, { unready: true }, { clusterId: 'd' }] },
      'False NoReadyMember',
      'True Repairing',
      'True MemberUnavailable',
    ],
    [
      'a member whose node is not heard of, though it answers',
      { rows: [{ as: 'leader' }, {}, { cutOff: true }] },
      'True AllGroupsLed',
      'True WaitingForMembers',
      'True MemberUnavailable',
    ],
    [
      'a member that has not read of its promotion',
      { rows: [{ as: 'leader' }, {}, { unready: true, unaware: true }] },
      'True AllGroupsLed',
      'True WaitingForMembers',
      'False AllMembersHealthy',
    ],
    [
      'a first member that leads already and is not quite ready',
      { rows: [{ as: 'leader', unready: true }, EMPTY, EMPTY] },
      'False NoReadyMember',
      'True ScalingUp',
      'False AllMembersHealthy',
    ],
    [
      'pods that start for the first time',
      { identity: null, rows: [EMPTY, { ...EMPTY, silent: true }, { ...EMPTY, silent: true }] },
      'False WaitingForVolumes',
      'True Creating',
      'False AllMembersHealthy',
    ],
    [
      'a volume whose pod cannot start',
      { identity: null, rows: [EMPTY, EMPTY, { ...EMPTY, silent: true, stuck: 'no node for it' }] },
      'False WaitingForVolumes',
      'False WaitingForVolumes',
      'False AllMembersHealthy',
    ],
    [
      'one of those that stay away, while one that leaves is ready',
      { members: 1, rows: [{ silent: true }, { as: 'leader' }, {}] },
      'True AllGroupsLed',
      'False ScaleDownBlocked',
      'True ScaleDownBlocked',
    ],
    [
      'a quorum away',
      { rows: [{ silent: true }, {}, { silent: true }] },
      'False NoLeader',
      'False NoLeader',
      'True NoLeader',
    ],
    [
      'all away',
      { rows: [{ silent: true }, { silent: true }, { silent: true }] },
      'False MembersUnreachable',
      'False MembersUnreachable',
      'True MembersUnreachable',
    ],
    [
      'data lost',
      { identity: { founder: 55 }, rows: [EMPTY, EMPTY, EMPTY] },
      'False DataLost',
      'False DataLost',
      'True DataLost',
    ],
    [
      'being founded',
      { rows: [EMPTY, EMPTY, EMPTY] },
      'False Founding',
      'True Founding',
      'False AllMembersHealthy',
    ],
    [
      'just founded',
      { rows: [{}, { ...EMPTY, silent: true }, EMPTY] },
      'False Founding',
      'True Founding',
      'False AllMembersHealthy',
    ],
    [
      'growing',
      { members: 5, rows: settledRows(3) },
      'True AllGroupsLed',
      'True ScalingUp',
      'False AllMembersHealthy',
    ],
    [
      'not able to shrink',
      { members: 1, rows: [{ lag: 500 }, { as: 'leader' }, {}] },
      'True AllGroupsLed',
      'False ScaleDownBlocked',
      'True ScaleDownBlocked',
    ],
    [
      'damaged',
      { rows: [{ as: 'leader' }, {}, { damaged: 'x' }] },
      'True AllGroupsLed',
      'True Repairing',
      'True MemberDamaged',
    ],
  ];
  it.each(table)('tells of %s', (_what, world, available, progressing, degraded) => {
    expect(conditions(world)).toMatchObject({
      Available: available,
      Progressing: progressing,
      Degraded: degraded,
    });
  });

  it('names every member with its weakest role, and the leaders', () => {
    const { status } = conditions({
      members: 5,
      rows: [{ as: 'leader' }, {}, { silent: true }, { as: 'learner', target: 'learner', lag: 700 }],
    });
    expect(status.memberStatuses).toMatchObject([
      { ordinal: 0, podName: 'db-0', memberId: 100, role: 'Leader', ready: 'True', lagEntries: 0 },
      { ordinal: 1, role: 'Voter', ready: 'True' },
      { ordinal: 2, role: 'None', ready: 'False', message: 'it does not answer' },
      { ordinal: 3, role: 'Learner', ready: 'False', lagEntries: 512 },
      { ordinal: 4, role: 'None', ready: 'False', message: 'its pod does not exist' },
    ]);
    expect(status).toMatchObject({
      leader: 'db-0',
      replicas: 4,
      readyReplicas: 2,
      observedGeneration: 4,
      clusterId: 'c',
    });
    expect(status.leaders).toEqual([
      { group: 0, podName: 'db-0', memberId: 100 },
      { group: 1, podName: 'db-0', memberId: 100 },
    ]);
  });

  it('counts no member as ready that holds another cluster, and says what it holds', () => {
    const { status } = conditions({ rows: [{ as: 'leader' }, {}, { clusterId: 'd' }] });
    expect(status.readyReplicas).toBe(2);
    expect(status.memberStatuses?.[2]).toMatchObject({
      ready: 'False',
      message: 'it holds cluster d, not this one',
    });
  });

  it('counts no pod as ready that the StatefulSet has no place for any more', () => {
    const left: Row = { rosterId: null, as: 'none' };
    const { status } = conditions({ members: 1, replicas: 1, rows: [{ as: 'leader' }, left, {}] });
    expect(status).toMatchObject({ replicas: 3, readyReplicas: 1 });
  });

  it('keeps the time of a condition until its status changes', () => {
    const observed = observe({ rows: settledRows(3) });
    const at = (cluster: ObservedCluster['cluster'], world: World, now: string) => {
      const next = { ...observe(world), cluster };
      return clusterStatus(next, planCluster(next), now);
    };
    const first = at(observed.cluster, { rows: settledRows(3) }, 'T1');
    const second = at(
      { ...observed.cluster, status: first },
      { rows: [{ as: 'leader' }, {}, { silent: true }] },
      'T2',
    );
    const times = Object.fromEntries(
      (second.conditions ?? []).map((condition) => [condition.type, condition.lastTransitionTime]),
    );
    expect(times).toEqual({ Available: 'T1', Progressing: 'T2', Degraded: 'T2' });
  });
});
