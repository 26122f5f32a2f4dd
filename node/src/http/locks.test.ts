import { Op, QueryOp, type SessionId } from '@synccluster/client/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemberError } from '../errors.ts';
import { stoppingError } from './listener.ts';
import { type TestApi, testApi } from './testing/api.ts';

let api: TestApi;
beforeEach(async () => {
  api = await testApi();
});
afterEach(() => api.close());

async function openSession(): Promise<SessionId> {
  const { json } = await api.call('POST', '/v1/sessions', { ttlMs: 10_000, label: 'test' });
  return json['session'] as SessionId;
}
const acquire = (session: SessionId, more: object = {}) =>
  api.call('POST', '/v1/locks/door/acquire', { session, ...more });
const holders = async () => (await api.call('GET', '/v1/locks/door?level=linearizable')).json['holders'];

describe('sessions', () => {
  it('open with a default time to live and without a body', async () => {
    const { status, json } = await api.call('POST', '/v1/sessions');
    expect([status, json]).toEqual([200, { session: 1, ttlMs: 30_000 }]);
  });

  it('are kept alive by their id', async () => {
    const session = await openSession();
    const { status, json } = await api.call('POST', `/v1/sessions/${session}/keepalive`);
    expect([status, json]).toEqual([200, { session }]);
    expect(api.member.keptAlive).toEqual([session]);
  });

  it('are gone after they were closed, and their locks with them', async () => {
    const session = await openSession();
    await acquire(session);
    expect((await api.call('DELETE', `/v1/sessions/${session}`)).status).toBe(200);
    expect(await holders()).toEqual([]);
    const again = await api.call('POST', `/v1/sessions/${session}/keepalive`);
    expect([again.status, again.json['code']]).toEqual([410, 'SESSION_EXPIRED']);
    expect((await acquire(session)).status).toBe(410);
  });
});

describe('acquire without waiting', () => {
  it('grants with rising tokens and refuses while another session holds', async () => {
    const [one, two] = [await openSession(), await openSession()];
    const first = await acquire(one);
    expect(first.status).toBe(200);
    const refused = await acquire(two);
    expect([refused.status, refused.json['code']]).toEqual([409, 'LOCK_HELD']);
    const released = await api.call('POST', '/v1/locks/door/release', { session: one, ...first.json });
    expect([released.status, released.json]).toEqual([200, {}]);
    const second = await acquire(two);
    expect(second.json['token']).toBeGreaterThan(first.json['token'] as number);
  });

  it('lets shared holders in together and says who holds and who waits', async () => {
    const [one, two, three] = [await openSession(), await openSession(), await openSession()];
    await acquire(one, { mode: 'shared' });
    await acquire(two, { mode: 'shared' });
    const waiting = acquire(three, { waitMs: 60_000 });
    await vi.waitFor(async () => {
      const { json } = await api.call('GET', '/v1/locks/door');
      expect(json['waiters']).toEqual([
        { session: three, waiter: 3, mode: 'exclusive', dueAtMs: expect.any(Number) },
      ]);
    });
    expect(await holders()).toEqual([
      { session: one, token: expect.any(Number), mode: 'shared' },
      { session: two, token: expect.any(Number), mode: 'shared' },
    ]);
    await api.call('DELETE', `/v1/sessions/${one}`);
    await api.call('DELETE', `/v1/sessions/${two}`);
    expect((await waiting).status).toBe(200);
  });

  it('refuses a release with another token', async () => {
    const session = await openSession();
    const { json } = await acquire(session);
    const wrong = await api.call('POST', '/v1/locks/door/release', {
      session,
      token: (json['token'] as number) + 1,
    });
    expect([wrong.status, wrong.json['code']]).toEqual([409, 'LOCK_NOT_HELD']);
  });
});

