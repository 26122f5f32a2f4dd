import { type GroupId, type MemberId, type Ordinal, RequestKind } from '@synccluster/client/protocol';
import { pack, WireError } from '@synccluster/client/wire';
import type { Logger } from 'pino';
import { isInvariant } from '../errors.ts';
import type { Listeners, Peer, PeerMessage, TransportHandler, Vitals } from '../transport/transport.ts';
import type { ClusterClock } from './clusterClock.ts';
import type { Connection, FlushSet } from './connection.ts';
import { Forwarded, RemoteConnections } from './forwarding.ts';
import type { Group } from './group.ts';
import type { PeerBook } from './peerBook.ts';

export interface PeerMessagesContext {
  readonly self: Peer;
  readonly listeners: Listeners;
  /** Highest feature level that this version knows. */
  readonly level: number;
  readonly groups: ReadonlyMap<GroupId, Group>;
  readonly book: PeerBook;
  readonly clock: ClusterClock;
  readonly flushes: FlushSet;
  /** Monotonic milliseconds. */
  nowMs(): number;
  wallMs(): number;
  nextConnectionId(): number;
  readonly logger: Logger;
  clusterId(): string | null;
  freeBytes(): number;
  reluctant(): boolean;
  /** Nothing is taken any more: stopped or damaged. */
  deaf(): boolean;
  admit(clusterId: string): Promise<void>;
  /** The group, begun with an empty log if this member was not part of it; null if there is no such group. */
  groupFor(id: GroupId): Group | null;
  /** Takes a request that another member passes on. */
  takeRequest(connection: Connection, frame: Uint8Array): void;
  isUp(peer: MemberId): boolean;
  send(to: MemberId, message: PeerMessage): boolean;
  wake(): void;
  fatal(error: unknown): void;
}

/** What comes from peers and what is said to them: Raft messages, snapshots, and clients' requests passed on. */
export class PeerMessages implements TransportHandler {
  readonly #context: PeerMessagesContext;
  /** Requests of this member's clients that others answer. */
  readonly #forwarded = new Forwarded();
  /** Clients of other members whose requests this one answers. */
  readonly #remotes: RemoteConnections;

  constructor(context: PeerMessagesContext) {
    this.#context = context;
    this.#remotes = new RemoteConnections(
      context.flushes,
      (to, message) => context.send(to, message),
      () => context.nextConnectionId(),
    );
  }

  // ---- passing clients' requests on --------------------------------------------------------------------

  /** False when the leader cannot be reached both ways: there would be no answer. */
  forward(
    to: MemberId,
    connection: Connection,
    request: number,
    frame: Uint8Array,
    deduplicated: boolean,
  ): boolean {
    const { isUp, send, wake } = this.#context;
    const sent = isUp(to) && send(to, { kind: 'forward', token: connection.id, frame });
    if (sent) this.#forwarded.add(to, connection, request, deduplicated);
    wake();
    return sent;
  }

  cancelForwarded(connection: Connection, request: number): void {
    const peers = this.#forwarded.peersOf(connection);
    const frame = pack([RequestKind.Cancel, request]);
    for (const peer of peers) this.#context.send(peer, { kind: 'forward', token: connection.id, frame });
    if (peers.length > 0) this.#context.wake();
  }

  clientClosed(connection: Connection): void {
    for (const peer of this.#forwarded.drop(connection)) {
      this.#context.send(peer, { kind: 'forwardClosed', token: connection.id });
    }
  }

  // ---- TransportHandler --------------------------------------------------------------------------------

  identity(): { id: MemberId; ordinal: Ordinal; clusterId: string | null } {
    return { ...this.#context.self, clusterId: this.#context.clusterId() };
  }

  vitals(): Vitals {
    return {
      wallMs: this.#context.wallMs(),
      freeBytes: this.#context.freeBytes(),
      reluctant: this.#context.reluctant(),
    };
  }

  listeners(): Listeners {
    return this.#context.listeners;
  }

  level(): number {
    return this.#context.level;
  }

  admit(clusterId: string): Promise<void> {
    return this.#context.admit(clusterId);
  }

  onVitals(from: MemberId, vitals: Vitals): void {
    this.#context.book.setVitals(from, vitals);
    this.#context.clock.observe(from, vitals.wallMs, this.#context.nowMs());
  }

  onHello(peer: Peer, listeners: Listeners, level: number): void {
    this.#context.book.met(peer, listeners, level);
  }

  onLink(peer: MemberId, up: boolean): void {
    if (up) {
      this.#remotes.linkUp(peer);
    } else {
      this.#context.book.linkLost(peer);
      this.#forwarded.linkLost(peer);
      for (const group of this.#context.groups.values()) group.snapshotSender.linkLost(peer);
    }
    this.#context.wake();
  }

  onCallerLost(peer: MemberId): void {
    this.#context.book.linkLost(peer);
    this.#forwarded.linkLost(peer);
    for (const closed of this.#remotes.closePeer(peer)) this.#dropConnection(closed);
    this.#context.wake();
  }

  onMessage(from: MemberId, message: PeerMessage): void {
    if (this.#context.deaf()) return;
    try {
      this.#take(from, message);
    } catch (error) {
      // What a peer sent cannot be read: its link ends, and nothing else.
      if (error instanceof WireError) throw error;
      this.#context.fatal(error);
    }
    this.#context.wake();
  }

  #take(from: MemberId, message: PeerMessage): void {
    const { groups, self, groupFor } = this.#context;
    switch (message.kind) {
      case 'raft':
        if (message.message.from !== from || message.message.to !== self.id) return;
        groupFor(message.group)?.core.step(message.message);
        return;
      case 'forward':
        this.#takeForwarded(from, message.token, message.frame);
        return;
      case 'forwardReply':
        this.#forwarded.answered(from, message.token, message.requests, message.frames);
        return;
      case 'forwardClosed': {
        const closed = this.#remotes.close(from, message.token);
        if (closed !== null) this.#dropConnection(closed);
        return;
      }
      case 'snapshotChunk':
        groupFor(message.group)?.snapshotReceiver.take(from, message);
        return;
      case 'snapshotAck':
        groups
          .get(message.group)
          ?.snapshotSender.acked(from, message.transfer, message.sequence, message.done, message.ok);
        return;
    }
  }

  #takeForwarded(from: MemberId, token: number, frame: Uint8Array): void {
    try {
      this.#context.takeRequest(this.#remotes.get(from, token), frame);
    } catch (error) {
      if (isInvariant(error)) throw error;
      // The peer passes on what its client sent: that client's fault, not the peer's.
      this.#context.logger.warn({ err: error, from }, 'a forwarded request was malformed');
    }
  }

  #dropConnection(connection: Connection): void {
    for (const group of this.#context.groups.values()) group.dropConnection(connection);
  }
}
