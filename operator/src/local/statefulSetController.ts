import { createHash } from 'node:crypto';
import { ControlLoop, type LocalLogger } from './controlLoop.ts';
import { isObject, type JsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts';
import { CLAIMS, PODS, STATEFUL_SETS } from './kinds.ts';
import type { ObjectStore } from './objectStore.ts';
import {
  controllerReference,
  controllerUid,
  isDeleting,
  keyOf,
  labelsOf,
  matchesLabels,
  type StoredObject,
} from './objects.ts';
import { podHasEnded, podIsReady } from './podState.ts';

const MANAGER = 'statefulset-controller';
const REVISION_LABEL = 'controller-revision-hash';

/** Pods with ordinals and claims of their own, as the controller of a real cluster makes them. */
export class StatefulSetController {
  readonly #store: ObjectStore;
  readonly #loop: ControlLoop;
  readonly #unsubscribe: () => void;

  constructor(store: ObjectStore, logger: LocalLogger) {
    this.#store = store;
    this.#loop = new ControlLoop('statefulset controller', logger, () => this.#sync());
    this.#unsubscribe = store.onChange(({ kind }) => {
      if (kind === STATEFUL_SETS || kind === PODS || kind === CLAIMS) this.#loop.poke();
    });
    this.#loop.poke();
  }

  stop(): void {
    this.#unsubscribe();
    this.#loop.stop();
  }

  #sync(): number | null {
    const byController = new Map<string, StoredObject[]>();
    for (const pod of this.#store.list(PODS)) {
      const uid = controllerUid(pod) ?? '';
      byController.set(uid, [...(byController.get(uid) ?? []), pod]);
    }
    const well = this.#loop.each(this.#store.list(STATEFUL_SETS), (set) => {
      if (isDeleting(set)) return;
      const adopted = this.#adopt(set, byController.get('') ?? []);
      this.#reconcile(set, [...(byController.get(set.metadata.uid) ?? []), ...adopted]);
    });
    return ControlLoop.again(well);
  }

  /** Takes over pods that match and that nobody controls, such as those an orphaning deletion left. */
  #adopt(set: StoredObject, loose: readonly StoredObject[]): StoredObject[] {
    const wanted = objectAt(set, 'spec', 'selector', 'matchLabels') as Record<string, string> | undefined;
    const mine = loose.filter(
      (pod) =>
        wanted !== undefined &&
        pod.metadata.namespace === set.metadata.namespace &&
        matchesLabels(pod, wanted) &&
        ordinalOf(set, pod) !== null &&
        !isDeleting(pod),
    );
    for (const pod of mine)
      this.#store.updateMetadata(PODS, pod, { ownerReferences: [controllerReference(set)] });
    return mine;
  }

  #reconcile(set: StoredObject, pods: readonly StoredObject[]): void {
    const replicas = numberAt(set, 'spec', 'replicas') ?? 1;
    const parallel = stringAt(set, 'spec', 'podManagementPolicy') === 'Parallel';
    const revision = revisionOf(set);
    const byOrdinal = new Map<number, StoredObject>();
    for (const pod of pods) {
      const ordinal = ordinalOf(set, pod);
      if (ordinal !== null) byOrdinal.set(ordinal, pod);
    }
    let held = false;
    for (let ordinal = 0; ordinal < replicas && !held; ordinal += 1) {
      const pod = byOrdinal.get(ordinal);
      this.#ensureClaims(set, ordinal);
      if (pod === undefined) this.#createPod(set, ordinal, revision);
      else if (podHasEnded(pod) && !isDeleting(pod))
        this.#store.delete(PODS, keyOf(pod), { uid: pod.metadata.uid });
      held = !parallel && (pod === undefined || !podIsReady(pod) || isDeleting(pod));
    }
    const condemned = [...byOrdinal].filter(([ordinal]) => ordinal >= replicas).sort(([a], [b]) => b - a);
    for (const [, pod] of parallel ? condemned : held ? [] : condemned.slice(0, 1)) {
      if (!isDeleting(pod)) this.#store.delete(PODS, keyOf(pod), { uid: pod.metadata.uid });
    }
    if (condemned.length === 0 && !held) this.#roll(set, replicas, byOrdinal, revision);
    this.#writeStatus(set, replicas, [...byOrdinal.values()], revision);
  }

  /** `RollingUpdate`: the highest outdated pod goes once all others are ready. `OnDelete` leaves that to the user. */
  #roll(
    set: StoredObject,
    replicas: number,
    byOrdinal: ReadonlyMap<number, StoredObject>,
    revision: string,
  ): void {
    if (stringAt(set, 'spec', 'updateStrategy', 'type') !== 'RollingUpdate') return;
    const partition = numberAt(set, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0;
    for (let ordinal = replicas - 1; ordinal >= partition; ordinal -= 1) {
      const pod = byOrdinal.get(ordinal);
      if (pod === undefined || isDeleting(pod)) return;
      if (labelsOf(pod)[REVISION_LABEL] !== revision) {
        this.#store.delete(PODS, keyOf(pod), { uid: pod.metadata.uid });
        return;
      }
      if (!podIsReady(pod)) return;
    }
  }

  #ensureClaims(set: StoredObject, ordinal: number): void {
    for (const template of listAt(set, 'spec', 'volumeClaimTemplates').filter(isObject)) {
      const key = { namespace: set.metadata.namespace, name: claimName(set, template, ordinal) };
      if (this.#store.get(CLAIMS, key) !== null) continue;
      const labels = { ...labelsOf(template), ...objectAt(set, 'spec', 'selector', 'matchLabels') };
      this.#store.create(
        CLAIMS,
        { metadata: { ...key, labels }, spec: objectAt(template, 'spec') ?? {} },
        MANAGER,
      );
    }
  }

  #createPod(set: StoredObject, ordinal: number, revision: string): void {
    const name = `${set.metadata.name}-${ordinal}`;
    const key = { namespace: set.metadata.namespace, name };
    // The pod of an earlier set under the same name has to go first.
    if (this.#store.get(PODS, key) !== null) return;
    const template = objectAt(set, 'spec', 'template') ?? {};
    const claims = listAt(set, 'spec', 'volumeClaimTemplates').filter(isObject);
    const claimVolumes = claims.map((claim) => ({
      name: stringAt(claim, 'metadata', 'name') ?? '',
      persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
    }));
    const claimed = new Set(claimVolumes.map((volume) => volume.name));
    const spec = objectAt(template, 'spec') ?? {};
    const volumes = listAt(spec, 'volumes').filter((volume) => !claimed.has(stringAt(volume, 'name') ?? ''));
    this.#store.create(
      PODS,
      {
        metadata: {
          ...key,
          labels: {
            ...labelsOf(template),
            [REVISION_LABEL]: revision,
            'statefulset.kubernetes.io/pod-name': name,
            'apps.kubernetes.io/pod-index': String(ordinal),
          },
          annotations: { ...objectAt(template, 'metadata', 'annotations') },
          ownerReferences: [controllerReference(set)],
        },
        spec: {
          ...spec,
          hostname: name,
          subdomain: stringAt(set, 'spec', 'serviceName') ?? '',
          volumes: [...volumes, ...claimVolumes],
        },
      },
      MANAGER,
    );
  }

  #writeStatus(
    set: StoredObject,
    replicas: number,
    pods: readonly StoredObject[],
    updateRevision: string,
  ): void {
    const isUpdated = (pod: StoredObject): boolean => labelsOf(pod)[REVISION_LABEL] === updateRevision;
    const ready = pods.filter((pod) => podIsReady(pod) && !isDeleting(pod)).length;
    const updated = pods.filter(isUpdated).length;
    const settled = pods.length === replicas && updated === replicas;
    const currentRevision = settled
      ? updateRevision
      : (stringAt(set, 'status', 'currentRevision') ?? updateRevision);
    const status: JsonObject = {
      observedGeneration: numberAt(set, 'metadata', 'generation') ?? 0,
      replicas: pods.length,
      readyReplicas: ready,
      availableReplicas: ready,
      currentReplicas: pods.filter((pod) => labelsOf(pod)[REVISION_LABEL] === currentRevision).length,
      updatedReplicas: updated,
      currentRevision,
      updateRevision,
      collisionCount: 0,
    };
    // Read again: this round's own writes may have changed nothing of the set, but somebody else's might have.
    const live = this.#store.get(STATEFUL_SETS, keyOf(set));
    if (live !== null && live.metadata.uid === set.metadata.uid) {
      const { resourceVersion: _, ...metadata } = live.metadata;
      this.#store.updateStatus(STATEFUL_SETS, { ...live, metadata, status }, MANAGER);
    }
  }
}

function ordinalOf(set: StoredObject, pod: StoredObject): number | null {
  const prefix = `${set.metadata.name}-`;
  if (!pod.metadata.name.startsWith(prefix)) return null;
  const text = pod.metadata.name.slice(prefix.length);
  return /^(0|[1-9]\d*)$/.test(text) ? Number(text) : null;
}

function claimName(set: StoredObject, template: JsonObject, ordinal: number): string {
  return `${stringAt(template, 'metadata', 'name') ?? ''}-${set.metadata.name}-${ordinal}`;
}

function revisionOf(set: StoredObject): string {
  const template = JSON.stringify(objectAt(set, 'spec', 'template') ?? {});
  return `${set.metadata.name}-${createHash('sha256').update(template).digest('hex').slice(0, 10)}`;
}
