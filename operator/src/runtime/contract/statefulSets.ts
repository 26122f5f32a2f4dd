import { describe, expect, it } from 'vitest';
import type { ContractPort } from './contractPort.ts';
import { expectCode, SETS, type StatefulSet } from './fixtures.ts';

/** What a StatefulSet lets be changed. */
export function statefulSetsContract(port: () => ContractPort): void {
  describe('StatefulSets', () => {
    const set = (namespace: string, serviceName: string, image = 'a:1'): StatefulSet => ({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'db', namespace },
      spec: {
        serviceName,
        selector: { matchLabels: { app: 'db' } },
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'OnDelete' },
        template: {
          metadata: { labels: { app: 'db' } },
          spec: { containers: [{ name: 'main', image, command: ['synccluster-node'] }] },
        },
      },
    });
    it('changes the template and refuses to change what is immutable', async () => {
      const namespace = await port().namespace();
      const created = await port().kube.apply(SETS, set(namespace, 'peers'));
      await port().kube.scale(SETS, { namespace, name: 'db' }, 0, { uid: created.metadata.uid ?? '' });
      await port().kube.apply(SETS, set(namespace, 'peers', 'a:2'));
      await expectCode(port().kube.apply(SETS, set(namespace, 'others')), 'Invalid');
      await port().kube.delete(SETS, { namespace, name: 'db' });
    });

    it('keeps replicas set through the subresource when an apply does not name them', async () => {
      const namespace = await port().namespace();
      await port().kube.apply(SETS, set(namespace, 'peers'));
      await port().kube.scale(SETS, { namespace, name: 'db' }, 0, {});
      const applied = await port().kube.apply(SETS, set(namespace, 'peers', 'a:2'));
      expect(applied.spec.replicas).toBe(0);
      await port().kube.delete(SETS, { namespace, name: 'db' });
    });
  });
}
