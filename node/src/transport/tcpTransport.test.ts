import { connect, createServer, type Server, type Socket } from 'node:net';
import { type MemberId, type Ordinal, PROTOCOL_MAGIC, PROTOCOL_VERSION } from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack, WireError } from '@synccluster/client/wire';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { decodePeerFrame, encodeHello, encodePeerMessage } from './peerCodec.ts';
import { startTcpTransport } from './tcpTransport.ts';
import type { Listeners, Peer, PeerMessage, Transport, TransportHandler } from './transport.ts';

const DEADLINE_MS = 10_000;
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const logger = pino({ level: 'silent' });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A member that notes what its transport tells it. */
class Side implements TransportHandler {
  readonly events: string[] = [];
  readonly messages: PeerMessage[] = [];
  readonly peer: Peer;
  clusterId: string | null = 'test';
  /** What `onMessage` is to throw. */
  broken: Error | null = null;
  transport!: Transport & { readonly port: number };

  constructor(id: number) {
    this.peer = { id: id as MemberId, ordinal: id as Ordinal };
  }
  identity() {
    return { ...this.peer, clusterId: this.clusterId };
  }
  vitals() {
    return { wallMs: 1, freeBytes: 1, reluctant: false };
  }
  listeners() {
    return { client: 'x:1', http: 'x:2' };
  }
  level() {
    return this.peer.ordinal + 1;
  }
  async admit(clusterId: string): Promise<void> {
    this.events.push(`admit ${clusterId}`);
    this.clusterId = clusterId;
  }
  onVitals(): void {}
  onMessage(_from: MemberId, message: PeerMessage): void {
    if (this.broken !== null) throw this.broken;
    this.messages.push(message);
  }
  readonly met: [number, Listeners, number][] = [];
  onHello(peer: Peer, listeners: Listeners, level: number): void {
    this.met.push([peer.id, listeners, level]);
  }
  onLink(peer: MemberId, up: boolean): void {
    this.events.push(`link ${peer} ${up ? 'up' : 'down'}`);
  }
  onCallerLost(peer: MemberId): void {
    this.events.push(`caller ${peer} lost`);
  }
}

/** Sides know each other's ports by ordinal. */
async function start(...sides: Side[]): Promise<void> {
  const ports = new Map<number, number>();
  for (const side of sides) {
    side.transport = await startTcpTransport(
      {
        host: '127.0.0.1',
        port: 0,
        address: (peer) => ({ host: '127.0.0.1', port: ports.get(peer.ordinal) ?? 1 }),
        resolve: async (host) => host,
        logger,
      },
      side,
    );
    ports.set(side.peer.ordinal, side.transport.port);
    closing.push(() => side.transport.close());
  }
}

const message: PeerMessage = { kind: 'forwardClosed', token: 4 };

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  closing.push(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}
function helloFrom(from: number, to: number, rest: { clusterId?: string } = {}): Uint8Array {
  const writer = new FrameWriter(10_000);
  writer.appendValue(
    encodeHello({
      magic: PROTOCOL_MAGIC,
      version: PROTOCOL_VERSION,
      clusterId: rest.clusterId ?? 'test',
      from: from as MemberId,
      fromOrdinal: from,
      to: to as MemberId,
      listeners: { client: 'x:1', http: 'x:2' },
      level: 1,
    }),
  );
  return writer.take();
}
/** The reply to a hello: null is a welcome. */
async function greet(socket: Socket, hello: Uint8Array): Promise<string | null> {
  const decoder = new FrameDecoder();
  const reply = new Promise<string | null>((resolve, reject) => {
    socket.on('data', (chunk) => {
      for (const payload of decoder.push(chunk)) {
        const input = decodePeerFrame(unpack(payload));
        if (input.kind === 'helloReply') resolve(input.reply.ok ? null : input.reply.reason);
      }
    });
    socket.on('close', () => reject(new Error('closed')));
  });
  socket.write(hello);
  return reply;
}

