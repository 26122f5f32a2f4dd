import { hashOf } from '../api/hash.ts';
import type { KubeObject } from '../api/meta.ts';
import { parseQuantity } from '../api/quantity.ts';
import { ANNOTATIONS } from './names.ts';

/**
 * The object with the hash of itself in an annotation. The hash tells a later pass that the operator wants
 * something else now (also that it wants a field no longer), the comparison of fields that somebody else changed one.
 * `hashed` leaves out what was copied from the live object.
 */
export function stamped<T extends KubeObject>(object: T, hashed: unknown = object): T {
  const annotations = { ...object.metadata.annotations, [ANNOTATIONS.appliedHash]: hashOf(hashed) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Whether applying `desired` (as `stamped`) would change nothing. */
export function isApplied(live: KubeObject | null, desired: KubeObject): boolean {
  return live !== null && covers(live, desired);
}

/** Whether every field of `desired` is in `live` with that value; what `live` has besides is others' business. */
export function covers(live: unknown, desired: unknown): boolean {
  if (desired === undefined) return true;
  // An empty list, map or object is what an API server drops on the way in.
  if (Array.isArray(desired)) {
    return live === undefined ? desired.length === 0 : Array.isArray(live) && coversList(live, desired);
  }
  if (isRecord(desired)) {
    if (live === undefined) return Object.keys(desired).length === 0;
    return isRecord(live) && Object.entries(desired).every(([key, value]) => covers(live[key], value));
  }
  return desired === live || sameQuantity(live, desired);
}

function coversList(live: unknown[], desired: unknown[]): boolean {
  const named = desired.every((item) => isRecord(item) && typeof item['name'] === 'string');
  if (!named) return live.length === desired.length && desired.every((item, i) => covers(live[i], item));
  return desired.every((item) =>
    live.some(
      (other) => isRecord(item) && isRecord(other) && other['name'] === item['name'] && covers(other, item),
    ),
  );
}

function sameQuantity(a: unknown, b: unknown): boolean {
  if (!isQuantity(a) || !isQuantity(b)) return false;
  const value = parseQuantity(a);
  return value !== null && value === parseQuantity(b);
}
function isQuantity(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
