import { randomBytes } from 'node:crypto';
import { connect as dial } from 'node:net';
import { connect } from '@synccluster/client';
import { FrameWriter } from '@synccluster/client/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalMembers } from './localMembers.ts';

const CLIENT_PORT = 7400;
const PEER_PORT = 7401;

let members: LocalMembers;
let pid: number;
beforeAll(async () => {
  members = new LocalMembers();
  await members.found(1);
  pid = members.pid(0);
}, 60_000);
afterAll(() => members.stop());

async function http(method: string, path: string, body?: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://${members.host(0)}:7402${path}`, {
    method,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}
const json = (method: string, path: string, body: unknown) => http(method, path, JSON.stringify(body));

async function expectAlive(): Promise<void> {
  expect(members.running(0)).toBe(true);
  expect(members.pid(0)).toBe(pid);
  const client = await connect({ endpoints: [members.endpoint(0)] });
  await client.cache.put('alive', 'yes');
  expect(await client.cache.get('alive')).not.toBeNull();
  await client.close();
}

/** Sends bytes; resolves when the member closes the connection, or after `patienceMs` if it keeps it open. */
function send(port: number, bytes: Uint8Array, patienceMs = 8_000): Promise<'closed' | 'open'> {
  return new Promise((resolve) => {
    const socket = dial(port, members.host(0));
    const timer = setTimeout(() => {
      resolve('open');
      socket.destroy();
    }, patienceMs);
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', () => {});
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve('closed');
    });
  });
}

describe('HTTP of a member', () => {
  it('locks, moves messages and caches as JSON', async () => {
    const opened = (await json('POST', '/v1/sessions', { ttlMs: 10_000 })).body as { session: number };
    const session = { session: opened.session };
    const lock = (await json('POST', '/v1/locks/a/acquire', session)).body as { token: number };
    expect(lock.token).toBeGreaterThan(0);
    expect((await json('POST', '/v1/locks/a/release', { ...session, ...lock })).status).toBe(200);
    expect((await json('PUT', '/v1/queues/mail', {})).status).toBe(200);
    expect((await json('POST', '/v1/queues/mail/messages', { body: 'hello' })).status).toBe(200);
    const got = (await json('POST', '/v1/queues/mail/dequeue', { waitMs: 2_000 })).body as {
      messages: { receipt: string; body: string }[];
    };
    expect(got.messages.map((m) => m.body)).toEqual(['hello']);
    const receipts = got.messages.map((m) => m.receipt);
    expect((await json('POST', '/v1/queues/mail/ack', { receipts })).body).toMatchObject({ done: 1 });
    expect((await json('PUT', '/v1/cache/k', { value: 'v' })).status).toBe(200);
    expect((await http('GET', '/v1/cache/k')).body).toMatchObject({ value: 'v' });
  });

  it.each([
    ['malformed JSON', 'POST', '/v1/sessions', '{"ttlMs": '],
    ['a key of 8,000 bytes', 'PUT', `/v1/cache/${'k'.repeat(8_000)}`, '{"value":"v"}'],
    ['a key of 2 MiB in the path', 'PUT', `/v1/cache/${'k'.repeat(2 ** 21)}`, '{"value":"v"}'],
    ['a message of 2 MiB', 'POST', '/v1/queues/mail/messages', JSON.stringify({ body: 'x'.repeat(2 ** 21) })],
    ['a negative timeout', 'POST', '/v1/locks/a/acquire', '{"session":1,"waitMs":-1}'],
    ['an unknown queue', 'POST', '/v1/queues/nowhere/messages', '{"body":"x"}'],
    ['an unknown session', 'POST', '/v1/locks/a/acquire', '{"session":123456}'],
    ['an unknown field', 'PUT', '/v1/cache/k', '{"value":"v","tll":5}'],
  ])('refuses %s with a code and a sentence', async (_what, method, path, body) => {
    const { status, body: answer } = await http(method, path, body);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(answer).toMatchObject({
      code: expect.stringMatching(/^[A-Z_]+$/),
      message: expect.stringMatching(/\w+ \w+/),
    });
    await expectAlive();
  });
});

describe('the binary ports', () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
  const writer = new FrameWriter(1024);
  writer.appendValue([0, 'synccluster', 1, 'test']);
  const hello = writer.take();

  it.each([
    ['random bytes', CLIENT_PORT, () => randomBytes(4096)],
    ['a frame that claims 4 GiB', CLIENT_PORT, () => claim],
    ['a frame that claims 4 GiB after a good hello', CLIENT_PORT, () => Buffer.concat([hello, claim])],
    ['an HTTP request', CLIENT_PORT, () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['half a frame and then silence', CLIENT_PORT, () => hello.subarray(0, 7)],
    ['random bytes to the peer port', PEER_PORT, () => randomBytes(4096)],
    ['4 GiB claimed on the peer port', PEER_PORT, () => claim],
    ['half a frame on the peer port', PEER_PORT, () => hello.subarray(0, 7)],
  ])('close the connection that sent %s, and only that', async (_what, port, bytes) => {
    const other = await connect({ endpoints: [members.endpoint(0)] });
    expect(await send(port, bytes())).toBe('closed');
    await other.cache.put('other', 'still here');
    await other.close();
    await expectAlive();
  });

  it('refuse what only members may propose', async () => {
    const frames = new FrameWriter(1024);
    frames.appendFrames(hello);
    const { packCommand } = await import('@synccluster/client/wire');
    // A roster change: it would remove the only member.
    frames.appendValue([1, 1, 0, packCommand([23, 1, 0, 0, 0, 1, [[1, 0, 'removed']]] as never)]);
    expect(await send(CLIENT_PORT, frames.take(), 500)).toBe('open');
    expect((await members.status(0)).roster.version).toBe(1);
    await expectAlive();
  });
});
