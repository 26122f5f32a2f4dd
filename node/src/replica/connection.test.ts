import { type LogIndex, type Reply, ReplyKind } from '@synccluster/client/protocol';
import { FrameDecoder, FrameWriter, unpack } from '@synccluster/client/wire';
import { describe, expect, it } from 'vitest';
import { appendReply } from './connection.ts';

describe('appendReply', () => {
  it('turns an answer that no frame can carry into an error for that request, and goes on', () => {
    const writer = new FrameWriter(1_000);
    const index = 7 as LogIndex;
    appendReply(writer, [ReplyKind.Ok, 1, index, [new Uint8Array(2_000)]]);
    appendReply(writer, [ReplyKind.Ok, 2, index, ['fits']]);
    const replies = new FrameDecoder().push(writer.take()).map((payload) => unpack(payload) as Reply);
    expect(replies.map((reply) => [reply[1], reply[2]])).toEqual([
      [1, 'TOO_LARGE'],
      [2, 7],
    ]);
  });
});
