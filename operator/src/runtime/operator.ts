import { randomUUID } from 'node:crypto';
import {
  CLAIMS,
  CONFIG_MAPS,
  DISRUPTION_BUDGETS,
  JOBS,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICES,
  STATEFUL_SETS,
} from '../api/kinds.ts';
import { SYNC_BENCHMARKS, type SyncBenchmark } from '../api/syncBenchmark.ts';
import { API_VERSION, SYNC_CLUSTERS } from '../api/syncCluster.ts';
import { createBenchmarkReconciler } from '../benchmark/reconciler.ts';
import { createMemberClient, type MemberClient } from '../cluster/memberClient.ts';
import { createClusterReconciler } from '../cluster/reconciler.ts';
import { type Images, RELEASED_IMAGES } from '../desired/images.ts';
import { LABELS } from '../desired/names.ts';
import { CachedReader } from './cachedReader.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Controller, createController } from './controller.ts';
import { startHealth } from './health.ts';
import { Informer } from './informer.ts';
import type { Key, KubeObject, KubePort, Resource } from './kube.ts';
import type { Logger } from './logger.ts';
import { createMetrics, type OperatorMetrics } from './metrics.ts';

/** How soon to look again for what is not listed yet. */
const UNLISTED_MS = 100;

export interface OperatorOptions {
  readonly kube: KubePort;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly logger: Logger;
  /** How members are reached. Default: their admin API over HTTP. */
  readonly memberClient?: MemberClient;
  readonly clock?: Clock;
  /** For times in statuses. Default: the wall clock. */
  readonly now?: () => Date;
  /** Where a program shows its metrics by itself. */
  readonly metrics?: OperatorMetrics;
  /** Null: no health server. Default: 0.0.0.0:8080. */
  readonly health?: { readonly host: string; readonly port: number } | null;
  /** Default: those this operator was released with. */
  readonly images?: Images;
  /** Objects of a kind that are worked on at the same time. Default 4. */
  readonly workers?: number;
  /** How soon to look again at a cluster while something is under way. Default 500. */
  readonly progressingMs?: number;
  /** How soon to look again at a settled one. Default 5000. */
  readonly settledMs?: number;
}
export interface Operator {
  /** Of the health server; null without one. */
  readonly healthPort: number | null;
  /** Null: every mirror has been complete once. */
  notReadyReason(): string | null;
  /** Ends after the passes under way have ended. */
  stop(): Promise<void>;
}

