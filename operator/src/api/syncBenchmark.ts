import { type Static, Type } from 'typebox';
import type { KubeObject, Resource } from './meta.ts';
import { type Condition, cel, conditions, integer, listMap, listSet, oneOf, text } from './schema.ts';
import { API_VERSION, MAX_NAME_LENGTH } from './syncCluster.ts';

export type Scenario = 'Lock' | 'Queue' | 'Cache';

export const SyncBenchmarkSpecSchema = Type.Object(
  {
    clusterRef: Type.Object(
      {
        name: text({
          description: 'SyncCluster in the same namespace.',
          minLength: 1,
          maxLength: MAX_NAME_LENGTH,
        }),
      },
      { description: 'What is measured.' },
    ),
    preset: oneOf(['Light', 'Medium', 'Heavy'], {
      description: 'Operations per scenario and run: 1,000, 10,000 or 100,000.',
      default: 'Light',
    }),
    scenarios: listSet<Scenario>(
      { type: 'string', enum: ['Lock', 'Queue', 'Cache'] },
      { description: 'What is measured.', minItems: 1, maxItems: 3, default: ['Lock', 'Queue', 'Cache'] },
    ),
    runs: integer({
      description: 'How often each scenario runs; the results are the mean and its spread.',
      minimum: 3,
      maximum: 100,
      default: 3,
    }),
    clients: Type.Optional(
      integer({ description: 'Connections; as the preset has it when absent.', minimum: 1, maximum: 256 }),
    ),
    inFlight: Type.Optional(
      integer({ description: 'Operations in flight per client; 64 when absent.', minimum: 1, maximum: 4096 }),
    ),
    payloadBytes: Type.Optional(
      integer({
        description: 'Size of messages and cached values; as the preset has it when absent.',
        minimum: 16,
        maximum: 1_048_576,
      }),
    ),
    operations: Type.Optional(
      integer({
        description: 'Operations per scenario and run, instead of what the preset has.',
        minimum: 100,
        maximum: 100_000_000,
      }),
    ),
    timeoutSeconds: integer({
      description: 'The Job is ended, and the benchmark has failed, after so long.',
      minimum: 10,
      maximum: 86_400,
      default: 3600,
    }),
    ttlSecondsAfterFinished: Type.Optional(
      integer({
        description:
          'The Job and its pod are deleted so long after the end. The results stay as long as the SyncBenchmark does.',
        minimum: 0,
        maximum: 31_536_000,
      }),
    ),
    image: Type.Optional(text({ description: 'Image of the load generator.', minLength: 1, maxLength: 512 })),
  },
  {
    description: 'What is measured, and how. Fixed: measure something else with another SyncBenchmark.',
    ...cel({ rule: 'self == oldSelf', message: 'the spec of a SyncBenchmark is fixed; create another one' }),
  },
);

/** Headline figures; all that was measured stands in the results ConfigMap. */
export interface OperationHeadline {
  operation: string;
  operationsPerSecond: number;
  p50Microseconds?: number;
  p99Microseconds?: number;
}
const headline = Type.Object(
  {
    operation: text({ description: 'What was measured, such as queue.enqueue.', maxLength: 128 }),
    operationsPerSecond: Type.Integer({
      description: 'Mean over the runs, with the payload and concurrency that were fastest.',
      format: 'int64',
      minimum: 0,
    }),
    p50Microseconds: Type.Optional(
      Type.Integer({ description: 'Median latency.', format: 'int64', minimum: 0 }),
    ),
    p99Microseconds: Type.Optional(
      Type.Integer({ description: '99th percentile of latency.', format: 'int64', minimum: 0 }),
    ),
  },
  { description: 'Headline figures of one operation.' },
);
export interface SyncBenchmarkStatus {
  observedGeneration?: number;
  jobName?: string;
  resultsConfigMap?: string;
  startTime?: string;
  completionTime?: string;
  headline?: string;
  results?: OperationHeadline[];
  conditions?: Condition[];
}
const status = Type.Object(
  {
    observedGeneration: Type.Optional(
      Type.Integer({
        description: 'The generation of the spec this status tells of.',
        format: 'int64',
        minimum: 0,
      }),
    ),
    jobName: Type.Optional(text({ description: 'Job that runs or ran.', maxLength: 253 })),
    resultsConfigMap: Type.Optional(text({ description: 'Where the results are.', maxLength: 253 })),
    startTime: Type.Optional(Type.String({ description: 'When the Job was created.', format: 'date-time' })),
    completionTime: Type.Optional(
      Type.String({ description: 'When the end was seen.', format: 'date-time' }),
    ),
    headline: Type.Optional(text({ description: 'Operations per second, in a line.', maxLength: 256 })),
    results: Type.Optional(
      listMap<OperationHeadline>(headline, ['operation'], { description: 'Headline figures.', maxItems: 32 }),
    ),
    conditions: Type.Optional(conditions()),
  },
  { description: 'How the benchmark goes.' },
);

export const SyncBenchmarkSchema = Type.Object(
  {
    apiVersion: Type.Optional(Type.String({ description: 'synccluster.io/v1alpha1' })),
    kind: Type.Optional(Type.String({ description: 'SyncBenchmark' })),
    metadata: Type.Optional(Type.Unsafe<object>({ type: 'object' })),
    spec: SyncBenchmarkSpecSchema,
    status: Type.Optional(status),
  },
  {
    description: 'A measurement of a SyncCluster: a Job that writes its results to a ConfigMap.',
    ...cel({
      rule: `size(self.metadata.name) <= ${MAX_NAME_LENGTH}`,
      message: `the name may have at most ${MAX_NAME_LENGTH} characters, for the name of the Job derives from it`,
    }),
  },
);

/** As the API server hands it out: defaults filled in. */
type SyncBenchmarkSpec = Static<typeof SyncBenchmarkSpecSchema>;
export interface SyncBenchmark extends KubeObject {
  spec: SyncBenchmarkSpec;
  status?: SyncBenchmarkStatus;
}
export const SYNC_BENCHMARKS: Resource<SyncBenchmark> = {
  apiVersion: API_VERSION,
  kind: 'SyncBenchmark',
  plural: 'syncbenchmarks',
};
