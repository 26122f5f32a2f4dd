import { createHash, randomBytes } from 'node:crypto';
import { type EventRecord, KubeError } from '../runtime/kube.ts';
import type { Logger } from '../runtime/logger.ts';
import type { ApiClient, ApiRequest } from './apiClient.ts';
import { collectionPath, objectPath } from './paths.ts';

export interface EventRecorderOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** Who reports: the name of the pod. */
  readonly instance: string;
  /** Wall clock. */
  readonly now?: () => Date;
  /** Equal events within this long of the last one are counted up. Default 600000. */
  readonly windowMs?: number;
  /** How often a count is written at most. Default 10000. */
  readonly countEveryMs?: number;
}

interface Told {
  readonly record: EventRecord;
  readonly name: string;
  created: boolean;
  queued: boolean;
  count: number;
  /** Clock of the client. */
  lastMs: number;
  lastSeen: string;
  /** Takes back the timer for the next count. */
  cancel: (() => void) | null;
}

const EVENTS = { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events' };
const CONTROLLER = 'synccluster.io/operator';
/** Distinct events remembered, and of these waiting to be sent. */
const MAX_TOLD = 2048;
const MAX_QUEUED = 512;
/** What a server takes at most. */
const MAX_NOTE_BYTES = 1024;
const MAX_WORD_BYTES = 128;
const TIMEOUT_MS = 5_000;

/**
 * Tells Kubernetes events, one request at a time and never more than the queue holds: they are for people, and must
 * neither hold up nor fail the work they tell of. Equal ones become a count, which is written now and then.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #told = new Map<string, Told>();
  readonly #queue: Told[] = [];
  readonly #idle: (() => void)[] = [];
  #sending = false;
  #dropped = 0;
  #closed = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Events given up because the queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  record(record: EventRecord): void {
    if (this.#closed) return;
    try {
      this.#record(record);
    } catch (error) {
      this.#options.logger.warn({ err: error, reason: record.reason }, 'an event could not be told');
    }
  }

  /** What waits is sent, for at most `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    for (const told of this.#told.values()) {
      if (told.cancel === null) continue;
      told.cancel();
      told.cancel = null;
      this.#enqueue(told);
    }
    this.#closed = true;
    if (!this.#sending) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.client.clock.after(timeoutMs, resolve);
      this.#idle.push(() => {
        cancel();
        resolve();
      });
    });
    this.#queue.length = 0;
  }

  #record(record: EventRecord): void {
    const { client, windowMs = 600_000, countEveryMs = 10_000 } = this.#options;
    const key = keyOf(record);
    const nowMs = client.clock.now();
    const lastSeen = this.#time();
    const known = this.#told.get(key);
    if (known === undefined || nowMs - known.lastMs > windowMs) {
      known?.cancel?.();
      const told = { record: outlined(record), name: this.#nameOf(record, key), lastSeen, lastMs: nowMs };
      this.#remember(key, { ...told, created: false, queued: false, count: 1, cancel: null });
      return;
    }
    known.count++;
    known.lastMs = nowMs;
    known.lastSeen = lastSeen;
    // Moved to the end: the first is the one heard of least recently.
    this.#told.delete(key);
    this.#told.set(key, known);
    if (known.queued || known.cancel !== null) return;
    known.cancel = client.clock.after(countEveryMs, () => {
      known.cancel = null;
      this.#enqueue(known);
    });
  }

  #remember(key: string, told: Told): void {
    this.#told.delete(key);
    for (const [oldest, old] of this.#told) {
      if (this.#told.size < MAX_TOLD) break;
      old.cancel?.();
      this.#told.delete(oldest);
    }
    this.#told.set(key, told);
    this.#enqueue(told);
  }

  #enqueue(told: Told): void {
    if (told.queued) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#dropped++;
      return;
    }
    told.queued = true;
    this.#queue.push(told);
    if (this.#sending) return;
    this.#sending = true;
    void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    for (let told = this.#queue.shift(); told !== undefined; told = this.#queue.shift()) {
      told.queued = false;
      try {
        await this.#send(told);
      } catch (error) {
        const { regarding, reason } = told.record;
        this.#options.logger.warn(
          { err: error, reason, object: `${regarding.metadata.namespace}/${regarding.metadata.name}` },
          'an event could not be told',
        );
      }
    }
    this.#sending = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #send(told: Told): Promise<void> {
    const { client } = this.#options;
    if (told.created) {
      try {
        await client.json(this.#countOf(told));
        return;
      } catch (error) {
        // Events expire: this one is told anew.
        if (!(error instanceof KubeError && error.code === 'NotFound')) throw error;
      }
    }
    try {
      await client.json(this.#creationOf(told));
    } catch (error) {
      // A creation whose answer was lost.
      if (!(error instanceof KubeError && error.code === 'AlreadyExists')) throw error;
    }
    told.created = true;
  }

  #creationOf({ record, name, count, lastSeen }: Told): ApiRequest {
    const { regarding, type, reason, action, note } = record;
    const { namespace, uid, resourceVersion } = regarding.metadata;
    return {
      method: 'POST',
      path: collectionPath(EVENTS, namespaceOf(record)),
      timeoutMs: TIMEOUT_MS,
      body: {
        apiVersion: EVENTS.apiVersion,
        kind: EVENTS.kind,
        metadata: { name, namespace: namespaceOf(record) },
        eventTime: lastSeen,
        ...(count === 1 ? {} : { series: { count, lastObservedTime: lastSeen } }),
        type,
        reason: cut(reason, MAX_WORD_BYTES),
        action: cut(action, MAX_WORD_BYTES),
        note: cut(note, MAX_NOTE_BYTES),
        reportingController: CONTROLLER,
        reportingInstance: cut(this.#options.instance, MAX_WORD_BYTES),
        regarding: {
          apiVersion: regarding.apiVersion,
          kind: regarding.kind,
          namespace,
          name: regarding.metadata.name,
          uid,
          resourceVersion,
        },
      },
    };
  }

  #countOf({ record, name, count, lastSeen }: Told): ApiRequest {
    return {
      method: 'PATCH',
      path: objectPath(EVENTS, { namespace: namespaceOf(record), name }),
      timeoutMs: TIMEOUT_MS,
      contentType: 'application/merge-patch+json',
      body: { series: { count, lastObservedTime: lastSeen } },
    };
  }

  #nameOf(record: EventRecord, key: string): string {
    const { name } = record.regarding.metadata;
    return `${name.slice(0, 200)}.${key.slice(0, 8)}${randomBytes(4).toString('hex')}`;
  }

  /** Kubernetes' times of events have microseconds. */
  #time(): string {
    const now = this.#options.now?.() ?? new Date();
    return now.toISOString().replace('Z', '000Z');
  }
}

function keyOf({ regarding, type, reason, action, note }: EventRecord): string {
  const { namespace, name, uid } = regarding.metadata;
  return createHash('sha256')
    .update(
      JSON.stringify([
        regarding.apiVersion,
        regarding.kind,
        namespace,
        name,
        uid,
        type,
        reason,
        action,
        note,
      ]),
    )
    .digest('hex');
}

/** What is remembered for minutes must not keep whole objects. */
function outlined(record: EventRecord): EventRecord {
  const { apiVersion, kind, metadata } = record.regarding;
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    ...record,
    regarding: {
      apiVersion,
      kind,
      metadata: {
        name,
        namespace,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    },
  };
}

function namespaceOf({ regarding }: EventRecord): string {
  return regarding.metadata.namespace || 'default';
}

/** At most so many bytes of UTF-8, characters whole. */
function cut(text: string, maxBytes: number): string {
  const whole = text.toWellFormed();
  if (Buffer.byteLength(whole) <= maxBytes) return whole;
  const bytes = Buffer.from(whole).subarray(0, maxBytes - 3);
  return `${new TextDecoder().decode(bytes).replace(/\uFFFD+$/, '')}…`;
}
