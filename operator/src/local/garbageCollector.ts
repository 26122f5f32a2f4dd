import { ControlLoop, type LocalLogger } from './controlLoop.ts';
import type { Kind } from './kinds.ts';
import { FOREGROUND, type ObjectStore, ORPHAN } from './objectStore.ts';
import { finalizersOf, isDeleting, keyOf, ownersOf, type StoredObject } from './objects.ts';

/**
 * Deletes what has lost its owners, and carries out foreground and orphaning deletions. It looks at everything each
 * time, so what a killed process left half done is finished by the next.
 */
export class GarbageCollector {
  readonly #store: ObjectStore;
  readonly #loop: ControlLoop;
  readonly #unsubscribe: () => void;

  constructor(store: ObjectStore, logger: LocalLogger) {
    this.#store = store;
    this.#loop = new ControlLoop('garbage collector', logger, () => this.#sync());
    this.#unsubscribe = store.onChange(({ before, after }) => {
      const gone = after === null || isDeleting(after);
      const owned =
        after !== null && ownersOf(after).length > 0 && (before === null || ownersOf(before).length === 0);
      if (gone || owned) this.#loop.poke();
    });
    this.#loop.poke();
  }

  stop(): void {
    this.#unsubscribe();
    this.#loop.stop();
  }

  #sync(): number | null {
    const byUid = new Map<string, StoredObject>();
    const dependents = new Map<string, [Kind, StoredObject][]>();
    for (const [kind, object] of this.#store.all()) {
      byUid.set(object.metadata.uid, object);
      for (const owner of ownersOf(object)) {
        const list = dependents.get(owner.uid) ?? [];
        list.push([kind, object]);
        dependents.set(owner.uid, list);
      }
    }
    const all = [...this.#store.all()];
    const well = this.#loop.each(all, ([kind, object]) => {
      if (isDeleting(object)) this.#finish(kind, object, dependents.get(object.metadata.uid) ?? []);
      else this.#collect(kind, object, byUid);
    });
    return ControlLoop.again(well);
  }

  #collect(kind: Kind, object: StoredObject, byUid: ReadonlyMap<string, StoredObject>): void {
    // An owner of a kind that is not kept here cannot be looked up: it counts as present.
    const owners = ownersOf(object).filter(
      (owner) => this.#store.kinds.ofKind(owner.apiVersion, owner.kind) !== undefined,
    );
    if (owners.length === 0 || owners.length < ownersOf(object).length) return;
    const present = owners.filter((owner) => {
      const found = byUid.get(owner.uid);
      return found !== undefined && found.metadata.namespace === object.metadata.namespace;
    });
    if (present.length === 0) this.#store.delete(kind, keyOf(object), { uid: object.metadata.uid });
  }

  #finish(kind: Kind, object: StoredObject, dependents: readonly [Kind, StoredObject][]): void {
    const finalizers = finalizersOf(object);
    if (finalizers.includes(ORPHAN)) {
      for (const [dependentKind, dependent] of dependents) {
        const kept = (dependent.metadata['ownerReferences'] as { uid: string }[]).filter(
          (owner) => owner.uid !== object.metadata.uid,
        );
        this.#store.updateMetadata(dependentKind, dependent, { ownerReferences: kept });
      }
      this.#store.updateMetadata(kind, object, { finalizers: finalizers.filter((name) => name !== ORPHAN) });
    } else if (finalizers.includes(FOREGROUND)) {
      for (const [dependentKind, dependent] of dependents) {
        if (!isDeleting(dependent)) {
          this.#store.delete(dependentKind, keyOf(dependent), { uid: dependent.metadata.uid }, 'foreground');
        }
      }
      const blocking = dependents.some(([dependentKind, dependent]) => {
        const live = this.#store.get(dependentKind, keyOf(dependent));
        const blocks = ownersOf(dependent).some(
          (owner) => owner.uid === object.metadata.uid && owner.blockOwnerDeletion,
        );
        return blocks && live?.metadata.uid === dependent.metadata.uid;
      });
      if (!blocking) {
        this.#store.updateMetadata(kind, object, {
          finalizers: finalizers.filter((name) => name !== FOREGROUND),
        });
      }
    }
  }
}
