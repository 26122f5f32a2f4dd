import type { MemberId, Ordinal } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { PeerBook } from './peerBook.ts';

const LISTENERS = { client: 'x:1', http: 'x:2' };
const peer = (id: number) => ({ id: id as MemberId, ordinal: (id - 1) as Ordinal });

describe('what peers know', () => {
  it('counts as said while there is a link, and as the first level otherwise', () => {
    const book = new PeerBook(peer(1), LISTENERS);
    expect(book.level(2 as MemberId)).toBe(1);
    book.met(peer(2), LISTENERS, 3);
    expect(book.level(2 as MemberId)).toBe(3);
    book.met(peer(2), LISTENERS, 2);
    expect(book.level(2 as MemberId)).toBe(2);
    book.linkLost(2 as MemberId);
    expect(book.level(2 as MemberId)).toBe(1);
  });

  it('is forgotten with the peer', () => {
    const book = new PeerBook(peer(1), LISTENERS);
    book.met(peer(2), LISTENERS, 3);
    book.refresh([], null);
    book.refresh([], { members: [], tombstones: new Set([2 as MemberId]) });
    expect(book.level(2 as MemberId)).toBe(1);
  });
});
