import { type LogIndex, type MemberId, ReplyKind } from '@synccluster/client/protocol';
import { FrameWriter } from '@synccluster/client/wire';
import { describe, expect, it } from 'vitest';
import type { PeerMessage } from '../transport/transport.ts';
import { FlushSet } from './connection.ts';
import { Forwarded, RemoteConnections } from './forwarding.ts';
import { Recorder } from './testing/recorder.ts';

const LEADER = 1 as MemberId;
const OTHER = 2 as MemberId;

function frames(request: number): Uint8Array {
  const writer = new FrameWriter(1_000);
  writer.appendValue([ReplyKind.Ok, request, 5, []]);
  return writer.take();
}

describe('Forwarded', () => {
  it('answers what a lost link left open, by whether it may be sent again', () => {
    const forwarded = new Forwarded();
    const client = new Recorder();
    forwarded.add(LEADER, client, 1, true);
    forwarded.add(LEADER, client, 2, false);
    forwarded.add(OTHER, client, 3, false);
    forwarded.add(LEADER, client, 4, false);
    forwarded.answered(LEADER, client.id, [4], frames(4));
    forwarded.linkLost(LEADER);
    expect([1, 2, 3, 4].map((request) => client.outcome(request))).toEqual([
      'UNAVAILABLE',
      'OUTCOME_UNKNOWN',
      undefined,
      'ok',
    ]);
  });

  it('passes on no reply of before the link was lost', () => {
    const forwarded = new Forwarded();
    const client = new Recorder();
    forwarded.add(LEADER, client, 1, true);
    forwarded.linkLost(LEADER);
    forwarded.answered(LEADER, client.id, [1], frames(1));
    expect(client.replies).toHaveLength(1);
  });

  it('names the peers that must hear that a connection is gone, and answers it no more', () => {
    const forwarded = new Forwarded();
    const client = new Recorder();
    forwarded.add(LEADER, client, 1, true);
    forwarded.add(OTHER, client, 2, true);
    forwarded.answered(OTHER, client.id, [2], frames(2));
    expect(forwarded.drop(client)).toEqual([LEADER, OTHER]);
    forwarded.linkLost(LEADER);
    expect(client.replies).toHaveLength(1);
  });
});

describe('RemoteConnections', () => {
  function remotes(up: { now: boolean }): {
    sent: PeerMessage[];
    flushes: FlushSet;
    remotes: RemoteConnections;
  } {
    const sent: PeerMessage[] = [];
    const flushes = new FlushSet();
    const send = (_to: MemberId, message: PeerMessage): boolean => {
      if (up.now) sent.push(message);
      return up.now;
    };
    return { sent, flushes, remotes: new RemoteConnections(flushes, send, () => 1) };
  }
  const ok = (request: number) => [ReplyKind.Ok, request, 5 as LogIndex, []] as const;

  it('keeps a reply until the link back is up, and sends it once', () => {
    const up = { now: false };
    const { sent, flushes, remotes: all } = remotes(up);
    all.get(OTHER, 7).reply(ok(1));
    flushes.flush();
    up.now = true;
    all.linkUp(OTHER);
    flushes.flush();
    flushes.flush();
    expect(sent.map((m) => (m.kind === 'forwardReply' ? [m.token, m.requests] : m.kind))).toEqual([[7, [1]]]);
  });

  it('lets a token of an earlier link mean nothing: the peer may have restarted and counts anew', () => {
    const { sent, flushes, remotes: all } = remotes({ now: true });
    const before = all.get(OTHER, 7);
    expect(all.closePeer(OTHER)).toEqual([before]);
    const after = all.get(OTHER, 7);
    expect(after).not.toBe(before);
    before.reply(ok(1));
    after.reply(ok(2));
    flushes.flush();
    expect(sent.map((m) => m.kind === 'forwardReply' && m.requests)).toEqual([[2]]);
  });
});
