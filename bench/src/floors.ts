import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arguments } from './args.ts';
import { measureFdatasync } from './cluster/fsyncProbe.ts';
import { type LocalCluster, startLocalCluster } from './cluster/localCluster.ts';
import { difference, sampleUsage, type UsageSample } from './cluster/usage.ts';
import { Crew } from './load/coordinator.ts';
import { forkWorker } from './load/forkWorker.ts';
import { OPERATION_TITLES, type Operation } from './load/phase.ts';
import type { Progress } from './progress.ts';
import { bytes, duration, rate, significant } from './report/format.ts';
import { alignedTable } from './report/text.ts';
import { median } from './stats/summary.ts';

const RUNS = 5;
const RUN_MS = 3_000;
const IN_FLIGHT = [1, 64, 256] as const;
const OPERATIONS: readonly Operation[] = ['lock.uncontended', 'queue.enqueue', 'cache.get'];
const IDLE_MS = 3_000;
/** What must be reached with so many in flight; per second. */
const REQUIRED_IN_FLIGHT = 256;
const REQUIRED_PER_S: Partial<Record<Operation, number>> = {
  'lock.uncontended': 8_000,
  'queue.enqueue': 15_000,
  'cache.get': 40_000,
};
const IDLE_BYTES_MAX = 120 * 1024 * 1024;

interface Floor {
  readonly operation: Operation;
  readonly inFlight: number;
  /** Of each run; the median is what counts on a machine with neighbours. */
  readonly throughputPerS: readonly number[];
  readonly medianPerS: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  /** Over all members; null where the metrics are missing. */
  readonly syncsPerS: number | null;
  /** Operations by the syncs of one member, on average. */
  readonly operationsPerSync: number | null;
  readonly errors: number;
}

