import type { EventRecord, Preconditions, Selector, WatchEvent } from '../runtime/kube.ts';
import {
  type Key,
  KubeError,
  type KubeObject,
  type KubePort,
  type List,
  type Resource,
} from '../runtime/kube.ts';

type Stored = KubeObject & { spec?: unknown; status?: unknown };

/** An API server in memory, as far as reconcilers can tell: versions, uids, preconditions, merging apply, watches. */
export class FakeKube implements KubePort {
  readonly events: EventRecord[] = [];
  readonly #objects = new Map<string, Stored>();
  readonly #watchers = new Set<(event: WatchEvent<KubeObject> & { kind: string }) => void>();
  #version = 0;
  #uid = 0;
  /** Called with each write before it happens; may throw instead. */
  onWrite: (verb: string, kind: string, name: string) => void = () => {};

  async get<T extends KubeObject>(resource: Resource<T>, key: Key): Promise<T | null> {
    return this.peek(resource, key);
  }
  peek<T extends KubeObject>(resource: Resource<T>, { namespace, name }: Key): T | null {
    const found = this.#objects.get(`${resource.kind}/${namespace}/${name}`);
    return found === undefined ? null : (found as unknown as T);
  }
  async list<T extends KubeObject>(resource: Resource<T>, selector: Selector = {}): Promise<List<T>> {
    return { items: this.all(resource, selector), resourceVersion: String(this.#version) };
  }
  all<T extends KubeObject>(resource: Resource<T>, { namespace, labels }: Selector = {}): T[] {
    return [...this.#objects.values()]
      .filter((object) => object.kind === resource.kind)
      .filter((object) => namespace === undefined || object.metadata.namespace === namespace)
      .filter((object) =>
        Object.entries(labels ?? {}).every(([key, value]) => object.metadata.labels?.[key] === value),
      )
      .map((object) => object as unknown as T);
  }
  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    selector: Selector,
    _from: string,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>> {
    const waiting: WatchEvent<T>[] = [];
    let wake: () => void = () => {};
    const listener = (event: WatchEvent<KubeObject> & { kind: string }) => {
      if (event.kind !== resource.kind) return;
      if (
        event.type !== 'bookmark' &&
        selector.namespace !== undefined &&
        event.object.metadata.namespace !== selector.namespace
      )
        return;
      waiting.push(event as unknown as WatchEvent<T>);
      wake();
    };
    this.#watchers.add(listener);
    try {
      while (!signal.aborted) {
        const event = waiting.shift();
        if (event !== undefined) yield event;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
        }
      }
    } finally {
      this.#watchers.delete(listener);
    }
  }
  async apply<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    this.onWrite('apply', object.kind, object.metadata.name);
    const live = this.peek<Stored>(resource as unknown as Resource<Stored>, object.metadata);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && live?.metadata.resourceVersion !== resourceVersion) throw conflict();
    return this.put((live === null ? object : merge(live, object)) as Stored) as unknown as T;
  }
  async create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    this.onWrite('create', object.kind, object.metadata.name);
    if (this.peek(resource, object.metadata) !== null)
      throw new KubeError('AlreadyExists', object.metadata.name);
    return this.put(object as Stored) as unknown as T;
  }
  async updateStatus<T extends KubeObject & { status?: unknown }>(
    resource: Resource<T>,
    object: T,
  ): Promise<T> {
    this.onWrite('updateStatus', object.kind, object.metadata.name);
    const live = this.peek<Stored>(resource as unknown as Resource<Stored>, object.metadata);
    if (live === null) throw new KubeError('NotFound', object.metadata.name);
    if (live.metadata.resourceVersion !== object.metadata.resourceVersion) throw conflict();
    return this.put({ ...live, status: object.status }) as unknown as T;
  }
  async scale<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    replicas: number,
    preconditions: Preconditions,
  ): Promise<void> {
    this.onWrite('scale', resource.kind, key.name);
    const live = this.peek<Stored>(resource as unknown as Resource<Stored>, key);
    if (live === null) throw new KubeError('NotFound', key.name);
    if (live.metadata.resourceVersion !== preconditions.resourceVersion) throw conflict();
    this.put({ ...live, spec: { ...(live.spec as object), replicas } });
  }
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    options: Preconditions = {},
  ): Promise<void> {
    this.onWrite('delete', resource.kind, key.name);
    const live = this.peek(resource, key);
    if (live === null) return;
    if (options.uid !== undefined && options.uid !== live.metadata.uid) throw conflict();
    this.remove(resource, key);
  }
  event(record: EventRecord): void {
    this.events.push(record);
  }

  /** Writes without the checks that the operator is subject to: the hand of controllers and of people. */
  put(object: Stored): Stored {
    const key = `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
    const before = this.#objects.get(key);
    const metadata = { ...object.metadata };
    metadata.uid ??= `uid-${++this.#uid}`;
    metadata.resourceVersion = String(++this.#version);
    const respecified = JSON.stringify(before?.spec) !== JSON.stringify(object.spec);
    metadata.generation = (before?.metadata.generation ?? 0) + (respecified ? 1 : 0);
    const stored = frozen(structuredClone({ ...object, metadata }));
    this.#objects.set(key, stored);
    this.#tell({ type: before === undefined ? 'added' : 'modified', object: stored, kind: object.kind });
    return stored;
  }
  remove(resource: Resource<KubeObject>, { namespace, name }: Key): void {
    const key = `${resource.kind}/${namespace}/${name}`;
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#version++;
    this.#tell({ type: 'deleted', object, kind: object.kind });
  }
  #tell(event: WatchEvent<KubeObject> & { kind: string }): void {
    for (const watcher of this.#watchers) watcher(event);
  }
}

/** Whoever changes what it read finds out at once. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) frozen(field);
  }
  return value;
}

function conflict(): KubeError {
  return new KubeError('Conflict', 'the object has been modified');
}
function merge(live: unknown, applied: unknown): unknown {
  if (!isRecord(live) || !isRecord(applied)) return applied;
  const out: Record<string, unknown> = { ...live };
  for (const [key, value] of Object.entries(applied)) {
    if (value !== undefined && key !== 'resourceVersion') out[key] = merge(live[key], value);
  }
  return out;
}
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
