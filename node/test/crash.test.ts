import { type CacheEntry, type Client, connect } from '@synccluster/client';
import { afterEach, describe, expect, it } from 'vitest';
import { LocalMembers, until } from './localMembers.ts';

/** What the cluster acknowledged: it must be there whatever happens afterwards. */
interface Acknowledged {
  readonly messages: Set<string>;
  readonly entries: Map<string, string>;
  readonly tokens: Map<string, number>;
  /** Tokens that did not rise: must stay empty. */
  readonly fallen: string[];
}

const QUEUE = 'orders';

/** Writes of all three kinds, one after another on several lanes, until told to stop. */
function startWriter(client: Client): { acknowledged: Acknowledged; stop(): Promise<void> } {
  const acknowledged: Acknowledged = {
    messages: new Set(),
    entries: new Map(),
    tokens: new Map(),
    fallen: [],
  };
  let stopped = false;
  const lane = async (write: (n: number) => Promise<void>): Promise<void> => {
    for (let n = 0; !stopped; n++) {
      try {
        await write(n);
      } catch {
        // While members are down a write may fail; only what was acknowledged counts.
        if (stopped) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  };
  const queue = client.queue(QUEUE);
  const lanes = [0, 1, 2, 3].flatMap((i) => [
    lane(async (n) => {
      await queue.enqueue(`m-${i}-${n}`, { key: `key-${i}` });
      acknowledged.messages.add(`m-${i}-${n}`);
    }),
    lane(async (n) => {
      await client.cache.put(`key-${i}-${n % 50}`, `v-${n}`);
      acknowledged.entries.set(`key-${i}-${n % 50}`, `v-${n}`);
    }),
    lane(async () => {
      const lock = await client.locks.acquire(`lock-${i}`, { waitMs: 2_000 });
      const last = acknowledged.tokens.get(lock.name) ?? 0;
      if (lock.token <= last) acknowledged.fallen.push(`${lock.name}: ${lock.token} after ${last}`);
      acknowledged.tokens.set(lock.name, lock.token);
      await lock.release();
    }),
  ]);
  return {
    acknowledged,
    async stop() {
      stopped = true;
      await Promise.all(lanes);
    },
  };
}

const text = (entry: CacheEntry | null): string =>
  entry === null ? 'v--1' : Buffer.from(entry.value).toString();

async function drain(client: Client): Promise<Set<string>> {
  const found = new Set<string>();
  const queue = client.queue(QUEUE);
  for (;;) {
    const messages = await queue.receive({ max: 100, waitMs: 0 });
    if (messages.length === 0) return found;
    for (const message of messages) found.add(message.text());
    await Promise.all(messages.map((message) => message.ack()));
  }
}

async function expectAllThere(client: Client, acknowledged: Acknowledged): Promise<void> {
  expect(acknowledged.messages.size).toBeGreaterThan(20);
  expect(acknowledged.entries.size).toBeGreaterThan(20);
  expect(acknowledged.tokens.size).toBe(4);
  expect(acknowledged.fallen).toEqual([]);
  const found = await drain(client);
  expect([...acknowledged.messages].filter((message) => !found.has(message))).toEqual([]);
  for (const [key, value] of acknowledged.entries) {
    const entry = await client.cache.get(key, { level: 'linearizable' });
    // A write that was under way when all members died may have happened too: then it is a later one.
    const number = (value: string): number => Number(value.slice(2));
    expect(number(text(entry)), key).toBeGreaterThanOrEqual(number(value));
  }
  for (const [name, token] of acknowledged.tokens) {
    const lock = await client.locks.acquire(name, { waitMs: 15_000 });
    expect(lock.token).toBeGreaterThan(token);
    await lock.release();
  }
}

describe('a cluster of real processes', () => {
  let members: LocalMembers;
  const clients: Client[] = [];
  const newClient = async (count: number): Promise<Client> => {
    const endpoints = Array.from({ length: count }, (_, ordinal) => members.endpoint(ordinal));
    const client = await connect({ endpoints, sessionTtlMs: 3_000, requestTimeoutMs: 15_000 });
    clients.push(client);
    return client;
  };
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close().catch(() => {})));
    await members.stop();
  });

  it('has every acknowledged write after all members were killed at once, and after one lost its volume', {
    timeout: 90_000,
  }, async () => {
    members = new LocalMembers();
    await members.found(3);
    const client = await newClient(3);
    await client.queues.declare(QUEUE, { partitions: 3, visibilityMs: 30_000 });
    const writer = startWriter(client);
    await until('enough writes', () => writer.acknowledged.messages.size > 200);
    await Promise.all([0, 1, 2].map((ordinal) => members.kill(ordinal)));
    for (const ordinal of [0, 1, 2]) members.start(ordinal);
    await members.ready(3);
    await writer.stop();

    // The same with a volume gone: ordinal 2 comes back as somebody new.
    const second = startWriter(await newClient(3));
    await until('enough writes', () => second.acknowledged.messages.size > 100);
    const lost = (await members.identity(2)).memberId;
    await Promise.all([0, 1, 2].map((ordinal) => members.kill(ordinal)));
    members.wipe(2);
    for (const ordinal of [0, 1, 2]) members.start(ordinal);
    const fresh = await until('identity of the wiped member', () => members.identity(2));
    expect(fresh.memberId).not.toBe(lost);
    expect(fresh).toMatchObject({ empty: true, clusterId: null });
    await until('the two others to lead', async () =>
      (await members.status(0)).groups.every((g) => g.leader !== 0),
    );
    // Nobody counts it: it has no vote, no group and no leader until it is admitted.
    expect(await members.identity(2)).toMatchObject({ empty: true });
    await members.changeRoster(0, [{ memberId: lost, ordinal: 2, target: 'removed' }]);
    await until('the lost member to be out of every group', async () =>
      (await members.status(0)).groups.every((g) => !g.configuration.voters.some((v) => v.id === lost)),
    );
    expect(await members.join(2, 0)).toBe(fresh.memberId);
    await members.ready(3);
    await second.stop();

    const reader = await newClient(3);
    for (const message of second.acknowledged.messages) writer.acknowledged.messages.add(message);
    for (const [key, value] of second.acknowledged.entries) writer.acknowledged.entries.set(key, value);
    writer.acknowledged.fallen.push(...second.acknowledged.fallen);
    for (const [name, token] of second.acknowledged.tokens) {
      expect(token).toBeGreaterThan(writer.acknowledged.tokens.get(name) ?? 0);
      writer.acknowledged.tokens.set(name, token);
    }
    await expectAllThere(reader, writer.acknowledged);
  });

  it('goes on when the leader is killed, loses nothing and gives no token twice', {
    timeout: 60_000,
  }, async () => {
    members = new LocalMembers();
    await members.found(3);
    const client = await newClient(3);
    await client.queues.declare(QUEUE, { partitions: 3, visibilityMs: 30_000 });
    const writer = startWriter(client);
    for (const group of [0, 1]) {
      const before = writer.acknowledged.messages.size;
      await until('enough writes', () => writer.acknowledged.messages.size > before + 100);
      const leader = await members.leader(group, 3);
      await members.kill(leader);
      const atKill = writer.acknowledged.messages.size;
      await until('writes to go on', () => writer.acknowledged.messages.size > atKill + 100);
      members.start(leader);
      await members.ready(3);
    }
    await writer.stop();
    await expectAllThere(client, writer.acknowledged);
  });

  it('works with members that are reached through one address only', { timeout: 60_000 }, async () => {
    // As behind a load balancer, the addresses that the members advertise lead nowhere.
    members = new LocalMembers(['--advertise-host', 'nowhere.invalid']);
    await members.found(3);
    const client = await connect({ endpoints: [members.endpoint(1)] });
    clients.push(client);
    await client.queues.declare(QUEUE, { partitions: 3, visibilityMs: 30_000 });
    for (let n = 0; n < 50; n++) await client.queue(QUEUE).enqueue(`m-${n}`);
    expect((await drain(client)).size).toBe(50);
    for (let n = 0; n < 20; n++) {
      await client.cache.put(`k-${n}`, `${n}`);
      expect(text(await client.cache.get(`k-${n}`))).toBe(`${n}`);
    }
    const lock = await client.locks.acquire('a');
    const waiting = client.locks.acquire('a', { waitMs: 10_000 });
    await lock.release();
    expect((await waiting).token).toBeGreaterThan(lock.token);
  });
});
