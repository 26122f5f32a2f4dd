import { describe, expect, it } from 'vitest';
import type { ContractPort } from './contractPort.ts';
import { CONFIG_MAPS, configMap, expectCode } from './fixtures.ts';

/** Server-side apply, by one field manager, forced. */
export function applyContract(port: () => ContractPort): void {
  describe('server-side apply', () => {
    it('creates what is missing', async () => {
      const namespace = await port().namespace();
      const applied = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      expect(applied.data).toEqual({ x: '1' });
      expect(applied.metadata.uid).toBeTruthy();
    });

    it('removes fields it applied before and no longer names', async () => {
      const namespace = await port().namespace();
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1', y: '2' }));
      const applied = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { y: '3' }));
      expect(applied.data).toEqual({ y: '3' });
    });

    it('changes nothing, not even the version, when nothing differs', async () => {
      const namespace = await port().namespace();
      const first = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      const second = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    });

    it('leaves fields of others alone, and takes over what it names itself', async (context) => {
      const other = port().other;
      if (other === null) return context.skip();
      const namespace = await port().namespace();
      await other.apply(CONFIG_MAPS, configMap(namespace, 'a', { theirs: '1', both: '1' }));
      const forced = await port().kube.apply(
        CONFIG_MAPS,
        configMap(namespace, 'a', { mine: '2', both: '2' }),
      );
      expect(forced.data).toEqual({ theirs: '1', both: '2', mine: '2' });
      // Taken over: the first no longer owns it, so its silence removes nothing.
      const after = await other.apply(CONFIG_MAPS, configMap(namespace, 'a', { theirs: '1' }));
      expect(after.data).toEqual({ theirs: '1', both: '2', mine: '2' });
    });

    it('is refused when the resourceVersion it names is stale', async () => {
      const namespace = await port().namespace();
      const first = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '2' }));
      const stale = configMap(namespace, 'a', { x: '3' });
      stale.metadata.resourceVersion = first.metadata.resourceVersion ?? '';
      await expectCode(port().kube.apply(CONFIG_MAPS, stale), 'Conflict');
      expect((await port().kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '2' });
    });

    it('never brings back what was deleted when it names a version or a uid', async () => {
      const namespace = await port().namespace();
      const { metadata } = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      const { uid = '', resourceVersion = '' } = metadata;
      await port().kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
      for (const condition of [{ resourceVersion }, { uid }, { uid, resourceVersion }]) {
        const wanted = configMap(namespace, 'a', { x: '2' });
        Object.assign(wanted.metadata, condition);
        await expectCode(port().kube.apply(CONFIG_MAPS, wanted), 'Conflict');
      }
      expect(await port().kube.get(CONFIG_MAPS, { namespace, name: 'a' })).toBeNull();
    });

    it('is refused for another object of the same name', async () => {
      const namespace = await port().namespace();
      const first = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
      await port().kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '2' }));
      const wanted = configMap(namespace, 'a', { x: '3' });
      wanted.metadata.uid = first.metadata.uid ?? '';
      await expectCode(port().kube.apply(CONFIG_MAPS, wanted), 'Conflict');
      expect((await port().kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '2' });
    });

    it('leaves what a creation set, also its own, until it names it', async () => {
      const namespace = await port().namespace();
      await port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', { x: '1', y: '1' }));
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { y: '2' }));
      const applied = await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { z: '3' }));
      expect(applied.data).toMatchObject({ x: '1', z: '3' });
    });
  });
}
