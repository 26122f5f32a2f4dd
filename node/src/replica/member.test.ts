import {
  COORDINATION_GROUP,
  type GroupId,
  LockMode,
  type LogIndex,
  Op,
  PushKind,
  QueryOp,
  ReadLevel,
  ReplyKind,
  RequestKind,
  type Seq,
  type SessionId,
  type Token,
  WAIT_FOREVER,
} from '@synccluster/client/protocol';
import { pack, unpack } from '@synccluster/client/wire';
import { afterEach, describe, expect, it } from 'vitest';
import type { SnapshotMeta } from '../raft/types.ts';
import { openStorage } from '../storage/openStorage.ts';
import { internal } from './duties.ts';
import type { Member } from './member.ts';
import { MemberCluster, read, until, write } from './testing/memberCluster.ts';
import { Recorder } from './testing/recorder.ts';

const DATA = 1;
const put = (key: string, session = 0, seq = 0) =>
  [Op.CachePut, 1, session as SessionId, seq as Seq, seq as Seq, key, new Uint8Array(3), 0] as const;

let cluster: MemberCluster;
afterEach(() => cluster.close());

async function openSession(member: Member, group: number, ttlMs = 60_000): Promise<SessionId> {
  const client = new Recorder();
  write(member, client, 1, group, [...internal(Op.SessionOpen), ttlMs, 'test']);
  await until('a session', () => client.replies.length > 0);
  return (client.replies[0]![3] as readonly [SessionId])[0];
}
function keepAlive(member: Member, client: Recorder, request: number, session: SessionId): void {
  member.router.take(client, pack([RequestKind.KeepAlive, request, COORDINATION_GROUP, [session]]));
}
const pushed = (client: Recorder) => client.replies.filter((reply) => reply[0] === ReplyKind.Push);

