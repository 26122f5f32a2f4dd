import { LIMITS, Op, QueryOp } from '@synccluster/client/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { receiptText } from './receipt.ts';
import { type TestApi, testApi } from './testing/api.ts';

interface Message {
  receipt: string;
  body?: string;
  bodyBase64?: string;
  deliveries: number;
  enqueuedAtMs: number;
}

let api: TestApi;
beforeEach(async () => {
  api = await testApi();
});
afterEach(() => api.close());

const declare = (body: object = {}) => api.call('PUT', '/v1/queues/mail', body);
const enqueue = (body: unknown) => api.call('POST', '/v1/queues/mail/messages', body);
const post = (verb: string, body: object) => api.call('POST', `/v1/queues/mail/${verb}`, body);
async function dequeue(body: object = {}): Promise<Message[]> {
  const { status, json } = await post('dequeue', body);
  expect([status, json]).toEqual([200, { messages: expect.any(Array) }]);
  return json['messages'] as Message[];
}

describe('the catalogue', () => {
  it('declares with one partition per shard, again without effect, and otherwise as a conflict', async () => {
    const first = await declare();
    expect([first.status, first.json]).toEqual([
      200,
      { name: 'mail', partitions: 3, visibilityMs: 30_000, generation: 1 },
    ]);
    expect((await declare()).json).toEqual(first.json);
    const other = await declare({ partitions: 5 });
    expect([other.status, other.json['code']]).toEqual([409, 'CONFLICT']);
  });

  it('shows every partition, also those that never held a message', async () => {
    await declare({ partitions: 4 });
    await enqueue({ body: 'x' });
    await enqueue({ body: 'later', delayMs: 60_000 });
    const { json } = await api.call('GET', '/v1/queues/mail?level=linearizable');
    const depths = json['depths'] as Record<string, number>[];
    expect(depths.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    const sum = (field: string) => depths.reduce((total, depth) => total + (depth[field] ?? 0), 0);
    expect([sum('ready'), sum('inFlight'), sum('delayed')]).toEqual([1, 0, 1]);
    expect(sum('sizeBytes')).toBeGreaterThan(0);
  });

  it('deletes, and then the queue is not found', async () => {
    await declare();
    expect((await api.call('DELETE', '/v1/queues/mail')).status).toBe(200);
    for (const answer of [
      await api.call('GET', '/v1/queues/mail'),
      await api.call('DELETE', '/v1/queues/mail'),
      await enqueue({ body: 'x' }),
      await post('dequeue', {}),
      await post('ack', { receipts: ['0-1-1'] }),
    ]) {
      expect([answer.status, answer.json['code']]).toEqual([404, 'NOT_FOUND']);
    }
  });

  it('sees at once what was declared through this member, while its copy is still fresh', async () => {
    await declare();
    await enqueue({ body: 'x' });
    expect((await api.call('PUT', '/v1/queues/other', {})).status).toBe(200);
    expect((await api.call('POST', '/v1/queues/other/messages', { body: 'x' })).status).toBe(200);
  });

  it('waits for the data groups to hear of a new queue', async () => {
    api.member.drivesCatalogue = false;
    const declared = declare();
    await vi.waitFor(() => expect(api.member.written.at(-1)?.[0]).toBe(Op.QueueDeclare));
    api.member.configureQueues();
    expect((await declared).status).toBe(200);
  });
});

describe('messages', () => {
  beforeEach(async () => {
    await declare({ partitions: 8 });
  });

  it('come back as text when they are UTF-8 and as base64 when not', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xc3]).toString('base64');
    const { json } = await enqueue({
      messages: [{ body: 'grüße\u0000' }, { bodyBase64: bytes }, { body: '' }, { body: '\ufeffbom' }],
    });
    expect(json['ids']).toHaveLength(4);
    const got = await dequeue({ max: 10 });
    expect(got.map(({ body, bodyBase64 }) => body ?? bodyBase64)).toEqual([
      'grüße\u0000',
      bytes,
      '',
      '\ufeffbom',
    ]);
    expect(got[0]).toEqual({
      receipt: expect.any(String),
      body: 'grüße\u0000',
      deliveries: 1,
      enqueuedAtMs: expect.any(Number),
    });
  });

  it('of one key keep their order, whatever else is enqueued', async () => {
    for (let i = 0; i < 10; i++) {
      await enqueue({ messages: [{ body: `a${i}`, key: 'a' }, { body: `b${i}`, key: 'b' }, { body: 'x' }] });
    }
    const bodies = (await dequeue({ max: 256 })).map(({ body }) => body ?? '');
    for (const key of ['a', 'b']) {
      const mine = bodies.filter((body) => body.startsWith(key));
      expect(mine).toEqual(Array.from({ length: 10 }, (_, i) => `${key}${i}`));
    }
    expect(bodies).toHaveLength(30);
  });

  it('without a key spread over the partitions', async () => {
    for (let i = 0; i < 8; i++) await enqueue({ body: 'x' });
    const partitions = new Set((await dequeue({ max: 10 })).map(({ receipt }) => receipt.split('-')[0]));
    expect(partitions.size).toBe(8);
  });

  it('larger than one command together are split', async () => {
    const body = 'x'.repeat(900_000);
    const { status, json } = await enqueue({ messages: [0, 1, 2].map(() => ({ body, key: 'k' })) });
    expect(status).toBe(200);
    expect(new Set(json['ids'] as string[]).size).toBe(3);
    expect(api.member.written.filter(([op]) => op === Op.QueueEnqueue)).toHaveLength(2);
  });

  it('are acknowledged, given back and extended by their receipts', async () => {
    await enqueue({ messages: Array.from({ length: 9 }, (_, i) => ({ body: `${i}`, key: `${i}` })) });
    const taken = await dequeue({ max: 9 });
    const receipts = taken.map(({ receipt }) => receipt);
    expect((await post('extend', { receipts, visibilityMs: 60_000 })).json).toEqual({ done: 9, stale: [] });
    expect((await post('nack', { receipts: receipts.slice(0, 3) })).json).toEqual({ done: 3, stale: [] });
    const again = await dequeue({ max: 9 });
    expect(again.map(({ deliveries }) => deliveries)).toEqual([2, 2, 2]);
    const acked = await post('ack', { receipts });
    expect(acked.json['done']).toBe(6);
    expect(new Set(acked.json['stale'] as string[])).toEqual(new Set(receipts.slice(0, 3)));
    expect((await post('ack', { receipts: again.map(({ receipt }) => receipt) })).json['done']).toBe(3);
    expect(await dequeue({ max: 9 })).toEqual([]);
  });

  it('are delivered again when their visibility has passed', async () => {
    await enqueue({ body: 'x' });
    expect(await dequeue({ visibilityMs: 100 })).toHaveLength(1);
    const again = await dequeue({ waitMs: 10_000 });
    expect(again[0]?.deliveries).toBe(2);
  });

  it('wake a dequeue that waits', async () => {
    const waiting = dequeue({ waitMs: 60_000 });
    await vi.waitFor(() => expect(api.member.waiting).toBeGreaterThan(0));
    await enqueue({ body: 'x' });
    expect((await waiting)[0]?.body).toBe('x');
    expect(api.member.waiting).toBe(0);
  });

  it('that do not come end a dequeue with none', async () => {
    expect(await dequeue({ waitMs: 20 })).toEqual([]);
  });

  it('of the groups that answer are given when another group fails', async () => {
    for (let i = 0; i < 8; i++) await enqueue({ body: 'x' });
    api.member.refuse(Op.QueueDequeue, 'UNAVAILABLE');
    const some = await dequeue({ max: 10 });
    expect(some.length).toBeGreaterThan(0);
    expect((await dequeue({ max: 10 })).length + some.length).toBe(8);
  });

  it('are asked for again while slots move', async () => {
    api.member.refuse(Op.QueueEnqueue, 'MOVED');
    api.member.refuse(Op.QueueEnqueue, 'NOT_FOUND');
    expect((await enqueue({ body: 'x' })).status).toBe(200);
  });

  it('say how many were stored when a partition fails', async () => {
    api.member.refuse(Op.QueueEnqueue, 'DISK_FULL');
    const messages = Array.from({ length: 30 }, (_, i) => ({ body: 'x', key: `${i}` }));
    const { status, json } = await enqueue({ messages });
    expect([status, json['code']]).toEqual([507, 'DISK_FULL']);
    const stored = Number(/\((\d+) of 30 messages were stored/.exec(json['message'] as string)?.[1]);
    expect(await dequeue({ max: 256 })).toHaveLength(stored);
    expect(stored).toBeGreaterThan(0);
  });

  it('wait through a failing long poll of one group', async () => {
    api.member.refuse(QueryOp.QueueWait, 'UNAVAILABLE');
    const waiting = dequeue({ waitMs: 60_000 });
    await vi.waitFor(() => expect(api.member.waiting).toBeGreaterThan(1));
    await enqueue({ body: 'x' });
    expect(await waiting).toHaveLength(1);
  });
});

