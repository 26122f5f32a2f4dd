import type { Key, KubeObject, Resource } from '../api/meta.ts';

export type { Key, KubeObject, Resource };

export interface Selector {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** All must be equal. */
  readonly labels?: Readonly<Record<string, string>>;
}
export interface List<T> {
  readonly items: readonly T[];
  /** To watch from. */
  readonly resourceVersion: string;
}
export type WatchEvent<T> =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T }
  /** Nothing changed, but the watch is alive and up to date to this version. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string };
export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}
export type Propagation = 'background' | 'foreground' | 'orphan';
export interface EventRecord {
  readonly regarding: KubeObject;
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, stable: people alert on it. */
  readonly reason: string;
  /** What the operator was doing, CamelCase. */
  readonly action: string;
  readonly note: string;
}

export type KubeErrorCode =
  | 'NotFound'
  | 'AlreadyExists'
  /** resourceVersion or uid precondition failed, or somebody else changed the object first. */
  | 'Conflict'
  /** Schema or CEL rule broken: the message names field and rule. */
  | 'Invalid'
  | 'Forbidden'
  /** The watch's start is too old: list again. */
  | 'Gone'
  /** Nothing is wrong with the request: try later. */
  | 'Unavailable';
export class KubeError extends Error {
  readonly code: KubeErrorCode;
  constructor(code: KubeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KubeError';
    this.code = code;
  }
}

/**
 * All that reconcilers see of Kubernetes. Shaped by what a real API server does: writes are checked against
 * resourceVersion when one is given, deletion cascades along owner references, status is a subresource, and a
 * watch may end at any moment without saying why.
 */
export interface KubePort {
  /** Null when it does not exist. */
  get<T extends KubeObject>(resource: Resource<T>, key: Key): Promise<T | null>;
  list<T extends KubeObject>(resource: Resource<T>, selector?: Selector): Promise<List<T>>;
  /**
   * Changes after `resourceVersion`, in order per object. Ends by itself (connection lost, server timeout), with
   * `Gone` when the version is too old, or when `signal` aborts.
   */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    selector: Selector,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>;
  /**
   * Server-side apply, forced, as this operator's field manager: fields it applied before and no longer names
   * are removed, fields of others stay. With `metadata.resourceVersion` or `metadata.uid` set it is conditional.
   */
  apply<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** `AlreadyExists` if it does. */
  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** Replaces `status`; conditional on `object.metadata.resourceVersion`. Leaves spec and generation alone. */
  updateStatus<T extends KubeObject & { status?: unknown }>(resource: Resource<T>, object: T): Promise<T>;
  /** Sets `spec.replicas` through the scale subresource, conditional on the resourceVersion. */
  scale<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    replicas: number,
    preconditions: Preconditions,
  ): Promise<void>;
  /** Missing is fine. */
  delete<T extends KubeObject>(
    resource: Resource<T>,
    key: Key,
    options?: Preconditions & { readonly propagation?: Propagation },
  ): Promise<void>;
  /** Best effort: never throws; equal events within a window are counted up. */
  event(record: EventRecord): void;
}
