import type { ErrorCode, Reply } from '@synccluster/client/protocol';
import { ReplyKind } from '@synccluster/client/protocol';
import { type FrameWriter, WireError } from '@synccluster/client/wire';

/**
 * Where replies and pushes go: a client's socket, a client's connection at another member (forwarded), or a
 * caller in this process.
 */
export interface Connection {
  /** Unique on this member. */
  readonly id: number;
  /** It came over a peer's link: it is not forwarded a second time. */
  readonly forwarded: boolean;
  readonly closed: boolean;
  /** Queued until `flush`; nothing happens on a closed one. */
  reply(reply: Reply): void;
  /** Finished frames from the member that led the group, answering these requests. */
  replyFrames(requests: readonly number[], frames: Uint8Array): void;
  flush(): void;
}

export function replyError(
  connection: Connection,
  request: number,
  code: ErrorCode,
  message: string,
  leader = 0,
  detail = 0,
): void {
  connection.reply([ReplyKind.Error, request, code, message, leader, detail]);
}

/** What does not fit a frame becomes an error for the one who asked: it is no reason to close a connection. */
export function appendReply(writer: FrameWriter, reply: Reply): void {
  try {
    writer.appendValue(reply);
  } catch (error) {
    if (!(error instanceof WireError) || error.code !== 'TOO_LARGE' || reply[0] !== ReplyKind.Ok) throw error;
    const message = 'the answer is too large for one frame: ask for less';
    writer.appendValue([ReplyKind.Error, reply[1], 'TOO_LARGE', message, 0, 0]);
  }
}

/** Connections with something to write at the end of this turn. */
export class FlushSet {
  #dirty = new Set<Connection>();
  add(connection: Connection): void {
    this.#dirty.add(connection);
  }
  flush(): void {
    // A flush may find its link lost, and what that answers to others is to leave too.
    while (this.#dirty.size > 0) {
      const dirty = this.#dirty;
      this.#dirty = new Set();
      for (const connection of dirty) connection.flush();
    }
  }
}
