import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { CONFIG_MAPS, type ConfigMap, JOBS, STATEFUL_SETS } from '../api/kinds.ts';
import { KubeError, type KubeObject, type WatchEvent } from '../runtime/kube.ts';
import { VirtualClock } from '../testing/virtualClock.ts';
import { EventRecorder } from './eventRecorder.ts';
import { KubernetesKube } from './kubernetesKube.ts';
import {
  type Answer,
  clientOf,
  sendJson,
  sendStatus,
  startTestServer,
  type TestServer,
} from './testServer.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(
  answer: Answer,
  options: { watchSilenceMs?: number; pageSize?: number; clock?: VirtualClock } = {},
): Promise<{ server: TestServer; kube: KubernetesKube }> {
  const server = await startTestServer(answer);
  const { clock, ...rest } = options;
  const client = clientOf(server, clock === undefined ? {} : { clock });
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  const logger = { info() {}, warn() {}, error() {}, child: () => logger };
  const events = new EventRecorder({ client, logger, instance: 'test' });
  return { server, kube: new KubernetesKube({ client, events, ...rest }) };
}

const key = { namespace: 'ns', name: 'a' };
function configMap(version: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...key, resourceVersion: version }, data };
}
async function errorOf(promise: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await promise.then(
    () => new Error('went through'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KubeError);
  return error as KubeError;
}

describe('reads', () => {
  it('keep every field as it came, times as text, without managedFields', async () => {
    const live = {
      ...configMap('7'),
      metadata: { ...configMap('7').metadata, creationTimestamp: '2025-01-01T00:00:00Z', selfLink: '/x' },
      somethingNew: { list: [1, { deep: null }] },
    };
    const { kube } = await start((_, response) =>
      sendJson(response, 200, { ...live, metadata: { ...live.metadata, managedFields: [{ manager: 'x' }] } }),
    );
    expect(await kube.get(CONFIG_MAPS, key)).toEqual(live);
  });

  it('read a list page by page, and say of items what they are', async () => {
    const { server, kube } = await start(
      (arrived, response) => {
        const next = arrived.query.get('continue');
        const page = next === null ? 0 : Number(next);
        const metadata = { resourceVersion: '42', ...(page < 2 ? { continue: String(page + 1) } : {}) };
        sendJson(response, 200, {
          metadata,
          items: page === 1 ? null : [{ metadata: { name: `p${page}` } }],
        });
      },
      { pageSize: 2 },
    );
    const list = await kube.list(CONFIG_MAPS, { namespace: 'ns', labels: { app: 'x', 'a.b/c': 'd' } });
    expect(list.resourceVersion).toBe('42');
    expect(list.items).toEqual([
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p0' } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p2' } },
    ]);
    expect(server.arrived.map(({ query }) => query.get('limit'))).toEqual(['2', '2', '2']);
    expect(server.arrived[2]?.query.get('labelSelector')).toBe('app=x,a.b/c=d');
  });

  it('read all at once when the pages grew too old in between', async () => {
    const { server, kube } = await start((arrived, response) => {
      if (arrived.query.get('continue') !== null) return sendStatus(response, 410, 'Expired', 'too old');
      const whole = arrived.query.get('limit') === null;
      const metadata = { resourceVersion: whole ? '9' : '5', ...(whole ? {} : { continue: 'next' }) };
      sendJson(response, 200, { metadata, items: [{ metadata: { name: 'a' } }] });
    });
    expect(await kube.list(CONFIG_MAPS)).toMatchObject({ resourceVersion: '9', items: [{}] });
    expect(server.arrived).toHaveLength(3);
  });

  it('refuse answers that are no such object', async () => {
    let answer: unknown;
    const { kube } = await start((_, response) => sendJson(response, 200, answer));
    for (answer of [null, [], {}, { metadata: {} }, 'x'])
      expect((await errorOf(kube.get(CONFIG_MAPS, key))).code).toBe('Unavailable');
    for (answer of [null, [], {}, { metadata: {} }])
      expect((await errorOf(kube.list(CONFIG_MAPS))).code).toBe('Unavailable');
  });
});

