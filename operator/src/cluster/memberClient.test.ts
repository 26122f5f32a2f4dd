import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemberClient, MemberCallError } from './memberClient.ts';

type Answer = { status: number; body: string } | 'never';
let server: Server | null = null;
const client = () => createMemberClient({ readTimeoutMs: 10_000 });
const impatient = () => createMemberClient({ readTimeoutMs: 100, writeTimeoutMs: 100 });

async function serve(answers: Record<string, Answer>) {
  const requests: { line: string; body: string }[] = [];
  const made = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const line = `${request.method} ${request.url}`;
      requests.push({ line, body });
      const answer = answers[line] ?? { status: 404, body: '' };
      if (answer !== 'never') response.writeHead(answer.status).end(answer.body);
    });
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return { address: `127.0.0.1:${(made.address() as AddressInfo).port}`, requests };
}
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  server = null;
});
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => (error instanceof MemberCallError ? error.code : error),
  );

describe('the client of a member', () => {
  it('reads an identity, and ignores fields it does not know', async () => {
    const identity = { memberId: 7, clusterId: null, empty: true, ordinal: 0, version: '1', damaged: null };
    const { address } = await serve({
      'GET /admin/v1/identity': { status: 200, body: JSON.stringify({ ...identity, novel: 1 }) },
    });
    expect(await client().identity(address)).toMatchObject(identity);
  });

  it('refuses an answer that is something else, naming what is wrong', async () => {
    const { address } = await serve({
      'GET /admin/v1/identity': { status: 200, body: '{"memberId":"x"}' },
      'GET /admin/v1/status': { status: 200, body: '<html>' },
    });
    expect(await code(client().identity(address))).toBe('BAD_ANSWER');
    expect(await code(client().status(address))).toBe('BAD_ANSWER');
  });

  it('has no status of a member that is not admitted, and tells that from an error', async () => {
    const first = await serve({
      'GET /admin/v1/status': { status: 503, body: '{"code":"UNAVAILABLE","message":"not yet"}' },
    });
    expect(await client().status(first.address)).toBeNull();
    server?.close();
    const second = await serve({
      'GET /admin/v1/status': { status: 500, body: '{"code":"INTERNAL","message":"x"}' },
    });
    expect(await code(client().status(second.address))).toBe('INTERNAL');
  });

  it('sends what the admin API expects', async () => {
    const { address, requests } = await serve({
      'POST /admin/v1/bootstrap': { status: 200, body: '{"clusterId":"c"}' },
      'POST /admin/v1/roster': { status: 200, body: '{"version":8}' },
      'POST /admin/v1/handover': { status: 200, body: '{"remaining":[2]}' },
      'POST /admin/v1/reset': { status: 204, body: '' },
      'POST /admin/v1/recover': { status: 204, body: '' },
    });
    const member = client();
    await member.bootstrap(address, 'c', 3);
    expect(await member.changeRoster(address, 7, [{ memberId: 5, ordinal: 1, target: 'learner' }])).toBe(8);
    expect(await member.handover(address)).toEqual([2]);
    await member.reset(address, 5);
    await member.recover(address, 5, 'lost', 'new');
    expect(requests.map(({ body }) => JSON.parse(body))).toEqual([
      { clusterId: 'c', shards: 3 },
      { expectedVersion: 7, changes: [{ memberId: 5, ordinal: 1, target: 'learner' }] },
      {},
      { memberId: 5 },
      { memberId: 5, clusterId: 'lost', newClusterId: 'new' },
    ]);
    await member.close();
  });

  it('passes on why a member refuses', async () => {
    const { address } = await serve({
      'POST /admin/v1/roster': { status: 409, body: '{"code":"CONFLICT","message":"stale"}' },
    });
    expect(await code(client().changeRoster(address, 1, []))).toBe('CONFLICT');
  });

  it('gives up on a member that accepts and never answers, or is not there', async () => {
    const { address } = await serve({
      'GET /admin/v1/identity': 'never',
      'POST /admin/v1/handover': 'never',
    });
    expect(await code(impatient().identity(address))).toBe('UNREACHABLE');
    expect(await code(impatient().handover(address))).toBe('UNREACHABLE');
    expect(await code(client().identity('127.0.0.1:1'))).toBe('UNREACHABLE');
  });
});
