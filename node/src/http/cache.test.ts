import { Op, ReadLevel } from '@synccluster/client/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestApi, testApi } from './testing/api.ts';

let api: TestApi;
beforeEach(async () => {
  api = await testApi();
});
afterEach(() => api.close());

describe('the cache', () => {
  it('puts, gets with the version as etag, and deletes', async () => {
    const put = await api.call('PUT', '/v1/cache/a', { value: 'one' });
    expect(put.status).toBe(200);
    const got = await api.call('GET', '/v1/cache/a');
    expect(got.json).toEqual({ value: 'one', version: put.json['version'] });
    expect(got.headers['etag']).toBe(`"${put.json['version']}"`);
    expect((await api.call('DELETE', '/v1/cache/a')).json).toEqual({ existed: true });
    expect((await api.call('DELETE', '/v1/cache/a')).json).toEqual({ existed: false });
    const gone = await api.call('GET', '/v1/cache/a');
    expect([gone.status, gone.json['code']]).toEqual([404, 'NOT_FOUND']);
  });

  it('keeps any bytes, as base64 when they are no UTF-8', async () => {
    const bytes = Buffer.from([0x80, 0x81]).toString('base64');
    await api.call('PUT', '/v1/cache/b', { valueBase64: bytes });
    expect((await api.call('GET', '/v1/cache/b')).json).toMatchObject({ valueBase64: bytes });
    await api.call('PUT', '/v1/cache/b', { valueBase64: Buffer.from('ä').toString('base64') });
    expect((await api.call('GET', '/v1/cache/b')).json).toMatchObject({ value: 'ä' });
  });

  it('says when an entry expires', async () => {
    await api.call('PUT', '/v1/cache/t', { value: 'x', ttlMs: 60_000 });
    expect((await api.call('GET', '/v1/cache/t')).json['expiresAtMs']).toBeGreaterThan(Date.now());
  });

  it.each(['a/b', 'ä ö', '%', '?#', '../x', 'k'.repeat(1024), '€'.repeat(341)])(
    'takes the key %j',
    async (key) => {
      const url = `/v1/cache/${encodeURIComponent(key)}`;
      expect((await api.call('PUT', url, { value: key })).status).toBe(200);
      expect((await api.call('GET', url)).json['value']).toBe(key);
    },
  );

  it('takes a value of the largest size in base64 and refuses a larger one', async () => {
    const put = (size: number) =>
      api.call('PUT', '/v1/cache/big', { valueBase64: Buffer.alloc(size).toString('base64') });
    expect((await put(1024 * 1024)).status).toBe(200);
    const refused = await put(1024 * 1024 + 1);
    expect([refused.status, refused.json['code']]).toEqual([413, 'TOO_LARGE']);
  });

  it('reads at the level that is asked for', async () => {
    const levels: number[] = [];
    const read = api.member.read.bind(api.member);
    api.member.read = async (group, query, level, mark, signal) => {
      levels.push(level);
      return await read(group, query, level, mark, signal);
    };
    for (const query of ['', '?level=any', '?level=session', '?level=linearizable']) {
      await api.call('GET', `/v1/cache/a${query}`);
    }
    expect(levels).toEqual([ReadLevel.Session, ReadLevel.Any, ReadLevel.Session, ReadLevel.Linearizable]);
  });
});

describe('marks', () => {
  it('go out with a reply and come in with the next request', async () => {
    const put = await api.call('PUT', '/v1/cache/a', { value: 'one' });
    const mark = put.headers['x-synccluster-mark'] as string;
    expect(mark).toMatch(/^cluster-1:[123]:\d+$/);
    const marks: number[] = [];
    const read = api.member.read.bind(api.member);
    api.member.read = async (group, query, level, index, signal) => {
      marks.push(index);
      return await read(group, query, level, index, signal);
    };
    const got = await api.call('GET', '/v1/cache/a', undefined, {
      'x-synccluster-mark': `${mark}, cluster-1:0:1`,
    });
    expect(marks).toEqual([Number(mark.split(':')[2])]);
    expect(got.headers['x-synccluster-mark']).toContain('cluster-1:0:1');
  });

  it('of another cluster mean nothing', async () => {
    await api.call('PUT', '/v1/cache/a', { value: 'one' });
    const headers = { 'x-synccluster-mark': 'cluster-0:1:99999, cluster-0:2:99999, cluster-0:3:99999' };
    expect((await api.call('GET', '/v1/cache/a', undefined, headers)).status).toBe(200);
  });

  it.each(['x', 'a:b:c', 'cluster-1:1:', 'cluster-1:1:99999999999999999', ','.repeat(9000)])(
    'that are none are refused: %.20s',
    async (mark) => {
      const { status, json } = await api.call('GET', '/v1/cache/a', undefined, {
        'x-synccluster-mark': mark,
      });
      expect([status, json['message']]).toEqual([400, expect.stringContaining('x-synccluster-mark')]);
    },
  );
});

describe('a member that cannot serve', () => {
  it('says so when it was not admitted', async () => {
    api.member.admitted = false;
    for (const url of ['/v1/cache/a', '/v1/locks/a', '/v1/queues/a', '/v1/cluster']) {
      const { status, json, headers } = await api.call('GET', url);
      expect([status, json['code'], headers['retry-after']]).toEqual([503, 'UNAVAILABLE', '1']);
      expect(json['message']).toMatch(/not been admitted/);
    }
  });

  it('says so when it does not know the slot table', async () => {
    for (const table of [null, new Uint8Array(0), new Uint8Array(1024)]) {
      api.member.slotTable = () => table;
      for (const url of ['/v1/cache/a', '/v1/cache/b']) {
        const { status, json } = await api.call('GET', url);
        expect([status, json['message']]).toEqual([503, expect.stringMatching(/slot table/)]);
      }
    }
  });

  it('hides what went wrong inside, and says where to look', async () => {
    api.member.refuse(Op.CachePut, new TypeError('secret of line 7'));
    const { status, json, headers } = await api.call('PUT', '/v1/cache/a', { value: 'x' });
    expect([status, json['code']]).toEqual([500, 'INTERNAL']);
    expect(JSON.stringify(json)).not.toMatch(/secret|\bat /);
    expect(headers['x-request-id']).toEqual(expect.any(String));
  });
});

describe('the cluster', () => {
  it('shows members, groups and queues', async () => {
    await api.call('PUT', '/v1/queues/q', { partitions: 2 });
    expect((await api.call('GET', '/v1/cluster')).json).toEqual({
      clusterId: 'cluster-1',
      member: { id: 4711, ordinal: 0, version: '0.1.0' },
      shards: 3,
      slotEpoch: 1,
      members: [{ id: 4711, ordinal: 0, target: 'voter', client: 'member-0:7400', http: 'member-0:7402' }],
      groups: [0, 1, 2, 3].map((group) => ({ group, leader: 4711 })),
      queues: [{ name: 'q', partitions: 2, visibilityMs: 30_000 }],
    });
  });
});
