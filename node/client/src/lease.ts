import type { Clock } from './clock.ts';

/** What clocks may differ by over one TTL: a twentieth, and never less than this. */
const DRIFT_MIN_MS = 50;

/** When a session was last known to be safe: at the sending of a request that the members confirmed later. */
export interface LeaseStart {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function leaseStart(clock: Clock): LeaseStart {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/**
 * How long a session may still be trusted, in milliseconds; not above 0: it is to be given up. The faster of the two
 * clocks counts: the monotonic one stands still while a laptop sleeps, the wall clock may be set back.
 */
export function leaseLeftMs(start: LeaseStart, ttlMs: number, clock: Clock): number {
  const drift = Math.max(DRIFT_MIN_MS, ttlMs / 20);
  const elapsed = Math.max(clock.monotonicMs() - start.monotonicMs, clock.wallMs() - start.wallMs);
  return ttlMs - drift - elapsed;
}
