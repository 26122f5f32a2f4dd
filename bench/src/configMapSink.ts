import { readFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigMap } from './configMap.ts';

const FIELD_MANAGER = 'synccluster-bench';
const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
const ATTEMPTS = 8;
const CALL_DEADLINE_MS = 15_000;
const BACKOFF_MAX_MS = 8_000;

/** Where results are written, and as whom. */
export interface Destination {
  readonly base: URL;
  /** Read anew for each attempt: tokens in pods are rotated. */
  token(): Promise<string>;
  readonly ca: Buffer | null;
  /** An API server takes server-side apply; the door of the local runtime takes PUT. */
  readonly style: 'apply' | 'put';
}

/** Thrown when neither a pod's service account nor the local runtime's variables are there. */
export class NoDestinationError extends Error {
  constructor() {
    super(
      '--results-configmap: not in a pod with a service account, and SYNCCLUSTER_LOCAL_API and SYNCCLUSTER_LOCAL_TOKEN are not set',
    );
    this.name = 'NoDestinationError';
  }
}

export async function findDestination(
  env: Readonly<Record<string, string | undefined>>,
  serviceAccountDir = SERVICE_ACCOUNT_DIR,
): Promise<Destination> {
  const local = env['SYNCCLUSTER_LOCAL_API'];
  const localToken = env['SYNCCLUSTER_LOCAL_TOKEN'];
  if (local !== undefined && local !== '') {
    if (localToken === undefined || localToken === '') {
      throw new Error('SYNCCLUSTER_LOCAL_API is set, SYNCCLUSTER_LOCAL_TOKEN is not');
    }
    return { base: new URL(local), token: async () => localToken, ca: null, style: 'put' };
  }
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') throw new NoDestinationError();
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  let ca: Buffer;
  try {
    ca = await readFile(`${serviceAccountDir}/ca.crt`);
  } catch {
    throw new NoDestinationError();
  }
  return {
    base: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    token: async () => (await readFile(`${serviceAccountDir}/token`, 'utf8')).trim(),
    ca,
    style: 'apply',
  };
}

/** Writes the ConfigMap; tries again what may pass (no connection, 409, 429, 5xx), and gives up at once on the rest. */
export async function writeConfigMap(
  destination: Destination,
  configMap: ConfigMap,
  options: { readonly signal?: AbortSignal; readonly firstPauseMs?: number } = {},
): Promise<void> {
  const { namespace, name } = configMap.metadata;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${encodeURIComponent(name)}`;
  const body = JSON.stringify(configMap);
  let pauseMs = options.firstPauseMs ?? 250;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    let complaint: string;
    try {
      const answer = await call(destination, path, body);
      if (answer.status >= 200 && answer.status < 300) return;
      complaint = `${answer.status} ${messageOf(answer.body)}`;
      const mayPass = answer.status === 409 || answer.status === 429 || answer.status >= 500;
      if (!mayPass) throw new RefusedError(`ConfigMap ${namespace}/${name} was refused: ${complaint}`);
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      complaint = error instanceof Error ? error.message : String(error);
    }
    if (attempt === ATTEMPTS) {
      throw new Error(
        `ConfigMap ${namespace}/${name} could not be written in ${ATTEMPTS} attempts: ${complaint}`,
      );
    }
    await sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS);
  }
}

/** Thrown when the server's answer will not change. */
class RefusedError extends Error {}

async function call(
  destination: Destination,
  path: string,
  body: string,
): Promise<{ status: number; body: string }> {
  const apply = destination.style === 'apply';
  const query = apply ? `?fieldManager=${FIELD_MANAGER}&force=true` : '';
  const url = new URL(path + query, destination.base);
  const token = await destination.token();
  return await new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(
      url,
      {
        method: apply ? 'PATCH' : 'PUT',
        headers: {
          authorization: `Bearer ${token}`,
          // JSON is YAML; the server takes an apply under this type only.
          'content-type': apply ? 'application/apply-patch+yaml' : 'application/json',
          'content-length': Buffer.byteLength(body),
          accept: 'application/json',
        },
        timeout: CALL_DEADLINE_MS,
        ...(destination.ca === null ? {} : { ca: destination.ca }),
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') });
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${CALL_DEADLINE_MS / 1000} s`)));
    request.on('error', reject);
    request.end(body);
  });
}

/** The `message` of a Kubernetes Status, else the beginning of what came. */
function messageOf(body: string): string {
  try {
    const status = JSON.parse(body) as { message?: unknown };
    if (typeof status.message === 'string') return status.message;
  } catch {
    // Not JSON.
  }
  return body.slice(0, 200);
}
