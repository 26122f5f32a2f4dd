import { type Static, Type } from 'typebox';
import type { ResourceRequirements, Toleration } from './kinds.ts';
import type { KubeObject, Resource } from './meta.ts';
import {
  type Condition,
  cel,
  conditions,
  integer,
  integerOneOf,
  listMap,
  oneOf,
  quantityMap,
  size,
  stringMap,
  text,
} from './schema.ts';

export const API_VERSION = 'synccluster.io/v1alpha1';

const retention = Type.Object(
  {
    whenScaled: oneOf(['Retain', 'Delete'], {
      description:
        'What happens to the volume of a member that was scaled away, once it is out of every group.',
      default: 'Retain',
    }),
    whenDeleted: oneOf(['Retain', 'Delete'], {
      description: 'What happens to the volumes when the SyncCluster is deleted.',
      default: 'Retain',
    }),
  },
  { description: 'What becomes of volumes nobody uses any more.', default: {} },
);
const storage = Type.Object(
  {
    size: size({
      description: 'Size of the volume of each member. It may only grow.',
      default: '2Gi',
      ...cel(
        { rule: 'quantity(self).isGreaterThan(quantity("0"))', message: 'size must be above 0' },
        { rule: 'quantity(self).compareTo(quantity(oldSelf)) >= 0', message: 'size may only grow' },
      ),
    }),
    storageClassName: Type.Optional(
      text({
        description:
          "Class of the volumes; the cluster's default class when absent. Fixed for the cluster's life.",
        minLength: 1,
        maxLength: 253,
      }),
    ),
    medium: oneOf(['Disk', 'Memory'], {
      description:
        'Disk: a volume that outlives the pod. Memory: nothing outlives the pod; a cluster whose pods all stop at once starts anew, empty. Fixed for the life of the cluster.',
      default: 'Disk',
      ...cel({ rule: 'self == oldSelf', message: "medium is fixed for the cluster's life" }),
    }),
    retention,
  },
  {
    description: 'Where members keep their data.',
    default: {},
    ...cel({
      rule: 'has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)',
      message: "storageClassName is fixed for the cluster's life",
    }),
  },
);
const toleration = Type.Object(
  {
    key: Type.Optional(text({ description: 'Taint to tolerate; all when absent.', maxLength: 316 })),
    operator: Type.Optional(oneOf(['Exists', 'Equal'], { description: 'How the value is compared.' })),
    value: Type.Optional(text({ description: 'Value of the taint.', maxLength: 63 })),
    effect: Type.Optional(
      oneOf(['NoSchedule', 'PreferNoSchedule', 'NoExecute'], {
        description: 'Effect of the taint; all when absent.',
      }),
    ),
    tolerationSeconds: Type.Optional(
      integer({ description: 'How long a NoExecute taint is tolerated.', minimum: 0, maximum: 31_536_000 }),
    ),
  },
  { description: 'A taint that members tolerate.' },
);
const scheduling = Type.Object(
  {
    topologySpread: oneOf(['Preferred', 'Required', 'None'], {
      description: 'Whether members are spread over zones and hosts.',
      default: 'Preferred',
    }),
    nodeSelector: Type.Optional(stringMap({ description: 'Labels a node must have.', maxProperties: 32 })),
    tolerations: Type.Optional(
      Type.Unsafe<Toleration[]>({
        description: 'Taints that members tolerate.',
        type: 'array',
        maxItems: 32,
        items: toleration,
        'x-kubernetes-list-type': 'atomic',
      }),
    ),
    affinity: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        description: 'Affinity of the pods, as in a pod.',
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
      }),
    ),
  },
  { description: 'Where members run.', default: {} },
);
const raft = Type.Object(
  {
    electionTimeoutMilliseconds: integer({
      description: 'Silence of a leader after which the others elect a new one.',
      minimum: 100,
      maximum: 60_000,
      default: 500,
    }),
    heartbeatMilliseconds: integer({
      description: 'How often a leader is heard of.',
      minimum: 10,
      maximum: 10_000,
      default: 75,
    }),
    snapshotEntries: integer({
      description: 'Log entries that are kept before a snapshot replaces them.',
      minimum: 1000,
      maximum: 100_000_000,
      default: 100_000,
    }),
  },
  {
    description: 'Tuning of consensus.',
    default: {},
    ...cel({
      rule: 'self.electionTimeoutMilliseconds >= 4 * self.heartbeatMilliseconds',
      message: 'electionTimeoutMilliseconds must be at least four times heartbeatMilliseconds',
    }),
  },
);
const resources = Type.Unsafe<ResourceRequirements>(
  Type.Object(
    {
      requests: Type.Optional(quantityMap({ description: 'What a member is sure to get.' })),
      limits: Type.Optional(quantityMap({ description: 'What a member cannot exceed.' })),
    },
    {
      description: 'Processor and memory of each member.',
      default: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
    },
  ),
);

