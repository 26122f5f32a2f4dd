import { describe, expect, it } from 'vitest';
import { assembleResult, type BenchmarkSubject, measureSubject } from './benchmark.ts';
import { inlineWorker } from './load/inlineWorker.ts';
import { makeProgress } from './progress.ts';
import { readResult } from './readResult.ts';
import type { Result, Settings } from './result.ts';
import { MemoryStore, MemoryTarget } from './targets/memoryTarget.ts';

const SETTINGS: Settings = {
  preset: 'light',
  operations: 60,
  durationMs: null,
  runs: 3,
  clients: 2,
  inFlight: [1, 4],
  payloadBytes: [16, 64],
  scenarios: ['lock', 'queue', 'cache'],
  ratePerS: null,
  contendedKeys: 2,
  cacheKeys: 10,
  hitRatio: 0.5,
};

async function measured(
  makeTarget: (store: MemoryStore) => MemoryTarget,
  settings: Settings,
): Promise<{ result: Result; progress: Record<string, unknown>[] }> {
  const store = new MemoryStore();
  const subject: BenchmarkSubject = {
    name: 'memory',
    members: null,
    endpoints: [],
    probes: [{ name: 'self', pid: process.pid, health: null }],
    spawnWorker: () => inlineWorker(async () => makeTarget(store)),
  };
  const lines: string[] = [];
  const outcome = await measureSubject(subject, {
    settings,
    lockWaitMs: 1_000,
    visibilityMs: 1_000,
    drainIdleMs: 100,
    progress: makeProgress('json', { write: (line) => lines.push(line) }),
    signal: new AbortController().signal,
  });
  const progress = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { result: assembleResult(settings, new Date(), 1, [outcome]), progress };
}

describe('measuring a subject', () => {
  it('measures every operation, payload size and number in flight in every run, and says so', async () => {
    const { result, progress } = await measured((store) => new MemoryTarget(store), SETTINGS);
    expect(readResult(JSON.parse(JSON.stringify(result)))).toEqual(result);
    expect(result.outcome).toBe('succeeded');
    // Two lock operations × 2 in flight, four others × 2 sizes × 2 in flight.
    expect(result.measurements).toHaveLength(2 * 2 + 4 * 2 * 2);
    for (const { runs, latencyNs, throughputPerS } of result.measurements) {
      expect(runs.map((run) => run.completed)).toEqual([60, 60, 60]);
      expect(latencyNs.p50.mean).toBeGreaterThan(0);
      expect(throughputPerS.mean).toBeGreaterThan(0);
    }
    const phases = progress.filter((event) => event['event'] === 'phase');
    expect(progress[0]).toMatchObject({ event: 'begin', phases: phases.length });
    expect(phases.at(-1)).toMatchObject({ done: phases.length });
  });
  it('fails the result when a guarantee is violated', async () => {
    class Lossy extends MemoryTarget {
      override async enqueue(queue: string, payload: Uint8Array): Promise<void> {
        if (payload[8] !== 5) await super.enqueue(queue, payload);
      }
    }
    const settings: Settings = { ...SETTINGS, scenarios: ['queue'], inFlight: [4], payloadBytes: [16] };
    const { result } = await measured((store) => new Lossy(store), settings);
    expect(result.outcome).toBe('failed');
    // The warm-up is checked as well.
    expect(result.failures).toHaveLength(4);
    expect(result.failures[0]).toBe(
      'memory, queue.consume, run 0 (warm-up): 2 of 60 confirmed messages never arrived',
    );
  });
  it('fails the result when nothing succeeds, and says with which errors', async () => {
    class Down extends MemoryTarget {
      override async acquire(): Promise<never> {
        throw Object.assign(new Error('no leader'), { code: 'UNAVAILABLE' });
      }
    }
    const settings: Settings = { ...SETTINGS, scenarios: ['lock'], inFlight: [4], operations: 8 };
    const { result } = await measured((store) => new Down(store), settings);
    expect(result.outcome).toBe('failed');
    expect(result.measurements).toEqual([]);
    expect(result.failures[1]).toContain('nothing succeeded (8 × UNAVAILABLE)');
  });
});
