import { type Clock, sleep } from './clock.ts';
import { type Key, KubeError, type KubeObject, type KubePort, type Resource, type Selector } from './kube.ts';
import type { Logger } from './logger.ts';

export interface InformerOptions<T extends KubeObject> {
  readonly kube: KubePort;
  readonly resource: Resource<T>;
  readonly selector: Selector;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something about this object is new, or nothing is and it is time to look again; null when it is gone. */
  readonly onChange: (object: T, gone: boolean) => void;
  /** As often at least everything is listed anew: whatever a watch may have missed is found then. Default 600000. */
  readonly relistMs?: number;
  /** From 0 up to 1. Default Math.random. */
  readonly random?: () => number;
  /** Delays between attempts. Default 200 and 30000. */
  readonly backoffMinMs?: number;
  readonly backoffMaxMs?: number;
}

/**
 * A mirror of all objects of a kind, kept by list and watch. A watch may end at any moment without a word: it is begun
 * again from where it was, and from a new list when that is too long ago. Nothing that goes wrong ends it.
 */
export class Informer<T extends KubeObject> {
  readonly #options: InformerOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #synced = false;
  #restarts = 0;
  #onSynced: (() => void)[] = [];

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#done = this.#supervise();
  }

  /** Whether the mirror has been complete once. */
  get synced(): boolean {
    return this.#synced;
  }
  get restarts(): number {
    return this.#restarts;
  }
  get resource(): Resource<T> {
    return this.#options.resource;
  }
  get selector(): Selector {
    return this.#options.selector;
  }

  whenSynced(): Promise<void> {
    return this.#synced ? Promise.resolve() : new Promise((resolve) => this.#onSynced.push(resolve));
  }
  get(key: Key): T | null {
    return this.#objects.get(keyOf(key)) ?? null;
  }
  list(selector: Selector = {}): T[] {
    return [...this.#objects.values()].filter((object) => matches(object, selector));
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async #supervise(): Promise<void> {
    const { clock, logger, resource, backoffMinMs = 200, backoffMaxMs = 30_000 } = this.#options;
    const { signal } = this.#abort;
    let failures = 0;
    let from: string | null = null;
    let relistAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        if (from === null || clock.now() >= relistAtMs) {
          from = await this.#list();
          relistAtMs = clock.now() + this.#untilRelistMs();
          // Told to stop meanwhile: a watch begun now would hear of it no more.
          if (signal.aborted) return;
        }
        const seen: string = await this.#watch(from, relistAtMs);
        // One that brought news was a healthy one, and so was one that lasted until the next list.
        failures = seen === from && clock.now() < relistAtMs ? failures + 1 : 0;
        from = seen;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        if (error instanceof KubeError && error.code === 'Gone') from = null;
        else logger.warn({ kind: resource.kind, err: error }, 'watch failed');
      }
      if (signal.aborted) return;
      this.#restarts++;
      // The first end is met at once: servers end watches all the time.
      if (failures > 1)
        await sleep(clock, Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(failures - 2, 20)), signal);
    }
  }

  /** Up to a third sooner, by chance: all mirrors of all kinds begin at one moment, and would list at one ever after. */
  #untilRelistMs(): number {
    const { relistMs = 600_000, random = Math.random } = this.#options;
    return Math.floor(relistMs * (1 - random() / 3));
  }

  async #list(): Promise<string> {
    const { kube, resource, selector, onChange } = this.#options;
    const { items, resourceVersion } = await kube.list(resource, selector);
    const present = new Set(items.map((item) => keyOf(item.metadata)));
    for (const [key, object] of this.#objects) {
      if (present.has(key)) continue;
      this.#objects.delete(key);
      onChange(object, true);
    }
    for (const item of items) this.#objects.set(keyOf(item.metadata), item);
    this.#synced = true;
    for (const resolve of this.#onSynced.splice(0)) resolve();
    for (const item of items) onChange(item, false);
    return resourceVersion;
  }

  /** Returns the version it is up to date with when the watch ends by itself, or when it is time to list anew. */
  async #watch(from: string, untilMs: number): Promise<string> {
    const { kube, resource, selector, clock, onChange } = this.#options;
    const attempt = new AbortController();
    const end = () => attempt.abort();
    this.#abort.signal.addEventListener('abort', end);
    const cancel = clock.after(Math.max(0, untilMs - clock.now()), end);
    let version = from;
    try {
      for await (const event of kube.watch(resource, selector, from, attempt.signal)) {
        if (event.type === 'bookmark') {
          version = event.resourceVersion;
          continue;
        }
        const { object } = event;
        version = object.metadata.resourceVersion ?? version;
        const key = keyOf(object.metadata);
        if (event.type === 'deleted') this.#objects.delete(key);
        else this.#objects.set(key, object);
        onChange(object, event.type === 'deleted');
      }
      return version;
    } catch (error) {
      if (attempt.signal.aborted && !this.#abort.signal.aborted) return version;
      throw error;
    } finally {
      cancel();
      this.#abort.signal.removeEventListener('abort', end);
    }
  }
}

export function keyOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}
export function toKey(text: string): Key {
  const slash = text.indexOf('/');
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

function matches(object: KubeObject, { namespace, labels }: Selector): boolean {
  if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
  return Object.entries(labels ?? {}).every(([key, value]) => object.metadata.labels?.[key] === value);
}
