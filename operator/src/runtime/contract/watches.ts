import { describe, expect, it } from 'vitest';
import type { KubePort, WatchEvent } from '../kube.ts';
import type { ContractPort } from './contractPort.ts';
import { CLUSTERS, CONFIG_MAPS, type ConfigMap, configMap, eventually, expectCode } from './fixtures.ts';

/** Nothing is missed and nothing comes twice, however often a watch ends. */
export function watchesContract(port: () => ContractPort): void {
  describe('watches', () => {
    it('see everything after the list, once and in order', async () => {
      const namespace = await port().namespace();
      await port().kube.create(CONFIG_MAPS, configMap(namespace, 'before', {}));
      const { resourceVersion } = await port().kube.list(CONFIG_MAPS, { namespace });
      await port().kube.create(CONFIG_MAPS, configMap(namespace, 'a', { n: '0' }));
      const seen = collect(port().kube, { namespace }, resourceVersion);
      for (let n = 1; n <= 5; n += 1)
        await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { n: String(n) }));
      await port().kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
      await eventually(() => expect(seen.events.at(-1)).toMatch(/^deleted a/));
      await seen.stop();
      const expected = ['added a 0', ...[1, 2, 3, 4, 5].map((n) => `modified a ${n}`), 'deleted a 5'];
      // A server may add what it fills in by itself: only what happened to this object counts.
      expect(seen.events.filter((event) => event.includes(' a '))).toEqual(expected);
    });

    it('tell of an object that stops matching the labels as deleted', async () => {
      const namespace = await port().namespace();
      const { resourceVersion } = await port().kube.list(CONFIG_MAPS, { namespace });
      const seen = collect(port().kube, { namespace, labels: { app: 'x' } }, resourceVersion);
      const labelled = configMap(namespace, 'a', { n: '0' });
      labelled.metadata.labels = { app: 'x' };
      await port().kube.apply(CONFIG_MAPS, labelled);
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { n: '1' }));
      await port().kube.apply(CONFIG_MAPS, configMap(namespace, 'b', { n: '0' }));
      await eventually(() => expect(seen.events).toHaveLength(2));
      await seen.stop();
      expect(seen.events.map((event) => event.split(' ').slice(0, 2).join(' '))).toEqual([
        'added a',
        'deleted a',
      ]);
    });

    it('end when they are aborted', async () => {
      const namespace = await port().namespace();
      const { resourceVersion } = await port().kube.list(CONFIG_MAPS, { namespace });
      const seen = collect(port().kube, { namespace }, resourceVersion);
      await seen.stop();
      expect(seen.error).toBeNull();
    });

    it('from a version too old to be known end with Gone', async () => {
      const namespace = await port().namespace();
      // What was before it served a kind no server remembers.
      const watch = port().kube.watch(
        CLUSTERS,
        { namespace },
        port().ancientVersion,
        new AbortController().signal,
      );
      await expectCode(
        (async () => {
          for await (const _ of watch);
        })(),
        'Gone',
      );
    });
  });
}

interface Collected {
  readonly events: string[];
  error: unknown;
  stop(): Promise<void>;
}

/** Watches, again from where it was whenever the watch ends by itself, as a watch may. */
function collect(
  kube: KubePort,
  selector: { namespace: string; labels?: Record<string, string> },
  resourceVersion: string,
): Collected {
  const abort = new AbortController();
  const collected: Collected = {
    events: [],
    error: null,
    async stop() {
      abort.abort();
      await done;
    },
  };
  const take = (event: WatchEvent<ConfigMap>): string => {
    if (event.type === 'bookmark') return event.resourceVersion;
    collected.events.push(`${event.type} ${event.object.metadata.name} ${event.object.data?.['n'] ?? ''}`);
    return event.object.metadata.resourceVersion ?? '';
  };
  const done = (async () => {
    let version = resourceVersion;
    try {
      while (!abort.signal.aborted) {
        for await (const event of kube.watch(CONFIG_MAPS, selector, version, abort.signal))
          version = take(event);
      }
    } catch (error) {
      collected.error = error;
    }
  })();
  return collected;
}
