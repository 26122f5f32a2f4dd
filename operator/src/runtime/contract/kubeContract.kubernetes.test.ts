import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { describe, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { CONFIG_MAPS } from '../../api/kinds.ts';
import { SYNC_CLUSTERS, type SyncCluster } from '../../api/syncCluster.ts';
import { ApiClient } from '../../kubernetes/apiClient.ts';
import { loadKubeConfig } from '../../kubernetes/connect.ts';
import { EventRecorder } from '../../kubernetes/eventRecorder.ts';
import { KubernetesKube } from '../../kubernetes/kubernetesKube.ts';
import { collectionPath, objectPath } from '../../kubernetes/paths.ts';
import type { KubeObject } from '../kube.ts';
import { kubeContract } from './kubeContract.ts';

const CRDS_DIR = fileURLToPath(new URL('../../../../crds', import.meta.url));
const NAMESPACES = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' };
const DEFINITIONS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
};
const DEADLINE_MS = 60_000;

const kubeconfig = process.env['SYNCCLUSTER_E2E_KUBECONFIG'] || process.env['KUBECONFIG'];

if (kubeconfig === undefined || kubeconfig === '') {
  describe('Kube port: Kubernetes', () => {
    it.skip('needs a cluster: set SYNCCLUSTER_E2E_KUBECONFIG or KUBECONFIG (npm run e2e:up brings one up)', () => {});
  });
} else {
  kubeContract('Kubernetes', async () => {
    const client = new ApiClient({
      load: () => loadKubeConfig({ kubeconfig }),
      userAgent: 'synccluster-contract-test',
    });
    const events = new EventRecorder({ client, logger: pino({ level: 'silent' }), instance: 'test' });
    const kube = new KubernetesKube({ client, events, pageSize: 2 });
    await applyDefinitions(client);
    const run = `sc-contract-${randomBytes(4).toString('hex')}`;
    const namespaces: string[] = [];
    const namespace = async () => {
      const name = `${run}-${namespaces.length}`;
      namespaces.push(name);
      await client.json({
        method: 'POST',
        path: collectionPath(NAMESPACES, undefined),
        body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
      });
      return name;
    };
    await collectsGarbage(kube, await namespace());
    return {
      kube,
      other: new KubernetesKube({ client, events, fieldManager: 'somebody-else' }),
      // Before any kind of ours was defined.
      ancientVersion: '1',
      namespace,
      async close() {
        for (const name of namespaces)
          await client.json({ method: 'DELETE', path: objectPath(NAMESPACES, { namespace: '', name }) });
        await client.close();
      },
    };
  });
}

/** The garbage collector learns of new kinds only every 30 s: until then what they own outlives them. */
async function collectsGarbage(kube: KubernetesKube, namespace: string): Promise<void> {
  const key = { namespace, name: 'collected' };
  const { uid = '' } = (
    await kube.create(SYNC_CLUSTERS, {
      apiVersion: SYNC_CLUSTERS.apiVersion,
      kind: SYNC_CLUSTERS.kind,
      metadata: key,
      spec: {},
    } as SyncCluster)
  ).metadata;
  const { apiVersion, kind } = SYNC_CLUSTERS;
  await kube.create(CONFIG_MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...key, ownerReferences: [{ apiVersion, kind, name: key.name, uid }] },
  });
  await kube.delete(SYNC_CLUSTERS, key);
  const deadline = Date.now() + DEADLINE_MS;
  while ((await kube.get(CONFIG_MAPS, key)) !== null) {
    if (Date.now() > deadline) throw new Error('what a SyncCluster owns is not collected after it is gone');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** As the chart would, and waits until the server serves them. */
async function applyDefinitions(client: ApiClient): Promise<void> {
  const kinds = readdirSync(CRDS_DIR).flatMap((file) =>
    parseAllDocuments(readFileSync(join(CRDS_DIR, file), 'utf8')).map(
      (document) => document.toJS() as Definition,
    ),
  );
  for (const definition of kinds) {
    await client.json({
      method: 'PATCH',
      path: objectPath(DEFINITIONS, { namespace: '', name: definition.metadata.name }),
      query: { fieldManager: 'synccluster-contract-test', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: definition,
    });
  }
  const deadline = Date.now() + DEADLINE_MS;
  for (const { metadata, spec } of kinds) {
    for (;;) {
      const path = objectPath(DEFINITIONS, { namespace: '', name: metadata.name });
      const live = (await client.json({ method: 'GET', path })) as Definition;
      const version = spec.versions[0]?.name ?? '';
      const served = await client
        .json({
          method: 'GET',
          path: `/apis/${spec.group}/${version}/${spec.names.plural}`,
          query: { limit: '1' },
        })
        .then(() => true)
        .catch(() => false);
      const established = live.status?.conditions?.some(
        ({ type, status }) => type === 'Established' && status === 'True',
      );
      if (established === true && served) break;
      if (Date.now() > deadline) throw new Error(`${metadata.name} is not served`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

interface Definition extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string }[];
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}
