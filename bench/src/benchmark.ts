import { randomBytes } from 'node:crypto';
import { availableParallelism, cpus, totalmem } from 'node:os';
import {
  connectTime,
  type MemberProbe,
  retransmittedSegments,
  sampleUsage,
  usageBetween,
} from './cluster/usage.ts';
import { Crew, type PhaseOutcome } from './load/coordinator.ts';
import { carriesPayload, OPERATIONS, type Operation, type WorkerPort } from './load/phase.ts';
import type { Progress } from './progress.ts';
import { summaryOf } from './readResult.ts';
import {
  type Environment,
  type Measurement,
  RESULT_KIND,
  RESULT_SCHEMA_VERSION,
  type Result,
  type Run,
  type Settings,
  type Subject,
} from './result.ts';
import { spread } from './stats/summary.ts';

/** A cluster to measure, and what is known of its members. */
export interface BenchmarkSubject {
  readonly name: string;
  readonly members: number | null;
  readonly endpoints: readonly string[];
  readonly probes: readonly MemberProbe[];
  spawnWorker(): WorkerPort;
}

export interface BenchmarkOptions {
  readonly settings: Settings;
  readonly lockWaitMs: number;
  readonly visibilityMs: number;
  readonly drainIdleMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Measurements of one subject, before they are put into a result. */
export interface SubjectOutcome {
  readonly subject: Subject;
  readonly measurements: readonly Measurement[];
  readonly failures: readonly string[];
}

interface Variant {
  readonly operations: readonly Operation[];
  readonly payloadBytes: number;
  readonly inFlight: number;
}

/** Runs the whole plan on one subject. Rejects when the load itself fails; violated guarantees become failures. */
export async function measureSubject(
  subject: BenchmarkSubject,
  options: BenchmarkOptions,
): Promise<SubjectOutcome> {
  const { settings, progress, signal } = options;
  const connectNs = await Promise.all(subject.endpoints.map((endpoint) => connectTime(endpoint)));
  let done = 0;
  let label = { subject: subject.name, operation: '' as string, run: 0 };
  const crew = new Crew({
    workers: Array.from({ length: settings.clients }, () => subject.spawnWorker()),
    drainIdleMs: options.drainIdleMs,
    signal,
    onProgress: (completed) => {
      progress.update({ ...label, completed, operations: settings.operations });
    },
  });
  const runsOf = new Map<string, { variant: Variant; operation: Operation; runs: Run[] }>();
  const failures: string[] = [];
  try {
    const plan = variants(settings);
    progress.begin(
      subject.name,
      plan.reduce((sum, variant) => sum + variant.operations.length, 0) * (settings.runs + 1),
    );
    for (const variant of plan) {
      // Run 0 warms up: connections, sessions, compiled code, files. It is checked, not counted.
      for (let run = 0; run <= settings.runs; run++) {
        const runId = `${randomBytes(5).toString('hex')}-${run}`;
        for (const operation of variant.operations) {
          label = { subject: subject.name, operation, run };
          const { run: measured, outcome } = await measureRun(
            crew,
            subject,
            variant,
            operation,
            runId,
            run,
            options,
          );
          progress.phaseDone({ ...label, done: ++done, throughputPerS: measured?.throughputPerS ?? 0 });
          const what = `${subject.name}, ${operation}, run ${run === 0 ? '0 (warm-up)' : run}`;
          for (const violation of outcome.violations) failures.push(`${what}: ${violation}`);
          if (measured === null) {
            failures.push(`${what}: nothing succeeded (${errorText(outcome.errors)})`);
          } else if (run > 0) {
            const key = `${operation} ${variant.payloadBytes} ${variant.inFlight}`;
            const entry = runsOf.get(key) ?? { variant, operation, runs: [] };
            entry.runs.push(measured);
            runsOf.set(key, entry);
          }
        }
      }
    }
    await crew.close();
  } finally {
    crew.kill();
    progress.end();
  }
  return {
    subject: { name: subject.name, members: subject.members, connectNs },
    measurements: [...runsOf.values()].map(({ variant, operation, runs }) =>
      measurementOf(subject.name, operation, variant, runs),
    ),
    failures,
  };
}

/** Payload-free operations are measured once per number in flight; the order is the same for every subject. */
function variants(settings: Settings): Variant[] {
  const plan: Variant[] = [];
  for (const scenario of settings.scenarios) {
    const operations: readonly Operation[] = OPERATIONS[scenario];
    const sizes = operations.some(carriesPayload) ? settings.payloadBytes : [0];
    for (const payloadBytes of sizes) {
      for (const inFlight of settings.inFlight) plan.push({ operations, payloadBytes, inFlight });
    }
  }
  return plan;
}

async function measureRun(
  crew: Crew,
  subject: BenchmarkSubject,
  variant: Variant,
  operation: Operation,
  runId: string,
  run: number,
  options: BenchmarkOptions,
): Promise<{ run: Run | null; outcome: PhaseOutcome }> {
  const { settings } = options;
  const warmUp = run === 0;
  const before = await Promise.all(subject.probes.map(sampleUsage));
  const retransmittedBefore = await retransmittedSegments();
  const outcome = await crew.run({
    operation,
    runId,
    inFlight: variant.inFlight,
    payloadBytes: variant.payloadBytes,
    operations:
      settings.operations === null ? null : warmUp ? warmUpOf(settings.operations) : settings.operations,
    durationMs: settings.durationMs === null ? null : warmUp ? settings.durationMs / 4 : settings.durationMs,
    ratePerS: settings.ratePerS,
    contendedKeys: settings.contendedKeys,
    cacheKeys: settings.cacheKeys,
    hitRatio: settings.hitRatio,
    lockWaitMs: options.lockWaitMs,
    visibilityMs: options.visibilityMs,
  });
  const after = await Promise.all(subject.probes.map(sampleUsage));
  const retransmittedAfter = await retransmittedSegments();
  if (outcome.completed === 0) return { run: null, outcome };
  const measured: Run = {
    completed: outcome.completed,
    durationMs: Number((outcome.durationNs / 1e6).toFixed(3)),
    throughputPerS: (outcome.completed * 1e9) / outcome.durationNs,
    latencyNs: outcome.histogram.summary(),
    errors: outcome.errors,
    violations: outcome.violations,
    ...(outcome.hits === null ? {} : { hits: outcome.hits }),
    ...(outcome.misses === null ? {} : { misses: outcome.misses }),
    ...(outcome.redelivered === null ? {} : { redelivered: outcome.redelivered }),
    ...(retransmittedBefore === null || retransmittedAfter === null
      ? {}
      : { retransmittedSegments: Math.max(0, retransmittedAfter - retransmittedBefore) }),
    members: subject.probes.map((probe, index) => usageBetween(probe.name, before[index]!, after[index]!)),
    histogram: outcome.histogram.encode(),
    series: outcome.series.series(outcome.durationNs),
  };
  return { run: measured, outcome };
}

/** Enough for the machine code to be the optimised one, and a quarter of a run at most. */
function warmUpOf(operations: number): number {
  return Math.max(1, Math.min(operations, Math.max(500, Math.floor(operations / 4)), 5_000));
}

export function measurementOf(
  subject: string,
  operation: Operation,
  variant: { payloadBytes: number; inFlight: number },
  runs: readonly Run[],
): Measurement {
  return {
    subject,
    operation,
    payloadBytes: carriesPayload(operation) ? variant.payloadBytes : 0,
    inFlight: variant.inFlight,
    runs,
    throughputPerS: spread(runs.map((run) => run.throughputPerS)),
    latencyNs: summaryOf((key) => spread(runs.map((run) => run.latencyNs[key]))),
  };
}

export function assembleResult(
  settings: Settings,
  startedAt: Date,
  durationMs: number,
  outcomes: readonly SubjectOutcome[],
): Result {
  const failures = outcomes.flatMap((outcome) => outcome.failures);
  return {
    kind: RESULT_KIND,
    schemaVersion: RESULT_SCHEMA_VERSION,
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(durationMs),
    outcome: failures.length === 0 ? 'succeeded' : 'failed',
    failures,
    environment: environment(),
    settings,
    subjects: outcomes.map((outcome) => outcome.subject),
    measurements: outcomes.flatMap((outcome) => outcome.measurements),
  };
}

function environment(): Environment {
  return {
    nodeVersion: process.versions.node,
    platform: `${process.platform}/${process.arch}`,
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

function errorText(errors: Readonly<Record<string, number>>): string {
  const listed = Object.entries(errors).map(([code, count]) => `${count} × ${code}`);
  return listed.length === 0 ? 'and nothing failed either' : listed.join(', ');
}
