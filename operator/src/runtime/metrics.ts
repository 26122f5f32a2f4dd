import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface OperatorMetrics {
  readonly registry: Registry;
  reconciled(kind: string, outcome: 'ok' | 'error', seconds: number): void;
  queueDepth(kind: string, depth: () => number): void;
  watchRestarts(kind: string, restarts: () => number): void;
  /** One event was told, which is one step taken or one condition changed. */
  event(reason: string, type: string): void;
}

export function createMetrics(): OperatorMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: 'synccluster_operator_reconcile_seconds',
    help: 'How long one pass over one object took.',
    labelNames: ['kind', 'outcome'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  const events = new Counter({
    name: 'synccluster_operator_events_total',
    help: 'Steps taken and conditions changed, by reason.',
    labelNames: ['reason', 'type'],
    registers: [registry],
  });
  const gauges = (name: string, help: string) => {
    const sources = new Map<string, () => number>();
    new Gauge({
      name,
      help,
      labelNames: ['kind'],
      registers: [registry],
      collect() {
        for (const [kind, read] of sources) this.set({ kind }, read());
      },
    });
    return sources;
  };
  const depths = gauges('synccluster_operator_queue_depth', 'Objects that wait for a pass.');
  const restarts = gauges('synccluster_operator_watch_restarts', 'How often a watch was begun again.');
  return {
    registry,
    reconciled: (kind, outcome, seconds) => duration.observe({ kind, outcome }, seconds),
    queueDepth: (kind, depth) => void depths.set(kind, depth),
    watchRestarts: (kind, read) => void restarts.set(kind, read),
    event: (reason, type) => events.inc({ reason, type }),
  };
}
