import type { Condition } from '../api/schema.ts';
import type { OperationHeadline, SyncBenchmarkStatus } from '../api/syncBenchmark.ts';
import { mergeConditions } from '../cluster/status.ts';
import { benchmarkNames } from '../desired/names.ts';
import type { ObservedBenchmark, Phase } from './plan.ts';

export function benchmarkStatus(observed: ObservedBenchmark, phase: Phase, now: string): SyncBenchmarkStatus {
  const { benchmark, job, results } = observed;
  const before = benchmark.status;
  const { name, generation } = benchmark.metadata;
  const startTime = before?.startTime ?? job?.metadata.creationTimestamp ?? (job === null ? undefined : now);
  const completionTime = before?.completionTime ?? (phase.phase === 'finished' ? now : undefined);
  const headlines = results !== null && 'headlines' in results ? results.headlines : (before?.results ?? []);
  return {
    observedGeneration: generation ?? 0,
    ...(job === null && before?.jobName === undefined ? {} : { jobName: benchmarkNames.job(name) }),
    ...(results === null && before?.resultsConfigMap === undefined
      ? {}
      : { resultsConfigMap: benchmarkNames.results(name) }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(completionTime === undefined ? {} : { completionTime }),
    ...(headlines.length === 0 ? {} : { headline: headlineOf(headlines), results: [...headlines] }),
    conditions: mergeConditions(before?.conditions ?? [], [complete(phase)], generation ?? 0, now),
  };
}

function complete(phase: Phase): Omit<Condition, 'observedGeneration' | 'lastTransitionTime'> {
  const type = 'Complete';
  switch (phase.phase) {
    case 'waiting':
      return { type, status: 'False', reason: phase.reason, message: phase.message };
    case 'starting':
      return { type, status: 'False', reason: 'Starting', message: 'creating the Job' };
    case 'running':
      return { type, status: 'False', reason: 'Running', message: 'the Job runs' };
    case 'finished':
      return { type, status: 'True', reason: phase.reason, message: phase.message };
  }
}

/** `lock 12.3k · queue 45.6k · cache 130k`: of each primitive, its fastest operation. */
function headlineOf(headlines: readonly OperationHeadline[]): string {
  const best = new Map<string, number>();
  for (const { operation, operationsPerSecond } of headlines) {
    const primitive = operation.split('.')[0] ?? operation;
    best.set(primitive, Math.max(best.get(primitive) ?? 0, operationsPerSecond));
  }
  return [...best].map(([primitive, perSecond]) => `${primitive} ${short(perSecond)}`).join(' · ');
}
function short(value: number): string {
  if (value < 1000) return String(Math.round(value));
  const thousands = value / 1000;
  return thousands < 100 ? `${thousands.toFixed(1)}k` : `${Math.round(thousands)}k`;
}
