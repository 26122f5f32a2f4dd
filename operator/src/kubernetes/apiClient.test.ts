import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../runtime/clock.ts';
import { KubeError } from '../runtime/kube.ts';
import type { ApiClient } from './apiClient.ts';
import {
  type Answer,
  clientOf,
  configFor,
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
  options: Parameters<typeof clientOf>[1] = {},
): Promise<{ server: TestServer; client: ApiClient }> {
  const server = await startTestServer(answer);
  const client = clientOf(server, options);
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  return { server, client };
}

/** Waits take no time; how long they would have been is noted. */
function impatientClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    now: () => performance.now(),
    after: (delayMs, callback) => {
      waits.push(delayMs);
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
  };
}

async function errorOf(promise: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await promise.then(
    () => new Error('went through'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KubeError);
  return error as KubeError;
}

const GET = { method: 'GET', path: '/api/v1/things' } as const;
const PUT = { method: 'PUT', path: '/api/v1/things/a', body: { a: 1 } } as const;

describe('ApiClient', () => {
  it('says who it is and sends JSON', async () => {
    const { server, client } = await start((_, response) => sendJson(response, 200, { ok: true }));
    expect(await client.json({ ...PUT, query: { x: 'a b', none: undefined } })).toEqual({ ok: true });
    const [arrived] = server.arrived;
    expect(arrived?.headers['authorization']).toBe('Bearer secret');
    expect(arrived?.headers['user-agent']).toBe('synccluster-operator/test');
    expect(arrived?.headers['content-type']).toBe('application/json');
    expect([...(arrived?.query ?? [])]).toEqual([['x', 'a b']]);
    expect(arrived?.body).toEqual({ a: 1 });
  });

  it('keeps the path of a server behind a gateway', async () => {
    const server = await startTestServer((_, response) => sendJson(response, 200, {}));
    const client = clientOf({ url: `${server.url}/k8s/clusters/c-1/` });
    closers.push(
      () => client.close(),
      () => server.close(),
    );
    await client.json(GET);
    expect(server.arrived[0]?.path).toBe('/k8s/clusters/c-1/api/v1/things');
  });

  it.each([
    [404, 'NotFound', 'NotFound'],
    [409, 'AlreadyExists', 'AlreadyExists'],
    [409, 'Conflict', 'Conflict'],
    [422, 'Invalid', 'Invalid'],
    [400, 'BadRequest', 'Invalid'],
    [403, 'Forbidden', 'Forbidden'],
    [410, 'Expired', 'Gone'],
    [500, 'InternalError', 'Unavailable'],
    [503, 'ServiceUnavailable', 'Unavailable'],
    [504, 'Timeout', 'Unavailable'],
  ])('tells %i %s as %s, in the words of the server', async (code, reason, expected) => {
    const { client } = await start((_, response) => sendStatus(response, code, reason, 'spec.members: no'));
    const error = await errorOf(client.json(PUT));
    expect(error.code).toBe(expected);
    expect(error.message).toBe('PUT /api/v1/things/a: spec.members: no');
  });

  it('tells a field that the schema does not know as invalid, not as worth another try', async () => {
    const message = 'failed to create typed patch object (default/a): .spec.x: field not declared in schema';
    const { client } = await start((_, response) => sendStatus(response, 500, '', message));
    expect((await errorOf(client.json(PUT))).code).toBe('Invalid');
  });

  it.each([
    [502, '<html>bad gateway</html>', 'Unavailable', /HTTP 502: <html>bad gateway/],
    [404, '404 page not found\n', 'NotFound', /HTTP 404: 404 page not found$/],
    [409, '', 'Conflict', /HTTP 409$/],
    [500, 'null', 'Unavailable', /HTTP 500: null/],
  ])('makes sense of %i with %j', async (code, body, expected, message) => {
    const { client } = await start((_, response) => {
      response.writeHead(code).end(body);
    });
    const error = await errorOf(client.json(PUT));
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(message);
  });

  it('finds an answer that is no JSON unavailable', async () => {
    const { client } = await start((_, response) => void response.end('<html>'));
    const error = await errorOf(client.json(GET));
    expect(error.code).toBe('Unavailable');
    expect(error.message).toContain('no JSON');
  });

  it('finds what cannot be sent invalid, without sending', async () => {
    const { server, client } = await start((_, response) => sendJson(response, 200, {}));
    const body: Record<string, unknown> = {};
    body['self'] = body;
    expect((await errorOf(client.json({ ...PUT, body }))).code).toBe('Invalid');
    expect(server.arrived).toHaveLength(0);
  });

  it('waits as long as a busy server asks, writes too', async () => {
    const clock = impatientClock();
    const { server, client } = await start(
      (_, response) => {
        if (server.arrived.length < 3) {
          response.setHeader('retry-after', '7');
          sendStatus(response, 429, 'TooManyRequests', 'too many');
        } else sendJson(response, 200, { n: server.arrived.length });
      },
      { clock },
    );
    expect(await client.json(PUT)).toEqual({ n: 3 });
    expect(clock.waits).toEqual([7000, 7000]);
  });

  it('gives up on a server that stays busy, asks for much, or does not say for how long', async () => {
    let after: string | null = '1';
    const clock = impatientClock();
    const { server, client } = await start(
      (_, response) => {
        if (after !== null) response.setHeader('retry-after', after);
        sendStatus(response, 429, 'TooManyRequests', 'too many');
      },
      { clock },
    );
    expect((await errorOf(client.json(PUT))).code).toBe('Unavailable');
    expect(server.arrived).toHaveLength(4);
    for (after of ['3600', null]) expect((await errorOf(client.json(PUT))).code).toBe('Unavailable');
    expect(server.arrived).toHaveLength(6);
    // No wait is longer than the request itself may take.
    after = '7';
    await errorOf(client.json({ ...PUT, timeoutMs: 5000 }));
    expect(server.arrived).toHaveLength(7);
  });

  it('reads again after a broken connection, and never writes again', async () => {
    const { server, client } = await start((arrived, response) => {
      if (server.arrived.length === 3) return sendJson(response, 200, { ok: true });
      arrived.request.socket.destroy();
    });
    expect(await client.json(GET)).toEqual({ ok: true });
    expect(server.arrived).toHaveLength(3);
    server.arrived.length = 0;
    expect((await errorOf(client.json(PUT))).code).toBe('Unavailable');
    expect(server.arrived).toHaveLength(1);
  });

  it('finds a server that is not there unavailable', async () => {
    const { server, client } = await start(() => {});
    await server.close();
    const error = await errorOf(client.json(GET));
    expect(error.code).toBe('Unavailable');
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('gives up on a server that does not answer, or stops in the middle', async () => {
    let half = false;
    const { server, client } = await start(
      (_, response) => {
        if (half) {
          response.writeHead(200);
          response.write('{"a":');
        }
      },
      { timeoutMs: 50 },
    );
    for (half of [false, true]) {
      const error = await errorOf(client.json(GET));
      expect(error.code).toBe('Unavailable');
      expect(error.message).toContain('no answer in time');
    }
    expect(server.arrived).toHaveLength(2);
  });

  it('logs in anew once when the server does not know it any more', async () => {
    let known = 'second';
    let loads = 0;
    const { server, client } = await start((arrived, response) => {
      if (arrived.headers['authorization'] === `Bearer ${known}`) sendJson(response, 200, { ok: true });
      else sendStatus(response, 401, 'Unauthorized', 'who?');
    });
    const other = clientOf(server, {
      load: () => configFor(server.url, ['first', 'second', 'third'][loads++] ?? 'last'),
    });
    closers.push(() => other.close());
    // Requests at the same time cause one new login.
    expect(await Promise.all([other.json(PUT), other.json(PUT), other.json(GET)])).toEqual(
      Array(3).fill({ ok: true }),
    );
    expect(loads).toBe(2);
    // Refused again right after: no storm of logins.
    known = 'never';
    expect((await errorOf(other.json(PUT))).code).toBe('Forbidden');
    expect((await errorOf(other.json(PUT))).message).toContain('who?');
    expect(loads).toBe(2);
    expect((await errorOf(client.json(GET))).code).toBe('Forbidden');
  });

  it('gives up on a login that takes too long', async () => {
    const config = configFor('http://127.0.0.1:1');
    config.applyToHTTPSOptions = () => new Promise(() => {});
    const client = clientOf({ url: '' }, { load: () => config, timeoutMs: 20 });
    closers.push(() => client.close());
    const error = await errorOf(client.json(GET));
    expect(error.code).toBe('Unavailable');
    expect(error.message).toContain('no credentials in time');
  });

  it('does not open a connection for each request', async () => {
    const { server, client } = await start((_, response) => sendJson(response, 200, {}));
    for (let i = 0; i < 20; i++) await client.json(GET);
    // The pool may open another while the last answer is still being read to its end.
    expect(await server.connections()).toBeLessThanOrEqual(3);
  });

  it('ends what is under way when it is closed', async () => {
    const { client } = await start(() => {});
    const pending = errorOf(client.json(GET));
    await new Promise((resolve) => setImmediate(resolve));
    await client.close();
    expect((await pending).code).toBe('Unavailable');
    expect((await errorOf(client.json(PUT))).message).toContain('closed');
  });
});