describe('refusals', () => {
  beforeEach(async () => {
    await declare();
  });
  const mib = 'x'.repeat(LIMITS.valueBytes + 1);
  it.each<[string, unknown, number, RegExp]>([
    ['neither form of a body', {}, 400, /^body or bodyBase64 is needed/],
    ['both forms', { body: 'x', bodyBase64: '' }, 400, /only one of them/],
    ['both one and several', { body: 'x', messages: [{ body: 'x' }] }, 400, /messages must stand alone/],
    ['no messages', { messages: [] }, 400, /messages must have at least 1 item/],
    [
      'a bad message',
      { messages: [{ body: 'x' }, { body: 1 }] },
      400,
      /messages\[1\]\.body must be a string/,
    ],
    ['base64 that is none', { bodyBase64: '*' }, 400, /bodyBase64 must be base64/],
    ['half a surrogate pair', '{"body":"\\ud800"}', 400, /body must be valid Unicode/],
    ['a large message', { body: mib }, 413, /body is too large/],
    [
      'a large key',
      { body: 'x', key: 'k'.repeat(2 * 1024 * 1024) },
      413,
      /key is too large: at most 1024 bytes/,
    ],
    ['a negative delay', { body: 'x', delayMs: -1 }, 400, /delayMs must be a whole number from 0/],
    ['too many', { messages: Array.from({ length: 257 }, () => ({ body: '' })) }, 413, /at most 256 items/],
  ])('say what is wrong with %s', async (_what, body, status, says) => {
    const answer = await enqueue(body);
    expect([answer.status, answer.json['message']]).toEqual([status, expect.stringMatching(says)]);
  });

  it.each(['x', '', '0-0-1', '64-1-1', '0-1', '0-99999999999999999-1'])(
    'name the receipt %j that no dequeue gave',
    async (receipt) => {
      const { status, json } = await post('ack', { receipts: [receiptText([0, 1, 1]), receipt] });
      expect([status, json['message']]).toEqual([400, expect.stringContaining('receipts[1]')]);
    },
  );
});