export const SyncClusterSpecSchema = Type.Object(
  {
    members: integerOneOf([1, 3, 5], {
      description: 'How many members replicate the data: 3 survive the loss of one, 5 the loss of two.',
      default: 3,
    }),
    image: Type.Optional(
      text({
        description:
          'Image of the members. When absent, the image that runs stays, and a new cluster gets the one the operator is set to use, by default that of its own release.',
        minLength: 1,
        maxLength: 512,
      }),
    ),
    shards: integer({
      description: "Data groups that queues and the cache are spread over. Fixed for the cluster's life.",
      minimum: 1,
      maximum: 16,
      default: 3,
      ...cel({ rule: 'self == oldSelf', message: "shards is fixed for the cluster's life" }),
    }),
    storage,
    resources,
    scheduling,
    raft,
    logLevel: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      description: 'What members log.',
      default: 'info',
    }),
    podTemplate: Type.Object(
      {
        labels: Type.Optional(stringMap({ description: 'More labels for the pods.', maxProperties: 64 })),
        annotations: Type.Optional(
          stringMap({ description: 'More annotations for the pods.', maxProperties: 64 }),
        ),
      },
      { description: 'What the pods carry besides.', default: {} },
    ),
  },
  { description: 'What the cluster should be.', default: {} },
);

export interface MemberSummary {
  ordinal: number;
  podName: string;
  memberId?: number;
  role: 'Leader' | 'Voter' | 'Learner' | 'None';
  ready: 'True' | 'False';
  version?: string;
  lagEntries?: number;
  message?: string;
}
const memberSummary = Type.Object(
  {
    ordinal: integer({
      description: 'Position of the member, and number of its pod.',
      minimum: 0,
      maximum: 1023,
    }),
    podName: text({ description: 'Its pod.', maxLength: 253 }),
    memberId: Type.Optional(
      Type.Integer({ description: 'Its id, which lives on its volume.', format: 'int64' }),
    ),
    role: oneOf(['Leader', 'Voter', 'Learner', 'None'], {
      description: 'The weakest it has in any group; Leader when it votes in all and leads at least one.',
    }),
    ready: oneOf(['True', 'False'], { description: 'Whether it serves clients.' }),
    version: Type.Optional(text({ description: 'What it runs.', maxLength: 128 })),
    lagEntries: Type.Optional(
      Type.Integer({
        description:
          'How far behind the leader its log is in the worst group: 0 while it keeps up, else rounded down to a power of two.',
        format: 'int64',
        minimum: 0,
      }),
    ),
    message: Type.Optional(text({ description: 'What is wrong with it, if anything.', maxLength: 1024 })),
  },
  { description: 'A member as it is.' },
);
export interface GroupLeader {
  group: number;
  podName: string;
  memberId: number;
}
const groupLeader = Type.Object(
  {
    group: integer({ description: '0 is coordination, the others hold data.', minimum: 0, maximum: 64 }),
    podName: text({ description: 'Pod of the leader.', maxLength: 253 }),
    memberId: Type.Integer({ description: 'Id of the leader.', format: 'int64' }),
  },
  { description: 'Who leads a group.' },
);
export interface SyncClusterStatus {
  observedGeneration?: number;
  clusterId?: string;
  replicas?: number;
  readyReplicas?: number;
  selector?: string;
  leader?: string;
  leaders?: GroupLeader[];
  memberStatuses?: MemberSummary[];
  lastHandledRecoverFrom?: string;
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
    clusterId: Type.Optional(text({ description: 'Id the cluster was founded with.', maxLength: 128 })),
    replicas: Type.Optional(integer({ description: 'Pods that exist.', minimum: 0, maximum: 1024 })),
    readyReplicas: Type.Optional(
      integer({ description: 'Members that serve clients.', minimum: 0, maximum: 1024 }),
    ),
    selector: Type.Optional(text({ description: 'Label selector of the pods.', maxLength: 1024 })),
    leader: Type.Optional(text({ description: 'Pod that leads coordination.', maxLength: 253 })),
    leaders: Type.Optional(
      listMap<GroupLeader>(groupLeader, ['group'], {
        description: 'Leader of each group that has one.',
        maxItems: 64,
      }),
    ),
    memberStatuses: Type.Optional(
      listMap<MemberSummary>(memberSummary, ['ordinal'], { description: 'Every member.', maxItems: 64 }),
    ),
    lastHandledRecoverFrom: Type.Optional(
      text({
        description:
          'Value of annotation synccluster.io/recover-from that acts no more until it is removed or changed.',
        maxLength: 253,
      }),
    ),
    conditions: Type.Optional(conditions()),
  },
  {
    description:
      'What the cluster is. It only mirrors: nothing is decided by it, but whether an annotation was answered.',
  },
);

export const MAX_NAME_LENGTH = 40;
export const SyncClusterSchema = Type.Object(
  {
    apiVersion: Type.Optional(Type.String({ description: 'synccluster.io/v1alpha1' })),
    kind: Type.Optional(Type.String({ description: 'SyncCluster' })),
    metadata: Type.Optional(Type.Unsafe<object>({ type: 'object' })),
    spec: SyncClusterSpecSchema,
    status: Type.Optional(status),
  },
  {
    description: 'A replicated cluster of locks, queues and a cache.',
    ...cel(
      {
        rule: `size(self.metadata.name) <= ${MAX_NAME_LENGTH}`,
        message: `the name may have at most ${MAX_NAME_LENGTH} characters, for names of pods and Services derive from it`,
      },
      {
        rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message:
          'the name must be a DNS label: lower-case letters, digits and dashes, beginning with a letter',
      },
    ),
  },
);

/** As the API server hands it out: defaults filled in. */
type SyncClusterSpec = Static<typeof SyncClusterSpecSchema>;
export interface SyncCluster extends KubeObject {
  spec: SyncClusterSpec;
  status?: SyncClusterStatus;
}
export const SYNC_CLUSTERS: Resource<SyncCluster> = {
  apiVersion: API_VERSION,
  kind: 'SyncCluster',
  plural: 'syncclusters',
};
