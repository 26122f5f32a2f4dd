import { cpSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type Client, connect } from '@synccluster/client';
import {
  LIMITS,
  type MemberId,
  type Ordinal,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
} from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack } from '@synccluster/client/wire';
import { afterEach, describe, expect, it } from 'vitest';
import { decodePeerFrame, encodeHello } from '../src/transport/peerCodec.ts';
import { LocalMembers, until } from './localMembers.ts';

const LOST = 'test-cluster';
const NEW = 'recovered-cluster';

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

/** What the member at `to` says to one that calls itself `from` of a cluster: why it is refused, or null. */
async function callAs(
  clusterId: string,
  from: { id: number; ordinal: number },
  to: { id: number; ordinal: number },
): Promise<string | null> {
  const socket = createConnection({ host: members.host(to.ordinal), port: 7401 });
  const writer = new FrameWriter(LIMITS.frameBytes);
  writer.appendValue(
    encodeHello({
      magic: PROTOCOL_MAGIC,
      version: PROTOCOL_VERSION,
      clusterId,
      from: from.id as MemberId,
      fromOrdinal: from.ordinal as Ordinal,
      to: to.id as MemberId,
      listeners: { client: '', http: '' },
      level: 1,
    }),
  );
  socket.write(writer.take());
  const decoder = new FrameDecoder({ maxBytes: LIMITS.frameBytes });
  try {
    for await (const chunk of socket) {
      for (const payload of decoder.push(chunk as Uint8Array)) {
        const frame = decodePeerFrame(unpack(payload));
        if (frame.kind === 'helloReply') return frame.reply.ok ? null : frame.reply.reason;
      }
    }
    return 'closed';
  } finally {
    socket.destroy();
  }
}

const ids = async (ordinal: number) => ({ id: (await members.identity(ordinal)).memberId, ordinal });
const recover = async (ordinal: number) => {
  const { id: memberId } = await ids(ordinal);
  await members.admin(ordinal, 'recover', { memberId, clusterId: LOST, newClusterId: NEW });
};

describe('a quorum that is lost for good', () => {
  it('is recovered from its one survivor, and old members stay out', { timeout: 120_000 }, async () => {
    members = new LocalMembers(['--log-level', 'debug']);
    await members.found(3);
    const client = await newClient(0, 1, 2);
    await client.queues.declare('mail');
    await client.queue('mail').enqueue('letter');
    for (let n = 0; n < 20; n++) await client.cache.put(`key-${n}`, `value-${n}`);
    const lock = await client.locks.acquire('a');
    await lock.release();
    await client.close();
    await expect(recover(0)).rejects.toThrow('no quorum is lost');
    // Acknowledged is what a quorum has: it is in the survivor's log only once that has caught up.
    const leaders = await Promise.all([0, 1, 2, 3].map((group) => members.leader(group, 3)));
    await until('the survivor to have everything', async () => {
      const [own, ...all] = await Promise.all([0, 0, 1, 2].map((ordinal) => members.status(ordinal)));
      return own!.groups.every(
        ({ applied }, group) => applied >= all[leaders[group]!]!.groups[group]!.commit,
      );
    });

    await Promise.all([0, 1, 2].map((ordinal) => members.kill(ordinal)));
    const kept = join(members.dir, 'kept');
    cpSync(members.volume(1), kept, { recursive: true });
    members.wipe(1);
    members.wipe(2);
    // The survivor has restarted: it holds all, and has applied next to nothing.
    members.start(0);
    const before = await until('the survivor', () => members.identity(0));
    expect(before).toMatchObject({ clusterId: LOST, empty: false });
    expect(before.groups.map(({ voters }) => voters.length)).toEqual([3, 3, 3, 3]);
    await expect(
      members.admin(0, 'recover', { memberId: before.memberId, clusterId: 'another', newClusterId: NEW }),
    ).rejects.toThrow(/409.*belongs to cluster test-cluster, not another/);
    await expect(
      members.admin(0, 'recover', { memberId: before.memberId + 1, clusterId: LOST, newClusterId: NEW }),
    ).rejects.toThrow('409');
    await recover(0);
    await until('the process to end', () => !members.running(0));
    expect(await members.kill(0)).toBe(0);

    members.start(0);
    await until('the survivor to be ready', async () => (await members.status(0)).ready);
    const alone = await members.status(0);
    expect(alone).toMatchObject({ memberId: before.memberId, clusterId: NEW });
    expect(alone.groups.map((group) => group.configuration.voters.length)).toEqual([1, 1, 1, 1]);
    expect(alone.roster.members).toEqual([{ memberId: before.memberId, ordinal: 0, target: 'voter' }]);
    expect(alone.roster.tombstones).toHaveLength(2);
    // Asked again, it has nothing to do.
    await recover(0);
    expect(members.log(0)).toContain('acknowledged writes that this member never had are lost');

    const again = await newClient(0);
    for (let n = 0; n < 20; n++) {
      const entry = await again.cache.get(`key-${n}`, { level: 'linearizable' });
      expect(Buffer.from(entry!.value).toString()).toBe(`value-${n}`);
    }
    const [letter] = await again.queue('mail').receive({ max: 1 });
    expect(Buffer.from(letter!.payload).toString()).toBe('letter');
    expect((await again.locks.acquire('a')).token).toBeGreaterThan(lock.token);

    // A volume of the lost cluster comes back: nobody of the recovered one hears it, or is heard by it.
    cpSync(kept, members.volume(1), { recursive: true });
    members.start(1);
    const old = await until('the old member', async () => {
      const { memberId, clusterId, empty } = await members.identity(1);
      return clusterId === LOST && !empty && { id: memberId, ordinal: 1 };
    });
    const survivor = await ids(0);
    expect(alone.roster.tombstones).toContain(old.id);
    await until('the old member to be refused', () =>
      members.log(1).includes(`refused: cluster ${LOST} is not ${NEW}`),
    );
    expect(await callAs(NEW, survivor, old)).toBe(`cluster ${NEW} is not ${LOST}`);
    expect(await callAs(LOST, old, survivor)).toBe(`cluster ${LOST} is not ${NEW}`);
    expect((await members.identity(1)).groups.every(({ leader }) => leader === 0)).toBe(true);
    await expect(
      members.changeRoster(0, [{ memberId: old.id, ordinal: 1, target: 'learner' }]),
    ).rejects.toThrow('never comes back');

    // Set aside, it joins under a new id, as an empty one does.
    await members.admin(1, 'reset', { memberId: old.id });
    await until('the process to end', () => !members.running(1));
    members.start(1);
    members.start(2);
    await members.join(1, 0);
    await members.join(2, 0);
    await members.ready(3);
    for (const ordinal of [0, 1, 2]) {
      const status = await members.status(ordinal);
      expect(status.clusterId).toBe(NEW);
      expect(status.groups.map((group) => group.configuration.voters.length)).toEqual([3, 3, 3, 3]);
    }
    await again.cache.put('after', 'x');
    // What the new quorum holds no longer hangs on the survivor.
    await members.kill(0);
    const others = await newClient(1, 2);
    const entry = await others.cache.get('key-7', { level: 'linearizable' });
    expect(Buffer.from(entry!.value).toString()).toBe('value-7');
  });
});
