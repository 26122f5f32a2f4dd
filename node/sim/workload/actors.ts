import type { Message } from '@synccluster/client';
import type { Random } from './random.ts';
import type { RecordedClient } from './recordedClient.ts';
import type { WorkloadSettings } from './settings.ts';

/** One thing an actor does, from the decision to the answer. */
export type Action = (client: RecordedClient, random: Random, settings: WorkloadSettings) => Promise<void>;

/** Names what is written, uniquely over the whole history. */
export class Names {
  #count = 0;
  next(client: RecordedClient): string {
    this.#count++;
    return `c${client.number}-${this.#count}`;
  }
}

export async function useLock(
  client: RecordedClient,
  random: Random,
  { locks, lockWaitMs, holdMs, markMs }: WorkloadSettings,
): Promise<void> {
  const name = random.pick(locks);
  if (random.chance(0.15)) {
    await client.inspectLock(name);
    return;
  }
  const mode = random.chance(0.3) ? 'shared' : 'exclusive';
  const patience = random.weighted({ try: 2, bounded: 6, patient: 1, cancelled: 1 });
  const boundedMs = random.between(1, lockWaitMs);
  const heldMs = random.between(0, holdMs);
  const forgets = random.chance(0.05);
  // Nobody waits for ever here: what is asked for without a deadline is taken back by the caller.
  const stop = new AbortController();
  const takenBack = client.clock.after(patience === 'cancelled' ? boundedMs : 4 * lockWaitMs, () =>
    stop.abort(),
  );
  const waitMs = patience === 'try' ? 0 : patience === 'bounded' ? boundedMs : null;
  const lock = await client.acquire(name, mode, waitMs, stop.signal);
  takenBack.cancel();
  if (lock === null) return;
  const held = await client.hold(lock, heldMs, markMs);
  // One that forgets to give it back for a while longer than it meant to.
  if (held && forgets) await client.hold(lock, 2 * heldMs, markMs);
  // Also one that is not held at the moment: its session may yet be confirmed.
  await client.release(lock);
}

export function produce(names: Names): Action {
  return async (client, random, { queues, messageKeys, delayMs, burstShare, burstGapMs }) => {
    const queue = random.pick(queues);
    const { name } = queue;
    await declareIfMissing(client, queue);
    const burst = random.chance(burstShare) ? random.between(2, 6) : 1;
    const sent: Promise<boolean>[] = [];
    for (let i = 0; i < burst; i++) {
      const key = random.chance(0.7) ? random.pick(messageKeys) : null;
      const delay = random.chance(0.15) ? random.between(1, delayMs) : 0;
      sent.push(client.enqueue(name, names.next(client), key, delay));
      if (burstGapMs > 0) await client.sleep(random.between(1, burstGapMs));
    }
    await Promise.all(sent);
  };
}

/** A forced recovery may have taken the declaration back: whoever meets that declares the queue again. */
export async function declareIfMissing(
  client: RecordedClient,
  { name, partitions, visibilityMs }: WorkloadSettings['queues'][number],
): Promise<void> {
  if (client.misses(name)) await client.declare(name, partitions, visibilityMs);
}

export async function consume(
  client: RecordedClient,
  random: Random,
  { queues, receiveWaitMs, delayMs }: WorkloadSettings,
): Promise<void> {
  const queue = random.pick(queues);
  const { name, visibilityMs } = queue;
  await declareIfMissing(client, queue);
  const max = random.between(1, 8);
  const waitMs = random.chance(0.3) ? 0 : random.between(1, receiveWaitMs);
  const visible = random.chance(0.3) ? random.between(100, visibilityMs) : 0;
  const messages = (await client.receive(name, max, waitMs, visible)) ?? [];
  await Promise.all(
    messages.map((message) => process(client, random, name, message, { delayMs, visibilityMs })),
  );
}

export async function process(
  client: RecordedClient,
  random: Random,
  queue: string,
  message: Message,
  { delayMs, visibilityMs }: { readonly delayMs: number; readonly visibilityMs: number },
): Promise<void> {
  if (random.chance(0.3)) await client.sleep(random.between(1, 50));
  switch (random.weighted({ ack: 28, late: 1, nack: 4, extend: 4, leave: 2 })) {
    case 'ack':
      await client.ack(queue, message);
      return;
    // Around its visibility timeout: whether the receipt is still good is a race.
    case 'late':
      await client.sleep(random.between(Math.floor(visibilityMs / 2), Math.ceil(1.5 * visibilityMs)));
      await client.ack(queue, message);
      return;
    case 'nack':
      await client.nack(queue, message, random.chance(0.5) ? 0 : random.between(1, delayMs));
      return;
    case 'extend':
      if (await client.extend(queue, message, random.between(100, 2 * visibilityMs))) {
        await client.ack(queue, message);
      }
      return;
    case 'leave':
      return;
  }
}

/** Far beyond any run. */
const LONG_TTL_MS = 24 * 3_600_000;
const FLEETING_KEYS = 60;

/** Keys that are put once, with a time to live: the audit looks whether each is there or gone as it must be. */
export class FleetingKeys {
  readonly all: string[] = [];
  #count = 0;
  next(): string | null {
    if (this.#count === FLEETING_KEYS) return null;
    this.#count++;
    const key = `fleeting-${this.#count}`;
    this.all.push(key);
    return key;
  }
}

export function useCache(names: Names, fleeting: FleetingKeys): Action {
  return async (client, random, { cacheKeys, ttlMs }) => {
    const key = random.pick(cacheKeys);
    switch (
      random.weighted({ put: 8, expiring: 1, fleeting: 0.5, delete: 2, linearizable: 10, session: 4, any: 3 })
    ) {
      case 'put':
        await client.put(key, names.next(client), 0);
        return;
      case 'expiring':
        await client.put(key, names.next(client), random.between(1, ttlMs));
        return;
      case 'fleeting': {
        const once = fleeting.next();
        const lives = random.chance(0.3) ? LONG_TTL_MS : random.between(1, ttlMs);
        if (once !== null) await client.put(once, names.next(client), lives);
        return;
      }
      case 'delete':
        await client.delete(key);
        return;
      case 'linearizable':
        await client.get(key, 'linearizable');
        return;
      case 'session':
        await client.get(key, 'session');
        return;
      case 'any':
        await client.get(key, 'any');
        return;
    }
  };
}
