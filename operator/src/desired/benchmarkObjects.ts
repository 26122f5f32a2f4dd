import type { ConfigMap, Job, Role, RoleBinding, ServiceAccount } from '../api/kinds.ts';
import type { SyncBenchmark } from '../api/syncBenchmark.ts';
import { BENCH_COMMAND } from './images.ts';
import { benchmarkLabels, benchmarkNames, LABELS, ownedBy } from './names.ts';
import { containerSecurity, podSecurity } from './security.ts';

function metadata(benchmark: SyncBenchmark, name: string) {
  return {
    name,
    namespace: benchmark.metadata.namespace,
    labels: benchmarkLabels(benchmark.metadata.name),
    ownerReferences: [ownedBy(benchmark)],
  };
}

export function buildBenchmarkAccount(benchmark: SyncBenchmark): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(benchmark, benchmarkNames.serviceAccount(benchmark.metadata.name)),
    automountServiceAccountToken: false,
  };
}

/** May write its one ConfigMap and nothing else: so a dead operator loses no result, and the Job gains no power. */
export function buildBenchmarkRole(benchmark: SyncBenchmark): Role {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: metadata(benchmark, benchmarkNames.role(benchmark.metadata.name)),
    rules: [
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: [benchmarkNames.results(benchmark.metadata.name)],
        verbs: ['patch'],
      },
    ],
  };
}

export function buildBenchmarkRoleBinding(benchmark: SyncBenchmark): RoleBinding {
  const { name, namespace } = benchmark.metadata;
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: metadata(benchmark, benchmarkNames.role(name)),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: benchmarkNames.role(name) },
    subjects: [{ kind: 'ServiceAccount', name: benchmarkNames.serviceAccount(name), namespace }],
  };
}

/** Empty, for the Job to fill: a right to create cannot be limited to one name. */
export function buildResults(benchmark: SyncBenchmark): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      ...metadata(benchmark, benchmarkNames.results(benchmark.metadata.name)),
      // As the load generator itself labels it, or the two would overwrite each other.
      labels: { ...benchmarkLabels(benchmark.metadata.name), [LABELS.component]: 'benchmark-results' },
    },
  };
}

function benchArguments(benchmark: SyncBenchmark, endpoints: readonly string[], members: number): string[] {
  const { name, namespace } = benchmark.metadata;
  const { preset, scenarios, runs, clients, inFlight, payloadBytes, operations } = benchmark.spec;
  const optional = (flag: string, value: number | undefined) =>
    value === undefined ? [] : [flag, String(value)];
  return [
    'run',
    '--endpoints',
    endpoints.join(','),
    '--cluster-members',
    String(members),
    '--preset',
    preset.toLowerCase(),
    '--scenario',
    scenarios.map((scenario) => scenario.toLowerCase()).join(','),
    '--runs',
    String(runs),
    ...optional('--clients', clients),
    ...optional('--in-flight', inFlight),
    ...optional('--payload-bytes', payloadBytes),
    ...optional('--operations', operations),
    '--out',
    '/results',
    '--progress',
    'json',
    '--results-configmap',
    benchmarkNames.results(name),
    '--namespace',
    namespace,
  ];
}

/**
 * `endpoints`: host:port of each member's client listener; `members`: how many the cluster has.
 * One pod, never tried again: a second run beside the debris of a first would measure something else.
 */
export function buildJob(
  benchmark: SyncBenchmark,
  endpoints: readonly string[],
  members: number,
  fallbackImage: string,
): Job {
  const { name } = benchmark.metadata;
  const labels = benchmarkLabels(name);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadata(benchmark, benchmarkNames.job(name)),
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: benchmark.spec.timeoutSeconds,
      template: {
        // A sidecar of a service mesh would keep the Job from ever ending.
        metadata: {
          labels,
          annotations: { 'sidecar.istio.io/inject': 'false', 'linkerd.io/inject': 'disabled' },
        },
        spec: {
          serviceAccountName: benchmarkNames.serviceAccount(name),
          automountServiceAccountToken: true,
          restartPolicy: 'Never',
          securityContext: podSecurity(),
          containers: [
            {
              name: 'bench',
              image: benchmark.spec.image ?? fallbackImage,
              command: [...BENCH_COMMAND],
              args: benchArguments(benchmark, endpoints, members),
              volumeMounts: [{ name: 'results', mountPath: '/results' }],
              securityContext: containerSecurity(),
              terminationMessagePolicy: 'FallbackToLogsOnError',
            },
          ],
          volumes: [{ name: 'results', emptyDir: {} }],
        },
      },
    },
  };
}
