import { createHash, randomBytes } from 'node:crypto';
import {
  type EventRecord,
  type Key,
  KubeError,
  type KubeObject,
  type KubePort,
  type List,
  type Preconditions,
  type Propagation,
  type Resource,
  type Selector,
  type WatchEvent,
} from '../runtime/kube.ts';
import { copy, type JsonObject, numberAt, toJsonObject } from './json.ts';
import { EVENTS, type Kind } from './kinds.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';
import type { WatchOptions } from './watchHistory.ts';

/** Equal events within this window are counted up. */
const EVENT_WINDOW_MS = 10 * 60_000;
const MAX_EVENTS = 1000;

/** The Kube port over an `ObjectStore`: one client, one field manager. */
export class LocalKube implements KubePort {
  readonly #store: ObjectStore;
  readonly #manager: string;
  readonly #watch: WatchOptions;

  constructor(store: ObjectStore, manager: string, watch: WatchOptions) {
    this.#store = store;
    this.#manager = manager;
    this.#watch = watch;
  }

  async get<T extends KubeObject>(resource: Resource<T>, key: Key): Promise<T | null> {
    const kind = this.#store.kinds.ofResource(resource);
    const found = kind === undefined ? null : this.#store.get(kind, key);
    return found === null ? null : outward<T>(found);
  }

  async list<T extends KubeObject>(resource: Resource<T>, selector: Selector = {}): Promise<List<T>> {
    const objects = this.#store.list(this.#kind(resource), selector);
    return {
      items: objects.map((object) => outward<T>(object)),
      resourceVersion: this.#store.resourceVersion,
    };
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    selector: Selector,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>> {
    const kind = this.#kind(resource);
    for await (const event of this.#store.history.watch(
      kind,
      selector,
      resourceVersion,
      signal,
      this.#watch,
    )) {
      yield event.type === 'bookmark' ? event : { type: event.type, object: outward<T>(event.object) };
    }
  }

  async apply<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    return outward<T>(this.#store.apply(this.#kind(resource), this.#inward(resource, object), this.#manager));
  }

  async create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    return outward<T>(
      this.#store.create(this.#kind(resource), this.#inward(resource, object), this.#manager),
    );
  }

  async updateStatus<T extends KubeObject & { status?: unknown }>(
    resource: Resource<T>,
    object: T,
  ): Promise<T> {
    return outward<T>(
      this.#store.updateStatus(this.#kind(resource), this.#inward(resource, object), this.#manager),
    );
  }

  async scale<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    replicas: number,
    preconditions: Preconditions,
  ): Promise<void> {
    this.#store.scale(this.#kind(resource), key, replicas, preconditions, this.#manager);
  }

  async delete<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    options: Preconditions & { readonly propagation?: Propagation } = {},
  ): Promise<void> {
    this.#store.delete(this.#kind(resource), key, options, options.propagation);
  }

  event(record: EventRecord): void {
    try {
      recordEvent(this.#store, this.#manager, record);
    } catch {
      // Best effort, as the port says: an event must not fail the work it tells of.
    }
  }

  #kind<T extends KubeObject>(resource: Resource<T>): Kind {
    const kind = this.#store.kinds.ofResource(resource);
    if (kind === undefined) {
      throw new KubeError(
        'NotFound',
        `the server has no resource ${resource.plural} in ${resource.apiVersion}`,
      );
    }
    return kind;
  }

  #inward<T extends KubeObject>(resource: Resource<T>, object: T): JsonObject {
    if (object.apiVersion !== resource.apiVersion || object.kind !== resource.kind) {
      throw new KubeError(
        'Invalid',
        `${object.apiVersion} ${object.kind} is no ${resource.apiVersion} ${resource.kind}`,
      );
    }
    try {
      return toJsonObject(object);
    } catch (error) {
      throw new KubeError('Invalid', `${resource.kind} "${object.metadata.name}": ${String(error)}`, {
        cause: error,
      });
    }
  }
}

function outward<T extends KubeObject>(object: StoredObject): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return copy({ ...object, metadata }) as unknown as T;
}

export function recordEvent(store: ObjectStore, manager: string, record: EventRecord): void {
  const { regarding, type, reason, action, note } = record;
  const { namespace, name } = regarding.metadata;
  const identity = JSON.stringify([
    regarding.kind,
    namespace,
    name,
    regarding.metadata.uid,
    type,
    reason,
    action,
    note,
    manager,
  ]);
  const digest = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  const now = new Date().toISOString();
  const recent = store
    .list(EVENTS, { namespace, labels: { 'synccluster.io/event': digest } })
    .find((event) => Date.now() - Date.parse(String(event['lastSeen'])) < EVENT_WINDOW_MS);
  if (recent !== undefined) {
    const count = (numberAt(recent, 'series', 'count') ?? 1) + 1;
    store.update(EVENTS, { ...recent, lastSeen: now, series: { count, lastObservedTime: now } }, manager);
    return;
  }
  store.create(
    EVENTS,
    {
      metadata: {
        name: `${name.slice(0, 200)}.${digest.slice(0, 8)}${randomBytes(3).toString('hex')}`,
        namespace,
        labels: { 'synccluster.io/event': digest },
      },
      eventTime: now,
      lastSeen: now,
      type,
      reason,
      action,
      note,
      reportingController: manager,
      regarding: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        namespace,
        name,
        ...(regarding.metadata.uid === undefined ? {} : { uid: regarding.metadata.uid }),
      },
    },
    manager,
  );
  const all = store.list(EVENTS);
  if (all.length > MAX_EVENTS) {
    // The oldest tenth in one go: the list is in the order of creation.
    for (const old of all.slice(0, MAX_EVENTS / 10)) store.delete(EVENTS, old.metadata);
  }
}
