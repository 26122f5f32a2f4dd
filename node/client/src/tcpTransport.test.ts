import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from './client.ts';
import { parseAddress, tcpTransport } from './tcpTransport.ts';

let server: Server | null = null;
const sockets: Socket[] = [];

async function listen(handle: (socket: Socket) => void): Promise<string> {
  const listening = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    handle(socket);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

async function stop(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy();
  const listening = server;
  server = null;
  if (listening !== null) await new Promise((resolve) => listening.close(resolve));
}

afterEach(stop);

describe('TCP', () => {
  it('carries bytes both ways and reports the end once', async () => {
    const address = await listen((socket) => socket.pipe(socket));
    const events: string[] = [];
    await new Promise<void>((resolve) => {
      const link = tcpTransport.dial(address, {
        opened: () => {
          events.push('opened');
          link.write(Buffer.from('ping'));
        },
        data: (chunk) => {
          events.push(Buffer.from(chunk).toString());
          for (const socket of sockets) socket.end();
        },
        closed: (error) => {
          events.push(`closed ${String(error)}`);
          resolve();
        },
      });
    });
    expect(events).toEqual(['opened', 'ping', 'closed null']);
  });

  it('reports why nobody answers', async () => {
    const address = await listen(() => {});
    await stop();
    const error = await new Promise<Error | null>((resolve) => {
      tcpTransport.dial(address, { opened: () => {}, data: () => {}, closed: resolve });
    });
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('says nothing any more after it was dropped', async () => {
    const address = await listen((socket) => socket.write('late'));
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const link = tcpTransport.dial(address, {
        opened: () => {
          link.destroy();
          setImmediate(resolve);
        },
        data: () => seen.push('data'),
        closed: () => seen.push('closed'),
      });
    });
    expect(seen).toEqual([]);
  });

  it('to something that is not a member rejects with what is wrong', async () => {
    const address = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await expect(connect({ endpoints: [address], requestTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      cause: { code: 'TOO_LARGE' },
    });
  });

  it.each([
    ['db-0.db-peers.ns.svc:7400', 'db-0.db-peers.ns.svc', 7400],
    ['127.0.0.1:1', '127.0.0.1', 1],
    ['[::1]:7400', '::1', 7400],
  ])('reads the address %s', (address, host, port) => {
    expect(parseAddress(address)).toEqual({ host, port });
  });

  it.each(['', 'host', 'host:', ':7400', 'host:0', 'host:65536', '::1:7400', 'host:74x'])(
    'refuses the address "%s"',
    (address) => {
      expect(() => parseAddress(address)).toThrow(/must be host:port/);
    },
  );
});
