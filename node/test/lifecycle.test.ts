import { type Client, connect } from '@synccluster/client';
import { afterEach, describe, expect, it } from 'vitest';
import { LocalMembers, until } from './localMembers.ts';

let members: LocalMembers;
const clients: Client[] = [];
async function newClient(...ordinals: number[]): Promise<Client> {
  const endpoints = ordinals.map((ordinal) => members.endpoint(ordinal));
  const client = await connect({ endpoints, requestTimeoutMs: 15_000 });
  clients.push(client);
  return client;
}
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close().catch(() => {})));
  await members.stop();
});

const terms = async (ordinal: number): Promise<number[]> =>
  (await members.status(ordinal)).groups.map((group) => group.term);

describe('SIGTERM', () => {
  it('hands every leadership over before the member ends', { timeout: 60_000 }, async () => {
    members = new LocalMembers();
    await members.found(3);
    for (const answering of [0, 1, 2]) {
      await until(`member ${answering} to tell where all listen`, async () => {
        const response = await fetch(`http://${members.host(answering)}:7402/v1/cluster`);
        const told = ((await response.json()) as { members: { client?: string; http?: string }[] }).members;
        return [0, 1, 2].every((ordinal) =>
          told.some(
            (m) => m.client === members.endpoint(ordinal) && m.http === `${members.host(ordinal)}:7402`,
          ),
        );
      });
    }
    const client = await newClient(0, 1, 2);
    await client.cache.put('before', 'x');
    const leader = await members.leader(0, 3);
    // A request that waits must not keep the member from ending.
    await client.queues.declare('mail');
    const waiting = fetch(`http://${members.host(leader)}:7402/v1/queues/mail/dequeue`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ waitMs: 30_000 }),
    }).then(
      (response) => response.status,
      () => 0,
    );
    expect(await members.kill(leader, 'SIGTERM')).toBe(0);
    expect(members.log(leader)).toContain('the member has stopped');
    expect([0, 200, 503]).toContain(await waiting);
    // Nobody had to notice its absence: it was somebody else's already.
    expect(members.log(leader)).toContain('no longer leads the group');
    for (const group of [0, 1, 2, 3]) expect(await members.leader(group, 3)).not.toBe(leader);
    await client.cache.put('after', 'y');
  });

  it('ends a member whose peers are gone, and one that is alone', { timeout: 60_000 }, async () => {
    members = new LocalMembers();
    await members.found(3);
    await Promise.all([members.kill(1), members.kill(2)]);
    expect(await members.kill(0, 'SIGTERM')).toBe(0);
    expect(members.log(0)).toContain('the member has stopped');
    await members.stop();
    members = new LocalMembers();
    await members.found(1);
    const ended = members.kill(0, 'SIGTERM');
    members.resume(0);
    expect(await ended).toBe(0);
  });
});

describe('a member that was stopped for a while', () => {
  it('as a follower disturbs nobody when it comes back, and catches up', { timeout: 60_000 }, async () => {
    // Patient, so that a busy machine causes no election that the stopped member did not.
    members = new LocalMembers(['--election-timeout-ms', '3000', '--heartbeat-ms', '100']);
    await members.found(3);
    // Each at the member that prefers it: what moves later moves because of the stopped one.
    const leaders = await until('leaderships to be spread', async () => {
      const found = await Promise.all([0, 1, 2, 3].map((group) => members.leader(group, 3)));
      return found.every((ordinal, group) => ordinal === group % 3) ? found : null;
    });
    // It may lead one group; of the others its silence must change nothing.
    const stopped = [0, 1, 2].find((ordinal) => ordinal !== leaders[0])!;
    const witness = [0, 1, 2].find((ordinal) => ordinal !== stopped && leaders.includes(ordinal))!;
    const followed = [0, 1, 2, 3].filter((group) => leaders[group] !== stopped);
    const client = await newClient(witness);
    const before = await terms(witness);
    members.suspend(stopped);
    // Longer than an election takes: its leadership of a group goes to another.
    await until('writes to every group to go on', async () => {
      for (let n = 0; n < 40; n++) await client.cache.put(`key-${n}`, 'x');
      return (await members.status(witness)).groups.every((g) => g.leader !== 0);
    });
    members.resume(stopped);
    await members.ready(3);
    await until('it to catch up', async () => {
      const [a, b] = [await members.status(witness), await members.status(stopped)];
      return a.groups.every((group, i) => b.groups[i]!.applied >= group.commit);
    });
    const after = await terms(witness);
    for (const group of followed) expect(after[group]).toBe(before[group]);
  });

  it('as a leader takes back nothing and shows nothing old', { timeout: 60_000 }, async () => {
    members = new LocalMembers();
    await members.found(3);
    const stopped = await members.leader(0, 3);
    const others = [0, 1, 2].filter((ordinal) => ordinal !== stopped);
    const client = await newClient(...others);
    const lock = await client.locks.acquire('a');
    await client.cache.put('k', 'old');
    members.suspend(stopped);
    await client.cache.put('k', 'new');
    await lock.release();
    const next = await client.locks.acquire('a');
    expect(next.token).toBeGreaterThan(lock.token);
    members.resume(stopped);
    const direct = await newClient(stopped);
    const entry = await direct.cache.get('k', { level: 'linearizable' });
    expect(Buffer.from(entry!.value).toString()).toBe('new');
    expect(await direct.locks.tryAcquire('a')).toBeNull();
  });
});
