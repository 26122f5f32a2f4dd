import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlLoop, type LocalLogger } from './controlLoop.ts';
import { type JsonObject, objectAt, stringAt } from './json.ts';
import { CLAIMS, PODS } from './kinds.ts';
import type { ObjectStore } from './objectStore.ts';
import { finalizersOf, isDeleting, keyOf, type StoredObject } from './objects.ts';
import { claimsOfPod, podHasEnded, podHasStarted } from './podState.ts';

const MANAGER = 'claim-controller';
const PROTECTION = 'kubernetes.io/pvc-protection';

/** Claims as folders `DIR/volumes/<namespace>/<claim>`; a claim goes only when no pod uses it, and its folder with it. */
export class ClaimController {
  readonly #store: ObjectStore;
  readonly #directory: string;
  readonly #logger: LocalLogger;
  readonly #loop: ControlLoop;
  readonly #unsubscribe: () => void;

  constructor(store: ObjectStore, directory: string, logger: LocalLogger) {
    this.#store = store;
    this.#directory = directory;
    this.#logger = logger;
    this.#loop = new ControlLoop('claim controller', logger, () => this.#sync());
    this.#unsubscribe = store.onChange(({ kind, before, after }) => {
      if (kind === CLAIMS && before !== null && after === null) this.#discard(this.#folder(before));
      if (kind === CLAIMS || kind === PODS) this.#loop.poke();
    });
    this.#emptyTrash();
    this.#loop.poke();
  }

  stop(): void {
    this.#unsubscribe();
    this.#loop.stop();
  }

  /** The folder of a claim, bound at its first use; null while there is no usable claim. */
  mount(namespace: string, name: string): string | null {
    const claim = this.#store.get(CLAIMS, { namespace, name });
    if (claim === null || isDeleting(claim)) return null;
    const folder = this.#folder(claim);
    if (stringAt(claim, 'status', 'phase') !== 'Bound') {
      // A new claim always gets a new volume, whatever an earlier one of that name left.
      if (existsSync(folder)) this.#discard(folder);
      mkdirSync(folder, { recursive: true });
      this.#writeStatus(claim);
    }
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  #sync(): number | null {
    const used = new Set<string>();
    for (const pod of this.#store.list(PODS)) {
      if (podHasEnded(pod) || !podHasStarted(pod)) continue;
      for (const name of claimsOfPod(pod)) used.add(`${pod.metadata.namespace}/${name}`);
    }
    const well = this.#loop.each(this.#store.list(CLAIMS), (claim) => {
      const finalizers = finalizersOf(claim);
      const isProtected = finalizers.includes(PROTECTION);
      if (!isDeleting(claim)) {
        if (!isProtected)
          this.#store.updateMetadata(CLAIMS, claim, { finalizers: [...finalizers, PROTECTION] });
        // A folder grows by itself: the new size holds at once.
        if (stringAt(claim, 'status', 'phase') === 'Bound') this.#writeStatus(claim);
      } else if (isProtected && !used.has(`${claim.metadata.namespace}/${claim.metadata.name}`)) {
        this.#store.updateMetadata(CLAIMS, claim, {
          finalizers: finalizers.filter((name) => name !== PROTECTION),
        });
      }
    });
    return ControlLoop.again(well);
  }

  #writeStatus(claim: StoredObject): void {
    const live = this.#store.get(CLAIMS, keyOf(claim));
    if (live === null || live.metadata.uid !== claim.metadata.uid) return;
    const status: JsonObject = {
      phase: 'Bound',
      accessModes: live['spec'] === undefined ? [] : (objectAt(live, 'spec')?.['accessModes'] ?? []),
      capacity: { storage: stringAt(live, 'spec', 'resources', 'requests', 'storage') ?? '' },
    };
    const { resourceVersion: _, ...metadata } = live.metadata;
    this.#store.updateStatus(CLAIMS, { ...live, metadata, status }, MANAGER);
  }

  #folder(claim: StoredObject): string {
    return join(this.#directory, claim.metadata.namespace, claim.metadata.name);
  }

  /** Renamed at once, so that the name is free, and removed in the background. */
  #discard(folder: string): void {
    if (!existsSync(folder)) return;
    const trash = join(
      this.#directory,
      `.trash-${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2)}`,
    );
    renameSync(folder, trash);
    rm(trash, { recursive: true, force: true }).catch((error: unknown) => {
      this.#logger.warn({ err: error, trash }, 'a released volume could not be removed');
    });
  }

  #emptyTrash(): void {
    mkdirSync(this.#directory, { recursive: true });
    for (const name of readdirSync(this.#directory)) {
      if (name.startsWith('.trash-')) void rm(join(this.#directory, name), { recursive: true, force: true });
    }
  }
}
