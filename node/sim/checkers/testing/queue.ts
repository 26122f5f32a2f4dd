import type { DeliveryRecord } from '../../history/operations.ts';
import type { History } from './history.ts';

/** Steps of a queue's history with one partition, as most tests need them. */
export function send(
  history: History,
  payload: string,
  message: number,
  key: string | null = 'k',
  delayMs = 0,
): void {
  history.did(1, 'enqueue', { queue: 'q', key, payload, delayMs }, { partition: 0, message });
}

export function delivered(payload: string, message: number, delivery = 1): DeliveryRecord {
  return { partition: 0, message, delivery, enqueuedAtMs: 0, payload };
}

export const RECEIVE = { queue: 'q', max: 10, waitMs: 0, visibilityMs: 0 };

export function take(history: History, ...deliveries: readonly DeliveryRecord[]): void {
  history.did(2, 'receive', RECEIVE, { deliveries }, { group: 1, index: history.nowMs, resent: false });
}

export function receipt(message: number, delivery = 1) {
  return { queue: 'q', partition: 0, message, delivery };
}

export function acknowledge(history: History, message: number, delivery = 1): void {
  history.did(2, 'ack', receipt(message, delivery), {});
}

/** The last look: so many messages are there. */
export function depth(history: History, ready = 0): void {
  history.did(
    3,
    'queueInspect',
    { queue: 'q' },
    { partitions: [{ partition: 0, ready, inFlight: 0, delayed: 0 }] },
  );
}