describe('writes', () => {
  it('apply what they are given, forced, conditional on an object that is there', async () => {
    let live: ConfigMap | null = { ...configMap('7'), metadata: { ...configMap('7').metadata, uid: 'u' } };
    const { server, kube } = await start((arrived, response) => {
      if (arrived.method !== 'GET') sendJson(response, 200, arrived.body);
      else if (live === null) sendStatus(response, 404, 'NotFound', 'gone');
      else sendJson(response, 200, live);
    });
    await kube.apply(CONFIG_MAPS, configMap('7', { x: '1' }));
    const [, arrived] = server.arrived;
    expect(`${arrived?.method} ${arrived?.path}`).toBe('PATCH /api/v1/namespaces/ns/configmaps/a');
    expect(arrived?.headers['content-type']).toBe('application/apply-patch+yaml');
    expect(arrived?.query.get('fieldManager')).toBe('synccluster-operator');
    expect(arrived?.query.get('force')).toBe('true');
    expect(arrived?.body).toEqual({ ...live, data: { x: '1' } });
    // A server would create the object, whatever the version.
    live = null;
    expect((await errorOf(kube.apply(CONFIG_MAPS, configMap('7')))).code).toBe('Conflict');
    live = { ...configMap('8'), metadata: { ...configMap('8').metadata, uid: 'u' } };
    expect((await errorOf(kube.apply(CONFIG_MAPS, configMap('7')))).code).toBe('Conflict');
    expect(server.arrived.map(({ method }) => method)).toEqual(['GET', 'PATCH', 'GET', 'GET']);
  });

  it('apply to another object of the same name conflict', async () => {
    const { kube } = await start((_, response) =>
      sendStatus(response, 422, 'Invalid', 'metadata.uid: Invalid value: "u": field is immutable'),
    );
    const metadata = { ...configMap('7').metadata, uid: 'u' };
    expect((await errorOf(kube.apply(CONFIG_MAPS, { ...configMap('7'), metadata }))).code).toBe('Conflict');
  });

  it('delete with conditions, and never orphan by default', async () => {
    const { server, kube } = await start((_, response) => sendStatus(response, 404, 'NotFound', 'gone'));
    await kube.delete(JOBS, key, { uid: 'u', resourceVersion: '3' });
    await kube.delete(JOBS, key, { propagation: 'foreground' });
    expect(server.arrived.map(({ method, path }) => `${method} ${path}`)).toEqual(
      Array(2).fill('DELETE /apis/batch/v1/namespaces/ns/jobs/a'),
    );
    expect(server.arrived.map(({ body }) => body)).toEqual([
      {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: 'Background',
        preconditions: { uid: 'u', resourceVersion: '3' },
      },
      { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Foreground' },
    ]);
  });

  it('scale through the subresource on the version that was read', async () => {
    const { server, kube } = await start((_, response) => sendStatus(response, 409, 'Conflict', 'modified'));
    expect((await errorOf(kube.scale(STATEFUL_SETS, key, 0, { resourceVersion: '3' }))).code).toBe(
      'Conflict',
    );
    const [arrived] = server.arrived;
    expect(`${arrived?.method} ${arrived?.path}`).toBe(
      'PUT /apis/apps/v1/namespaces/ns/statefulsets/a/scale',
    );
    expect(arrived?.body).toEqual({
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata: { ...key, resourceVersion: '3' },
      spec: { replicas: 0 },
    });
    expect(server.arrived).toHaveLength(1);
  });

  it.each(['', '.', '..', 'a/b', '../b', 'a%2fb', 'a?b', 'a#b', 'a\\b'])(
    'refuse the name %j without sending it',
    async (name) => {
      const { server, kube } = await start((_, response) => sendJson(response, 200, {}));
      for (const promise of [
        kube.get(CONFIG_MAPS, { namespace: 'ns', name }),
        kube.delete(CONFIG_MAPS, { namespace: 'ns', name }),
        kube.create(CONFIG_MAPS, { ...configMap('1'), metadata: { namespace: 'ns', name } }),
        ...(name === '' ? [] : [kube.list(CONFIG_MAPS, { namespace: name })]),
      ])
        expect((await errorOf(promise)).code).toBe('Invalid');
      expect(server.arrived).toHaveLength(0);
    },
  );

  it('refuse an object of another kind than said', async () => {
    const { kube } = await start((_, response) => sendJson(response, 200, {}));
    const wrong = { ...configMap('1'), kind: 'Secret' };
    for (const promise of [kube.apply(CONFIG_MAPS, wrong), kube.create(CONFIG_MAPS, wrong)])
      expect((await errorOf(promise)).code).toBe('Invalid');
  });
});

describe('watches', () => {
  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
  const forever = new AbortController().signal;
  async function collect(
    kube: KubernetesKube,
    signal: AbortSignal = forever,
  ): Promise<{ events: WatchEvent<KubeObject>[]; error: unknown }> {
    const events: WatchEvent<KubeObject>[] = [];
    try {
      for await (const event of kube.watch(CONFIG_MAPS, { namespace: 'ns' }, '5', signal)) events.push(event);
      return { events, error: null };
    } catch (error) {
      return { events, error };
    }
  }
  const begin = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
  };

  it('put events together that arrive in pieces, also within a character', async () => {
    const bytes = Buffer.from(
      line('ADDED', configMap('6', { n: 'grün — 🙂' })) +
        line('MODIFIED', configMap('7')) +
        line('BOOKMARK', { kind: 'ConfigMap', metadata: { resourceVersion: '8' } }) +
        line('SOMETHING_NEW', {}) +
        line('DELETED', configMap('9')),
    );
    for (const size of [1, 7, bytes.length]) {
      const { server, kube } = await start(async (_, response) => {
        begin(response);
        for (let at = 0; at < bytes.length; at += size) {
          response.write(bytes.subarray(at, at + size));
          await new Promise((resolve) => setImmediate(resolve));
        }
        response.end();
      });
      const { events, error } = await collect(kube);
      expect(error).toBeNull();
      expect(events).toEqual([
        { type: 'added', object: configMap('6', { n: 'grün — 🙂' }) },
        { type: 'modified', object: configMap('7') },
        { type: 'bookmark', resourceVersion: '8' },
        { type: 'deleted', object: configMap('9') },
      ]);
      const query = server.arrived[0]?.query;
      expect(query?.get('watch')).toBe('true');
      expect(query?.get('resourceVersion')).toBe('5');
      expect(query?.get('allowWatchBookmarks')).toBe('true');
      expect(Number(query?.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
    }
  });

  it('tell that the version is too old, whether refused or told on the way', async () => {
    const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
    let onTheWay = true;
    const { kube } = await start((_, response) => {
      if (!onTheWay) return sendStatus(response, 410, 'Expired', 'too old resource version');
      begin(response);
      response.end(line('ADDED', configMap('6')) + line('ERROR', status));
    });
    for (onTheWay of [true, false]) {
      const { events, error } = await collect(kube);
      expect(events).toHaveLength(onTheWay ? 1 : 0);
      expect(error).toMatchObject({ code: 'Gone' });
      expect(String(error)).toContain('too old resource version');
    }
  });

  it('tell any other error of the server as it is', async () => {
    let told: unknown;
    const { kube } = await start((_, response) => {
      begin(response);
      response.end(line('ERROR', told));
    });
    for (told of [{ kind: 'Status', code: 500, message: 'etcd is away' }, 'what', null])
      expect((await collect(kube)).error).toMatchObject({ name: 'KubeError', code: 'Unavailable' });
  });

  it('tell a line that is no event', async () => {
    let sent = '';
    const { kube } = await start((_, response) => {
      begin(response);
      response.end(sent);
    });
    for (sent of ['{"type":\n', '<html>\n', '{"type":"ADDED","object":{}}\n', '{"type":"ADDED"}\n'])
      expect((await collect(kube)).error, sent).toMatchObject({ code: 'Unavailable' });
    for (sent of ['null\n', '3\n', '\n\r\n', '{}\n'])
      expect(await collect(kube), sent).toEqual({ events: [], error: null });
  });

  it('end when the connection breaks, without the line that was cut', async () => {
    const { kube } = await start((_, response) => {
      begin(response);
      response.write(`${line('ADDED', configMap('6'))}{"type":"MODIF`, () => response.destroy());
    });
    const { events, error } = await collect(kube);
    expect(error).toBeNull();
    expect(events).toEqual([{ type: 'added', object: configMap('6') }]);
  });

  it('end when nothing comes any more, and close the connection', async () => {
    const { server, kube } = await start(
      (_, response) => {
        begin(response);
        response.write(line('ADDED', configMap('6')));
      },
      { watchSilenceMs: 50 },
    );
    const { events, error } = await collect(kube);
    expect(error).toBeNull();
    expect(events).toHaveLength(1);
    await expect.poll(() => server.connections()).toBe(0);
  });

  it('are not silent while events keep coming, nor while one is being worked on', async () => {
    const clock = new VirtualClock();
    let next: () => void = () => {};
    const { kube } = await start(
      async (_, response) => {
        begin(response);
        for (let version = 6; version < 16; version++) {
          response.write(line('ADDED', configMap(`${version}`)));
          await new Promise<void>((resolve) => {
            next = resolve;
          });
        }
        response.end();
      },
      { watchSilenceMs: 60_000, clock },
    );
    let seen = 0;
    for await (const _ of kube.watch(CONFIG_MAPS, {}, '5', forever)) {
      // Longer than the silence that is borne: it counts only while something is waited for.
      await clock.advance(seen++ % 2 === 0 ? 40_000 : 90_000);
      next();
    }
    expect(seen).toBe(10);
  });

  it('tell when there is no server, or a refusal', async () => {
    const { server, kube } = await start((_, response) =>
      sendStatus(response, 403, 'Forbidden', 'no rights'),
    );
    expect((await collect(kube)).error).toMatchObject({ code: 'Forbidden' });
    await server.close();
    expect((await collect(kube)).error).toMatchObject({ code: 'Unavailable' });
  });

  it('end without an error when they are aborted: before, while connecting, while waiting, between events', async () => {
    let answered: (response: ServerResponse) => void = () => {};
    const { server, kube } = await start((_, response) => answered(response));
    expect(await collect(kube, AbortSignal.abort())).toEqual({ events: [], error: null });
    expect(server.arrived).toHaveLength(0);

    const connecting = new AbortController();
    answered = () => connecting.abort();
    expect(await collect(kube, connecting.signal)).toEqual({ events: [], error: null });

    const waiting = new AbortController();
    answered = (response) => {
      begin(response);
      setImmediate(() => waiting.abort());
    };
    expect(await collect(kube, waiting.signal)).toEqual({ events: [], error: null });

    const between = new AbortController();
    answered = (response) => {
      begin(response);
      response.write(line('ADDED', configMap('6')) + line('ADDED', configMap('7')));
    };
    const seen: string[] = [];
    for await (const event of kube.watch(CONFIG_MAPS, {}, '5', between.signal)) {
      seen.push(event.type);
      between.abort();
    }
    expect(seen).toEqual(['added']);
    await expect.poll(() => server.connections()).toBe(0);
  });

  it('close the connection when whoever watches stops taking events', async () => {
    const { server, kube } = await start((_, response) => {
      begin(response);
      response.write(line('ADDED', configMap('6')) + line('ADDED', configMap('7')));
    });
    for await (const _ of kube.watch(CONFIG_MAPS, {}, '5', forever)) break;
    await expect.poll(() => server.connections()).toBe(0);
  });

  it('read no further than what has been taken', async () => {
    const big = line('ADDED', configMap('6', { blob: 'x'.repeat(64 * 1024) }));
    const total = 1000;
    let written = 0;
    let stalled = false;
    const { kube } = await start(async (_, response) => {
      begin(response);
      for (; written < total; written++) {
        if (response.write(big)) continue;
        const stall = setTimeout(() => {
          stalled = true;
        }, 200);
        await once(response, 'drain');
        clearTimeout(stall);
      }
      response.end();
    });
    let seen = 0;
    for await (const _ of kube.watch(CONFIG_MAPS, {}, '5', forever)) {
      // The first is not let go until the server can send no more.
      if (seen++ === 0) await expect.poll(() => stalled, { timeout: 10_000 }).toBe(true);
      if (seen === 1) expect(written).toBeLessThan(total);
    }
    expect(seen).toBe(total);
  });
});
