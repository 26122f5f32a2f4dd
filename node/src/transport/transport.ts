import type { GroupId, MemberId, Ordinal } from '@synccluster/client/protocol';
import type { Message, SnapshotMeta } from '../raft/types.ts';

/** What a member says of itself with everything it sends: input of its peers' decisions, never of apply. */
export interface Vitals {
  /** Its wall clock at the moment of sending. */
  readonly wallMs: number;
  readonly freeBytes: number;
  /** It is about to stop or to be removed: do not hand it a leadership. */
  readonly reluctant: boolean;
}

export interface SnapshotChunk {
  readonly kind: 'snapshotChunk';
  readonly group: GroupId;
  /** Chosen by the sender; a new one starts over. */
  readonly transfer: number;
  /** From 0, without gaps. */
  readonly sequence: number;
  readonly term: number;
  readonly meta: SnapshotMeta;
  readonly data: Uint8Array;
  readonly last: boolean;
}

export type PeerMessage =
  | { readonly kind: 'raft'; readonly group: GroupId; readonly message: Message }
  /** A client's frame, as it came, for the leader; `token` names the client's connection at the sender. */
  | { readonly kind: 'forward'; readonly token: number; readonly frame: Uint8Array }
  /** Finished frames for that connection, with the ids of the requests they answer. */
  | {
      readonly kind: 'forwardReply';
      readonly token: number;
      readonly requests: readonly number[];
      readonly frames: Uint8Array;
    }
  | { readonly kind: 'forwardClosed'; readonly token: number }
  | SnapshotChunk
  /** Cumulative: all up to `sequence` are written; with `done`, the whole is synced. `ok` false: start over. */
  | {
      readonly kind: 'snapshotAck';
      readonly group: GroupId;
      readonly transfer: number;
      readonly sequence: number;
      readonly done: boolean;
      readonly ok: boolean;
    };

export interface Peer {
  readonly id: MemberId;
  readonly ordinal: Ordinal;
}

/** `host:port` of a member's listeners as it advertises them. */
export interface Listeners {
  readonly client: string;
  /** Empty: it did not say, as a member of an older version. */
  readonly http: string;
}

export interface TransportHandler {
  /** This member as others must find it; a hello with another id or cluster is refused. */
  identity(): { readonly id: MemberId; readonly ordinal: Ordinal; readonly clusterId: string | null };
  vitals(): Vitals;
  /** Told to peers. */
  listeners(): Listeners;
  /** Told to peers: highest feature level that this member's version knows. */
  level(): number;
  /**
   * An unadmitted member is called by its id from a cluster: resolves when the cluster id is durable, rejects to
   * refuse.
   */
  admit(clusterId: string): Promise<void>;
  onVitals(from: MemberId, vitals: Vitals): void;
  onMessage(from: MemberId, message: PeerMessage): void;
  /** The peer said hello: it exists, has this ordinal and these listeners, and knows feature levels up to `level`. */
  onHello(peer: Peer, listeners: Listeners, level: number): void;
  /** Sending to it became possible or impossible. */
  onLink(peer: MemberId, up: boolean): void;
  /** Its link to this member ended: what it had sent and has not arrived is lost, answers included. */
  onCallerLost(peer: MemberId): void;
}

/** One sending link per peer for all groups. Messages may be lost, never reordered or altered on a link. */
export interface Transport {
  setPeers(peers: readonly Peer[]): void;
  /**
   * Queues for the next `flush`; false: there is no link, or its queue is full. Raft repairs loss. An answer that a
   * full queue would lose ends the link instead, so that the other side hears of it.
   */
  send(to: MemberId, message: PeerMessage): boolean;
  /** One write per peer with everything queued since the last. */
  flush(): void;
  /** Linked in both directions: it can be sent to, and it can answer. */
  isUp(peer: MemberId): boolean;
  close(): Promise<void>;
}
