import { elementKey, type FieldSet, fieldsOf, intersect, isLeaf, subtract, union } from './fieldSet.ts';
import { copy, equal, isObject, type Json, type JsonObject } from './json.ts';
import type { ListTypes } from './listTypes.ts';

/** Who owns which fields, and whether by applying them or by writing them otherwise. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly fields: FieldSet;
}

export interface Merged {
  readonly object: JsonObject;
  readonly managers: readonly FieldManager[];
}

/**
 * Server-side apply, forced. Invariant afterwards: `manager` owns exactly the fields that `applied` names; what it
 * owned before and no longer names is gone unless somebody else owns it too; every other field is as it was.
 */
export function applyMerge(
  live: JsonObject,
  applied: JsonObject,
  manager: string,
  managers: readonly FieldManager[],
  types: ListTypes,
): Merged {
  const named = fieldsOf(applied, types);
  const mine = managers.find((entry) => entry.manager === manager && entry.operation === 'Apply');
  const merged = mergeValue(live, applied, [], types) as JsonObject;
  // Forced: a field whose value changes is taken from whoever had it; an equal value is shared.
  const taken = changedFields(live, merged, types);
  const others = managers
    .filter((entry) => entry !== mine)
    .map((entry) => ({ ...entry, fields: subtract(entry.fields, taken) }))
    .filter((entry) => !isLeaf(entry.fields));
  const owned = others.reduce<FieldSet>((all, entry) => union(all, entry.fields), {});
  const object = mine === undefined ? merged : dropFields(merged, mine.fields, named, owned, [], types);
  return { object, managers: [...others, { manager, operation: 'Apply', fields: named }] };
}

/** Ownership after a plain write: the writer takes what it changed, and nobody owns what is gone. */
export function ownedAfterUpdate(
  before: JsonObject,
  after: JsonObject,
  manager: string,
  managers: readonly FieldManager[],
  types: ListTypes,
): readonly FieldManager[] {
  const existing = fieldsOf(after, types);
  const changed = changedFields(before, after, types);
  const result: FieldManager[] = [];
  let updated: FieldSet = changed;
  for (const entry of managers) {
    const kept = intersect(entry.fields, existing);
    if (entry.manager === manager && entry.operation === 'Update') updated = union(kept, changed);
    else {
      const rest = subtract(kept, changed);
      if (!isLeaf(rest)) result.push({ ...entry, fields: rest });
    }
  }
  return isLeaf(updated) ? result : [...result, { manager, operation: 'Update', fields: updated }];
}

function mergeValue(live: Json | undefined, applied: Json, path: readonly string[], types: ListTypes): Json {
  if (isObject(live) && isObject(applied) && !types.atomicMapAt(path)) {
    const result: JsonObject = { ...live };
    for (const [name, value] of Object.entries(applied)) {
      result[name] = mergeValue(live[name], value, [...path, name], types);
    }
    return result;
  }
  const keys = types.keysAt(path);
  if (Array.isArray(live) && Array.isArray(applied) && keys !== null) {
    const byKey = new Map(live.map((element) => [elementKey(element, keys), element]));
    const result = applied.map((element) => {
      const key = elementKey(element, keys);
      const existing = byKey.get(key);
      byKey.delete(key);
      return existing === undefined ? copy(element) : mergeValue(existing, element, path, types);
    });
    return [...result, ...byKey.values()];
  }
  return copy(applied);
}

/** Removes the leaves of `mine` that are neither in `named` nor in `owned`, and the containers that this empties. */
function dropFields(
  value: JsonObject,
  mine: FieldSet,
  named: FieldSet,
  owned: FieldSet,
  path: readonly string[],
  types: ListTypes,
): JsonObject {
  const result: JsonObject = { ...value };
  for (const [element, set] of Object.entries(mine)) {
    if (!element.startsWith('f:')) continue;
    const name = element.slice(2);
    const child = result[name];
    if (child === undefined) continue;
    const stillNamed = named[element];
    const stillOwned = owned[element];
    if (isLeaf(set)) {
      if (stillNamed === undefined && stillOwned === undefined) delete result[name];
      continue;
    }
    const rest = dropFrom(child, set, stillNamed ?? {}, stillOwned ?? {}, [...path, name], types);
    const emptied = Array.isArray(rest)
      ? rest.length === 0
      : isObject(rest) && Object.keys(rest).length === 0;
    if (emptied && stillNamed === undefined && stillOwned === undefined && path.length > 0)
      delete result[name];
    else result[name] = rest;
  }
  return result;
}

function dropFrom(
  value: Json,
  mine: FieldSet,
  named: FieldSet,
  owned: FieldSet,
  path: readonly string[],
  types: ListTypes,
): Json {
  if (isObject(value)) return dropFields(value, mine, named, owned, path, types);
  const keys = types.keysAt(path);
  if (!Array.isArray(value) || keys === null) return value;
  const result: Json[] = [];
  for (const element of value) {
    const key = elementKey(element, keys);
    const set = mine[key];
    if (set === undefined) result.push(element);
    // Nobody names the element any more: it goes whole, with what the server filled in.
    else if (named[key] === undefined && owned[key] === undefined) continue;
    else if (!isObject(element)) result.push(element);
    else {
      const kept = dropFields(element, set, named[key] ?? {}, owned[key] ?? {}, path, types);
      // Somebody else's element keeps its identity, whoever named the key fields first.
      for (const field of keys) if (element[field] !== undefined) kept[field] = element[field];
      result.push(kept);
    }
  }
  return result;
}

/** The leaves of `after` that `before` lacks or has with another value. */
function changedFields(before: JsonObject, after: JsonObject, types: ListTypes): FieldSet {
  return changedIn(before, after, fieldsOf(after, types), [], types) ?? {};
}

/** Null: nothing changed. An empty set: this leaf did. */
function changedIn(
  before: Json | undefined,
  after: Json | undefined,
  set: FieldSet,
  path: readonly string[],
  types: ListTypes,
): FieldSet | null {
  if (equal(before, after)) return null;
  if (isLeaf(set)) return {};
  const keys = Array.isArray(after) ? types.keysAt(path) : null;
  const find = (value: Json | undefined, element: string): Json | undefined => {
    if (element.startsWith('f:')) return isObject(value) ? value[element.slice(2)] : undefined;
    if (keys === null || !Array.isArray(value)) return undefined;
    return value.find((item) => elementKey(item, keys) === element);
  };
  const result: FieldSet = {};
  for (const [element, child] of Object.entries(set)) {
    const childPath = element.startsWith('f:') ? [...path, element.slice(2)] : path;
    const changed = changedIn(find(before, element), find(after, element), child, childPath, types);
    if (changed !== null) result[element] = changed;
  }
  return isLeaf(result) ? null : result;
}
