import type { FaultName } from '../run/plan.ts';
import { Pool } from '../run/pool.ts';
import type { Report } from '../run/worker.ts';
import type { Mutant } from './mutant.ts';

export interface Catch {
  readonly seed: number;
  readonly checker: string;
  readonly what: string;
}

export interface Verdict {
  /** Noticed by a checker that is meant for it, at a seed that passes with nothing planted. */
  readonly caught: Catch | null;
  /** Noticed by others only; that proves nothing of the checkers that it was planted for. */
  readonly byOthers: readonly Catch[];
  /** Seeds that fail with nothing planted. */
  readonly unfit: readonly number[];
  /** How many seeds were run. */
  readonly seeds: number;
  /** Of processor time, for all of it. */
  readonly tookMs: number;
}

export interface HuntOptions {
  readonly from: number;
  readonly seeds: number;
  /** How many seeds at a time. */
  readonly jobs: number;
  /** Instead of those that the mutant names. */
  readonly faults?: readonly FaultName[] | null;
  /** Where a seed's transcript goes; null: nowhere. */
  readonly transcriptPath?: (seed: number) => string | null;
  /** Processes with nothing planted. */
  readonly sane: Pool;
}

/** Runs seeds with the bug planted until one of its own checkers notices. */
export async function hunt(mutant: Mutant, options: HuntOptions): Promise<Verdict> {
  const { from, seeds, jobs, sane, transcriptPath = () => null } = options;
  const { choices = {} } = mutant;
  const faults = options.faults ?? mutant.faults ?? null;
  const byOthers: Catch[] = [];
  const unfit: number[] = [];
  const pool = new Pool(mutant.name);
  let ran = 0;
  let tookMs = 0;
  try {
    while (ran < seeds) {
      const batch = Array.from({ length: Math.min(jobs, seeds - ran) }, (_, i) => from + ran + i);
      ran += batch.length;
      const reports = await Promise.all(
        batch.map((seed) => pool.run({ seed, faults, choices, transcriptPath: transcriptPath(seed) })),
      );
      for (const report of reports) tookMs += report.tookMs;
      for (const report of reports) {
        const caught = catchOf(report, mutant.checkers);
        if (caught === null) continue;
        if (!mutant.checkers.includes(caught.checker)) {
          byOthers.push(caught);
          continue;
        }
        const { seed } = caught;
        const without = await sane.run({ seed, faults, choices, transcriptPath: null });
        tookMs += without.tookMs;
        if (without.passed) return { caught, byOthers, unfit, seeds: ran, tookMs };
        unfit.push(seed);
      }
    }
    return { caught: null, byOthers, unfit, seeds: ran, tookMs };
  } finally {
    pool.close();
  }
}

/**
 * What a run came to: the verdict of a checker that was meant, or else of whichever spoke first; what could not be
 * decided proves nothing. Null: it passed.
 */
export function catchOf(
  { seed, problems }: Pick<Report, 'seed' | 'problems'>,
  meant: readonly string[],
): Catch | null {
  const all: Catch[] = [];
  for (const problem of problems) {
    const found = /^(?:(run)|([^:\n]+): broken): (.*)/.exec(problem);
    if (found !== null) all.push({ seed, checker: found[1] ?? found[2]!, what: found[3]! });
  }
  return all.find(({ checker }) => meant.includes(checker)) ?? all[0] ?? null;
}

/** In one line, for people. */
export function tell(mutant: Mutant, { caught, byOthers, unfit, seeds }: Omit<Verdict, 'tookMs'>): string {
  const sentences: string[] = [];
  if (caught !== null) {
    sentences.push(`caught at seed ${caught.seed} by ${caught.checker}: ${caught.what}`);
  } else {
    sentences.push(`NOT caught within ${seeds} seeds by ${mutant.checkers.join(' or ')}`);
    const first = byOthers[0];
    if (first !== undefined)
      sentences.push(
        `${byOthers.length} times by others, first at seed ${first.seed} by ${first.checker}: ${first.what}`,
      );
  }
  if (unfit.length > 0) sentences.push(`with nothing planted these fail too: ${unfit.join(', ')}`);
  return sentences.join('; ');
}
