import type { Key } from '../runtime/kube.ts';
import { isObject, type JsonObject, listAt, stringAt } from './json.ts';

/** A stored object. Never changed in place: each write puts a new one in its stead. */
export interface StoredObject extends JsonObject {
  apiVersion: string;
  kind: string;
  metadata: StoredMetadata;
}
export interface StoredMetadata extends JsonObject {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
}

export interface OwnerRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: boolean;
  readonly blockOwnerDeletion: boolean;
}

export function keyOf(object: StoredObject): Key {
  return { namespace: object.metadata.namespace, name: object.metadata.name };
}

export function labelsOf(object: JsonObject): Record<string, string> {
  const metadata = object['metadata'];
  const labels = isObject(metadata) ? metadata['labels'] : undefined;
  const result: Record<string, string> = {};
  if (isObject(labels))
    for (const [name, value] of Object.entries(labels)) if (typeof value === 'string') result[name] = value;
  return result;
}

export function matchesLabels(
  object: JsonObject,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  if (labels === undefined) return true;
  const mine = labelsOf(object);
  return Object.entries(labels).every(([name, value]) => mine[name] === value);
}

export function ownersOf(object: StoredObject): OwnerRef[] {
  return listAt(object.metadata, 'ownerReferences').map((reference) => ({
    apiVersion: stringAt(reference, 'apiVersion') ?? '',
    kind: stringAt(reference, 'kind') ?? '',
    name: stringAt(reference, 'name') ?? '',
    uid: stringAt(reference, 'uid') ?? '',
    controller: isObject(reference) && reference['controller'] === true,
    blockOwnerDeletion: isObject(reference) && reference['blockOwnerDeletion'] === true,
  }));
}

export function controllerUid(object: StoredObject): string | undefined {
  return ownersOf(object).find((owner) => owner.controller)?.uid;
}

export function controllerReference(owner: StoredObject): JsonObject {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function isDeleting(object: StoredObject): boolean {
  return object.metadata['deletionTimestamp'] !== undefined;
}

export function finalizersOf(object: StoredObject): string[] {
  return listAt(object.metadata, 'finalizers').filter((item) => typeof item === 'string');
}
