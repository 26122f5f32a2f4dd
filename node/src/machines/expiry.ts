import { type HeapItem, IndexedHeap } from './indexedHeap.ts';

export interface Due extends HeapItem {
  /** `Infinity`: never, and then in no heap. */
  dueStampMs: number;
}

/**
 * What falls due, in the order (due, tie). The tie-break must be unique, so that every member lets things
 * happen in the same order, also one that restored a snapshot.
 */
export class DueHeap<T extends Due> {
  readonly #heap: IndexedHeap<T>;

  constructor(tie: (item: T) => number) {
    this.#heap = new IndexedHeap<T>((a, b) =>
      a.dueStampMs === b.dueStampMs ? tie(a) < tie(b) : a.dueStampMs < b.dueStampMs,
    );
  }

  get size(): number {
    return this.#heap.size;
  }

  nextDueStampMs(): number {
    return this.#heap.peek()?.dueStampMs ?? Infinity;
  }

  /** After `dueStampMs` was set, whatever it was before. */
  schedule(item: T): void {
    if (item.dueStampMs === Infinity) this.cancel(item);
    else if (item.heapIndex === -1) this.#heap.push(item);
    else this.#heap.moved(item);
  }

  cancel(item: T): void {
    if (item.heapIndex !== -1) this.#heap.remove(item);
  }

  /** The next one due at `stampMs` or before, taken out. */
  popDue(stampMs: number): T | null {
    return this.nextDueStampMs() <= stampMs ? this.#heap.pop()! : null;
  }

  retain(keep: (item: T) => boolean): void {
    this.#heap.retain(keep);
  }
}
