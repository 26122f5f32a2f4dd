import type { SessionId } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { Leases } from './leases.ts';

const A = 1 as SessionId;
const B = 2 as SessionId;

describe('Leases', () => {
  it('gives a registration it meets for the first time its full TTL', () => {
    const leases = new Leases();
    expect(leases.expired([[A, 1_000]], 5_000)).toEqual([]);
    expect(leases.expired([[A, 1_000]], 5_999)).toEqual([]);
    expect(leases.expired([[A, 1_000]], 6_000)).toEqual([A]);
  });

  it('counts a keepalive from its receipt', () => {
    const leases = new Leases();
    leases.expired([[A, 1_000]], 0);
    leases.renew(A, 1_000, 900);
    expect(leases.expired([[A, 1_000]], 1_899)).toEqual([]);
    expect(leases.condemn([A], 1_899)).toEqual([]);
    expect(leases.expired([[A, 1_000]], 1_900)).toEqual([A]);
  });

  it('starts over after a change of leadership', () => {
    const leases = new Leases();
    leases.expired([[A, 1_000]], 0);
    leases.clear();
    expect(leases.expired([[A, 1_000]], 10_000)).toEqual([]);
  });

  it('forgets registrations that are closed', () => {
    const leases = new Leases();
    leases.expired(
      [
        [A, 1_000],
        [B, 1_000],
      ],
      0,
    );
    leases.expired([[B, 1_000]], 500);
    expect(leases.knows(A)).toBe(false);
    expect(leases.knows(B)).toBe(true);
  });

  it('renews nothing whose expiry was proposed: it would be told that it holds what the next one gets', () => {
    const leases = new Leases();
    leases.expired([[A, 1_000]], 0);
    expect(leases.condemn([A], 1_000)).toEqual([A]);
    expect(leases.renew(A, 1_000, 1_001)).toBe(false);
    // Still there, so the proposal got lost: it is proposed again.
    expect(leases.expired([[A, 1_000]], 1_250)).toEqual([A]);
    expect(leases.condemn([A], 1_250)).toEqual([A]);
  });

  it('condemns nothing that a keepalive renewed in time', () => {
    const leases = new Leases();
    leases.expired([[A, 1_000]], 0);
    const over = leases.expired([[A, 1_000]], 1_000);
    leases.renew(A, 1_000, 999);
    expect(leases.condemn(over, 1_000)).toEqual([]);
    expect(leases.renew(A, 1_000, 1_500)).toBe(true);
  });
});
