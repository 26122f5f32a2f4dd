import { invariant } from './invariant.ts';

export interface HeapItem {
  /** Position in the one heap the item is in; -1: in none. Derived, never hashed. */
  heapIndex: number;
}

/**
 * Binary heap whose items know their position, so that one leaves in O(log n) when it is no longer due:
 * no garbage, and the top is always true. `before` must be a total order, else members would disagree.
 */
export class IndexedHeap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    invariant(item.heapIndex === -1, 'an item is in one heap at most');
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  remove(item: T): void {
    const at = item.heapIndex;
    invariant(this.#items[at] === item, 'an item leaves the heap it is in');
    const last = this.#items.pop()!;
    item.heapIndex = -1;
    if (last === item) return;
    this.#up(last, at);
    if (last.heapIndex === at) this.#down(last, at);
  }

  /** To be called after what `before` looks at has changed. */
  moved(item: T): void {
    const at = item.heapIndex;
    invariant(this.#items[at] === item, 'an item moves in the heap it is in');
    this.#up(item, at);
    if (item.heapIndex === at) this.#down(item, at);
  }

  pop(): T | undefined {
    const top = this.#items[0];
    if (top !== undefined) this.remove(top);
    return top;
  }

  /** Drops everything else in O(n). */
  retain(keep: (item: T) => boolean): void {
    let kept = 0;
    for (const item of this.#items) {
      if (keep(item)) {
        this.#items[kept] = item;
        item.heapIndex = kept++;
      } else {
        item.heapIndex = -1;
      }
    }
    this.#items.length = kept;
    for (let at = (kept >> 1) - 1; at >= 0; at--) this.#down(this.#items[at]!, at);
  }

  #up(item: T, from: number): void {
    const items = this.#items;
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = items[parentAt]!;
      if (!this.#before(item, parent)) break;
      items[at] = parent;
      parent.heapIndex = at;
      at = parentAt;
    }
    items[at] = item;
    item.heapIndex = at;
  }

  #down(item: T, from: number): void {
    const items = this.#items;
    const size = items.length;
    let at = from;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= size) break;
      if (childAt + 1 < size && this.#before(items[childAt + 1]!, items[childAt]!)) childAt++;
      const child = items[childAt]!;
      if (!this.#before(child, item)) break;
      items[at] = child;
      child.heapIndex = at;
      at = childAt;
    }
    items[at] = item;
    item.heapIndex = at;
  }
}
