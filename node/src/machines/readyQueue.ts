import { type HeapItem, IndexedHeap } from './indexedHeap.ts';
import { invariant } from './invariant.ts';

interface Numbered extends HeapItem {
  readonly id: number;
}

const COMPACT_FROM = 1024;

/**
 * What can be delivered, lowest id first. New messages only ever come behind all others, so they stand in a
 * plain row; those that come back (redelivered, delayed until now) are merged in from a heap.
 */
export class ReadyQueue<T extends Numbered> {
  #row: (T | undefined)[] = [];
  #head = 0;
  readonly #returned = new IndexedHeap<T>((a, b) => a.id < b.id);

  get size(): number {
    return this.#row.length - this.#head + this.#returned.size;
  }

  /** `item` has a higher id than everything that was ever appended. */
  append(item: T): void {
    this.#row.push(item);
  }

  giveBack(item: T): void {
    this.#returned.push(item);
  }

  take(): T | null {
    const fresh = this.#row[this.#head];
    const returned = this.#returned.peek();
    if (returned !== undefined && (fresh === undefined || returned.id < fresh.id)) {
      return this.#returned.pop()!;
    }
    if (fresh === undefined) return null;
    invariant(fresh.heapIndex === -1, 'a message in the row is in no heap');
    this.#row[this.#head++] = undefined;
    if (this.#head === this.#row.length) {
      this.#row.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#row.length) {
      this.#row = this.#row.slice(this.#head);
      this.#head = 0;
    }
    return fresh;
  }
}
