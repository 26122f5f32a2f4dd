import type { Informer } from './informer.ts';
import type { Key, KubeObject, KubePort, List, Resource, Selector } from './kube.ts';

/**
 * Reads from the mirrors where there is one that is complete and covers the namespace, else from the API server. A
 * mirror may lag behind, and one that selects by label does not show what lacks the label: absence is never final.
 */
export class CachedReader {
  readonly #kube: KubePort;
  readonly #informers: readonly Informer<KubeObject>[];

  constructor(kube: KubePort, informers: readonly Informer<KubeObject>[]) {
    this.#kube = kube;
    this.#informers = informers;
  }

  async get<T extends KubeObject>(resource: Resource<T>, key: Key): Promise<T | null> {
    const informer = this.#covering(resource, key.namespace);
    return informer === null ? await this.#kube.get(resource, key) : informer.get(key);
  }

  async list<T extends KubeObject>(resource: Resource<T>, selector: Selector = {}): Promise<List<T>> {
    const informer = this.#covering(resource, selector.namespace);
    if (informer === null) return await this.#kube.list(resource, selector);
    return { items: informer.list(selector), resourceVersion: '' };
  }

  /** Whether all that is mirrored there is complete. */
  isComplete(namespace: string | undefined): boolean {
    return this.#informers.every(
      ({ selector, synced }) =>
        synced || (selector.namespace !== undefined && selector.namespace !== namespace),
    );
  }

  #covering<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined): Informer<T> | null {
    const found = this.#informers.find(
      (informer) =>
        informer.resource.kind === resource.kind &&
        informer.resource.apiVersion === resource.apiVersion &&
        informer.synced &&
        (informer.selector.namespace === undefined || informer.selector.namespace === namespace),
    );
    // Kind and version are equal, so the objects are of that type.
    return found === undefined ? null : (found as unknown as Informer<T>);
  }
}
