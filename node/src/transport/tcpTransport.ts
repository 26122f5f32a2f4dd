import { type Clock, systemClock, type Timer } from '@synccluster/client/clock';
import { LIMITS, type MemberId, PROTOCOL_MAGIC, PROTOCOL_VERSION } from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack } from '@synccluster/client/wire';
import type { Logger } from 'pino';
import { MemberError } from '../errors.ts';
import { type Network, type StreamSocket, tcpNetwork } from './network.ts';
import {
  decodePeerFrame,
  encodeHello,
  encodeHelloReply,
  encodePeerMessage,
  encodeVitals,
  type PeerHello,
} from './peerCodec.ts';
import type { Resolver } from './resolve.ts';
import type { Peer, PeerMessage, Transport, TransportHandler } from './transport.ts';

export interface TcpTransportOptions {
  readonly host: string;
  readonly port: number;
  /** Where a peer listens, by ordinal. */
  readonly address: (peer: Peer) => { host: string; port: number };
  readonly resolve: Resolver;
  readonly logger: Logger;
  /** @default TCP */
  readonly network?: Network;
  readonly clock?: Clock;
}
type Compiled = Required<TcpTransportOptions>;

/** A log entry of the largest command, its neighbours in the batch, and headers. */
const PEER_FRAME_BYTES = 4 * LIMITS.frameBytes;
/** Above this a link takes nothing more until the socket drained: Raft sends again what mattered. */
const LINK_QUEUE_BYTES = 64 * 1024 * 1024;
const HELLO_TIMEOUT_MS = 3_000;
/**
 * Each link carries something at least this often, and a link that hears nothing back for `SILENT_MS` is made anew:
 * after a partition TCP itself would wait for up to two minutes before it tries again.
 */
const BEAT_MS = 1_000;
const SILENT_MS = 5_000;
const RECONNECT_FIRST_MS = 50;
const RECONNECT_LAST_MS = 1_000;

/** Peers over TCP: each member dials every other and sends on the link it dialled. */
export async function startTcpTransport(
  given: TcpTransportOptions,
  handler: TransportHandler,
): Promise<Transport & { readonly port: number }> {
  const options: Compiled = { network: tcpNetwork, clock: systemClock, ...given };
  const { clock, network, host, port } = options;
  const links = new Map<MemberId, Link>();
  const incoming = new Incoming(options, handler);
  const listener = await network.listen({ host, port, keepAliveMs: null }, (socket) =>
    incoming.accept(socket),
  );
  // After a stall timers fire before the sockets are read: who was silent is judged after that.
  const beat = (): void => {
    if (closed) return;
    const silentSinceMs = clock.monotonicMs() - SILENT_MS;
    incoming.dropSilent(silentSinceMs);
    for (const [id, link] of links) link.beat(incoming.heardMs(id), silentSinceMs);
  };
  let closed = false;
  let timer: Timer;
  const arm = (): void => {
    timer = clock.after(BEAT_MS, () => {
      arm();
      clock.defer(beat);
    });
  };
  arm();

  return {
    port: listener.port,
    setPeers(peers) {
      const wanted = new Set(peers.map((p) => p.id));
      for (const [id, link] of links) {
        if (!wanted.has(id)) {
          links.delete(id);
          link.close();
        }
      }
      for (const peer of peers) {
        const known = links.get(peer.id);
        if (known !== undefined && known.peer.ordinal !== peer.ordinal) {
          links.delete(peer.id);
          known.close();
        }
        if (!links.has(peer.id)) links.set(peer.id, new Link(peer, options, handler));
      }
    },
    send(to, message) {
      return links.get(to)?.send(message) ?? false;
    },
    flush() {
      for (const link of links.values()) link.flush();
    },
    isUp(peer) {
      return links.get(peer)?.up === true && incoming.has(peer);
    },
    async close() {
      closed = true;
      timer.cancel();
      for (const link of links.values()) link.close();
      links.clear();
      incoming.close();
      await listener.close();
    },
  };
}

/** The sending link to one peer: dials again for ever, with growing pauses, until closed. */
class Link {
  readonly peer: Peer;
  readonly #options: Compiled;
  readonly #handler: TransportHandler;
  #socket: StreamSocket | null = null;
  #writer = new FrameWriter(PEER_FRAME_BYTES);
  #up = false;
  #upSinceMs = 0;
  #wroteMs = 0;
  #closed = false;
  #pauseMs = RECONNECT_FIRST_MS;
  #timer: Timer | null = null;
  #lastProblem = '';

  constructor(peer: Peer, options: Compiled, handler: TransportHandler) {
    this.peer = peer;
    this.#options = options;
    this.#handler = handler;
    void this.#dial();
  }

  get up(): boolean {
    return this.#up;
  }

