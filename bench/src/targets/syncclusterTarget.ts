import { type Client, connect, type Queue } from '@synccluster/client';
import type { HeldLock, ReceivedMessage, Target } from './target.ts';

/** A SyncCluster through its client library. */
export class SyncClusterTarget implements Target {
  readonly #client: Client;
  readonly #queues = new Map<string, Queue>();
  /** To be taken away again: a benchmark leaves nothing in the catalogue. */
  readonly #declared: string[] = [];

  constructor(client: Client) {
    this.#client = client;
  }

  static async connect(endpoints: readonly string[]): Promise<SyncClusterTarget> {
    return new SyncClusterTarget(await connect({ endpoints: [...endpoints] }));
  }

  acquire(name: string, waitMs: number): Promise<HeldLock> {
    return this.#client.locks.acquire(name, { waitMs });
  }

  async declareQueue(name: string, options: { visibilityMs: number }): Promise<void> {
    await this.#client.queues.declare(name, options);
    this.#declared.push(name);
  }

  async enqueue(queue: string, payload: Uint8Array): Promise<void> {
    await this.#queue(queue).enqueue(payload);
  }

  receive(queue: string, max: number, waitMs: number): Promise<readonly ReceivedMessage[]> {
    return this.#queue(queue).receive({ max, waitMs });
  }

  async get(key: string): Promise<Uint8Array | null> {
    const entry = await this.#client.cache.get(key);
    return entry === null ? null : entry.value;
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#client.cache.put(key, value);
  }

  async close(): Promise<void> {
    // Other clients of the benchmark may have deleted them already.
    await Promise.allSettled(this.#declared.map((name) => this.#client.queues.delete(name)));
    await this.#client.close();
  }

  #queue(name: string): Queue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = this.#client.queue(name);
      this.#queues.set(name, queue);
    }
    return queue;
  }
}
