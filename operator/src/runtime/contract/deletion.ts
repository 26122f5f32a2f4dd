import { describe, expect, it } from 'vitest';
import type { ContractPort } from './contractPort.ts';
import { CLUSTERS, CONFIG_MAPS, cluster, configMap, eventually, expectCode, owned } from './fixtures.ts';

/** Preconditions, and what goes along with an owner. */
export function deletionContract(port: () => ContractPort): void {
  describe('deletion', () => {
    it('finds it fine that there is nothing to delete', async () => {
      const namespace = await port().namespace();
      await port().kube.delete(CONFIG_MAPS, { namespace, name: 'absent' });
    });

    it('is refused for another uid or a stale version', async () => {
      const namespace = await port().namespace();
      const key = { namespace, name: 'a' };
      const created = await port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', {}));
      await expectCode(
        port().kube.delete(CONFIG_MAPS, key, { uid: '11111111-2222-3333-4444-555555555555' }),
        'Conflict',
      );
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      const { uid, resourceVersion } = created.metadata;
      await expectCode(
        port().kube.delete(CONFIG_MAPS, key, { resourceVersion: resourceVersion ?? '' }),
        'Conflict',
      );
      await port().kube.delete(CONFIG_MAPS, key, { uid: uid ?? '' });
      expect(await port().kube.get(CONFIG_MAPS, key)).toBeNull();
    });

    for (const propagation of ['background', 'foreground'] as const) {
      it(`takes dependents along (${propagation})`, async () => {
        const namespace = await port().namespace();
        const owner = await port().kube.create(CLUSTERS, cluster(namespace, {}));
        const child = await port().kube.create(CONFIG_MAPS, owned(configMap(namespace, 'child', {}), owner));
        await port().kube.create(CONFIG_MAPS, owned(configMap(namespace, 'grandchild', {}), child));
        await port().kube.create(CONFIG_MAPS, configMap(namespace, 'bystander', {}));
        await port().kube.delete(CLUSTERS, { namespace, name: 'db' }, { propagation });
        await eventually(async () => {
          expect(await port().kube.get(CLUSTERS, { namespace, name: 'db' })).toBeNull();
          expect(await port().kube.get(CONFIG_MAPS, { namespace, name: 'child' })).toBeNull();
          expect(await port().kube.get(CONFIG_MAPS, { namespace, name: 'grandchild' })).toBeNull();
        });
        expect(await port().kube.get(CONFIG_MAPS, { namespace, name: 'bystander' })).not.toBeNull();
      });
    }

    it('leaves dependents when told to orphan them', async () => {
      const namespace = await port().namespace();
      const owner = await port().kube.create(CLUSTERS, cluster(namespace, {}));
      await port().kube.create(CONFIG_MAPS, owned(configMap(namespace, 'child', {}), owner));
      await port().kube.delete(CLUSTERS, { namespace, name: 'db' }, { propagation: 'orphan' });
      await eventually(async () => {
        expect(await port().kube.get(CLUSTERS, { namespace, name: 'db' })).toBeNull();
        const child = await port().kube.get(CONFIG_MAPS, { namespace, name: 'child' });
        expect(child).not.toBeNull();
        expect(child?.metadata.ownerReferences ?? []).toEqual([]);
      });
    });
  });
}
