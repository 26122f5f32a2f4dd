import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAdmin } from './admin.ts';
import { createHealth } from './health.ts';
import type { App } from './listener.ts';
import { inject } from './testing/api.ts';
import { FakeMember } from './testing/fakeMember.ts';

const logger = pino({ level: 'silent' });
let member: FakeMember;
let admin: App;
let health: App;
beforeEach(() => {
  member = new FakeMember();
  admin = createAdmin({ member, logger });
  health = createHealth({ member, logger });
});
afterEach(async () => {
  await admin.fastify.close();
  await health.fastify.close();
  member.stop();
});

const post = (call: string, body?: unknown) => inject(admin, 'POST', `/admin/v1/${call}`, body);
const change = { memberId: 12, ordinal: 1, target: 'learner' };

describe('the admin API', () => {
  it('tells who the member is, admitted or not', async () => {
    member.admitted = false;
    const { status, json } = await inject(admin, 'GET', '/admin/v1/identity');
    expect([status, json]).toEqual([
      200,
      {
        memberId: 4711,
        clusterId: null,
        empty: false,
        ordinal: 0,
        version: '0.1.0',
        damaged: null,
        groups: [],
      },
    ]);
  });

  it('gives the status, and 503 until admitted', async () => {
    expect((await inject(admin, 'GET', '/admin/v1/status')).json).toEqual(member.status());
    member.admitted = false;
    const { status, json } = await inject(admin, 'GET', '/admin/v1/status');
    expect([status, json['code']]).toEqual([503, 'UNAVAILABLE']);
  });

  it('hands each call with its fields to the member', async () => {
    expect((await post('bootstrap', { clusterId: 'cluster-1', shards: 3 })).json).toEqual({
      clusterId: 'cluster-1',
    });
    expect((await post('roster', { expectedVersion: 1, changes: [change] })).json).toEqual({ version: 2 });
    expect((await post('handover')).json).toEqual({ remaining: [0, 2] });
    expect((await post('transfer', { group: 0, to: 12 })).json).toEqual({ accepted: true });
    expect((await post('reset', { memberId: 4711 })).json).toEqual({});
    const recovery = { memberId: 4711, clusterId: 'old', newClusterId: 'new' };
    expect((await post('recover', recovery)).json).toEqual({});
    expect(member.calls).toEqual([
      ['bootstrap', 'cluster-1', 3],
      ['roster', 1, [change]],
      ['handover'],
      ['transfer', 0, 12],
      ['reset', 4711],
      ['recover', 4711, 'old', 'new'],
    ]);
  });

  it('passes on what the member refuses', async () => {
    const answers = [
      await post('bootstrap', { clusterId: 'other', shards: 3 }),
      await post('roster', { expectedVersion: 9, changes: [change] }),
      await post('transfer', { group: 1, to: 12 }),
      await post('reset', { memberId: 1 }),
      await post('recover', { memberId: 1, clusterId: 'old', newClusterId: 'new' }),
    ];
    expect(answers.map(({ status, json }) => [status, json['code']])).toEqual([
      [409, 'CONFLICT'],
      [409, 'CONFLICT'],
      [503, 'NOT_LEADER'],
      [409, 'CONFLICT'],
      [409, 'CONFLICT'],
    ]);
  });

  it.each<[string, unknown, RegExp]>([
    ['bootstrap', { clusterId: 'c', shards: 0 }, /^shards must be a whole number from 1 to 64$/],
    ['bootstrap', { clusterId: '', shards: 1 }, /^clusterId must not be empty$/],
    ['roster', { expectedVersion: 1, changes: [] }, /^changes must have at least 1 item$/],
    [
      'roster',
      { expectedVersion: 1, changes: [{ ...change, target: 'x' }] },
      /^changes\[0\]\.target must be/,
    ],
    [
      'roster',
      { expectedVersion: 1, changes: [{ ...change, memberId: 2 ** 48 }] },
      /^changes\[0\]\.memberId/,
    ],
    ['transfer', { group: -1, to: 1 }, /^group must be/],
    ['transfer', { group: 1 }, /^to is missing$/],
    ['reset', undefined, /^memberId is missing$/],
    ['recover', { memberId: 1, clusterId: 'old' }, /^newClusterId is missing$/],
    ['recover', { memberId: 1, clusterId: 'old', newClusterId: '' }, /^newClusterId must not be empty$/],
    ['handover', { now: true }, /^now is unknown/],
  ])('refuses %s with %j before it reaches the member', async (call, body, says) => {
    const { status, json } = await post(call, body);
    expect([status, json]).toEqual([400, { code: 'INVALID_ARGUMENT', message: expect.stringMatching(says) }]);
    expect(member.calls).toEqual([]);
  });

  it('has no public calls, and the public API none of it', async () => {
    expect((await inject(admin, 'GET', '/v1/cluster')).status).toBe(404);
  });
});

describe('health', () => {
  it('lives whatever the quorum, and is ready when nothing speaks against it', async () => {
    expect((await health.fastify.inject({ url: '/livez' })).body).toBe('ok\n');
    expect((await health.fastify.inject({ url: '/readyz' })).statusCode).toBe(200);
    member.reason = 'no leader heard of for 12 s';
    expect((await health.fastify.inject({ url: '/livez' })).statusCode).toBe(200);
    const { status, json } = await inject(health, 'GET', '/readyz');
    expect([status, json]).toEqual([503, { code: 'UNAVAILABLE', message: 'no leader heard of for 12 s' }]);
  });

  it('shows the metrics, with requests by route and code and no name in a label', async () => {
    await post('reset', { memberId: 1 });
    await inject(admin, 'GET', '/some/unknown/path');
    const reply = await health.fastify.inject({ url: '/metrics' });
    expect(reply.headers['content-type']).toContain('text/plain');
    expect(reply.body).toMatch(
      /synccluster_http_request_duration_seconds_count\{.*route="\/admin\/v1\/reset".*code="409".*\} 1/,
    );
    expect(reply.body).toContain('route="unmatched"');
    expect(reply.body).not.toContain('/some/unknown');
  });
});
