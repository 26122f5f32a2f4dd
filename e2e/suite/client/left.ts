import type { Client } from '@synccluster/client';
import type { Left } from './answers.ts';

const COUNT = 200;
const QUEUE = 'left';
const key = (n: number): string => `left-${n}`;

async function takeToken(client: Client): Promise<number> {
  const lock = await client.locks.acquire('left', { waitMs: 20_000 });
  await lock.release();
  return lock.token;
}

/** Leaves messages and cache entries to be found by a later call. */
export async function leave(client: Client): Promise<Left> {
  const queue = await client.queues.declare(QUEUE, { partitions: 3 });
  await queue.enqueueMany(Array.from({ length: COUNT }, (_, n) => `message ${n}`));
  for (let n = 0; n < COUNT; n++) await client.cache.put(key(n), `entry ${n}`);
  return { messages: COUNT, entries: COUNT, token: await takeToken(client) };
}

/** Counts what is there with the content it had; messages are given back, so that it can be asked again. */
export async function find(client: Client): Promise<Left> {
  const queue = await client.queues.declare(QUEUE, { partitions: 3 });
  const messages = new Set<string>();
  const received = [];
  for (;;) {
    const batch = await queue.receive({ max: 100, waitMs: 1_000 });
    if (batch.length === 0) break;
    for (const message of batch) messages.add(message.text());
    received.push(...batch);
  }
  await queue.nack(received);
  let entries = 0;
  for (let n = 0; n < COUNT; n++) {
    const entry = await client.cache.get(key(n), { level: 'linearizable' });
    if (entry !== null && Buffer.from(entry.value).toString() === `entry ${n}`) entries++;
  }
  const found = Array.from({ length: COUNT }, (_, n) => `message ${n}`).filter((body) => messages.has(body));
  return { messages: found.length, entries, token: await takeToken(client) };
}
