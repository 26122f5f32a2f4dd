import type { Operation, Scenario } from './load/phase.ts';
import type { LatencySummary } from './stats/latencyHistogram.ts';
import type { Spread } from './stats/summary.ts';
import type { Series } from './stats/timeSeries.ts';

/** Raised when a field changes its meaning or goes; new optional fields do not raise it. */
export const RESULT_SCHEMA_VERSION = 1;
export const RESULT_KIND = 'SyncClusterBenchmarkResult';

export const PRESETS = ['light', 'medium', 'heavy'] as const;
export type Preset = (typeof PRESETS)[number];
/** Operations per primitive. */
export const PRESET_OPERATIONS: Record<Preset, number> = { light: 1_000, medium: 10_000, heavy: 100_000 };

/** `results.json`. Durations say their unit in their name. */
export interface Result {
  readonly kind: typeof RESULT_KIND;
  readonly schemaVersion: typeof RESULT_SCHEMA_VERSION;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly outcome: 'succeeded' | 'failed';
  /** Why it failed: violated guarantees, or runs without a single success. */
  readonly failures: readonly string[];
  readonly environment: Environment;
  readonly settings: Settings;
  readonly subjects: readonly Subject[];
  readonly measurements: readonly Measurement[];
}

export interface Environment {
  readonly nodeVersion: string;
  readonly platform: string;
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryBytes: number;
}

export interface Settings {
  readonly preset: Preset;
  /** Per primitive and run; null: bounded by `durationMs`. */
  readonly operations: number | null;
  readonly durationMs: number | null;
  readonly runs: number;
  readonly clients: number;
  readonly inFlight: readonly number[];
  readonly payloadBytes: readonly number[];
  readonly scenarios: readonly Scenario[];
  /** Open loop: operations per second over all clients; null: closed loop. */
  readonly ratePerS: number | null;
  readonly contendedKeys: number;
  readonly cacheKeys: number;
  readonly hitRatio: number;
}

/** What was measured: one cluster. */
export interface Subject {
  /** Unique in this result, and what charts call it. */
  readonly name: string;
  /** Number of members; null: not known. */
  readonly members: number | null;
  /** From the load generator to each endpoint: median time of a TCP connect, in nanoseconds. */
  readonly connectNs: readonly (number | null)[];
}

/** One operation with one payload size and number in flight, on one subject, over all runs. */
export interface Measurement {
  readonly subject: string;
  readonly operation: Operation;
  /** 0: the operation carries no payload. */
  readonly payloadBytes: number;
  /** Per client. */
  readonly inFlight: number;
  readonly runs: readonly Run[];
  readonly throughputPerS: Spread;
  /** Nanoseconds: mean ± standard deviation over the runs of each run's percentile. */
  readonly latencyNs: { readonly [P in keyof LatencySummary]: Spread };
}

export interface Run {
  readonly completed: number;
  readonly durationMs: number;
  readonly throughputPerS: number;
  readonly latencyNs: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  /** Cache gets only. */
  readonly hits?: number;
  readonly misses?: number;
  /** Consume only: messages that came more than once, which at-least-once allows. */
  readonly redelivered?: number;
  /** Segments the load generator's machine sent again; absent where the system does not tell. */
  readonly retransmittedSegments?: number;
  readonly members: readonly MemberUsage[];
  /** Compressed HDR histogram of nanoseconds (V2, base64); absent when it had to be left out for size. */
  readonly histogram?: string;
  /** Absent when it had to be left out for size. */
  readonly series?: Series;
}

/** What one member used during one run. */
export interface MemberUsage {
  readonly member: string;
  /** CPU seconds per second: 1 is one core. */
  readonly cpuCores: number | null;
  readonly residentBytes: number | null;
  /** Handed to the disk. */
  readonly diskWriteBytes: number | null;
  readonly walSyncs: number | null;
}
