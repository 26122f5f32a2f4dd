import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { KubeError, type KubeErrorCode } from '../runtime/kube.ts';
import type { LocalLogger } from './controlLoop.ts';
import { isObject, type JsonObject, listAt, stringAt, toJsonObject } from './json.ts';
import { CONFIG_MAPS, PODS, ROLE_BINDINGS, ROLES } from './kinds.ts';
import { writeFileAtomically } from './objectFiles.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';

const MAX_BODY_BYTES = 2 * 1024 * 1024;
const STATUS: Readonly<Record<KubeErrorCode, number>> = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Invalid: 422,
  Forbidden: 403,
  Gone: 410,
  Unavailable: 503,
};

/**
 * The one thing pods may do to the store, over HTTP on loopback: write a ConfigMap that their service account's Role
 * names. A pod's token holds for its life, and port and key are kept in a file: a pod that outlives this process
 * finds the door of the next one where it was.
 */
export class Door {
  readonly url: string;
  readonly #server: Server;
  readonly #store: ObjectStore;
  readonly #key: Buffer;

  private constructor(server: Server, url: string, store: ObjectStore, key: Buffer) {
    this.#server = server;
    this.url = url;
    this.#store = store;
    this.#key = key;
  }

  static async open(store: ObjectStore, directory: string, logger: LocalLogger): Promise<Door> {
    const path = join(directory, 'door.json');
    const kept = readKept(path);
    const key = kept?.key ?? randomBytes(32);
    let door: Door | null = null;
    const server = createServer((request, response) => {
      void door?.answer(request, response).catch((error: unknown) => {
        logger.warn({ err: error }, 'a request of a pod failed');
        response.destroy();
      });
    });
    server.requestTimeout = 10_000;
    // Whoever has the port meanwhile keeps it: then pods started before get no answer.
    const port = (kept === null ? null : await listen(server, kept.port)) ?? (await listen(server, 0));
    if (port === null) throw new Error('no free port on 127.0.0.1');
    writeFileAtomically(path, JSON.stringify({ port, key: key.toString('hex') }), 0o600);
    door = new Door(server, `http://127.0.0.1:${port}`, store, key);
    return door;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  tokenOf(pod: StoredObject): string {
    const { namespace, name, uid } = pod.metadata;
    const subject = Buffer.from(`${namespace}/${name}/${uid}`).toString('base64url');
    return `${subject}.${createHmac('sha256', this.#key).update(subject).digest('base64url')}`;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const written = await this.#write(request);
      reply(response, 200, written);
    } catch (error) {
      const code = error instanceof KubeError ? error.code : 'Invalid';
      reply(response, STATUS[code], {
        kind: 'Status',
        status: 'Failure',
        reason: code,
        message: error instanceof Error ? error.message : String(error),
      });
    }
  }

  async #write(request: IncomingMessage): Promise<JsonObject> {
    const match = /^\/api\/v1\/namespaces\/([^/?]+)\/configmaps\/([^/?]+)$/.exec(request.url ?? '');
    if (match === null || request.method !== 'PUT')
      throw new KubeError('NotFound', 'only PUT of a ConfigMap is known here');
    const [, namespace = '', name = ''] = match;
    const pod = this.#podOf(request.headers.authorization ?? '');
    if (pod === null) throw new KubeError('Forbidden', 'the bearer token is not that of a pod');
    if (pod.metadata.namespace !== namespace || !this.#mayWrite(pod, name)) {
      throw new KubeError(
        'Forbidden',
        `the service account of pod ${pod.metadata.name} may not write configmaps "${name}"`,
      );
    }
    const body = toJsonObject(JSON.parse(await readBody(request)));
    if (body['kind'] !== 'ConfigMap' || stringAt(body, 'metadata', 'name') !== name) {
      throw new KubeError('Invalid', `the body must be the ConfigMap "${name}"`);
    }
    const metadata = { ...(isObject(body['metadata']) ? body['metadata'] : {}), name, namespace };
    // Applied rather than replaced: owner references and labels that others set stay.
    const { managedFields: _, ...rest } = this.#store.apply(
      CONFIG_MAPS,
      { ...body, apiVersion: 'v1', metadata },
      `pod-${pod.metadata.name}`,
    ).metadata;
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata: rest };
  }

  #podOf(authorization: string): StoredObject | null {
    const token = /^Bearer ([\w-]+)\.([\w-]+)$/.exec(authorization);
    const subject = token?.[1] ?? '';
    const [namespace = '', name = '', uid = ''] = Buffer.from(subject, 'base64url').toString().split('/');
    const pod = this.#store.get(PODS, { namespace, name });
    if (pod === null || pod.metadata.uid !== uid) return null;
    const expected = Buffer.from(this.tokenOf(pod));
    const given = Buffer.from(authorization.slice('Bearer '.length));
    return expected.length === given.length && timingSafeEqual(expected, given) ? pod : null;
  }

  /** Whether a Role bound to the pod's service account names this ConfigMap for writing. */
  #mayWrite(pod: StoredObject, name: string): boolean {
    const { namespace } = pod.metadata;
    const account = stringAt(pod, 'spec', 'serviceAccountName') ?? 'default';
    return this.#store.list(ROLE_BINDINGS, { namespace }).some((binding) => {
      const bound = listAt(binding, 'subjects').some(
        (subject) => stringAt(subject, 'kind') === 'ServiceAccount' && stringAt(subject, 'name') === account,
      );
      const role = this.#store.get(ROLES, { namespace, name: stringAt(binding, 'roleRef', 'name') ?? '' });
      return (
        bound &&
        role !== null &&
        listAt(role, 'rules').some((rule) => {
          const has = (field: string, ...values: string[]): boolean =>
            values.some((value) => listAt(rule, field).includes(value));
          return (
            has('apiGroups', '') &&
            has('resources', 'configmaps') &&
            has('resourceNames', name) &&
            has('verbs', 'patch', 'update')
          );
        })
      );
    });
  }
}

function readKept(path: string): { port: number; key: Buffer } | null {
  if (!existsSync(path)) return null;
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isObject(value) || typeof value['port'] !== 'number' || typeof value['key'] !== 'string')
      return null;
    return { port: value['port'], key: Buffer.from(value['key'], 'hex') };
  } catch {
    return null;
  }
}

function listen(server: Server, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const failed = (): void => resolve(null);
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', failed);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : null);
    });
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new KubeError('Invalid', `a ConfigMap of more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function reply(response: ServerResponse, status: number, body: JsonObject): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
