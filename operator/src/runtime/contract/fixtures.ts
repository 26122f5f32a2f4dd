import { expect } from 'vitest';
import type { KubeErrorCode, KubeObject, Resource } from '../kube.ts';
import { KubeError } from '../kube.ts';

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  immutable?: boolean;
}
export interface Cluster extends KubeObject {
  spec: Record<string, unknown>;
  status?: Record<string, unknown>;
}
export interface StatefulSet extends KubeObject {
  spec: { replicas?: number } & Record<string, unknown>;
}
export const CONFIG_MAPS: Resource<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' };
export const CLUSTERS: Resource<Cluster> = {
  apiVersion: 'synccluster.io/v1alpha1',
  kind: 'SyncCluster',
  plural: 'syncclusters',
};
export const SETS: Resource<StatefulSet> = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
};
const DEADLINE_MS = 15_000;
export const OTHER_UID = '11111111-1111-4111-8111-111111111111';

export const configMap = (namespace: string, name: string, data: Record<string, string>): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
});
export const cluster = (namespace: string, spec: Record<string, unknown>): Cluster => ({
  apiVersion: CLUSTERS.apiVersion,
  kind: CLUSTERS.kind,
  metadata: { name: 'db', namespace },
  spec,
});
export const owned = (object: ConfigMap, owner: KubeObject): ConfigMap => ({
  ...object,
  metadata: {
    ...object.metadata,
    ownerReferences: [
      {
        apiVersion: owner.apiVersion,
        kind: owner.kind,
        name: owner.metadata.name,
        uid: owner.metadata.uid ?? '',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  },
});

export async function expectCode(promise: Promise<unknown>, code: KubeErrorCode): Promise<void> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error, `expected ${code}, but it went through`).toBeInstanceOf(KubeError);
  expect(error).toMatchObject({ code });
}

export async function eventually(check: () => void | Promise<void>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
