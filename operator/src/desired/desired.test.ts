import { describe, expect, it } from 'vitest';
import type { StatefulSet } from '../api/kinds.ts';
import { withDefaults } from '../api/structural.ts';
import { type SyncBenchmark, SyncBenchmarkSchema } from '../api/syncBenchmark.ts';
import type { SyncCluster } from '../api/syncCluster.ts';
import { syncCluster } from '../testing/fakeWorld.ts';
import { buildBenchmarkRole, buildJob, buildResults } from './benchmarkObjects.ts';
import {
  buildClaim,
  buildClientService,
  buildDisruptionBudget,
  buildIdentity,
  buildPeerService,
} from './clusterObjects.ts';
import { covers, isApplied, stamped } from './covers.ts';
import { memberSelector, ordinalOf } from './names.ts';
import { buildStatefulSet, buildTemplate, memberImage, templateHash } from './statefulSet.ts';

const cluster = (spec: object = {}): SyncCluster => {
  const made = syncCluster(spec);
  return { ...made, metadata: { ...made.metadata, uid: 'u1' } };
};
const fresh = (spec: object = {}) => {
  const made = cluster(spec);
  return buildStatefulSet(made, null, buildTemplate(made, 'img:1'));
};
const container = (set: StatefulSet) => {
  const [first] = set.spec.template.spec.containers;
  if (first === undefined) throw new Error('no container');
  return first;
};

