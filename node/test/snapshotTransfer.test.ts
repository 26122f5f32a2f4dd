import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, connect } from '@synccluster/client';
import { afterEach, describe, expect, it } from 'vitest';
import { LocalMembers, until } from './localMembers.ts';

let members: LocalMembers;
const clients: Client[] = [];
async function newClient(ordinal: number): Promise<Client> {
  const client = await connect({ endpoints: [members.endpoint(ordinal)], requestTimeoutMs: 15_000 });
  clients.push(client);
  return client;
}
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close().catch(() => {})));
  await members.stop();
});

describe('a learner that needs a snapshot', () => {
  it('gets it, also when it is killed in the middle, and votes', { timeout: 90_000 }, async () => {
    members = new LocalMembers(['--snapshot-bytes', `${256 * 1024}`]);
    await members.found(1, 1);
    const client = await newClient(0);
    const value = Buffer.alloc(64 * 1024, 'v');
    const keys = Array.from({ length: 600 }, (_, n) => `key-${n}`);
    await Promise.all(keys.map((key) => client.cache.put(key, value)));
    await until('the log to be compacted', () => members.log(0).includes('snapshot taken'));
    members.start(1);
    const { memberId } = await until('identity of member 1', () => members.identity(1));
    await members.changeRoster(0, [{ memberId, ordinal: 1, target: 'learner' }]);
    await until('chunks to arrive', () =>
      readdirSync(join(members.volume(1), 'snapshots')).some((name) => /^1-.*\.tmp$/.test(name)),
    );
    await members.kill(1);
    expect(members.log(1)).not.toContain('snapshot installed');
    // Meanwhile the state moves on.
    await client.cache.put('key-0', 'changed');
    members.start(1);
    await until('the snapshot to be installed', () => members.log(1).includes('snapshot installed'));
    await members.changeRoster(0, [{ memberId, ordinal: 1, target: 'voter' }]);
    await members.ready(2);
    expect((await members.identity(1)).damaged).toBeNull();
    const direct = await newClient(1);
    for (const key of keys) {
      const entry = await direct.cache.get(key, { level: 'linearizable' });
      expect(entry!.value.length, key).toBe(key === 'key-0' ? 7 : value.length);
    }
    // And what it was given survives its own restart.
    await members.kill(1);
    members.start(1);
    await members.ready(2);
  });
});
