import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeErrorCode, KubeObject, KubePort, Resource, WatchEvent } from '../kube.ts';
import { KubeError } from '../kube.ts';

/** A port under test, and what differs between one server and another. */
export interface ContractPort {
  readonly kube: KubePort;
  /** A namespace nobody else uses, ready for objects. */
  namespace(): Promise<string>;
  /** A version whose changes are no longer known. */
  readonly ancientVersion: string;
  /** Another client of the same server, with a field manager of its own; null where there is none. */
  readonly other: KubePort | null;
  close(): Promise<void>;
}

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  immutable?: boolean;
}
interface Cluster extends KubeObject {
  spec: Record<string, unknown>;
  status?: Record<string, unknown>;
}
interface Set extends KubeObject {
  spec: { replicas?: number } & Record<string, unknown>;
}
const CONFIG_MAPS: Resource<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' };
const CLUSTERS: Resource<Cluster> = {
  apiVersion: 'synccluster.io/v1alpha1',
  kind: 'SyncCluster',
  plural: 'syncclusters',
};
const SETS: Resource<Set> = { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets' };
const DEADLINE_MS = 15_000;
/** A real server takes its time until it serves and collects new kinds. */
const SETUP_MS = 180_000;
const OTHER_UID = '11111111-1111-4111-8111-111111111111';

/**
 * What reconcilers rely on, checked against any implementation of the Kube port. Nothing in here assumes that a
 * server is quick: what takes effect later is waited for.
 */
export function kubeContract(name: string, makePort: () => Promise<ContractPort>): void {
  describe(`Kube port: ${name}`, () => {
    let port: ContractPort;
    let kube: KubePort;
    beforeAll(async () => {
      port = await makePort();
      kube = port.kube;
    }, SETUP_MS);
    afterAll(() => port.close());

    const configMap = (namespace: string, name: string, data: Record<string, string>): ConfigMap => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace },
      data,
    });
    const cluster = (namespace: string, spec: Record<string, unknown>): Cluster => ({
      apiVersion: CLUSTERS.apiVersion,
      kind: CLUSTERS.kind,
      metadata: { name: 'db', namespace },
      spec,
    });
    const owned = (object: ConfigMap, owner: KubeObject): ConfigMap => ({
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

    describe('objects', () => {
      it('answers null for what does not exist', async () => {
        const namespace = await port.namespace();
        expect(await kube.get(CONFIG_MAPS, { namespace, name: 'absent' })).toBeNull();
      });

      it('gives a created object uid, resourceVersion and time of creation', async () => {
        const namespace = await port.namespace();
        const created = await kube.create(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        expect(created.metadata.uid).toBeTruthy();
        expect(created.metadata.resourceVersion).toBeTruthy();
        expect(Number.isNaN(Date.parse(created.metadata.creationTimestamp ?? ''))).toBe(false);
        expect(await kube.get(CONFIG_MAPS, { namespace, name: 'a' })).toEqual(created);
      });

      it('refuses to create what exists', async () => {
        const namespace = await port.namespace();
        await kube.create(CONFIG_MAPS, configMap(namespace, 'a', {}));
        await expectCode(kube.create(CONFIG_MAPS, configMap(namespace, 'a', {})), 'AlreadyExists');
      });

      it('hands out copies: changing one changes nothing else', async () => {
        const namespace = await port.namespace();
        const created = await kube.create(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        created.data = { x: 'changed' };
        expect((await kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '1' });
      });

      it('lists by namespace and labels', async () => {
        const [one, two] = [await port.namespace(), await port.namespace()];
        const labelled = configMap(one, 'a', {});
        labelled.metadata.labels = { app: 'x', tier: 'y' };
        await kube.create(CONFIG_MAPS, labelled);
        await kube.create(CONFIG_MAPS, configMap(one, 'b', {}));
        await kube.create(CONFIG_MAPS, configMap(two, 'c', {}));
        const names = async (labels: Record<string, string>) =>
          (await kube.list(CONFIG_MAPS, { namespace: one, labels })).items.map((item) => item.metadata.name);
        expect(await names({ app: 'x' })).toEqual(['a']);
        expect(await names({ app: 'x', tier: 'z' })).toEqual([]);
        expect(await names({ tier: 'y' })).toEqual(['a']);
      });

      it('refuses names that are no DNS names', async () => {
        const namespace = await port.namespace();
        await expectCode(kube.create(CONFIG_MAPS, configMap(namespace, 'Not_A_Name', {})), 'Invalid');
      });

      it('keeps an immutable ConfigMap as it is', async () => {
        const namespace = await port.namespace();
        await kube.create(CONFIG_MAPS, { ...configMap(namespace, 'a', { x: '1' }), immutable: true });
        await expectCode(
          kube.apply(CONFIG_MAPS, { ...configMap(namespace, 'a', { x: '2' }), immutable: true }),
          'Invalid',
        );
        expect((await kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '1' });
      });
    });

    describe('server-side apply', () => {
      it('creates what is missing', async () => {
        const namespace = await port.namespace();
        const applied = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        expect(applied.data).toEqual({ x: '1' });
        expect(applied.metadata.uid).toBeTruthy();
      });

      it('removes fields it applied before and no longer names', async () => {
        const namespace = await port.namespace();
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1', y: '2' }));
        const applied = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { y: '3' }));
        expect(applied.data).toEqual({ y: '3' });
      });

      it('changes nothing, not even the version, when nothing differs', async () => {
        const namespace = await port.namespace();
        const first = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        const second = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
      });

      it('leaves fields of others alone, and takes over what it names itself', async (context) => {
        const other = port.other;
        if (other === null) return context.skip();
        const namespace = await port.namespace();
        await other.apply(CONFIG_MAPS, configMap(namespace, 'a', { theirs: '1', both: '1' }));
        const forced = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { mine: '2', both: '2' }));
        expect(forced.data).toEqual({ theirs: '1', both: '2', mine: '2' });
        // Taken over: the first no longer owns it, so its silence removes nothing.
        const after = await other.apply(CONFIG_MAPS, configMap(namespace, 'a', { theirs: '1' }));
        expect(after.data).toEqual({ theirs: '1', both: '2', mine: '2' });
      });

      it('is refused when the resourceVersion it names is stale', async () => {
        const namespace = await port.namespace();
        const first = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '2' }));
        const stale = configMap(namespace, 'a', { x: '3' });
        stale.metadata.resourceVersion = first.metadata.resourceVersion ?? '';
        await expectCode(kube.apply(CONFIG_MAPS, stale), 'Conflict');
        expect((await kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '2' });
      });

      it('never brings back what was deleted when it names a version or a uid', async () => {
        const namespace = await port.namespace();
        const { metadata } = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        const { uid = '', resourceVersion = '' } = metadata;
        await kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
        for (const condition of [{ resourceVersion }, { uid }, { uid, resourceVersion }]) {
          const wanted = configMap(namespace, 'a', { x: '2' });
          Object.assign(wanted.metadata, condition);
          await expectCode(kube.apply(CONFIG_MAPS, wanted), 'Conflict');
        }
        expect(await kube.get(CONFIG_MAPS, { namespace, name: 'a' })).toBeNull();
      });

      it('is refused for another object of the same name', async () => {
        const namespace = await port.namespace();
        const first = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        await kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '2' }));
        const wanted = configMap(namespace, 'a', { x: '3' });
        wanted.metadata.uid = first.metadata.uid ?? '';
        await expectCode(kube.apply(CONFIG_MAPS, wanted), 'Conflict');
        expect((await kube.get(CONFIG_MAPS, { namespace, name: 'a' }))?.data).toEqual({ x: '2' });
      });

      it('leaves what a creation set, also its own, until it names it', async () => {
        const namespace = await port.namespace();
        await kube.create(CONFIG_MAPS, configMap(namespace, 'a', { x: '1', y: '1' }));
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { y: '2' }));
        const applied = await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { z: '3' }));
        expect(applied.data).toMatchObject({ x: '1', z: '3' });
      });
    });

    describe('custom resources', () => {
      it('fills in defaults', async () => {
        const namespace = await port.namespace();
        const created = await kube.create(CLUSTERS, cluster(namespace, {}));
        expect(created.spec['members']).toBe(3);
        expect(created.spec['shards']).toBe(3);
      });

      it('refuses four members', async () => {
        const namespace = await port.namespace();
        await expectCode(kube.create(CLUSTERS, cluster(namespace, { members: 4 })), 'Invalid');
      });

      it('refuses values of the wrong type', async () => {
        const namespace = await port.namespace();
        await expectCode(kube.create(CLUSTERS, cluster(namespace, { members: '3' })), 'Invalid');
      });

      it('refuses an apply with a field that the schema does not know', async () => {
        const namespace = await port.namespace();
        await expectCode(kube.apply(CLUSTERS, cluster(namespace, { memmbers: 3 })), 'Invalid');
      });

      it('refuses to change shards', async () => {
        const namespace = await port.namespace();
        await kube.apply(CLUSTERS, cluster(namespace, { shards: 3 }));
        await expectCode(kube.apply(CLUSTERS, cluster(namespace, { shards: 4 })), 'Invalid');
      });

      it('lets storage grow and refuses to shrink it', async () => {
        const namespace = await port.namespace();
        await kube.apply(CLUSTERS, cluster(namespace, { storage: { size: '1Gi' } }));
        await kube.apply(CLUSTERS, cluster(namespace, { storage: { size: '1536Mi' } }));
        await expectCode(kube.apply(CLUSTERS, cluster(namespace, { storage: { size: '1Gi' } })), 'Invalid');
      });

      it('raises generation with the spec only', async () => {
        const namespace = await port.namespace();
        const first = await kube.apply(CLUSTERS, cluster(namespace, { members: 3 }));
        expect(first.metadata.generation).toBe(1);
        const labelled = cluster(namespace, { members: 3 });
        labelled.metadata.labels = { team: 'a' };
        const relabelled = await kube.apply(CLUSTERS, labelled);
        expect(relabelled.metadata.labels).toEqual({ team: 'a' });
        expect(relabelled.metadata.generation).toBe(1);
        expect((await kube.apply(CLUSTERS, cluster(namespace, { members: 5 }))).metadata.generation).toBe(2);
      });

      it('writes status, and nothing but status, through the subresource', async () => {
        const namespace = await port.namespace();
        const created = await kube.create(CLUSTERS, cluster(namespace, { members: 3 }));
        const changed = {
          ...created,
          spec: { ...created.spec, members: 5 },
          status: { observedGeneration: 1 },
        };
        const updated = await kube.updateStatus(CLUSTERS, changed);
        expect(updated.status?.['observedGeneration']).toBe(1);
        expect(updated.spec['members']).toBe(3);
        expect(updated.metadata.generation).toBe(1);
        await expectCode(kube.updateStatus(CLUSTERS, changed), 'Conflict');
      });

      it('ignores status in an apply', async () => {
        const namespace = await port.namespace();
        const applied = await kube.apply(CLUSTERS, {
          ...cluster(namespace, {}),
          status: { observedGeneration: 9 },
        });
        expect(applied.status?.['observedGeneration']).toBeUndefined();
      });

      it('scales through the subresource, on the version that was read', async () => {
        const namespace = await port.namespace();
        const key = { namespace, name: 'db' };
        const created = await kube.create(CLUSTERS, cluster(namespace, { members: 3 }));
        const resourceVersion = created.metadata.resourceVersion ?? '';
        await kube.scale(CLUSTERS, key, 5, { resourceVersion });
        const scaled = await kube.get(CLUSTERS, key);
        expect(scaled?.spec['members']).toBe(5);
        expect(scaled?.metadata.generation).toBe(2);
        await expectCode(kube.scale(CLUSTERS, key, 3, { resourceVersion }), 'Conflict');
        await expectCode(kube.scale(CLUSTERS, key, 3, { uid: OTHER_UID }), 'Conflict');
        await expectCode(kube.scale(CLUSTERS, { namespace, name: 'absent' }, 3, {}), 'NotFound');
        await expectCode(kube.scale(CLUSTERS, key, 4, {}), 'Invalid');
      });
    });

    describe('StatefulSets', () => {
      const set = (namespace: string, serviceName: string, image = 'a:1'): Set => ({
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
        const namespace = await port.namespace();
        const created = await kube.apply(SETS, set(namespace, 'peers'));
        await kube.scale(SETS, { namespace, name: 'db' }, 0, { uid: created.metadata.uid ?? '' });
        await kube.apply(SETS, set(namespace, 'peers', 'a:2'));
        await expectCode(kube.apply(SETS, set(namespace, 'others')), 'Invalid');
        await kube.delete(SETS, { namespace, name: 'db' });
      });

      it('keeps replicas set through the subresource when an apply does not name them', async () => {
        const namespace = await port.namespace();
        await kube.apply(SETS, set(namespace, 'peers'));
        await kube.scale(SETS, { namespace, name: 'db' }, 0, {});
        const applied = await kube.apply(SETS, set(namespace, 'peers', 'a:2'));
        expect(applied.spec.replicas).toBe(0);
        await kube.delete(SETS, { namespace, name: 'db' });
      });
    });

    describe('deletion', () => {
      it('finds it fine that there is nothing to delete', async () => {
        const namespace = await port.namespace();
        await kube.delete(CONFIG_MAPS, { namespace, name: 'absent' });
      });

      it('is refused for another uid or a stale version', async () => {
        const namespace = await port.namespace();
        const key = { namespace, name: 'a' };
        const created = await kube.create(CONFIG_MAPS, configMap(namespace, 'a', {}));
        await expectCode(
          kube.delete(CONFIG_MAPS, key, { uid: '11111111-2222-3333-4444-555555555555' }),
          'Conflict',
        );
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { x: '1' }));
        const { uid, resourceVersion } = created.metadata;
        await expectCode(
          kube.delete(CONFIG_MAPS, key, { resourceVersion: resourceVersion ?? '' }),
          'Conflict',
        );
        await kube.delete(CONFIG_MAPS, key, { uid: uid ?? '' });
        expect(await kube.get(CONFIG_MAPS, key)).toBeNull();
      });

      for (const propagation of ['background', 'foreground'] as const) {
        it(`takes dependents along (${propagation})`, async () => {
          const namespace = await port.namespace();
          const owner = await kube.create(CLUSTERS, cluster(namespace, {}));
          const child = await kube.create(CONFIG_MAPS, owned(configMap(namespace, 'child', {}), owner));
          await kube.create(CONFIG_MAPS, owned(configMap(namespace, 'grandchild', {}), child));
          await kube.create(CONFIG_MAPS, configMap(namespace, 'bystander', {}));
          await kube.delete(CLUSTERS, { namespace, name: 'db' }, { propagation });
          await eventually(async () => {
            expect(await kube.get(CLUSTERS, { namespace, name: 'db' })).toBeNull();
            expect(await kube.get(CONFIG_MAPS, { namespace, name: 'child' })).toBeNull();
            expect(await kube.get(CONFIG_MAPS, { namespace, name: 'grandchild' })).toBeNull();
          });
          expect(await kube.get(CONFIG_MAPS, { namespace, name: 'bystander' })).not.toBeNull();
        });
      }

      it('leaves dependents when told to orphan them', async () => {
        const namespace = await port.namespace();
        const owner = await kube.create(CLUSTERS, cluster(namespace, {}));
        await kube.create(CONFIG_MAPS, owned(configMap(namespace, 'child', {}), owner));
        await kube.delete(CLUSTERS, { namespace, name: 'db' }, { propagation: 'orphan' });
        await eventually(async () => {
          expect(await kube.get(CLUSTERS, { namespace, name: 'db' })).toBeNull();
          const child = await kube.get(CONFIG_MAPS, { namespace, name: 'child' });
          expect(child).not.toBeNull();
          expect(child?.metadata.ownerReferences ?? []).toEqual([]);
        });
      });
    });

    describe('watches', () => {
      it('see everything after the list, once and in order', async () => {
        const namespace = await port.namespace();
        await kube.create(CONFIG_MAPS, configMap(namespace, 'before', {}));
        const { resourceVersion } = await kube.list(CONFIG_MAPS, { namespace });
        await kube.create(CONFIG_MAPS, configMap(namespace, 'a', { n: '0' }));
        const seen = collect(kube, { namespace }, resourceVersion);
        for (let n = 1; n <= 5; n += 1)
          await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { n: String(n) }));
        await kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
        await eventually(() => expect(seen.events.at(-1)).toMatch(/^deleted a/));
        await seen.stop();
        const expected = ['added a 0', ...[1, 2, 3, 4, 5].map((n) => `modified a ${n}`), 'deleted a 5'];
        // A server may add what it fills in by itself: only what happened to this object counts.
        expect(seen.events.filter((event) => event.includes(' a '))).toEqual(expected);
      });

      it('tell of an object that stops matching the labels as deleted', async () => {
        const namespace = await port.namespace();
        const { resourceVersion } = await kube.list(CONFIG_MAPS, { namespace });
        const seen = collect(kube, { namespace, labels: { app: 'x' } }, resourceVersion);
        const labelled = configMap(namespace, 'a', { n: '0' });
        labelled.metadata.labels = { app: 'x' };
        await kube.apply(CONFIG_MAPS, labelled);
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'a', { n: '1' }));
        await kube.apply(CONFIG_MAPS, configMap(namespace, 'b', { n: '0' }));
        await eventually(() => expect(seen.events).toHaveLength(2));
        await seen.stop();
        expect(seen.events.map((event) => event.split(' ').slice(0, 2).join(' '))).toEqual([
          'added a',
          'deleted a',
        ]);
      });

      it('end when they are aborted', async () => {
        const namespace = await port.namespace();
        const { resourceVersion } = await kube.list(CONFIG_MAPS, { namespace });
        const seen = collect(kube, { namespace }, resourceVersion);
        await seen.stop();
        expect(seen.error).toBeNull();
      });

      it('from a version too old to be known end with Gone', async () => {
        const namespace = await port.namespace();
        // What was before it served a kind no server remembers.
        const watch = kube.watch(CLUSTERS, { namespace }, port.ancientVersion, new AbortController().signal);
        await expectCode(
          (async () => {
            for await (const _ of watch);
          })(),
          'Gone',
        );
      });
    });
  });
}

async function expectCode(promise: Promise<unknown>, code: KubeErrorCode): Promise<void> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error, `expected ${code}, but it went through`).toBeInstanceOf(KubeError);
  expect(error).toMatchObject({ code });
}

async function eventually(check: () => void | Promise<void>): Promise<void> {
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
