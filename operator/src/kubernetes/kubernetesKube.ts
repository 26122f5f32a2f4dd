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
import type { ApiClient, ApiRequest } from './apiClient.ts';
import type { EventRecorder } from './eventRecorder.ts';
import { objectOf, pageOf } from './objects.ts';
import { collectionPath, labelSelector, objectPath } from './paths.ts';
import { watchStream } from './watchStream.ts';

export interface KubernetesKubeOptions {
  readonly client: ApiClient;
  readonly events: EventRecorder;
  /** Default: synccluster-operator. */
  readonly fieldManager?: string;
  /** Objects asked for at once. Default 500. */
  readonly pageSize?: number;
  /** The server ends a watch after this, or up to twice this, so that not all end together. Default 300. */
  readonly watchSeconds?: number;
  /** A watch without a word for longer is given up; servers send a bookmark every minute or two. Default 180000. */
  readonly watchSilenceMs?: number;
  /** In place of the client's. */
  readonly timeoutMs?: number;
}

const FIELD_MANAGER = 'synccluster-operator';
const PROPAGATION = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const;

/** The Kube port over an API server. */
export class KubernetesKube implements KubePort {
  readonly #client: ApiClient;
  readonly #options: KubernetesKubeOptions;
  readonly #fieldManager: string;

  constructor(options: KubernetesKubeOptions) {
    this.#client = options.client;
    this.#options = options;
    this.#fieldManager = options.fieldManager ?? FIELD_MANAGER;
  }

