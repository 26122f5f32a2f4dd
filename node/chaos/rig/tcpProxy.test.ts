import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { CUT, PASS, STALL, TcpProxy } from './tcpProxy.ts';
import { until } from './waiting.ts';

const HOST = '127.0.0.1';
const WAIT = { timeoutMs: 10_000 };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Seen {
  text: string;
  ended: boolean;
  closed: boolean;
}
function watch(socket: Socket): Seen {
  const seen: Seen = { text: '', ended: false, closed: false };
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    seen.text += chunk;
  });
  socket.on('end', () => {
    seen.ended = true;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    seen.closed = true;
  });
  closing.push(() => socket.destroy());
  return seen;
}

/** A server that answers everything it hears with the same in capitals. */
async function setUp() {
  const accepted: { socket: Socket; seen: Seen }[] = [];
  const server: Server = createServer((socket) => {
    accepted.push({ socket, seen: watch(socket) });
    socket.on('data', (chunk) => {
      if (socket.writable) socket.write(String(chunk).toUpperCase());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  closing.push(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not listening');
  const proxy = await TcpProxy.listen({ host: HOST, port: 0 }, { host: HOST, port: bound.port }, () => 0.5);
  closing.push(() => proxy.close());
  const dial = (): { socket: Socket; seen: Seen } => {
    const socket = connect(proxy.endpoint);
    return { socket, seen: watch(socket) };
  };
  return { proxy, accepted, dial };
}

describe('a proxy', () => {
  it('hands bytes on, both ways, and the end of a connection', async () => {
    const { accepted, dial } = await setUp();
    const { socket, seen } = dial();
    socket.write('hello');
    await until('the answer', () => seen.text === 'HELLO', WAIT);
    socket.end();
    await until('both to be closed', () => seen.closed && accepted[0]?.seen.closed === true, WAIT);
  });

  it('loses nothing that it held while it was stalled, and tells nobody of an end meanwhile', async () => {
    const { proxy, accepted, dial } = await setUp();
    const { socket, seen } = dial();
    socket.write('a');
    await until('the answer', () => seen.text === 'A', WAIT);
    proxy.set(STALL);
    socket.write('b');
    const other = dial();
    other.socket.write('new');
    accepted[0]!.socket.write('c');
    accepted[0]!.socket.end();
    await until(
      'all to be written',
      () => socket.bytesWritten === 2 && other.socket.bytesWritten === 3,
      WAIT,
    );
    const probe = await setUp();
    const marker = probe.dial();
    // Another proxy's round trip is time enough for what must not happen here.
    marker.socket.write('x');
    await until('the round trip', () => marker.seen.text === 'X', WAIT);
    expect([seen.text, seen.ended, accepted[0]!.seen.text, accepted.length]).toEqual(['A', false, 'a', 1]);
    proxy.set(PASS);
    await until('the rest', () => seen.text === 'Ac' && seen.ended, WAIT);
    await until('what was written meanwhile', () => accepted[0]!.seen.text === 'ab', WAIT);
    await until('the connection that was begun meanwhile', () => other.seen.text === 'NEW', WAIT);
  });

  it('lets requests through and holds answers back, one way only', async () => {
    const { proxy, accepted, dial } = await setUp();
    const { socket, seen } = dial();
    socket.write('a');
    await until('the answer', () => seen.text === 'A', WAIT);
    proxy.set({ kind: 'stall', forth: false, back: true });
    socket.write('b');
    await until('the request', () => accepted[0]!.seen.text === 'ab', WAIT);
    expect(seen.text).toBe('A');
    proxy.set(CUT);
    await until('the reset', () => seen.closed && accepted[0]!.seen.closed, WAIT);
    expect(seen.text).toBe('A');
  });

  it('resets connections when it is cut, and every new one until it passes again', async () => {
    const { proxy, accepted, dial } = await setUp();
    const { socket, seen } = dial();
    socket.write('a');
    await until('the answer', () => seen.text === 'A', WAIT);
    proxy.set(CUT);
    await until('the reset on both sides', () => seen.closed && accepted[0]!.seen.closed, WAIT);
    const refused = dial();
    refused.socket.write('b');
    await until('the refusal', () => refused.seen.closed, WAIT);
    expect(accepted).toHaveLength(1);
    proxy.set(PASS);
    const again = dial();
    again.socket.write('c');
    await until('the answer', () => again.seen.text === 'C', WAIT);
  });

  it('counts what it held back, delayed or reset, and nothing where nothing was on its way', async () => {
    const { proxy, dial } = await setUp();
    const { socket, seen } = dial();
    socket.write('a');
    await until('the answer', () => seen.text === 'A', WAIT);
    proxy.set(STALL);
    proxy.set(PASS);
    expect(proxy.disturbances).toBe(0);
    proxy.set(STALL);
    socket.write('b');
    // What was there in time shows when it is let go.
    const probe = await setUp();
    const marker = probe.dial();
    marker.socket.write('x');
    await until('the round trip', () => marker.seen.text === 'X', WAIT);
    proxy.set(PASS);
    expect(proxy.disturbances).toBe(1);
    await until('the rest', () => seen.text === 'AB', WAIT);
    proxy.set({ kind: 'delay', delayMs: 5, jitterMs: 0 });
    socket.write('c');
    await until('what was late', () => seen.text === 'ABC', WAIT);
    expect(proxy.disturbances).toBe(3);
    proxy.set(CUT);
    expect(proxy.disturbances).toBe(4);
  });

  it('keeps the order of what it delays', async () => {
    const { proxy, dial } = await setUp();
    proxy.set({ kind: 'delay', delayMs: 5, jitterMs: 20 });
    const { socket, seen } = dial();
    const expected = Array.from({ length: 50 }, (_, n) => `<${n}>`);
    for (const text of expected) socket.write(text);
    await until('all of it', () => seen.text === expected.join(''), WAIT);
  });

  it('resets who dials while nobody listens behind it', async () => {
    const { proxy } = await setUp();
    const orphan = await TcpProxy.listen({ host: HOST, port: 0 }, { host: HOST, port: 1 }, () => 0);
    closing.push(() => orphan.close());
    const socket = connect(orphan.endpoint);
    const seen = watch(socket);
    await until('the reset', () => seen.closed, WAIT);
    expect(proxy.passedBytes).toBe(0);
  });
});
