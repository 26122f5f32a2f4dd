import { once } from 'node:events';
import { Agent, get, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Op, type SessionId } from '@synccluster/client/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startAdmin, startHealth, startHttp } from './index.ts';
import type { Listener } from './listener.ts';
import { FakeMember } from './testing/fakeMember.ts';

const at = { host: '127.0.0.1', port: 0, logger: pino({ level: 'silent' }) };
let member: FakeMember;
let http: Listener;
beforeEach(async () => {
  member = new FakeMember();
  http = await startHttp({ ...at, member });
});
afterEach(async () => {
  await http.close();
  member.stop();
});

const url = (path: string) => `http://127.0.0.1:${http.port}${path}`;
async function call(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
  return await fetch(url(path), {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    ...(signal === undefined ? {} : { signal }),
  });
}
async function openSession(): Promise<SessionId> {
  const reply = await call('POST', '/v1/sessions', {});
  return ((await reply.json()) as { session: SessionId }).session;
}

/** What the member answers to these bytes, until it closes the connection. */
async function raw(bytes: string): Promise<string> {
  const socket: Socket = connect(http.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

describe('a caller that disconnects', () => {
  it('gives up its place in the queue of a lock', async () => {
    const [one, two] = [await openSession(), await openSession()];
    await call('POST', '/v1/locks/door/acquire', { session: one });
    const gone = new AbortController();
    const waiting = call('POST', '/v1/locks/door/acquire', { session: two, waitMs: 60_000 }, gone.signal);
    await vi.waitFor(() => expect(member.watched).toBe(1));
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await vi.waitFor(() => expect(member.written.at(-1)?.[0]).toBe(Op.LockCancel));
    await vi.waitFor(() => expect(member.watched).toBe(0));
    const inspected = await (await call('GET', '/v1/locks/door')).json();
    expect(inspected).toMatchObject({ holders: [{ session: one }], waiters: [] });
  });

  it('keeps no lock that it was granted in the same moment', async () => {
    const [one, two] = [await openSession(), await openSession()];
    const held = (await (await call('POST', '/v1/locks/door/acquire', { session: one })).json()) as object;
    const gone = new AbortController();
    const waiting = call('POST', '/v1/locks/door/acquire', { session: two, waitMs: 60_000 }, gone.signal);
    await vi.waitFor(() => expect(member.watched).toBe(1));
    member.delivers = false;
    member.beforeWrite = async (command) => {
      if (command[0] !== Op.LockCancel) return;
      member.beforeWrite = () => {};
      await call('POST', '/v1/locks/door/release', { session: one, ...held });
    };
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await vi.waitFor(() => expect(member.watched).toBe(0));
    expect(member.written.slice(-3).map(([op]) => op)).toEqual([
      Op.LockRelease,
      Op.LockCancel,
      Op.LockRelease,
    ]);
    expect(await (await call('GET', '/v1/locks/door')).json()).toEqual({ holders: [], waiters: [] });
  });

  it('takes no messages with it', async () => {
    await call('PUT', '/v1/queues/q', {});
    await call('POST', '/v1/queues/q/messages', { body: 'x' });
    const gone = new AbortController();
    let nacked = false;
    member.beforeWrite = async (command) => {
      if (command[0] === Op.QueueNack) nacked = true;
      if (command[0] !== Op.QueueDequeue || gone.signal.aborted) return;
      gone.abort();
      // The member notices before the dequeue is applied.
      await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await expect(call('POST', '/v1/queues/q/dequeue', {}, gone.signal)).rejects.toThrow();
    await vi.waitFor(() => expect(nacked).toBe(true));
    const again = (await (await call('POST', '/v1/queues/q/dequeue', { waitMs: 10_000 })).json()) as {
      messages: unknown[];
    };
    expect(again.messages).toEqual([expect.objectContaining({ body: 'x', deliveries: 2 })]);
  });
});

describe('closing', () => {
  it('answers long polls and does not wait for connections that are kept alive', async () => {
    await call('PUT', '/v1/queues/q', {});
    const polling = call('POST', '/v1/queues/q/dequeue', { waitMs: 60_000 });
    const agent = new Agent({ keepAlive: true });
    const idle = get(url('/v1/cluster'), { agent });
    const [response] = (await once(idle, 'response')) as [import('node:http').IncomingMessage];
    response.resume();
    await once(response, 'end');
    await vi.waitFor(() => expect(member.waiting).toBeGreaterThan(0));
    await http.close();
    const reply = await polling;
    expect([reply.status, await reply.json()]).toEqual([
      503,
      { code: 'UNAVAILABLE', message: expect.stringMatching(/stopping/) },
    ]);
    agent.destroy();
    await expect(call('GET', '/v1/cluster')).rejects.toThrow();
  });

  it('cuts a request that never ends', async () => {
    const stuck = request(url('/v1/sessions'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '10' },
    });
    const failed = once(stuck, 'error');
    stuck.write('{');
    await once(stuck, 'socket');
    await call('GET', '/v1/cluster');
    await http.close();
    await failed;
  });

  it('may be asked for twice', async () => {
    await Promise.all([http.close(), http.close()]);
  });
});

describe('bytes that are no request', () => {
  it.each<[string, string, RegExp]>([
    ['garbage', 'synccluster\0\r\n\r\n', /^HTTP\/1\.1 400 .*"code":"INVALID_ARGUMENT"/s],
    [
      'endless headers',
      `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
      /^HTTP\/1\.1 413 .*"TOO_LARGE"/s,
    ],
    [
      'a body that is shorter than promised',
      'POST /v1/sessions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n{}}',
      /^HTTP\/1\.1 400 .*not valid JSON/s,
    ],
    [
      'a body without a type',
      'POST /v1/sessions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}',
      /^HTTP\/1\.1 400 .*must be JSON/s,
    ],
  ])('are answered as such: %s', async (_what, bytes, answer) => {
    expect(await raw(bytes)).toMatch(answer);
    expect((await call('GET', '/v1/cluster')).status).toBe(200);
  });
});

describe('three listeners of one member', () => {
  it('share its registry and close each for itself', async () => {
    const admin = await startAdmin({ ...at, member });
    const health = await startHealth({ ...at, member });
    try {
      await call('GET', '/v1/cluster');
      await fetch(`http://127.0.0.1:${admin.port}/admin/v1/identity`);
      const metrics = await (await fetch(`http://127.0.0.1:${health.port}/metrics`)).text();
      expect(metrics).toContain('listener="api"');
      expect(metrics).toContain('listener="admin"');
      await admin.close();
      expect((await fetch(`http://127.0.0.1:${health.port}/livez`)).status).toBe(200);
    } finally {
      await admin.close();
      await health.close();
    }
  });

  it('say that a port is taken', async () => {
    await expect(startHealth({ ...at, port: http.port, member })).rejects.toThrow(/EADDRINUSE/);
  });
});
