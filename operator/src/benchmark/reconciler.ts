import { canonicalJson } from '../api/hash.ts';
import { CONFIG_MAPS, JOBS, type Job, PODS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS } from '../api/kinds.ts';
import type { Key, KubeObject, Resource } from '../api/meta.ts';
import { withDefaults } from '../api/structural.ts';
import { SYNC_BENCHMARKS, type SyncBenchmark, SyncBenchmarkSpecSchema } from '../api/syncBenchmark.ts';
import { SYNC_CLUSTERS } from '../api/syncCluster.ts';
import type { Reader } from '../cluster/observe.ts';
import { benchmarkLabels, benchmarkNames, memberSelector } from '../desired/names.ts';
import { KubeError, type KubePort } from '../runtime/kube.ts';
import type { Logger } from '../runtime/logger.ts';
import { type BenchmarkAction, type ObservedBenchmark, phaseOf, planBenchmark } from './plan.ts';
import { readResults } from './results.ts';
import { benchmarkStatus } from './status.ts';

export interface BenchmarkReconcilerOptions {
  readonly kube: KubePort;
  /** May lag behind. Default: the port itself. */
  readonly reader?: Reader;
  readonly logger: Logger;
  readonly now: () => Date;
  /** Of the load generator where the spec names none. Default: the released one. */
  readonly benchImage?: string;
  /** How soon to look again at one that waits or runs. Default 2000. */
  readonly pendingMs?: number;
}
const MAX_WORDS = 500;

/** One pass over one SyncBenchmark; returns when to look again, in milliseconds, or null for not before a change. */
export type BenchmarkReconciler = (key: Key) => Promise<number | null>;

export function createBenchmarkReconciler(options: BenchmarkReconcilerOptions): BenchmarkReconciler {
  const { kube, now } = options;
  const reader = options.reader ?? kube;
  const pendingMs = options.pendingMs ?? 2000;
  return async (key) => {
    const found = await reader.get(SYNC_BENCHMARKS, key);
    if (found === null || found.metadata.deletionTimestamp !== undefined) return null;
    const benchmark: SyncBenchmark = {
      ...found,
      spec: withDefaults(SyncBenchmarkSpecSchema, found.spec) as SyncBenchmark['spec'],
    };
    const observed = await observeBenchmark(reader, kube, benchmark);
    const phase = phaseOf(observed);
    const status = benchmarkStatus(observed, phase, now().toISOString());
    if (canonicalJson(status) !== canonicalJson(benchmark.status ?? {})) {
      try {
        await kube.updateStatus(SYNC_BENCHMARKS, { ...benchmark, status });
      } catch (error) {
        if (error instanceof KubeError && (error.code === 'Conflict' || error.code === 'NotFound')) return 0;
        throw error;
      }
      announce(options, benchmark, status);
    }
    const ttl = benchmark.spec.ttlSecondsAfterFinished;
    const untilExpiryMs =
      ttl === undefined || status.completionTime === undefined
        ? null
        : Date.parse(status.completionTime) + ttl * 1000 - now().getTime();
    const actions = planBenchmark(
      observed,
      phase,
      untilExpiryMs !== null && untilExpiryMs <= 0,
      options.benchImage,
    );
    for (const action of actions) await perform(options, benchmark, action);
    if (phase.phase !== 'finished') return pendingMs;
    return observed.job === null || untilExpiryMs === null ? null : Math.max(0, untilExpiryMs);
  };
}

async function observeBenchmark(
  reader: Reader,
  live: Reader,
  benchmark: SyncBenchmark,
): Promise<ObservedBenchmark> {
  const { name, namespace } = benchmark.metadata;
  const clusterName = benchmark.spec.clusterRef.name;
  const key = (objectName: string): Key => ({ namespace, name: objectName });
  const wanted: [Resource<KubeObject>, string][] = [
    [SERVICE_ACCOUNTS, benchmarkNames.serviceAccount(name)],
    [ROLES, benchmarkNames.role(name)],
    [ROLE_BINDINGS, benchmarkNames.role(name)],
  ];
  // The Job first, then the results: read the other way round, a Job that ended between would seem to have left none.
  const job = await live.get(JOBS, key(benchmarkNames.job(name)));
  const [cluster, pods, resultsMap, ...owned] = await Promise.all([
    reader.get(SYNC_CLUSTERS, key(clusterName)),
    reader.list(PODS, { namespace, labels: memberSelector(clusterName) }),
    live.get(CONFIG_MAPS, key(benchmarkNames.results(name))),
    ...wanted.map(([resource, objectName]) => reader.get(resource, key(objectName))),
  ]);
  const objects = [resultsMap, ...owned].filter(
    (object): object is NonNullable<typeof object> => object !== null,
  );
  return {
    benchmark,
    cluster,
    pods: pods.items,
    job,
    lastWords: await lastWords(live, benchmark, job),
    results: readResults(resultsMap),
    resultsMap,
    owned: new Map(objects.map((object) => [`${object.kind}/${object.metadata.name}`, object])),
  };
}

/** The last line that the pod of a failed Job left, which says why; null when the Job did not fail or left none. */
async function lastWords(live: Reader, benchmark: SyncBenchmark, job: Job | null): Promise<string | null> {
  const hasFailed = job?.status?.conditions?.some(
    ({ type, status }) => type === 'Failed' && status === 'True',
  );
  if (hasFailed !== true) return null;
  const { namespace, name } = benchmark.metadata;
  const pods = await live.list(PODS, { namespace, labels: benchmarkLabels(name) });
  const messages = pods.items
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .map((container) => container.state?.terminated?.message?.trim().split('\n').at(-1)?.trim() ?? '');
  return messages.find((message) => message !== '')?.slice(0, MAX_WORDS) ?? null;
}

async function perform(
  { kube, logger }: BenchmarkReconcilerOptions,
  benchmark: SyncBenchmark,
  action: BenchmarkAction,
): Promise<void> {
  const { namespace, name } = benchmark.metadata;
  const tell = (reason: string, note: string) =>
    kube.event({ regarding: benchmark, type: 'Normal', reason, action: 'Measure', note });
  switch (action.type) {
    case 'apply':
      await kube.apply(action.resource, action.object);
      return;
    case 'createJob':
      try {
        await kube.create(JOBS, action.job);
      } catch (error) {
        if (!(error instanceof KubeError && error.code === 'AlreadyExists')) throw error;
        return;
      }
      logger.info({ benchmark: `${namespace}/${name}` }, 'Job created');
      return tell('Started', `created Job ${action.job.metadata.name}`);
    case 'deleteJob':
      await kube.delete(
        JOBS,
        { namespace, name: action.name },
        { uid: action.uid, propagation: 'background' },
      );
      return tell('JobDeleted', 'the time to keep the finished Job has passed');
  }
}

function announce(
  { kube }: BenchmarkReconcilerOptions,
  benchmark: SyncBenchmark,
  status: SyncBenchmark['status'],
): void {
  for (const condition of status?.conditions ?? []) {
    const before = benchmark.status?.conditions?.find((old) => old.type === condition.type);
    if (before?.status === condition.status && before.reason === condition.reason) continue;
    const bad =
      condition.reason === 'Failed' ||
      condition.reason === 'Aborted' ||
      condition.reason === 'ClusterNotFound';
    const { reason, message } = condition;
    kube.event({
      regarding: benchmark,
      type: bad ? 'Warning' : 'Normal',
      reason,
      action: 'Measure',
      note: message,
    });
  }
}
