import { describe, expect, it } from 'vitest';
import type { ContractPort } from './contractPort.ts';
import { CLUSTERS, cluster, expectCode, OTHER_UID } from './fixtures.ts';

/** The product's own kinds: defaults, rules, generations and subresources. */
export function customResourcesContract(port: () => ContractPort): void {
  describe('custom resources', () => {
    it('fills in defaults', async () => {
      const namespace = await port().namespace();
      const created = await port().kube.create(CLUSTERS, cluster(namespace, {}));
      expect(created.spec['members']).toBe(3);
      expect(created.spec['shards']).toBe(3);
    });

    it('refuses four members', async () => {
      const namespace = await port().namespace();
      await expectCode(port().kube.create(CLUSTERS, cluster(namespace, { members: 4 })), 'Invalid');
    });

    it('refuses values of the wrong type', async () => {
      const namespace = await port().namespace();
      await expectCode(port().kube.create(CLUSTERS, cluster(namespace, { members: '3' })), 'Invalid');
    });

    it('refuses an apply with a field that the schema does not know', async () => {
      const namespace = await port().namespace();
      await expectCode(port().kube.apply(CLUSTERS, cluster(namespace, { memmbers: 3 })), 'Invalid');
    });

    it('refuses to change shards', async () => {
      const namespace = await port().namespace();
      await port().kube.apply(CLUSTERS, cluster(namespace, { shards: 3 }));
      await expectCode(port().kube.apply(CLUSTERS, cluster(namespace, { shards: 4 })), 'Invalid');
    });

    it('lets storage grow and refuses to shrink it', async () => {
      const namespace = await port().namespace();
      await port().kube.apply(CLUSTERS, cluster(namespace, { storage: { size: '1Gi' } }));
      await port().kube.apply(CLUSTERS, cluster(namespace, { storage: { size: '1536Mi' } }));
      await expectCode(
        port().kube.apply(CLUSTERS, cluster(namespace, { storage: { size: '1Gi' } })),
        'Invalid',
      );
    });

    it('raises generation with the spec only', async () => {
      const namespace = await port().namespace();
      const first = await port().kube.apply(CLUSTERS, cluster(namespace, { members: 3 }));
      expect(first.metadata.generation).toBe(1);
      const labelled = cluster(namespace, { members: 3 });
      labelled.metadata.labels = { team: 'a' };
      const relabelled = await port().kube.apply(CLUSTERS, labelled);
      expect(relabelled.metadata.labels).toEqual({ team: 'a' });
      expect(relabelled.metadata.generation).toBe(1);
      expect(
        (await port().kube.apply(CLUSTERS, cluster(namespace, { members: 5 }))).metadata.generation,
      ).toBe(2);
    });

    it('writes status, and nothing but status, through the subresource', async () => {
      const namespace = await port().namespace();
      const created = await port().kube.create(CLUSTERS, cluster(namespace, { members: 3 }));
      const changed = {
        ...created,
        spec: { ...created.spec, members: 5 },
        status: { observedGeneration: 1 },
      };
      const updated = await port().kube.updateStatus(CLUSTERS, changed);
      expect(updated.status?.['observedGeneration']).toBe(1);
      expect(updated.spec['members']).toBe(3);
      expect(updated.metadata.generation).toBe(1);
      await expectCode(port().kube.updateStatus(CLUSTERS, changed), 'Conflict');
    });

    it('ignores status in an apply', async () => {
      const namespace = await port().namespace();
      const applied = await port().kube.apply(CLUSTERS, {
        ...cluster(namespace, {}),
        status: { observedGeneration: 9 },
      });
      expect(applied.status?.['observedGeneration']).toBeUndefined();
    });

    it('scales through the subresource, on the version that was read', async () => {
      const namespace = await port().namespace();
      const key = { namespace, name: 'db' };
      const created = await port().kube.create(CLUSTERS, cluster(namespace, { members: 3 }));
      const resourceVersion = created.metadata.resourceVersion ?? '';
      await port().kube.scale(CLUSTERS, key, 5, { resourceVersion });
      const scaled = await port().kube.get(CLUSTERS, key);
      expect(scaled?.spec['members']).toBe(5);
      expect(scaled?.metadata.generation).toBe(2);
      await expectCode(port().kube.scale(CLUSTERS, key, 3, { resourceVersion }), 'Conflict');
      await expectCode(port().kube.scale(CLUSTERS, key, 3, { uid: OTHER_UID }), 'Conflict');
      await expectCode(port().kube.scale(CLUSTERS, { namespace, name: 'absent' }, 3, {}), 'NotFound');
      await expectCode(port().kube.scale(CLUSTERS, key, 4, {}), 'Invalid');
    });
  });
}