describe('acquire that waits', () => {
  it('is granted by the push that the release causes', async () => {
    const [one, two] = [await openSession(), await openSession()];
    const { json } = await acquire(one);
    const waiting = acquire(two, { waitMs: 60_000 });
    await vi.waitFor(() => expect(api.member.watched).toBe(1));
    await api.call('POST', '/v1/locks/door/release', { session: one, ...json });
    const granted = await waiting;
    expect(granted.status).toBe(200);
    expect(await holders()).toEqual([{ session: two, token: granted.json['token'], mode: 'exclusive' }]);
    expect(api.member.watched).toBe(0);
  });

  it('loses no grant that is pushed before the acquire itself is answered', async () => {
    const [one, two] = [await openSession(), await openSession()];
    const { json } = await acquire(one);
    const write = api.member.write.bind(api.member);
    api.member.write = async (group, command) => {
      const reply = await write(group, command);
      if (command[0] === Op.LockAcquire) {
        await api.call('POST', '/v1/locks/door/release', { session: one, ...json });
      }
      return reply;
    };
    expect((await acquire(two, { waitMs: 60_000 })).status).toBe(200);
  });

  it('finds a grant whose push was lost, and keeps the session alive meanwhile', async () => {
    const [one, two] = [await openSession(), await openSession()];
    const { json } = await acquire(one);
    const waiting = acquire(two, { waitMs: 60_000 });
    await vi.waitFor(() => expect(api.member.watched).toBe(1));
    api.member.delivers = false;
    api.member.refuse(QueryOp.LockWaiters, 'UNAVAILABLE');
    const before = api.member.keptAlive.length;
    await api.call('POST', '/v1/locks/door/release', { session: one, ...json });
    expect((await waiting).status).toBe(200);
    expect(api.member.keptAlive.length).toBeGreaterThan(before);
  });

  it('ends with TIMEOUT when its time has passed', async () => {
    const [one, two] = [await openSession(), await openSession()];
    await acquire(one);
    const late = await acquire(two, { waitMs: 30 });
    expect([late.status, late.json['code']]).toEqual([408, 'TIMEOUT']);
    expect((await api.call('GET', '/v1/locks/door')).json['waiters']).toEqual([]);
  });

  it('withdraws the wait itself when nothing tells it that the time has passed', async () => {
    const [one, two] = [await openSession(), await openSession()];
    await acquire(one);
    api.member.delivers = false;
    const keepAlive = api.member.keepAlive.bind(api.member);
    let listened = false;
    api.member.keepAlive = async (group, sessions) => {
      // The first one attaches the session; after that there is no leader to be heard of.
      if (listened) throw new MemberError('UNAVAILABLE', 'no leader');
      listened = true;
      await keepAlive(group, sessions);
    };
    api.member.refuse(Op.LockCancel, 'UNAVAILABLE');
    const late = await acquire(two, { waitMs: 10 });
    expect([late.status, late.json['code']]).toEqual([408, 'TIMEOUT']);
  });

  it('says that the session expired while it waited', async () => {
    const [one, two] = [await openSession(), await openSession()];
    await acquire(one);
    const waiting = acquire(two, { waitMs: 60_000 });
    await vi.waitFor(() => expect(api.member.watched).toBe(1));
    api.member.expireSession(two);
    const ended = await waiting;
    expect([ended.status, ended.json['code']]).toEqual([410, 'SESSION_EXPIRED']);
  });

  it('answers UNAVAILABLE and leaves the queue when the member stops', async () => {
    const [one, two] = [await openSession(), await openSession()];
    await acquire(one);
    const waiting = acquire(two, { waitMs: 60_000 });
    await vi.waitFor(() => expect(api.member.watched).toBe(1));
    api.app.stopping.abort(stoppingError());
    const ended = await waiting;
    expect([ended.status, ended.json['code']]).toEqual([503, 'UNAVAILABLE']);
    expect(api.member.written.at(-1)?.[0]).toBe(Op.LockCancel);
  });
});
