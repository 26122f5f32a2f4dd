import type { ConfigMap, Job, Pod } from '../api/kinds.ts';
import { CONFIG_MAPS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS } from '../api/kinds.ts';
import type { KubeObject, Resource } from '../api/meta.ts';
import type { OperationHeadline, SyncBenchmark } from '../api/syncBenchmark.ts';
import type { SyncCluster } from '../api/syncCluster.ts';
import {
  buildBenchmarkAccount,
  buildBenchmarkRole,
  buildBenchmarkRoleBinding,
  buildJob,
  buildResults,
} from '../desired/benchmarkObjects.ts';
import { isApplied, stamped } from '../desired/covers.ts';
import { RELEASED_IMAGES } from '../desired/images.ts';
import { PORTS } from '../desired/names.ts';

/** What the results ConfigMap says; null: nothing yet. */
export interface ObservedResults {
  readonly outcome: 'succeeded' | 'failed';
  readonly failures: readonly string[];
  readonly headlines: readonly OperationHeadline[];
}
export interface ObservedBenchmark {
  readonly benchmark: SyncBenchmark;
  readonly cluster: SyncCluster | null;
  /** Of the cluster, ready ones first to be asked. */
  readonly pods: readonly Pod[];
  readonly job: Job | null;
  /** What the Job's pod said last, when it failed; null: nothing. */
  readonly lastWords: string | null;
  readonly results: ObservedResults | { readonly unreadable: string } | null;
  readonly resultsMap: ConfigMap | null;
  /** Live objects of the desired ones, by `kind/name`. */
  readonly owned: ReadonlyMap<string, KubeObject>;
}

export type Phase =
  | {
      readonly phase: 'waiting';
      readonly reason: 'ClusterNotFound' | 'ClusterNotAvailable' | 'ClusterNotSettled';
      readonly message: string;
    }
  | { readonly phase: 'starting' }
  | { readonly phase: 'running' }
  | {
      readonly phase: 'finished';
      readonly reason: 'Succeeded' | 'Failed' | 'Aborted';
      readonly message: string;
    };

export type BenchmarkAction =
  | { readonly type: 'apply'; readonly resource: Resource<KubeObject>; readonly object: KubeObject }
  /** Created, not applied: a second one must be refused, whoever made the first. */
  | { readonly type: 'createJob'; readonly job: Job }
  | { readonly type: 'deleteJob'; readonly name: string; readonly uid: string };

/** Stages only ever rise: what has ended stays ended, and what was started is never started again. */
export function phaseOf(observed: ObservedBenchmark): Phase {
  const { benchmark, cluster, job, results } = observed;
  const before = benchmark.status?.conditions?.find((condition) => condition.type === 'Complete');
  if (before?.status === 'True') {
    const reason = before.reason === 'Succeeded' || before.reason === 'Aborted' ? before.reason : 'Failed';
    return { phase: 'finished', reason, message: before.message };
  }
  const ended = jobEnd(job);
  if (results !== null && (ended !== null || job === null)) return finishedBy(results);
  if (ended !== null) {
    const message = ended.ok
      ? 'the Job ended but left no results'
      : `the Job failed without results: ${observed.lastWords ?? ended.message}`;
    return { phase: 'finished', reason: 'Failed', message };
  }
  if (job !== null) return { phase: 'running' };
  if (benchmark.status?.startTime !== undefined) {
    return { phase: 'finished', reason: 'Aborted', message: 'the Job was deleted before it ended' };
  }
  const { name } = benchmark.spec.clusterRef;
  if (cluster === null) {
    return {
      phase: 'waiting',
      reason: 'ClusterNotFound',
      message: `there is no SyncCluster ${name} in namespace ${benchmark.metadata.namespace}: create it, and this benchmark starts, or create a SyncBenchmark that names another`,
    };
  }
  const available = conditionOf(cluster, 'Available');
  if (available?.status !== 'True') {
    const why = available === undefined ? 'nothing is known of it yet' : available.message;
    return {
      phase: 'waiting',
      reason: 'ClusterNotAvailable',
      message: `SyncCluster ${name} is not available: ${why}`,
    };
  }
  const unsettled = whyUnsettled(observed, cluster);
  if (unsettled !== null) {
    return {
      phase: 'waiting',
      reason: 'ClusterNotSettled',
      message: `SyncCluster ${name} is not settled, and would be measured while it changes: ${unsettled}`,
    };
  }
  return { phase: 'starting' };
}

