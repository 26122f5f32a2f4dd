import { mkdirSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { hunt, tell } from '../mutants/hunt.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { HELP, readArguments, type SimArguments } from './arguments.ts';
import { addMarks, addStruck, describeMarks, describeStruck, missing, noMarks, noneStruck } from './marks.ts';
import { Pool } from './pool.ts';
import type { Report } from './worker.ts';

const PROGRESS_MS = 10_000;

class Totals {
  readonly #startedMs = performance.now();
  seeds = 0;
  #events = 0;
  #simulatedMs = 0;
  #operations = 0;
  #blows = 0;
  #cpuMs = 0;
  readonly marks = noMarks();
  readonly struck = noneStruck();
  #slowest = { share: 0, seed: 0 };

  add({ events, simulatedMs, operations, blows, tookMs, marks, struck, mendingShare, seed }: Report): void {
    this.seeds += 1;
    this.#events += events;
    this.#simulatedMs += simulatedMs;
    this.#operations += operations;
    this.#blows += blows;
    this.#cpuMs += tookMs;
    addMarks(this.marks, marks);
    addStruck(this.struck, struck);
    if (mendingShare !== null && mendingShare > this.#slowest.share) {
      this.#slowest = { share: mendingShare, seed };
    }
  }

  slowest(): string {
    const { share, seed } = this.#slowest;
    return `slowest mending: ${(100 * share).toFixed(0)} % of what it may take (seed ${seed})`;
  }

  line(): string {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const cpu = this.#cpuMs / 1_000;
    const hours = this.#simulatedMs / 3_600_000;
    const rates =
      `${(this.seeds / cpu).toFixed(2)} seeds a second, ` +
      `${((hours * 60) / cpu).toFixed(2)} simulated hours a minute, of one processor`;
    return (
      `${this.seeds} seeds, ${hours.toFixed(1)} simulated hours, ${this.#operations} operations, ` +
      `${this.#blows} blows, ${(this.#events / 1e6).toFixed(1)} million events in ${seconds.toFixed(0)} s ` +
      `(${cpu.toFixed(0)} s of processors): ${rates}`
    );
  }
}

async function main(given: SimArguments): Promise<boolean> {
  const out = given.out ?? join(tmpdir(), 'synccluster-sim');
  mkdirSync(out, { recursive: true });
  if (given.mutant !== null) return huntFor(given.mutant, given, out);
  const pool = new Pool(null);
  const totals = new Totals();
  const untilMs = given.minutes === null ? Infinity : performance.now() + given.minutes * 60_000;
  const { faults } = given;
  let next = given.from;
  let failed = 0;
  const path = (seed: number): string => join(out, `seed-${seed}.txt`);
  const isOver = (): boolean =>
    next >= given.from + given.seeds || performance.now() >= untilMs || (failed > 0 && !given.keepGoing);

  const runNext = async (): Promise<void> => {
    while (!isOver()) {
      const seed = next++;
      const report = await pool.run({ seed, faults, transcriptPath: given.single ? path(seed) : null });
      totals.add(report);
      let problems = report.problems;
      if (given.twice || (!report.passed && !given.single)) {
        const again = await pool.run({ seed, faults, transcriptPath: path(seed) });
        if (again.hash !== report.hash) {
          problems = [...problems, `run: the second run differs: ${report.hash} and ${again.hash}`];
        }
      }
      if (given.single) {
        console.log(`seed ${seed}: ${report.hash}, ${report.events} events, ${report.operations} operations`);
        console.log(`transcript: ${path(seed)}`);
      }
      if (problems.length === 0) continue;
      failed += 1;
      console.log(`seed ${seed} FAILED (${report.checkers.join(', ') || 'run'})`);
      for (const problem of problems.slice(0, 3)) console.log(problem);
      console.log(`transcript: ${path(seed)}\nagain: ${commandFor(seed, given)}`);
    }
  };
  const progress = setInterval(() => console.log(totals.line()), PROGRESS_MS);
  try {
    await Promise.all(Array.from({ length: Math.min(given.jobs, given.seeds) }, runNext));
  } finally {
    clearInterval(progress);
    pool.close();
  }
  console.log(`struck: ${describeStruck(totals.struck)}`);
  console.log(`came about: ${describeMarks(totals.marks)}`);
  console.log(totals.slowest());
  // A fault that strikes nothing any more, or a nemesis too kind, is a failure as well. Where time decides how many
  // seeds there are, some may lack a rare one by chance.
  const isDemanded = faults === null && given.minutes === null;
  const never = isDemanded ? [totals.struck, totals.marks].flatMap((all) => missing(all, totals.seeds)) : [];
  if (never.length > 0)
    console.log(`FAILED: in ${totals.seeds} seeds these never came about: ${never.join(', ')}`);
  const passed = failed === 0 && never.length === 0;
  console.log(`${passed ? 'passed' : `${failed} FAILED`}: ${totals.line()}`);
  return passed;
}

/** With a bug planted a run is to fail, and in the right way. */
async function huntFor(mutant: Mutant, given: SimArguments, out: string): Promise<boolean> {
  const { from, seeds, jobs, faults, single } = given;
  const path = (seed: number): string => join(out, `seed-${seed}-${mutant.name}.txt`);
  const transcriptPath = single ? path : () => null;
  console.log(`${mutant.name}: ${mutant.why}`);
  const sane = new Pool(null);
  try {
    const verdict = await hunt(mutant, { from, seeds, jobs, faults, transcriptPath, sane });
    console.log(tell(mutant, verdict));
    if (single) console.log(`transcript: ${path(from)}`);
    else if (verdict.caught !== null)
      console.log(`its transcript: ${commandFor(verdict.caught.seed, given)}`);
    return verdict.caught !== null;
  } finally {
    sane.close();
  }
}

function commandFor(seed: number, { faults, mutant }: SimArguments): string {
  const more = [
    ...(faults === null ? [] : [`--faults ${faults.join(',') || 'none'}`]),
    ...(mutant === null ? [] : [`--mutant ${mutant.name}`]),
  ];
  return ['npm run sim -- --seed', seed, ...more].join(' ');
}

let given: SimArguments | null;
try {
  given = readArguments(process.argv.slice(2), availableParallelism());
} catch (error) {
  console.error(`sim: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
if (given === null) console.log(HELP);
else process.exitCode = (await main(given)) ? 0 : 1;
