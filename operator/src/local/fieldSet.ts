import { isObject, type Json, type JsonObject } from './json.ts';
import { KEY_DEFAULTS, type ListTypes } from './listTypes.ts';

/**
 * Which fields somebody owns: a tree whose leaves are owned, in the shape of Kubernetes' `fieldsV1`: `f:name` for a
 * field, `k:{"name":"x"}` for an element of a list-map. An empty set at the root owns nothing.
 */
export interface FieldSet {
  [element: string]: FieldSet;
}

/** Written by the server, or the identity of the object: nobody owns them. */
const UNOWNED_METADATA = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
  'selfLink',
]);

export function elementKey(element: Json, keys: readonly string[]): string {
  const identity: JsonObject = {};
  for (const key of keys)
    identity[key] = (isObject(element) ? element[key] : undefined) ?? KEY_DEFAULTS[key] ?? null;
  return `k:${JSON.stringify(identity)}`;
}

/** All fields an object names, without identity and what only the server writes. */
export function fieldsOf(object: JsonObject, types: ListTypes): FieldSet {
  const result: FieldSet = {};
  for (const [name, value] of Object.entries(object)) {
    if (name === 'apiVersion' || name === 'kind') continue;
    if (name === 'metadata' && isObject(value)) {
      const kept: JsonObject = {};
      for (const [field, item] of Object.entries(value)) if (!UNOWNED_METADATA.has(field)) kept[field] = item;
      if (Object.keys(kept).length > 0) result['f:metadata'] = fieldsOfValue(kept, [name], types);
    } else {
      result[`f:${name}`] = fieldsOfValue(value, [name], types);
    }
  }
  return result;
}

function fieldsOfValue(value: Json, path: readonly string[], types: ListTypes): FieldSet {
  const result: FieldSet = {};
  if (Array.isArray(value)) {
    const keys = types.keysAt(path);
    if (keys === null) return result;
    for (const element of value) result[elementKey(element, keys)] = fieldsOfValue(element, path, types);
  } else if (isObject(value) && !types.atomicMapAt(path)) {
    for (const [name, child] of Object.entries(value)) {
      result[`f:${name}`] = fieldsOfValue(child, [...path, name], types);
    }
  }
  return result;
}

export function isLeaf(set: FieldSet): boolean {
  return Object.keys(set).length === 0;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { ...a };
  for (const [element, child] of Object.entries(b)) {
    const mine = result[element];
    result[element] = mine === undefined ? child : union(mine, child);
  }
  return result;
}

/** `a` without the leaves of `b`, and without what lies below them; branches left empty go too. */
export function subtract(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [element, child] of Object.entries(a)) {
    const other = b[element];
    if (other === undefined) result[element] = child;
    else if (!isLeaf(other) && !isLeaf(child)) {
      const rest = subtract(child, other);
      if (!isLeaf(rest)) result[element] = rest;
    }
  }
  return result;
}

/** What of `a` still exists in an object with the fields `existing`. */
export function intersect(a: FieldSet, existing: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [element, child] of Object.entries(a)) {
    const other = existing[element];
    if (other === undefined) continue;
    if (isLeaf(child) || isLeaf(other)) result[element] = isLeaf(other) ? {} : child;
    else {
      const rest = intersect(child, other);
      if (!isLeaf(rest)) result[element] = rest;
    }
  }
  return result;
}
