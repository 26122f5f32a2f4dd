import { isObject, type JsonObject, listAt, stringAt } from './json.ts';
import type { StoredObject } from './objects.ts';

export function podPhase(pod: StoredObject): string {
  return stringAt(pod, 'status', 'phase') ?? 'Pending';
}

export function podHasEnded(pod: StoredObject): boolean {
  const phase = podPhase(pod);
  return phase === 'Succeeded' || phase === 'Failed';
}

export function podIsReady(pod: StoredObject): boolean {
  return listAt(pod, 'status', 'conditions').some(
    (condition) => isObject(condition) && condition['type'] === 'Ready' && condition['status'] === 'True',
  );
}

/** Its volumes are mounted: from here on it uses its claims. */
export function podHasStarted(pod: StoredObject): boolean {
  return stringAt(pod, 'status', 'startTime') !== undefined;
}

/** Names of the claims among its volumes. */
export function claimsOfPod(pod: JsonObject): string[] {
  return listAt(pod, 'spec', 'volumes')
    .map((volume) => stringAt(volume, 'persistentVolumeClaim', 'claimName'))
    .filter((name) => name !== undefined);
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
}

/** Conditions with `lastTransitionTime`, kept where the status did not change. */
export function transitioned(
  object: StoredObject,
  conditions: readonly Condition[],
  now: string,
): JsonObject[] {
  const before = listAt(object, 'status', 'conditions').filter(isObject);
  return conditions.map((condition) => {
    const old = before.find((item) => item['type'] === condition.type && item['status'] === condition.status);
    return { ...condition, lastTransitionTime: stringAt(old, 'lastTransitionTime') ?? now };
  });
}
