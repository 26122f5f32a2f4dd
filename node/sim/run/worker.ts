import { describe } from '../checkers/index.ts';
import { unplanted } from '../mutants/register.ts';
import type { Marks, Struck } from './marks.ts';
import { type Choices, drawPlan, type FaultName } from './plan.ts';
import { simulate } from './simulation.ts';

/** A process that runs one seed after the other, as it is told to. */
export interface Task {
  readonly seed: number;
  readonly faults: readonly FaultName[] | null;
  readonly choices?: Choices;
  readonly transcriptPath: string | null;
}

export interface Report {
  readonly seed: number;
  readonly passed: boolean;
  /** What was wrong, for people; the checker's name comes first. */
  readonly problems: readonly string[];
  /** Names of the checkers that found something; `run` for what the member or the world found itself. */
  readonly checkers: readonly string[];
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly blows: number;
  readonly mendingShare: number | null;
  readonly marks: Marks;
  readonly struck: Struck;
  /** Of processor time. */
  readonly tookMs: number;
}

process.on('message', (task: Task) => {
  void run(task).then((report) => process.send?.(report));
});

// Whoever asked is gone.
process.on('disconnect', () => process.exit());

async function run({ seed, faults, choices, transcriptPath }: Task): Promise<Report> {
  const before = process.cpuUsage();
  const plan = drawPlan(seed, faults === null ? null : new Set(faults), choices);
  const result = await simulate(plan, { transcriptPath });
  const { violations, error, hash, events, simulatedMs, operations, acknowledged, blows, marks, struck } =
    result;
  const { mendingShare } = result;
  const missing = unplanted();
  if (missing.length > 0) throw new Error(`the mutant was not planted: ${missing.join(', ')} was not loaded`);
  const used = process.cpuUsage(before);
  const problems = violations.map(describe);
  const checkers = new Set(violations.map(({ checker }) => checker));
  if (error !== null) {
    problems.push(`run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    checkers.add('run');
  }
  return {
    seed,
    passed: problems.length === 0,
    problems,
    checkers: [...checkers],
    hash,
    events,
    simulatedMs,
    operations,
    acknowledged,
    blows,
    mendingShare,
    marks,
    struck,
    tookMs: (used.user + used.system) / 1_000,
  };
}
