import { randomUUID } from 'node:crypto';
import { type Key, KubeError, type Preconditions, type Propagation, type Selector } from '../runtime/kube.ts';
import { admit } from './admission.ts';
import { applyMerge, type FieldManager, ownedAfterUpdate } from './applyMerge.ts';
import { builtInDefaults } from './defaults.ts';
import { copy, equal, isObject, type Json, type JsonObject, numberAt, stringAt, withAt } from './json.ts';
import type { Kind, KindRegistry } from './kinds.ts';
import { ObjectFiles } from './objectFiles.ts';
import {
  finalizersOf,
  isDeleting,
  keyOf,
  matchesLabels,
  type StoredMetadata,
  type StoredObject,
} from './objects.ts';
import { withDefaults } from './schema.ts';
import { type Change, WatchHistory } from './watchHistory.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

export interface ObjectStoreOptions {
  readonly directory: string;
  readonly kinds: KindRegistry;
  /** Changes kept for watches. @default 1024 */
  readonly historyLimit?: number;
  readonly onDamaged?: (path: string, reason: string) => void;
}

/**
 * The objects, in memory and in files, with the rules of an API server. Every write is synchronous: checked whole,
 * written to its file, then visible; so no two writes ever interleave. Objects handed out are never changed later and
 * must not be changed by who gets them.
 */
export class ObjectStore {
  readonly kinds: KindRegistry;
  readonly history: WatchHistory;
  readonly #files: ObjectFiles;
  readonly #objects = new Map<Kind, Map<string, StoredObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  #version: number;

  constructor(options: ObjectStoreOptions) {
    this.kinds = options.kinds;
    this.#files = new ObjectFiles(options.directory);
    const loaded = this.#files.load(options.kinds.kinds, options.onDamaged ?? (() => undefined));
    for (const kind of options.kinds.kinds) this.#objects.set(kind, new Map());
    for (const [kind, object] of loaded.objects) this.#of(kind).set(mapKey(keyOf(object)), object);
    this.#version = loaded.version;
    this.history = new WatchHistory(loaded.version, options.historyLimit ?? 1024);
  }

  get resourceVersion(): string {
    return String(this.#version);
  }

  /** Called after each write, in order. Must not throw. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get(kind: Kind, key: Key): StoredObject | null {
    return this.#of(kind).get(mapKey(key)) ?? null;
  }

  list(kind: Kind, selector: Selector = {}): StoredObject[] {
    const result: StoredObject[] = [];
    for (const object of this.#of(kind).values()) {
      if (selector.namespace !== undefined && object.metadata.namespace !== selector.namespace) continue;
      if (matchesLabels(object, selector.labels)) result.push(object);
    }
    return result;
  }

  *all(): Generator<[Kind, StoredObject]> {
    for (const [kind, objects] of this.#objects) for (const object of objects.values()) yield [kind, object];
  }

  create(kind: Kind, object: JsonObject, manager: string): StoredObject {
    const key = requireKey(kind, object);
    if (this.get(kind, key) !== null) {
      throw new KubeError('AlreadyExists', `${kind.plural} "${key.name}" already exists`);
    }
    return this.#insert(kind, object, [], manager);
  }

  apply(kind: Kind, object: JsonObject, manager: string): StoredObject {
    const key = requireKey(kind, object);
    const live = this.get(kind, key);
    if (live === null) {
      // A condition on an object that is gone cannot hold.
      checkPreconditions(kind, key, null, preconditionsOf(object));
      const fields = applyMerge({}, withoutStatus(kind, object), manager, [], kind.listTypes);
      return this.#insert(kind, object, fields.managers, manager);
    }
    checkPreconditions(kind, key, live, preconditionsOf(object));
    const applied = withoutStatus(kind, object);
    const merged = applyMerge(
      withoutServerFields(live),
      withoutServerFields(applied),
      manager,
      managersOf(live),
      kind.listTypes,
    );
    return this.#replace(kind, live, merged.object, merged.managers);
  }

  /** Replaces all but status and what the server owns; conditional on a resourceVersion or uid in the object. */
  update(kind: Kind, object: JsonObject, manager: string): StoredObject {
    const live = this.#require(kind, requireKey(kind, object));
    checkPreconditions(kind, keyOf(live), live, preconditionsOf(object));
    const next = {
      ...withoutStatus(kind, object),
      ...(kind.hasStatus && live['status'] !== undefined ? { status: live['status'] } : {}),
    };
    const before = withoutServerFields(live);
    const after = withoutServerFields(next);
    return this.#replace(
      kind,
      live,
      after,
      ownedAfterUpdate(before, after, manager, managersOf(live), kind.listTypes),
    );
  }

