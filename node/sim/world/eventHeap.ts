/** Something that happens at a moment of the world's time. */
export interface SimEvent {
  readonly timeMs: number;
  /** Of events at one moment, the one that was planned first happens first. */
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Planned events, the next one on top: a binary heap by (time, sequence). */
export class EventHeap {
  readonly #events: SimEvent[] = [];
  #sequence = 0;

  get size(): number {
    return this.#events.length;
  }

  add(timeMs: number, run: () => void): SimEvent {
    this.#sequence += 1;
    const event: SimEvent = { timeMs, sequence: this.#sequence, run, cancelled: false };
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = events[parent]!;
      if (!isBefore(event, other)) break;
      events[at] = other;
      at = parent;
    }
    events[at] = event;
    return event;
  }

  /** The next one that was not cancelled, without taking it. */
  peek(): SimEvent | null {
    for (;;) {
      const top = this.#events[0];
      if (top === undefined) return null;
      if (!top.cancelled) return top;
      this.#removeTop();
    }
  }

  take(): SimEvent | null {
    const top = this.peek();
    if (top !== null) this.#removeTop();
    return top;
  }

  #removeTop(): void {
    const events = this.#events;
    const last = events.pop()!;
    const size = events.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(events[child + 1]!, events[child]!)) child += 1;
      const other = events[child]!;
      if (!isBefore(other, last)) break;
      events[at] = other;
      at = child;
    }
    events[at] = last;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence);
}
