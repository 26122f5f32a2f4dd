import type { Clock } from './clock.ts';
import { keyOf, toKey } from './informer.ts';
import { type Key, KubeError } from './kube.ts';
import type { Logger } from './logger.ts';
import type { OperatorMetrics } from './metrics.ts';
import { WorkQueue } from './workQueue.ts';

export interface ControllerOptions {
  readonly kind: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: OperatorMetrics;
  readonly workers: number;
  readonly reconcile: (key: Key) => Promise<number | null>;
  readonly backoffMinMs?: number;
}
export interface Controller {
  /** The object, or something it owns, changed. */
  enqueue(key: Key): void;
  stop(): Promise<void>;
}

/** Feeds one reconciler from a queue; a pass that fails is told, counted and tried again. */
export function createController(options: ControllerOptions): Controller {
  const { kind, clock, logger, metrics, workers, reconcile, backoffMinMs } = options;
  const queue = new WorkQueue({
    clock,
    workers,
    ...(backoffMinMs === undefined ? {} : { backoffMinMs }),
    work: async (key) => {
      const began = clock.now();
      try {
        const next = await reconcile(toKey(key));
        metrics.reconciled(kind, 'ok', (clock.now() - began) / 1000);
        return next;
      } catch (error) {
        metrics.reconciled(kind, 'error', (clock.now() - began) / 1000);
        throw error;
      }
    },
    onError: (key, error, retryInMs) => {
      // Somebody was faster: nothing is wrong, the next pass sees what there is now.
      const raced =
        error instanceof KubeError && (error.code === 'Conflict' || error.code === 'AlreadyExists');
      if (raced) logger.info({ kind, key, retryInMs }, `passed by: ${error.message}`);
      else logger.warn({ kind, key, retryInMs, err: error }, 'pass failed');
    },
  });
  metrics.queueDepth(kind, () => queue.depth);
  return {
    enqueue: (key) => queue.add(keyOf(key)),
    stop: () => queue.stop(),
  };
}