describe('the StatefulSet', () => {
  it('starts and stops pods in parallel, restarts none by itself, and keeps every claim', () => {
    const { spec } = fresh();
    expect(spec.podManagementPolicy).toBe('Parallel');
    expect(spec.updateStrategy).toEqual({ type: 'OnDelete' });
    expect(spec.persistentVolumeClaimRetentionPolicy).toEqual({
      whenDeleted: 'Retain',
      whenScaled: 'Retain',
    });
  });

  it('never says how many replicas: scaling is conditional and apply is not', () => {
    expect(fresh().spec).not.toHaveProperty('replicas');
  });

  it('goes with its SyncCluster', () => {
    expect(fresh().metadata.ownerReferences).toEqual([
      expect.objectContaining({ kind: 'SyncCluster', name: 'db', uid: 'u1', controller: true }),
    ]);
  });

  it('selects exactly the pods of its template', () => {
    const { selector, template } = fresh({
      podTemplate: { labels: { 'app.kubernetes.io/instance': 'other', team: 'a' } },
    }).spec;
    expect(template.metadata.labels).toMatchObject({ ...selector.matchLabels, team: 'a' });
    expect(selector.matchLabels).toEqual(memberSelector('db'));
  });

  it('tells members where they are and who their peers are', () => {
    const env = Object.fromEntries((container(fresh()).env ?? []).map(({ name, value }) => [name, value]));
    expect(env).toMatchObject({
      SYNCCLUSTER_DATA_DIR: '/data',
      SYNCCLUSTER_PEER_ADDRESS: 'db-{ordinal}.db-peers.test.svc',
      SYNCCLUSTER_ADMIN_PORT: '7403',
      SYNCCLUSTER_ELECTION_TIMEOUT_MS: '500',
    });
    expect(container(fresh()).env).toContainEqual({
      name: 'SYNCCLUSTER_POD_NAME',
      valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
    });
  });

  it('meets the restricted Pod Security level', () => {
    const { securityContext } = fresh().spec.template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(container(fresh()).securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('probes the health port, and liveness apart from readiness', () => {
    const { livenessProbe, readinessProbe } = container(fresh());
    expect(livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'health' });
    expect(readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'health' });
  });

  it('keeps data on claims, or in memory of a bounded size', () => {
    expect(fresh().spec.volumeClaimTemplates?.[0]?.spec.resources.requests.storage).toBe('2Gi');
    const memory = fresh({ storage: { medium: 'Memory', size: '64Mi' } }).spec;
    expect(memory).not.toHaveProperty('volumeClaimTemplates');
    expect(memory.template.spec.volumes).toEqual([
      { name: 'data', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    ]);
  });

  it('spreads members over zones and hosts unless told not to', () => {
    const constraints = (topologySpread?: string) =>
      fresh(topologySpread === undefined ? {} : { scheduling: { topologySpread } }).spec.template.spec
        .topologySpreadConstraints;
    expect(
      constraints()?.map(({ topologyKey, whenUnsatisfiable }) => [topologyKey, whenUnsatisfiable]),
    ).toEqual([
      ['topology.kubernetes.io/zone', 'ScheduleAnyway'],
      ['kubernetes.io/hostname', 'ScheduleAnyway'],
    ]);
    expect(constraints('Required')?.[0]?.whenUnsatisfiable).toBe('DoNotSchedule');
    expect(constraints('None')).toBeUndefined();
  });

  it('takes from the live one what cannot change', () => {
    const live = fresh();
    live.spec.serviceName = 'old-name';
    const bigger = cluster({ storage: { size: '9Gi' } });
    const next = buildStatefulSet(bigger, live, live.spec.template);
    expect(next.spec.serviceName).toBe('old-name');
    expect(next.spec.volumeClaimTemplates).toEqual(live.spec.volumeClaimTemplates);
  });
});

describe('the template hash', () => {
  const hash = (spec: object, image = 'img:1') => templateHash(cluster(spec), image);
  it.each([
    ['more members', { members: 5 }],
    ['a larger volume', { storage: { size: '9Gi' } }],
    ['another retention', { storage: { retention: { whenScaled: 'Delete' } } }],
  ])('does not change for %s', (_what, spec) => {
    expect(hash(spec)).toBe(hash({}));
  });
  it.each([
    ['the log level', { logLevel: 'debug' }],
    ['resources', { resources: { requests: { cpu: 2 } } }],
    ['tuning', { raft: { heartbeatMilliseconds: 50 } }],
    ['annotations of pods', { podTemplate: { annotations: { a: 'b' } } }],
  ])('changes for %s', (_what, spec) => {
    expect(hash(spec)).not.toBe(hash({}));
  });
  it('changes for an image, which stays what it is when the spec names none', () => {
    expect(hash({}, 'img:2')).not.toBe(hash({}));
    expect(memberImage(cluster(), 'running:1', 'released:1')).toBe('running:1');
    expect(memberImage(cluster({ image: 'mine:2' }), 'running:1', 'released:1')).toBe('mine:2');
    expect(memberImage(cluster(), null, 'released:1')).toBe('released:1');
  });
});

describe('the other objects', () => {
  it('publish members before they are ready to each other only', () => {
    expect(buildPeerService(cluster()).spec).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    });
    expect(buildClientService(cluster()).spec).not.toHaveProperty('publishNotReadyAddresses');
    expect(buildClientService(cluster()).spec.ports.map(({ name, port }) => [name, port])).toEqual([
      ['client', 7400],
      ['http', 7402],
    ]);
  });

  it('budget one disruption, and none for a single member', () => {
    expect(buildDisruptionBudget(cluster())?.spec.maxUnavailable).toBe(1);
    expect(buildDisruptionBudget(cluster({ members: 1 }))).toBeNull();
  });

  it('record the identity for ever', () => {
    expect(buildIdentity(cluster(), 'c1', 7)).toMatchObject({
      immutable: true,
      data: { clusterId: 'c1', founder: '7' },
    });
    expect(buildIdentity(cluster(), 'c1', null).data).toEqual({ clusterId: 'c1' });
  });

  it('grow claims, never shrink them, and own them only when they are to go with the cluster', () => {
    const live = (storage: string) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data-db-0', namespace: 'test' },
      spec: { resources: { requests: { storage } } },
    });
    const grown = buildClaim(cluster({ storage: { size: '4Gi' } }), live('2Gi'));
    expect(grown.spec.resources?.requests.storage).toBe('4Gi');
    expect(grown.metadata.ownerReferences).toEqual([]);
    expect(buildClaim(cluster(), live('8Gi')).spec.resources?.requests.storage).toBe('8Gi');
    const doomed = buildClaim(cluster({ storage: { retention: { whenDeleted: 'Delete' } } }), live('2Gi'));
    expect(doomed.metadata.ownerReferences?.[0]).toMatchObject({ uid: 'u1', controller: false });
  });
});

