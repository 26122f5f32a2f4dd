import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { LocalKube } from '../local/localKube.ts';
import type { ObjectStore } from '../local/objectStore.ts';
import { KubeError, type KubeErrorCode, type KubeObject, type Resource } from '../runtime/kube.ts';
import { type Arrived, sendJson, sendStatus, startTestServer, type TestServer } from './testServer.ts';

const HTTP_CODES: Readonly<Record<KubeErrorCode, number>> = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Invalid: 422,
  Forbidden: 403,
  Gone: 410,
  Unavailable: 503,
};
const TYPES = { added: 'ADDED', modified: 'MODIFIED', deleted: 'DELETED' } as const;
const PROPAGATION: Readonly<Record<string, 'background' | 'foreground' | 'orphan'>> = {
  Background: 'background',
  Foreground: 'foreground',
  Orphan: 'orphan',
};

interface Target {
  readonly resource: Resource<KubeObject>;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/**
 * The HTTP side of an API server over the local runtime's objects: enough of it to check that what the port sends means
 * what the port promises, where there is no real server.
 */
export function startLocalApiServer(store: ObjectStore, watchLifetimeMs: number): Promise<TestServer> {
  return startTestServer(async (arrived, response) => {
    try {
      await answer(store, watchLifetimeMs, arrived, response);
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (response.headersSent) {
        const status = {
          kind: 'Status',
          code: HTTP_CODES[error.code],
          reason: error.code,
          message: error.message,
        };
        response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      } else sendStatus(response, HTTP_CODES[error.code], error.code, error.message);
    }
  });
}

async function answer(
  store: ObjectStore,
  lifetimeMs: number,
  arrived: Arrived,
  response: ServerResponse,
): Promise<void> {
  const { method, query, body } = arrived;
  const { resource, namespace, name, subresource } = targetOf(store, arrived.path);
  const kube = new LocalKube(store, query.get('fieldManager') ?? 'unnamed', { lifetimeMs, bookmarkMs: 1000 });
  const selector = {
    ...(namespace === undefined ? {} : { namespace }),
    labels: labelsOf(query.get('labelSelector')),
  };
  if (name === undefined) {
    if (method === 'POST')
      return sendJson(response, 201, await kube.create(resource, object(body, namespace)));
    if (query.get('watch') !== 'true') return sendPage(response, query, await kube.list(resource, selector));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    for await (const event of kube.watch(
      resource,
      selector,
      query.get('resourceVersion') ?? '',
      gone.signal,
    )) {
      const line =
        event.type === 'bookmark'
          ? { type: 'BOOKMARK', object: { metadata: { resourceVersion: event.resourceVersion } } }
          : { type: TYPES[event.type], object: event.object };
      if (!response.write(`${JSON.stringify(line)}\n`))
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    response.end();
    return;
  }
  const key = { namespace: namespace ?? '', name };
  if (method === 'GET') {
    const found = await kube.get(resource, key);
    return found === null
      ? sendStatus(response, 404, 'NotFound', `${name} not found`)
      : sendJson(response, 200, found);
  }
  if (method === 'DELETE') {
    const { preconditions, propagationPolicy } = body as {
      preconditions?: object;
      propagationPolicy: string;
    };
    const propagation = PROPAGATION[propagationPolicy] ?? 'background';
    // The port hides that there is nothing to delete; a server does not.
    if ((await kube.get(resource, key)) === null)
      return sendStatus(response, 404, 'NotFound', `${name} not found`);
    await kube.delete(resource, key, { ...preconditions, propagation });
    return sendJson(response, 200, { kind: 'Status', status: 'Success' });
  }
  if (subresource === 'scale') {
    const { metadata, spec } = body as {
      metadata: { uid?: string; resourceVersion?: string };
      spec: { replicas: number };
    };
    const { uid, resourceVersion } = metadata;
    await kube.scale(resource, key, spec.replicas, {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    });
    return sendJson(response, 200, body);
  }
  if (subresource === 'status')
    return sendJson(response, 200, await kube.updateStatus(resource, object(body, namespace)));
  if (
    method === 'PATCH' &&
    arrived.headers['content-type'] === 'application/apply-patch+yaml' &&
    query.get('force') === 'true'
  )
    return sendJson(response, 200, await kube.apply(resource, object(body, namespace)));
  sendStatus(response, 405, 'MethodNotAllowed', `${method} ${arrived.path}`);
}

/** One object a page at most, as a hard server might. */
function sendPage(
  response: ServerResponse,
  query: URLSearchParams,
  list: { readonly items: readonly KubeObject[]; readonly resourceVersion: string },
): void {
  const start = Number(query.get('continue') ?? 0);
  const end = start + Number(query.get('limit') ?? list.items.length);
  const more = end < list.items.length;
  // Items of a list do not say what they are.
  const items = list.items.slice(start, end).map(({ apiVersion: _, kind: __, ...rest }) => rest);
  const metadata = { resourceVersion: list.resourceVersion, ...(more ? { continue: String(end) } : {}) };
  sendJson(response, 200, { kind: 'List', metadata, items });
}

function targetOf(store: ObjectStore, path: string): Target {
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const apiVersion = parts[0] === 'api' ? parts[1] : `${parts[1]}/${parts[2]}`;
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  const namespaced = rest[0] === 'namespaces';
  const [plural, name, subresource] = namespaced ? rest.slice(2) : rest;
  const kind = store.kinds.kinds.find((known) => known.apiVersion === apiVersion && known.plural === plural);
  if (kind === undefined) throw new KubeError('NotFound', 'the server could not find the requested resource');
  return { resource: kind, namespace: namespaced ? rest[1] : undefined, name, subresource };
}

function object(body: unknown, namespace: string | undefined): KubeObject {
  const given = body as KubeObject;
  if (given.metadata.namespace !== namespace)
    throw new KubeError('Invalid', 'the namespace is not that of the path');
  return given;
}

function labelsOf(selector: string | null): Record<string, string> {
  return Object.fromEntries(
    (selector ?? '')
      .split(',')
      .filter(Boolean)
      .map((pair) => pair.split('=') as [string, string]),
  );
}
