import type { Clock } from './clock.ts';

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** Keys worked on at the same time. */
  readonly workers: number;
  /** First delay after a failure; doubled by each further one. Default 100. */
  readonly backoffMinMs?: number;
  /** Default 30000. */
  readonly backoffMaxMs?: number;
  /**
   * Works on a key; never called for the same key twice at once. Returns when to come back, in milliseconds, or null
   * for not before the next `add`. A rejection comes back with backoff.
   */
  readonly work: (key: string) => Promise<number | null>;
  readonly onError: (key: string, error: unknown, retryInMs: number) => void;
}

interface Entry {
  /** Added while it was worked on: once more, right after. */
  dirty: boolean;
  running: boolean;
  queued: boolean;
  failures: number;
  dueMs: number;
  cancelTimer: (() => void) | null;
}

/**
 * A set of keys to work on. However often a key is added, it waits once; one that keeps failing backs off alone and
 * never holds up another.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ready: string[] = [];
  #running = 0;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait to be worked on now. */
  get depth(): number {
    return this.#ready.length;
  }

  add(key: string): void {
    if (this.#stopped) return;
    const entry = this.#entry(key);
    if (entry.running) {
      entry.dirty = true;
      return;
    }
    // News is no reason to hurry a failing key: it keeps its turn.
    if (entry.failures > 0 && entry.cancelTimer !== null) return;
    this.#enqueue(key, entry);
  }

  /** The earliest of all that ask for a key counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    const entry = this.#entry(key);
    if (entry.running || entry.queued) {
      if (entry.running && delayMs <= 0) entry.dirty = true;
      return;
    }
    this.#schedule(key, entry, delayMs);
  }

  /** Takes no more keys; resolves when what is being worked on has ended. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.length = 0;
    for (const entry of this.#entries.values()) entry.cancelTimer?.();
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        dirty: false,
        running: false,
        queued: false,
        failures: 0,
        dueMs: Infinity,
        cancelTimer: null,
      };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #schedule(key: string, entry: Entry, delayMs: number): void {
    const dueMs = this.#options.clock.now() + delayMs;
    if (entry.cancelTimer !== null && entry.dueMs <= dueMs) return;
    entry.cancelTimer?.();
    entry.dueMs = dueMs;
    entry.cancelTimer = this.#options.clock.after(delayMs, () => {
      entry.cancelTimer = null;
      this.#enqueue(key, entry);
    });
  }

  #enqueue(key: string, entry: Entry): void {
    if (this.#stopped || entry.queued) return;
    entry.cancelTimer?.();
    entry.cancelTimer = null;
    entry.dueMs = Infinity;
    entry.queued = true;
    this.#ready.push(key);
    this.#pump();
  }

  #pump(): void {
    while (!this.#stopped && this.#running < this.#options.workers) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      const entry = this.#entry(key);
      entry.queued = false;
      entry.running = true;
      this.#running++;
      void this.#run(key, entry);
    }
  }

  async #run(key: string, entry: Entry): Promise<void> {
    const { backoffMinMs = 100, backoffMaxMs = 30_000, work, onError } = this.#options;
    let next: number | null;
    try {
      next = await work(key);
      entry.failures = 0;
    } catch (error) {
      next = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(entry.failures, 30));
      entry.failures++;
      onError(key, error, next);
    }
    entry.running = false;
    this.#running--;
    if (this.#stopped) {
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const dirty = entry.dirty;
    entry.dirty = false;
    if (dirty && entry.failures === 0) this.#enqueue(key, entry);
    else if (next !== null) this.#schedule(key, entry, next);
    // A key that nobody waits for is forgotten, so that deleted objects leave nothing behind.
    else this.#entries.delete(key);
    this.#pump();
  }
}
