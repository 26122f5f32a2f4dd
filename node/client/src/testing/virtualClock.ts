import type { Clock, Timer } from '../clock.ts';

interface Entry {
  dueMs: number;
  order: number;
  run: () => void;
}

/** Time that moves only when told to. */
export class VirtualClock implements Clock {
  nowMs = 1_000;
  wallOffsetMs = 1_753_000_000_000;
  #order = 0;
  #timers: Entry[] = [];
  #deferred: (() => void)[] = [];
  #seed = 12_345;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.wallOffsetMs + this.nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const entry = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.push(entry);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== entry);
      },
    };
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  random(): number {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return this.#seed / 0x8000_0000;
  }

  /** Timers that are still set: after a close there must be none. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Runs what is ready now, promises included, until nothing is left. */
  async settle(): Promise<void> {
    do {
      const ready = this.#deferred;
      this.#deferred = [];
      for (const run of ready) run();
      // A real turn: lets every promise reaction run.
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#deferred.length > 0);
  }

  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.#timers.reduce<Entry | null>(
        (best, entry) =>
          entry.dueMs <= end &&
          (best === null ||
            entry.dueMs < best.dueMs ||
            (entry.dueMs === best.dueMs && entry.order < best.order))
            ? entry
            : best,
        null,
      );
      if (next === null) break;
      this.#timers = this.#timers.filter((entry) => entry !== next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.run();
      await this.settle();
    }
    this.nowMs = end;
    await this.settle();
  }
}

export type Outcome<T> =
  | { readonly status: 'pending' }
  | { readonly status: 'resolved'; readonly value: T }
  | { readonly status: 'rejected'; readonly error: unknown };

/** Watches a promise without waiting for it. */
export function watch<T>(promise: Promise<T>): { outcome: Outcome<T> } {
  const watched: { outcome: Outcome<T> } = { outcome: { status: 'pending' } };
  promise.then(
    (value) => {
      watched.outcome = { status: 'resolved', value };
    },
    (error: unknown) => {
      watched.outcome = { status: 'rejected', error };
    },
  );
  return watched;
}
