import { ERROR_CODES, isErrorCode } from '@synccluster/client/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type TestApi, testApi } from './testing/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
  await api.call('PUT', '/v1/queues/q', {});
});
afterAll(() => api.close());

function expectRefusal(answer: Answer, status: number, code: string, says: RegExp): void {
  expect([answer.status, answer.json]).toEqual([status, { code, message: expect.stringMatching(says) }]);
}

describe('what is no request that the API knows', () => {
  it.each<[string, string, string, string | undefined, Record<string, string>, number, string, RegExp]>([
    ['malformed JSON', 'POST', '/v1/sessions', '{"ttlMs":', {}, 400, 'INVALID_ARGUMENT', /not valid JSON/],
    ['text for an object', 'POST', '/v1/sessions', '"x"', {}, 400, 'INVALID_ARGUMENT', /body must be a JSON/],
    [
      'a list for an object',
      'POST',
      '/v1/sessions',
      '[]',
      {},
      400,
      'INVALID_ARGUMENT',
      /body must be a JSON/,
    ],
    [
      'a field that does not exist',
      'POST',
      '/v1/sessions',
      '{"ttl":1}',
      {},
      400,
      'INVALID_ARGUMENT',
      /^ttl is unknown; the fields are ttlMs, label$/,
    ],
    [
      'a prototype for a field',
      'POST',
      '/v1/sessions',
      '{"__proto__":{"ttlMs":1}}',
      {},
      400,
      'INVALID_ARGUMENT',
      /__proto__ is unknown/,
    ],
    [
      'another content type',
      'POST',
      '/v1/sessions',
      '{}',
      { 'content-type': 'application/x-www-form-urlencoded' },
      400,
      'INVALID_ARGUMENT',
      /must be JSON, .*content-type: application\/json/,
    ],
    [
      'a broken content type',
      'POST',
      '/v1/sessions',
      '{}',
      { 'content-type': ';;' },
      400,
      'INVALID_ARGUMENT',
      /must be JSON/,
    ],
    ['an unknown path', 'GET', '/v2/x', undefined, {}, 404, 'NOT_FOUND', /no GET \/v2\/x/],
    ['an unknown method', 'DELETE', '/v1/sessions', undefined, {}, 404, 'NOT_FOUND', /no DELETE/],
    ['bad percent-encoding', 'GET', '/v1/cache/%zz', undefined, {}, 400, 'INVALID_ARGUMENT', /percent-enc/],
    [
      'a path of bytes that are no UTF-8',
      'GET',
      '/v1/cache/%ff',
      undefined,
      {},
      400,
      'INVALID_ARGUMENT',
      /percent-enc/,
    ],
    ['an empty key', 'GET', '/v1/cache/', undefined, {}, 400, 'INVALID_ARGUMENT', /key must not be empty/],
    ['a large name', 'GET', `/v1/locks/${'n'.repeat(257)}`, undefined, {}, 413, 'TOO_LARGE', /name is too/],
    ['a huge name', 'GET', `/v1/locks/${'n'.repeat(9000)}`, undefined, {}, 413, 'TOO_LARGE', /too large/],
    [
      'an unknown level',
      'GET',
      '/v1/locks/a?level=best',
      undefined,
      {},
      400,
      'INVALID_ARGUMENT',
      /level must be one of session, any, linearizable/,
    ],
    ['two levels', 'GET', '/v1/locks/a?level=any&level=any', undefined, {}, 400, 'INVALID_ARGUMENT', /level/],
    [
      'an unknown parameter',
      'GET',
      '/v1/locks/a?lvl=any',
      undefined,
      {},
      400,
      'INVALID_ARGUMENT',
      /lvl is unk/,
    ],
    [
      'a session that is no number',
      'DELETE',
      '/v1/sessions/abc',
      undefined,
      {},
      400,
      'INVALID_ARGUMENT',
      /session must be a whole number from 1/,
    ],
    ['session 0', 'DELETE', '/v1/sessions/0', undefined, {}, 400, 'INVALID_ARGUMENT', /session must/],
    ['no session', 'POST', '/v1/locks/a/acquire', '{}', {}, 400, 'INVALID_ARGUMENT', /^session is missing$/],
    [
      'a negative wait',
      'POST',
      '/v1/locks/a/acquire',
      '{"session":1,"waitMs":-5}',
      {},
      400,
      'INVALID_ARGUMENT',
      /^waitMs must be a whole number from 0 to 60000$/,
    ],
    [
      'an unknown mode',
      'POST',
      '/v1/locks/a/acquire',
      '{"session":1,"mode":"x"}',
      {},
      400,
      'INVALID_ARGUMENT',
      /mode must be one of exclusive, shared/,
    ],
    [
      'a fraction',
      'POST',
      '/v1/sessions',
      '{"ttlMs":1000.5}',
      {},
      400,
      'INVALID_ARGUMENT',
      /ttlMs must be a wh/,
    ],
    [
      'an unknown queue',
      'POST',
      '/v1/queues/none/dequeue',
      '{}',
      {},
      404,
      'NOT_FOUND',
      /no queue of this name/,
    ],
  ])(
    'is refused with a code and a sentence: %s',
    async (_what, method, url, body, headers, status, code, says) => {
      expectRefusal(await api.call(method as 'GET', url, body, headers), status, code, says);
    },
  );

  it('is refused when its body is larger than any that could be valid', async () => {
    const body = { value: 'x'.repeat(3 * 1024 * 1024) };
    expectRefusal(await api.call('PUT', '/v1/cache/a', body), 413, 'TOO_LARGE', /body is too large/);
  });

  it('is refused when its bytes are no UTF-8', async () => {
    const reply = await api.app.fastify.inject({
      method: 'PUT',
      url: '/v1/cache/a',
      headers: { 'content-type': 'application/json' },
      payload: Buffer.concat([Buffer.from('{"value":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    });
    expect([reply.statusCode, reply.json()]).toEqual([
      400,
      { code: 'INVALID_ARGUMENT', message: 'The body is not valid UTF-8.' },
    ]);
  });
});

const ROUTES: readonly [method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, fields: readonly string[]][] =
  [
    ['POST', '/v1/sessions', ['ttlMs', 'label']],
    ['POST', '/v1/sessions/:p/keepalive', []],
    ['DELETE', '/v1/sessions/:p', []],
    ['POST', '/v1/locks/:p/acquire', ['session', 'mode', 'waitMs']],
    ['POST', '/v1/locks/:p/release', ['session', 'token']],
    ['GET', '/v1/locks/:p', []],
    ['PUT', '/v1/queues/:p', ['partitions', 'visibilityMs']],
    ['DELETE', '/v1/queues/:p', []],
    ['GET', '/v1/queues/:p', []],
    ['POST', '/v1/queues/:p/messages', ['messages', 'body', 'bodyBase64', 'key', 'delayMs']],
    ['POST', '/v1/queues/:p/dequeue', ['max', 'visibilityMs']],
    ['POST', '/v1/queues/:p/ack', ['receipts']],
    ['POST', '/v1/queues/:p/nack', ['receipts', 'delayMs']],
    ['POST', '/v1/queues/:p/extend', ['receipts', 'visibilityMs']],
    ['PUT', '/v1/cache/:p', ['value', 'valueBase64', 'ttlMs']],
    ['GET', '/v1/cache/:p', []],
    ['DELETE', '/v1/cache/:p', []],
  ];

/** Values near what the fields take, and far from it. */
const fieldValue = fc.oneof(
  fc.integer({ min: -2, max: 3 }),
  fc.constantFrom<unknown>(1e4, 100, 0.5, 1e300, '', 'x', 'exclusive', 'shared', 'aGk=', '0-1-1', null, true),
  fc.array(fc.oneof(fc.constantFrom<unknown>('0-1-1', 'x', 1, null), fc.record({ body: fc.string() })), {
    maxLength: 3,
  }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.jsonValue({ maxDepth: 2 }),
);

describe('any JSON at all', () => {
  it('is answered as documented, and never breaks the member', async () => {
    const names = fc.oneof(fc.constantFrom('q', '1', '2', 'a'), fc.string({ unit: 'binary', minLength: 1 }));
    const request = fc.constantFrom(...ROUTES).chain(([method, url, fields]) =>
      fc.record({
        method: fc.constant(method),
        url: names.map((name) => url.replace(':p', () => encodeURIComponent(name.toWellFormed()))),
        query: fc.constantFrom('', '?level=any', '?level=linearizable', '?level=x', '?&&=%00'),
        body: fc.oneof(
          { weight: 4, arbitrary: fc.dictionary(fc.constantFrom(...fields, 'other'), fieldValue) },
          { weight: 1, arbitrary: fc.jsonValue() },
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(request, async ({ method, url, query, body }) => {
        const answer = await api.call(method, `${url}${query}`, method === 'GET' ? undefined : body);
        if (answer.status === 200) return;
        const { code, message } = answer.json;
        if (!isErrorCode(code)) throw new Error(`no code: ${JSON.stringify(answer.json)}`);
        expect(answer.status).toBe(ERROR_CODES[code].http);
        expect(answer.status).toBeLessThan(500);
        expect(message).toEqual(expect.stringMatching(/\S/));
      }),
      { numRuns: 1_500 },
    );
    expect((await api.call('GET', '/v1/cluster')).status).toBe(200);
  });
});
