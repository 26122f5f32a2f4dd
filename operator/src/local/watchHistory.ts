import { KubeError, type Selector, type WatchEvent } from '../runtime/kube.ts';
import type { Kind } from './kinds.ts';
import { matchesLabels, type StoredObject } from './objects.ts';

/** One committed write: created when `before` is null, deleted when `after` is. */
export interface Change {
  readonly version: number;
  readonly kind: Kind;
  readonly before: StoredObject | null;
  readonly after: StoredObject | null;
}

export interface WatchOptions {
  /** A watch ends by itself after about this long (half to whole), as a server's do. */
  readonly lifetimeMs: number;
  readonly bookmarkMs: number;
}

/** The last changes, in order, and those who wait for the next. */
export class WatchHistory {
  readonly #changes: Change[] = [];
  readonly #limit: number;
  readonly #wakers = new Set<() => void>();
  /** Changes up to and including this version are no longer known. */
  #forgotten: number;
  #newest: number;

  constructor(version: number, limit: number) {
    this.#forgotten = version;
    this.#newest = version;
    this.#limit = limit;
  }

  push(change: Change): void {
    if (change.version <= this.#newest) throw new Error('invariant: versions rise');
    this.#newest = change.version;
    this.#changes.push(change);
    if (this.#changes.length > this.#limit) {
      const dropped = this.#changes.splice(0, Math.ceil(this.#limit / 2));
      this.#forgotten = dropped.at(-1)?.version ?? this.#forgotten;
    }
    for (const wake of this.#wakers) wake();
  }

  async *watch(
    kind: Kind,
    selector: Selector,
    resourceVersion: string,
    signal: AbortSignal,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<StoredObject>> {
    let seen = Number(resourceVersion);
    if (!Number.isSafeInteger(seen) || resourceVersion === '') {
      throw new KubeError('Invalid', `watch of ${kind.plural}: "${resourceVersion}" is no resourceVersion`);
    }
    const deadline = Date.now() + options.lifetimeMs * (0.5 + Math.random() / 2);
    let bookmarkAt = Date.now() + options.bookmarkMs;
    for (;;) {
      if (signal.aborted) return;
      if (seen < this.#forgotten || seen > this.#newest) {
        throw new KubeError(
          'Gone',
          `watch of ${kind.plural}: too old resource version: ${seen} (${this.#forgotten})`,
        );
      }
      // A batch is taken in one go: what is pushed meanwhile has a higher version and comes next.
      const fresh = this.#after(seen);
      for (const change of fresh) {
        const event = change.kind === kind ? eventOf(change, selector) : null;
        if (event !== null) yield event;
        if (signal.aborted) return;
      }
      if (fresh.length > 0) {
        seen = fresh.at(-1)?.version ?? seen;
        continue;
      }
      const now = Date.now();
      if (now >= deadline || now >= bookmarkAt) {
        yield { type: 'bookmark', resourceVersion: String(seen) };
        if (now >= deadline) return;
        bookmarkAt = now + options.bookmarkMs;
        continue;
      }
      await this.#nextChange(signal, Math.min(deadline, bookmarkAt) - now);
    }
  }

  #after(version: number): Change[] {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#changes[middle]?.version ?? 0) <= version) low = middle + 1;
      else high = middle;
    }
    return this.#changes.slice(low);
  }

  #nextChange(signal: AbortSignal, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      // A watch alone keeps no process alive.
      timer.unref();
      this.#wakers.add(done);
      signal.addEventListener('abort', done);
    });
  }
}

/** A change seen through a selector: entering it is `added`, leaving it is `deleted`. */
function eventOf(change: Change, selector: Selector): WatchEvent<StoredObject> | null {
  const matches = (object: StoredObject | null): boolean =>
    object !== null &&
    (selector.namespace === undefined || object.metadata.namespace === selector.namespace) &&
    matchesLabels(object, selector.labels);
  const before = matches(change.before);
  if (matches(change.after) && change.after !== null) {
    return { type: before ? 'modified' : 'added', object: change.after };
  }
  if (!before || change.before === null) return null;
  // The last state, under the version of the deletion: a watcher goes on from there.
  const metadata = { ...(change.after ?? change.before).metadata, resourceVersion: String(change.version) };
  return { type: 'deleted', object: { ...change.before, metadata } };
}