  async get<T extends KubeObject>(resource: Resource<T>, key: Key): Promise<T | null> {
    const path = objectPath(resource, key);
    try {
      return objectOf<T>(await this.#json({ method: 'GET', path }), identityOf(resource), path);
    } catch (error) {
      if (error instanceof KubeError && error.code === 'NotFound') return null;
      throw error;
    }
  }

  async list<T extends KubeObject>(resource: Resource<T>, selector: Selector = {}): Promise<List<T>> {
    try {
      return await this.#listPaged(resource, selector, String(this.#options.pageSize ?? 500));
    } catch (error) {
      if (!(error instanceof KubeError && error.code === 'Gone')) throw error;
      // The pages became too old while they were read: all of it at once cannot.
      return await this.#listPaged(resource, selector, undefined);
    }
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    selector: Selector,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>> {
    const seconds = this.#options.watchSeconds ?? 300;
    const request: ApiRequest = {
      method: 'GET',
      path: collectionPath(resource, selector.namespace),
      query: {
        watch: 'true',
        resourceVersion,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(Math.ceil(seconds * (1 + Math.random()))),
        labelSelector: labelSelector(selector.labels),
      },
      ...this.#timeout,
    };
    const silenceMs = this.#options.watchSilenceMs ?? 180_000;
    yield* watchStream<T>(this.#client, request, identityOf(resource), silenceMs, signal);
  }

  async apply<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const path = objectPath(resource, object.metadata);
    const body = await this.#bound(resource, checked(resource, object));
    try {
      const answer = await this.#json({
        method: 'PATCH',
        path,
        query: { fieldManager: this.#fieldManager, force: 'true' },
        // Every JSON text is YAML too.
        contentType: 'application/apply-patch+yaml',
        body,
      });
      return objectOf<T>(answer, identityOf(resource), path);
    } catch (error) {
      // For a server that is a change of an immutable field: the object is another one of the same name.
      const another =
        error instanceof KubeError && error.code === 'Invalid' && /metadata\.uid/.test(error.message);
      throw another ? new KubeError('Conflict', error.message, { cause: error }) : error;
    }
  }

  async create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    // Checks the name too, which is not part of the path.
    objectPath(resource, object.metadata);
    const path = collectionPath(resource, object.metadata.namespace || undefined);
    const answer = await this.#json({
      method: 'POST',
      path,
      query: { fieldManager: this.#fieldManager },
      body: checked(resource, object),
    });
    return objectOf<T>(answer, identityOf(resource), path);
  }

  async updateStatus<T extends KubeObject & { status?: unknown }>(
    resource: Resource<T>,
    object: T,
  ): Promise<T> {
    const path = objectPath(resource, object.metadata, 'status');
    const answer = await this.#json({
      method: 'PUT',
      path,
      query: { fieldManager: this.#fieldManager },
      body: checked(resource, object),
    });
    return objectOf<T>(answer, identityOf(resource), path);
  }

  async scale<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    replicas: number,
    preconditions: Preconditions,
  ): Promise<void> {
    await this.#json({
      method: 'PUT',
      path: objectPath(resource, key, 'scale'),
      query: { fieldManager: this.#fieldManager },
      body: {
        apiVersion: 'autoscaling/v1',
        kind: 'Scale',
        metadata: { ...key, ...conditionsOf(preconditions) },
        spec: { replicas },
      },
    });
  }

  async delete<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    options: Preconditions & { readonly propagation?: Propagation } = {},
  ): Promise<void> {
    const preconditions = conditionsOf(options);
    try {
      await this.#json({
        method: 'DELETE',
        path: objectPath(resource, key),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          // Always said: left to itself a server orphans the pods of a Job.
          propagationPolicy: PROPAGATION[options.propagation ?? 'background'],
          ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
        },
      });
    } catch (error) {
      if (!(error instanceof KubeError && error.code === 'NotFound')) throw error;
    }
  }

  event(record: EventRecord): void {
    this.#options.events.record(record);
  }

  /**
   * A condition on a version cannot hold for what is gone, but a server ignores the version when it has to create. A
   * uid it does not ignore.
   */
  async #bound<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const { resourceVersion, uid } = object.metadata;
    if (resourceVersion === undefined || uid !== undefined) return object;
    const live = await this.get(resource, object.metadata);
    if (live?.metadata.uid === undefined || live.metadata.resourceVersion !== resourceVersion)
      throw new KubeError(
        'Conflict',
        `${resource.kind} ${object.metadata.name} is not there as of version ${resourceVersion} any more`,
      );
    return { ...object, metadata: { ...object.metadata, uid: live.metadata.uid } };
  }

  async #listPaged<T extends KubeObject>(
    resource: Resource<T>,
    selector: Selector,
    limit: string | undefined,
  ): Promise<List<T>> {
    const path = collectionPath(resource, selector.namespace);
    const items: T[] = [];
    let resourceVersion: string | null = null;
    let next: string | undefined;
    do {
      const query = { limit, continue: next, labelSelector: labelSelector(selector.labels) };
      const page = pageOf(await this.#json({ method: 'GET', path, query }), path);
      for (const item of page.items) items.push(objectOf<T>(item, identityOf(resource), path));
      // All pages are of the moment of the first.
      resourceVersion ??= page.resourceVersion;
      next = page.next;
    } while (next !== undefined);
    return { items, resourceVersion };
  }

  #json(request: ApiRequest): Promise<unknown> {
    return this.#client.json({ ...request, ...this.#timeout });
  }
  get #timeout(): { timeoutMs?: number } {
    const { timeoutMs } = this.#options;
    return timeoutMs === undefined ? {} : { timeoutMs };
  }
}

function identityOf({ apiVersion, kind }: Resource<KubeObject>): Pick<KubeObject, 'apiVersion' | 'kind'> {
  return { apiVersion, kind };
}

function conditionsOf({ uid, resourceVersion }: Preconditions): Preconditions {
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function checked<T extends KubeObject>(resource: Resource<T>, object: T): T {
  if (object.apiVersion !== resource.apiVersion || object.kind !== resource.kind)
    throw new KubeError(
      'Invalid',
      `${object.apiVersion} ${object.kind} is no ${resource.apiVersion} ${resource.kind}`,
    );
  return object;
}