describe('the benchmark', () => {
  const benchmark = (spec: object = {}): SyncBenchmark =>
    withDefaults(SyncBenchmarkSchema, {
      apiVersion: 'synccluster.io/v1alpha1',
      kind: 'SyncBenchmark',
      metadata: { name: 'b', namespace: 'test', uid: 'u2' },
      spec: { clusterRef: { name: 'db' }, ...spec },
    }) as SyncBenchmark;

  it('may write its results and nothing else', () => {
    expect(buildBenchmarkRole(benchmark()).rules).toEqual([
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['b-results'],
        verbs: ['patch'],
      },
    ]);
    expect(buildResults(benchmark())).not.toHaveProperty('data');
  });

  it('runs one pod once, with what the spec says', () => {
    const job = buildJob(
      benchmark({ preset: 'Heavy', scenarios: ['Queue', 'Lock'], runs: 5, clients: 2 }),
      ['10.0.0.1:7400'],
      3,
      'mirror/bench:1',
    );
    expect(job.spec.template.spec.containers[0]?.image).toBe('mirror/bench:1');
    expect(job.spec.backoffLimit).toBe(0);
    expect(job.spec.activeDeadlineSeconds).toBe(3600);
    expect(job.spec.template.spec.restartPolicy).toBe('Never');
    const text = job.spec.template.spec.containers[0]?.args?.join(' ');
    expect(text).toContain(
      'run --endpoints 10.0.0.1:7400 --cluster-members 3 --preset heavy --scenario queue,lock --runs 5 --clients 2 --out',
    );
    expect(text).toContain('--results-configmap b-results --namespace test');
    expect(text).not.toContain('--operations');
  });
});

describe('what needs no apply', () => {
  it('is an object with every wanted field, whatever else it has', () => {
    expect(covers({ a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } })).toBe(true);
    expect(covers({ a: 1 }, { a: 2 })).toBe(false);
    expect(
      covers({ list: [{ name: 'x', v: 1, extra: 1 }, { name: 'sidecar' }] }, { list: [{ name: 'x', v: 1 }] }),
    ).toBe(true);
    expect(covers({ list: ['a', 'b'] }, { list: ['a'] })).toBe(false);
    expect(covers({}, { labels: {}, owners: [] })).toBe(true);
  });
  it('includes quantities that the server writes in another way', () => {
    expect(covers({ cpu: '1' }, { cpu: '1000m' })).toBe(true);
    expect(covers({ memory: '1Gi' }, { memory: '1024Mi' })).toBe(true);
    expect(covers({ memory: '1Gi' }, { memory: '1G' })).toBe(false);
  });
  it('does not include one that has a field the operator no longer wants', () => {
    const service = buildClientService(cluster());
    const live = stamped({
      ...service,
      metadata: { ...service.metadata, labels: { ...service.metadata.labels, old: 'x' } },
    });
    expect(isApplied(live, stamped(service))).toBe(false);
    expect(isApplied(stamped(service), stamped(service))).toBe(true);
    expect(isApplied(null, stamped(service))).toBe(false);
  });
  it('reads ordinals from its own names alone', () => {
    expect(ordinalOf('db-3', 'db')).toBe(3);
    expect(['db-x', 'db-03', 'db-', 'dbx-1', 'db-1-1'].map((name) => ordinalOf(name, 'db'))).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
  });
});