  updateStatus(kind: Kind, object: JsonObject, manager: string): StoredObject {
    const live = this.#require(kind, requireKey(kind, object));
    if (!kind.hasStatus) throw new KubeError('NotFound', `${kind.plural} have no status subresource`);
    checkPreconditions(kind, keyOf(live), live, preconditionsOf(object));
    const before = withoutServerFields(live);
    const { status: _, ...rest } = before;
    const after = object['status'] === undefined ? rest : { ...rest, status: object['status'] };
    return this.#replace(
      kind,
      live,
      after,
      ownedAfterUpdate(before, after, manager, managersOf(live), kind.listTypes),
    );
  }

  scale(kind: Kind, key: Key, replicas: number, preconditions: Preconditions, manager: string): StoredObject {
    const live = this.#require(kind, key);
    if (kind.scalePath === null) throw new KubeError('NotFound', `${kind.plural} have no scale subresource`);
    checkPreconditions(kind, key, live, preconditions);
    const before = withoutServerFields(live);
    const after = withAt(before, kind.scalePath, replicas);
    return this.#replace(
      kind,
      live,
      after,
      ownedAfterUpdate(before, after, manager, managersOf(live), kind.listTypes),
    );
  }

  /**
   * Deletes as an API server does: at once, or by setting `deletionTimestamp` when finalizers, dependents (foreground)
   * or a pod's grace period have to be waited for.
   */
  delete(
    kind: Kind,
    key: Key,
    preconditions: Preconditions = {},
    propagation: Propagation = 'background',
  ): void {
    const live = this.get(kind, key);
    if (live === null) return;
    checkPreconditions(kind, key, live, preconditions);
    const finalizers = new Set(finalizersOf(live));
    if (propagation === 'foreground') finalizers.add(FOREGROUND);
    if (propagation === 'orphan') finalizers.add(ORPHAN);
    const graceSeconds = podGraceSeconds(kind, live);
    if (finalizers.size === 0 && graceSeconds === 0) {
      this.#commit(kind, live, null);
      return;
    }
    if (isDeleting(live) && finalizers.size === finalizersOf(live).length) return;
    const metadata: JsonObject = { ...live.metadata };
    if (finalizers.size > 0) metadata['finalizers'] = [...finalizers];
    if (!isDeleting(live)) {
      metadata['deletionTimestamp'] = timestamp(graceSeconds * 1000);
      metadata['deletionGracePeriodSeconds'] = graceSeconds;
      if (kind.hasGeneration) metadata['generation'] = (numberAt(metadata, 'generation') ?? 0) + 1;
    }
    this.#commit(kind, live, { ...live, metadata: metadata as StoredMetadata });
  }

  /** The last step of a graceful deletion: the object goes now, if it is still the one with this uid. */
  expunge(kind: Kind, key: Key, uid: string): void {
    const live = this.get(kind, key);
    if (live === null || live.metadata.uid !== uid) return;
    if (finalizersOf(live).length > 0) throw new Error('invariant: an object with finalizers is not removed');
    this.#commit(kind, live, null);
  }

  /** Sets or clears metadata that only controllers of the store write; removes what was only waiting for that. */
  updateMetadata(
    kind: Kind,
    live: StoredObject,
    change: { finalizers?: readonly string[]; ownerReferences?: readonly Json[] },
  ): void {
    const current = this.get(kind, keyOf(live));
    if (current === null || current.metadata.uid !== live.metadata.uid) return;
    const metadata: JsonObject = { ...current.metadata };
    for (const field of ['finalizers', 'ownerReferences'] as const) {
      const value = change[field];
      if (value === undefined) continue;
      if (value.length === 0) delete metadata[field];
      else metadata[field] = [...value];
    }
    const next = { ...current, metadata: metadata as StoredMetadata };
    const gone = isDeleting(next) && finalizersOf(next).length === 0 && podGraceSeconds(kind, next) === 0;
    if (gone) this.#commit(kind, current, null);
    else if (!equal(current, next)) this.#commit(kind, current, next);
  }

  #insert(kind: Kind, object: JsonObject, managers: readonly FieldManager[], manager: string): StoredObject {
    const given = withoutStatus(kind, withoutServerFields(object));
    const metadata: JsonObject = {
      ...(given['metadata'] as JsonObject),
      uid: randomUUID(),
      creationTimestamp: timestamp(0),
    };
    if (kind.hasGeneration) metadata['generation'] = 1;
    const complete = this.#defaulted(kind, {
      ...given,
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata,
    });
    admit(kind, complete, null);
    const owners = managers.length > 0 ? managers : ownedAfterUpdate({}, given, manager, [], kind.listTypes);
    return this.#commit(kind, null, withManagers(complete, owners));
  }

  #replace(
    kind: Kind,
    live: StoredObject,
    content: JsonObject,
    managers: readonly FieldManager[],
  ): StoredObject {
    // Identity and what the server owns always come from the live object.
    const metadata: JsonObject = { ...(isObject(content['metadata']) ? content['metadata'] : {}) };
    for (const field of SERVER_FIELDS) {
      const value = live.metadata[field];
      if (value !== undefined) metadata[field] = value;
    }
    metadata['name'] = live.metadata.name;
    metadata['namespace'] = live.metadata.namespace;
    const next = this.#defaulted(kind, {
      ...content,
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata,
    });
    admit(kind, next, withoutManagers(live));
    if (kind.hasGeneration && !equal(specOf(live), specOf(next))) {
      (next['metadata'] as JsonObject)['generation'] = (numberAt(live.metadata, 'generation') ?? 0) + 1;
    }
    const owned = withManagers(next, managers);
    // A write that changes nothing is no event, as on an API server; who owns what is remembered all the same.
    if (
      equal(withoutManagers(live), withoutManagers(owned)) &&
      equal(live.metadata['managedFields'], owned.metadata['managedFields'])
    ) {
      return live;
    }
    if (isDeleting(owned) && finalizersOf(owned).length === 0 && podGraceSeconds(kind, owned) === 0) {
      return this.#commit(kind, live, null);
    }
    return this.#commit(kind, live, owned);
  }

  #defaulted(kind: Kind, object: JsonObject): JsonObject {
    if (kind.schema === null) return builtInDefaults(kind.kind, object);
    const result = withDefaults(kind.schema, object);
    return isObject(result) ? result : object;
  }

  #commit(kind: Kind, before: StoredObject | null, after: StoredObject | null): StoredObject {
    const version = this.#version + 1;
    let stored = after;
    try {
      this.#files.reserve(version);
      if (after === null && before !== null) this.#files.remove(kind, before);
      if (after !== null) {
        stored = { ...after, metadata: { ...after.metadata, resourceVersion: String(version) } };
        this.#files.write(kind, stored);
      }
    } catch (error) {
      throw new KubeError('Unavailable', `${kind.plural} cannot be written: ${String(error)}`, {
        cause: error,
      });
    }
    this.#version = version;
    const result = stored ?? before;
    if (result === null) throw new Error('invariant: a change has an object');
    if (stored === null) this.#of(kind).delete(mapKey(keyOf(result)));
    else this.#of(kind).set(mapKey(keyOf(result)), stored);
    const change: Change = { version, kind, before, after: stored };
    this.history.push(change);
    for (const listener of this.#listeners) listener(change);
    return result;
  }

  #require(kind: Kind, key: Key): StoredObject {
    const live = this.get(kind, key);
    if (live === null) throw new KubeError('NotFound', `${kind.plural} "${key.name}" not found`);
    return live;
  }

  #of(kind: Kind): Map<string, StoredObject> {
    const objects = this.#objects.get(kind);
    if (objects === undefined) throw new Error(`invariant: ${kind.plural} is a registered kind`);
    return objects;
  }
}