interface FloorsReport {
  readonly members: number;
  readonly fdatasync: { readonly medianNs: number; readonly p99Ns: number };
  readonly idleResidentBytes: readonly (number | null)[];
  readonly floors: readonly Floor[];
  readonly violations: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/** A floor kept or not; null: could not be measured. */
interface Verdict {
  readonly what: string;
  readonly passed: boolean | null;
}

/** For development: what one client process gets out of a local cluster, beside what the disk allows. */
export async function runFloors(args: Arguments, progress: Progress, signal: AbortSignal): Promise<number> {
  const reports: FloorsReport[] = [];
  for (const members of args.members) {
    const dir = await mkdtemp(join(tmpdir(), 'synccluster-floors-'));
    try {
      const fdatasync = measureFdatasync(dir);
      progress.note(`starting ${members === 1 ? '1 member' : `${members} members`}`);
      const cluster = await startLocalCluster({ members, dir, shards: args.shards, signal });
      try {
        await sleep(IDLE_MS, undefined, { signal });
        const idle = await Promise.all(probesOf(cluster).map(sampleUsage));
        const { floors, violations } = await measureFloors(cluster, args, progress, signal);
        const idleResidentBytes = idle.map((sample) => sample.residentBytes);
        const report = {
          members,
          fdatasync,
          idleResidentBytes,
          floors,
          violations,
          verdicts: verdictsOn(floors, idleResidentBytes),
        };
        reports.push(report);
        process.stdout.write(renderFloors(report));
      } finally {
        await cluster.stop();
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  const json = `${JSON.stringify(reports, null, 1)}\n`;
  if (args.json) process.stdout.write(`\n${json}`);
  if (args.out !== null) {
    await mkdir(args.out, { recursive: true });
    await writeFile(join(args.out, 'floors.json'), json);
  }
  const isMissed = ({ violations, verdicts }: FloorsReport): boolean =>
    violations.length > 0 || verdicts.some(({ passed }) => passed === false);
  return reports.some(isMissed) ? 1 : 0;
}

function verdictsOn(floors: readonly Floor[], idleBytes: readonly (number | null)[]): Verdict[] {
  const speeds = floors.flatMap(({ operation, inFlight, medianPerS }): Verdict[] => {
    const required = REQUIRED_PER_S[operation];
    if (required === undefined || inFlight !== REQUIRED_IN_FLIGHT) return [];
    const what = `${OPERATION_TITLES[operation]}, ${inFlight} in flight: ${rate(medianPerS)}/s, at least ${rate(required)}/s`;
    return [{ what, passed: medianPerS >= required }];
  });
  const known = idleBytes.filter((size) => size !== null);
  const most = known.length === 0 ? null : Math.max(...known);
  const memory = `memory of an idle member: ${most === null ? 'not known' : bytes(most)}, at most ${bytes(IDLE_BYTES_MAX)}`;
  return [...speeds, { what: memory, passed: most === null ? null : most <= IDLE_BYTES_MAX }];
}

async function measureFloors(
  cluster: LocalCluster,
  args: Arguments,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ floors: Floor[]; violations: string[] }> {
  const crew = new Crew({
    workers: [forkWorker({ kind: 'synccluster', endpoints: cluster.endpoints })],
    drainIdleMs: args.drainIdleMs,
    signal,
    onProgress: () => {},
  });
  const floors: Floor[] = [];
  const violations: string[] = [];
  const phases = OPERATIONS.length * IN_FLIGHT.length * RUNS;
  progress.begin(`${cluster.pids.length} members`, phases);
  let done = 0;
  try {
    for (const operation of OPERATIONS) {
      for (const inFlight of IN_FLIGHT) {
        const runs: {
          perS: number;
          p50: number;
          p99: number;
          syncs: number | null;
          perSync: number | null;
        }[] = [];
        let errors = 0;
        for (let run = 0; run <= RUNS; run++) {
          const before = await Promise.all(probesOf(cluster).map(sampleUsage));
          const outcome = await crew.run({
            operation,
            runId: `${randomBytes(5).toString('hex')}-${run}`,
            inFlight,
            payloadBytes: args.settings.payloadBytes[0]!,
            operations: null,
            durationMs: run === 0 ? RUN_MS / 3 : RUN_MS,
            ratePerS: null,
            contendedKeys: args.settings.contendedKeys,
            cacheKeys: args.settings.cacheKeys,
            hitRatio: args.settings.hitRatio,
            lockWaitMs: 30_000,
            visibilityMs: 10_000,
          });
          const after = await Promise.all(probesOf(cluster).map(sampleUsage));
          violations.push(...outcome.violations);
          if (run === 0) continue;
          const perS = outcome.completed === 0 ? 0 : (outcome.completed * 1e9) / outcome.durationNs;
          // A get writes nothing: the syncs around it belong to the entries put beforehand.
          const syncs = operation === 'cache.get' ? null : sumOfSyncs(before, after);
          runs.push({
            perS,
            p50: outcome.completed === 0 ? 0 : outcome.histogram.percentile(50),
            p99: outcome.completed === 0 ? 0 : outcome.histogram.percentile(99),
            syncs: syncs === null ? null : (syncs * 1000) / Math.max(after[0]!.atMs - before[0]!.atMs, 1),
            perSync: syncs === null || syncs === 0 ? null : (outcome.completed * cluster.pids.length) / syncs,
          });
          errors += Object.values(outcome.errors).reduce((sum, times) => sum + times, 0);
          progress.phaseDone({
            subject: `${inFlight} in flight`,
            operation,
            run,
            done: ++done,
            throughputPerS: perS,
          });
        }
        floors.push({
          operation,
          inFlight,
          throughputPerS: runs.map((run) => Math.round(run.perS)),
          medianPerS: Math.round(median(runs.map((run) => run.perS))),
          p50Ns: median(runs.map((run) => run.p50)),
          p99Ns: median(runs.map((run) => run.p99)),
          syncsPerS: medianKnown(runs.map((run) => run.syncs)),
          operationsPerSync: medianKnown(runs.map((run) => run.perSync)),
          errors,
        });
      }
    }
    await crew.close();
  } finally {
    crew.kill();
    progress.end();
  }
  return { floors, violations };
}

function renderFloors(report: FloorsReport): string {
  const { fdatasync } = report;
  const resident = report.idleResidentBytes.map((size) => (size === null ? '–' : bytes(size)));
  const known = (value: number | null, show: (value: number) => string): string =>
    value === null ? '–' : show(value);
  const table = alignedTable(
    [
      'operation',
      'in flight',
      'median/s',
      'lowest–highest/s',
      'p50',
      'p99',
      'fdatasync/s, all members',
      'operations/fdatasync of one',
      'errors',
    ],
    report.floors.map((floor) => [
      OPERATION_TITLES[floor.operation],
      String(floor.inFlight),
      rate(floor.medianPerS),
      `${rate(Math.min(...floor.throughputPerS))}–${rate(Math.max(...floor.throughputPerS))}`,
      duration(floor.p50Ns),
      duration(floor.p99Ns),
      known(floor.syncsPerS, rate),
      known(floor.operationsPerSync, significant),
      String(floor.errors),
    ]),
  );
  return [
    '',
    `${report.members} ${report.members === 1 ? 'member' : 'members'}, one client process, median of ${RUNS} runs of ${RUN_MS / 1000} s`,
    `one fdatasync of 4 KiB alone: median ${duration(fdatasync.medianNs)}, p99 ${duration(fdatasync.p99Ns)}`,
    `resident memory of idle members: ${resident.join(', ')}`,
    '',
    table,
    '',
    ...report.verdicts.map(
      ({ what, passed }) => `${passed === null ? '?   ' : passed ? 'PASS' : 'FAIL'}  ${what}`,
    ),
    ...report.violations.map((violation) => `VIOLATION: ${violation}`),
    '',
  ].join('\n');
}

function probesOf(cluster: LocalCluster): { name: string; pid: number; health: string }[] {
  return cluster.pids.map((pid, ordinal) => ({
    name: `member ${ordinal}`,
    pid,
    health: cluster.healthEndpoints[ordinal]!,
  }));
}

function sumOfSyncs(before: readonly UsageSample[], after: readonly UsageSample[]): number | null {
  let sum = 0;
  for (let index = 0; index < before.length; index++) {
    const syncs = difference(before[index]!.walSyncs, after[index]!.walSyncs);
    if (syncs === null) return null;
    sum += syncs;
  }
  return sum;
}

function medianKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
}