describe('founding', () => {
  it('happens once, however often and however fast it is asked for', async () => {
    cluster = new MemberCluster();
    const member = await cluster.start(0);
    await Promise.all([member.bootstrap('test', 1), member.bootstrap('test', 1)]);
    const groups = [...member.groups.values()];
    await until('the member to be ready', () => member.notReadyReason() === null);
    expect([...member.groups.values()]).toEqual(groups);
    await expect(member.bootstrap('other', 1)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('lets only one of two clusters have a member that both call at once', async () => {
    cluster = new MemberCluster();
    const member = await cluster.start(0);
    const outcomes = await Promise.allSettled([member.peers.admit('one'), member.peers.admit('two')]);
    expect(outcomes.map((o) => o.status)).toEqual(['fulfilled', 'rejected']);
    expect([member.clusterId, member.options.storage.identity.clusterId]).toEqual(['one', 'one']);
  });
});

describe('forwarding', () => {
  it('answers through any member, and soon', async () => {
    cluster = new MemberCluster();
    await cluster.found(3);
    const follower = cluster.follower(DATA);
    const client = new Recorder();
    write(follower, client, 1, DATA, put('k'));
    await until('the write', () => client.outcome(1) === 'ok');
    read(follower, client, 2, DATA, ReadLevel.Linearizable, [QueryOp.CacheGet, 'k']);
    await until('the read', () => client.outcome(2) === 'ok');
  });

  it('leaves no request unanswered when the link back is lost, and says which may be sent again', async () => {
    cluster = new MemberCluster();
    await cluster.found(3);
    const [leader, follower] = [cluster.leader(DATA), cluster.follower(DATA)];
    const session = await openSession(leader, DATA);
    const client = new Recorder();
    write(follower, client, 1, DATA, put('a', session, 1));
    write(follower, client, 2, DATA, put('b'));
    cluster.network.cut(leader.self.id, follower.self.id);
    await until('answers', () => client.outcome(1) !== undefined && client.outcome(2) !== undefined);
    expect([client.outcome(1), client.outcome(2)]).toEqual(['UNAVAILABLE', 'OUTCOME_UNKNOWN']);
    // As long as no answer could come back, nothing is sent there: so it may be sent again elsewhere.
    write(follower, client, 3, DATA, put('c'));
    expect(client.outcome(3)).toBe('UNAVAILABLE');
    cluster.network.heal();
    await cluster.ready();
    write(cluster.leader(DATA), client, 4, DATA, put('a', session, 1));
    await until('the same write again', () => client.outcome(4) === 'ok');
    write(cluster.leader(DATA), client, 5, DATA, put('d', session, 2));
    await until('the next write', () => client.outcome(5) === 'ok');
  });

  it('gives a restarted member nothing that its predecessor had asked for', async () => {
    cluster = new MemberCluster();
    await cluster.found(3);
    await cluster.leader(0).call(COORDINATION_GROUP, [...internal(Op.QueueDeclare), 'mail', [1, 30_000]]);
    const [leader, follower] = [cluster.leader(DATA), cluster.follower(DATA)];
    const client = new Recorder();
    read(follower, client, 1, DATA, ReadLevel.Any, [QueryOp.QueueWait, 'mail', 60_000]);
    await until('the wait to be forwarded', () =>
      cluster.network.delivered.some((d) => d.message.kind === 'forward' && d.message.token === client.id),
    );
    await follower.stop();
    await cluster.start(follower.self.ordinal);
    await cluster.ready();
    cluster.network.delivered.length = 0;
    await leader.call(
      DATA as never,
      [...internal(Op.QueueEnqueue), 'mail', 0, [[new Uint8Array(1), 0]]] as never,
    );
    await leader.call(DATA as never, put('k'));
    const replies = cluster.network.delivered.filter((d) => d.message.kind === 'forwardReply');
    expect(replies.filter((d) => d.message.kind === 'forwardReply' && d.message.token === client.id)).toEqual(
      [],
    );
  });
});

describe('a wait whose caller is gone', () => {
  it('ends where it was forwarded to', async () => {
    cluster = new MemberCluster();
    await cluster.found(3);
    await cluster.leader(0).call(COORDINATION_GROUP, [...internal(Op.QueueDeclare), 'mail', [1, 30_000]]);
    const follower = cluster.follower(DATA);
    const caller = new AbortController();
    const { id, answer } = follower.local.request((request) => {
      const wait = [QueryOp.QueueWait, 'mail', 60_000] as const;
      follower.router.readLocal(follower.local, request, DATA as GroupId, ReadLevel.Any, 0 as LogIndex, wait);
    });
    follower.abandonOnAbort(id, caller.signal);
    caller.abort();
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    await until('the cancel to be forwarded', () =>
      cluster.network.delivered.some(
        ({ message }) =>
          message.kind === 'forward' && (unpack(message.frame) as number[])[0] === RequestKind.Cancel,
      ),
    );
  });
});

describe('a volume with a snapshot that is none', () => {
  it('is damaged: the member stays to be seen, and votes in nothing', async () => {
    cluster = new MemberCluster();
    const storage = await openStorage(cluster.volume(0), {
      segmentBytes: 1024 * 1024,
      reserveBytes: 0,
      onFatal: () => {},
    });
    await storage.adopt('test');
    const configuration = { voters: [{ id: storage.identity.memberId, ordinal: 0 }], learners: [] };
    const meta = { index: 5, term: 2, stampMs: 1, configuration } as unknown as SnapshotMeta;
    const writer = await storage.snapshots.create(COORDINATION_GROUP, meta);
    await writer.write(new Uint8Array([0, 0, 0, 1, 0x90]));
    await writer.commit();
    await storage.close();
    const member = await cluster.start(0);
    expect(member.damage).toMatch(/snapshot/);
    expect(member.notReadyReason()).toMatch(/damaged/);
    expect(member.groups.size).toBe(0);
    await expect(member.bootstrap('test', 1)).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('sessions', () => {
  it('have their locks released when nobody keeps them alive, and keep them when somebody does', async () => {
    cluster = new MemberCluster();
    await cluster.found(1);
    const member = cluster.members[0]!;
    const [dead, alive] = [await openSession(member, 0, 1_000), await openSession(member, 0, 1_000)];
    const client = new Recorder();
    const acquire = (session: SessionId, seq: number, waitMs: number) =>
      [Op.LockAcquire, 1, session, seq as Seq, seq as Seq, 'lock', LockMode.Exclusive, waitMs] as const;
    write(member, client, 1, 0, acquire(dead, 1, 0));
    write(member, client, 2, 0, acquire(alive, 1, WAIT_FOREVER));
    let request = 10;
    const timer = setInterval(() => keepAlive(member, client, request++, alive), 100);
    try {
      await until('the grant', () => pushed(client).length > 0);
    } finally {
      clearInterval(timer);
    }
    const [, , session, push] = pushed(client)[0]! as readonly [
      number,
      number,
      SessionId,
      readonly unknown[],
    ];
    expect([session, push[0]]).toEqual([alive, PushKind.LockGranted]);
    expect(push[2] as Token).toBeGreaterThan((client.replies[0]![3] as readonly [Token])[0]);
    const late = new Recorder();
    keepAlive(member, late, 1, dead);
    await until('the late keepalive', () => late.replies.length > 0);
    expect(late.replies[0]![3]).toEqual([[dead]]);
  });

  it('of no registration are attached to nothing: a keepalive of made-up sessions costs no memory', async () => {
    cluster = new MemberCluster();
    await cluster.found(1);
    const member = cluster.members[0]!;
    const client = new Recorder();
    keepAlive(member, client, 1, 4_711 as SessionId);
    await until('the answer', () => client.replies.length > 0);
    expect(member.groups.get(COORDINATION_GROUP)!.attachments.get(4_711 as SessionId)).toBeUndefined();
  });

  it('are pushed their grants by the next leader once they said where they are', async () => {
    cluster = new MemberCluster();
    await cluster.found(3);
    const first = cluster.leader(0);
    const [holder, waiter] = [await openSession(first, 0), await openSession(first, 0)];
    const client = new Recorder();
    const lock = (session: SessionId, waitMs: number) =>
      [Op.LockAcquire, 1, session, 1 as Seq, 1 as Seq, 'lock', LockMode.Exclusive, waitMs] as const;
    write(first, client, 1, 0, lock(holder, 0));
    write(first, client, 2, 0, lock(waiter, WAIT_FOREVER));
    await until('both answers', () => client.replies.length === 2);
    const token = (client.replies[0]![3] as readonly [Token])[0];
    await first.stop();
    cluster.members.splice(cluster.members.indexOf(first), 1);
    await until(
      'another leader',
      () => cluster.leader(0)?.groups.get(COORDINATION_GROUP)?.status().committedInTerm === true,
    );
    // Through the member that does not lead: the push has to travel as well.
    const other = cluster.follower(0);
    await until('the leader to be known', () => other.groups.get(COORDINATION_GROUP)!.leader !== 0);
    keepAlive(other, client, 3, waiter);
    write(other, client, 4, 0, [Op.LockRelease, 1, holder, 2 as Seq, 2 as Seq, 'lock', token]);
    await until('the grant', () => pushed(client).length > 0);
    expect(client.outcome(3)).toBe('ok');
    expect(pushed(client)).toHaveLength(1);
  });
});

describe('input of peers', () => {
  it('that is malformed ends their link at most, never the member', async () => {
    cluster = new MemberCluster();
    await cluster.found(1);
    const member = cluster.members[0]!;
    const peer = 99 as never;
    const frames = new Uint8Array([0, 0, 0, 1, 0xc1]);
    const token = member.local.id;
    // A request of its own that another member is to answer.
    member.peers.onHello({ id: peer, ordinal: 1 as never }, { client: 'x:1', http: '' }, 1);
    expect(() => member.peers.onMessage(peer, { kind: 'forward', token: 1, frame: frames })).not.toThrow();
    expect(() =>
      member.peers.onMessage(peer, { kind: 'forwardReply', token, requests: [], frames }),
    ).not.toThrow();
    for (const group of [40, 64, 1.5, -1]) {
      member.peers.onMessage(peer, {
        kind: 'raft',
        group: group as never,
        message: { type: 'heartbeat', from: peer, to: member.self.id, term: 9, commit: 0, round: 0 } as never,
      });
    }
    expect([...member.groups.keys()]).toEqual([0, 1]);
    const client = new Recorder();
    write(member, client, 1, DATA, put('alive'));
    await until('a write', () => client.outcome(1) === 'ok');
  });
});

describe('a client', () => {
  it.each([1.5, -1, 2, 1e9, Number.NaN, '1', null])(
    'that names group %s is told which there are',
    async (group) => {
      cluster = new MemberCluster();
      await cluster.found(1);
      const client = new Recorder();
      cluster.members[0]!.router.take(client, pack([RequestKind.Write, 1, group, new Uint8Array(1)]));
      expect(client.outcome(1)).toBe('INVALID_ARGUMENT');
    },
  );
});