/** Starts both controllers over one port; resolves once they watch. */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const {
    logger,
    images = RELEASED_IMAGES,
    clock = systemClock,
    now = () => new Date(),
    workers = 4,
  } = options;
  const metrics = options.metrics ?? createMetrics();
  const kube = counting(options.kube, metrics.event);
  const client = options.memberClient ?? createMemberClient();
  const informers: Informer<KubeObject>[] = [];
  const reader = new CachedReader(kube, informers);
  const common = { kube, reader, logger, now };
  // A pass before all is listed would get object by object what is on its way, and need the right to.
  const onceListed = (reconcile: (key: Key) => Promise<number | null>) => async (key: Key) =>
    reader.isComplete(key.namespace) ? await reconcile(key) : UNLISTED_MS;
  const clusters = createController({
    kind: SYNC_CLUSTERS.kind,
    clock,
    logger,
    metrics,
    workers,
    reconcile: onceListed(
      createClusterReconciler({
        ...common,
        client,
        newClusterId: randomUUID,
        nodeImage: images.node,
        ...(options.progressingMs === undefined ? {} : { progressingMs: options.progressingMs }),
        ...(options.settledMs === undefined ? {} : { settledMs: options.settledMs }),
      }),
    ),
  });
  const benchmarks = createController({
    kind: SYNC_BENCHMARKS.kind,
    clock,
    logger,
    metrics,
    workers,
    reconcile: onceListed(
      createBenchmarkReconciler({
        ...common,
        benchImage: images.bench,
        ...(options.progressingMs === undefined ? {} : { pendingMs: options.progressingMs }),
      }),
    ),
  });

  const namespaces = options.namespaces.length === 0 ? [undefined] : options.namespaces;
  const owned = { [LABELS.partOf]: 'synccluster' };
  const watch = <T extends KubeObject>(
    resource: Resource<T>,
    labels: Record<string, string> | undefined,
    onChange: (object: T) => void,
  ) => {
    for (const namespace of namespaces) {
      const selector = {
        ...(namespace === undefined ? {} : { namespace }),
        ...(labels === undefined ? {} : { labels }),
      };
      const informer = new Informer<T>({ kube, resource, selector, clock, logger, onChange });
      metrics.watchRestarts(
        `${resource.kind}${namespace === undefined ? '' : `/${namespace}`}`,
        () => informer.restarts,
      );
      // Mirrors are read by kind, and a mirror of a kind holds objects of that kind alone.
      informers.push(informer as unknown as Informer<KubeObject>);
    }
  };
  watch(SYNC_CLUSTERS, undefined, (cluster) => {
    clusters.enqueue(cluster.metadata);
    for (const informer of informers) {
      if (informer.resource.kind !== SYNC_BENCHMARKS.kind) continue;
      for (const benchmark of informer.list({ namespace: cluster.metadata.namespace })) {
        if (waitsFor(benchmark as unknown as SyncBenchmark, cluster)) benchmarks.enqueue(benchmark.metadata);
      }
    }
  });
  watch(SYNC_BENCHMARKS, undefined, (benchmark) => benchmarks.enqueue(benchmark.metadata));
  const toOwner = (object: KubeObject) => enqueueOwner(object, clusters, benchmarks);
  for (const resource of [CONFIG_MAPS, SERVICES, SERVICE_ACCOUNTS, DISRUPTION_BUDGETS, STATEFUL_SETS, JOBS]) {
    watch<KubeObject>(resource, owned, toOwner);
  }
  // Pods and claims belong to the StatefulSet; their label names the cluster.
  for (const resource of [PODS, CLAIMS])
    watch<KubeObject>(resource, MEMBER_LABELS, (object) => enqueueInstance(object, clusters));

  const notReadyReason = () => {
    const waiting = informers
      .filter((informer) => !informer.synced)
      .map((informer) => informer.resource.kind);
    return waiting.length === 0 ? null : `not yet listed: ${[...new Set(waiting)].join(', ')}`;
  };
  const where = options.health === undefined ? { host: '0.0.0.0', port: 8080 } : options.health;
  const stopAll = async () => {
    // No pass may begin; then the calls under way end, which members without a quorum would hold up for seconds.
    const stopped = Promise.all([clusters.stop(), benchmarks.stop()]);
    await Promise.all(informers.map((informer) => informer.stop()));
    if (options.memberClient === undefined) await client.close();
    await stopped;
  };
  try {
    const health =
      where === null ? null : await startHealth({ ...where, registry: metrics.registry, notReadyReason });
    return {
      healthPort: health?.port ?? null,
      notReadyReason,
      stop: async () => {
        await stopAll();
        await health?.stop();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** One that has not begun: what runs or has ended asks nothing of its cluster's status. */
function waitsFor({ spec, status }: SyncBenchmark, cluster: KubeObject): boolean {
  return spec.clusterRef.name === cluster.metadata.name && status?.startTime === undefined;
}

const MEMBER_LABELS = { [LABELS.name]: 'synccluster', [LABELS.component]: 'member' };

function enqueueInstance(object: KubeObject, clusters: Controller): void {
  const { namespace, labels } = object.metadata;
  const name = labels?.[LABELS.instance];
  if (name !== undefined) clusters.enqueue({ namespace, name });
}

function enqueueOwner(object: KubeObject, clusters: Controller, benchmarks: Controller): void {
  const { namespace, ownerReferences } = object.metadata;
  for (const { apiVersion, kind, name } of ownerReferences ?? []) {
    if (apiVersion !== API_VERSION) continue;
    if (kind === SYNC_CLUSTERS.kind) clusters.enqueue({ namespace, name });
    if (kind === SYNC_BENCHMARKS.kind) benchmarks.enqueue({ namespace, name });
  }
}

/** The same port; each event is counted. */
function counting(kube: KubePort, count: (reason: string, type: string) => void): KubePort {
  return {
    get: (resource, key) => kube.get(resource, key),
    list: (resource, selector) => kube.list(resource, selector),
    watch: (resource, selector, from, signal) => kube.watch(resource, selector, from, signal),
    apply: (resource, object) => kube.apply(resource, object),
    create: (resource, object) => kube.create(resource, object),
    updateStatus: (resource, object) => kube.updateStatus(resource, object),
    scale: (resource, key, replicas, preconditions) => kube.scale(resource, key, replicas, preconditions),
    delete: (resource, key, options) => kube.delete(resource, key, options),
    event: (record) => {
      count(record.reason, record.type);
      kube.event(record);
    },
  };
}