function conditionOf(cluster: SyncCluster, type: string) {
  return cluster.status?.conditions?.find((condition) => condition.type === type);
}

/** Null when the cluster is what its spec says, with all members at work: what is measured then is that cluster. */
function whyUnsettled(observed: ObservedBenchmark, cluster: SyncCluster): string | null {
  const progressing = conditionOf(cluster, 'Progressing');
  if (progressing === undefined) return 'nothing is known of its progress yet';
  if (progressing.status !== 'False') return progressing.message;
  if ((progressing.observedGeneration ?? 0) < (cluster.metadata.generation ?? 0))
    return 'its spec was changed just now';
  const ready = Math.min(cluster.status?.readyReplicas ?? 0, endpointsOf(observed).length);
  const { members } = cluster.spec;
  return ready < members ? `${ready} of ${members} members ready` : null;
}

function finishedBy(results: NonNullable<ObservedBenchmark['results']>): Phase {
  if ('unreadable' in results) {
    return {
      phase: 'finished',
      reason: 'Failed',
      message: `the results cannot be read: ${results.unreadable}`,
    };
  }
  if (results.outcome === 'succeeded') {
    return { phase: 'finished', reason: 'Succeeded', message: 'measured; the results are in the ConfigMap' };
  }
  const why = results.failures.slice(0, 3).join('; ') || 'no reason given';
  return { phase: 'finished', reason: 'Failed', message: `measured, but it failed: ${why}` };
}

function jobEnd(job: Job | null): { ok: boolean; message: string } | null {
  for (const { type, status, reason, message } of job?.status?.conditions ?? []) {
    if (status !== 'True') continue;
    if (type === 'Complete') return { ok: true, message: '' };
    if (type === 'Failed') return { ok: false, message: message ?? reason ?? 'no reason given' };
  }
  return null;
}

/** Addresses of pods rather than names: they do for as long as a Job runs, and need no name service. */
function endpointsOf({ pods }: ObservedBenchmark): string[] {
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .filter((pod) => pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True')
    .flatMap((pod) => {
      const ip = pod.status?.podIP;
      if (ip === undefined || ip === '') return [];
      const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
      const port = ports.find((candidate) => candidate.name === 'client')?.containerPort ?? PORTS.client;
      return [`${ip.includes(':') ? `[${ip}]` : ip}:${port}`];
    })
    .sort();
}

/** `isExpired`: the time to keep the finished Job has passed. */
export function planBenchmark(
  observed: ObservedBenchmark,
  phase: Phase,
  isExpired: boolean,
  fallbackImage: string = RELEASED_IMAGES.bench,
): BenchmarkAction[] {
  const { benchmark, job } = observed;
  const actions: BenchmarkAction[] = [];
  const want = <T extends KubeObject>(resource: Resource<T>, object: T) => {
    const desired = stamped(object);
    const live = observed.owned.get(`${object.kind}/${object.metadata.name}`) ?? null;
    if (!isApplied(live, desired)) actions.push({ type: 'apply', resource, object: desired });
  };
  if (phase.phase === 'starting' || phase.phase === 'running') {
    want(SERVICE_ACCOUNTS, buildBenchmarkAccount(benchmark));
    want(ROLES, buildBenchmarkRole(benchmark));
    want(ROLE_BINDINGS, buildBenchmarkRoleBinding(benchmark));
    want(CONFIG_MAPS, buildResults(benchmark));
  }
  if (phase.phase === 'starting') {
    const endpoints = endpointsOf(observed);
    const members = observed.cluster?.spec.members ?? endpoints.length;
    actions.push({ type: 'createJob', job: buildJob(benchmark, endpoints, members, fallbackImage) });
  }
  if (phase.phase === 'finished') {
    // The load generator may have replaced the whole object: it is to go with its SyncBenchmark all the same.
    if (observed.resultsMap !== null) want(CONFIG_MAPS, buildResults(benchmark));
    if (job?.metadata.uid !== undefined && isExpired) {
      actions.push({ type: 'deleteJob', name: job.metadata.name, uid: job.metadata.uid });
    }
  }
  return actions;
}
