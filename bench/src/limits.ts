import { PAYLOAD_BYTES_MIN } from './workloads/payload.ts';

/** Least and most of what may be asked for; the schema of SyncBenchmark must allow nothing else. */
export const LIMITS = {
  runs: [3, 100],
  clients: [1, 256],
  inFlight: [1, 4096],
  payloadBytes: [PAYLOAD_BYTES_MIN, 1_048_576],
  operations: [1, 100_000_000],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;
