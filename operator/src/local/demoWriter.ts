import type { Client } from '@synccluster/client';

/** Writes messages and cache entries without pause, and remembers what was acknowledged and when. */
export class DemoWriter {
  readonly messages = new Set<string>();
  readonly entries = new Map<string, number>();
  readonly tokens: number[] = [];
  /** Longest time without any acknowledgement of one lane, in milliseconds. */
  longestGapMs = 0;
  readonly #client: Client;
  readonly #queue: string;
  readonly #lanes: Promise<void>[];
  #stopped = false;
  #failure: Error | null = null;

  constructor(client: Client, queue: string) {
    this.#client = client;
    this.#queue = queue;
    this.#lanes = [0, 1, 2, 3, 4, 5].map((lane) =>
      this.#run(lane).catch((error: Error) => {
        this.#failure ??= error;
      }),
    );
  }

  /** Throws what a write failed with: its lane does not go on after that. */
  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** All that was sent has been answered when it resolves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #run(lane: number): Promise<void> {
    let last = performance.now();
    for (let n = 0; !this.#stopped; n++) {
      await this.#write(lane, n);
      const now = performance.now();
      this.longestGapMs = Math.max(this.longestGapMs, now - last);
      last = now;
    }
  }

  async #write(lane: number, n: number): Promise<void> {
    if (lane < 3) {
      const body = `${lane}-${n}`;
      await this.#client.queue(this.#queue).enqueue(body, { key: `lane-${lane}` });
      this.messages.add(body);
    } else if (lane < 5) {
      const key = `lane-${lane}-${n % 100}`;
      await this.#client.cache.put(key, String(n));
      this.entries.set(key, n);
    } else {
      const lock = await this.#client.locks.acquire('demo-writer', { waitMs: 10_000 });
      this.tokens.push(lock.token);
      await lock.release();
    }
  }
}

/** What is missing of what was acknowledged: each line is a broken promise. */
export async function findLosses(client: Client, queue: string, writer: DemoWriter): Promise<string[]> {
  const losses: string[] = [];
  const missing = new Set(writer.messages);
  for (;;) {
    const messages = await client.queue(queue).receive({ max: 100, waitMs: 0 });
    if (messages.length === 0) break;
    for (const message of messages) missing.delete(message.text());
    await Promise.all(messages.map((message) => message.ack()));
  }
  for (const body of missing) losses.push(`message ${body}`);
  for (const [key, n] of writer.entries) {
    const entry = await client.cache.get(key, { level: 'linearizable' });
    if (entry === null || Number(Buffer.from(entry.value)) !== n) losses.push(`cache entry ${key}`);
  }
  for (let i = 1; i < writer.tokens.length; i++) {
    const [before, token] = [writer.tokens[i - 1]!, writer.tokens[i]!];
    if (token <= before) losses.push(`fencing token ${token} came after ${before}`);
  }
  return losses;
}
