import { KubeError, type KubeObject, type WatchEvent } from '../runtime/kube.ts';
import type { ApiClient, ApiRequest } from './apiClient.ts';
import { LineSplitter } from './lineSplitter.ts';
import { objectOf } from './objects.ts';
import { watchRefusal } from './statusErrors.ts';

const TYPES: Readonly<Record<string, 'added' | 'modified' | 'deleted'>> = {
  ADDED: 'added',
  MODIFIED: 'modified',
  DELETED: 'deleted',
};

/**
 * The events of one watch request. A connection that breaks, ends or falls silent just ends it: whoever watches goes
 * on from the last version. Bytes are read only when the last event has been taken.
 */
export async function* watchStream<T extends KubeObject>(
  client: ApiClient,
  request: ApiRequest,
  identity: Pick<KubeObject, 'apiVersion' | 'kind'>,
  silenceMs: number,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  if (signal.aborted) return;
  const attempt = new AbortController();
  const end = () => attempt.abort();
  signal.addEventListener('abort', end, { once: true });
  try {
    const what = `watch ${request.path}`;
    const chunks = await open(client, request, attempt.signal, signal);
    const lines = new LineSplitter();
    while (chunks !== null) {
      const cancel = client.clock.after(silenceMs, end);
      const chunk = await nextOf(chunks);
      cancel();
      if (chunk === null) return;
      for (const line of lines.push(chunk)) {
        if (signal.aborted) return;
        const event = eventOf<T>(line, identity, what);
        if (event !== null) yield event;
      }
    }
  } finally {
    signal.removeEventListener('abort', end);
    attempt.abort();
  }
}

async function open(
  client: ApiClient,
  request: ApiRequest,
  attempt: AbortSignal,
  outer: AbortSignal,
): Promise<AsyncIterator<Buffer> | null> {
  try {
    const body = await client.stream(request, attempt);
    return body[Symbol.asyncIterator]();
  } catch (error) {
    if (outer.aborted) return null;
    throw error;
  }
}

/** Null: nothing more comes, for whatever reason. A line begun and not ended is lost, and is sent again. */
async function nextOf(chunks: AsyncIterator<Buffer>): Promise<Buffer | null> {
  try {
    const next = await chunks.next();
    return next.done === true ? null : next.value;
  } catch {
    return null;
  }
}

function eventOf<T extends KubeObject>(
  line: string,
  identity: Pick<KubeObject, 'apiVersion' | 'kind'>,
  what: string,
): WatchEvent<T> | null {
  let event: { type?: unknown; object?: unknown } | null;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new KubeError('Unavailable', `${what}: not JSON: ${line.slice(0, 200)}`, { cause: error });
  }
  const type = typeof event?.type === 'string' ? event.type : '';
  if (type === 'ERROR') throw watchRefusal(event?.object, what);
  if (type === 'BOOKMARK') {
    const { metadata } = (event?.object ?? {}) as { metadata?: { resourceVersion?: unknown } };
    const version = metadata?.resourceVersion;
    return typeof version === 'string' ? { type: 'bookmark', resourceVersion: version } : null;
  }
  const known = TYPES[type];
  return known === undefined ? null : { type: known, object: objectOf<T>(event?.object, identity, what) };
}