/** Metadata no client can set. */
const SERVER_FIELDS = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

function mapKey(key: Key): string {
  return `${key.namespace}/${key.name}`;
}

function requireKey(kind: Kind, object: JsonObject): Key {
  const name = stringAt(object, 'metadata', 'name');
  const namespace = stringAt(object, 'metadata', 'namespace');
  if (name === undefined || name === '')
    throw new KubeError('Invalid', `${kind.kind}: metadata.name: Required value`);
  if (namespace === undefined || namespace === '') {
    throw new KubeError('Invalid', `${kind.kind} "${name}": metadata.namespace: Required value`);
  }
  return { namespace, name };
}

function preconditionsOf(object: JsonObject): Preconditions {
  const uid = stringAt(object, 'metadata', 'uid');
  const resourceVersion = stringAt(object, 'metadata', 'resourceVersion');
  return {
    ...(uid === undefined || uid === '' ? {} : { uid }),
    ...(resourceVersion === undefined || resourceVersion === '' ? {} : { resourceVersion }),
  };
}

function checkPreconditions(kind: Kind, key: Key, live: StoredObject | null, wanted: Preconditions): void {
  const differs = (name: string, expected: string | undefined, found: string | undefined): void => {
    if (expected === undefined || expected === found) return;
    const have = found === undefined ? 'it does not exist' : `it is ${found}`;
    throw new KubeError(
      'Conflict',
      `${kind.plural} "${key.name}": ${name} ${expected} was asked for, ${have}`,
    );
  };
  differs('uid', wanted.uid, live?.metadata.uid);
  differs('resourceVersion', wanted.resourceVersion, live?.metadata.resourceVersion);
}

