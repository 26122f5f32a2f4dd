import type { HeldLock, ReceivedMessage, Target } from './target.ts';

interface LockState {
  held: boolean;
  token: number;
  readonly waiters: ((lock: HeldLock) => void)[];
}

/** The state that targets of one process share. */
export class MemoryStore {
  readonly locks = new Map<string, LockState>();
  readonly queues = new Map<string, Uint8Array[]>();
  readonly cache = new Map<string, Uint8Array>();
}

/**
 * The semantics of a target without any network: it shows what the load generator itself costs, and carries the
 * tests of workloads. `meanLatencyUs` > 0 adds an exponentially distributed delay to each operation.
 */
export class MemoryTarget implements Target {
  readonly store: MemoryStore;
  readonly #meanLatencyUs: number;

  constructor(store: MemoryStore = new MemoryStore(), meanLatencyUs = 0) {
    this.store = store;
    this.#meanLatencyUs = meanLatencyUs;
  }

  async acquire(name: string): Promise<HeldLock> {
    await this.#delay();
    let state = this.store.locks.get(name);
    if (state === undefined) {
      state = { held: false, token: 0, waiters: [] };
      this.store.locks.set(name, state);
    }
    if (!state.held) return this.#grant(state);
    const { waiters } = state;
    return await new Promise((resolve) => waiters.push(resolve));
  }

  async declareQueue(name: string): Promise<void> {
    await this.#delay();
    if (!this.store.queues.has(name)) this.store.queues.set(name, []);
  }

  async enqueue(queue: string, payload: Uint8Array): Promise<void> {
    await this.#delay();
    this.#messages(queue).push(payload);
  }

  async receive(queue: string, max: number): Promise<readonly ReceivedMessage[]> {
    await this.#delay();
    const taken = this.#messages(queue).splice(0, max);
    if (taken.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    return taken.map((payload) => ({ payload, ack: () => this.#delay() }));
  }

  async get(key: string): Promise<Uint8Array | null> {
    await this.#delay();
    return this.store.cache.get(key) ?? null;
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#delay();
    this.store.cache.set(key, value);
  }

  async close(): Promise<void> {}

  #grant(state: LockState): HeldLock {
    state.held = true;
    state.token++;
    return {
      token: state.token,
      release: async () => {
        await this.#delay();
        state.held = false;
        const next = state.waiters.shift();
        if (next !== undefined) next(this.#grant(state));
      },
    };
  }

  #messages(queue: string): Uint8Array[] {
    const messages = this.store.queues.get(queue);
    if (messages === undefined) throw Object.assign(new Error(`no queue ${queue}`), { code: 'NOT_FOUND' });
    return messages;
  }

  #delay(): Promise<void> {
    if (this.#meanLatencyUs === 0) return Promise.resolve();
    // A floor of half the mean, and an exponential tail above it.
    const us = this.#meanLatencyUs * (0.5 - 0.5 * Math.log(1 - Math.random()));
    const until = performance.now() + us / 1000;
    return new Promise((resolve) => {
      const look = (): void => {
        if (performance.now() >= until) resolve();
        else setImmediate(look);
      };
      look();
    });
  }
}
