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

/** What the container is doing, as `containerStatuses[].state` tells it. */
export type ContainerState =
  | { readonly waiting: { readonly reason: string; readonly message?: string } }
  | { readonly running: { readonly startedAt: string } }
  | { readonly terminated: JsonObject };

interface ContainerView {
  /** Address of its process; null while none runs. */
  readonly host: string | null;
  readonly state: ContainerState;
  readonly last: JsonObject | null;
  readonly restarts: number;
  readonly started: boolean;
  readonly ready: boolean;
  readonly ended: 'Succeeded' | 'Failed' | null;
}

/** The status of a pod of one container, as a kubelet would write it. */
export function podStatus(pod: StoredObject, view: ContainerView, now: string): JsonObject {
  const { host, state, ready } = view;
  const everStarted = host !== null || view.restarts > 0 || view.ended !== null;
  const waiting = 'waiting' in state ? state.waiting : null;
  const scheduled = waiting?.reason !== 'Unschedulable';
  const yes = (type: string, value: boolean): Condition => ({ type, status: value ? 'True' : 'False' });
  const conditions: Condition[] = [
    scheduled || waiting === null
      ? yes('PodScheduled', true)
      : { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: waiting.message ?? '' },
    yes('Initialized', everStarted),
    yes('ContainersReady', ready),
    yes('Ready', ready),
  ];
  const container = listAt(pod, 'spec', 'containers')[0];
  const startTime = stringAt(pod, 'status', 'startTime') ?? (everStarted ? now : undefined);
  return {
    phase: view.ended ?? (everStarted ? 'Running' : 'Pending'),
    hostIP: '127.0.0.1',
    ...(host === null ? {} : { podIP: host, podIPs: [{ ip: host }] }),
    ...(startTime === undefined ? {} : { startTime }),
    qosClass: 'BestEffort',
    conditions: transitioned(pod, conditions, now),
    containerStatuses: [
      {
        name: stringAt(container, 'name') ?? '',
        image: stringAt(container, 'image') ?? '',
        imageID: '',
        ready,
        started: view.started,
        restartCount: view.restarts,
        state: scheduled ? state : { waiting: { reason: 'ContainerCreating' } },
        lastState: view.last === null ? {} : { terminated: view.last },
      },
    ],
  };
}
