import type { Message } from '@synccluster/client';
import { declareIfMissing, type Names } from './actors.ts';
import type { RecordedClient } from './recordedClient.ts';
import type { WorkloadSettings } from './settings.ts';

export interface AuditResult {
  /** Everything could be looked at. */
  readonly complete: boolean;
  /** What could not be done in time. */
  readonly missing: readonly string[];
}

/** Pause between two attempts. */
const AGAIN_MS = 100;

/**
 * The final look at everything, by a client of its own when all others have closed: each lock can be had, each key is
 * read, each queue is drained until its depth is zero, delayed messages and those in flight included.
 */
export async function audit(
  client: RecordedClient,
  settings: WorkloadSettings,
  fleetingKeys: readonly string[],
  names: Names,
): Promise<AuditResult> {
  const { clock } = client;
  const dueMs = clock.monotonicMs() + settings.auditMs;
  const missing: string[] = [];
  const attempt = async (what: string, once: () => Promise<boolean>): Promise<void> => {
    while (!(await once())) {
      if (clock.monotonicMs() >= dueMs) {
        missing.push(what);
        return;
      }
      await client.sleep(AGAIN_MS);
    }
  };
  for (const name of settings.locks) {
    await attempt(`acquire lock ${name}`, async () => {
      const lock = await client.acquire(name, 'exclusive', settings.lockWaitMs);
      if (lock === null) return false;
      client.mark(lock);
      return client.release(lock);
    });
    await attempt(`inspect lock ${name}`, async () => (await client.inspectLock(name)) !== null);
  }
  for (const key of [...settings.cacheKeys, ...fleetingKeys]) {
    await attempt(`read key ${key}`, async () => (await client.get(key, 'linearizable')) !== null);
  }
  await attempt('put a key', () => client.put('audit', names.next(client), 0));
  await attempt('delete a key', () => client.delete('audit'));
  for (const queue of settings.queues) {
    await attempt(`drain queue ${queue.name}`, async () => {
      await declareIfMissing(client, queue);
      return drained(client, queue.name);
    });
  }
  if (settings.passingQueue !== null) await auditPassing(client, settings.passingQueue, names, attempt);
  return { complete: missing.length === 0, missing };
}

type Attempt = (what: string, once: () => Promise<boolean>) => Promise<void>;

/**
 * A queue is deleted with messages in it and declared anew, now that all is well: none of them may come back, and
 * their receipts are good for nothing.
 */
async function auditPassing(
  client: RecordedClient,
  { name, partitions, visibilityMs }: NonNullable<WorkloadSettings['passingQueue']>,
  names: Names,
  attempt: Attempt,
): Promise<void> {
  const declare = (count: number): Promise<boolean> => client.declare(name, count, visibilityMs);
  const [first, last] = [partitions[0]!, partitions.at(-1)!];
  await attempt(`find queue ${name} there`, async () => {
    if ((await client.inspectQueue(name)) !== null) return true;
    if (client.misses(name)) {
      await client.deleteQueue(name);
      await declare(first);
    }
    return false;
  });
  const send = (key: string | null) => client.enqueue(name, names.next(client), key, 0);
  for (const key of ['key-1', null, null]) await attempt(`send to queue ${name}`, () => send(key));
  const take = async (): Promise<Message | null> => (await client.receive(name, 1, 0, 0))?.[0] ?? null;
  await attempt(`give a message of queue ${name} back`, async () => {
    const message = await take();
    return message !== null && client.nack(name, message, 0);
  });
  let taken: Message | null = null;
  await attempt(`keep a message of queue ${name}`, async () => {
    taken = await take();
    return taken !== null && client.extend(name, taken, visibilityMs);
  });
  // Without a known answer it may be gone already, and then that is the next one's answer.
  await attempt(`delete queue ${name}`, async () => (await client.deleteQueue(name)) || client.misses(name));
  await attempt(`declare queue ${name} anew`, () => declare(last));
  if (taken !== null) await client.ack(name, taken);
  for (const key of ['key-1', null]) await attempt(`send to queue ${name} anew`, () => send(key));
  await attempt(`drain queue ${name}`, () => drained(client, name));
}

async function drained(client: RecordedClient, queue: string): Promise<boolean> {
  for (;;) {
    const messages = await client.receive(queue, 50, 0, 0);
    if (messages === null) return false;
    if (messages.length === 0) break;
    await Promise.all(messages.map((message) => client.ack(queue, message)));
  }
  const depth = await client.inspectQueue(queue);
  return depth?.partitions.every(({ ready, inFlight, delayed }) => ready + inFlight + delayed === 0) ?? false;
}
