import { assembleResult, measurementOf, type SubjectOutcome } from './benchmark.ts';
import { OPERATIONS } from './load/phase.ts';
import type { Measurement, Result, Run, Settings } from './result.ts';
import { LatencyHistogram } from './stats/latencyHistogram.ts';
import { TimeSeries } from './stats/timeSeries.ts';
import { seeded } from './workloads/payload.ts';

const SETTINGS: Settings = {
  preset: 'light',
  operations: 1_000,
  durationMs: null,
  runs: 3,
  clients: 1,
  inFlight: [1, 64],
  payloadBytes: [64, 1024],
  scenarios: ['lock', 'queue', 'cache'],
  ratePerS: null,
  contendedKeys: 4,
  cacheKeys: 1_000,
  hitRatio: 0.9,
};

/** A result for the tests of what reads results: generated, the same every time, never shown as measured. */
export function sampleResult(changes: Partial<Settings> = {}): Result {
  const settings = { ...SETTINGS, ...changes };
  const outcomes = [1, 3].map((members): SubjectOutcome => {
    const name = `${members} <member> & "co"`;
    const measurements: Measurement[] = [];
    for (const operation of Object.values(OPERATIONS).flat()) {
      for (const payloadBytes of operation.startsWith('lock') ? [0] : settings.payloadBytes) {
        for (const inFlight of settings.inFlight) {
          const runs = Array.from({ length: settings.runs }, (_, run) => sampleRun(members * 1_000 + run));
          measurements.push(measurementOf(name, operation, { payloadBytes, inFlight }, runs));
        }
      }
    }
    return { subject: { name, members, connectNs: [80_000, null] }, measurements, failures: [] };
  });
  return assembleResult(settings, new Date('2026-01-02T03:04:05Z'), 61_000, outcomes);
}

function sampleRun(seed: number): Run {
  const random = seeded(seed);
  const histogram = new LatencyHistogram();
  const series = new TimeSeries();
  let atNs = 0;
  for (let index = 0; index < 1_000; index++) {
    const latencyNs = 200_000 * (seed / 1_000) * (0.5 - Math.log(1 - random()));
    atNs += latencyNs;
    histogram.record(latencyNs);
    series.record(atNs, latencyNs);
  }
  return {
    completed: 1_000,
    durationMs: atNs / 1e6,
    throughputPerS: 1e12 / atNs,
    latencyNs: histogram.summary(),
    errors: { TIMEOUT: 1 },
    violations: [],
    hits: 900,
    misses: 100,
    members: [
      { member: 'member 0', cpuCores: 0.4, residentBytes: 70e6, diskWriteBytes: null, walSyncs: 120 },
    ],
    histogram: histogram.encode(),
    series: series.series(atNs),
  };
}
