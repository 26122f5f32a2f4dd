import type { MemberId, Reply } from '@synccluster/client/protocol';
import { LIMITS, ReplyKind } from '@synccluster/client/protocol';
import { FrameWriter } from '@synccluster/client/wire';
import type { PeerMessage } from '../transport/transport.ts';
import { appendReply, type Connection, type FlushSet, nextConnectionId, replyError } from './connection.ts';

/** A client's connection at another member, as the leader sees it: replies travel back over the peer's link. */
class RemoteConnection implements Connection {
  readonly id = nextConnectionId();
  readonly forwarded = true;
  closed = false;
  readonly #writer = new FrameWriter(LIMITS.frameBytes);
  #requests: number[] = [];
  readonly #send: (requests: readonly number[], frames: Uint8Array) => void;
  readonly #flushes: FlushSet;

  constructor(flushes: FlushSet, send: (requests: readonly number[], frames: Uint8Array) => void) {
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

  flush(): void {
    if (this.closed || this.#writer.length === 0) return;
    const requests = this.#requests;
    this.#requests = [];
    this.#send(requests, this.#writer.take());
  }
}

/** Requests from clients of other members, by (member, its token for the client's connection). */
export class RemoteConnections {
  readonly #byPeer = new Map<MemberId, Map<number, RemoteConnection>>();
  readonly #flushes: FlushSet;
  readonly #send: (to: MemberId, message: PeerMessage) => void;

  constructor(flushes: FlushSet, send: (to: MemberId, message: PeerMessage) => void) {
    this.#flushes = flushes;
    this.#send = send;
  }

  get(peer: MemberId, token: number): Connection {
    let connections = this.#byPeer.get(peer);
    if (connections === undefined) {
      connections = new Map();
      this.#byPeer.set(peer, connections);
    }
    let connection = connections.get(token);
    if (connection === undefined) {
      connection = new RemoteConnection(this.#flushes, (requests, frames) =>
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

  /** The peer is gone: so are its clients' connections. */
  closePeer(peer: MemberId): Connection[] {
    const connections = [...(this.#byPeer.get(peer)?.values() ?? [])];
    this.#byPeer.delete(peer);
    for (const connection of connections) connection.closed = true;
    return connections;
  }
}

interface Outstanding {
  readonly connection: Connection;
  readonly request: number;
  readonly deduplicated: boolean;
}

/** Requests of this member's clients that another member is to answer. */
export class Forwarded {
  readonly #byPeer = new Map<MemberId, Map<string, Outstanding>>();
  /** By connection id: where replies for a token go, and which peers have heard of it. */
  readonly #tokens = new Map<number, { connection: Connection; peers: Set<MemberId> }>();

  add(to: MemberId, connection: Connection, request: number, deduplicated: boolean): void {
    let outstanding = this.#byPeer.get(to);
    if (outstanding === undefined) {
      outstanding = new Map();
      this.#byPeer.set(to, outstanding);
    }
    outstanding.set(`${connection.id}/${request}`, { connection, request, deduplicated });
    const token = this.#tokens.get(connection.id);
    if (token === undefined) this.#tokens.set(connection.id, { connection, peers: new Set([to]) });
    else token.peers.add(to);
  }

  answered(from: MemberId, token: number, requests: readonly number[], frames: Uint8Array): void {
    const outstanding = this.#byPeer.get(from);
    for (const request of requests) outstanding?.delete(`${token}/${request}`);
    this.#tokens.get(token)?.connection.replyFrames(requests, frames);
  }

  /** Peers that must be told that the connection is gone. */
  drop(connection: Connection): MemberId[] {
    const token = this.#tokens.get(connection.id);
    if (token === undefined) return [];
    this.#tokens.delete(connection.id);
    for (const peer of token.peers) {
      const outstanding = this.#byPeer.get(peer);
      for (const [key, one] of outstanding ?? []) if (one.connection === connection) outstanding?.delete(key);
    }
    return [...token.peers];
  }

  /** Peers that a connection's requests went to. */
  peersOf(connection: Connection): MemberId[] {
    return [...(this.#tokens.get(connection.id)?.peers ?? [])];
  }

  linkLost(peer: MemberId): void {
    const outstanding = this.#byPeer.get(peer);
    if (outstanding === undefined) return;
    this.#byPeer.delete(peer);
    for (const { connection, request, deduplicated } of outstanding.values()) {
      if (deduplicated)
        replyError(connection, request, 'UNAVAILABLE', 'the leader was lost before it answered');
      else {
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
