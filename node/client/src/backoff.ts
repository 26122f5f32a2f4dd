import type { Clock } from './clock.ts';

export interface BackoffRange {
  firstMs: number;
  maxMs: number;
}

const RETRY_BACKOFF: BackoffRange = { firstMs: 10, maxMs: 1_000 };
export const DIAL_BACKOFF: BackoffRange = { firstMs: 50, maxMs: 2_000 };

/** Addresses that members advertise may be out of reach for good, behind a load balancer. */
export const ADVERTISED_BACKOFF: BackoffRange = { firstMs: 50, maxMs: 30_000 };

/** Delay before attempt number `failures` + 1: doubling, with half of it random so that clients spread out. */
export function backoffMs(clock: Clock, failures: number, range: BackoffRange = RETRY_BACKOFF): number {
  const ceiling = Math.min(range.maxMs, range.firstMs * 2 ** Math.min(failures, 20));
  return ceiling / 2 + (clock.random() * ceiling) / 2;
}
