import type { MemberId, Reply } from '@synccluster/client/protocol';
import { LIMITS, ReplyKind } from '@synccluster/client/protocol';
import { FrameWriter } from '@synccluster/client/wire';
import type { PeerMessage } from '../transport/transport.ts';
import { appendReply, type Connection, type FlushSet, replyError } from './connection.ts';

/** Replies kept while the link back is down; the other side has given up on more than that long before. */
const HELD_BYTES = 2 * LIMITS.frameBytes;

type SendReplies = (requests: readonly number[], frames: Uint8Array) => boolean;

/** A client's connection at another member, as the leader sees it: replies travel back over the peer's link. */
class RemoteConnection implements Connection {
  readonly id: number;
  readonly forwarded = true;
  closed = false;
  #writer = new FrameWriter(LIMITS.frameBytes);
  #requests: number[] = [];
  readonly #send: SendReplies;
  readonly #flushes: FlushSet;

  constructor(id: number, flushes: FlushSet, send: SendReplies) {
    this.id = id;
    this.#flushes = flushes;
    this.#send = send;
  }

  reply(reply: Reply): void {
    if (this.closed) return;
    if (reply[0] === ReplyKind.Ok || reply[0] === ReplyKind.Error) this.#requests.push(reply[1]);
    appendReply(this.#writer, reply);
    this.#flushes.add(this);
  }

  replyFrames(): void {
    throw new Error('a forwarded request is never forwarded again');
  }

  /** What finds no link stays: a link may be up in one direction a moment before the other. */
  flush(): void {
    if (this.closed || this.#writer.length === 0) return;
    const requests = this.#requests;
    const frames = this.#writer.take();
    this.#requests = [];
    if (this.#send(requests, frames)) return;
    if (frames.length > HELD_BYTES) return;
    this.#requests = requests;
    this.#writer.appendFrames(frames);
  }
}

/** Requests from clients of other members, by (member, its token for the client's connection). */
export class RemoteConnections {
  readonly #byPeer = new Map<MemberId, Map<number, RemoteConnection>>();
  readonly #flushes: FlushSet;
  readonly #send: (to: MemberId, message: PeerMessage) => boolean;
  readonly #nextId: () => number;

  /** `send`: false when the message cannot leave now. */
  constructor(
    flushes: FlushSet,
    send: (to: MemberId, message: PeerMessage) => boolean,
    nextId: () => number,
  ) {
    this.#flushes = flushes;
    this.#send = send;
    this.#nextId = nextId;
  }

  get(peer: MemberId, token: number): Connection {
    let connections = this.#byPeer.get(peer);
    if (connections === undefined) {
      connections = new Map();
      this.#byPeer.set(peer, connections);
    }
    let connection = connections.get(token);
    if (connection === undefined) {
      connection = new RemoteConnection(this.#nextId(), this.#flushes, (requests, frames) =>
        this.#send(peer, { kind: 'forwardReply', token, requests, frames }),
      );
      connections.set(token, connection);
    }
    return connection;
  }

  close(peer: MemberId, token: number): Connection | null {
    const connection = this.#byPeer.get(peer)?.get(token);
    if (connection === undefined) return null;
    this.#byPeer.get(peer)?.delete(token);
    connection.closed = true;
    return connection;
  }

  /** The link back is up: what waited for it goes at the next flush. */
  linkUp(peer: MemberId): void {
    for (const connection of this.#byPeer.get(peer)?.values() ?? []) this.#flushes.add(connection);
  }

  /**
   * The peer's link to this member ended, and its clients' connections with it: a token means something only on
   * the link it came over, for a restarted peer counts its tokens anew.
   */
  closePeer(peer: MemberId): Connection[] {
    const connections = [...(this.#byPeer.get(peer)?.values() ?? [])];
    this.#byPeer.delete(peer);
    for (const connection of connections) connection.closed = true;
    return connections;
  }
}

/** A connection whose requests went to other members. */
interface Origin {
  readonly connection: Connection;
  /** Per peer that has heard of it: the requests under way, and whether the group recognises each sent again. */
  readonly peers: Map<MemberId, Map<number, boolean>>;
}

/** Requests of this member's clients that another member is to answer. */
export class Forwarded {
  /** By connection id, which is the token that peers know it by. */
  readonly #origins = new Map<number, Origin>();

  add(to: MemberId, connection: Connection, request: number, deduplicated: boolean): void {
    let origin = this.#origins.get(connection.id);
    if (origin === undefined) {
      origin = { connection, peers: new Map() };
      this.#origins.set(connection.id, origin);
    }
    const underWay = origin.peers.get(to);
    if (underWay === undefined) origin.peers.set(to, new Map([[request, deduplicated]]));
    else underWay.set(request, deduplicated);
  }

  answered(from: MemberId, token: number, requests: readonly number[], frames: Uint8Array): void {
    const origin = this.#origins.get(token);
    const underWay = origin?.peers.get(from);
    // A link was lost since: its requests have been answered with that.
    if (origin === undefined || underWay === undefined) return;
    for (const request of requests) underWay.delete(request);
    origin.connection.replyFrames(requests, frames);
  }

  /** Peers that must be told that the connection is gone. */
  drop(connection: Connection): MemberId[] {
    const peers = this.peersOf(connection);
    this.#origins.delete(connection.id);
    return peers;
  }

  /** Peers that a connection's requests went to. */
  peersOf(connection: Connection): MemberId[] {
    return [...(this.#origins.get(connection.id)?.peers.keys() ?? [])];
  }

  /** Requests or replies on their way to or from this peer may be lost. */
  linkLost(peer: MemberId): void {
    for (const [token, { connection, peers }] of this.#origins) {
      const underWay = peers.get(peer);
      if (underWay === undefined) continue;
      peers.delete(peer);
      if (peers.size === 0) this.#origins.delete(token);
      for (const [request, deduplicated] of underWay) {
        if (deduplicated) {
          replyError(connection, request, 'UNAVAILABLE', 'the leader was lost before it answered');
        } else {
          replyError(
            connection,
            request,
            'OUTCOME_UNKNOWN',
            'the leader was lost before it answered: the write may or may not have happened',
          );
        }
      }
    }
  }
}
