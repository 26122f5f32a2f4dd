import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { systemClock } from '@synccluster/client/clock';
import { type LogIndex, PROTOCOL_MAGIC, PROTOCOL_VERSION, ReplyKind } from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack } from '@synccluster/client/wire';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { type Connection, FlushSet } from '../replica/connection.ts';
import type { Member } from '../replica/member.ts';
import { ClientConnection, type ClientServer, startClientServer } from './clientServer.ts';

const ANSWER_BYTES = 512 * 1024;
const logger = pino({ level: 'silent' });

let server: ClientServer;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

/** A member whose every answer is large. */
function memberOfLargeAnswers() {
  const seen = { taken: 0, closed: 0, failed: [] as unknown[] };
  const flushes = new FlushSet();
  let woken = false;
  let connections = 0;
  const member = {
    options: { clock: systemClock },
    nextConnectionId: () => ++connections,
    router: {
      take(connection: Connection, payload: Uint8Array) {
        const request = unpack(payload) as readonly number[];
        if (request[0] === 9) throw Object.assign(new Error('impossible'), { code: 'INVARIANT' });
        seen.taken += 1;
        if (request[0] === 0) return;
        connection.reply([ReplyKind.Ok, request[1]!, 1 as LogIndex, [new Uint8Array(ANSWER_BYTES)]]);
      },
    },
    markDirty: (connection: Connection) => {
      flushes.add(connection);
      member.wake();
    },
    wake: () => {
      if (woken) return;
      woken = true;
      setImmediate(() => {
        woken = false;
        flushes.flush();
      });
    },
    clientClosed: () => {
      seen.closed += 1;
    },
    failed: (error: unknown) => seen.failed.push(error),
  };
  return { seen, member: member as unknown as Member };
}

async function start() {
  const { seen, member } = memberOfLargeAnswers();
  server = await startClientServer({ host: '127.0.0.1', port: 0, member, logger });
  return seen;
}

async function dial(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}
function frames(...values: unknown[]): Uint8Array {
  const writer = new FrameWriter(1_000);
  for (const value of values) writer.appendValue(value);
  return writer.take();
}
const HELLO = [0, PROTOCOL_MAGIC, PROTOCOL_VERSION, 'test'];

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the client listener', () => {
  it('takes no more requests than a client reads answers to, and all of them once it does', async () => {
    const seen = await start();
    const socket = await dial();
    socket.pause();
    const requests = Array.from({ length: 400 }, (_, i) => [2, i + 1]);
    socket.write(frames(HELLO, ...requests));
    await until('requests to be taken', () => seen.taken > 8);
    const turns = 50;
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    // What the sockets' own buffers hold, and not 200 MB.
    expect(seen.taken).toBeLessThan(100);
    const decoder = new FrameDecoder();
    let answers = 0;
    socket.on('data', (chunk) => {
      answers += decoder.push(chunk).length;
    });
    socket.resume();
    await until('all answers', () => answers === 400);
  });

  it('goes on with what waited when the system takes a whole write at once', async () => {
    const { seen, member } = memberOfLargeAnswers();
    const decoder = new FrameDecoder();
    let answers = 0;
    const socket = new Duplex({
      // More than any write here: no write is ever refused, and none is followed by a drain.
      writableHighWaterMark: 64 * 1024 * 1024,
      read() {},
      write(chunk: Uint8Array, _encoding, done) {
        answers += decoder.push(chunk).length;
        done();
      },
    });
    new ClientConnection(socket as Socket, member, logger, () => {});
    socket.push(frames(HELLO, ...Array.from({ length: 40 }, (_, i) => [2, i + 1])));
    await until('all answers', () => answers === 40);
    socket.destroy();
    await until('its end', () => seen.closed === 1);
  });

  it('closes at once although a client does not read', async () => {
    const seen = await start();
    const socket = await dial();
    socket.pause();
    socket.write(frames(HELLO, ...Array.from({ length: 50 }, (_, i) => [2, i + 1])));
    await until('requests to be taken', () => seen.taken > 8);
    await server.close();
    await until('the connection to be forgotten', () => server.connections() === 0);
    expect(seen.closed).toBe(1);
  });

  it('ends the member, not the connection, when the member finds itself wrong', async () => {
    const seen = await start();
    const socket = await dial();
    socket.write(frames(HELLO, [9, 1]));
    await until('the failure', () => seen.failed.length === 1);
  });
});
