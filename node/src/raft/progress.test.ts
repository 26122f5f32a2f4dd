import { describe, expect, test } from 'vitest';
import { Inflight } from './inflight.ts';
import { PeerProgress } from './progress.ts';
import { member } from './testing/network.ts';

const at = (next: number): PeerProgress => new PeerProgress(member(2), next, 0, new Inflight(3, 1000));

describe('progress of a peer', () => {
  test('probes one append at a time, then replicates ahead of the answers', () => {
    const peer = at(5);
    peer.sent(6, 10, 0);
    expect([peer.state, peer.next, peer.paused]).toEqual(['probe', 5, true]);
    expect(peer.accepted(6, 1)).toBe(true);
    expect([peer.state, peer.next, peer.match]).toEqual(['replicate', 7, 6]);
    peer.sent(9, 10, 0);
    expect(peer.next).toBe(10);
    expect(peer.accepted(6, 1)).toBe(false);
  });

  test('a rejected probe backs up to where the logs can agree, and always by one at least', () => {
    const peer = at(10);
    peer.rejected(9, 4);
    expect(peer.next).toBe(5);
    peer.rejected(4, 8);
    expect(peer.next).toBe(4);
  });

  test('stale answers change nothing', () => {
    const peer = at(10);
    peer.rejected(7, 1);
    expect(peer.next).toBe(10);
    peer.accepted(9, 1);
    peer.sent(12, 1, 0);
    peer.rejected(9, 1); // Acknowledged since.
    peer.rejected(15, 1); // Never sent.
    expect([peer.state, peer.next]).toEqual(['replicate', 13]);
    peer.rejected(12, 2); // Lost on the way: never below what is acknowledged.
    expect([peer.state, peer.next]).toEqual(['probe', 10]);
    peer.accepted(12, 1);
    expect([peer.state, peer.next]).toEqual(['replicate', 13]);
  });

  test('a snapshot holds all else back until it is reported, and a failed one waits for a word of the peer', () => {
    const peer = at(3);
    peer.needsSnapshot(20);
    peer.rejected(2, 0);
    expect(peer.state).toBe('snapshot');
    peer.snapshotReported(false);
    expect([peer.state, peer.next, peer.paused]).toEqual(['probe', 1, true]);
    peer.heartbeatAnswered(5, 2);
    expect(peer.paused).toBe(false);
    peer.needsSnapshot(20);
    peer.snapshotReported(true);
    expect([peer.state, peer.next]).toEqual(['probe', 21]);
  });

  test('an answer that shows the snapshot needless ends it', () => {
    const peer = at(3);
    peer.needsSnapshot(20);
    peer.accepted(8, 15);
    expect(peer.state).toBe('snapshot');
    peer.accepted(14, 15);
    expect([peer.state, peer.next]).toEqual(['replicate', 15]);
  });

  test('no progress over a heartbeat interval makes it ask after lost messages', () => {
    const peer = at(1);
    peer.accepted(1, 1);
    peer.sent(5, 1, 0);
    peer.heartbeatAnswered(2, 2);
    expect(peer.poke).toBe(false);
    peer.heartbeatAnswered(3, 2);
    expect(peer.poke).toBe(false);
    peer.heartbeatAnswered(4, 2);
    expect(peer.poke).toBe(true);
  });
});

describe('window of appends under way', () => {
  test('is bounded by messages', () => {
    const window = new Inflight(2, 1000);
    window.add(1, 1);
    expect(window.full).toBe(false);
    window.add(2, 1);
    expect(window.full).toBe(true);
    window.freeTo(1);
    expect([window.full, window.count]).toEqual([false, 1]);
  });

  test('is bounded by bytes, and one message may overshoot them', () => {
    const window = new Inflight(10, 100);
    window.add(1, 5000);
    expect(window.full).toBe(true);
    window.freeTo(1);
    expect(window.full).toBe(false);
    window.add(2, 99);
    expect(window.full).toBe(false);
  });

  test('keeps its count over a long life', () => {
    const window = new Inflight(1000, 1e9);
    for (let i = 1; i <= 500; i += 1) window.add(i, 1);
    for (let i = 1; i <= 400; i += 1) window.freeTo(i);
    expect(window.count).toBe(100);
    window.freeTo(500);
    expect(window.count).toBe(0);
  });
});
