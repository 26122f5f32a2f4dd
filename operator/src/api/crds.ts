import type { CustomResourceDefinition } from './kinds.ts';
import { toStructural } from './structural.ts';
import { SyncBenchmarkSchema } from './syncBenchmark.ts';
import { SyncClusterSchema } from './syncCluster.ts';

const GROUP = 'synccluster.io';
type Version = CustomResourceDefinition['spec']['versions'][number];

function definition(
  names: { kind: string; plural: string; shortName: string },
  schema: unknown,
  columns: Version['additionalPrinterColumns'],
  scale?: NonNullable<Version['subresources']['scale']>,
): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: names.kind,
        listKind: `${names.kind}List`,
        plural: names.plural,
        singular: names.kind.toLowerCase(),
        shortNames: [names.shortName],
        // Not `synccluster`: a resource's own singular name comes before a category.
        categories: ['sync'],
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: toStructural(schema) },
          subresources: scale === undefined ? { status: {} } : { status: {}, scale },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

const AGE = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation.',
};

export const syncClusterCrd = definition(
  // `sc` is StorageClass to every kubectl: a built-in short name wins over a CRD's.
  { kind: 'SyncCluster', plural: 'syncclusters', shortName: 'scl' },
  SyncClusterSchema,
  [
    { name: 'Members', type: 'integer', jsonPath: '.spec.members', description: 'Members wanted.' },
    {
      name: 'Ready',
      type: 'integer',
      jsonPath: '.status.readyReplicas',
      description: 'Members that serve clients.',
    },
    {
      name: 'Leader',
      type: 'string',
      jsonPath: '.status.leader',
      description: 'Pod that leads coordination.',
    },
    {
      name: 'Available',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Available")].status',
      description: 'Whether every group serves.',
    },
    {
      name: 'State',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Progressing")].reason',
      description: 'What the operator is doing, or why it does not.',
    },
    AGE,
    {
      name: 'Health',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Degraded")].reason',
      description: 'What is wrong, if anything.',
      priority: 1,
    },
  ],
  {
    specReplicasPath: '.spec.members',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  },
);
export const syncBenchmarkCrd = definition(
  { kind: 'SyncBenchmark', plural: 'syncbenchmarks', shortName: 'sb' },
  SyncBenchmarkSchema,
  [
    { name: 'Cluster', type: 'string', jsonPath: '.spec.clusterRef.name', description: 'What is measured.' },
    { name: 'Preset', type: 'string', jsonPath: '.spec.preset', description: 'How much load.' },
    { name: 'Ops/s', type: 'string', jsonPath: '.status.headline', description: 'Operations per second.' },
    {
      name: 'State',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Complete")].reason',
      description: 'Waiting, Running, Succeeded, Failed or Aborted.',
    },
    AGE,
  ],
);
/** In the order they are to be created. */
export const crds: readonly CustomResourceDefinition[] = [syncClusterCrd, syncBenchmarkCrd];