/** The grace that is still to be given to a pod's process; 0 for all else and for pods that have ended. */
function podGraceSeconds(kind: Kind, object: StoredObject): number {
  if (kind.kind !== 'Pod') return 0;
  const phase = stringAt(object, 'status', 'phase');
  if (phase === 'Succeeded' || phase === 'Failed') return 0;
  // Never 0: the pod's process must have ended before its name is free again.
  return Math.max(1, numberAt(object, 'spec', 'terminationGracePeriodSeconds') ?? 30);
}

function withoutServerFields(object: JsonObject): JsonObject {
  const metadata: JsonObject = { ...(isObject(object['metadata']) ? object['metadata'] : {}) };
  for (const field of SERVER_FIELDS) delete metadata[field];
  delete metadata['managedFields'];
  return { ...object, metadata };
}

function withoutStatus(kind: Kind, object: JsonObject): JsonObject {
  if (!kind.hasStatus) return object;
  const { status: _, ...rest } = object;
  return rest;
}

function withoutManagers(object: JsonObject): JsonObject {
  const { managedFields: _, ...metadata } = isObject(object['metadata']) ? object['metadata'] : {};
  return { ...object, metadata };
}

function specOf(object: JsonObject): JsonObject {
  const { metadata: _, status: __, ...rest } = object;
  return rest;
}

function managersOf(object: StoredObject): readonly FieldManager[] {
  const value = object.metadata['managedFields'];
  return Array.isArray(value) ? (value as unknown as FieldManager[]) : [];
}

function withManagers(object: JsonObject, managers: readonly FieldManager[]): StoredObject {
  const metadata: JsonObject = { ...(object['metadata'] as JsonObject) };
  if (managers.length > 0) metadata['managedFields'] = copy(managers) as unknown as Json;
  return { ...object, metadata } as StoredObject;
}

/** RFC 3339 in whole seconds, as Kubernetes writes it. */
export function timestamp(offsetMs: number): string {
  return new Date(Date.now() + offsetMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
