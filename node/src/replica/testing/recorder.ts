import { type Reply, ReplyKind } from '@synccluster/client/protocol';
import { FrameDecoder, unpack } from '@synccluster/client/wire';
import type { Connection } from '../connection.ts';

/** Above what any member counts itself. */
let lastId = 1_000_000;

/** A client's connection that notes what it is told. */
export class Recorder implements Connection {
  readonly id = ++lastId;
  readonly forwarded = false;
  closed = false;
  readonly replies: Reply[] = [];

  reply(reply: Reply): void {
    this.replies.push(reply);
  }
  replyFrames(_requests: readonly number[], frames: Uint8Array): void {
    for (const payload of new FrameDecoder().push(frames.slice())) this.reply(unpack(payload) as Reply);
  }
  flush(): void {}

  /** Of one request: the code of its error, or `ok`; undefined while there is none. */
  outcome(request: number): string | undefined {
    for (const reply of this.replies) {
      if (reply[1] !== request) continue;
      if (reply[0] === ReplyKind.Ok) return 'ok';
      if (reply[0] === ReplyKind.Error) return reply[2];
    }
    return undefined;
  }
}