  send(message: PeerMessage): boolean {
    const socket = this.#socket;
    if (!this.#up || socket === null) return false;
    if (socket.writableLength + this.#writer.length > LINK_QUEUE_BYTES) {
      if (message.kind === 'forwardReply') socket.destroy(new Error('it does not take what it asked for'));
      return false;
    }
    if (this.#writer.length === 0) this.#writer.appendValue(encodeVitals(this.#handler.vitals()));
    this.#writer.appendValue(encodePeerMessage(message));
    return true;
  }

  flush(): void {
    if (this.#writer.length === 0 || this.#socket === null) return;
    this.#socket.write(this.#writer.take());
    this.#wroteMs = this.#options.clock.monotonicMs();
  }

  /** `heardMs`: when the peer's own link brought something last. */
  beat(heardMs: number, silentSinceMs: number): void {
    if (!this.#up) return;
    if (Math.max(this.#upSinceMs, heardMs) < silentSinceMs) {
      this.#socket?.destroy(new Error('nothing was heard of it'));
      return;
    }
    if (this.#options.clock.monotonicMs() - this.#wroteMs < BEAT_MS / 2) return;
    this.#writer.appendValue(encodeVitals(this.#handler.vitals()));
    this.flush();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#drop('closed');
  }

  async #dial(): Promise<void> {
    const { network, clock } = this.#options;
    const { host, port } = this.#options.address(this.peer);
    const self = this.#handler.identity();
    if (self.clusterId === null) return this.#later('not admitted yet');
    const clusterId = self.clusterId;
    let address: string;
    try {
      address = await this.#options.resolve(host);
    } catch (error) {
      return this.#later(`cannot resolve ${host}: ${String(error)}`);
    }
    if (this.#closed) return;
    const socket = network.connect(address, port);
    this.#socket = socket;
    const decoder = new FrameDecoder({ maxBytes: LIMITS.frameBytes });
    const timeout = clock.after(HELLO_TIMEOUT_MS, () => socket.destroy(new Error('no hello in time')));
    let problem = 'connection closed';
    socket.on('connect', () => {
      const writer = new FrameWriter(LIMITS.frameBytes);
      writer.appendValue(
        encodeHello({
          magic: PROTOCOL_MAGIC,
          version: PROTOCOL_VERSION,
          clusterId,
          from: self.id,
          fromOrdinal: self.ordinal,
          to: this.peer.id,
          listeners: this.#handler.listeners(),
          level: this.#handler.level(),
        }),
      );
      socket.write(writer.take());
    });
    socket.on('data', (chunk) => {
      try {
        for (const payload of decoder.push(chunk)) {
          const input = decodePeerFrame(unpack(payload));
          if (input.kind !== 'helloReply')
            throw new MemberError('PROTOCOL', 'only a hello reply was expected');
          if (!input.reply.ok) {
            problem = `refused: ${input.reply.reason}`;
            socket.destroy();
            return;
          }
          timeout.cancel();
          this.#handler.onHello(this.peer, input.reply.listeners, input.reply.level);
          this.#established(socket);
        }
      } catch (error) {
        problem = String(error);
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      problem = error.message;
    });
    socket.on('close', () => {
      timeout.cancel();
      if (this.#socket !== socket) return;
      this.#drop(problem);
      if (!this.#closed) this.#later(problem);
    });
  }

  #established(socket: StreamSocket): void {
    if (this.#up || this.#socket !== socket) return;
    this.#pauseMs = RECONNECT_FIRST_MS;
    this.#lastProblem = '';
    this.#up = true;
    this.#upSinceMs = this.#options.clock.monotonicMs();
    this.#options.logger.debug({ peer: this.peer.id, ordinal: this.peer.ordinal }, 'peer link up');
    this.#handler.onLink(this.peer.id, true);
  }

  #drop(reason: string): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#writer = new FrameWriter(PEER_FRAME_BYTES);
    socket?.destroy();
    if (!this.#up) return;
    this.#up = false;
    this.#options.logger.info({ peer: this.peer.id, ordinal: this.peer.ordinal, reason }, 'peer link lost');
    this.#handler.onLink(this.peer.id, false);
  }

  #later(problem: string): void {
    if (problem !== this.#lastProblem) {
      this.#options.logger.debug(
        { peer: this.peer.id, ordinal: this.peer.ordinal, problem },
        'peer not reached',
      );
      this.#lastProblem = problem;
    }
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(this.#pauseMs, () => void this.#dial());
    this.#pauseMs = Math.min(RECONNECT_LAST_MS, this.#pauseMs * 2);
  }
}

/** The links that peers dialled to this member: hello first, then messages. Whatever is wrong closes only the link. */
class Incoming {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #handler: TransportHandler;
  readonly #sockets = new Set<StreamSocket>();
  readonly #callers = new Map<MemberId, { readonly socket: StreamSocket; heardMs: number }>();

  constructor({ logger, clock }: Compiled, handler: TransportHandler) {
    this.#logger = logger;
    this.#clock = clock;
    this.#handler = handler;
  }

  has(peer: MemberId): boolean {
    return this.#callers.has(peer);
  }

  /** 0: it has no link to this member. */
  heardMs(peer: MemberId): number {
    return this.#callers.get(peer)?.heardMs ?? 0;
  }

  dropSilent(sinceMs: number): void {
    for (const { socket, heardMs } of this.#callers.values()) if (heardMs < sinceMs) socket.destroy();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  accept(socket: StreamSocket): void {
    this.#sockets.add(socket);
    const decoder = new FrameDecoder({ maxBytes: PEER_FRAME_BYTES });
    let from: MemberId | null = null;
    let greeting = false;
    const held: Uint8Array[] = [];
    const timeout = this.#clock.after(HELLO_TIMEOUT_MS, () => socket.destroy());

    const greet = async (hello: PeerHello): Promise<void> => {
      greeting = true;
      socket.pause();
      const reason = await refuseHello(hello, this.#handler);
      if (socket.destroyed) return;
      const writer = new FrameWriter(LIMITS.frameBytes);
      writer.appendValue(
        encodeHelloReply(
          reason === null
            ? { ok: true, listeners: this.#handler.listeners(), level: this.#handler.level() }
            : { ok: false, reason },
        ),
      );
      if (reason !== null) {
        this.#logger.debug({ from: hello.from, reason }, 'peer refused');
        socket.end(writer.take());
        return;
      }
      timeout.cancel();
      from = hello.from;
      this.#greeted(from, socket);
      this.#handler.onHello({ id: from, ordinal: hello.fromOrdinal } as Peer, hello.listeners, hello.level);
      socket.write(writer.take());
      greeting = false;
      for (const payload of held.splice(0)) take(payload);
      socket.resume();
    };

    const take = (payload: Uint8Array): void => {
      if (socket.destroyed) return;
      if (greeting) {
        held.push(payload.slice());
        return;
      }
      const input = decodePeerFrame(unpack(payload));
      if (from === null) {
        if (input.kind !== 'hello') throw new MemberError('PROTOCOL', 'a peer must say hello first');
        greet(input.hello).catch((error: unknown) => {
          this.#logger.warn({ err: error }, 'peer hello failed');
          socket.destroy();
        });
      } else if (input.kind === 'vitals') {
        this.#handler.onVitals(from, input.vitals);
      } else if (input.kind === 'message') {
        this.#handler.onMessage(from, input.message);
      } else {
        throw new MemberError('PROTOCOL', 'a second hello');
      }
    };

    socket.on('data', (chunk) => {
      const caller = from === null ? undefined : this.#callers.get(from);
      if (caller?.socket === socket) caller.heardMs = this.#clock.monotonicMs();
      try {
        for (const payload of decoder.push(chunk)) take(payload);
      } catch (error) {
        if (!(error instanceof MemberError) && !isWireError(error)) throw error;
        this.#logger.warn({ err: error, from }, 'malformed input from a peer: link closed');
        socket.destroy();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      timeout.cancel();
      this.#sockets.delete(socket);
      if (from === null || this.#callers.get(from)?.socket !== socket) return;
      this.#callers.delete(from);
      this.#handler.onCallerLost(from);
    });
  }

  /** A peer has one link at a time: a new one ends what is left of the last. */
  #greeted(from: MemberId, socket: StreamSocket): void {
    const before = this.#callers.get(from);
    this.#callers.set(from, { socket, heardMs: this.#clock.monotonicMs() });
    if (before === undefined) return;
    before.socket.destroy();
    this.#handler.onCallerLost(from);
  }
}

function isWireError(error: unknown): boolean {
  return error instanceof Error && error.name === 'WireError';
}

/** Null: welcome. A member that belongs to no cluster yet is admitted by whoever knows its id. */
async function refuseHello(hello: PeerHello, handler: TransportHandler): Promise<string | null> {
  if (hello.magic !== PROTOCOL_MAGIC || hello.version !== PROTOCOL_VERSION) {
    return `protocol ${hello.magic} ${hello.version} is not spoken here`;
  }
  const self = handler.identity();
  if (hello.to !== self.id) return `member ${hello.to} is not here, this is ${self.id}`;
  if (hello.from === self.id) return 'a member does not call itself';
  if (self.clusterId === null) {
    try {
      await handler.admit(hello.clusterId);
    } catch (error) {
      if (error instanceof MemberError) return error.message;
      throw error;
    }
  } else if (self.clusterId !== hello.clusterId) return `cluster ${hello.clusterId} is not ${self.clusterId}`;
  return null;
}
