import { describe, expect, it } from 'vitest';
import type { ContractPort } from './contractPort.ts';
import { CONFIG_MAPS, configMap, expectCode } from './fixtures.ts';

/** What holds for every object, whatever its kind. */
export function objectsContract(port: () => ContractPort): void {
  describe('objects', () => {
    it('answers null for what does not exist', async () => {
      const namespace = await port().namespace();
      expect(await port().kube.get(CONFIG_MAPS, { namespace, name: 'absent' })).toBeNull();
    });

    it('gives a created object uid, resourceVersion and time of creation', async () => {
      const namespace = await port().namespace();
      const created = await port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      expect(created.metadata.uid).toBeTruthy();
      expect(created.metadata.resourceVersion).toBeTruthy();
      expect(Number.isNaN(Date.parse(created.metadata.creationTimestamp ?? ''))).toBe(false);
      expect(await port().kube.get(CONFIG_MAPS, { namespace, name: 'a' })).toEqual(created);
    });

    it('refuses to create what exists', async () => {
      const namespace = await port().namespace();
      await port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', {}));
      await expectCode(port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', {})), 'AlreadyExists');
    });

    it('hands out copies: changing one changes nothing else', async () => {
      const namespace = await port().namespace();
      const created = await port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      created.data = { x: 'changed' };
      expect((await port().kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '1' });
    });

    it('lists by namespace and labels', async () => {
      const [one, two] = [await port().namespace(), await port().namespace()];
      const labelled = configMap(one, 'a', {});
      labelled.metadata.labels = { app: 'x', tier: 'y' };
      await port().kube.create(CONFIG_MAPS, labelled);
      await port().kube.create(CONFIG_MAPS, configMap(one, 'b', {}));
      await port().kube.create(CONFIG_MAPS, configMap(two, 'c', {}));
      const names = async (labels: Record<string, string>) =>
        (await port().kube.list(CONFIG_MAPS, { namespace: one, labels })).items.map(
          (item) => item.metadata.name,
        );
      expect(await names({ app: 'x' })).toEqual(['a']);
      expect(await names({ app: 'x', tier: 'z' })).toEqual([]);
      expect(await names({ tier: 'y' })).toEqual(['a']);
    });

    it('refuses names that are no DNS names', async () => {
      const namespace = await port().namespace();
      await expectCode(port().kube.create(CONFIG_MAPS, configMap(namespace, 'Not_A_Name', {})), 'Invalid');
    });

    it('keeps an immutable ConfigMap as it is', async () => {
      const namespace = await port().namespace();
      await port().kube.create(CONFIG_MAPS, { ...configMap(namespace, 'a', { x: '1' }), immutable: true });
      await expectCode(
        port().kube.apply(CONFIG_MAPS, { ...configMap(namespace, 'a', { x: '2' }), immutable: true }),
        'Invalid',
      );
      expect((await port().kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '1' });
    });
  });
}
