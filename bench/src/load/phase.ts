import type { SeriesWire } from '../stats/timeSeries.ts';
import type { HeldLockEvidence } from '../workloads/lock.ts';

export const SCENARIOS = ['lock', 'queue', 'cache'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What is measured, in the order it runs within its scenario. */
export const OPERATIONS = {
  lock: ['lock.uncontended', 'lock.contended'],
  queue: ['queue.enqueue', 'queue.consume'],
  cache: ['cache.put', 'cache.get'],
} as const satisfies Record<Scenario, readonly string[]>;
export type Operation = (typeof OPERATIONS)[Scenario][number];

export const OPERATION_TITLES: Record<Operation, string> = {
  'lock.uncontended': 'Lock: acquire + release, own key',
  'lock.contended': 'Lock: acquire + release, contended',
  'queue.enqueue': 'Queue: durable enqueue',
  'queue.consume': 'Queue: consume + ack',
  'cache.put': 'Cache: put',
  'cache.get': 'Cache: get',
};

/** Operations that carry no payload are measured once, whatever payload sizes are asked for. */
export function carriesPayload(operation: Operation): boolean {
  return !operation.startsWith('lock.');
}

/** One client's part of one phase: plain data, sent to its process. */
export interface PhaseSpec {
  readonly operation: Operation;
  /** Part of every name the phase uses, so that runs never meet each other's locks, messages or entries. */
  readonly runId: string;
  readonly client: number;
  readonly clients: number;
  /** Operations outstanding at once in this client. */
  readonly inFlight: number;
  readonly payloadBytes: number;
  /** Of this client; null: bounded by time, or (consume) until told to stop. */
  readonly operations: number | null;
  readonly durationMs: number | null;
  /** Open loop: of this client; null: closed loop. */
  readonly ratePerS: number | null;
  readonly contendedKeys: number;
  readonly cacheKeys: number;
  /** Share of gets that ask for a key that was put, 0…1. */
  readonly hitRatio: number;
  readonly lockWaitMs: number;
  readonly visibilityMs: number;
}

/** What a client saw, for the checks that need every client's view. */
export type Evidence =
  | ({ readonly kind: 'lock' } & HeldLockEvidence)
  | { readonly kind: 'enqueue'; readonly confirmed: Float64Array; readonly unknown: Float64Array }
  | { readonly kind: 'consume' }
  | { readonly kind: 'put' }
  | { readonly kind: 'get'; readonly hits: number; readonly misses: number };

export interface PhaseReport {
  readonly completed: number;
  /** From the common start to this client's last completion. */
  readonly lastNs: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Compressed HDR histogram of nanoseconds, base64. */
  readonly histogram: string;
  readonly series: SeriesWire;
  readonly evidence: Evidence;
  /** Contradictions this client could see by itself. */
  readonly violations: readonly string[];
}

export type WorkerCommand =
  | { readonly type: 'prepare'; readonly spec: PhaseSpec }
  /** `startNs`: reading of the machine's monotonic clock at which load begins, in decimal. */
  | { readonly type: 'go'; readonly startNs: string }
  | { readonly type: 'stop' }
  | { readonly type: 'close' };

export type WorkerEvent =
  | { readonly type: 'prepared' }
  | { readonly type: 'progress'; readonly completed: number; readonly received: Float64Array }
  | { readonly type: 'done'; readonly report: PhaseReport; readonly received: Float64Array }
  | { readonly type: 'failed'; readonly message: string };

/** A load process as the coordinator sees it. */
export interface WorkerPort {
  send(command: WorkerCommand): void;
  onEvent(listener: (event: WorkerEvent) => void): void;
  /** `reason`: how it ended. Called once. */
  onExit(listener: (reason: string) => void): void;
  kill(): void;
}
