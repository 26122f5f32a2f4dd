import type { Clock, Timer } from '@synccluster/client/clock';
import {
  LIMITS,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  type Reply,
  ReplyKind,
  RequestKind,
} from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack } from '@synccluster/client/wire';
import type { Logger } from 'pino';
import { isInvariant } from '../errors.ts';
import { appendReply, type Connection } from '../replica/connection.ts';
import type { Member } from '../replica/member.ts';
import { type Network, type StreamSocket, tcpNetwork } from '../transport/network.ts';

/** Replies that a client does not read: above it this member stops reading its requests. */
const UNREAD_BYTES = 4 * 1024 * 1024;
const HELLO_TIMEOUT_MS = 5_000;
/** A client that does not read must not keep a connection that is to close. */
const CLOSE_MS = 1_000;
/** After this much silence the system asks whether the other end still exists. */
const KEEP_ALIVE_MS = 30_000;

export interface ClientServer {
  readonly port: number;
  readonly connections: () => number;
  close(): Promise<void>;
}

/** Listener of the binary protocol. Whatever is wrong with a connection closes that connection only. */
export async function startClientServer(options: {
  readonly host: string;
  readonly port: number;
  readonly member: Member;
  readonly logger: Logger;
  /** @default TCP */
  readonly network?: Network;
}): Promise<ClientServer> {
  const { host, port, member, logger, network = tcpNetwork } = options;
  const open = new Set<ClientConnection>();
  const listener = await network.listen({ host, port, keepAliveMs: KEEP_ALIVE_MS }, (socket) => {
    const connection = new ClientConnection(socket, member, logger, () => open.delete(connection));
    open.add(connection);
  });
  return {
    port: listener.port,
    connections: () => open.size,
    async close() {
      const closed = listener.close();
      for (const connection of open) connection.end();
      await closed;
    },
  };
}

/** One client's socket, from its hello to its end. */
export class ClientConnection implements Connection {
  readonly id: number;
  readonly forwarded = false;
  closed = false;
  readonly #socket: StreamSocket;
  readonly #member: Member;
  readonly #writer = new FrameWriter(LIMITS.frameBytes);
  readonly #logger: Logger;
  readonly #clock: Clock;
  #timeout: Timer;
  #greeted = false;
  /** Read, and not taken while the client does not read replies. */
  #waiting: Uint8Array[] = [];
  #dirty = false;

  constructor(socket: StreamSocket, member: Member, logger: Logger, onClose: () => void) {
    this.id = member.nextConnectionId();
    this.#socket = socket;
    this.#member = member;
    this.#clock = member.options.clock;
    this.#logger = logger;
    const decoder = new FrameDecoder({ maxBytes: LIMITS.frameBytes });
    this.#timeout = this.#clock.after(HELLO_TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      if (this.closed) return;
      this.#guard(() => {
        for (const payload of decoder.push(chunk)) this.#waiting.push(payload);
      });
      this.#takeWaiting();
    });
    socket.on('drain', () => this.#goOn());
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#timeout.cancel();
      this.closed = true;
      this.#waiting = [];
      onClose();
      member.clientClosed(this);
    });
  }

  reply(reply: Reply): void {
    if (this.closed) return;
    appendReply(this.#writer, reply);
    this.#markDirty();
  }

  replyFrames(_requests: readonly number[], frames: Uint8Array): void {
    if (this.closed) return;
    this.#writer.appendFrames(frames);
    this.#markDirty();
  }

  flush(): void {
    this.#dirty = false;
    if (this.closed || this.#writer.length === 0) return;
    this.#socket.write(this.#writer.take());
    if (this.#unread) this.#socket.pause();
    // A write that the system takes whole has no `drain` to come; in a turn of its own, so that others have theirs.
    else if (this.#waiting.length > 0) this.#clock.defer(() => this.#goOn());
  }

  end(): void {
    this.flush();
    this.closed = true;
    this.#timeout.cancel();
    this.#timeout = this.#clock.after(CLOSE_MS, () => this.#socket.destroy());
    this.#socket.resume();
    this.#socket.destroySoon();
  }

  get #unread(): boolean {
    return this.#socket.writableLength + this.#writer.length > UNREAD_BYTES;
  }

  /** One chunk can ask for far more than it is long: the rest waits until the answers so far are read. */
  #takeWaiting(): void {
    const waiting = this.#waiting;
    let taken = 0;
    this.#guard(() => {
      while (taken < waiting.length && !this.closed && !this.#unread) {
        const payload = waiting[taken++]!;
        if (this.#greeted) this.#member.router.take(this, payload);
        else this.#greet(payload);
      }
    });
    this.#waiting = taken === waiting.length || this.closed ? [] : waiting.slice(taken);
    if (this.#waiting.length > 0) this.#socket.pause();
    this.#member.wake();
  }

  /** What comes in is the client's fault, and ends its connection; what this member finds of itself is not. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (isInvariant(error)) {
        this.#member.failed(error);
        return;
      }
      const remote = this.#socket.remoteAddress;
      this.#logger.info({ err: error, remote }, 'malformed input from a client: connection closed');
      this.#refuse(error instanceof Error ? error.message : String(error));
    }
  }

  /** The client has read what it was owed. */
  #goOn(): void {
    if (this.closed) return;
    this.#takeWaiting();
    if (!this.#unread) this.#socket.resume();
  }

  #markDirty(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#member.markDirty(this);
  }

  #greet(payload: Uint8Array): void {
    const hello: unknown = unpack(payload);
    if (!Array.isArray(hello) || hello[0] !== RequestKind.Hello || hello[1] !== PROTOCOL_MAGIC) {
      throw new TypeError('a client must say hello first');
    }
    if (hello[2] !== PROTOCOL_VERSION)
      throw new TypeError(`protocol version ${String(hello[2])} is not spoken here`);
    this.#timeout.cancel();
    this.#greeted = true;
    this.#member.router.take(this, payload);
  }

  /** Says why, then closes: the stream cannot be read on. */
  #refuse(message: string): void {
    this.reply([ReplyKind.Error, 0, 'PROTOCOL', message, 0, 0]);
    this.end();
  }
}
