import type { Client } from '@synccluster/client';

const QUEUE_LANES = 3;
const CACHE_LANES = 2;

/** Writes to all three primitives without pause and remembers what was acknowledged. */
export class Writer {
  readonly messages = new Set<string>();
  /** Newest acknowledged value by key. */
  readonly entries = new Map<string, string>();
  /** Acknowledged writes of entries; more than there are keys. */
  puts = 0;
  readonly tokens: number[] = [];
  /** Longest time of one lane between two acknowledgements. */
  longestGapMs = 0;
  readonly #client: Client;
  readonly #queue: string;
  readonly #lanes: Promise<void>[] = [];
  /** When each lane was last answered: a gap counts from its beginning, not only once it has ended. */
  readonly #lastMs: number[] = [];
  #stopped = false;

  constructor(client: Client, queue: string) {
    this.#client = client;
    this.#queue = queue;
    for (let lane = 0; lane < QUEUE_LANES; lane++) this.#start((n) => this.#enqueue(lane, n));
    for (let lane = 0; lane < CACHE_LANES; lane++) this.#start((n) => this.#put(lane, n));
    this.#start(() => this.#lock());
  }

  /** All that was sent has been answered when it resolves; the first write that failed rejects it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  /** What is missing of what was acknowledged: each line is a broken promise. */
  async findLosses(): Promise<string[]> {
    const losses: string[] = [];
    const missing = new Set(this.messages);
    const queue = this.#client.queue(this.#queue);
    for (;;) {
      const received = await queue.receive({ max: 256, waitMs: 500 });
      for (const message of received) missing.delete(message.text());
      await queue.ack(received);
      if (received.length > 0) continue;
      const depths = await queue.inspect();
      if (depths.every(({ ready, inFlight, delayed }) => ready + inFlight + delayed === 0)) break;
    }
    for (const body of missing) losses.push(`message ${body}`);
    for (const [key, value] of this.entries) {
      const entry = await this.#client.cache.get(key, { level: 'linearizable' });
      const found = entry === null ? 'nothing' : Buffer.from(entry.value).toString();
      if (found !== value) losses.push(`cache entry ${key}: ${found}, not ${value}`);
    }
    for (let i = 1; i < this.tokens.length; i++) {
      if (this.tokens[i]! <= this.tokens[i - 1]!)
        losses.push(`fencing token ${this.tokens[i]} came after ${this.tokens[i - 1]}`);
    }
    return losses;
  }

  #start(write: (n: number) => Promise<void>): void {
    const index = this.#lanes.length;
    this.#lastMs.push(performance.now());
    const lane = async (): Promise<void> => {
      for (let n = 0; !this.#stopped; n++) {
        await write(n);
        const now = performance.now();
        this.longestGapMs = Math.max(this.longestGapMs, now - this.#lastMs[index]!);
        this.#lastMs[index] = now;
      }
    };
    const running = lane();
    running.catch(() => {}); // stop() tells.
    this.#lanes.push(running);
  }

  async #enqueue(lane: number, n: number): Promise<void> {
    const body = `${lane}-${n}`;
    await this.#client.queue(this.#queue).enqueue(body, { key: `lane-${lane}` });
    this.messages.add(body);
  }
  async #put(lane: number, n: number): Promise<void> {
    const key = `lane-${lane}-${n % 100}`;
    await this.#client.cache.put(key, String(n));
    this.entries.set(key, String(n));
    this.puts++;
  }
  async #lock(): Promise<void> {
    const lock = await this.#client.locks.acquire('writer');
    this.tokens.push(lock.token);
    await lock.release();
  }
}
