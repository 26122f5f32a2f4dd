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
  for (const { name } of settings.queues) {
    await attempt(`drain queue ${name}`, () => drained(client, name));
  }
  return { complete: missing.length === 0, missing };
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