describe('links between members', () => {
  it('are up when both directions are, and carry messages in order', async () => {
    const [a, b] = [new Side(1), new Side(2)];
    await start(a, b);
    a.transport.setPeers([b.peer]);
    await until('the link', () => a.events.includes('link 2 up'));
    expect(a.transport.isUp(b.peer.id)).toBe(false);
    expect(a.transport.send(b.peer.id, message)).toBe(true);
    a.transport.flush();
    await until('the message', () => b.messages.length === 1);
    b.transport.setPeers([a.peer]);
    await until('both directions', () => a.transport.isUp(b.peer.id) && b.transport.isUp(a.peer.id));
    // Told by hello and by its reply.
    for (const met of a.met) expect(met).toEqual([2, { client: 'x:1', http: 'x:2' }, 3]);
    for (const met of b.met) expect(met).toEqual([1, { client: 'x:1', http: 'x:2' }, 2]);
    expect([a.met.length, b.met.length]).toEqual([2, 2]);
  });

  it('tell both sides when one is gone, and come again by themselves', async () => {
    const [a, b] = [new Side(1), new Side(2)];
    await start(a, b);
    a.transport.setPeers([b.peer]);
    b.transport.setPeers([a.peer]);
    await until('both directions', () => a.transport.isUp(b.peer.id) && b.transport.isUp(a.peer.id));
    a.transport.setPeers([]);
    await until('the loss', () => b.events.includes('caller 1 lost'));
    expect(a.events).toContain('link 2 down');
    expect(a.transport.send(b.peer.id, message)).toBe(false);
    a.transport.setPeers([b.peer]);
    await until('both directions again', () => a.transport.isUp(b.peer.id) && b.transport.isUp(a.peer.id));
  });

  it('admit a member that belongs to no cluster, and refuse one of another', async () => {
    const [a, b] = [new Side(1), new Side(2)];
    b.clusterId = null;
    await start(a, b);
    expect(await greet(await dial(b.transport.port), helloFrom(1, 3))).toMatch(/not here/);
    expect(b.clusterId).toBeNull();
    expect(await greet(await dial(b.transport.port), helloFrom(1, 2))).toBeNull();
    expect(b.clusterId).toBe('test');
    expect(await greet(await dial(b.transport.port), helloFrom(1, 2, { clusterId: 'x' }))).toMatch(
      /cluster x/,
    );
  });

  it('are one per caller: a new one ends the last, before anything that it brings', async () => {
    const a = new Side(1);
    await start(a);
    const first = await dial(a.transport.port);
    expect(await greet(first, helloFrom(2, 1))).toBeNull();
    const closed = new Promise((resolve) => first.once('close', resolve));
    expect(await greet(await dial(a.transport.port), helloFrom(2, 1))).toBeNull();
    await closed;
    expect(a.events).toEqual(['caller 2 lost']);
  });

  it('end when what they carry cannot be read, and nothing else does', async () => {
    const a = new Side(1);
    await start(a);
    const writer = new FrameWriter(10_000);
    writer.appendValue(encodePeerMessage(message));
    const frame = writer.take();
    for (const bytes of [new Uint8Array([0, 0, 0, 1, 0xc1]), new Uint8Array([255, 255, 255, 255]), frame]) {
      a.broken = bytes === frame ? new WireError('PROTOCOL', 'malformed') : null;
      const socket = await dial(a.transport.port);
      expect(await greet(socket, helloFrom(2, 1))).toBeNull();
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(bytes);
      await closed;
    }
    a.broken = null;
    const socket = await dial(a.transport.port);
    expect(await greet(socket, helloFrom(2, 1))).toBeNull();
    socket.write(frame);
    await until('the message', () => a.messages.length === 1);
  });

  it('are made anew when the other side is silent, as behind a network that swallows everything', {
    timeout: 15_000,
  }, async () => {
    const a = new Side(1);
    // Welcomes and then says nothing more, ever.
    let greeted = 0;
    const silent: Server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        greeted += 1;
        const writer = new FrameWriter(1_000);
        writer.appendValue([1, true, 'x:1']);
        socket.write(writer.take());
      });
      socket.resume();
      closing.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    closing.push(() => silent.close());
    const { port } = silent.address() as { port: number };
    a.transport = await startTcpTransport(
      {
        host: '127.0.0.1',
        port: 0,
        address: () => ({ host: '127.0.0.1', port }),
        resolve: async (host) => host,
        logger,
      },
      a,
    );
    closing.push(() => a.transport.close());
    a.transport.setPeers([{ id: 2 as MemberId, ordinal: 2 as Ordinal }]);
    await until('the link', () => greeted === 1);
    await until('another link', () => greeted === 2);
    expect(a.events.slice(0, 2)).toEqual(['link 2 up', 'link 2 down']);
  });
});
