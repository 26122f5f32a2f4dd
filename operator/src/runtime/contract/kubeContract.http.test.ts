import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { EventRecorder } from '../../kubernetes/eventRecorder.ts';
import { KubernetesKube } from '../../kubernetes/kubernetesKube.ts';
import { startLocalApiServer } from '../../kubernetes/localApiServer.ts';
import { clientOf } from '../../kubernetes/testServer.ts';
import { startLocalRuntime } from '../../local/localRuntime.ts';
import { kubeContract } from './kubeContract.ts';

/** The port of a real cluster, over HTTP, to the local runtime's objects: what it sends means what it promises. */
kubeContract('Kubernetes port over HTTP', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'synccluster-contract-'));
  const logger = pino({ level: 'silent' });
  const runtime = await startLocalRuntime({ dir, logger, programs: {} });
  const server = await startLocalApiServer(runtime.store, 60);
  const client = clientOf(server);
  const events = new EventRecorder({ client, logger, instance: 'test' });
  let namespaces = 0;
  return {
    kube: new KubernetesKube({ client, events, pageSize: 1 }),
    other: new KubernetesKube({ client, events, fieldManager: 'somebody-else' }),
    ancientVersion: '-1',
    async namespace() {
      namespaces += 1;
      return `ns-${namespaces}`;
    },
    async close() {
      await client.close();
      await server.close();
      await runtime.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
});
